/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Sockets that one name can stand for: an address of each family, and a host with some more. */
#define VP_INET_SOCKETS_MAX 8

/*
 * Listens on @port at @address: a numeric address or a host's name, NULL for all of the host's
 * addresses. @ret_fds gets the descriptors, non-blocking and at most VP_INET_SOCKETS_MAX. Returns
 * how many; 0 with @error, whose message names address and port.
 */
guint vp_inet_listen(const char *address, guint16 port, int *ret_fds, GError **error);

/* Small messages leave at once, and a peer that is gone without a word is noticed some day. */
void vp_inet_tune(int fd);

/* "ADDRESS port PORT" of the socket's own end or of its peer, for messages; of what is no internet
 * socket "a local socket". */
char *vp_inet_own_name(int fd);
char *vp_inet_peer_name(int fd);
