/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One list of snapshots out of those of all disks.
 *
 * A snapshot is what has one key: name, date and clock, for a save writes the same on each image.
 * QEMU itself goes by name only, and so it loads two unrelated halves that are called alike. What
 * can be loaded is therefore what is on every disk that counts, once, under a name that nothing
 * else on these disks has, with the state of the guest on one of them.
 */

#include "added/snapshot_list.h"

#include <string.h>

#define NS_PER_SEC G_GINT64_CONSTANT(1000000000)

const char *const vp_snapshot_problem_names[VP_SNAPSHOT_PROBLEMS] = {
    [VP_SNAPSHOT_MISSING] = "missing-on",
    [VP_SNAPSHOT_MISMATCHED] = "mismatched",
    [VP_SNAPSHOT_DUPLICATE] = "duplicate-on",
    [VP_SNAPSHOT_DISK_ONLY] = "disk-only",
    [VP_SNAPSHOT_NO_SUPPORT] = "no-snapshot-support",
};

/* The same in sentences, with the disks' names in them. */
static const char *const sentences[VP_SNAPSHOT_PROBLEMS] = {
    [VP_SNAPSHOT_MISSING] = "it is missing on %s",
    [VP_SNAPSHOT_MISMATCHED] = "what is called so on %s is another snapshot",
    [VP_SNAPSHOT_DUPLICATE] = "there are several of that name on %s",
    [VP_SNAPSHOT_DISK_ONLY] = "it holds the data of %s but not the state of the guest",
    [VP_SNAPSHOT_NO_SUPPORT] = "%s cannot hold snapshots",
};

struct VpSnapshots {
    VpDisks *disks;
    GPtrArray *list; /* of VpSnapshot */
};

/* The name space of the uuids: one of our own. */
static const guint8 name_space[16] = {
    0x5b, 0x9d, 0x1f, 0x62, 0x0c, 0x77, 0x4e, 0x0a, 0x93, 0x5e, 0x41, 0xd8, 0x2a, 0x66, 0xe3, 0x9c,
};

void
vp_snapshot_uuid(const VpSnapshotKey *key, char ret_uuid[VP_UUID_SIZE])
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA1);
    g_autofree char *name = g_strdup_printf(
        "%" G_GINT64_FORMAT ".%09" G_GINT64_FORMAT " %" G_GINT64_FORMAT ".%09" G_GINT64_FORMAT
        " %s", key->date_sec, key->date_nsec, key->clock_sec, key->clock_nsec, key->tag);
    guint8 digest[20] = { 0 };
    gsize size = sizeof(digest), at = 0;

    g_checksum_update(checksum, name_space, sizeof(name_space));
    g_checksum_update(checksum, (const guchar *)name, strlen(name));
    g_checksum_get_digest(checksum, digest, &size);
    digest[6] = (digest[6] & 0x0f) | 0x50;
    digest[8] = (digest[8] & 0x3f) | 0x80;
    for (guint i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            ret_uuid[at++] = '-';
        g_snprintf(ret_uuid + at, 3, "%02x", digest[i]);
        at += 2;
    }
}

static void
snapshot_free(gpointer data)
{
    VpSnapshot *snapshot = data;

    g_ptr_array_unref(snapshot->disks);
    g_ptr_array_unref(snapshot->images);
    for (guint i = 0; i < VP_SNAPSHOT_PROBLEMS; i++)
        g_ptr_array_unref(snapshot->problems[i]);
    g_free(snapshot->parent);
    g_free(snapshot);
}

static VpSnapshot *
snapshot_new(const VpImageSnapshot *image)
{
    VpSnapshot *snapshot = g_new0(VpSnapshot, 1);

    snapshot->key = image->key;
    snapshot->icount = image->icount;
    snapshot->disks = g_ptr_array_new();
    snapshot->images = g_ptr_array_new();
    for (guint i = 0; i < VP_SNAPSHOT_PROBLEMS; i++)
        snapshot->problems[i] = g_ptr_array_new();
    vp_snapshot_uuid(&snapshot->key, snapshot->uuid);
    return snapshot;
}

static VpSnapshot *
find_key(const VpSnapshots *snapshots, const VpSnapshotKey *key)
{
    for (guint i = 0; i < snapshots->list->len; i++) {
        if (vp_snapshot_key_equal(&vp_snapshots_at(snapshots, i)->key, key))
            return vp_snapshots_at(snapshots, i);
    }
    return NULL;
}

static void
add_image(VpSnapshots *snapshots, const VpDisk *disk, const VpImageSnapshot *image)
{
    VpSnapshot *snapshot = find_key(snapshots, &image->key);

    if (!snapshot) {
        snapshot = snapshot_new(image);
        g_ptr_array_add(snapshots->list, snapshot);
    }
    g_ptr_array_add(snapshot->disks, (gpointer)disk);
    g_ptr_array_add(snapshot->images, (gpointer)image);
    if (image->vm_state_size > 0 && !snapshot->state_holder) {
        snapshot->state_holder = disk;
        snapshot->vm_state_size = image->vm_state_size;
    }
}

static void
judge_disk(VpSnapshot *snapshot, const VpDisk *disk)
{
    const VpImageSnapshot *first = vp_disk_next(disk, snapshot->key.tag, NULL);
    VpSnapshotProblem problem = VP_SNAPSHOT_PROBLEMS;

    if (disk->unable)
        problem = VP_SNAPSHOT_NO_SUPPORT;
    else if (!first)
        problem = VP_SNAPSHOT_MISSING;
    else if (vp_disk_next(disk, snapshot->key.tag, first))
        problem = VP_SNAPSHOT_DUPLICATE;
    else if (!vp_snapshot_key_equal(&first->key, &snapshot->key))
        problem = VP_SNAPSHOT_MISMATCHED;
    if (problem < VP_SNAPSHOT_PROBLEMS)
        g_ptr_array_add(snapshot->problems[problem], (gpointer)disk);
}

static void
judge(VpSnapshot *snapshot, const VpDisks *disks)
{
    for (guint i = 0; i < vp_disks_count(disks); i++) {
        if (!vp_disks_at(disks, i)->read_only)
            judge_disk(snapshot, vp_disks_at(disks, i));
    }
    if (!snapshot->state_holder)
        g_ptr_array_extend(snapshot->problems[VP_SNAPSHOT_DISK_ONLY], snapshot->disks, NULL, NULL);
}

static gint
by_date(gconstpointer a, gconstpointer b)
{
    const VpSnapshotKey *one = &(*(const VpSnapshot *const *)a)->key;
    const VpSnapshotKey *two = &(*(const VpSnapshot *const *)b)->key;

    if (one->date_sec != two->date_sec)
        return one->date_sec < two->date_sec ? -1 : 1;
    if (one->date_nsec != two->date_nsec)
        return one->date_nsec < two->date_nsec ? -1 : 1;
    return strcmp(one->tag, two->tag);
}

VpSnapshots *
vp_snapshots_new(VpDisks *disks)
{
    VpSnapshots *snapshots = g_new0(VpSnapshots, 1);

    snapshots->disks = vp_disks_ref(disks);
    snapshots->list = g_ptr_array_new_with_free_func(snapshot_free);
    for (guint i = 0; i < vp_disks_count(disks); i++) {
        const VpDisk *disk = vp_disks_at(disks, i);

        for (guint j = 0; !disk->read_only && j < vp_disk_count(disk); j++)
            add_image(snapshots, disk, vp_disk_at(disk, j));
    }
    for (guint i = 0; i < snapshots->list->len; i++)
        judge(vp_snapshots_at(snapshots, i), disks);
    g_ptr_array_sort(snapshots->list, by_date);
    return snapshots;
}

void
vp_snapshots_free(VpSnapshots *snapshots)
{
    if (!snapshots)
        return;
    g_ptr_array_unref(snapshots->list);
    vp_disks_unref(snapshots->disks);
    g_free(snapshots);
}

VpDisks *
vp_snapshots_disks(const VpSnapshots *snapshots)
{
    return snapshots->disks;
}

guint
vp_snapshots_count(const VpSnapshots *snapshots)
{
    return snapshots->list->len;
}

VpSnapshot *
vp_snapshots_at(const VpSnapshots *snapshots, guint i)
{
    return g_ptr_array_index(snapshots->list, i);
}

VpSnapshot *
vp_snapshots_find_uuid(const VpSnapshots *snapshots, const char *uuid)
{
    for (guint i = 0; uuid && i < snapshots->list->len; i++) {
        if (strcmp(vp_snapshots_at(snapshots, i)->uuid, uuid) == 0)
            return vp_snapshots_at(snapshots, i);
    }
    return NULL;
}

VpSnapshot *
vp_snapshots_find(const VpSnapshots *snapshots, const char *tag)
{
    VpSnapshot *found = NULL;

    for (guint i = 0; i < snapshots->list->len; i++) {
        VpSnapshot *snapshot = vp_snapshots_at(snapshots, i);

        if (strcmp(snapshot->key.tag, tag) != 0)
            continue;
        if (vp_snapshot_loadable(snapshot))
            return snapshot;
        if (!found)
            found = snapshot;
    }
    return found;
}

gint64
vp_snapshot_date(const VpSnapshotKey *key)
{
    return key->date_sec * NS_PER_SEC + key->date_nsec;
}

gint64
vp_snapshot_clock(const VpSnapshotKey *key)
{
    return key->clock_sec * NS_PER_SEC + key->clock_nsec;
}

bool
vp_snapshot_loadable(const VpSnapshot *snapshot)
{
    for (guint i = 0; i < VP_SNAPSHOT_PROBLEMS; i++) {
        if (snapshot->problems[i]->len > 0)
            return false;
    }
    return true;
}

char *
vp_disk_names(const GPtrArray *disks)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < disks->len; i++) {
        const VpDisk *disk = g_ptr_array_index(disks, i);

        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", disk->name);
    }
    return g_string_free(text, FALSE);
}

char *
vp_snapshot_explain(const VpSnapshot *snapshot)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < VP_SNAPSHOT_PROBLEMS; i++) {
        g_autofree char *names = vp_disk_names(snapshot->problems[i]);
        const char *sentence = strchr(sentences[i], '%');

        if (snapshot->problems[i]->len == 0)
            continue;
        g_string_append_printf(text, "%s%.*s%s%s", text->len > 0 ? ", and " : "",
                               (int)(sentence - sentences[i]), sentences[i], names, sentence + 2);
    }
    return g_string_free(text, FALSE);
}

static void
write_names(VpJsonWriter *writer, const char *key, const GPtrArray *disks)
{
    vp_json_begin_array(writer, key);
    for (guint i = 0; i < disks->len; i++) {
        const VpDisk *disk = g_ptr_array_index(disks, i);

        vp_json_add_string(writer, NULL, disk->name);
    }
    vp_json_end(writer);
}

static void
write_problems(const VpSnapshot *snapshot, VpJsonWriter *writer)
{
    g_autofree char *text = vp_snapshot_explain(snapshot);

    if (vp_snapshot_loadable(snapshot))
        return;
    vp_json_begin_array(writer, "problems");
    for (guint i = 0; i < VP_SNAPSHOT_PROBLEMS; i++) {
        if (snapshot->problems[i]->len == 0)
            continue;
        vp_json_begin_object(writer, NULL);
        vp_json_add_string(writer, "problem", vp_snapshot_problem_names[i]);
        write_names(writer, "disks", snapshot->problems[i]);
        vp_json_end(writer);
    }
    vp_json_end(writer);
    vp_json_add_string(writer, "explanation", text);
}

static void
write_images(const VpSnapshot *snapshot, VpJsonWriter *writer)
{
    vp_json_begin_array(writer, "images");
    for (guint i = 0; i < snapshot->disks->len; i++) {
        const VpDisk *disk = g_ptr_array_index(snapshot->disks, i);
        const VpImageSnapshot *image = g_ptr_array_index(snapshot->images, i);

        vp_json_begin_object(writer, NULL);
        vp_json_add_string(writer, "disk", disk->name);
        vp_json_add_string(writer, "node-name", disk->node);
        vp_json_add_string(writer, "file", disk->file);
        vp_json_add_string(writer, "id", image->id);
        vp_json_add_int(writer, "vm-state-size", image->vm_state_size);
        vp_json_end(writer);
    }
    vp_json_end(writer);
}

void
vp_snapshot_write(const VpSnapshot *snapshot, VpJsonWriter *writer, const char *key)
{
    vp_json_begin_object(writer, key);
    vp_json_add_string(writer, "name", snapshot->key.tag);
    vp_json_add_string(writer, "uuid", snapshot->uuid);
    vp_json_add_string(writer, "parent", snapshot->parent);
    vp_json_add_bool(writer, "current", snapshot->current);
    vp_json_add_bool(writer, "loadable", vp_snapshot_loadable(snapshot));
    write_problems(snapshot, writer);
    vp_json_add_int(writer, "date-sec", snapshot->key.date_sec);
    vp_json_add_int(writer, "date-nsec", snapshot->key.date_nsec);
    vp_json_add_int(writer, "vm-clock-sec", snapshot->key.clock_sec);
    vp_json_add_int(writer, "vm-clock-nsec", snapshot->key.clock_nsec);
    if (snapshot->icount >= 0)
        vp_json_add_int(writer, "icount", snapshot->icount);
    vp_json_add_int(writer, "vm-state-size", snapshot->vm_state_size);
    if (snapshot->state_holder)
        vp_json_add_string(writer, "vmstate", snapshot->state_holder->name);
    write_images(snapshot, writer);
    vp_json_end(writer);
}

char *
vp_snapshots_to_json(const VpSnapshots *snapshots)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();

    vp_json_begin_array(&writer, NULL);
    for (guint i = 0; i < vp_snapshots_count(snapshots); i++)
        vp_snapshot_write(vp_snapshots_at(snapshots, i), &writer, NULL);
    vp_json_end(&writer);
    return vp_json_writer_steal(&writer);
}

/* 20100416100000; 0 for a date that no calendar has. */
static gint64
date_number(gint64 seconds)
{
    g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(seconds);
    g_autofree char *text = date ? g_date_time_format(date, "%Y%m%d%H%M%S") : NULL;

    return text ? g_ascii_strtoll(text, NULL, 10) : 0;
}

static void
write_device_snapshots(const VpSnapshots *snapshots, const VpDisk *disk, VpJsonWriter *writer)
{
    vp_json_begin_array(writer, "snapshots");
    for (guint i = 0; i < vp_disk_count(disk); i++) {
        const VpSnapshotKey *key = &vp_disk_at(disk, i)->key;
        const VpSnapshot *snapshot = find_key(snapshots, key);

        vp_json_begin_object(writer, NULL);
        vp_json_add_string(writer, "uuid", snapshot->uuid);
        vp_json_add_string(writer, "parent_uuid", snapshot->parent);
        if (*key->tag)
            vp_json_add_string(writer, "tag", key->tag);
        vp_json_add_int(writer, "date", date_number(key->date_sec));
        vp_json_end(writer);
    }
    vp_json_end(writer);
}

char *
vp_snapshots_to_json_per_device(const VpSnapshots *snapshots)
{
    const VpDisk *holder = vp_disks_state_holder(snapshots->disks);
    g_auto(VpJsonWriter) writer = vp_json_writer();

    vp_json_begin_array(&writer, NULL);
    for (guint i = 0; i < vp_disks_count(snapshots->disks); i++) {
        const VpDisk *disk = vp_disks_at(snapshots->disks, i);

        if (disk->read_only || disk->unable)
            continue;
        vp_json_begin_object(&writer, NULL);
        vp_json_add_string(&writer, "device", disk->name);
        vp_json_add_bool(&writer, "state", disk == holder);
        write_device_snapshots(snapshots, disk, &writer);
        vp_json_end(&writer);
    }
    vp_json_end(&writer);
    return vp_json_writer_steal(&writer);
}
