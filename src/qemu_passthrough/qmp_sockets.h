/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/daemon.h"

/*
 * The QMP sockets: qmp/UUID in the listen directory for each running domain whose dedicated session
 * is ready, and a link to it by the domain's name. Any QMP client may connect, many at a time.
 */
typedef struct VpQmpSockets VpQmpSockets;

/* Mode and group of the sockets are those of the socket at @like, our own for libvirt's clients.
 * What another virtpassd has left in the directory is removed. The directory is made when the first
 * socket is. */
VpQmpSockets *vp_qmp_sockets_new(VpDaemon *daemon, const char *like);
void vp_qmp_sockets_free(VpQmpSockets *sockets);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpQmpSockets, vp_qmp_sockets_free)

/* The domain's session has become ready, or it has ended (also when it never was ready). */
void vp_qmp_sockets_ready(VpQmpSockets *sockets, VpDomain *domain);
void vp_qmp_sockets_ended(VpQmpSockets *sockets, VpDomain *domain);

/* An event for everybody who uses the domain's monitor. */
void vp_qmp_sockets_event(VpQmpSockets *sockets, VpDomain *domain, const VpQmpEvent *event);

/* The name of the link for a domain called @name: bytes that a file name cannot have, or that would
 * not be seen, are written as %XX. NULL: there is none, as it would be too long or could be taken
 * for a socket's own name. g_free(). */
char *vp_qmp_sockets_link_name(const char *name);
