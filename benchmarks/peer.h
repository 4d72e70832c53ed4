/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* One connection that sends the same request again and again: a QMP monitor's or libvirt's RPC. */
typedef struct VpBenchPeer VpBenchPeer;

/* How to connect and what to send; borrowed strings. */
typedef struct VpBenchRequest {
    const char *protocol; /* "qmp" or "rpc" */
    const char *socket;
    const char *uuid;     /* "rpc": the domain's */
    const char *command;  /* QMP's text; NULL with "rpc": virDomainGetInfo */
} VpBenchRequest;

/* Connects and shakes hands, so that requests may be sent. NULL with @error. */
VpBenchPeer *vp_bench_peer_new(const VpBenchRequest *request, GError **error);
void vp_bench_peer_free(VpBenchPeer *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpBenchPeer, vp_bench_peer_free)

/* Whether several requests may be on their way: replies come in the order of requests. */
bool vp_bench_peer_is_ordered(const VpBenchPeer *peer);

/* The descriptor, for epoll. Borrowed. */
int vp_bench_peer_fd(const VpBenchPeer *peer);

/* Sends @n requests in one write. */
bool vp_bench_peer_send(VpBenchPeer *peer, guint n, GError **error);

/* Reads once, blocking; *ret_replies is how many replies are complete with that, 0 included.
 * A reply that is none, or an error, is a failure. */
bool vp_bench_peer_receive(VpBenchPeer *peer, guint *ret_replies, GError **error);
