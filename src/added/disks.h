/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json/tree.h"

/* What tells one snapshot from another: a save writes the same on every image. Ids do not count,
 * each image numbers its own. */
typedef struct VpSnapshotKey {
    const char *tag;
    gint64 date_sec;    /* when it was taken, seconds since 1970 */
    gint64 date_nsec;
    gint64 clock_sec;   /* how long the guest had run */
    gint64 clock_nsec;
} VpSnapshotKey;

bool vp_snapshot_key_equal(const VpSnapshotKey *a, const VpSnapshotKey *b);

/* A snapshot as one image holds it. */
typedef struct VpImageSnapshot {
    VpSnapshotKey key;
    const char *id;        /* in this image */
    gint64 vm_state_size;  /* bytes; 0: the state of the guest is not in this image */
    gint64 icount;         /* -1: not recorded */
} VpImageSnapshot;

/* A disk of the guest with something in it. */
typedef struct VpDisk {
    const char *name;    /* for people: the device's alias, else the node's name */
    const char *node;    /* what QEMU's commands take */
    const char *file;    /* of the image, as QEMU names it */
    const char *format;  /* of the image, below the filters on it */
    const char *unable;  /* why it can hold no snapshot; NULL: it can */
    bool read_only;      /* QEMU leaves it out of snapshots */
    bool firmware;       /* flash memory */
    bool takes_state;    /* can hold the state of the guest too */
    GArray *snapshots;   /* of VpImageSnapshot, in the image's order */
} VpDisk;

/* All of them, in QEMU's order. Copies: what was asked for may be gone. */
typedef struct VpDisks VpDisks;

/* @blocks: what query-block returned. NULL: more than VP_SNAPSHOTS_MAX snapshots. */
VpDisks *vp_disks_read(const VpJsonNode *blocks, GError **error);
VpDisks *vp_disks_ref(VpDisks *disks);
void vp_disks_unref(VpDisks *disks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpDisks, vp_disks_unref)

guint vp_disks_count(const VpDisks *disks);
const VpDisk *vp_disks_at(const VpDisks *disks, guint i);
const VpDisk *vp_disks_find(const VpDisks *disks, const char *node); /* NULL: there is none */

guint vp_disk_count(const VpDisk *disk);
const VpImageSnapshot *vp_disk_at(const VpDisk *disk, guint i);
/* The first after @after (NULL: the first of all) that is called so. NULL: there is none. */
const VpImageSnapshot *vp_disk_next(const VpDisk *disk, const char *tag,
                                    const VpImageSnapshot *after);
/* The same snapshot, by key and by id. */
bool vp_disk_holds(const VpDisk *disk, const VpImageSnapshot *snapshot);

/* The disk that is to hold the state of the guest: flash only if there is nothing else, as it is
 * small. NULL: none can. */
const VpDisk *vp_disks_state_holder(const VpDisks *disks);

/* Whether each disk, found by its node, holds exactly what it does in @other. */
bool vp_disks_equal(const VpDisks *disks, const VpDisks *other);
