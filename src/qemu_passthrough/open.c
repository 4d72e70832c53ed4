/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * CONNECT_OPEN: after it libvirtd must see the client, not us.
 *
 * The call is forwarded; until the client's identity is in force upstream nothing else of
 * the client goes there, and it does not get its reply: else a client that does not
 * wait could have its next call run with our rights. Only then is the client OPEN.
 *
 * libvirtd has opened the connection for us, who may do anything. The client would have needed
 * connect.getattr for that: so the first thing that is asked under its identity is a call which
 * needs it too, and a refusal becomes the reply to the client's CONNECT_OPEN.
 *
 * Also refused here, because libvirtd does something worse than an error:
 *   - a second OPEN: libvirtd answers with an error and takes the first one's driver
 *     away, which ends the connection for all practical purposes;
 *   - a name with transport or server in it: libvirtd would itself connect there as a
 *     client, with its own rights.
 */

#include "qemu_passthrough/access.h"
#include "qemu_passthrough/identity.h"
#include "qemu_passthrough/intercept.h"
#include "rpc/rpc_error.h"

#include <string.h>

/* libvirt's VIR_DRV_FEATURE_MIGRATION_V2. */
#define FEATURE_MIGRATION_V2 3

/* Is this "driver:///path" or "driver:path", without transport and server? "" asks libvirtd to
 * choose the driver. */
static bool
is_local_name(const char *name)
{
    g_autoptr(GUri) uri = NULL;
    const char *host = NULL;

    if (*name == '\0')
        return true;
    uri = g_uri_parse(name, G_URI_FLAGS_NON_DNS | G_URI_FLAGS_PARSE_RELAXED, NULL);
    if (!uri) /* libvirtd has another parser, which may find a server where these are */
        return !strpbrk(name, ":/");
    host = g_uri_get_host(uri);
    return !strchr(g_uri_get_scheme(uri), '+') && (!host || *host == '\0');
}

/* libvirtd chooses QEMU when it is left the choice and QEMU is there. */
static bool
is_qemu_name(const char *name)
{
    return *name == '\0' || g_ascii_strncasecmp(name, "qemu:", 5) == 0;
}

static void
forward_open(VpClient *client, const VpFrame *frame, vp_open_args *args)
{
    VpHeader header = frame->header;
    g_autoptr(GByteArray) bytes = NULL;

    if (header.type == VP_FRAME_CALL &&
        client->read_only == !!(args->flags & VP_OPEN_READ_ONLY)) {
        vp_link_send_frame(client->up, frame);
        return;
    }
    header.type = VP_FRAME_CALL; /* descriptors are of no use to it */
    header.nfds = 0;
    if (client->read_only)
        args->flags |= VP_OPEN_READ_ONLY;
    bytes = vp_xdr_frame(&header, xdr_vp_open_args, args);
    g_assert(bytes); /* it was decoded within the same limits */
    vp_link_send(client->up, bytes->data, bytes->len);
}

VpIntercepted
vp_open_call(VpClient *client, const VpFrame *frame, const VpIntercept *row G_GNUC_UNUSED)
{
    vp_open_args args = { 0 };
    const char *name = NULL;

    if (client->state != VP_CLIENT_NEW) {
        vp_rpc_send_error(client->down, &frame->header, VP_RPC_INTERNAL_ERROR, VP_RPC_FROM_RPC,
                          "connection already open");
        return VP_DONE;
    }
    /* Never VP_PASS: what libvirtd made of it would be open with our rights. */
    if (!vp_xdr_decode(frame->payload, frame->payload_size, xdr_vp_open_args, &args)) {
        vp_rpc_send_error(client->down, &frame->header, VP_RPC_RPC, VP_RPC_FROM_RPC,
                          "Unable to decode message payload");
        return VP_DONE;
    }
    name = args.name ? *args.name : "";
    if (is_local_name(name)) {
        client->read_only |= args.flags & VP_OPEN_READ_ONLY;
        client->is_qemu = args.name && is_qemu_name(name);
        client->state = VP_CLIENT_OPENING;
        forward_open(client, frame, &args);
    } else {
        vp_rpc_send_error(client->down, &frame->header, VP_RPC_INVALID_ARG, VP_RPC_FROM_RPC,
                          "connection name '%s': a name with a transport or a server would make "
                          "libvirtd itself the client", name);
    }
    vp_xdr_clear(xdr_vp_open_args, &args);
    return VP_DONE;
}

/* --- identity ------------------------------------------------------------- */

static void
be_open(VpClient *client)
{
    g_autoptr(GByteArray) open_reply = g_steal_pointer(&client->open_reply);

    client->state = VP_CLIENT_OPEN;
    vp_client_send(client, open_reply);
    vp_client_go_on(client);
}

static void
on_may_open(const VpCallReply *reply, gpointer data)
{
    VpClient *client = data;
    VpHeader header = { 0 };

    if (reply->outcome == VP_CALL_OK) {
        be_open(client);
        return;
    }
    client->barred = true;
    vp_header_decode(client->open_reply->data, client->open_reply->len, &header);
    if (reply->outcome == VP_CALL_ERROR)
        vp_rpc_send_body(client->down, &header, reply->error);
    vp_client_leave(client, "libvirtd would not have opened its connection");
}

/* Of the calls with that permission this one does least; others (GET_TYPE, GET_LIB_VERSION) have
 * an answer for whom libvirtd refuses, too. Features that are the connection's own are answered
 * before anybody is asked, so it is one of the driver's. */
static void
ask_to_open(VpClient *client)
{
    int feature = FEATURE_MIGRATION_V2;

    vp_calls_send(client->calls, client->up, VP_REMOTE_PROGRAM,
                  VP_REMOTE_CONNECT_SUPPORTS_FEATURE, xdr_int, &feature, on_may_open, client);
}

static void
on_identity_set(const VpCallReply *reply, gpointer data)
{
    VpClient *client = data;

    if (reply->outcome == VP_CALL_OK && client->trusted) {
        be_open(client);
        return;
    }
    if (reply->outcome == VP_CALL_OK) {
        ask_to_open(client);
        return;
    }
    vp_log_error("client %" G_GUINT64_FORMAT ": libvirtd does not take its identity: %s",
                 client->number,
                 reply->error && reply->error->message ? *reply->error->message
                                                       : "connection lost");
    client->barred = true;
    vp_client_leave(client, "its identity could not be set");
}

static void
send_identity(VpClient *client, vp_set_identity_args *args)
{
    vp_calls_send(client->calls, client->up, VP_REMOTE_PROGRAM, VP_REMOTE_CONNECT_SET_IDENTITY,
                  xdr_vp_set_identity_args, args, on_identity_set, client);
}

static void
on_names(const char *user, const char *group, gpointer data)
{
    VpClient *client = data;
    VpIdentity identity = { .n = 0 };
    vp_set_identity_args args = { 0 };

    client->names = NULL;
    if (client->state != VP_CLIENT_OPENING)
        return;
    vp_identity_of(&client->peer, user, group, &identity, &args);
    send_identity(client, &args);
}

/* Tells libvirtd who is behind this connection. */
static void
tell_identity(VpClient *client)
{
    VpDaemon *daemon = client->daemon;
    VpIdentity identity = { .n = 0 };
    vp_set_identity_args args = { 0 };

    if (!client->tls_name) {
        client->names = vp_names_look(daemon->loop, daemon->file_workers, vp_client_owner(client),
                                      &client->peer, on_names, client);
        return;
    }
    vp_identity_of_certificate(client->tls_name, &identity, &args);
    send_identity(client, &args);
}

VpIntercepted
vp_open_reply(VpClient *client, const VpFrame *frame, const VpIntercept *row G_GNUC_UNUSED)
{
    if (client->state != VP_CLIENT_OPENING)
        return VP_PASS;
    if (frame->header.status != VP_STATUS_OK) { /* it may try again */
        client->state = VP_CLIENT_NEW;
        vp_client_go_on(client);
        return VP_PASS;
    }
    /* Who comes through TLS is never ourselves, whoever we are. */
    if (!client->tls_name && !vp_identity_matters(&client->daemon->config)) {
        client->state = VP_CLIENT_OPEN;
        vp_client_go_on(client);
        return VP_PASS;
    }
    client->open_reply = g_byte_array_new();
    g_byte_array_append(client->open_reply, frame->bytes, frame->header.length);
    tell_identity(client);
    return VP_DONE;
}

VpIntercepted
vp_identity_call(VpClient *client, const VpFrame *frame, const VpIntercept *row G_GNUC_UNUSED)
{
    if (client->filters.list && client->filters.list->len > 0) {
        vp_rpc_send_error(client->down, &frame->header, VP_RPC_OPERATION_INVALID, VP_RPC_FROM_RPC,
                          "the identity has to be set before monitor events are registered for");
        return VP_DONE;
    }
    /* It speaks for somebody else from now on, as virtproxyd does for each of its clients. */
    client->trusted = false;
    vp_access_forget(client);
    return VP_PASS;
}
