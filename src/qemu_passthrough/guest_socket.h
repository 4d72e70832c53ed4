/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The way to a guest's dedicated session. */
typedef struct VpGuestSocket {
    int guard;     /* connected to the guest's QEMU, but not to be served; -1: none */
    bool hopeless; /* the last attempt has failed, and nothing is to be waited for: the guest is
                    * past its start, and there is no socket of its */
} VpGuestSocket;

#define VP_GUEST_SOCKET_INIT { .guard = -1 }

/*
 * Connects to @path and makes sure that the domain's own process listens there, and that nobody
 * waits behind us to be its next client. A non-blocking descriptor to which nothing has been sent,
 * or -1 with @error: VP_ERROR_STRANGER, which says who is there and what can be done about it;
 * VP_ERROR_CLOSED when the process has ended; others when it may go better soon.
 */
int vp_guest_socket_connect(VpGuestSocket *socket, const char *state_dir, const char *name,
                            const char *path, GError **error);

void vp_guest_socket_clear(VpGuestSocket *socket);
