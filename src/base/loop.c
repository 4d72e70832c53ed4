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
 * After a batch the set is asked again at once, without going back to GLib, until
 * nothing is ready or ROUNDS_MAX is reached: with requests that are answered within
 * microseconds the next one is often there, and GLib's own turn costs more than
 * epoll_wait(). The bound lets timers and signals through under full load.
 */

#include "base/loop.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>

#define BATCH_MAX 64
#define ROUNDS_MAX 8

struct VpLoop {
    GSource source;                     /* must be first: allocated by g_source_new() */
    GMainContext *context;
    int epoll_fd;
    struct epoll_event batch[BATCH_MAX]; /* what is being dispatched */
    int batch_len;                       /* 0 outside of dispatch */
};

static gboolean
dispatch(GSource *source, GSourceFunc callback G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
    VpLoop *loop = (VpLoop *)source;

    for (int round = 0; round < ROUNDS_MAX; round++) {
        int n = epoll_wait(loop->epoll_fd, loop->batch, BATCH_MAX, 0);

        if (n <= 0)
            break;
        loop->batch_len = n;
        for (int i = 0; i < loop->batch_len; i++) {
            VpWatch *watch = loop->batch[i].data.ptr;

            if (watch)
                watch->func(watch, loop->batch[i].events, watch->data);
        }
        loop->batch_len = 0;
    }
    return G_SOURCE_CONTINUE;
}

static void
finalize(GSource *source)
{
    VpLoop *loop = (VpLoop *)source;

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
    g_source_set_static_name(source, "virtpass epoll");
    /* Nobody runs the context from within a callback. But a source that may not recurse is taken
     * out of the poll set for each dispatch and put in again, with a write to GLib's eventfd. */
    g_source_set_can_recurse(source, TRUE);
    g_source_add_unix_fd(source, loop->epoll_fd, G_IO_IN);
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

GMainContext *
vp_loop_context(VpLoop *loop)
{
    return loop->context;
}

GSource *
vp_loop_timer(VpLoop *loop, guint milliseconds, GSourceFunc func, gpointer data)
{
    GSource *source = g_timeout_source_new(milliseconds);

    g_source_set_callback(source, func, data, NULL);
    g_source_attach(source, loop->context);
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
