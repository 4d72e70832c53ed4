/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The loop with pipes: who is called when, and who is not called any more. */

#include "base/loop.h"

#include "base/error.h"
#include "base/fd.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <sys/socket.h>

#define MANY 1000

/* A pipe whose reading end is watched. */
typedef struct VpPipe {
    VpWatch watch;
    int read_fd;
    int write_fd;
    guint calls;
    guint32 ready;          /* of the last call */
    struct VpPipe *victims; /* to be removed in the callback, with their descriptors */
    guint n_victims;
} VpPipe;

static VpLoop *
new_loop(void)
{
    g_autoptr(GError) error = NULL;
    VpLoop *loop = vp_loop_new(NULL, &error);

    g_assert_no_error(error);
    g_assert_nonnull(loop);
    return loop;
}

static void
pipe_open(VpPipe *self)
{
    int ends[2] = { -1, -1 };

    g_assert_no_errno(pipe2(ends, O_NONBLOCK | O_CLOEXEC));
    *self = (VpPipe){ .watch = VP_WATCH_INIT, .read_fd = ends[0], .write_fd = ends[1] };
}

static void
pipe_close(VpPipe *self)
{
    vp_watch_remove(&self->watch);
    vp_clear_fd(&self->read_fd);
    vp_clear_fd(&self->write_fd);
}

static void
pipe_fill(VpPipe *self)
{
    g_assert_cmpint(write(self->write_fd, "x", 1), ==, 1);
}

static void
on_pipe(VpWatch *watch, guint32 ready, gpointer data)
{
    VpPipe *self = data;
    char byte = 0;

    g_assert_true(watch == &self->watch);
    self->calls++;
    self->ready = ready;
    (void)!read(self->read_fd, &byte, 1);
    for (guint i = 0; i < self->n_victims; i++) {
        if (&self->victims[i] != self)
            pipe_close(&self->victims[i]);
    }
}

static void
pipe_watch(VpPipe *self, VpLoop *loop)
{
    g_autoptr(GError) error = NULL;
    bool ok = vp_watch_add(&self->watch, loop, self->read_fd, EPOLLIN, on_pipe, self, &error);

    g_assert_no_error(error);
    g_assert_true(ok);
}

/* Runs what is ready now. */
static void
turn(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static void
test_ready(void)
{
    g_autoptr(VpLoop) loop = new_loop();
    VpPipe self;

    pipe_open(&self);
    pipe_watch(&self, loop);
    turn();
    g_assert_cmpuint(self.calls, ==, 0);
    pipe_fill(&self);
    turn();
    g_assert_cmpuint(self.calls, ==, 1);
    g_assert_cmpuint(self.ready, ==, EPOLLIN);
    vp_clear_fd(&self.write_fd);
    g_assert_true(g_main_context_iteration(NULL, FALSE));
    g_assert_cmpuint(self.calls, >, 1);
    g_assert_cmpuint(self.ready, ==, EPOLLHUP);
    pipe_close(&self);
    turn();
}

/* Asked for nothing, only the end of the other side is reported. */
static void
test_set(void)
{
    g_autoptr(VpLoop) loop = new_loop();
    VpPipe self;

    pipe_open(&self);
    pipe_watch(&self, loop);
    vp_watch_set(&self.watch, 0);
    pipe_fill(&self);
    turn();
    g_assert_cmpuint(self.calls, ==, 0);
    vp_watch_set(&self.watch, EPOLLIN);
    turn();
    g_assert_cmpuint(self.calls, ==, 1);
    vp_watch_set(&self.watch, 0);
    vp_clear_fd(&self.write_fd);
    g_assert_true(g_main_context_iteration(NULL, FALSE));
    g_assert_cmpuint(self.ready, ==, EPOLLHUP);
    pipe_close(&self);
    vp_watch_set(&self.watch, EPOLLIN); /* of what is not watched: nothing */
    vp_watch_remove(&self.watch);
}

static void
test_add_fails(void)
{
    g_autoptr(VpLoop) loop = new_loop();
    vp_autofd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* not for epoll */
    g_autoptr(GError) error = NULL;
    VpWatch watch = VP_WATCH_INIT;

    g_assert_false(vp_watch_add(&watch, loop, fd, EPOLLIN, on_pipe, NULL, &error));
    g_assert_nonnull(error);
    g_assert_null(watch.loop);
    g_clear_error(&error);
    g_assert_false(vp_watch_add(&watch, loop, -1, EPOLLIN, on_pipe, NULL, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_FAILED);
}

/* All are ready; whoever is called first removes the others, of whom nobody is called then. Their
 * memory is freed, so that a call would be seen by a sanitizer as well. */
static void
test_remove_others_in_batch(void)
{
    g_autoptr(VpLoop) loop = new_loop();
    VpPipe *pipes = g_new0(VpPipe, 10);
    guint calls = 0;

    for (guint i = 0; i < 10; i++) {
        pipe_open(&pipes[i]);
        pipe_watch(&pipes[i], loop);
        pipe_fill(&pipes[i]);
        pipes[i].victims = pipes;
        pipes[i].n_victims = 10;
    }
    turn();
    for (guint i = 0; i < 10; i++) {
        calls += pipes[i].calls;
        pipe_close(&pipes[i]);
    }
    g_assert_cmpuint(calls, ==, 1);
    g_free(pipes);
}

/* --- a watch that is freed by another's callback ------------------------- */

typedef struct VpPair {
    VpPipe *pipes[2]; /* the first to be called frees the other */
    guint calls;
} VpPair;

static void
on_pair(VpWatch *watch, guint32 ready G_GNUC_UNUSED, gpointer data)
{
    VpPair *pair = data;
    guint mine = watch == &pair->pipes[1]->watch;

    pair->calls++;
    vp_watch_set(watch, 0);
    pipe_close(pair->pipes[!mine]);
    g_clear_pointer(&pair->pipes[!mine], g_free);
}

static void
test_free_other_in_batch(void)
{
    g_autoptr(VpLoop) loop = new_loop();
    VpPair pair = { .calls = 0 };

    for (guint i = 0; i < 2; i++) {
        pair.pipes[i] = g_new0(VpPipe, 1);
        pipe_open(pair.pipes[i]);
        g_assert_true(vp_watch_add(&pair.pipes[i]->watch, loop, pair.pipes[i]->read_fd, EPOLLIN,
                                   on_pair, &pair, NULL));
        pipe_fill(pair.pipes[i]);
    }
    turn();
    g_assert_cmpuint(pair.calls, ==, 1);
    for (guint i = 0; i < 2; i++) {
        if (pair.pipes[i])
            pipe_close(pair.pipes[i]);
        g_free(pair.pipes[i]);
    }
}

/* --- a watch that is removed and used again within a batch --------------- */

typedef struct VpReuse {
    VpLoop *loop;
    VpPipe pipes[3]; /* 2 is not ready; the first that is called puts the other's watch on it */
    guint calls[3];
} VpReuse;

static void
on_reuse(VpWatch *watch, guint32 ready G_GNUC_UNUSED, gpointer data)
{
    VpReuse *reuse = data;
    guint mine = watch == &reuse->pipes[1].watch;
    VpWatch *other = &reuse->pipes[!mine].watch;

    g_assert_cmpint(watch->fd, ==, reuse->pipes[mine].read_fd);
    reuse->calls[mine]++;
    vp_watch_set(watch, 0);
    vp_watch_remove(other);
    g_assert_true(vp_watch_add(other, reuse->loop, reuse->pipes[2].read_fd, EPOLLIN, on_reuse,
                               reuse, NULL));
}

/* What was reported for the old descriptor is not reported for the new one. */
static void
test_use_again_in_batch(void)
{
    VpReuse reuse = { .loop = new_loop() };

    for (guint i = 0; i < 3; i++)
        pipe_open(&reuse.pipes[i]);
    for (guint i = 0; i < 2; i++) {
        g_assert_true(vp_watch_add(&reuse.pipes[i].watch, reuse.loop, reuse.pipes[i].read_fd,
                                   EPOLLIN, on_reuse, &reuse, NULL));
        pipe_fill(&reuse.pipes[i]);
    }
    turn();
    g_assert_cmpuint(reuse.calls[0] + reuse.calls[1], ==, 1);
    for (guint i = 0; i < 3; i++)
        pipe_close(&reuse.pipes[i]);
    vp_loop_free(reuse.loop);
}

/* More than one batch of epoll holds; each is called exactly once. */
static void
test_many(void)
{
    g_autoptr(VpLoop) loop = new_loop();
    g_autofree VpPipe *pipes = g_new0(VpPipe, MANY);

    vp_raise_fd_limit();
    for (guint i = 0; i < MANY; i++) {
        pipe_open(&pipes[i]);
        pipe_watch(&pipes[i], loop);
        if (i % 3)
            pipe_fill(&pipes[i]);
    }
    turn();
    for (guint i = 0; i < MANY; i++) {
        g_assert_cmpuint(pipes[i].calls, ==, i % 3 ? 1 : 0);
        pipe_close(&pipes[i]);
    }
}

/* --- timers -------------------------------------------------------------- */

static gboolean
count_down(gpointer data)
{
    guint *left = data;

    return --*left > 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
test_timer(void)
{
    g_autoptr(VpLoop) loop = new_loop();
    guint left = 3;
    GSource *timer = vp_loop_timer(loop, 1, count_down, &left);
    gint64 start = g_get_monotonic_time();

    while (left > 0)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 3 * 1000);
    g_assert_true(g_source_is_destroyed(timer));
    vp_loop_cancel(&timer);
    g_assert_null(timer);
    vp_loop_cancel(&timer);
}

static void
test_cancelled_timer(void)
{
    g_autoptr(VpLoop) loop = new_loop();
    guint first = 1, second = 1;
    GSource *cancelled = vp_loop_timer(loop, 0, count_down, &first);
    GSource *kept = vp_loop_timer(loop, 5, count_down, &second);

    vp_loop_cancel(&cancelled);
    while (second > 0)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(first, ==, 1);
    vp_loop_cancel(&kept);
}

static void
on_always_ready(VpWatch *watch G_GNUC_UNUSED, guint32 ready G_GNUC_UNUSED, gpointer data)
{
    guint *calls = data;

    (*calls)++;
}

/* A descriptor that is always ready does not keep timers from their turn. */
static void
test_timer_under_load(void)
{
    g_autoptr(VpLoop) loop = new_loop();
    VpPipe self;
    guint calls = 0, left = 3;
    GSource *timer = NULL;

    pipe_open(&self);
    pipe_fill(&self);
    g_assert_true(vp_watch_add(&self.watch, loop, self.read_fd, EPOLLIN, on_always_ready, &calls,
                               NULL));
    timer = vp_loop_timer(loop, 1, count_down, &left);
    while (left > 0)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(calls, >, 0);
    vp_loop_cancel(&timer);
    pipe_close(&self);
}

static void
test_own_context(void)
{
    g_autoptr(GMainContext) context = g_main_context_new();
    g_autoptr(VpLoop) loop = vp_loop_new(context, NULL);
    VpPipe self;

    pipe_open(&self);
    pipe_watch(&self, loop);
    pipe_fill(&self);
    turn(); /* of the default context: not ours */
    g_assert_cmpuint(self.calls, ==, 0);
    while (g_main_context_iteration(context, FALSE))
        ;
    g_assert_cmpuint(self.calls, ==, 1);
    pipe_close(&self);
}

/* --- beside other sources of the context ----------------------------------------------- */

static gboolean
on_other_source(gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
    guint *calls = data;
    char byte = 0;

    ++*calls;
    (void)!read(fd, &byte, 1);
    return G_SOURCE_CONTINUE;
}

/* A descriptor that somebody else has put into the context is seen, and so are ours. */
static void
test_beside_another_descriptor(void)
{
    g_autoptr(VpLoop) loop = new_loop();
    VpPipe self, other;
    guint calls = 0, id = 0;

    pipe_open(&self);
    pipe_open(&other);
    pipe_watch(&self, loop);
    turn();
    id = g_unix_fd_add(other.read_fd, G_IO_IN, on_other_source, &calls);
    pipe_fill(&other);
    turn();
    g_assert_cmpuint(calls, ==, 1);
    g_assert_cmpuint(self.calls, ==, 0);
    pipe_fill(&self);
    pipe_fill(&other);
    turn();
    g_assert_cmpuint(calls, ==, 2);
    g_assert_cmpuint(self.calls, ==, 1);
    g_source_remove(id);
    pipe_fill(&self);
    turn();
    g_assert_cmpuint(self.calls, ==, 2);
    pipe_close(&self);
    pipe_close(&other);
}

static gpointer
wake_up(gpointer data)
{
    g_usleep(20000);
    g_main_context_invoke_full(NULL, G_PRIORITY_DEFAULT, data, NULL, NULL);
    return NULL;
}

static gboolean
on_invoked(gpointer data G_GNUC_UNUSED)
{
    return G_SOURCE_REMOVE;
}

/* GLib's wakeup ends a wait without end: another thread has something for the context. */
static void
test_woken_up(void)
{
    g_autoptr(VpLoop) loop = new_loop();
    VpPipe self;
    GThread *thread = NULL;

    pipe_open(&self);
    pipe_watch(&self, loop);
    turn();
    thread = g_thread_new("waker", wake_up, (gpointer)on_invoked);
    g_main_context_iteration(NULL, TRUE);
    g_thread_join(thread);
    turn();
    pipe_fill(&self);
    turn();
    g_assert_cmpuint(self.calls, ==, 1);
    pipe_close(&self);
}

static gboolean
stop_watching(gpointer data)
{
    vp_watch_set(data, 0);
    return G_SOURCE_REMOVE;
}

/* A timer of the same turn no longer wants what has been found ready already. */
static void
test_set_between(void)
{
    g_autoptr(VpLoop) loop = new_loop();
    GSource *timer = NULL;
    VpPipe self;

    pipe_open(&self);
    pipe_watch(&self, loop);
    pipe_fill(&self);
    timer = vp_loop_timer(loop, 0, stop_watching, &self.watch);
    g_source_set_priority(timer, G_PRIORITY_DEFAULT);
    turn();
    g_assert_cmpuint(self.calls, <=, 1);
    self.calls = 0;
    pipe_fill(&self);
    turn();
    g_assert_cmpuint(self.calls, ==, 0);
    vp_loop_cancel(&timer);
    pipe_close(&self);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/loop/ready", test_ready);
    g_test_add_func("/base/loop/set", test_set);
    g_test_add_func("/base/loop/add-fails", test_add_fails);
    g_test_add_func("/base/loop/remove-others-in-batch", test_remove_others_in_batch);
    g_test_add_func("/base/loop/free-other-in-batch", test_free_other_in_batch);
    g_test_add_func("/base/loop/use-again-in-batch", test_use_again_in_batch);
    g_test_add_func("/base/loop/many", test_many);
    g_test_add_func("/base/loop/timer", test_timer);
    g_test_add_func("/base/loop/cancelled-timer", test_cancelled_timer);
    g_test_add_func("/base/loop/timer-under-load", test_timer_under_load);
    g_test_add_func("/base/loop/own-context", test_own_context);
    g_test_add_func("/base/loop/beside-another-descriptor", test_beside_another_descriptor);
    g_test_add_func("/base/loop/woken-up", test_woken_up);
    g_test_add_func("/base/loop/set-between", test_set_between);
    return g_test_run();
}
