/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "added/call.h"
#include "added/lineage.h"

/* @lineage: its receiver's; NULL: it cannot be had, and must not be overwritten. */
typedef void (*VpLineageFunc)(VpCall *call, VpLineage *lineage, gpointer data);

/* Getting the lineage of the domain's snapshots, with all in it that is there now. Belongs to the
 * state of the call's handler. */
typedef struct VpLineageLoad {
    VpLineage *lineage;
    VpSnapshots *snapshots; /* borrowed */
    char *epoch;            /* the call's, when @snapshots were new */
    VpLineageFunc func;
    gpointer data;
} VpLineageLoad;

void vp_lineage_load_clear(VpLineageLoad *load);

/*
 * Loads what has been kept, asks libvirt if there is a snapshot that this does not know, and takes
 * in what is new. @load, zeroed, and @snapshots have to last until @func is called, or the call
 * ends.
 */
void vp_lineage_load(VpLineageLoad *load, VpCall *call, VpSnapshots *snapshots,
                     VpLineageFunc func, gpointer data);
