/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "added/added.h"
#include "qemu_passthrough/domains.h"

/*
 * Asks libvirtd for all snapshots of the domain that it knows of; @func is called once, not before
 * this returns. One that goes while it is asked for is left out. @upstream: our connection, NULL
 * when there is none any more. Of the domain only name and uuid are used, before this returns.
 */
void vp_libvirt_snapshots_list(VpUpstream *upstream, VpLoop *loop, const VpDomain *domain,
                               VpAddedSnapshotsFunc func, gpointer data);
