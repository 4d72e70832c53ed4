/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/loop.h"
#include "rpc/tls.h"

/* Where peers wait until TLS has found out who they are. */
typedef struct VpTlsDoor VpTlsDoor;

/* A client is through: its connection and its open session, both consumed. */
typedef void (*VpTlsDoorFunc)(int fd, VpTls *tls, gpointer data);

/* Who is not through within @patience_ms is dropped. @context is taken a reference of. */
VpTlsDoor *vp_tls_door_new(VpLoop *loop, VpTlsContext *context, guint patience_ms,
                           VpTlsDoorFunc func, gpointer data);

/* Drops those that wait. NULL is fine. */
void vp_tls_door_free(VpTlsDoor *door);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpTlsDoor, vp_tls_door_free)

/* A peer has connected; @fd, non-blocking, is consumed. Above VP_TLS_HANDSHAKES_MAX the one that
 * waits longest is dropped. */
void vp_tls_door_admit(VpTlsDoor *door, int fd);

/* While it is shut nobody gets any further, and patience ends as usual. It begins open. */
void vp_tls_door_set_open(VpTlsDoor *door, bool open);

/* Other credentials for those that come from now on. */
void vp_tls_door_set_context(VpTlsDoor *door, VpTlsContext *context);

/* How many wait. */
guint vp_tls_door_waiting(const VpTlsDoor *door);
