/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <time.h>

/*
 * What who hands a domain to libvirt and the emulator shim have agreed on, besides the plan itself
 * and its variable (plan.h). shim.c says why it is this way.
 */

/* Files that the shim leaves beside the guest's other run-time files: what -readconfig reads, and
 * its record (described in emulator/record.h). */
#define VP_SHIM_CONFIG "virtpass.conf"
#define VP_SHIM_RECORD "virtpass.json"

/* The last part of every path of the shim's, and the directory that begins a tree of them. */
#define VP_SHIM_NAME "virtpass-emulator"
#define VP_SHIM_TREE "virtpass-emulators"

/* The path by which the shim stands for @emulator, an absolute path, in the tree in @directory:
 * DIRECTORY/virtpass-emulators/usr/bin/qemu-system-x86_64/virtpass-emulator. */
char *vp_shim_path(const char *directory, const char *emulator);

/* The way back, whatever directory the tree is in; NULL: the path is not one of the shim's. */
char *vp_shim_emulator(const char *path);

/* When the emulator changed last. false: there is none. Waits for its file system, which may be on
 * a share that does not answer. */
bool vp_shim_change_time(const char *emulator, struct timespec *ret_time);

/*
 * Finds the shim's path for @emulator, in the first of @directories (NULL-terminated) that has a
 * tree with it; where none has, makes the link to @program in the last of them. When the emulator
 * is newer than the shim (@changed, see vp_shim_change_time(); NULL: not known) the shim is
 * touched, so that libvirt looks again at what the emulator can do; if that is not permitted, what
 * libvirt knows already has to do. NULL and @error (VP_ERROR_FAILED): no link could be made.
 */
char *vp_shim_provide(const char *const *directories, const char *program, const char *emulator,
                      const struct timespec *changed, GError **error);
