/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/socket.h"
#include "qemu_passthrough/config.h"
#include "rpc/payload.h"

/* What libvirtd is told about a client. */
typedef struct VpIdentity {
    vp_param params[7];
    guint n;
} VpIdentity;

/* The arguments of CONNECT_SET_IDENTITY for @peer, whose user and group have these names (NULL: not
 * known). They point into @ret_identity, and to the names. */
void vp_identity_of(const VpPeer *peer, const char *user, const char *group,
                    VpIdentity *ret_identity, vp_set_identity_args *ret_args);

/* The same for a client that came through TLS, by the name in its certificate, which is borrowed.
 * It is all that libvirtd itself would know. */
void vp_identity_of_certificate(const char *name, VpIdentity *ret_identity,
                                vp_set_identity_args *ret_args);

/* Who is charged for what is done for @peer (base/work.h); g_free(). */
char *vp_identity_owner(const VpPeer *peer);

/* As ordinary users we serve only ourselves: libvirtd cannot tell us from the client. */
bool vp_identity_matters(const VpConfig *config);
