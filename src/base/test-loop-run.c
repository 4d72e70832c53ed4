/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vp_loop_run(): GLib is left out, and yet has its turn whenever it has something to do. Where it
 * would not get one, the loop does not end, and the test neither. */

#include "base/loop.h"

#include "base/fd.h"

#include <fcntl.h>
#include <glib-unix.h>

/* A pipe whose reading end can be watched. */
typedef struct VpPipe {
    VpWatch watch;
    int read_fd;
    int write_fd;
} VpPipe;

/* A new loop is woken up once, by its own source. */
static VpLoop *
new_loop(void)
{
    VpLoop *loop = vp_loop_new(NULL, NULL);

    g_assert_nonnull(loop);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    return loop;
}

/* A pipe with a byte in it. */
static void
pipe_open(VpPipe *self, VpLoop *loop, VpWatchFunc func, gpointer data)
{
    int ends[2] = { -1, -1 };

    g_assert_no_errno(pipe2(ends, O_NONBLOCK | O_CLOEXEC));
    *self = (VpPipe){ .watch = VP_WATCH_INIT, .read_fd = ends[0], .write_fd = ends[1] };
    g_assert_cmpint(write(self->write_fd, "x", 1), ==, 1);
    g_assert_true(vp_watch_add(&self->watch, loop, self->read_fd, EPOLLIN, func, data, NULL));
}

static void
pipe_close(VpPipe *self)
{
    vp_watch_remove(&self->watch);
    vp_clear_fd(&self->read_fd);
    vp_clear_fd(&self->write_fd);
}

/* A watch that is always ready. */
typedef struct VpBusy {
    VpLoop *loop;
    VpPipe pipe;
    guint calls;
    guint calls_max; /* then the loop ends; 0: never */
} VpBusy;

static void
on_busy(VpWatch *watch G_GNUC_UNUSED, guint32 ready G_GNUC_UNUSED, gpointer data)
{
    VpBusy *busy = data;

    if (++busy->calls == busy->calls_max)
        vp_loop_quit(busy->loop);
}

static void
busy_open(VpBusy *busy, VpLoop *loop, guint calls_max)
{
    *busy = (VpBusy){ .loop = loop, .calls_max = calls_max };
    pipe_open(&busy->pipe, loop, on_busy, busy);
}

/* A source that is never ready, and counts GLib's turns. */
typedef struct VpTurns {
    GSource source;
    guint turns;
} VpTurns;

static gboolean
count_turn(GSource *source, gint *timeout)
{
    ((VpTurns *)source)->turns++;
    *timeout = -1;
    return FALSE;
}

static GSourceFuncs turns_funcs = { .prepare = count_turn };

/* What the function is for: GLib takes no part in serving watches. */
static void
test_without_glib(void)
{
    g_autoptr(VpLoop) loop = new_loop();
    GSource *source = g_source_new(&turns_funcs, sizeof(VpTurns));
    VpBusy busy;

    busy_open(&busy, loop, 1000);
    vp_loop_attach(loop, source);
    vp_loop_run(loop);
    g_assert_cmpuint(busy.calls, ==, 1000);
    g_assert_cmpuint(((VpTurns *)source)->turns, ==, 1);
    busy.calls = 0; /* it can run again */
    vp_loop_run(loop);
    g_assert_cmpuint(busy.calls, ==, 1000);
    g_source_destroy(source);
    g_source_unref(source);
    pipe_close(&busy.pipe);
}

static gboolean
quit_loop(gpointer loop)
{
    vp_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

/* Timers have their turn while a watch is always ready. */
static void
test_timer_under_load(void)
{
    g_autoptr(VpLoop) loop = new_loop();
    GSource *timer = vp_loop_timer(loop, 20, quit_loop, loop);
    gint64 start = g_get_monotonic_time();
    VpBusy busy;

    busy_open(&busy, loop, 0);
    vp_loop_run(loop);
    g_assert_cmpuint(busy.calls, >, 1);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 20 * 1000);
    vp_loop_cancel(&timer);
    pipe_close(&busy.pipe);
}

typedef struct VpLate {
    VpLoop *loop;
    VpPipe pipe;
    GSource *timer; /* made in the callback of the pipe */
} VpLate;

static void
on_late(VpWatch *watch G_GNUC_UNUSED, guint32 ready G_GNUC_UNUSED, gpointer data)
{
    VpLate *late = data;

    vp_watch_set(&late->pipe.watch, 0);
    late->timer = vp_loop_timer(late->loop, 1, quit_loop, late->loop);
}

/* A timer that is made while nothing else waits. Without it the loop would not end. */
static void
test_timer_from_watch(void)
{
    g_autoptr(VpLoop) loop = new_loop();
    VpLate late = { .loop = loop };

    pipe_open(&late.pipe, loop, on_late, &late);
    vp_loop_run(loop);
    g_assert_nonnull(late.timer);
    vp_loop_cancel(&late.timer);
    pipe_close(&late.pipe);
}

/* A thread that is started by the running loop. */
typedef struct VpThread {
    VpLoop *loop;
    GThreadFunc func; /* gets the loop */
    GThread *thread;
} VpThread;

static gpointer
quit_from_thread(gpointer loop)
{
    GSource *source = g_idle_source_new();

    g_usleep(20000);
    g_source_set_callback(source, quit_loop, loop, NULL);
    g_source_set_priority(source, G_PRIORITY_DEFAULT); /* a timer's: an idle one would starve */
    g_source_attach(source, NULL);
    g_source_unref(source);
    return NULL;
}

static gboolean
start_thread(gpointer data)
{
    VpThread *thread = data;

    thread->thread = g_thread_new("other", thread->func, thread->loop);
    return G_SOURCE_REMOVE;
}

/* Another thread's source is seen while nothing is ready, and while a watch always is. */
static void
test_woken_up(void)
{
    for (guint quiet = 0; quiet < 2; quiet++) {
        g_autoptr(VpLoop) loop = new_loop();
        VpThread thread = { .loop = loop, .func = quit_from_thread };
        GSource *start = vp_loop_timer(loop, 0, start_thread, &thread);
        VpBusy busy;

        busy_open(&busy, loop, 0);
        if (quiet)
            vp_watch_set(&busy.pipe.watch, 0);
        vp_loop_run(loop);
        g_thread_join(thread.thread);
        vp_loop_cancel(&start);
        g_assert_true((busy.calls == 0) == (quiet > 0));
        pipe_close(&busy.pipe);
    }
}

/* As long as the loop runs the context is its own, between turns as well. */
static gpointer
try_to_acquire(gpointer loop)
{
    gint64 end = g_get_monotonic_time() + 50000;

    while (g_get_monotonic_time() < end)
        g_assert_false(g_main_context_acquire(NULL));
    return quit_from_thread(loop);
}

static gboolean
go_on(gpointer data G_GNUC_UNUSED)
{
    return G_SOURCE_CONTINUE;
}

static void
test_owner(void)
{
    g_autoptr(VpLoop) loop = new_loop();
    VpThread thread = { .loop = loop, .func = try_to_acquire };
    GSource *start = vp_loop_timer(loop, 0, start_thread, &thread);
    GSource *turns = vp_loop_timer(loop, 0, go_on, NULL);

    vp_loop_run(loop);
    g_thread_join(thread.thread);
    g_assert_true(g_main_context_acquire(NULL)); /* nobody's any more */
    g_main_context_release(NULL);
    vp_loop_cancel(&start);
    vp_loop_cancel(&turns);
}

static gboolean
on_descriptor(gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer loop)
{
    vp_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

/* A descriptor that is attached in a callback ends the way without GLib. */
static void
on_attaching(VpWatch *watch, guint32 ready G_GNUC_UNUSED, gpointer data)
{
    VpPipe *self = data;
    GSource *source = g_unix_fd_source_new(self->read_fd, G_IO_IN);

    g_source_set_callback(source, G_SOURCE_FUNC(on_descriptor), watch->loop, NULL);
    vp_loop_attach(watch->loop, source);
    g_source_unref(source);
    vp_watch_set(watch, 0);
}

static void
test_beside_another_descriptor(void)
{
    g_autoptr(VpLoop) loop = new_loop();
    VpPipe self;

    pipe_open(&self, loop, on_attaching, &self);
    vp_loop_run(loop);
    pipe_close(&self);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/loop-run/without-glib", test_without_glib);
    g_test_add_func("/base/loop-run/timer-under-load", test_timer_under_load);
    g_test_add_func("/base/loop-run/timer-from-watch", test_timer_from_watch);
    g_test_add_func("/base/loop-run/woken-up", test_woken_up);
    g_test_add_func("/base/loop-run/owner", test_owner);
    g_test_add_func("/base/loop-run/beside-another-descriptor", test_beside_another_descriptor);
    return g_test_run();
}
