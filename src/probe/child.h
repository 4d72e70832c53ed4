/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/loop.h"
#include "probe/sandbox.h"

#include <stdbool.h>

/* A throw-away QEMU without a machine, and our end of its monitor. */
typedef struct VpProbeChild VpProbeChild;

/* Called from the loop only. */
typedef struct VpProbeChildOps {
    /* One message, NUL-terminated, valid during the call. False: the child was freed in it. */
    bool (*message)(VpProbeChild *child, const char *text, gsize size, gpointer data);
    /* It is gone, or says what cannot be read. @reason: what it said last on stderr, or what
     * happened. To be freed by its owner, now or later; no further call comes. */
    void (*ended)(VpProbeChild *child, const char *reason, gpointer data);
} VpProbeChildOps;

/* Starts @emulator in @sandbox, which is borrowed. That it cannot be executed is told by ended().
 * NULL and @error: no process, no descriptors. */
VpProbeChild *vp_probe_child_start(VpLoop *loop, const VpSandbox *sandbox, const char *emulator,
                                   const VpProbeChildOps *ops, gpointer data, GError **error);

/* Kills it; the loop reaps it. NULL is fine. */
void vp_probe_child_free(VpProbeChild *child);

/* Sends a command. Several may be on their way. */
void vp_probe_child_send(VpProbeChild *child, const char *command);

/* The program that the process is now, which a script may have put in its own place. NULL: not to
 * be known. g_free(). */
char *vp_probe_child_program(const VpProbeChild *child);
