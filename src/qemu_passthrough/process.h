/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/* A guest's process, and what the emulator shim has left beside it. */

/* Its words, NULL-terminated; g_strfreev(). NULL: @error. */
char **vp_process_words(pid_t pid, GError **error);

/* What the shim noted (emulator/record.h) when it became the process with these @words. false:
 * there is no note, since no shim was needed, or it is not readable. */
bool vp_process_record(char *const *words, char ***ret_generated, char ***ret_altered);
