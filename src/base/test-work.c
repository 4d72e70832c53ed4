/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Work in threads: it is done, told, cancelled and shared out between owners. */

#include "base/work.h"

#include <unistd.h>

/* What the works of a test share. Counted by the loop's thread but for `hold` and `begun`. */
typedef struct Scene {
    VpLoop *loop;
    VpWorkers *workers;
    GMutex hold;       /* locked: works that wait for it go on waiting */
    gint begun;        /* atomic */
    gint ran;          /* atomic */
    guint done;
    gint destroyed;    /* atomic */
    GString *order;    /* a letter for each that was done */
} Scene;

typedef struct Task {
    Scene *scene;
    char letter;
    bool waits;
    VpWork *cancels;   /* in its done() */
} Task;

static void
scene_open(Scene *scene, guint threads)
{
    g_autoptr(GError) error = NULL;

    *scene = (Scene){ .order = g_string_new(NULL) };
    g_mutex_init(&scene->hold);
    scene->loop = vp_loop_new(NULL, &error);
    g_assert_no_error(error);
    scene->workers = vp_workers_new(scene->loop, threads, &error);
    g_assert_no_error(error);
}

static void
scene_close(Scene *scene)
{
    vp_workers_free(scene->workers);
    vp_loop_free(scene->loop);
    g_string_free(scene->order, TRUE);
    g_mutex_clear(&scene->hold);
}

static void
task_run(gpointer data)
{
    Task *task = data;

    g_atomic_int_inc(&task->scene->begun);
    if (task->waits) {
        g_mutex_lock(&task->scene->hold);
        g_mutex_unlock(&task->scene->hold);
    }
    g_atomic_int_inc(&task->scene->ran);
}

static void
task_done(gpointer data)
{
    Task *task = data;

    vp_work_cancel(task->cancels);
    task->scene->done++;
    g_string_append_c(task->scene->order, task->letter);
}

static void
task_destroy(gpointer data)
{
    Task *task = data;

    g_atomic_int_inc(&task->scene->destroyed);
    g_free(task);
}

static VpWork *
start(Scene *scene, guint owner, char letter, bool waits)
{
    Task *task = g_new0(Task, 1);
    g_autofree char *name = g_strdup_printf("uid %u", owner);

    *task = (Task){ .scene = scene, .letter = letter, .waits = waits };
    return vp_work_start(scene->workers, name, task_run, task_done, task, task_destroy);
}

static void
turn_until(const gint *count, gint wanted)
{
    while (g_atomic_int_get(count) < wanted) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(1000);
    }
}

static void
test_done(void)
{
    Scene scene;

    scene_open(&scene, 3);
    for (guint i = 0; i < 100; i++)
        start(&scene, i % 7, 'a', false);
    g_assert_cmpuint(scene.done, ==, 0);
    turn_until(&scene.destroyed, 100);
    g_assert_cmpuint(scene.done, ==, 100);
    g_assert_cmpint(scene.ran, ==, 100);
    scene_close(&scene);
}

/* Also a second thread is started for what comes while the first has not woken up yet. */
static void
test_as_many_threads_as_wanted(void)
{
    Scene scene;

    scene_open(&scene, 3);
    start(&scene, 1, 'a', false);
    turn_until(&scene.destroyed, 1);
    g_mutex_lock(&scene.hold);
    for (guint i = 0; i < 10; i++)
        start(&scene, i, 'a', true);
    turn_until(&scene.begun, 1 + 3);
    g_usleep(20000);
    g_assert_cmpint(g_atomic_int_get(&scene.begun), ==, 1 + 3);
    g_mutex_unlock(&scene.hold);
    turn_until(&scene.destroyed, 11);
    scene_close(&scene);
}

/* One owner's work takes all threads but one, however much there is of it. */
static void
test_owners_share(void)
{
    Scene scene;

    scene_open(&scene, 3);
    g_mutex_lock(&scene.hold);
    for (guint i = 0; i < 50; i++)
        start(&scene, 1, 'a', true);
    turn_until(&scene.begun, 2);
    start(&scene, 2, 'b', false);
    turn_until(&scene.destroyed, 1);
    g_assert_cmpstr(scene.order->str, ==, "b");
    g_assert_cmpint(g_atomic_int_get(&scene.begun), ==, 3);
    g_mutex_unlock(&scene.hold);
    turn_until(&scene.destroyed, 51);
    scene_close(&scene);
}

static void
test_one_thread_serves_all(void)
{
    Scene scene;

    scene_open(&scene, 1);
    for (guint i = 0; i < 5; i++)
        start(&scene, 1, '1' + i, false);
    turn_until(&scene.destroyed, 5);
    g_assert_cmpstr(scene.order->str, ==, "12345");
    scene_close(&scene);
}

static void
test_cancelled(void)
{
    Scene scene;
    VpWork *running = NULL, *waiting = NULL;

    scene_open(&scene, 1);
    g_mutex_lock(&scene.hold);
    running = start(&scene, 1, 'r', true);
    turn_until(&scene.begun, 1);
    waiting = start(&scene, 1, 'w', false);
    vp_work_cancel(waiting);
    g_assert_cmpint(scene.destroyed, ==, 1);
    vp_work_cancel(running);
    g_assert_cmpint(scene.destroyed, ==, 1);
    g_mutex_unlock(&scene.hold);
    turn_until(&scene.destroyed, 2);
    g_assert_cmpuint(scene.done, ==, 0);
    g_assert_cmpint(scene.ran, ==, 1);
    vp_work_cancel(NULL);
    scene_close(&scene);
}

/* In the callback of another one, when both are done already. */
static void
test_cancelled_when_finished(void)
{
    Scene scene;
    Task *first = g_new0(Task, 1);

    scene_open(&scene, 1);
    *first = (Task){ .scene = &scene, .letter = '1' };
    vp_work_start(scene.workers, "uid 1", task_run, task_done, first, task_destroy);
    first->cancels = start(&scene, 1, '2', false);
    while (g_atomic_int_get(&scene.ran) < 2)
        g_usleep(1000);
    turn_until(&scene.destroyed, 2);
    g_assert_cmpstr(scene.order->str, ==, "1");
    scene_close(&scene);
}

/* The end of the pool waits for nobody, and what was begun is destroyed when it is through. */
static void
test_end(void)
{
    Scene scene;

    scene_open(&scene, 2);
    g_mutex_lock(&scene.hold);
    start(&scene, 1, 'a', true);
    turn_until(&scene.begun, 1);
    start(&scene, 1, 'b', false);
    g_clear_pointer(&scene.workers, vp_workers_free);
    g_assert_cmpint(scene.destroyed, ==, 1);
    g_mutex_unlock(&scene.hold);
    turn_until(&scene.destroyed, 2);
    g_assert_cmpuint(scene.done, ==, 0);
    scene_close(&scene);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/work/done", test_done);
    g_test_add_func("/work/as-many-threads-as-wanted", test_as_many_threads_as_wanted);
    g_test_add_func("/work/owners-share", test_owners_share);
    g_test_add_func("/work/one-thread-serves-all", test_one_thread_serves_all);
    g_test_add_func("/work/cancelled", test_cancelled);
    g_test_add_func("/work/cancelled-when-finished", test_cancelled_when_finished);
    g_test_add_func("/work/end", test_end);
    return g_test_run();
}
