/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The life of one session: connect, shake hands, serve, be lost, try again.
 *
 * Everything that ends a connection comes to lose(), and lose() is called from the loop only, never
 * inside of a call of a user; so a user finds the session as he left it, and all that can happen to
 * him during a call is that his command waits. lose() is also the only place that fails commands,
 * but for the end of the session itself.
 *
 * The peer is not trusted to be what it claims, and nothing that it says could prove it. So the
 * owner may connect in our place (VpQmpSessionOps.connect), and what he has not made sure of never
 * becomes a descriptor here: nothing is sent to it and nothing of it is read. A stranger is left
 * alone for half a minute: a monitor serves one client at a time, and who is in the wrong place is
 * in the way. A message that is not QMP ends the connection: what follows it cannot be understood
 * either.
 *
 * While a socket's other client or a stopped QEMU keeps us waiting, connect() succeeds and nothing
 * comes; hence the time limit of the handshake. Once READY there is none: a command takes as long
 * as it takes.
 *
 * Freeing. A session may be freed in the callbacks it makes. The functions that the loop calls hold
 * it until they are done, so that only they have to know, by @freed, that it may be over.
 */

#include "qmp/session.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/socket.h"
#include "json/members.h"
#include "json/text.h"
#include "qmp/mux.h"
#include "qmp/splitter.h"

#include <errno.h>
#include <string.h>

const char *const vp_qmp_state_names[] = {
    [VP_QMP_CONNECTING] = "connecting",
    [VP_QMP_NEGOTIATING] = "negotiating",
    [VP_QMP_READY] = "ready",
    [VP_QMP_LOST] = "lost",
    NULL,
};

/* For so long after a session that was READY nobody at its socket is no news: QEMU has ended, as a
 * rule, and libvirtd will tell in a moment, which ends the session too. */
#define FAREWELL_US (5 * G_USEC_PER_SEC)

/* The commands of the handshake; the id of each is its place here. */
typedef enum Step {
    STEP_CAPABILITIES,
    STEP_CAPABILITIES_OOB,
} Step;

static const char *const step_texts[] = {
    [STEP_CAPABILITIES] = "{\"execute\":\"qmp_capabilities\",\"id\":0}\n",
    [STEP_CAPABILITIES_OOB] =
        "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]},\"id\":1}\n",
};

struct VpQmpSession {
    VpLoop *loop;
    char *name;               /* the domain's */
    char *path;               /* of the socket */
    const VpQmpSessionOps *ops;
    gpointer data;            /* for @ops */
    VpQmpState state;         /* written by set_state() only */
    Step step;                /* what NEGOTIATING waits for */
    VpQmpChannel channel;
    VpQmpSplitter splitter;
    VpQmpMux mux;
    VpQmpStats stats;
    char *greeting;           /* NULL before the first */
    char *reason;             /* why it was lost last, "" if it never was */
    bool told;                /* the log has it */
    gint64 ready_until;       /* monotonic microseconds: when READY ended last */
    bool oob;                 /* QEMU offered it on this connection */
    guint strays;             /* replies to nobody on this connection */
    guint backoff;            /* milliseconds to wait when it is lost next */
    gint64 ready_since;       /* monotonic microseconds, in READY */
    GSource *timer;           /* LOST: the next attempt; READY: none; else the end of patience */
    guint holds;              /* functions of ours that still need the memory */
    bool freed;               /* by its owner */
};

static void on_watch(VpWatch *watch, guint32 ready, gpointer data);

static void
hold(VpQmpSession *session)
{
    session->holds++;
}

static void
release(VpQmpSession *session)
{
    if (--session->holds > 0 || !session->freed)
        return;
    vp_qmp_splitter_clear(&session->splitter);
    g_free(session->name);
    g_free(session->path);
    g_free(session->greeting);
    g_free(session->reason);
    g_free(session);
}

static void
set_state(VpQmpSession *session, VpQmpState state, VpLogLevel level, const char *detail)
{
    vp_log(level, "%s: QMP session %s -> %s%s%s", session->name,
           vp_qmp_state_names[session->state], vp_qmp_state_names[state], *detail ? ": " : "",
           detail);
    session->state = state;
}

static void
tell(VpQmpSession *session)
{
    if (!session->freed && session->ops->state)
        session->ops->state(session, session->state, session->data);
}

static void
set_timer(VpQmpSession *session, guint milliseconds, GSourceFunc func)
{
    vp_loop_cancel(&session->timer);
    session->timer = vp_loop_timer(session->loop, milliseconds, func, session);
}

/* Back to the first delay if the connection that ends now had been good for a while. */
static guint
next_delay(VpQmpSession *session)
{
    guint delay = 0;

    if (session->state == VP_QMP_READY &&
        g_get_monotonic_time() - session->ready_since >= VP_QMP_RETRY_MAX_MS * 1000LL)
        session->backoff = VP_QMP_RETRY_MIN_MS;
    delay = session->backoff;
    session->backoff = MIN(session->backoff * 2, VP_QMP_RETRY_MAX_MS);
    return delay;
}

/* Is this end for whoever reads the log? Once for each reason that is none of FAREWELL_US. */
static bool
is_news(VpQmpSession *session, const char *reason)
{
    gint64 now = g_get_monotonic_time();
    bool ready = session->state == VP_QMP_READY;
    bool nobody_there = session->channel.fd < 0;

    if (!ready && session->told && strcmp(session->reason, reason) == 0)
        return false;
    if (ready)
        session->ready_until = now;
    session->told = !nobody_there || now - session->ready_until >= FAREWELL_US;
    return session->told;
}

static gboolean on_attempt(gpointer data);

/* Ends the connection; the next attempt comes after @delay milliseconds. @news: the operator should
 * know. Takes @reason. */
static void
lose_for(VpQmpSession *session, guint delay, bool news, char *reason)
{
    g_free(session->reason);
    session->reason = reason;
    vp_qmp_channel_close(&session->channel);
    vp_qmp_splitter_clear(&session->splitter);
    set_timer(session, delay, on_attempt);
    set_state(session, VP_QMP_LOST, news ? VP_LOG_INFO : VP_LOG_DEBUG, reason);
    vp_qmp_mux_close(&session->mux);
    tell(session);
}

static void lose(VpQmpSession *session, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
lose(VpQmpSession *session, const char *format, ...)
{
    va_list args;
    char *reason = NULL;
    bool news = false;

    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    news = is_news(session, reason);
    lose_for(session, next_delay(session), news, reason);
}

static gboolean
on_patience_over(gpointer data)
{
    VpQmpSession *session = data;

    hold(session);
    vp_loop_cancel(&session->timer);
    lose(session,
         "no %s within %u s: QEMU is stopped, or another client is connected to its monitor",
         session->state == VP_QMP_CONNECTING ? "greeting" : "answer", VP_QMP_HANDSHAKE_MS / 1000);
    release(session);
    return G_SOURCE_REMOVE;
}

/* The new connection, -1: @error. */
static int
open_connection(VpQmpSession *session, GError **error)
{
    if (session->ops->connect)
        return session->ops->connect(session, error, session->data);
    return vp_socket_connect(session->path, NULL, error);
}

/* That a QEMU has ended is no failure of its session. */
static void
not_connected(VpQmpSession *session, const GError *error)
{
    bool stranger = g_error_matches(error, VP_ERROR, VP_ERROR_STRANGER);
    bool ended = g_error_matches(error, VP_ERROR, VP_ERROR_CLOSED);

    lose_for(session, stranger ? VP_QMP_STRANGER_RETRY_MS : next_delay(session),
             !ended && is_news(session, error->message), g_strdup(error->message));
}

static void
connect_now(VpQmpSession *session)
{
    g_autoptr(GError) error = NULL;
    vp_autofd int fd = -1;

    if (session->state != VP_QMP_CONNECTING) {
        set_state(session, VP_QMP_CONNECTING, VP_LOG_DEBUG, "");
        tell(session);
    }
    if (session->freed)
        return;
    session->strays = 0;
    fd = open_connection(session, &error);
    if (fd >= 0 && vp_qmp_channel_adopt(&session->channel, session->loop, fd, on_watch, session,
                                        &error)) {
        vp_steal_fd(&fd);
        set_timer(session, VP_QMP_HANDSHAKE_MS, on_patience_over);
    } else {
        not_connected(session, error);
    }
}

static gboolean
on_attempt(gpointer data)
{
    VpQmpSession *session = data;

    hold(session);
    vp_loop_cancel(&session->timer);
    connect_now(session);
    release(session);
    return G_SOURCE_REMOVE;
}

static void
ask(VpQmpSession *session, Step step)
{
    struct iovec part = { .iov_base = (char *)step_texts[step],
                          .iov_len = strlen(step_texts[step]) };

    session->step = step;
    vp_qmp_channel_send(&session->channel, &part, 1, NULL, 0);
}

static void
become_ready(VpQmpSession *session)
{
    vp_loop_cancel(&session->timer);
    session->ready_since = g_get_monotonic_time();
    session->stats.connections++;
    set_state(session, VP_QMP_READY, VP_LOG_INFO, session->oob ? "" : "without oob");
    vp_qmp_mux_open(&session->mux, session->oob);
    tell(session);
}

/* Whether the greeting's list of capabilities has "oob". */
static bool
offers_oob(VpJsonSlice greeting)
{
    VpJsonSlice list = vp_json_member(greeting, "capabilities");
    VpJsonItems items;
    VpJsonItem item;
    bool found = false;

    vp_json_items_init(&items, list.text, list.size);
    while (!found && vp_json_items_next(&items, &item) == VP_JSON_ITEM)
        found = vp_json_string_is(item.value, "oob");
    return found;
}

static void
on_greeting(VpQmpSession *session, const VpQmpEnvelope *envelope, char *message, gsize size)
{
    if (envelope->kind != VP_QMP_GREETING) {
        lose(session, "the peer does not speak QMP: its first message is no greeting");
        return;
    }
    g_free(session->greeting);
    session->greeting = g_strndup(message, size);
    session->oob = offers_oob(envelope->body);
    set_state(session, VP_QMP_NEGOTIATING, VP_LOG_DEBUG, "");
    tell(session);
    if (!session->freed)
        ask(session, session->oob ? STEP_CAPABILITIES_OOB : STEP_CAPABILITIES);
}

static void
on_handshake_reply(VpQmpSession *session, const VpQmpEnvelope *envelope,
                   char *message G_GNUC_UNUSED, gsize size G_GNUC_UNUSED)
{
    if (envelope->kind == VP_QMP_EVENT)
        return;
    if (envelope->kind != VP_QMP_RETURN || vp_qmp_envelope_own_id(envelope) != (int)session->step) {
        lose(session, "the peer does not answer qmp_capabilities as QEMU does");
        return;
    }
    become_ready(session);
}

static gint64
read_number(VpJsonSlice object, const char *key)
{
    VpJsonSlice value = object.text ? vp_json_member(object, key) : object;

    /* The text goes on behind the number, with a bracket or a comma. */
    return value.text ? g_ascii_strtoll(value.text, NULL, 10) : -1;
}

static void
deliver_event(VpQmpSession *session, const VpQmpEnvelope *envelope, char *message, gsize size)
{
    g_autofree char *name = vp_json_decode_string(envelope->body.text, envelope->body.size);
    gint64 microseconds = read_number(envelope->timestamp, "microseconds");
    VpQmpEvent event = {
        .name = name,
        .seconds = read_number(envelope->timestamp, "seconds"),
        .microseconds = MAX(microseconds, 0),
        .data = envelope->data.text,
        .data_size = envelope->data.size,
        .message = message,
        .message_size = size,
    };

    session->stats.events++;
    if (name && session->ops->event)
        session->ops->event(session, &event, session->data);
}

static void
deliver_reply(VpQmpSession *session, const VpQmpEnvelope *envelope, char *message, gsize size)
{
    switch (vp_qmp_mux_deliver(&session->mux, envelope, message, size)) {
    case VP_QMP_DELIVERED:
        break;
    case VP_QMP_STRAY:
        session->stats.stray_replies++;
        if (++session->strays > VP_QMP_STRAYS_MAX)
            lose(session, "the peer has answered %u commands that nobody sent", session->strays);
        break;
    case VP_QMP_OUT_OF_STEP:
        lose(session, "the peer does not answer commands in their order");
        break;
    }
}

static void
on_message(VpQmpSession *session, const VpQmpEnvelope *envelope, char *message, gsize size)
{
    if (envelope->kind == VP_QMP_EVENT && envelope->body.size > VP_QMP_EVENT_NAME_MAX + 2) {
        lose(session, "the peer has sent an event whose name has more than %u bytes",
             VP_QMP_EVENT_NAME_MAX);
    } else if (envelope->kind == VP_QMP_EVENT) {
        deliver_event(session, envelope, message, size);
    } else if (envelope->kind == VP_QMP_GREETING) {
        lose(session, "the peer has sent a second greeting");
    } else {
        deliver_reply(session, envelope, message, size);
    }
}

static void
dispatch(VpQmpSession *session, char *message, gsize size)
{
    static void (*const handlers[])(VpQmpSession *, const VpQmpEnvelope *, char *, gsize) = {
        [VP_QMP_CONNECTING] = on_greeting,
        [VP_QMP_NEGOTIATING] = on_handshake_reply,
        [VP_QMP_READY] = on_message,
    };
    VpQmpEnvelope envelope = { 0 };

    vp_qmp_envelope_read(message, size, &envelope);
    if (envelope.kind == VP_QMP_GARBAGE)
        lose(session, "the peer has sent %" G_GSIZE_FORMAT " bytes that are no QMP message", size);
    else
        handlers[session->state](session, &envelope, message, size);
}

/* All messages in @bytes, as long as the connection lasts. */
static void
dispatch_all(VpQmpSession *session, char *bytes, gsize n)
{
    while (session->channel.fd >= 0) {
        char *message = NULL;
        gsize size = 0;

        switch (vp_qmp_splitter_next(&session->splitter, &bytes, &n, &message, &size)) {
        case VP_QMP_SPLIT_MESSAGE:
            dispatch(session, message, size);
            break;
        case VP_QMP_SPLIT_TOO_LONG:
            lose(session, "the peer has sent a message of more than %u bytes", VP_QMP_MESSAGE_MAX);
            return;
        case VP_QMP_SPLIT_MORE:
            return;
        }
    }
}

static void
read_some(VpQmpSession *session)
{
    char *bytes = NULL;
    gssize n = vp_qmp_channel_receive(&session->channel, &bytes);

    if (n > 0)
        dispatch_all(session, bytes, n);
    else if (n != -1 && session->channel.send_errno)
        lose(session, "cannot write to the monitor: %s", g_strerror(session->channel.send_errno));
    else if (n == -2)
        lose(session, "cannot read from the monitor: %s", g_strerror(errno));
    else if (n == 0)
        lose(session, "QEMU has closed the connection");
}

static void
on_watch(VpWatch *watch G_GNUC_UNUSED, guint32 ready, gpointer data)
{
    VpQmpSession *session = data;

    hold(session);
    if (ready & EPOLLOUT) {
        vp_qmp_channel_flush(&session->channel);
        vp_qmp_mux_pump(&session->mux);
    }
    if (ready & ~(guint32)EPOLLOUT)
        read_some(session);
    release(session);
}

VpQmpSession *
vp_qmp_session_new(VpLoop *loop, const char *name, const char *path, const VpQmpSessionOps *ops,
                   gpointer data)
{
    VpQmpSession *session = g_new0(VpQmpSession, 1);

    session->loop = loop;
    session->name = g_strdup(name);
    session->path = g_strdup(path);
    session->ops = ops;
    session->data = data;
    session->reason = g_strdup("");
    session->backoff = VP_QMP_RETRY_MIN_MS;
    vp_qmp_channel_init(&session->channel, session->name, &session->stats);
    vp_qmp_mux_init(&session->mux, &session->channel, &session->stats);
    set_timer(session, 0, on_attempt);
    return session;
}

void
vp_qmp_session_free(VpQmpSession *session)
{
    if (!session)
        return;
    g_assert(!session->freed);
    hold(session);
    session->freed = true;
    vp_loop_cancel(&session->timer);
    vp_qmp_channel_close(&session->channel);
    vp_qmp_mux_close(&session->mux);
    vp_qmp_mux_detach(&session->mux);
    vp_loop_cancel(&session->timer);
    release(session);
}

VpQmpState
vp_qmp_session_state(const VpQmpSession *session)
{
    return session->state;
}

bool
vp_qmp_session_has_oob(const VpQmpSession *session)
{
    return session->oob;
}

const char *
vp_qmp_session_path(const VpQmpSession *session)
{
    return session->path;
}

const char *
vp_qmp_session_reason(const VpQmpSession *session)
{
    return session->reason;
}

const char *
vp_qmp_session_greeting(const VpQmpSession *session)
{
    return session->greeting;
}

pid_t
vp_qmp_session_pid(const VpQmpSession *session)
{
    VpPeer peer = { 0 };

    return session->channel.fd >= 0 && vp_socket_peer(session->channel.fd, &peer, NULL) ? peer.pid
                                                                                        : 0;
}

const VpQmpStats *
vp_qmp_session_stats(const VpQmpSession *session)
{
    return &session->stats;
}

void
vp_qmp_session_retry(VpQmpSession *session)
{
    if (session->state != VP_QMP_LOST)
        return;
    session->backoff = VP_QMP_RETRY_MIN_MS;
    set_timer(session, 0, on_attempt);
}

VpQmpQueue *
vp_qmp_queue_new(VpQmpSession *session)
{
    return vp_qmp_mux_add_queue(&session->mux);
}
