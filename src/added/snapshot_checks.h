/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "added/snapshot_list.h"

/*
 * What is looked at before a snapshot is touched. Each check takes what a query returned (the
 * value of "return") and says in @error, for a person, what is in the way and what can be done.
 */

/* Whether a snapshot may get this name: UTF-8 of 1 to VP_SNAPSHOT_NAME_MAX bytes, no control
 * characters, not only digits (older tools take these for an id). */
bool vp_check_snapshot_name(const char *name, GError **error);

/* "vm-20261122022055" as QEMU's human monitor makes it, in local time; with "-2", "-3" ... behind
 * it while a disk has that already. */
char *vp_snapshot_default_name(GDateTime *now, const VpDisks *disks);

/* query-status: the guest is here, and unless its state will not be kept (@replacing) that is a
 * whole one. */
bool vp_check_run_state(const VpJsonNode *status, bool replacing, GError **error);

/* query-migrate: no device keeps the state from being saved or loaded, no migration runs. */
bool vp_check_migration(const VpJsonNode *migration, GError **error);

/* query-jobs: nothing works on the disks. Jobs that have ended but not been dismissed do not
 * count. */
bool vp_check_jobs(const VpJsonNode *jobs, GError **error);

/* qom-list of devices: none of them keeps its data outside of QEMU, where no snapshot reaches. */
bool vp_check_devices(const VpJsonNode *list, GError **error);

/* Every disk that may be written can hold snapshots, and one of them the state of the guest. */
bool vp_check_disks(const VpDisks *disks, GError **error);

/* query-named-block-nodes: no dirty bitmaps, with which QEMU cannot go back to a snapshot and
 * notices when it has stopped the guest. */
bool vp_check_bitmaps(const VpJsonNode *nodes, const VpDisks *disks, GError **error);

/* No disk has a snapshot of that name; a read-only one counts too. */
bool vp_check_name_free(const VpDisks *disks, const char *name, GError **error);

/* There is a snapshot of that name, and it can be loaded. */
bool vp_check_loadable(const VpSnapshots *snapshots, const char *name, GError **error);
