/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Monitor commands (QEMU_PROGRAM 1 and 7).
 *
 * We answer a command when its domain has a dedicated session that is ready and the
 * client may write to the domain. Everything else is forwarded as it came and libvirtd
 * answers: with the right error for an unknown domain, one that is shut off, a read-only
 * connection, bad flags or a missing permission, or with the reply from its own monitor
 * where a domain has no session of ours. Before that, a command that may be sent has a
 * session added to the domain where that can be done (attach.c), and waits for it.
 *
 * A command longer than any that is of use (VP_QMP_COMMAND_MAX) goes to libvirtd's monitor: to
 * check it would hold up all other clients.
 *
 * A command is a request that goes through step() until it is answered or forwarded;
 * where it has to wait (for the domain to be looked up, for the permission) it keeps a
 * copy of its frame. In the usual case nothing waits and nothing is copied but the text.
 * Requests of one client are bounded by VP_CLIENT_COMMANDS_MAX: then its next command is
 * held, and with it the client.
 */

#include "qemu_passthrough/monitor.h"

#include "base/fd.h"
#include "json/check.h"
#include "json/members.h"
#include "json/text.h"
#include "qemu_passthrough/access.h"
#include "qemu_passthrough/added.h"
#include "qemu_passthrough/facts.h"
#include "qemu_passthrough/own_calls.h"
#include "rpc/rpc_error.h"

#include <string.h>

/* A reply to a human monitor command as JSON that is decoded, which takes 3 ns a byte. What is left
 * of it has to fit into libvirt's protocol; most escapes take two bytes for one. */
#define HUMAN_REPLY_MAX (2 * VP_XDR_STRING_MAX)

typedef struct VpRequest {
    VpClient *client;
    VpHeader header;            /* of the call */
    const VpFrame *frame;       /* the call: its handler's, while that is on the stack, or `kept`;
                                 * NULL when it has been sent */
    VpFrame kept;               /* of `bytes` and `fds` */
    GByteArray *bytes;          /* the call, kept for later; NULL while it is the handler's */
    int fds[VP_FRAME_FDS_MAX];  /* kept for later like `bytes` */
    vp_monitor_command_args args;
    bool fits;                  /* is no longer than what a session takes */
    VpDomain *domain;           /* a reference */
} VpRequest;

static void step(VpRequest *request);

static bool
is_hmp(const VpRequest *request)
{
    return request->args.flags & VP_MONITOR_COMMAND_HMP;
}

/* A byte of a human monitor command may need six of JSON. */
static bool
fits(const vp_monitor_command_args *args)
{
    gsize share = args->flags & VP_MONITOR_COMMAND_HMP ? strlen("\\u0000") : 1;

    return strlen(args->cmd) <= VP_QMP_COMMAND_MAX / share;
}

/* --- life of a request ---------------------------------------------------- */

static VpRequest *
request_new(VpClient *client, const VpFrame *frame, const vp_monitor_command_args *args,
            VpDomain *domain)
{
    VpRequest *request = g_new0(VpRequest, 1);

    request->client = client;
    request->header = frame->header;
    request->frame = frame;
    request->args = *args;
    request->fits = fits(args);
    request->domain = vp_domain_ref(domain);
    for (guint i = 0; i < VP_FRAME_FDS_MAX; i++)
        request->fds[i] = -1;
    if (!client->requests)
        client->requests = g_ptr_array_new();
    g_ptr_array_add(client->requests, request);
    return request;
}

static void
request_free(VpRequest *request)
{
    vp_domain_unwait(request->domain, request);
    vp_domain_unref(request->domain);
    vp_close_fds(request->fds, request->header.nfds);
    g_clear_pointer(&request->bytes, g_byte_array_unref);
    vp_xdr_clear(xdr_vp_monitor_command_args, &request->args);
    g_free(request);
}

/* The request has been answered. The client may have been waiting for its place. */
static void
finish(VpRequest *request)
{
    VpClient *client = request->client;
    bool was_full = client->requests->len >= VP_CLIENT_COMMANDS_MAX;

    g_ptr_array_remove_fast(client->requests, request);
    if (client->requests->len == 0)
        g_clear_pointer(&client->requests, g_ptr_array_unref);
    request_free(request);
    if (was_full)
        vp_client_go_on(client);
}

/* The handler returns before the request is done: what is borrowed from the frame is kept. */
static void
keep_frame(VpRequest *request)
{
    if (!request->frame || request->bytes)
        return;
    request->bytes = vp_frame_keep(request->frame, request->fds, &request->kept);
    request->frame = &request->kept;
}

/* --- ends of a request ---------------------------------------------------- */

static void
on_refusal(const VpCallReply *reply, gpointer data)
{
    VpRequest *request = data;

    if (reply->outcome == VP_CALL_ERROR)
        vp_rpc_send_body(request->client->down, &request->header, reply->error);
    else
        vp_rpc_send_error(request->client->down, &request->header, VP_RPC_INTERNAL_ERROR,
                          VP_RPC_FROM_QEMU, "domain '%s': nothing is known of its session",
                          request->domain->name);
    finish(request);
}

/* A procedure that libvirtd does not know (session_info.c) goes as a command that it knows. */
static void
ask_for_refusal(VpRequest *request)
{
    vp_calls_send(request->client->calls, request->client->up, VP_QEMU_PROGRAM,
                  VP_QEMU_MONITOR_COMMAND, xdr_vp_monitor_command_args, &request->args, on_refusal,
                  request);
    request->frame = NULL;
}

static void
forward(VpRequest *request)
{
    if (request->header.procedure == VP_QEMU_SESSION_INFO) {
        ask_for_refusal(request);
        return;
    }
    vp_link_send_frame(request->client->up, request->frame);
    finish(request);
}

void
vp_monitor_send_result(VpClient *client, const VpHeader *call, const char *text, gsize size)
{
    VpHeader header = vp_rpc_reply_header(call, VP_STATUS_OK);
    g_autoptr(GByteArray) frame = NULL;
    const guint8 zeros[4] = { 0 };

    if (size > VP_XDR_STRING_MAX) {
        vp_rpc_send_error(client->down, call, VP_RPC_RPC, VP_RPC_FROM_RPC,
                          "the reply has %zu bytes, more than the %u that libvirt's protocol "
                          "carries", size, VP_XDR_STRING_MAX);
        return;
    }
    frame = g_byte_array_sized_new(VP_FRAME_MIN + 8 + size);
    vp_frame_begin(frame, &header);
    vp_append_u32(frame, size);
    g_byte_array_append(frame, (const guint8 *)text, size);
    g_byte_array_append(frame, zeros, -size & 3);
    vp_frame_end(frame);
    vp_client_send(client, frame);
}

/* The text of a human monitor command out of human-monitor-command's reply. */
static void
send_hmp_result(VpRequest *request, const char *reply, gsize size)
{
    VpJsonSlice whole = { reply, size };
    VpJsonSlice returned = vp_json_member(whole, "return");
    VpJsonSlice error = vp_json_member(whole, "error");
    g_autofree char *text = NULL;
    bool unknown = false;

    if (returned.size > HUMAN_REPLY_MAX) {
        vp_rpc_send_error(request->client->down, &request->header, VP_RPC_RPC, VP_RPC_FROM_RPC,
                          "the reply has %zu bytes of JSON, more than %u", returned.size,
                          HUMAN_REPLY_MAX);
        return;
    }
    if (returned.text) {
        text = vp_json_decode_string(returned.text, returned.size);
        vp_monitor_send_result(request->client, &request->header, text ?: "",
                               text ? strlen(text) : 0);
        return;
    }
    if (error.text) {
        VpJsonSlice desc = vp_json_member(error, "desc");
        VpJsonSlice class = vp_json_member(error, "class");

        unknown = class.text && vp_json_string_is(class, "CommandNotFound");
        text = desc.text ? vp_json_decode_string(desc.text, desc.size) : NULL;
    }
    vp_rpc_send_error(request->client->down, &request->header,
                      unknown ? VP_RPC_OPERATION_UNSUPPORTED : VP_RPC_INTERNAL_ERROR,
                      VP_RPC_FROM_QEMU,
                      "unable to execute QEMU command 'human-monitor-command': %s",
                      text ?: "no reason given");
}

static void
on_reply(VpQmpOutcome outcome, const char *reply, gsize size, gpointer data)
{
    VpRequest *request = data;

    if (outcome == VP_QMP_SESSION_LOST)
        vp_rpc_send_error(request->client->down, &request->header, VP_RPC_INTERNAL_ERROR,
                          VP_RPC_FROM_QEMU,
                          "domain '%s': the monitor session was lost before the reply came: %s",
                          request->domain->name,
                          request->domain->session
                              ? vp_qmp_session_reason(request->domain->session)
                          : request->domain->state == VP_DOMAIN_GONE
                              ? "the domain has stopped"
                              : "it is being removed");
    else if (is_hmp(request))
        send_hmp_result(request, reply, size);
    else
        vp_monitor_send_result(request->client, &request->header, reply, size);
    finish(request);
}

/* --- sending -------------------------------------------------------------- */

static void
unref_domain(gpointer domain)
{
    vp_domain_unref(domain);
}

static void
free_user(gpointer user)
{
    vp_added_user_free(user);
}

static VpAddedUser *
user_of(VpClient *client, VpDomain *domain)
{
    VpAddedUser *user = NULL;

    if (!client->users)
        client->users = g_hash_table_new_full(NULL, NULL, unref_domain, free_user);
    user = g_hash_table_lookup(client->users, domain);
    if (!user) {
        user = vp_added_user_new(domain->added);
        vp_added_user_set_owner(user, vp_client_owner(client));
        g_hash_table_insert(client->users, vp_domain_ref(domain), user);
    }
    return user;
}

static VpQmpVerdict
send_qmp(VpRequest *request, char **ret_message)
{
    VpAddedUser *user = user_of(request->client, request->domain);
    const char *command = request->args.cmd;
    g_autoptr(GString) wrapped = NULL;

    if (is_hmp(request)) {
        wrapped = g_string_new("{\"execute\":\"human-monitor-command\","
                               "\"arguments\":{\"command-line\":");
        vp_json_append_quoted(wrapped, command);
        g_string_append(wrapped, "}}");
        command = wrapped->str;
    }
    return vp_added_send(user, command, strlen(command), request->frame->fds, request->header.nfds,
                         on_reply, request, ret_message);
}

static void
send_to_session(VpRequest *request)
{
    VpLink *down = request->client->down;
    g_autofree char *message = NULL;

    switch (send_qmp(request, &message)) {
    case VP_QMP_ACCEPTED:
        request->frame = NULL; /* its descriptors have been duplicated */
        return;
    case VP_QMP_NOT_READY: /* cannot be: the route said DEDICATED. libvirtd's monitor works. */
        forward(request);
        return;
    case VP_QMP_INVALID:
        vp_rpc_send_error(down, &request->header, VP_RPC_INTERNAL_ERROR, VP_RPC_FROM_NONE,
                          "cannot parse json %s: %s", request->args.cmd, message);
        break;
    case VP_QMP_QUEUE_FULL:
        vp_rpc_send_error(down, &request->header, VP_RPC_RESOURCE_BUSY, VP_RPC_FROM_QEMU,
                          "domain '%s': %u commands of this client wait already",
                          request->domain->name, VP_QMP_QUEUE_MAX);
        break;
    case VP_QMP_TOO_MANY_FDS:
        vp_rpc_send_error(down, &request->header, VP_RPC_INVALID_ARG, VP_RPC_FROM_QEMU,
                          "at most %u fds can be passed to qemu along with a command",
                          VP_QMP_FDS_MAX);
        break;
    }
    finish(request);
}

/* --- the way of a request ------------------------------------------------- */

static void
on_access(bool allowed, gpointer data)
{
    VpRequest *request = data;

    if (allowed)
        step(request); /* which finds the verdict, as long as it is good */
    else
        forward(request); /* libvirtd refuses it in its own words */
}

static void
on_route(VpDomain *domain G_GNUC_UNUSED, gpointer data)
{
    step(data);
}

static void
refuse(VpRequest *request)
{
    vp_rpc_send_error(request->client->down, &request->header, VP_RPC_OPERATION_DENIED,
                      VP_RPC_FROM_QEMU,
                      "domain '%s' has <qemu:monitorpassthrough session='none'/>",
                      request->domain->name);
    finish(request);
}

static void
wait_for_route(VpRequest *request)
{
    keep_frame(request);
    vp_domain_wait(request->domain, on_route, request);
}

static void
with_permission(VpRequest *request)
{
    VpRoute route = vp_domain_route(request->domain);

    if (!request->fits && route != VP_ROUTE_REFUSED)
        forward(request);
    else if (request->fits && vp_added_answer(request->client, request->domain, &request->header,
                                              request->args.cmd, is_hmp(request)))
        finish(request);
    else if (route == VP_ROUTE_REFUSED)
        refuse(request);
    else if (route == VP_ROUTE_DEDICATED)
        send_to_session(request);
    else if (route == VP_ROUTE_WAIT || vp_domain_add_session(request->domain))
        wait_for_route(request);
    else
        forward(request);
}

/* Is there nothing that we would do with it? */
static bool
is_for_libvirtd(const VpRequest *request)
{
    return request->domain->state == VP_DOMAIN_GONE ||
           (vp_domain_route(request->domain) == VP_ROUTE_SHARED &&
            !vp_domain_can_add_session(request->domain) &&
            !vp_added_is_ours(request->args.cmd, is_hmp(request)));
}

/* The permission comes before every answer of ours, a refusal too: it tells about the domain. */
static void
step(VpRequest *request)
{
    if (vp_domain_route(request->domain) == VP_ROUTE_WAIT) {
        wait_for_route(request);
        return;
    }
    if (is_for_libvirtd(request)) {
        forward(request);
        return;
    }
    switch (vp_access_check(request->client, request->domain, on_access, request)) {
    case VP_ACCESS_ALLOWED:
        with_permission(request);
        break;
    case VP_ACCESS_DENIED:
        forward(request);
        break;
    case VP_ACCESS_ASKING:
        keep_frame(request);
        break;
    }
}

VpIntercepted
vp_monitor_call(VpClient *client, const VpFrame *frame, const VpIntercept *row G_GNUC_UNUSED)
{
    vp_monitor_command_args args = { 0 };
    VpIntercepted own = VP_PASS;
    VpDomain *domain = NULL;

    if (client->state != VP_CLIENT_OPEN || !client->is_qemu || client->read_only)
        return VP_PASS;
    if (client->requests && client->requests->len >= VP_CLIENT_COMMANDS_MAX)
        return VP_HOLD;
    if (!vp_xdr_decode(frame->payload, frame->payload_size, xdr_vp_monitor_command_args, &args))
        return VP_PASS;
    if (fits(&args) && vp_added_is_ours(args.cmd, args.flags & VP_MONITOR_COMMAND_HMP))
        own = vp_own_monitor_call(client, &frame->header, &args.dom, args.cmd);
    if (own != VP_PASS) {
        vp_xdr_clear(xdr_vp_monitor_command_args, &args);
        return own;
    }
    if ((args.flags & ~VP_MONITOR_COMMAND_HMP) == 0)
        domain = vp_domains_get(client->daemon->domains, (guint8 *)args.dom.uuid, args.dom.name);
    if (!domain) { /* flags that we do not know: libvirtd refuses them */
        vp_xdr_clear(xdr_vp_monitor_command_args, &args);
        return VP_PASS;
    }
    step(request_new(client, frame, &args, domain));
    return VP_DONE;
}

/* --- ends of client and session ------------------------------------------- */

void
vp_monitor_forget_session(VpClient *client, VpDomain *domain)
{
    if (client->users)
        g_hash_table_remove(client->users, domain);
}

void
vp_monitor_forget_client(VpClient *client)
{
    /* The users first: after that no callback holds a request any more. */
    g_clear_pointer(&client->users, g_hash_table_unref);
    for (guint i = 0; client->requests && i < client->requests->len; i++)
        request_free(g_ptr_array_index(client->requests, i));
    g_clear_pointer(&client->requests, g_ptr_array_unref);
}
