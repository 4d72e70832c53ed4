/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <time.h>

/*
 * What who hands a domain to libvirt and the emulator shim have agreed on, besides the plan itself
 * and its variable (plan.h). shim.c says why it is this way. Who makes the links is shim_tree.h.
 */

/* Files that the shim leaves beside the guest's other run-time files: what -readconfig reads, and
 * its record (described in emulator/record.h). */
#define VP_SHIM_CONFIG "virtpass.conf"
#define VP_SHIM_RECORD "virtpass.json"

/* The last part of every path of the shim's, and the directory that begins a tree of them. */
#define VP_SHIM_NAME "virtpass-emulator"
#define VP_SHIM_TREE "virtpass-emulators"

/* A tree of those that add a session and alter nothing, so that they need no plan; and the
 * session's socket, beside libvirt's own monitor. */
#define VP_SHIM_SESSION_TREE "virtpass-sessions"
#define VP_SHIM_SOCKET "virtpass-qmp"

/*
 * The path of an emulator as it stands in a tree: absolute, of VP_EMULATOR_PATH_MAX bytes and
 * VP_EMULATOR_PARTS_MAX parts at most, none of them "." or ".." or a name of the tree's own,
 * without control characters and without a slash at its end. Doubled slashes become one, which is
 * all that is changed. NULL: @path is none; @error (VP_ERROR_XML or _LIMIT) begins with what was
 * written and says what is expected in its place, but not in which element.
 */
char *vp_shim_normal(const char *path, GError **error);

/* The path by which the shim stands for @emulator, in the tree (VP_SHIM_TREE or
 * VP_SHIM_SESSION_TREE) in @directory:
 * DIRECTORY/virtpass-emulators/usr/bin/qemu-system-x86_64/virtpass-emulator. NULL: as above, and
 * @error names <emulator>. Nothing is looked at. */
char *vp_shim_path(const char *directory, const char *tree, const char *emulator, GError **error);

/* The way back, whatever directory the tree is in; NULL: the path is not one of the shim's, or is
 * one that vp_shim_path() does not make. */
char *vp_shim_emulator(const char *path);

/* Whether it is one in a VP_SHIM_SESSION_TREE. */
bool vp_shim_adds_session(const char *path);

/* When the emulator changed last. false: there is none. Waits for its file system, which may be on
 * a share that does not answer. */
bool vp_shim_change_time(const char *emulator, struct timespec *ret_time);

/* The emulator has changed at @changed (NULL: not known). Touches the shim at @path if that is
 * older, so that libvirt looks again at what the emulator can do; if that is not permitted, what
 * libvirt knows already has to do. */
void vp_shim_touch(const char *path, const struct timespec *changed);
