/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/client.h"

/* @allowed: the client may write to the domain. */
typedef void (*VpAccessFunc)(bool allowed, gpointer data);

typedef enum VpAccessVerdict {
    VP_ACCESS_ALLOWED,
    VP_ACCESS_DENIED,
    VP_ACCESS_ASKING, /* @func will be called */
} VpAccessVerdict;

/* May the client do on the domain what needs domain.write at libvirtd? */
VpAccessVerdict vp_access_check(VpClient *client, const VpDomain *domain, VpAccessFunc func,
                                gpointer data);

/* The question to which libvirtd says yes only if who asks may write to the domain: arguments of
 * VP_REMOTE_DOMAIN_FD_ASSOCIATE, which borrow @name, and the descriptor that goes with them, -1
 * if none can be had. libvirtd looks domains up by @uuid alone. */
int vp_access_question(const char *name, const guint8 *uuid, int id,
                       vp_fd_associate_args *ret_args);

/* Drops what is known about the client, and the questions under way without a call. */
void vp_access_forget(VpClient *client);
