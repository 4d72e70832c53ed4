/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "added/added.h"
#include "added/snapshot_list.h"

/* What libvirt says about the snapshots in the images, as far as it may be believed. */
typedef struct VpHearsay VpHearsay;

/* @list: of VpLibvirtSnapshot. Both have to live as long as what is made here. */
VpHearsay *vp_hearsay_new(const GPtrArray *list, const VpSnapshots *snapshots);
void vp_hearsay_free(VpHearsay *hearsay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpHearsay, vp_hearsay_free)

/* Whether libvirt took it. @hearsay NULL: nothing was heard. */
bool vp_hearsay_knows(const VpHearsay *hearsay, const VpSnapshot *snapshot);

/* Uuid of the snapshot from which @snapshot descends, VP_SNAPSHOT_NO_PARENT, or NULL: not known
 * from here. Belongs to @hearsay. @hearsay NULL is fine. */
const char *vp_hearsay_parent(const VpHearsay *hearsay, const VpSnapshot *snapshot);
