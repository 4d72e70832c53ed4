/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/work.h"
#include "qemu_passthrough/config.h"

/* Sockets of sessions whose QEMU has gone without removing them. */
typedef struct VpDeadSockets VpDeadSockets;

/* Removes them now and then, from the session directory that @config names at the time. Both have
 * to last as long. */
VpDeadSockets *vp_dead_sockets_new(VpLoop *loop, VpWorkers *workers, const VpConfig *config);
void vp_dead_sockets_free(VpDeadSockets *sockets);

/* One look through @directory, which may wait for the file system; how many were removed. @now: in
 * seconds since 1970. */
guint vp_dead_sockets_sweep(const char *directory, gint64 now);
