/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * What inquiries have found, in files: one for each emulator in a directory of ours.
 *
 * A stamp says which state of an emulator was asked: its real path, size, time of change, and the
 * times of the directories in which QEMU's modules may be.
 */

/* NULL: there is no such file. errno says why. */
char *vp_probe_stamp(const char *emulator);

/*
 * The facts of @emulator in the state of @stamp, of VP_FACTS_TYPE; NULL when the cache has none:
 * none were stored, the binary or its modules have changed since, or the file is not one that we
 * would have written (another version, damaged, somebody else's, writable by others).
 */
GVariant *vp_probe_cache_load(const char *dir, const char *emulator, const char *stamp);

/* Keeps @facts, as found in @program (NULL: not known) in the state of @stamp. Old files go when
 * there are more than VP_PROBE_FILES_MAX. Where it cannot be written a line in the log says why. */
void vp_probe_cache_store(const char *dir, const char *emulator, const char *stamp,
                          const char *program, GVariant *facts);
