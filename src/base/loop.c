/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Readiness of many descriptors in a GMainContext.
 *
 * GLib polls every descriptor of every source at every turn, which makes a turn
 * cost as much as there are idle connections. Here all descriptors are in one
 * epoll set and GLib sees only the descriptor of that set: a turn costs what is
 * ready. Watches are level-triggered; who cannot make progress must ask for less
 * (vp_watch_set), or the loop spins.
 *
 * A callback may remove any watch and free its owner. What epoll has already
 * reported for a removed watch is struck out of the batch at hand, so no call
 * reaches freed memory. That is the only reason why the batch is kept in the loop.
 *
 * GLib would ask twice, poll() whether the set has something and then epoll_wait() what. System
 * calls are most of what a forwarded message costs, so the context gets a poll function of ours:
 * where the set and GLib's own wakeup descriptor, which is put into the set, are all there is to
 * wait for, it is epoll_wait() with the timeout GLib wants, and what it finds is dispatched without
 * asking again. With any other descriptor in the context it is poll().
 *
 * A turn of GLib's looks through all its sources, before and behind the wait, and costs more than
 * forwarding a message does. So while vp_loop_run() runs, the poll function serves the watches
 * itself and waits again, and returns to GLib only when that has something to do: its wakeup
 * descriptor is ready (a signal, another thread), the time it wanted to wait is over, or a source
 * has been attached meanwhile. The last is why sources are attached by vp_loop_attach() only: GLib
 * tells nobody what its own thread attaches. tests/layers.py checks that.
 */

#include "base/loop.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>

#define BATCH_MAX 64

/* What epoll reports of a descriptor whether it was asked for or not. */
#define ALWAYS (EPOLLERR | EPOLLHUP)

struct VpLoop {
    GSource source;                     /* must be first: allocated by g_source_new() */
    GMainContext *context;
    int epoll_fd;
    int wakeup_fd;                       /* GLib's, in the set without a watch; -1: not yet */
    struct epoll_event batch[BATCH_MAX]; /* what has been found and not dispatched to its end */
    int batch_len;
    bool running;                        /* vp_loop_run() serves the watches, not GLib */
    bool attached;                       /* a source, since GLib has looked through its own */
};

/* All loops there are: a poll function is told descriptors, not whose they are. */
static GPtrArray *loops;

/* Takes the wakeup descriptor's event out of the batch. */
static bool
take_wakeup(VpLoop *loop)
{
    for (int i = 0; i < loop->batch_len; i++) {
        if (loop->batch[i].data.ptr != loop)
            continue;
        loop->batch[i].data.ptr = NULL;
        return true;
    }
    return false;
}

static void
find_ready(VpLoop *loop, int timeout)
{
    int n = epoll_wait(loop->epoll_fd, loop->batch, BATCH_MAX, timeout);

    loop->batch_len = MAX(n, 0);
}

/* Whether @fd, which GLib waits for beside the set, is in it. */
static bool
adopt_wakeup(VpLoop *loop, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = loop };

    if (loop->wakeup_fd < 0 && epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        loop->wakeup_fd = fd;
    return loop->wakeup_fd == fd;
}

static VpLoop *
find_loop(int epoll_fd)
{
    for (guint i = 0; i < loops->len; i++) {
        VpLoop *loop = g_ptr_array_index(loops, i);

        if (loop->epoll_fd == epoll_fd)
            return loop;
    }
    return NULL;
}

static void
serve_batch(VpLoop *loop)
{
    for (int i = 0; i < loop->batch_len; i++) {
        VpWatch *watch = loop->batch[i].data.ptr;
        guint32 ready = loop->batch[i].events;

        /* What it waits for may be something else by now. */
        if (watch && watch != (gpointer)loop && (ready & (watch->events | ALWAYS)))
            watch->func(watch, ready, watch->data);
    }
    loop->batch_len = 0;
}

/* Serves watches until GLib is needed; the same timeout as poll(). Whether its wakeup is ready. */
static bool
serve_until_needed(VpLoop *loop, gint timeout)
{
    gint64 end = timeout > 0 ? g_get_monotonic_time() + timeout * G_GINT64_CONSTANT(1000) : 0;
    bool woken = false, idle = false;

    loop->attached = false;
    while (loop->running && !loop->attached && !woken && !idle) {
        find_ready(loop, timeout);
        woken = take_wakeup(loop);
        idle = loop->batch_len == 0;
        serve_batch(loop);
        if (timeout > 0) {
            timeout = (end - g_get_monotonic_time() + 999) / 1000;
            idle |= timeout <= 0;
        }
    }
    return woken;
}

static gint
wait_for_all(GPollFD *fds, guint n_fds, gint timeout)
{
    for (guint set = 0; n_fds == 2 && set < 2; set++) {
        VpLoop *loop = find_loop(fds[set].fd);
        guint wakeup = 1 - set;
        bool woken = false;

        if (!loop || !adopt_wakeup(loop, fds[wakeup].fd))
            continue;
        if (loop->running && timeout != 0) {
            woken = serve_until_needed(loop, timeout);
        } else {
            find_ready(loop, timeout);
            woken = take_wakeup(loop);
        }
        fds[wakeup].revents = woken ? G_IO_IN : 0;
        fds[set].revents = loop->batch_len > 0 ? G_IO_IN : 0;
        return (fds[wakeup].revents != 0) + (fds[set].revents != 0);
    }
    return g_poll(fds, n_fds, timeout);
}

static gboolean
dispatch(GSource *source, GSourceFunc callback G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
    VpLoop *loop = (VpLoop *)source;

    if (loop->batch_len == 0)
        find_ready(loop, 0);
    serve_batch(loop);
    return G_SOURCE_CONTINUE;
}

static void
finalize(GSource *source)
{
    VpLoop *loop = (VpLoop *)source;

    g_ptr_array_remove_fast(loops, loop);
    vp_clear_fd(&loop->epoll_fd);
    g_main_context_unref(loop->context);
}

static GSourceFuncs source_funcs = { .dispatch = dispatch, .finalize = finalize };

VpLoop *
vp_loop_new(GMainContext *context, GError **error)
{
    vp_autofd int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    GSource *source = NULL;
    VpLoop *loop = NULL;

    if (epoll_fd < 0) {
        vp_error_set_errno(error, errno, "cannot create an epoll descriptor");
        return NULL;
    }
    source = g_source_new(&source_funcs, sizeof(VpLoop));
    loop = (VpLoop *)source;
    loop->context = g_main_context_ref(context ?: g_main_context_default());
    loop->epoll_fd = vp_steal_fd(&epoll_fd);
    loop->wakeup_fd = -1;
    g_source_set_static_name(source, "virtpass epoll");
    /* Nobody runs the context from within a callback. But a source that may not recurse is taken
     * out of the poll set for each dispatch and put in again, with a write to GLib's eventfd. */
    g_source_set_can_recurse(source, TRUE);
    g_source_add_unix_fd(source, loop->epoll_fd, G_IO_IN);
    if (!loops)
        loops = g_ptr_array_new();
    g_ptr_array_add(loops, loop);
    g_main_context_set_poll_func(loop->context, wait_for_all);
    g_source_attach(source, loop->context);
    return loop;
}

void
vp_loop_free(VpLoop *loop)
{
    if (!loop)
        return;
    g_source_destroy(&loop->source);
    g_source_unref(&loop->source);
}

void
vp_loop_run(VpLoop *loop)
{
    bool ours = g_main_context_acquire(loop->context);

    g_assert(ours);
    loop->running = true;
    while (loop->running)
        g_main_context_iteration(loop->context, TRUE);
    g_main_context_release(loop->context);
}

void
vp_loop_quit(VpLoop *loop)
{
    loop->running = false;
}

void
vp_loop_attach(VpLoop *loop, GSource *source)
{
    g_source_attach(source, loop->context);
    loop->attached = true;
}

GSource *
vp_loop_timer(VpLoop *loop, guint milliseconds, GSourceFunc func, gpointer data)
{
    GSource *source = g_timeout_source_new(milliseconds);

    g_source_set_callback(source, func, data, NULL);
    vp_loop_attach(loop, source);
    return source;
}

void
vp_loop_cancel(GSource **source)
{
    if (!*source)
        return;
    g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

bool
vp_watch_add(VpWatch *watch, VpLoop *loop, int fd, guint32 events, VpWatchFunc func, gpointer data,
             GError **error)
{
    struct epoll_event event = { .events = events, .data.ptr = watch };

    g_assert(!watch->loop);
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        vp_error_set_errno(error, errno, "cannot watch descriptor %d", fd);
        return false;
    }
    *watch = (VpWatch){ .loop = loop, .fd = fd, .events = events, .func = func, .data = data };
    return true;
}

void
vp_watch_set(VpWatch *watch, guint32 events)
{
    struct epoll_event event = { .events = events, .data.ptr = watch };

    if (!watch->loop || watch->events == events)
        return;
    watch->events = events;
    /* The descriptor is in the set and open, so this cannot fail. */
    if (epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) < 0)
        g_error("epoll_ctl(MOD, %d): %s", watch->fd, g_strerror(errno));
}

void
vp_watch_remove(VpWatch *watch)
{
    VpLoop *loop = watch->loop;

    if (!loop)
        return;
    for (int i = 0; i < loop->batch_len; i++) {
        if (loop->batch[i].data.ptr == watch)
            loop->batch[i].data.ptr = NULL;
    }
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    *watch = (VpWatch)VP_WATCH_INIT;
}
