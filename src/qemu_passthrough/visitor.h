/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/socket.h"
#include "qemu_passthrough/daemon.h"

/* Somebody at the door of a domain's QMP socket. */
typedef struct VpVisitor VpVisitor;

/* @allowed: libvirtd would let the visitor write to the domain. Comes once, from the loop; the
 * visitor must then be freed by its owner, in the call or later. */
typedef void (*VpVisitorFunc)(VpVisitor *visitor, bool allowed, gpointer data);

/* Asks libvirtd, as @peer, about @domain, of which a reference is kept. */
VpVisitor *vp_visitor_new(VpDaemon *daemon, VpDomain *domain, const VpPeer *peer,
                          VpVisitorFunc func, gpointer data);

/* No call comes any more. NULL is fine. */
void vp_visitor_free(VpVisitor *visitor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpVisitor, vp_visitor_free)
