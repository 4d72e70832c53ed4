/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A QMP client, who shall not notice that the monitor is not his own.
 *
 * Its commands go to the session as adapt.c makes them, and what is no JSON as it came, cut as QEMU
 * cuts it (intake.c): QEMU itself answers wherever that is possible.
 *
 * Nothing is taken from the client while the answer to qmp_capabilities is not there, which decides
 * how what follows is to be read; nor while VP_CLIENT_COMMANDS_MAX of its commands have no answer,
 * or its answers have no room. Then its socket is not read. Events cannot be held back: who lets
 * VP_CLIENT_BACKLOG_MAX of them wait is dropped.
 *
 * Answers come in the order of the in-band commands. What we answer ourselves waits for its turn in
 * client->order; QEMU's own answers find theirs at its head.
 *
 * Descriptors wait for a command that takes one (getfd, add-fd), as they do in QEMU, and there as
 * here later ones replace those that nobody took. Only such a command carries them on.
 *
 * A client may be paused, while it is not known whether it may use the monitor: then its socket is
 * not even watched, and what would be sent waits.
 *
 * A client that has sent its last byte still gets its answers; one that is wholly gone has the
 * commands carried out that it had sent. Each function that the loop or the session calls ends in
 * settle(), the only place where a client is freed while its server lives.
 */

#include "qmp_server/client.h"

#include "base/buffer.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "json/members.h"
#include "qmp/position.h"
#include "qmp_server/adapt.h"
#include "qmp_server/intake.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* One read. What a client may have under way fits several times. */
#define CHUNK 65536

#define LINE_END "\r\n"

struct VpQmpClient {
    VpQmpServer *server;
    gpointer owner;       /* for server->ops->left() */
    GList link;           /* in server->clients */
    guint number;         /* among the server's clients, ever */
    int fd;
    VpWatch watch;
    gpointer user;        /* of server->ops */
    VpQmpStanding standing;
    bool negotiating;     /* qmp_capabilities is with QEMU */
    bool ended;           /* no byte comes any more */
    bool gone;            /* and nobody reads what we send */
    bool dead;            /* free it */
    bool paused;          /* nothing is read, nothing sent; the socket is not watched */
    bool stuck;           /* when it was paused, a message may have been sent in part */
    VpQmpIntake intake;
    VpBuffer input;       /* was read, but has to wait */
    VpBuffer output;      /* found no room in the socket */
    GQueue order;         /* of Pending: in-band commands without answer */
    GQueue overtaking;    /* of Pending: out-of-band ones */
    int fds[VP_QMP_FDS_MAX]; /* received, and not taken by a command yet */
    guint n_fds;
    GHashTable *names;    /* of its descriptors, with prefix; NULL: none yet */
};

/* A command that has no answer yet. */
typedef struct Pending {
    GList link;           /* in client->order or client->overtaking */
    VpQmpClient *client;
    bool overtaking;
    bool done;            /* @answer is there and waits for its turn */
    char *answer;         /* NULL: none */
    bool raw;             /* its text was sent as it is */
    VpQmpPlace place;     /* where it begins in all that the client has sent */
    VpQmpTreatment treatment;
    bool wants_oob;       /* of CAPABILITIES */
    VpJsonSlice id;       /* of CAPABILITIES; text is owned */
    GPtrArray *names;     /* of descriptors, that it takes if it succeeds; NULL: none */
} Pending;

static char scratch[CHUNK];

/* --- commands without answer ---------------------------------------------- */

static Pending *
pending_new(VpQmpClient *client, const VpQmpUnit *unit, bool overtaking)
{
    Pending *pending = g_new0(Pending, 1);

    pending->link.data = pending;
    pending->client = client;
    pending->place = unit->place;
    pending->overtaking = overtaking;
    g_queue_push_tail_link(overtaking ? &client->overtaking : &client->order, &pending->link);
    return pending;
}

static void
pending_free(Pending *pending)
{
    VpQmpClient *client = pending->client;

    g_queue_unlink(pending->overtaking ? &client->overtaking : &client->order, &pending->link);
    g_free(pending->answer);
    g_free((char *)pending->id.text);
    if (pending->names)
        g_ptr_array_unref(pending->names);
    g_free(pending);
}

static guint
count_pending(const VpQmpClient *client)
{
    return client->order.length + client->overtaking.length;
}

/* --- to the client -------------------------------------------------------- */

/* Sends what the socket takes; the number of bytes. */
static gsize
send_some(VpQmpClient *client, struct iovec *parts, guint n_parts)
{
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = n_parts };
    gssize n = TEMP_FAILURE_RETRY(sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT));

    if (n < 0 && errno != EAGAIN)
        client->gone = client->ended = true;
    return MAX(n, 0);
}

static void
send_parts(VpQmpClient *client, struct iovec *parts, guint n_parts)
{
    gsize sent = 0;

    if (client->output.len > VP_CLIENT_BACKLOG_MAX) {
        vp_log_warning("domain '%s': QMP client %u does not read its messages, and is dropped",
                       client->server->name, client->number);
        client->dead = true;
    }
    if (client->gone || client->dead)
        return;
    if (client->output.len == 0 && !client->paused)
        sent = send_some(client, parts, n_parts);
    for (guint i = 0; i < n_parts && !client->gone; i++) {
        gsize skip = MIN(sent, parts[i].iov_len);

        vp_buffer_append(&client->output, (char *)parts[i].iov_base + skip,
                         parts[i].iov_len - skip);
        sent -= skip;
    }
}

static void
send_message(VpQmpClient *client, const char *text, gsize size)
{
    struct iovec parts[] = {
        { .iov_base = (char *)text, .iov_len = size },
        { .iov_base = (char *)LINE_END, .iov_len = strlen(LINE_END) },
    };

    if (size > 0)
        send_parts(client, parts, G_N_ELEMENTS(parts));
}

static void
flush_output(VpQmpClient *client)
{
    struct iovec part = { .iov_base = (guint8 *)vp_buffer_bytes(&client->output),
                          .iov_len = client->output.len };

    if (client->output.len > 0)
        vp_buffer_consume(&client->output, send_some(client, &part, 1));
}

/* The answers whose turn it is. */
static void
send_in_order(VpQmpClient *client)
{
    Pending *pending = NULL;

    while ((pending = g_queue_peek_head(&client->order)) && pending->done) {
        if (pending->answer)
            send_message(client, pending->answer, strlen(pending->answer));
        pending_free(pending);
    }
}

/* @pending is answered, and gone after this. */
static void
complete(Pending *pending, const char *text, gsize size)
{
    VpQmpClient *client = pending->client;

    if (pending->overtaking || pending->link.prev == NULL) {
        send_message(client, text, size);
        pending_free(pending);
        send_in_order(client);
        return;
    }
    pending->answer = g_strndup(text, size);
    pending->done = true;
}

/* Our own answer, an error. */
static void
refuse(Pending *pending, VpJsonSlice id, const char *desc)
{
    g_autoptr(GString) text = vp_qmp_say_error(id, desc);

    complete(pending, text->str, text->len);
}

/* --- answers of QEMU ------------------------------------------------------ */

static void
finish_negotiation(Pending *pending)
{
    VpQmpClient *client = pending->client;
    g_autoptr(GString) text = NULL;

    if (pending->wants_oob && !client->server->oob) {
        refuse(pending, pending->id, "Capability oob not available");
        return;
    }
    client->standing.negotiated = true;
    client->standing.oob = pending->wants_oob;
    text = vp_qmp_say_return(pending->id);
    complete(pending, text->str, text->len);
}

/* The command has succeeded: what it has taken is no longer the client's to close. */
static void
forget_names(VpQmpClient *client, const GPtrArray *names)
{
    for (guint i = 0; client->names && i < names->len; i++)
        g_hash_table_remove(client->names, g_ptr_array_index(names, i));
}

/* An answer that has to be looked at. */
static void
treat(Pending *pending, VpJsonSlice answer)
{
    VpQmpClient *client = pending->client;
    g_autoptr(GString) text = NULL;

    if (pending->names && vp_json_member(answer, "return").text)
        forget_names(client, pending->names);
    if (pending->treatment == VP_QMP_CAPABILITIES) {
        client->negotiating = false;
        if (vp_qmp_is_negotiated(answer)) {
            finish_negotiation(pending);
            return;
        }
    }
    text = vp_qmp_adapt_answer(&client->standing, pending->treatment, answer);
    complete(pending, text->str, text->len);
}

static void take_waiting(VpQmpClient *client);
static void settle(VpQmpClient *client);

static void
on_reply(VpQmpOutcome outcome, const char *reply, gsize size, gpointer data)
{
    Pending *pending = data;
    VpQmpClient *client = pending->client;
    g_autoptr(GString) moved = NULL;

    if (pending->raw && outcome == VP_QMP_REPLIED)
        moved = vp_qmp_move_position((VpJsonSlice){ reply, size }, pending->place.lines,
                                     pending->place.columns);
    if (moved) {
        reply = moved->str;
        size = moved->len;
    }
    if (outcome == VP_QMP_SESSION_LOST) {
        client->dead = client->server->over = true;
        pending_free(pending);
    } else if (pending->treatment == VP_QMP_AS_IT_IS) {
        complete(pending, reply, size);
    } else {
        treat(pending, (VpJsonSlice){ reply, size });
    }
    take_waiting(client);
    settle(client);
}

/* --- commands of the client ----------------------------------------------- */

/* What has to be remembered of the command until its answer comes. false: it has been refused. */
static bool
remember(Pending *pending, VpQmpAdapted *adapted)
{
    VpQmpClient *client = pending->client;

    pending->treatment = adapted->treatment;
    pending->wants_oob = adapted->wants_oob;
    if (adapted->treatment == VP_QMP_CAPABILITIES) {
        client->negotiating = true;
        if (adapted->id.text)
            pending->id = (VpJsonSlice){ g_strndup(adapted->id.text, adapted->id.size),
                                         adapted->id.size };
    }
    if (!adapted->gives_name) {
        pending->names = g_steal_pointer(&adapted->names);
        return true;
    }
    if (!client->names)
        client->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (g_hash_table_size(client->names) >= VP_QMP_NAMES_MAX) {
        refuse(pending, adapted->id,
               "too many descriptors have names and are not used: close some");
        return false;
    }
    g_hash_table_add(client->names, g_strdup(g_ptr_array_index(adapted->names, 0)));
    return true;
}

static void
drop_fds(VpQmpClient *client)
{
    vp_close_fds(client->fds, client->n_fds);
    client->n_fds = 0;
}

static VpQmpVerdict
send_raw(Pending *pending, const char *text, gsize size)
{
    pending->raw = true;
    return pending->client->server->ops->send_raw(pending->client->user, text, size, on_reply,
                                                  pending);
}

/* Hands @text to the session; the very bytes of @unit, should it be no JSON. */
static void
submit(Pending *pending, VpJsonSlice text, const VpQmpUnit *unit, const VpQmpAdapted *adapted)
{
    VpQmpClient *client = pending->client;
    const VpQmpServerOps *ops = client->server->ops;
    guint n_fds = adapted->takes_fd ? client->n_fds : 0;
    g_autofree char *message = NULL;
    VpQmpVerdict verdict = VP_QMP_INVALID;

    if (adapted->doubtful)
        verdict = send_raw(pending, text.text, text.size);
    else
        verdict = ops->send(client->user, text.text, text.size, client->fds, n_fds, on_reply,
                            pending, &message);
    if (verdict == VP_QMP_INVALID)
        verdict = send_raw(pending, unit->text, unit->size);
    if (n_fds > 0)
        drop_fds(client);
    if (verdict == VP_QMP_ACCEPTED)
        return;
    client->negotiating = false;
    if (verdict == VP_QMP_TOO_MANY_FDS)
        refuse(pending, adapted->id, "no more descriptors can be taken");
    else if (verdict == VP_QMP_QUEUE_FULL)
        refuse(pending, adapted->id, "too much waits for QEMU already");
    else
        client->dead = true; /* the session is gone; the pending command goes with the client */
}

static void
take_value(VpQmpClient *client, const VpQmpUnit *unit)
{
    g_autoptr(GString) json = unit->dialect ? vp_qmp_unit_to_json(unit) : NULL;
    g_auto(VpQmpAdapted) adapted = { 0 };
    VpJsonSlice text = { json ? json->str : unit->text, json ? json->len : unit->size };
    Pending *pending = NULL;

    vp_qmp_adapt_command(&client->standing, text, &adapted);
    if (adapted.text)
        text = (VpJsonSlice){ adapted.text->str, adapted.text->len };
    pending = pending_new(client, unit, adapted.out_of_band);
    if (remember(pending, &adapted))
        submit(pending, text, unit, &adapted);
}

static void
take_broken(VpQmpClient *client, const VpQmpUnit *unit)
{
    Pending *pending = pending_new(client, unit, false);
    VpQmpVerdict verdict = send_raw(pending, unit->text, unit->size);

    if (verdict == VP_QMP_QUEUE_FULL)
        refuse(pending, (VpJsonSlice){ 0 }, "too much waits for QEMU already");
    else if (verdict != VP_QMP_ACCEPTED)
        client->dead = true;
}

static void
take_unit(VpQmpClient *client, VpQmpIntakeVerdict verdict, const VpQmpUnit *unit)
{
    static const char *const limits[] = {
        [VP_QMP_UNIT_TOO_LONG] = "JSON token size limit exceeded",
        [VP_QMP_UNIT_TOO_DEEP] = "JSON nesting depth limit exceeded",
        [VP_QMP_UNIT_TOO_MANY] = "JSON token count limit exceeded",
    };

    if (verdict == VP_QMP_UNIT_VALUE)
        take_value(client, unit);
    else if (verdict == VP_QMP_UNIT_BROKEN)
        take_broken(client, unit);
    else
        refuse(pending_new(client, unit, false), (VpJsonSlice){ 0 }, limits[verdict]);
}

/* --- from the client ------------------------------------------------------ */

static bool
may_take(const VpQmpClient *client)
{
    return !client->dead && !client->paused && !client->negotiating &&
           count_pending(client) < VP_CLIENT_COMMANDS_MAX &&
           client->output.len <= VP_LINK_HIGH_WATER;
}

/* Takes units as long as that is possible; the number of bytes that were used. */
static gsize
take_units(VpQmpClient *client, const char *bytes, gsize n)
{
    gsize left = n;

    while (left > 0 && may_take(client)) {
        VpQmpUnit unit = { 0 };
        VpQmpIntakeVerdict verdict = vp_qmp_intake_next(&client->intake, &bytes, &left, &unit);

        if (verdict != VP_QMP_UNIT_MORE)
            take_unit(client, verdict, &unit);
    }
    return n - left;
}

/* What had to wait. */
static void
take_waiting(VpQmpClient *client)
{
    if (client->input.len > 0)
        vp_buffer_consume(&client->input,
                          take_units(client, (const char *)vp_buffer_bytes(&client->input),
                                     client->input.len));
}

/* Descriptors that came replace those that nobody has taken. */
static void
keep_fds(VpQmpClient *client, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        drop_fds(client);
        client->n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(client->fds, CMSG_DATA(c), client->n_fds * sizeof(int));
    }
}

static void
read_some(VpQmpClient *client)
{
    char control[CMSG_SPACE(VP_QMP_FDS_MAX * sizeof(int))];
    struct iovec part = { .iov_base = scratch, .iov_len = sizeof(scratch) };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                              .msg_controllen = sizeof(control) };
    gssize n = TEMP_FAILURE_RETRY(recvmsg(client->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
    gsize used = 0;

    if (n <= 0) {
        client->ended = n == 0 || errno != EAGAIN;
        return;
    }
    keep_fds(client, &message);
    used = take_units(client, scratch, n);
    vp_buffer_append(&client->input, scratch + used, n - used);
}

static void
on_watch(VpWatch *watch G_GNUC_UNUSED, guint32 ready, gpointer data)
{
    VpQmpClient *client = data;

    if (ready & EPOLLOUT) {
        flush_output(client);
        take_waiting(client);
    }
    if (ready & (EPOLLIN | EPOLLHUP | EPOLLERR) && client->input.len == 0 && !client->ended)
        read_some(client);
    if (ready & (EPOLLHUP | EPOLLERR))
        client->gone = client->ended = true;
    settle(client);
}

/* --- life ----------------------------------------------------------------- */

/* Nothing more will happen. */
static bool
is_over(const VpQmpClient *client)
{
    return client->dead || (client->ended && count_pending(client) == 0 &&
                            client->input.len == 0 && client->output.len == 0);
}

/* Every way to here has changed something: waits for the right things, or ends. */
static void
settle(VpQmpClient *client)
{
    VpQmpServer *server = client->server;
    guint32 events = 0;

    if (client->gone) {
        vp_watch_remove(&client->watch);
        vp_buffer_clear(&client->output);
    }
    if (is_over(client)) {
        gpointer owner = client->owner;

        vp_qmp_client_free(client);
        if (server->ops->left)
            server->ops->left(server, owner, server->data);
        return;
    }
    if (!client->ended && client->input.len == 0 && may_take(client))
        events |= EPOLLIN;
    if (client->output.len > 0)
        events |= EPOLLOUT;
    vp_watch_set(&client->watch, events);
}

static bool
watch_socket(VpQmpClient *client)
{
    g_autoptr(GError) error = NULL;

    if (vp_watch_add(&client->watch, client->server->loop, client->fd, EPOLLIN, on_watch, client,
                     &error))
        return true;
    vp_log_error("domain '%s': a QMP client cannot be served: %s", client->server->name,
                 error->message);
    client->dead = true;
    return false;
}

VpQmpClient *
vp_qmp_client_new(VpQmpServer *server, int fd, gpointer owner)
{
    VpQmpClient *client = g_new0(VpQmpClient, 1);

    client->server = server;
    client->link.data = client;
    client->fd = fd;
    client->watch = (VpWatch)VP_WATCH_INIT;
    client->number = ++server->numbers;
    snprintf(client->standing.prefix, sizeof(client->standing.prefix), "__org.virtpass_c%u_",
             client->number);
    client->user = server->ops->user_new(server->data);
    g_queue_push_tail_link(&server->clients, &client->link);
    if (watch_socket(client))
        send_message(client, server->greeting, strlen(server->greeting));
    if (client->dead || client->gone) {
        settle(client);
        return NULL;
    }
    client->owner = owner;
    settle(client);
    return client;
}

void
vp_qmp_client_pause(VpQmpClient *client)
{
    if (client->paused)
        return;
    client->paused = true;
    client->stuck = client->output.len > 0;
    vp_watch_remove(&client->watch);
}

void
vp_qmp_client_resume(VpQmpClient *client)
{
    if (!client->paused)
        return;
    client->paused = false;
    if (!client->gone && watch_socket(client)) {
        flush_output(client);
        take_waiting(client);
    }
    settle(client);
}

void
vp_qmp_client_end(VpQmpClient *client, const char *message)
{
    bool whole = client->paused ? !client->stuck : client->output.len == 0;

    if (whole && !client->gone) {
        vp_buffer_clear(&client->output);
        client->paused = false;
        send_message(client, message, strlen(message));
    }
    vp_qmp_client_free(client);
}

void
vp_qmp_client_free(VpQmpClient *client)
{
    VpQmpServer *server = client->server;

    vp_watch_remove(&client->watch);
    server->ops->user_free(client->user);
    while (!g_queue_is_empty(&client->order))
        pending_free(g_queue_peek_head(&client->order));
    while (!g_queue_is_empty(&client->overtaking))
        pending_free(g_queue_peek_head(&client->overtaking));
    if (client->names && g_hash_table_size(client->names) > 0)
        vp_qmp_server_close_names(server, client->names);
    g_clear_pointer(&client->names, g_hash_table_unref);
    drop_fds(client);
    vp_clear_fd(&client->fd);
    vp_qmp_intake_clear(&client->intake);
    vp_buffer_clear(&client->input);
    vp_buffer_clear(&client->output);
    g_queue_unlink(&server->clients, &client->link);
    g_free(client);
}

void
vp_qmp_client_event(VpQmpClient *client, const char *message, gsize size)
{
    if (!client->standing.negotiated)
        return;
    send_message(client, message, size);
    settle(client);
}
