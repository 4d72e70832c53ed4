/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/work.h"

#include <sys/types.h>

/*
 * A guest's process, and what the emulator shim has left beside it, found out beside the loop: a
 * guest decides how long it takes to read its memory, and in which directory it says that it runs.
 */
typedef struct VpProcessWords {
    char **words;     /* the process's own; NULL: `error` */
    char **generated; /* as the shim noted them (emulator/record.h) when it became this process; */
    char **altered;   /* NULL: no shim was needed, or there is no note that can be read */
    GError *error;
} VpProcessWords;

/* What is found is the look's; what is wanted of it may be stolen. */
typedef void (*VpProcessFunc)(VpProcessWords *found, gpointer data);

/* @func is called once, as that of vp_work_start(), and ended by vp_work_cancel(). */
VpWork *vp_process_look(VpWorkers *workers, const char *owner, pid_t pid, VpProcessFunc func,
                        gpointer data);
