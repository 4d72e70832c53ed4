/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Commands that come with descriptors: alone with the monitor, and nothing left behind.
 */

#include "qmp/test-scene.h"

#include <string.h>

#define GETFD "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"f\"}}"
#define PROBE "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"__org.virtpass_unclaimed\"}}"
#define DISCARD "{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"__org.virtpass_unclaimed\"}}"

static void
send_with_fds(VpTestUser *user, const char *command, guint n)
{
    g_assert_cmpint(vp_test_user_try(user, command, vp_test_fds, n), ==, VP_QMP_ACCEPTED);
}

/* Sends commands to a peer that answers them without having read them, until the socket is full
 * (@n = 0) or @n have gone; returns how many went. Errors without id: they fit any command. */
static guint
send_to_blind_peer(VpTestScene *scene, guint n)
{
    g_autofree char *command = vp_test_command_of(4000);
    guint64 sent = 0;
    guint count = 0;

    vp_test_peer_set_reading(scene->peer, false);
    for (; n == 0 || count < n; count++) {
        sent = scene->stats->bytes_sent;
        vp_test_user_send(scene->users[0], command);
        if (scene->stats->bytes_sent == sent)
            break;
        vp_test_peer_say(scene->peer, VP_TEST_ERROR_WITHOUT_ID);
        vp_test_wait_replies(scene->users[0], count + 1);
    }
    return count;
}

/* A socket that has no room for even the first byte of a command with descriptors. The peer then
 * reads, or goes on answering what it has not read. */
static void
test_descriptors_without_room(void)
{
    guint room = 0;
    VpTestScene scene;

    vp_test_scene_start(&scene);
    room = send_to_blind_peer(&scene, 0);
    vp_test_scene_stop(&scene);
    for (guint blind = 0; blind < 2; blind++) {
        guint64 sent = 0;

        vp_test_scene_start(&scene);
        scene.peer->lenient = true;
        g_assert_cmpuint(send_to_blind_peer(&scene, room), ==, room);
        sent = scene.stats->bytes_sent;
        send_with_fds(scene.users[1], VP_TEST_STOP, 2);
        g_assert_cmpuint(scene.stats->bytes_sent, ==, sent);
        if (blind) {
            vp_test_peer_say(scene.peer, VP_TEST_ERROR_WITHOUT_ID);
            vp_test_wait_replies(scene.users[1], 1);
        }
        vp_test_peer_set_reading(scene.peer, true);
        vp_test_wait_received(&scene, room + 1 + blind);
        g_assert_cmpstr(vp_test_received(&scene, room), ==, VP_TEST_STOP);
        if (blind)
            g_assert_cmpstr(vp_test_received(&scene, room + 1), ==, PROBE);
        g_assert_cmpuint(scene.peer->fds->len, ==, 2);
        vp_test_scene_stop(&scene);
    }
}

/* What follows a command with descriptors, by how it ends. */
static void
test_descriptors(void)
{
    static const struct {
        const char *command;
        guint n_fds;
        const char *answer;
        guint probes;   /* that have to follow */
        guint found;    /* so many of them find something */
    } cases[] = {
        { GETFD, 1, VP_TEST_OK, 0, 0 },
        { "{\"execute\":\"add-fd\"}", 1, VP_TEST_OK, 0, 0 },
        { GETFD, 1, VP_TEST_ERROR, 1, 0 },
        { GETFD, 1, VP_TEST_ERROR_WITHOUT_ID, 1, 0 },
        { GETFD, 2, VP_TEST_OK, 1, 0 },
        { GETFD, 1, VP_TEST_ERROR, 2, 1 },
        { VP_TEST_STOP, 1, VP_TEST_OK, 2, 1 },
        { "[1]", 2, VP_TEST_ERROR_WITHOUT_ID, 4, 3 },
    };
    VpTestScene scene;

    vp_test_scene_start(&scene);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint fds = scene.peer->fds->len;

        vp_test_peer_expect(scene.peer, cases[i].command, cases[i].answer);
        for (guint k = 0; k < cases[i].probes; k++) {
            vp_test_peer_expect(scene.peer, PROBE, k < cases[i].found ? VP_TEST_OK : VP_TEST_ERROR);
            if (k < cases[i].found)
                vp_test_peer_expect(scene.peer, DISCARD, VP_TEST_OK);
        }
        vp_test_peer_expect(scene.peer, VP_TEST_STOP, VP_TEST_OK);
        send_with_fds(scene.users[0], cases[i].command, cases[i].n_fds);
        vp_test_user_send(scene.users[1], VP_TEST_STOP); /* has to wait for all that */
        vp_test_wait_replies(scene.users[1], i + 1);
        g_assert_true(vp_test_peer_done(scene.peer));
        g_assert_cmpuint(scene.users[0]->replies->len, ==, i + 1);
        g_assert_cmpuint(scene.peer->fds->len, ==, fds + cases[i].n_fds);
    }
    g_assert_cmpuint(scene.stats->commands, ==, 2 * G_N_ELEMENTS(cases)); /* ours do not count */
    vp_test_scene_stop(&scene);
}

/* A peer that says for ever that it has found a descriptor is not believed for ever. */
static void
test_endless_leftovers(void)
{
    VpTestScene scene;

    vp_test_scene_start(&scene);
    vp_test_peer_always(scene.peer, PROBE, VP_TEST_OK);
    vp_test_peer_always(scene.peer, DISCARD, VP_TEST_OK);
    vp_test_peer_expect(scene.peer, VP_TEST_STOP, VP_TEST_OK);
    send_with_fds(scene.users[0], VP_TEST_STOP, 1);
    vp_test_assert_works(scene.peer, scene.users[1]);
    vp_test_scene_stop(&scene);
}

/* Alone with the monitor: after what is in flight, before everything else. */
static void
test_exclusive(void)
{
    VpTestScene scene;

    vp_test_scene_start(&scene);
    scene.peer->lenient = true;
    vp_test_user_send(scene.users[0], VP_TEST_STOP);
    send_with_fds(scene.users[1], GETFD, 1);
    vp_test_user_send(scene.users[2], VP_TEST_STOP);
    vp_test_user_send(scene.users[3], VP_TEST_YANK); /* passes, for now */
    vp_test_wait_received(&scene, 2);
    g_assert_cmpstr(vp_test_received(&scene, 1), ==, VP_TEST_YANK);
    vp_test_peer_answer(scene.peer, 0);
    vp_test_wait_replies(scene.users[0], 1);
    vp_test_user_send(scene.users[3], VP_TEST_YANK); /* does not: nothing in-band is in flight */
    vp_test_wait_received(&scene, 2);
    vp_test_peer_answer(scene.peer, 1);
    vp_test_wait_received(&scene, 3);
    g_assert_cmpstr(vp_test_received(&scene, 2), ==, GETFD);
    vp_test_user_send(scene.users[3], VP_TEST_YANK);
    vp_test_user_send(scene.users[4], VP_TEST_STOP);
    vp_test_wait_received(&scene, 3);
    vp_test_peer_answer(scene.peer, 2);
    vp_test_wait_received(&scene, 7);
    for (guint i = 3; i < 7; i++)
        g_assert_cmpstr(vp_test_received(&scene, i), ==, i < 5 ? VP_TEST_YANK : VP_TEST_STOP);
    vp_test_scene_stop(&scene);
}

static void
test_exclusive_queue_freed(void)
{
    VpTestScene scene;

    vp_test_scene_start(&scene);
    scene.peer->lenient = true;
    vp_test_user_send(scene.users[0], VP_TEST_STOP);
    send_with_fds(scene.users[1], GETFD, 1);
    vp_test_user_send(scene.users[2], VP_TEST_STOP);
    vp_test_wait_received(&scene, 1);
    g_clear_pointer(&scene.users[1], vp_test_user_free); /* while it waits: the others may go */
    vp_test_wait_received(&scene, 2);
    vp_test_peer_answer(scene.peer, 0);
    vp_test_peer_answer(scene.peer, 1);
    vp_test_wait_replies(scene.users[2], 1);

    send_with_fds(scene.users[3], GETFD, 1);
    vp_test_user_send(scene.users[2], VP_TEST_STOP);
    vp_test_wait_received(&scene, 3);
    g_clear_pointer(&scene.users[3], vp_test_user_free); /* in flight: still alone */
    vp_test_wait_received(&scene, 3);
    vp_test_peer_say(scene.peer, VP_TEST_ERROR_WITHOUT_ID);
    vp_test_wait_received(&scene, 4);
    g_assert_cmpstr(vp_test_received(&scene, 3), ==, PROBE);
    vp_test_peer_say(scene.peer, VP_TEST_ERROR_WITHOUT_ID);
    vp_test_wait_received(&scene, 5);
    g_assert_cmpstr(vp_test_received(&scene, 4), ==, VP_TEST_STOP);
    vp_test_scene_stop(&scene);
}

/* The connection ends while a command with descriptors is at any of its steps. */
static void
test_exclusive_lost(void)
{
    static const char *const steps[] = { GETFD, PROBE, DISCARD };

    for (guint last = 0; last < G_N_ELEMENTS(steps); last++) {
        VpTestScene scene;

        vp_test_scene_start(&scene);
        for (guint i = 0; i <= last; i++)
            vp_test_peer_expect(scene.peer, steps[i],
                                i == last ? NULL : i == 0 ? VP_TEST_ERROR : VP_TEST_OK);
        send_with_fds(scene.users[0], GETFD, 1);
        vp_test_user_send(scene.users[1], VP_TEST_STOP);
        vp_test_until(vp_test_peer_done(scene.peer));
        vp_test_peer_hang_up(scene.peer);
        vp_test_until(vp_qmp_session_state(scene.session) == VP_QMP_LOST);
        g_assert_cmpstr(vp_test_user_last(scene.users[1]), ==, "LOST");
        g_assert_cmpuint(scene.users[0]->replies->len, ==, 1);
        vp_test_until(vp_qmp_session_state(scene.session) == VP_QMP_READY);
        vp_test_assert_works(scene.peer, scene.users[1]);
        vp_test_scene_stop(&scene);
    }
}

static void
test_too_many_fds(void)
{
    VpTestScene scene;

    vp_test_scene_start(&scene);
    vp_test_peer_expect(scene.peer, GETFD, VP_TEST_OK);
    vp_test_peer_expect(scene.peer, PROBE, VP_TEST_ERROR);
    g_assert_cmpint(vp_test_user_try(scene.users[0], GETFD, vp_test_fds, VP_QMP_FDS_MAX + 1), ==,
                    VP_QMP_TOO_MANY_FDS);
    send_with_fds(scene.users[0], GETFD, VP_QMP_FDS_MAX);
    vp_test_wait_replies(scene.users[0], 1);
    g_assert_cmpuint(scene.peer->fds->len, ==, VP_QMP_FDS_MAX);
    vp_test_assert_works(scene.peer, scene.users[0]);
    vp_test_scene_stop(&scene);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/descriptors/descriptors-without-room", test_descriptors_without_room);
    g_test_add_func("/qmp/descriptors/descriptors", test_descriptors);
    g_test_add_func("/qmp/descriptors/endless-leftovers", test_endless_leftovers);
    g_test_add_func("/qmp/descriptors/exclusive", test_exclusive);
    g_test_add_func("/qmp/descriptors/exclusive-queue-freed", test_exclusive_queue_freed);
    g_test_add_func("/qmp/descriptors/exclusive-lost", test_exclusive_lost);
    g_test_add_func("/qmp/descriptors/too-many-fds", test_too_many_fds);
    return g_test_run();
}
