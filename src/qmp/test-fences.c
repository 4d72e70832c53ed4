/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fences: who answers in QEMU's place does so in his turn, and holds up nobody else.
 */

#include "qmp/test-scene.h"

#include <string.h>

/* Counts how often a fence was reached, and how it ended. */
typedef struct Reached {
    guint n;
    guint lost;
} Reached;

static void
on_fence(VpQmpOutcome outcome, const char *reply, gsize size, gpointer data)
{
    Reached *reached = data;

    if (outcome == VP_QMP_SESSION_LOST) {
        reached->lost++;
        return;
    }
    g_assert_cmpstr(reply, ==, "");
    g_assert_cmpuint(size, ==, 0);
    reached->n++;
}

static void
put_fence(VpTestUser *user, Reached *reached)
{
    g_assert_cmpint(vp_qmp_queue_fence(user->queue, on_fence, reached), ==, VP_QMP_ACCEPTED);
}

/* With nothing before it a fence is reached at once; what is behind it waits. */
static void
test_idle(void)
{
    VpTestScene scene;
    Reached reached = { 0 };

    vp_test_scene_start(&scene);
    put_fence(scene.users[0], &reached);
    g_assert_cmpuint(reached.n, ==, 1);
    vp_test_user_send(scene.users[0], VP_TEST_STOP);
    vp_test_peer_expect(scene.peer, VP_TEST_YANK, VP_TEST_OK);
    vp_test_user_send(scene.users[0], VP_TEST_YANK); /* out of band: passes */
    vp_test_wait_replies(scene.users[0], 1);
    vp_test_assert_works(scene.peer, scene.users[1]); /* and so do others */
    g_assert_cmpuint(scene.stats->waiting, ==, 1);
    vp_test_peer_expect(scene.peer, VP_TEST_STOP, VP_TEST_OK);
    vp_qmp_queue_release(scene.users[0]->queue);
    vp_test_wait_replies(scene.users[0], 2);
    vp_qmp_queue_release(scene.users[0]->queue); /* once is enough */
    vp_test_assert_works(scene.peer, scene.users[0]);
    vp_test_scene_stop(&scene);
}

/* What is before a fence has to be answered, in flight or waiting. */
static void
test_behind_commands(void)
{
    VpTestScene scene;
    Reached reached = { 0 };

    vp_test_scene_start(&scene);
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX + 2; i++) {
        vp_test_peer_expect(scene.peer, VP_TEST_STOP, NULL);
        vp_test_user_send(scene.users[0], VP_TEST_STOP);
    }
    put_fence(scene.users[0], &reached);
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX + 2; i++) {
        vp_test_wait_received(&scene, MIN(i + VP_QMP_IN_FLIGHT_MAX, VP_QMP_IN_FLIGHT_MAX + 2));
        g_assert_cmpuint(reached.n, ==, 0);
        vp_test_peer_answer(scene.peer, i);
        vp_test_wait_replies(scene.users[0], i + 1);
    }
    g_assert_cmpuint(reached.n, ==, 1);
    vp_qmp_queue_release(scene.users[0]->queue);
    vp_test_assert_works(scene.peer, scene.users[0]);
    vp_test_scene_stop(&scene);
}

/* Fences and commands take their turns one after the other. */
static void
test_several(void)
{
    VpTestScene scene;
    Reached first = { 0 }, second = { 0 }, third = { 0 };

    vp_test_scene_start(&scene);
    put_fence(scene.users[0], &first);
    put_fence(scene.users[0], &second);
    vp_test_user_send(scene.users[0], VP_TEST_STOP);
    put_fence(scene.users[0], &third);
    g_assert_cmpuint(first.n, ==, 1);
    g_assert_cmpuint(second.n, ==, 0);
    vp_qmp_queue_release(scene.users[0]->queue);
    g_assert_cmpuint(second.n, ==, 1);
    vp_test_peer_expect(scene.peer, VP_TEST_STOP, VP_TEST_OK);
    vp_qmp_queue_release(scene.users[0]->queue);
    g_assert_cmpuint(third.n, ==, 0);
    vp_test_wait_replies(scene.users[0], 1);
    g_assert_cmpuint(third.n, ==, 1);
    vp_qmp_queue_release(scene.users[0]->queue);
    vp_test_assert_works(scene.peer, scene.users[0]);
    g_assert_cmpuint(scene.stats->waiting, ==, 0);
    vp_test_scene_stop(&scene);
}

/* Fences count as commands that wait. */
static void
test_limit(void)
{
    VpTestScene scene;
    Reached reached = { 0 };

    vp_test_scene_start(&scene);
    put_fence(scene.users[0], &reached);
    for (guint i = 0; i < VP_QMP_QUEUE_MAX; i++)
        put_fence(scene.users[0], &reached);
    g_assert_cmpint(vp_qmp_queue_fence(scene.users[0]->queue, on_fence, &reached), ==,
                    VP_QMP_QUEUE_FULL);
    g_assert_cmpint(vp_test_user_try(scene.users[0], VP_TEST_STOP, NULL, 0), ==,
                    VP_QMP_QUEUE_FULL);
    for (guint i = 0; i <= VP_QMP_QUEUE_MAX; i++)
        vp_qmp_queue_release(scene.users[0]->queue);
    g_assert_cmpuint(reached.n, ==, VP_QMP_QUEUE_MAX + 1);
    vp_test_assert_works(scene.peer, scene.users[0]);
    vp_test_scene_stop(&scene);
}

/* A queue that goes takes its fences with it. */
static void
test_freed(void)
{
    VpTestScene scene;
    Reached reached = { 0 };

    vp_test_scene_start(&scene);
    put_fence(scene.users[0], &reached);
    put_fence(scene.users[0], &reached);
    vp_test_user_send(scene.users[0], VP_TEST_STOP);
    vp_qmp_queue_free(g_steal_pointer(&scene.users[0]->queue));
    g_assert_cmpuint(reached.n, ==, 1);
    g_assert_cmpuint(reached.lost, ==, 0);
    g_assert_cmpuint(scene.stats->waiting, ==, 0);
    vp_test_assert_works(scene.peer, scene.users[1]);
    vp_test_scene_stop(&scene);
}

/* A session that is lost ends what waits behind fences, and holds nobody afterwards. */
static void
test_lost(void)
{
    VpTestScene scene;
    Reached reached = { 0 };

    vp_test_scene_start(&scene);
    put_fence(scene.users[0], &reached);
    put_fence(scene.users[0], &reached);
    vp_test_user_send(scene.users[0], VP_TEST_STOP);
    vp_test_peer_hang_up(scene.peer);
    vp_test_wait_replies(scene.users[0], 1);
    g_assert_cmpstr(vp_test_user_last(scene.users[0]), ==, "LOST");
    g_assert_cmpuint(reached.n, ==, 1);
    g_assert_cmpuint(reached.lost, ==, 1);
    g_assert_cmpint(vp_qmp_queue_fence(scene.users[0]->queue, on_fence, &reached), ==,
                    VP_QMP_NOT_READY);
    vp_test_until(vp_qmp_session_state(scene.session) == VP_QMP_READY);
    vp_test_assert_works(scene.peer, scene.users[0]);
    vp_test_scene_stop(&scene);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/fences/idle", test_idle);
    g_test_add_func("/qmp/fences/behind-commands", test_behind_commands);
    g_test_add_func("/qmp/fences/several", test_several);
    g_test_add_func("/qmp/fences/limit", test_limit);
    g_test_add_func("/qmp/fences/freed", test_freed);
    g_test_add_func("/qmp/fences/lost", test_lost);
    return g_test_run();
}
