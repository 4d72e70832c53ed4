/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/work.h"
#include "plan/shim_tree.h"
#include "qemu_passthrough/config.h"
#include "qemu_passthrough/upstream.h"

/*
 * The links by which libvirtd starts the shim (plan/shim_tree.h), and which of them are needed,
 * which libvirtd knows.
 */
typedef struct VpShims VpShims;

/* What the shim is there for, each with a tree of its own. */
typedef enum VpShimKind {
    VP_SHIM_ALTERS,       /* a plan */
    VP_SHIM_ADDS_SESSION,
} VpShimKind;
#define VP_SHIM_KINDS 2

/* Whether the program is there and can be executed: without it no domain starts whose command line
 * is altered. */
bool vp_shims_check_program(const VpConfig *config, GError **error);

/* Tells the log if the program is not there. Free it before @workers, in which it reads long
 * definitions. */
VpShims *vp_shims_new(VpLoop *loop, VpWorkers *workers, VpUpstream *upstream,
                      const VpConfig *config);

/* After the connection that it was given, whose calls in flight are answered by then. NULL is
 * fine. */
void vp_shims_free(VpShims *shims);

/* Where the links are, for vp_shim_path_for(). */
VpShimTree *vp_shims_tree(VpShims *shims, VpShimKind kind);

/*
 * Sees to it that there is a link at each of @paths (-> struct timespec, see vp_shim_make()), for a
 * document that goes to libvirtd now. *ret_links: of VpShimLink, for vp_shims_settle(), NULL when
 * there is none. false: @error.
 */
bool vp_shims_make(VpShims *shims, GHashTable *paths, GPtrArray **ret_links, GError **error);

/* libvirtd has accepted the document, or not; who does not know says that it has. Frees @links.
 * NULL is fine. */
void vp_shims_settle(GPtrArray *links, bool accepted);

/* Our connection is open. A while after the first time all definitions are read, links that they
 * lack are made, and those that were made for nothing removed. */
void vp_shims_upstream_opened(VpShims *shims);
