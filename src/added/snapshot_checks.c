/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What QEMU does not look at before it saves or loads a snapshot, or not before it has stopped the
 * guest, written all of its memory, or put back half of the disks. Pure functions: answers in,
 * verdict out.
 */

#include "added/snapshot_checks.h"

#include "base/error.h"
#include "base/limits.h"

#include <string.h>

#define REFUSE(error, ...) \
    (g_set_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED, __VA_ARGS__), false)

static bool
has_controls(const char *name)
{
    for (const char *at = name; *at; at = g_utf8_next_char(at)) {
        if (g_unichar_iscntrl(g_utf8_get_char(at)))
            return true;
    }
    return false;
}

bool
vp_check_snapshot_name(const char *name, GError **error)
{
    gsize size = strlen(name);

    if (size == 0)
        return REFUSE(error, "the name of the snapshot is empty; leave it out to get one made");
    if (size > VP_SNAPSHOT_NAME_MAX)
        return REFUSE(error, "the name of the snapshot has %" G_GSIZE_FORMAT " bytes, and an "
                      "image holds no more than %u", size, VP_SNAPSHOT_NAME_MAX);
    if (!g_utf8_validate(name, -1, NULL))
        return REFUSE(error, "the name of the snapshot is not valid UTF-8");
    if (has_controls(name))
        return REFUSE(error, "the name of the snapshot has control characters in it");
    if (strspn(name, "0123456789") == size)
        return REFUSE(error, "the name of the snapshot, '%s', consists of digits; tools such as "
                      "qemu-img would take it for an id", name);
    return true;
}

static bool
is_taken(const VpDisks *disks, const char *name)
{
    return !vp_check_name_free(disks, name, NULL);
}

char *
vp_snapshot_default_name(GDateTime *now, const VpDisks *disks)
{
    g_autofree char *base = g_date_time_format(now, "vm-%Y%m%d%H%M%S");
    g_autofree char *name = g_strdup(base);

    for (guint i = 2; is_taken(disks, name); i++) {
        g_free(name);
        name = g_strdup_printf("%s-%u", base, i);
    }
    return g_steal_pointer(&name);
}

bool
vp_check_run_state(const VpJsonNode *status, bool replacing, GError **error)
{
    static const struct {
        const char *state;
        bool always;        /* in the way of loading and deleting too */
        const char *why;
    } refused[] = {
        { "inmigrate", true, "it is still coming in" },
        { "finish-migrate", true, "it is about to move away" },
        { "postmigrate", true, "it has moved away" },
        { "save-vm", true, "a snapshot is being saved" },
        { "colo", true, "it is one half of a fault-tolerant pair" },
        { "restore-vm", false, "a snapshot could not be loaded and has left half a machine; load "
          "another" },
    };
    const char *state = vp_json_get_string(status, "status");

    for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
        if (g_strcmp0(state, refused[i].state) == 0 && (refused[i].always || !replacing))
            return REFUSE(error, "the guest is in the state '%s': %s", state, refused[i].why);
    }
    return true;
}

bool
vp_check_migration(const VpJsonNode *migration, GError **error)
{
    static const char *const idle[] = { "none", "cancelled", "completed", "failed", NULL };
    const VpJsonNode *reasons = vp_json_get(migration, "blocked-reasons");
    const char *status = vp_json_get_string(migration, "status");

    if (vp_json_length(reasons) > 0)
        return REFUSE(error, "the state of the guest can neither be saved nor loaded: %s",
                      vp_json_string(vp_json_at(reasons, 0)) ?: "a device does not allow it");
    if (status && !g_strv_contains(idle, status))
        return REFUSE(error, "the guest is being migrated (%s); wait until that has ended", status);
    return true;
}

bool
vp_check_jobs(const VpJsonNode *jobs, GError **error)
{
    for (guint i = 0; i < vp_json_length(jobs); i++) {
        const VpJsonNode *job = vp_json_at(jobs, i);
        const char *status = vp_json_get_string(job, "status");

        if (g_strcmp0(status, "concluded") == 0 || g_strcmp0(status, "null") == 0)
            continue;
        return REFUSE(error, "the job '%s' (%s, %s) has not ended; wait for it or cancel it",
                      vp_json_get_string(job, "id") ?: "", vp_json_get_string(job, "type") ?: "",
                      status ?: "");
    }
    return true;
}

bool
vp_check_devices(const VpJsonNode *list, GError **error)
{
    static const char *const outside[] = { "vhost-user-blk", "vhost-user-scsi", "vhost-scsi",
                                           "vhost-vdpa-device" };

    for (guint i = 0; i < vp_json_length(list); i++) {
        const char *type = vp_json_get_string(vp_json_at(list, i), "type");

        for (gsize j = 0; type && j < G_N_ELEMENTS(outside); j++) {
            g_autofree char *prefix = g_strconcat("child<", outside[j], NULL);

            if (g_str_has_prefix(type, prefix))
                return REFUSE(error, "the device '%s' (%s) keeps its data outside of QEMU, where "
                              "a snapshot does not reach",
                              vp_json_get_string(vp_json_at(list, i), "name") ?: "", outside[j]);
        }
    }
    return true;
}

bool
vp_check_disks(const VpDisks *disks, GError **error)
{
    guint count = 0;

    for (guint i = 0; i < vp_disks_count(disks); i++) {
        const VpDisk *disk = vp_disks_at(disks, i);

        if (disk->read_only)
            continue;
        if (disk->unable)
            return REFUSE(error, "the disk '%s' (%s) cannot hold a snapshot: it %s", disk->name,
                          disk->file, disk->unable);
        count++;
    }
    if (count == 0)
        return REFUSE(error, "the guest has no disk that may be written, so there is nothing to "
                      "hold its state");
    if (!vp_disks_state_holder(disks))
        return REFUSE(error, "no disk of the guest can hold its state; one in qcow2 is needed");
    return true;
}

static const char *
name_of_node(const VpDisks *disks, const char *node)
{
    const VpDisk *disk = node ? vp_disks_find(disks, node) : NULL;

    return disk ? disk->name : node ?: "";
}

bool
vp_check_bitmaps(const VpJsonNode *nodes, const VpDisks *disks, GError **error)
{
    for (guint i = 0; i < vp_json_length(nodes); i++) {
        const VpJsonNode *node = vp_json_at(nodes, i);
        const VpJsonNode *bitmaps = vp_json_get(node, "dirty-bitmaps");

        if (vp_json_length(bitmaps) == 0 || vp_json_get_bool(node, "ro"))
            continue;
        return REFUSE(error, "the disk '%s' has the dirty bitmap '%s', with which QEMU cannot "
                      "load a snapshot; remove it (libvirt: the checkpoint) first",
                      name_of_node(disks, vp_json_get_string(node, "node-name")),
                      vp_json_get_string(vp_json_at(bitmaps, 0), "name") ?: "");
    }
    return true;
}

bool
vp_check_name_free(const VpDisks *disks, const char *name, GError **error)
{
    for (guint i = 0; i < vp_disks_count(disks); i++) {
        const VpDisk *disk = vp_disks_at(disks, i);

        if (vp_disk_next(disk, name, NULL))
            return REFUSE(error, "the disk '%s' has a snapshot '%s' already; choose another name, "
                          "or have it replaced by \"overwrite\": true", disk->name, name);
    }
    return true;
}

bool
vp_check_loadable(const VpSnapshots *snapshots, const char *name, GError **error)
{
    const VpSnapshot *snapshot = vp_snapshots_find(snapshots, name);
    g_autofree char *why = NULL;

    if (!snapshot)
        return REFUSE(error, "there is no snapshot '%s'; query-snapshots lists those that there "
                      "are", name);
    why = vp_snapshot_explain(snapshot);
    if (!vp_snapshot_loadable(snapshot))
        return REFUSE(error, "the snapshot '%s' cannot be loaded: %s", name, why);
    return true;
}
