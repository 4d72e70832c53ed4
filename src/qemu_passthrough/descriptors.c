/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a client over TLS is told about file descriptors, which only a unix socket carries.
 *
 * libvirtd says that it takes them whatever the connection, and a client that believes it breaks
 * its own connection in the attempt to send one. Told that there is no such feature, it says so
 * to its user and goes on. libvirtd believes to have a unix socket, ours, before it, so it may also
 * send some: then the client gets an error. A client's own call with descriptors is the end of
 * its connection, here (rpc/link.c) as at libvirtd.
 */

#include "qemu_passthrough/descriptors.h"

#include "qemu_passthrough/intercept.h"
#include "rpc/rpc_error.h"

/* libvirt's VIR_DRV_FEATURE_FD_PASSING. */
#define FEATURE_FD_PASSING 8

VpIntercepted
vp_feature_call(VpClient *client, const VpFrame *frame, const VpIntercept *row G_GNUC_UNUSED)
{
    const VpHeader header = vp_rpc_reply_header(&frame->header, VP_STATUS_OK);
    g_autoptr(GByteArray) reply = NULL;
    int feature = 0, supported = 0;

    if (vp_link_carries_fds(client->down) || client->state != VP_CLIENT_OPEN ||
        !vp_xdr_decode(frame->payload, frame->payload_size, xdr_int, &feature) ||
        feature != FEATURE_FD_PASSING)
        return VP_PASS;
    reply = vp_xdr_frame(&header, xdr_int, &supported);
    vp_client_send(client, reply);
    return VP_DONE;
}

bool
vp_descriptors_refuse_reply(VpClient *client, const VpFrame *frame)
{
    if (frame->header.nfds == 0 || vp_link_carries_fds(client->down))
        return false;
    vp_rpc_send_error(client->down, &frame->header, VP_RPC_OPERATION_UNSUPPORTED, VP_RPC_FROM_RPC,
                      "the reply comes with file descriptors, which cannot be passed over TLS");
    return true;
}
