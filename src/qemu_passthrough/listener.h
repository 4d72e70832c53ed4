/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/loop.h"
#include "qemu_passthrough/config.h"
#include "rpc/tls.h"

typedef struct VpListener VpListener;

/* A client has connected. @fd is non-blocking; @tls its open session, NULL if it came by a unix
 * socket. Both are consumed. */
typedef void (*VpListenerFunc)(int fd, VpTls *tls, bool read_only, gpointer data);

/* Somebody waits at a unix socket: may he be accepted? After a no it is asked again when
 * vp_listener_set_accepting() was called. */
typedef bool (*VpListenerMayFunc)(gpointer data);

/*
 * Our two unix sockets: those that systemd passed, else made in config->listen_dir. @upstream: the
 * socket whose mode and group are taken over where the configuration names none. And the sockets
 * for TLS: those that systemd passed, else made if config->tls.listen says so.
 * NULL with @error when another virtpassd serves there, or the certificates are of no use.
 */
VpListener *vp_listener_new(VpLoop *loop, const VpConfig *config, const char *upstream,
                            VpListenerFunc func, gpointer data, GError **error);

/* Closes the sockets and removes what was made. NULL is fine. */
void vp_listener_free(VpListener *listener);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpListener, vp_listener_free)

/* From now on @may is asked, with the data of the listener. */
void vp_listener_ask_before(VpListener *listener, VpListenerMayFunc may);

/* Stops and restarts accepting: clients then wait in the kernel's queue. */
void vp_listener_set_accepting(VpListener *listener, bool accepting);

/* Other certificates for clients that come through TLS from now on. false: @error, and those there
 * were still count. */
bool vp_listener_reload(VpListener *listener, const VpConfig *config, GError **error);

/* Path of the read-write socket, for messages. Borrowed. */
const char *vp_listener_path(const VpListener *listener);
