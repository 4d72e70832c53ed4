/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "added/disks.h"
#include "json/write.h"

/* The parent of a snapshot that descends from none. */
#define VP_SNAPSHOT_NO_PARENT "00000000-0000-0000-0000-000000000000"

#define VP_UUID_SIZE 37 /* of a uuid's text, NUL included */

/* Why a snapshot cannot be loaded. Each comes with the disks it is about. */
typedef enum VpSnapshotProblem {
    VP_SNAPSHOT_MISSING,    /* these disks have none of its name */
    VP_SNAPSHOT_MISMATCHED, /* what these have under its name is another one */
    VP_SNAPSHOT_DUPLICATE,  /* these have several of its name, and QEMU takes the first */
    VP_SNAPSHOT_DISK_ONLY,  /* the state of the guest was not saved; offline, 'qemu-img snapshot
                             * -a' can go back to it */
    VP_SNAPSHOT_NO_SUPPORT, /* these cannot hold snapshots at all */
    VP_SNAPSHOT_PROBLEMS,
} VpSnapshotProblem;

/* "missing-on", "mismatched", "duplicate-on", "disk-only", "no-snapshot-support". */
extern const char *const vp_snapshot_problem_names[VP_SNAPSHOT_PROBLEMS];

/* One snapshot over all disks that count. */
typedef struct VpSnapshot {
    VpSnapshotKey key;
    char uuid[VP_UUID_SIZE];
    gint64 vm_state_size;
    gint64 icount;               /* -1: not recorded */
    GPtrArray *disks;            /* of VpDisk: who holds it */
    GPtrArray *images;           /* of VpImageSnapshot: as they hold it */
    const VpDisk *state_holder;  /* NULL: nobody holds the state of the guest */
    /* of VpDisk: by problem; all empty: it can be loaded. The disks of DISK_ONLY are those that
     * hold it. */
    GPtrArray *problems[VP_SNAPSHOT_PROBLEMS];
    /* Filled in by who knows (lineage.h): text of a uuid, NULL: unknown. */
    char *parent;
    bool current;                /* the guest goes on from this one */
} VpSnapshot;

/* All of them, the oldest first. */
typedef struct VpSnapshots VpSnapshots;

/* Keeps @disks. */
VpSnapshots *vp_snapshots_new(VpDisks *disks);
void vp_snapshots_free(VpSnapshots *snapshots);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpSnapshots, vp_snapshots_free)

VpDisks *vp_snapshots_disks(const VpSnapshots *snapshots);
guint vp_snapshots_count(const VpSnapshots *snapshots);
VpSnapshot *vp_snapshots_at(const VpSnapshots *snapshots, guint i);
VpSnapshot *vp_snapshots_find_uuid(const VpSnapshots *snapshots, const char *uuid);

/* The one of that name that can be loaded; if none can, the first that has the name; NULL: there
 * is none. */
VpSnapshot *vp_snapshots_find(const VpSnapshots *snapshots, const char *tag);

/* Nanoseconds: since 1970; for which the guest had run. */
gint64 vp_snapshot_date(const VpSnapshotKey *key);
gint64 vp_snapshot_clock(const VpSnapshotKey *key);

bool vp_snapshot_loadable(const VpSnapshot *snapshot);

/* "it is missing on virtio-disk1, and virtio-disk0 has several of that name". "" if it can be
 * loaded. */
char *vp_snapshot_explain(const VpSnapshot *snapshot);

/* "virtio-disk0, virtio-disk1"; @disks: of VpDisk. */
char *vp_disk_names(const GPtrArray *disks);

/*
 * Version 5 of the uuid over what identifies a snapshot: the same on every image and in every copy
 * of them, and needs no room in them.
 */
void vp_snapshot_uuid(const VpSnapshotKey *key, char ret_uuid[VP_UUID_SIZE]);

/* The merged list: what query-snapshots returns. One object for each snapshot. */
char *vp_snapshots_to_json(const VpSnapshots *snapshots);

/* A list for each disk, as it was proposed for QEMU in June 2010: device, state, snapshots with
 * uuid, parent_uuid, date (YYYYMMDDHHMMSS in UTC, an integer), tag. */
char *vp_snapshots_to_json_per_device(const VpSnapshots *snapshots);

/* The object for one snapshot, as in the merged list. */
void vp_snapshot_write(const VpSnapshot *snapshot, VpJsonWriter *writer, const char *key);
