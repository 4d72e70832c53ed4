/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * SESSION_INFO: the procedure that tells what __org.virtpass_query-session tells, for clients that
 * speak libvirt's protocol themselves.
 *
 * What it must wait for (which monitor serves, may the client know) is what a monitor command must
 * wait for, so it becomes one: monitor.c makes a request of it, and added.c writes the object
 * alone where the call is this one. Where there is nothing to tell, a domain that is unknown or
 * shut off and a client without permission, libvirtd is asked the same of its own monitor, for the
 * sake of the error with which it refuses.
 */

#include "base/error.h"
#include "qemu_passthrough/intercept.h"
#include "qemu_passthrough/monitor.h"
#include "rpc/rpc_error.h"

#define COMMAND "{\"execute\":\"__org.virtpass_query-session\"}"

VpIntercepted
vp_session_info_call(VpClient *client, const VpFrame *frame, const VpIntercept *row)
{
    vp_session_info_args args = { 0 };
    vp_monitor_command_args command = { .cmd = (char *)COMMAND };
    g_autoptr(GByteArray) bytes = NULL;
    VpHeader header = frame->header;
    VpFrame as_command = { .fds = frame->fds };

    if (client->state != VP_CLIENT_OPEN || !client->is_qemu || client->read_only ||
        !vp_xdr_decode(frame->payload, frame->payload_size, xdr_vp_session_info_args, &args))
        return VP_PASS;
    if (args.flags) {
        g_autoptr(GError) error = g_error_new(VP_ERROR, VP_ERROR_LIMIT, "unsupported flags (0x%x)",
                                              args.flags);

        vp_rpc_send_gerror(client->down, &frame->header, error);
    } else {
        command.dom = args.dom;
        bytes = vp_xdr_frame(&header, xdr_vp_monitor_command_args, &command);
    }
    vp_xdr_clear(xdr_vp_session_info_args, &args);
    if (!bytes)
        return VP_DONE;
    header.length = bytes->len;
    as_command.header = header;
    as_command.bytes = bytes->data;
    as_command.payload = bytes->data + VP_FRAME_MIN;
    as_command.payload_size = bytes->len - VP_FRAME_MIN;
    return vp_monitor_call(client, &as_command, row);
}
