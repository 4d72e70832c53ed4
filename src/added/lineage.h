/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "added/hearsay.h"
#include "added/snapshot_list.h"

/* Under which it is kept for the domain. */
#define VP_LINEAGE_KEY "snapshots"

/* Which snapshot descends from which, as far as that is known. Kept as one JSON text. */
typedef struct VpLineage VpLineage;

/* @text: NULL if nothing has been kept yet. A text that is none of ours counts as lost: all that
 * is there already has an unknown parent. */
VpLineage *vp_lineage_parse(const char *text);
void vp_lineage_free(VpLineage *lineage);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpLineage, vp_lineage_free)

/* To be kept. At most VP_LINEAGE_MAX snapshots: those go first that @snapshots has not, then the
 * oldest. */
char *vp_lineage_to_text(VpLineage *lineage, const VpSnapshots *snapshots);

/* Whether each has been taken in already; otherwise libvirt is worth asking before. */
bool vp_lineage_knows_all(const VpLineage *lineage, const VpSnapshots *snapshots);

/*
 * Takes in what others have saved since; to be called before anything else is asked of @lineage.
 * @hearsay: about @snapshots; NULL: nothing was heard.
 * @seen: what stands for the guest not having been stopped: as long as it is the same text as at
 * the last vp_lineage_saved() or vp_lineage_loaded(), nobody can have loaded anything.
 */
void vp_lineage_adopt(VpLineage *lineage, const VpSnapshots *snapshots, const VpHearsay *hearsay,
                      const char *seen);

/* The snapshot with @key was saved (loaded), by us. @resumed_ns: since when the guest goes on, in
 * nanoseconds since 1970. @undisturbed: nobody can have loaded another between
 * vp_lineage_adopt() and the save. */
void vp_lineage_saved(VpLineage *lineage, const VpSnapshotKey *key, bool undisturbed,
                      gint64 resumed_ns, const char *seen);
void vp_lineage_loaded(VpLineage *lineage, const VpSnapshotKey *key, gint64 resumed_ns,
                       const char *seen);

/* Nobody knows from which snapshot the guest goes on now. */
void vp_lineage_lost(VpLineage *lineage);

/* It is gone; its children become its parent's. */
void vp_lineage_deleted(VpLineage *lineage, const char *uuid);

/* Sets parent and current of each in @snapshots; current only if it is certain. */
void vp_lineage_fill(const VpLineage *lineage, VpSnapshots *snapshots);

/* For hearsay.c, of one that was kept with a snapshot of libvirt's: adds the known parents in it to
 * the map @parents, whose strings stay with @lineage. */
void vp_lineage_recorded(const VpLineage *lineage, GHashTable *parents);

/* Whether the guest can have gone on from @parent (NULL: from none) when that was all we knew:
 * it did, or what we knew of was before @parent was taken. */
bool vp_lineage_allows(const VpLineage *lineage, const VpSnapshot *parent);

/* By how much date and clock may differ from each other in this time although nothing happened. */
gint64 vp_lineage_slack(gint64 passed_ns);
