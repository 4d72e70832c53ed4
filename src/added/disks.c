/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The guest's disks and the snapshots in them, from what query-block tells.
 *
 * libvirt's disks have no name of their own there: their "device" is empty. What a person knows is
 * the alias in the path of the device that the disk is plugged into. Filters (copy-on-read,
 * throttle) may lie on the image; query-block then shows the image as the filter's backing image,
 * and its snapshots as the filter's.
 *
 * Which disks count is QEMU's rule: those with a medium that may be written. Nodes that belong to
 * no device are none of the guest's; the commands that we use take a list of nodes and so leave
 * them alone.
 *
 * All strings are copies in one chunk, so that the state before a command can be held against
 * the one after it.
 */

#include "added/disks.h"

#include "base/error.h"
#include "base/limits.h"

#include <string.h>

#define DATE_MAX G_MAXUINT32 /* qcow2 has 32 bits for it */
#define CLOCK_MAX G_MAXINT32
#define NSEC_MAX 999999999

struct VpDisks {
    grefcount references;
    GStringChunk *strings;
    GArray *disks;          /* of VpDisk */
};

bool
vp_snapshot_key_equal(const VpSnapshotKey *a, const VpSnapshotKey *b)
{
    return a->date_sec == b->date_sec && a->date_nsec == b->date_nsec &&
           a->clock_sec == b->clock_sec && a->clock_nsec == b->clock_nsec &&
           strcmp(a->tag, b->tag) == 0;
}

static const char *
keep(VpDisks *disks, const char *text)
{
    return g_string_chunk_insert_const(disks->strings, text ?: "");
}

/* "/machine/peripheral/virtio-disk0/virtio-backend" is virtio-disk0, "/machine/system.flash1" is
 * system.flash1, "ide0-0-0" is itself. "" for a device that nobody has named. */
static char *
alias_of(const char *qdev)
{
    g_auto(GStrv) parts = NULL;

    if (!qdev || qdev[0] != '/')
        return g_strdup(qdev ?: "");
    parts = g_strsplit(qdev, "/", 5); /* "", "machine", ... */
    if (g_strv_length(parts) < 3)
        return g_strdup("");
    if (strcmp(parts[2], "peripheral") == 0 && parts[3])
        return g_strdup(parts[3]);
    if (g_str_has_prefix(parts[2], "peripheral") || strcmp(parts[2], "unattached") == 0)
        return g_strdup("");
    return g_strdup(parts[2]);
}

static const char *
name_of(VpDisks *disks, const VpJsonNode *block, const char *node)
{
    g_autofree char *alias = alias_of(vp_json_get_string(block, "qdev"));
    const char *device = vp_json_get_string(block, "device");

    if (*alias)
        return keep(disks, alias);
    return keep(disks, device && *device ? device : node);
}

static bool
is_filter(const char *format)
{
    static const char *const filters[] = { "copy-on-read", "throttle", "compress", "preallocate" };

    for (gsize i = 0; i < G_N_ELEMENTS(filters); i++) {
        if (g_strcmp0(format, filters[i]) == 0)
            return true;
    }
    return false;
}

/* The image itself, below its filters. */
static const VpJsonNode *
image_of(const VpJsonNode *inserted)
{
    const VpJsonNode *image = vp_json_get(inserted, "image");
    const VpJsonNode *below = NULL;

    while (is_filter(vp_json_get_string(image, "format")) &&
           (below = vp_json_get(image, "backing-image")))
        image = below;
    return image;
}

/* The format's own limits, which QEMU notices only when all of the guest's memory has been
 * written. */
static const char *
why_qcow2_cannot(const VpJsonNode *image)
{
    const VpJsonNode *data = vp_json_path(image, "format-specific", "data", NULL);

    if (vp_json_get(data, "data-file"))
        return "keeps its data in an external file, of which qcow2 takes no snapshots";
    if (vp_json_get_int(data, "refcount-bits", 16) < 2)
        return "has reference counts of 1 bit, so that no cluster can belong to a snapshot too";
    if (vp_json_get_bool(data, "corrupt"))
        return "is marked corrupt; 'qemu-img check' tells more";
    return NULL;
}

static const char *
why_unable(VpDisks *disks, const VpJsonNode *image, const char *format, const char *node)
{
    g_autofree char *text = NULL;

    if (!node || !*node)
        return "has no node name by which it could be told to";
    if (strcmp(format, "qcow2") == 0)
        return why_qcow2_cannot(image);
    if (strcmp(format, "rbd") == 0)
        return NULL;
    /* "raw" or, where libvirt has left that layer out, as newer ones do, what is below: "file". */
    text = g_strdup_printf("is read by QEMU's driver '%s', which has no snapshots; use qcow2",
                           format);
    return keep(disks, text);
}

/* A number of a date or a clock, in a range in which it can be reckoned with. */
static gint64
read_time(const VpJsonNode *node, const char *key, gint64 most)
{
    return CLAMP(vp_json_get_int(node, key, 0), 0, most);
}

static VpImageSnapshot
read_snapshot(VpDisks *disks, const VpJsonNode *node)
{
    return (VpImageSnapshot){
        .key = {
            .tag = keep(disks, vp_json_get_string(node, "name")),
            .date_sec = read_time(node, "date-sec", DATE_MAX),
            .date_nsec = read_time(node, "date-nsec", NSEC_MAX),
            .clock_sec = read_time(node, "vm-clock-sec", CLOCK_MAX),
            .clock_nsec = read_time(node, "vm-clock-nsec", NSEC_MAX),
        },
        .id = keep(disks, vp_json_get_string(node, "id")),
        .vm_state_size = vp_json_get_int(node, "vm-state-size", 0),
        .icount = vp_json_get_int(node, "icount", -1),
    };
}

static GArray *
read_snapshots(VpDisks *disks, const VpJsonNode *list)
{
    GArray *snapshots = g_array_new(FALSE, FALSE, sizeof(VpImageSnapshot));

    for (guint i = 0; i < vp_json_length(list); i++) {
        VpImageSnapshot snapshot = read_snapshot(disks, vp_json_at(list, i));

        g_array_append_val(snapshots, snapshot);
    }
    return snapshots;
}

static VpDisk
read_disk(VpDisks *disks, const VpJsonNode *block, const VpJsonNode *inserted)
{
    const VpJsonNode *image = image_of(inserted);
    const char *node = vp_json_get_string(inserted, "node-name");
    const char *qdev = vp_json_get_string(block, "qdev");
    const char *format = keep(disks, vp_json_get_string(image, "format"));

    return (VpDisk){
        .name = name_of(disks, block, node),
        .node = keep(disks, node),
        .file = keep(disks, vp_json_get_string(image, "filename")),
        .format = format,
        .unable = why_unable(disks, image, format, node),
        .read_only = vp_json_get_bool(inserted, "ro"),
        .firmware = qdev && strstr(qdev, "flash") && g_str_has_prefix(qdev, "/machine/"),
        .takes_state = strcmp(format, "qcow2") == 0,
        .snapshots = read_snapshots(disks, vp_json_get(image, "snapshots")),
    };
}

static void
clear_disk(gpointer data)
{
    VpDisk *disk = data;

    g_array_unref(disk->snapshots);
}

/* Two devices may share a node. QEMU would put two snapshots into it if it was named twice. */
static bool
is_known(const VpDisks *disks, const VpJsonNode *inserted)
{
    const char *node = vp_json_get_string(inserted, "node-name");

    return node && vp_disks_find(disks, node);
}

VpDisks *
vp_disks_read(const VpJsonNode *blocks, GError **error)
{
    g_autoptr(VpDisks) disks = g_new0(VpDisks, 1);
    guint snapshots = 0;

    g_ref_count_init(&disks->references);
    disks->strings = g_string_chunk_new(1024);
    disks->disks = g_array_new(FALSE, FALSE, sizeof(VpDisk));
    g_array_set_clear_func(disks->disks, clear_disk);
    for (guint i = 0; i < vp_json_length(blocks); i++) {
        const VpJsonNode *block = vp_json_at(blocks, i);
        const VpJsonNode *inserted = vp_json_get(block, "inserted");
        VpDisk disk = { 0 };

        if (!inserted || is_known(disks, inserted))
            continue;
        disk = read_disk(disks, block, inserted);
        g_array_append_val(disks->disks, disk);
        snapshots += vp_disk_count(&disk);
    }
    if (snapshots <= VP_SNAPSHOTS_MAX)
        return g_steal_pointer(&disks);
    g_set_error(error, VP_ERROR, VP_ERROR_LIMIT,
                "the disks hold %u snapshots, and no more than %u can be dealt with; delete some "
                "with 'qemu-img snapshot -d' while the guest is off", snapshots, VP_SNAPSHOTS_MAX);
    return NULL;
}

VpDisks *
vp_disks_ref(VpDisks *disks)
{
    g_ref_count_inc(&disks->references);
    return disks;
}

void
vp_disks_unref(VpDisks *disks)
{
    if (!disks || !g_ref_count_dec(&disks->references))
        return;
    g_array_unref(disks->disks);
    g_string_chunk_free(disks->strings);
    g_free(disks);
}

guint
vp_disks_count(const VpDisks *disks)
{
    return disks->disks->len;
}

const VpDisk *
vp_disks_at(const VpDisks *disks, guint i)
{
    return &g_array_index(disks->disks, VpDisk, i);
}

const VpDisk *
vp_disks_find(const VpDisks *disks, const char *node)
{
    for (guint i = 0; i < vp_disks_count(disks); i++) {
        if (strcmp(vp_disks_at(disks, i)->node, node) == 0)
            return vp_disks_at(disks, i);
    }
    return NULL;
}

guint
vp_disk_count(const VpDisk *disk)
{
    return disk->snapshots->len;
}

const VpImageSnapshot *
vp_disk_at(const VpDisk *disk, guint i)
{
    return &g_array_index(disk->snapshots, VpImageSnapshot, i);
}

const VpImageSnapshot *
vp_disk_next(const VpDisk *disk, const char *tag, const VpImageSnapshot *after)
{
    guint first = after ? after - vp_disk_at(disk, 0) + 1 : 0;

    for (guint i = first; i < vp_disk_count(disk); i++) {
        if (strcmp(vp_disk_at(disk, i)->key.tag, tag) == 0)
            return vp_disk_at(disk, i);
    }
    return NULL;
}

bool
vp_disk_holds(const VpDisk *disk, const VpImageSnapshot *snapshot)
{
    for (guint i = 0; i < vp_disk_count(disk); i++) {
        const VpImageSnapshot *own = vp_disk_at(disk, i);

        if (strcmp(own->id, snapshot->id) == 0 &&
            vp_snapshot_key_equal(&own->key, &snapshot->key))
            return true;
    }
    return false;
}

const VpDisk *
vp_disks_state_holder(const VpDisks *disks)
{
    const VpDisk *flash = NULL;

    for (guint i = 0; i < vp_disks_count(disks); i++) {
        const VpDisk *disk = vp_disks_at(disks, i);

        if (disk->read_only || disk->unable || !disk->takes_state)
            continue;
        if (!disk->firmware)
            return disk;
        if (!flash)
            flash = disk;
    }
    return flash;
}

static bool
disk_equal(const VpDisk *disk, const VpDisk *other)
{
    if (!other || vp_disk_count(disk) != vp_disk_count(other))
        return false;
    for (guint i = 0; i < vp_disk_count(disk); i++) {
        if (!vp_disk_holds(other, vp_disk_at(disk, i)))
            return false;
    }
    return true;
}

bool
vp_disks_equal(const VpDisks *disks, const VpDisks *other)
{
    if (vp_disks_count(disks) != vp_disks_count(other))
        return false;
    for (guint i = 0; i < vp_disks_count(disks); i++) {
        const VpDisk *disk = vp_disks_at(disks, i);

        if (!disk_equal(disk, vp_disks_find(other, disk->node)))
            return false;
    }
    return true;
}
