/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <time.h>

/*
 * The trees of links by which the shim is started (shim.c): the package's, which is only read, and
 * virtpassd's own, in which links are made and removed. Any of these functions may be called in any
 * thread; they wait for the local file system and never look at an emulator.
 *
 * What a client names becomes a link in three steps:
 *
 *     path = vp_shim_path_for(tree, emulator, &error)       while its document is read
 *     link = vp_shim_make(tree, path, changed, &error)      libvirtd lets this client define; the
 *                                                           link is there before the definition
 *                                                           goes on, for libvirtd starts the shim
 *     vp_shim_settle(link, accepted)                        libvirtd has answered
 *
 * Who never settles (the process is killed in between) leaves a link that is known as such, and
 * that vp_shim_sweep() removes unless a definition has it.
 */
typedef struct VpShimTree VpShimTree;

/* One use of a link in a definition on which libvirtd has not answered yet. */
typedef struct VpShimLink VpShimLink;

/* @name: VP_SHIM_TREE or VP_SHIM_SESSION_TREE. @package: directory that may have a tree of others',
 * NULL: none. @own: where ours is, made when it is needed. @program: virtpass-emulator. Nothing is
 * looked at here. */
VpShimTree *vp_shim_tree_new(const char *name, const char *package, const char *own,
                             const char *program);

VpShimTree *vp_shim_tree_ref(VpShimTree *tree);
/* Before the last one all links are settled. NULL is fine. */
void vp_shim_tree_unref(VpShimTree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpShimTree, vp_shim_tree_unref)

/* The path by which the shim stands for @emulator: in the package's tree if that has it, else in
 * ours, where it may have to be made. Makes nothing. NULL: no such path can be; @error names
 * <emulator> (VP_ERROR_XML, _LIMIT). */
char *vp_shim_path_for(VpShimTree *tree, const char *emulator, GError **error);

/*
 * Sees to it that there is a link at @path, which vp_shim_path_for() gave or a definition names.
 * One in another tree than ours is left to whom it belongs to. The shim is touched when the
 * emulator is newer (vp_shim_touch()).
 * NULL and @error: VP_ERROR_LIMIT, there are VP_SHIM_LINKS_MAX already; VP_ERROR_FAILED, something
 * that is not ours is in the way, or the file system refused.
 */
VpShimLink *vp_shim_make(VpShimTree *tree, const char *path, const struct timespec *changed,
                         GError **error);

/* libvirtd has accepted the definition: the link stays. It has refused: a link that was made for it
 * goes again, unless another definition uses it. Ends @link; NULL is fine. */
void vp_shim_settle(VpShimLink *link, bool accepted);

/* The emulator that @path stands for, if it is in our tree, whether there is a link or not; NULL:
 * it is not. */
char *vp_shim_own_emulator(const VpShimTree *tree, const char *path);

/* The emulators of the links in our tree: a set of char *, owned. NULL: there is a tree that cannot
 * be read, @error. */
GHashTable *vp_shim_list(VpShimTree *tree, GError **error);

/*
 * Removes links of ours whose emulators are not in @used, a set of those that definitions use:
 * those that were never settled and are not waiting for it, and those whose emulators are in @gone,
 * a set of such as do not exist; NULL: none. All others may be named by a saved guest, of which
 * libvirtd has no list. Links in @used count as settled from then on. The number that was removed;
 * nothing is done while another process makes links.
 */
guint vp_shim_sweep(VpShimTree *tree, GHashTable *used, GHashTable *gone);
