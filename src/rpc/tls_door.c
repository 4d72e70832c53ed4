/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Between accept() and a client: handshakes under way.
 *
 * Whoever reaches the port gets this far, so what a peer can have here is little and ends by
 * itself: a place among VP_TLS_HANDSHAKES_MAX, for as long as our patience lasts. The oldest
 * has to go when one more comes. A peer that says nothing therefore keeps nobody out, however
 * many of its kind there are: a client that means it needs a few milliseconds.
 *
 * They stand in the order in which they came, which is that in which patience ends: one timer
 * is enough, for the first.
 *
 * Log: a certificate that is not accepted is an incident that an operator wants to know of, and so
 * are the first of many. All else (port scanners, clients that give up) is everyday noise on a
 * network, and for debugging.
 */

#include "rpc/tls_door.h"

#include "base/fd.h"
#include "base/inet.h"
#include "base/limits.h"
#include "base/log.h"

typedef struct VpArrival {
    VpTlsDoor *door;
    GList link;       /* in door->arrivals; its data is this */
    VpWatch watch;
    guint32 wants;    /* the events that let it go on */
    int fd;
    VpTls *tls;
    gint64 until;     /* monotonic time at which patience ends */
} VpArrival;

struct VpTlsDoor {
    VpLoop *loop;
    VpTlsContext *context; /* a reference */
    guint patience_ms;
    VpTlsDoorFunc func;
    gpointer data;
    bool open;
    GQueue arrivals;       /* VpArrival, the oldest first */
    GSource *timer;        /* of the oldest; NULL while nobody is there */
    gint64 refusals_since; /* monotonic time of the first that is counted */
    guint refusals;        /* since then */
};

static void
leave(VpArrival *arrival)
{
    g_queue_unlink(&arrival->door->arrivals, &arrival->link);
    vp_watch_remove(&arrival->watch);
    vp_tls_free(arrival->tls);
    vp_clear_fd(&arrival->fd);
    g_free(arrival);
}

static void
drop(VpArrival *arrival, const char *reason)
{
    if (vp_log_enabled(VP_LOG_DEBUG)) {
        g_autofree char *who = vp_inet_peer_name(arrival->fd);

        vp_log_debug("TLS: %s dropped: %s", who, reason);
    }
    leave(arrival);
}

static void
tell_not_logged(VpTlsDoor *door)
{
    if (door->refusals > VP_TLS_REFUSALS_LOGGED_MAX)
        vp_log_warning("TLS: %u more were refused", door->refusals - VP_TLS_REFUSALS_LOGGED_MAX);
    door->refusals = 0;
}

/* Whether one more line is written. */
static bool
count_refusal(VpTlsDoor *door)
{
    gint64 now = g_get_monotonic_time();

    if (now - door->refusals_since >= VP_TLS_REFUSALS_MS * (gint64)1000)
        tell_not_logged(door);
    if (door->refusals == 0)
        door->refusals_since = now;
    return ++door->refusals <= VP_TLS_REFUSALS_LOGGED_MAX;
}

/* The name is the certificate's, which anybody can make. */
static void
log_refusal(const VpArrival *arrival)
{
    g_autofree char *who = vp_inet_peer_name(arrival->fd);
    g_autofree char *name = g_strescape(vp_tls_peer_name(arrival->tls) ?: "no name", NULL);

    vp_log_warning("TLS: %s with the certificate of '%s' is refused: %s", who, name,
                   vp_tls_problem(arrival->tls));
}

/* --- patience ------------------------------------------------------------ */

static gboolean on_patience_ends(gpointer data);

static VpArrival *
oldest(VpTlsDoor *door)
{
    return g_queue_peek_head(&door->arrivals);
}

/* For the oldest there is now. Those before it may be gone: then the timer comes too early and is
 * set anew. */
static void
set_timer(VpTlsDoor *door)
{
    gint64 left = 0;

    if (door->timer || !oldest(door))
        return;
    left = oldest(door)->until - g_get_monotonic_time();
    door->timer = vp_loop_timer(door->loop, MAX(left, 0) / 1000 + 1, on_patience_ends, door);
}

static gboolean
on_patience_ends(gpointer data)
{
    VpTlsDoor *door = data;

    vp_loop_cancel(&door->timer);
    while (oldest(door) && oldest(door)->until <= g_get_monotonic_time())
        drop(oldest(door), "it did not finish the handshake in time");
    set_timer(door);
    return G_SOURCE_REMOVE;
}

/* --- one arrival --------------------------------------------------------- */

static void
let_in(VpArrival *arrival)
{
    VpTlsDoor *door = arrival->door;
    VpTls *tls = g_steal_pointer(&arrival->tls);
    int fd = vp_steal_fd(&arrival->fd);

    vp_watch_remove(&arrival->watch); /* while its descriptor is still ours */
    leave(arrival);
    door->func(fd, tls, door->data);
}

static void
on_ready(VpWatch *watch, guint32 ready G_GNUC_UNUSED, gpointer data)
{
    VpArrival *arrival = data;

    if (!arrival->door->open) { /* reported is then only that the connection has ended */
        drop(arrival, "it closed the connection");
        return;
    }
    switch (vp_tls_accept(arrival->tls)) {
    case VP_TLS_READY:
        let_in(arrival);
        return;
    case VP_TLS_REFUSED:
        if (count_refusal(arrival->door))
            log_refusal(arrival);
        leave(arrival);
        return;
    case VP_TLS_FAILED:
        drop(arrival, vp_tls_problem(arrival->tls));
        return;
    case VP_TLS_WANTS_READ:
        arrival->wants = EPOLLIN;
        break;
    case VP_TLS_WANTS_WRITE:
        arrival->wants = EPOLLOUT;
        break;
    }
    vp_watch_set(watch, arrival->wants);
}

void
vp_tls_door_admit(VpTlsDoor *door, int fd)
{
    g_autoptr(GError) error = NULL;
    VpArrival *arrival = g_new0(VpArrival, 1);

    if (g_queue_get_length(&door->arrivals) >= VP_TLS_HANDSHAKES_MAX)
        drop(oldest(door), "others came after it");
    arrival->door = door;
    arrival->link.data = arrival;
    arrival->watch = (VpWatch)VP_WATCH_INIT;
    arrival->wants = EPOLLIN;
    arrival->fd = fd;
    arrival->until = g_get_monotonic_time() + door->patience_ms * (gint64)1000;
    g_queue_push_tail_link(&door->arrivals, &arrival->link);
    arrival->tls = vp_tls_new(door->context, fd, &error);
    if (!arrival->tls ||
        !vp_watch_add(&arrival->watch, door->loop, fd, door->open ? arrival->wants : 0, on_ready,
                      arrival, &error)) {
        vp_log_error("a TLS client cannot be served: %s", error->message);
        leave(arrival);
        return;
    }
    set_timer(door);
}

/* --- the door ------------------------------------------------------------ */

VpTlsDoor *
vp_tls_door_new(VpLoop *loop, VpTlsContext *context, guint patience_ms, VpTlsDoorFunc func,
                gpointer data)
{
    VpTlsDoor *door = g_new0(VpTlsDoor, 1);

    door->loop = loop;
    door->context = vp_tls_context_ref(context);
    door->patience_ms = patience_ms;
    door->func = func;
    door->data = data;
    door->open = true;
    g_queue_init(&door->arrivals);
    return door;
}

void
vp_tls_door_free(VpTlsDoor *door)
{
    if (!door)
        return;
    vp_loop_cancel(&door->timer);
    while (oldest(door))
        leave(oldest(door));
    tell_not_logged(door);
    vp_tls_context_unref(door->context);
    g_free(door);
}

void
vp_tls_door_set_open(VpTlsDoor *door, bool open)
{
    door->open = open;
    for (GList *l = door->arrivals.head; l; l = l->next) {
        VpArrival *arrival = l->data;

        vp_watch_set(&arrival->watch, open ? arrival->wants : 0);
    }
}

void
vp_tls_door_set_context(VpTlsDoor *door, VpTlsContext *context)
{
    VpTlsContext *before = door->context;

    door->context = vp_tls_context_ref(context);
    vp_tls_context_unref(before);
}

guint
vp_tls_door_waiting(const VpTlsDoor *door)
{
    return g_queue_get_length((GQueue *)&door->arrivals);
}
