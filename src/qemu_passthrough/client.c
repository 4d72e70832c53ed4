/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A client and its connection to libvirtd: frames go across, and those with a row in
 * the table (intercept.c) go through its handler first.
 *
 * Each client has a connection of its own upstream, for as long as it lives itself: what
 * libvirtd ties to a connection (event registrations, domains to be destroyed with it,
 * a migration being driven) then ends when the client does.
 *
 * Backpressure: a frame is taken only if the other side has room, else it is held and
 * its link not read until the other one has drained. Keepalive passes even a held
 * link, since a peer that is kept waiting must not take us for dead.
 *
 * Ends: when one side has sent its last byte, the other is told after everything before
 * it (a half-closed connection stays what it was); when both have, or one fails, the
 * client is dropped.
 */

#include "qemu_passthrough/client.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/inet.h"
#include "qemu_passthrough/access.h"
#include "qemu_passthrough/descriptors.h"
#include "qemu_passthrough/document.h"
#include "qemu_passthrough/identity.h"
#include "qemu_passthrough/intercept.h"
#include "qemu_passthrough/monitor.h"
#include "qemu_passthrough/own_calls.h"
#include "remote/procedures.h"
#include "rpc/rpc_error.h"

#include <unistd.h>

/* Tries to reach a libvirtd that is being started: libvirt's own client waits 5 s. */
#define CONNECT_RETRY_MS 20
#define CONNECT_TRIES_MAX 250

static gboolean connect_upstream(gpointer data);

static void
drop(VpClient *client, const char *reason)
{
    vp_log_debug("client %" G_GUINT64_FORMAT ": gone: %s", client->number, reason);
    vp_daemon_drop_client(client->daemon, client);
}

static void
trace(const VpClient *client, const char *direction, const VpFrame *frame)
{
    const VpHeader *h = &frame->header;
    const char *name = vp_procedure_name(h->program, h->procedure);
    g_autofree char *number = name ? NULL : g_strdup_printf("0x%x/%d", h->program, h->procedure);

    vp_log(VP_LOG_DEBUG,
           "client %" G_GUINT64_FORMAT " %s %s %s serial %u status %u, %u bytes, %u fds",
           client->number, direction,
           h->type <= VP_FRAME_STREAM_HOLE ? vp_frame_type_names[h->type] : "type?",
           name ?: number, h->serial, h->status, h->length, h->nfds);
}

/* --- from the client ------------------------------------------------------ */

static bool
is_call(const VpHeader *header)
{
    return header->type == VP_FRAME_CALL || header->type == VP_FRAME_CALL_WITH_FDS;
}

/* Must the frame wait? Not even looked at while it must. */
static bool
must_hold(const VpClient *client, const VpFrame *frame)
{
    if (frame->header.program == VP_KEEPALIVE_PROGRAM)
        return client->up == NULL;
    return client->state == VP_CLIENT_CONNECTING || client->state == VP_CLIENT_OPENING ||
           client->document || vp_link_is_full(client->up) || vp_link_is_full(client->down) ||
           vp_calls_must_wait(client->calls, &frame->header);
}

static gboolean
on_again(gpointer data)
{
    VpClient *client = data;

    vp_loop_cancel(&client->again);
    vp_client_go_on(client);
    return G_SOURCE_REMOVE;
}

/* Later: this is called in the midst of a frame. */
static void
on_serial_free(gpointer data)
{
    VpClient *client = data;

    if (!client->again)
        client->again = vp_loop_timer(client->daemon->loop, 0, on_again, client);
}

/* What passes through the table, or straight on. Our own calls that come of it have serials that
 * the frame has not. */
static VpIntercepted
look_at(VpClient *client, const VpFrame *frame)
{
    const VpIntercept *row = NULL;
    VpIntercepted verdict = VP_PASS;

    if (frame->header.program == VP_KEEPALIVE_PROGRAM)
        return VP_PASS;
    vp_calls_note(client->calls, &frame->header);
    if (is_call(&frame->header))
        row = vp_intercept_find(frame->header.program, frame->header.procedure);
    if (row && row->call)
        verdict = row->call(client, frame, row);
    if (verdict == VP_HOLD)
        vp_calls_unnote(client->calls, &frame->header);
    return verdict;
}

static VpLinkNext
on_down_frame(VpLink *link G_GNUC_UNUSED, const VpFrame *frame, gpointer data)
{
    VpClient *client = data;
    VpIntercepted verdict = VP_PASS;

    if (client->barred)
        return VP_LINK_TAKEN;
    if (must_hold(client, frame))
        return VP_LINK_HELD;
    verdict = look_at(client, frame);
    if (verdict == VP_HOLD)
        return VP_LINK_HELD;
    if (vp_log_enabled(VP_LOG_DEBUG))
        trace(client, verdict == VP_PASS ? "->" : "=>", frame);
    if (is_call(&frame->header) && (verdict == VP_PASS || client->state == VP_CLIENT_OPENING))
        vp_place_set_waiting(client->place, true);
    if (verdict == VP_PASS)
        vp_link_send_frame(client->up, frame);
    return VP_LINK_TAKEN;
}

/* Whoever wrote it: a reply frees the serial of the client's frame. */
static void
on_down_sending(VpLink *link G_GNUC_UNUSED, const guint8 *bytes, gpointer data)
{
    VpClient *client = data;

    vp_calls_settle(client->calls, bytes);
}

static void
on_down_drained(VpLink *link G_GNUC_UNUSED, gpointer data)
{
    VpClient *client = data;

    client->up_resumed = g_get_monotonic_time();
    if (client->up)
        vp_link_resume(client->up);
    vp_client_go_on(client);
}

static void
on_down_ended(VpLink *link G_GNUC_UNUSED, gpointer data)
{
    VpClient *client = data;

    if (!client->up || client->state == VP_CLIENT_LEAVING) {
        drop(client, "it closed the connection");
        return;
    }
    client->down_ended = true;
    if (client->document)
        return;
    client->state = VP_CLIENT_LEAVING;
    vp_link_end(client->up);
}

static void
on_link_failed(VpLink *link G_GNUC_UNUSED, const char *reason, gpointer data)
{
    drop(data, reason);
}

static const VpLinkOps down_ops = {
    .frame = on_down_frame,
    .sending = on_down_sending,
    .drained = on_down_drained,
    .ended = on_down_ended,
    .failed = on_link_failed,
};

/* --- from libvirtd -------------------------------------------------------- */

static VpLinkNext
on_up_frame(VpLink *link G_GNUC_UNUSED, const VpFrame *frame, gpointer data)
{
    VpClient *client = data;
    const VpIntercept *row = NULL;
    VpIntercepted verdict = VP_PASS;

    if (vp_calls_take_reply(client->calls, frame)) {
        /* A client that is gone by now took its links with it; TAKEN is right for both. */
        return VP_LINK_TAKEN;
    }
    if (client->answer || vp_link_is_full(client->down))
        return VP_LINK_HELD;
    if (frame->header.type == VP_FRAME_REPLY || frame->header.type == VP_FRAME_REPLY_WITH_FDS) {
        row = vp_intercept_find(frame->header.program, frame->header.procedure);
        if (client->awaited)
            vp_document_replied(client, &frame->header);
    }
    if (row && row->reply)
        verdict = row->reply(client, frame, row);
    if (client->state == VP_CLIENT_NEW)
        vp_place_set_waiting(client->place, false);
    if (vp_log_enabled(VP_LOG_DEBUG))
        trace(client, verdict == VP_PASS ? "<-" : "<=", frame);
    if (verdict == VP_PASS && !vp_descriptors_refuse_reply(client, frame))
        vp_link_send_frame(client->down, frame);
    return VP_LINK_TAKEN;
}

static void
on_up_drained(VpLink *link G_GNUC_UNUSED, gpointer data)
{
    vp_client_go_on(data);
}

static void
on_up_ended(VpLink *link G_GNUC_UNUSED, gpointer data)
{
    VpClient *client = data;

    client->up_ended = true;
    if (!client->answer)
        vp_client_leave(client, "libvirtd closed the connection");
}

static const VpLinkOps up_ops = {
    .frame = on_up_frame,
    .drained = on_up_drained,
    .ended = on_up_ended,
    .failed = on_link_failed,
};

/* --- the connection to libvirtd ------------------------------------------- */

/* libvirtd is not there, or does not let the client in, who learns it from an error to its first
 * call. */
static VpLinkNext
refuse_frame(VpLink *link, const VpFrame *frame, gpointer data)
{
    VpClient *client = data;
    g_autoptr(GError) error = NULL;
    vp_autofd int fd = -1;

    if (!is_call(&frame->header))
        return VP_LINK_TAKEN;
    if (client->refusal) {
        vp_rpc_send_error(link, &frame->header, VP_RPC_AUTH_FAILED, VP_RPC_FROM_RPC, "%s",
                          client->refusal);
        vp_client_leave(client, "libvirtd does not let it in");
        return VP_LINK_TAKEN;
    }
    vp_upstream_connect(&client->daemon->address, client->read_only, &fd, &error);
    vp_rpc_send_error(link, &frame->header, VP_RPC_INTERNAL_ERROR, VP_RPC_FROM_RPC,
                      "virtpassd has no libvirtd to forward to: %s",
                      error ? error->message : "it came up just now; try again");
    vp_client_leave(client, "libvirtd is not there");
    return VP_LINK_TAKEN;
}

static const VpLinkOps refusing_ops = {
    .frame = refuse_frame,
    .drained = on_down_drained,
    .ended = on_down_ended,
    .failed = on_link_failed,
};

static void
refuse(VpClient *client, const char *reason)
{
    /* Whoever can reach our socket makes such lines, so they are no warnings. */
    vp_log(client->refusal ? VP_LOG_INFO : VP_LOG_WARNING,
           "client %" G_GUINT64_FORMAT ": refused: %s", client->number, reason);
    client->state = VP_CLIENT_LEAVING;
    vp_link_set_ops(client->down, &refusing_ops);
    vp_link_resume(client->down);
}

static gboolean
connect_upstream(gpointer data)
{
    VpClient *client = data;
    g_autoptr(GError) error = NULL;
    vp_autofd int fd = -1;

    vp_loop_cancel(&client->retry);
    switch (vp_upstream_connect(&client->daemon->address, client->read_only, &fd, &error)) {
    case VP_UPSTREAM_STARTING:
        if (client->tries++ >= CONNECT_TRIES_MAX)
            refuse(client, "libvirtd does not come up");
        else
            client->retry = vp_loop_timer(client->daemon->loop, CONNECT_RETRY_MS, connect_upstream,
                                          client);
        vp_place_set_waiting(client->place, true);
        return G_SOURCE_REMOVE;
    case VP_UPSTREAM_ABSENT:
        refuse(client, error->message);
        return G_SOURCE_REMOVE;
    case VP_UPSTREAM_CONNECTED:
        break;
    }
    client->up = vp_link_new(client->daemon->loop, vp_steal_fd(&fd), VP_INBOX_FROM_SERVER, &up_ops,
                             client, &error);
    if (!client->up) {
        refuse(client, error->message);
        return G_SOURCE_REMOVE;
    }
    client->state = VP_CLIENT_NEW;
    vp_place_set_waiting(client->place, false);
    vp_link_resume(client->up);
    vp_link_resume(client->down);
    return G_SOURCE_REMOVE;
}

static void
on_admission(VpAdmissionVerdict verdict, const char *reason, gpointer data)
{
    VpClient *client = data;

    client->admission = NULL;
    if (verdict == VP_ADMISSION_GIVEN) {
        connect_upstream(client);
        return;
    }
    if (verdict == VP_ADMISSION_REFUSED)
        client->refusal = g_strdup(reason);
    refuse(client, reason);
}

/* --- a client ------------------------------------------------------------- */

/* By the kernel's word who came by a unix socket, by the certificate who came through TLS. Nobody
 * of those is trusted: what the name in it may do is known to libvirtd alone. */
static bool
learn_peer(VpClient *client, VpTls *tls, GError **error)
{
    int fd = vp_link_fd(client->down);

    if (tls) {
        client->tls_name = g_strdup(vp_tls_peer_name(tls));
        client->owner = g_strdup_printf("tls %s", client->tls_name);
        vp_link_set_tls(client->down, tls);
        return true;
    }
    if (!vp_socket_peer(fd, &client->peer, error))
        return false;
    client->owner = vp_identity_owner(&client->peer);
    client->trusted = client->peer.uid == 0 || client->peer.uid == geteuid();
    return true;
}

static void
trace_peer(const VpClient *client)
{
    const char *suffix = client->read_only ? ", read-only" : "";

    if (client->tls_name) {
        g_autofree char *who = vp_inet_peer_name(vp_link_fd(client->down));
        g_autofree char *name = g_strescape(client->tls_name, NULL);

        vp_log(VP_LOG_DEBUG, "client %" G_GUINT64_FORMAT ": %s, certificate of '%s'%s",
               client->number, who, name, suffix);
        return;
    }
    vp_log(VP_LOG_DEBUG, "client %" G_GUINT64_FORMAT ": process %d of user %u%s", client->number,
           (int)client->peer.pid, (unsigned)client->peer.uid, suffix);
}

VpClient *
vp_client_new(VpDaemon *daemon, int fd, VpTls *tls, bool read_only)
{
    static guint64 count;
    VpClient *client = g_new0(VpClient, 1);
    g_autoptr(VpTls) session = tls;
    g_autoptr(GError) error = NULL;

    client->daemon = daemon;
    client->number = ++count;
    client->state = VP_CLIENT_CONNECTING;
    client->read_only = read_only;
    client->calls = vp_calls_new();
    vp_calls_set_waiter(client->calls, on_serial_free, client);
    client->down = vp_link_new(daemon->loop, fd, VP_INBOX_FROM_CLIENT, &down_ops, client, &error);
    if (!client->down || !learn_peer(client, session, &error)) {
        vp_log_error("a client cannot be served: %s", error->message);
        vp_client_free(client);
        return NULL;
    }
    (void)g_steal_pointer(&session); /* the link's */
    if (vp_log_enabled(VP_LOG_DEBUG))
        trace_peer(client);
    if (!client->tls_name && vp_admission_matters(daemon, &client->peer))
        client->admission = vp_admission_new(daemon, vp_link_fd(client->down), &client->peer,
                                             read_only, on_admission, client);
    else
        client->retry = vp_loop_timer(daemon->loop, 0, connect_upstream, client);
    return client;
}

void
vp_client_free(VpClient *client)
{
    if (!client)
        return;
    vp_loop_cancel(&client->retry);
    vp_loop_cancel(&client->again);
    vp_admission_free(client->admission);
    vp_names_cancel(client->names);
    vp_monitor_forget_client(client);
    vp_own_calls_forget_client(client);
    vp_document_free(client->document);
    vp_answer_free(client->answer);
    g_clear_pointer(&client->awaited, g_ptr_array_unref);
    vp_events_forget_client(client);
    vp_access_forget(client);
    vp_calls_free(client->calls);
    vp_link_free(client->up);
    vp_link_free(client->down);
    g_clear_pointer(&client->open_reply, g_byte_array_unref);
    g_free(client->tls_name);
    g_free(client->owner);
    vp_place_free(client->place);
    g_free(client->refusal);
    g_free(client);
}

void
vp_client_send(VpClient *client, const GByteArray *frame)
{
    vp_link_send(client->down, frame->data, frame->len);
}

void
vp_client_reply(VpClient *client, const VpHeader *call, void *func, void *object, const char *what)
{
    VpHeader header = vp_rpc_reply_header(call, VP_STATUS_OK);
    g_autoptr(GByteArray) frame = vp_xdr_frame(&header, func, object);

    if (frame)
        vp_client_send(client, frame);
    else
        vp_rpc_send_error(client->down, call, VP_RPC_RPC, VP_RPC_FROM_RPC,
                          "%s does not fit into libvirt's protocol", what);
}

const char *
vp_client_owner(const VpClient *client)
{
    return client->owner;
}

void
vp_client_send_changed(VpLink *link, const VpFrame *frame, const GByteArray *payload)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VpFrame changed = *frame;

    vp_frame_begin(bytes, &frame->header);
    g_byte_array_append(bytes, payload->data, payload->len);
    g_assert(vp_frame_end(bytes));
    changed.header.length = bytes->len;
    changed.bytes = bytes->data;
    vp_link_send_frame(link, &changed);
}

void
vp_client_call_done(VpClient *client)
{
    if (client->down_ended)
        on_down_ended(client->down, client);
    else
        vp_client_go_on(client);
}

void
vp_client_reply_done(VpClient *client)
{
    client->up_resumed = g_get_monotonic_time();
    if (client->up_ended)
        on_up_ended(client->up, client);
    else
        vp_link_resume(client->up);
}

void
vp_client_go_on(VpClient *client)
{
    if (client->state == VP_CLIENT_OPEN)
        vp_place_opened(client->place);
    if (client->state != VP_CLIENT_CONNECTING)
        vp_link_resume(client->down);
}

void
vp_client_leave(VpClient *client, const char *reason)
{
    if (client->state == VP_CLIENT_LEAVING && vp_link_waiting(client->down) == 0) {
        drop(client, reason);
        return;
    }
    vp_log_debug("client %" G_GUINT64_FORMAT ": leaving: %s", client->number, reason);
    client->state = VP_CLIENT_LEAVING;
    vp_link_end(client->down);
}
