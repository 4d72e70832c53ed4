/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A user may do in a call whatever he likes: free his queue, those of others, send the next.
 */

#include "qmp/test-scene.h"

#include <string.h>

/* Frees every queue of the scene, its own and those of commands before and after it. */
static void
free_all(VpQmpOutcome outcome G_GNUC_UNUSED, const char *reply, gsize size, gpointer data)
{
    VpTestScene *scene = data;

    g_assert_true(!reply || strlen(reply) == size);
    for (gsize i = 0; i < G_N_ELEMENTS(scene->users); i++)
        g_clear_pointer(&scene->users[i], vp_test_user_free);
}

static void
send_with(VpTestUser *user, const char *json, VpQmpReplyFunc func, gpointer data)
{
    g_assert_cmpint(vp_qmp_queue_send(user->queue, json, strlen(json), NULL, 0, func, data, NULL),
                    ==, VP_QMP_ACCEPTED);
}

/* Two commands of every user; whose reply comes first frees all queues. */
static void
start_free_all(VpTestScene *scene)
{
    vp_test_scene_start(scene);
    scene->peer->lenient = true;
    for (guint i = 0; i < 16; i++) {
        send_with(scene->users[i], VP_TEST_STOP, free_all, scene);
        send_with(scene->users[i], VP_TEST_YANK, free_all, scene);
        send_with(scene->users[i], VP_TEST_STOP, free_all, scene);
    }
    vp_test_wait_received(scene, VP_QMP_IN_FLIGHT_MAX + 16);
}

static void
test_free_in_reply(void)
{
    VpTestScene scene;

    start_free_all(&scene);
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX + 16; i++)
        vp_test_peer_answer(scene.peer, i);
    /* One more went before the first reply was told. */
    vp_test_wait_received(&scene, VP_QMP_IN_FLIGHT_MAX + 17);
    vp_test_peer_answer(scene.peer, VP_QMP_IN_FLIGHT_MAX + 16);
    vp_test_until(scene.stats->in_flight == 0);
    g_assert_cmpuint(scene.stats->users, ==, 0);
    g_assert_cmpuint(scene.stats->waiting, ==, 0);
    g_assert_cmpuint(scene.stats->stray_replies, ==, 0);
    scene.users[0] = vp_test_user_new(scene.session);
    scene.peer->lenient = false;
    vp_test_assert_works(scene.peer, scene.users[0]);
    vp_test_scene_stop(&scene);
}

static void
test_free_when_lost(void)
{
    VpTestScene scene;

    start_free_all(&scene);
    vp_test_peer_hang_up(scene.peer);
    vp_test_until(vp_qmp_session_state(scene.session) == VP_QMP_LOST);
    g_assert_cmpuint(scene.stats->users, ==, 0);
    vp_test_scene_stop(&scene);
}

static void
test_free_when_session_is_freed(void)
{
    VpTestScene scene;

    start_free_all(&scene);
    g_clear_pointer(&scene.session, vp_qmp_session_free);
    g_assert_null(scene.users[0]);
    vp_test_scene_stop(&scene);
}

/* Every user is told, and may not send any more. */
static void
refused(VpQmpOutcome outcome, const char *reply G_GNUC_UNUSED, gsize size G_GNUC_UNUSED,
        gpointer data)
{
    VpTestUser *user = data;

    g_assert_cmpint(outcome, ==, VP_QMP_SESSION_LOST);
    g_assert_cmpint(vp_test_user_try(user, VP_TEST_STOP, NULL, 0), ==, VP_QMP_NOT_READY);
    g_ptr_array_add(user->replies, g_strdup("LOST"));
}

static void
test_session_freed(void)
{
    VpTestScene scene;

    vp_test_scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < 16; i++)
        send_with(scene.users[i], VP_TEST_STOP, refused, scene.users[i]);
    vp_test_wait_received(&scene, VP_QMP_IN_FLIGHT_MAX);
    g_clear_pointer(&scene.session, vp_qmp_session_free);
    for (guint i = 0; i < 16; i++)
        g_assert_cmpuint(scene.users[i]->replies->len, ==, 1);
    vp_test_scene_stop(&scene);
}

/* Sends the next from within the reply, a hundred times; never called inside of its own sending. */
typedef struct Chain {
    VpTestScene *scene;
    guint left;
    bool sending;
} Chain;

static void
send_again(VpQmpOutcome outcome, const char *reply G_GNUC_UNUSED, gsize size G_GNUC_UNUSED,
           gpointer data)
{
    Chain *chain = data;

    g_assert_cmpint(outcome, ==, VP_QMP_REPLIED);
    g_assert_false(chain->sending);
    if (chain->left-- == 0)
        return;
    chain->sending = true;
    send_with(chain->scene->users[chain->left % 16], VP_TEST_STOP, send_again, chain);
    chain->sending = false;
}

static void
test_send_in_reply(void)
{
    VpTestScene scene;
    Chain chains[12];

    vp_test_scene_start(&scene);
    vp_test_peer_always(scene.peer, VP_TEST_STOP, VP_TEST_OK);
    for (guint i = 0; i < G_N_ELEMENTS(chains); i++) {
        chains[i] = (Chain){ .scene = &scene, .left = 100 };
        send_with(scene.users[i], VP_TEST_STOP, send_again, &chains[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(chains); i++)
        vp_test_until(chains[i].left == G_MAXUINT);
    g_assert_cmpuint(scene.stats->commands, ==, 101 * G_N_ELEMENTS(chains));
    g_assert_cmpuint(scene.stats->in_flight + scene.stats->waiting, ==, 0);
    g_assert_cmpint(vp_qmp_stats_percentile(scene.stats, 50), >, 0);
    vp_test_scene_stop(&scene);
}

/* The queue goes with the reply to its last command; its owner notices that by himself. */
static void
free_own(VpQmpOutcome outcome G_GNUC_UNUSED, const char *reply, gsize size, gpointer data)
{
    VpTestUser **user = data;

    vp_qmp_queue_free((*user)->queue);
    g_assert_cmpuint(strlen(reply), ==, size); /* still there */
    (*user)->queue = NULL;
    g_clear_pointer(user, vp_test_user_free);
}

static void
test_free_own_queue(void)
{
    VpTestScene scene;

    vp_test_scene_start(&scene);
    vp_test_peer_always(scene.peer, VP_TEST_STOP, VP_TEST_OK);
    for (guint i = 0; i < 15; i++)
        send_with(scene.users[i], VP_TEST_STOP, free_own, &scene.users[i]);
    vp_test_until(scene.stats->users == 1);
    vp_test_assert_works(scene.peer, scene.users[15]);
    vp_test_scene_stop(&scene);
}

/* What a user may do in the call that brings him an event: send, and free queues. */
typedef struct Reaction {
    VpTestUser *sender;
    VpTestUser *leaver; /* has a command in flight and one that waits */
} Reaction;

static void
react(VpQmpSession *session G_GNUC_UNUSED, const VpQmpEvent *event, gpointer data)
{
    Reaction *reaction = data;

    g_clear_pointer(&reaction->leaver, vp_test_user_free);
    vp_test_user_send(reaction->sender, "{\"execute\":\"cont\"}");
    g_assert_cmpmem(event->message, event->message_size, "{\"event\": \"E\"}", 14);
}

static void
test_reaction_to_event(void)
{
    static const VpQmpSessionOps reacting = { .event = react };
    g_autoptr(VpTestPeer) peer = vp_test_peer_new();
    Reaction reaction = { 0 };
    VpQmpSession *session = vp_qmp_session_new(peer->loop, "test", peer->path, &reacting,
                                               &reaction);

    vp_test_until(vp_qmp_session_state(session) == VP_QMP_READY);
    reaction.sender = vp_test_user_new(session);
    reaction.leaver = vp_test_user_new(session);
    for (guint i = 0; i <= VP_QMP_IN_FLIGHT_MAX; i++) {
        if (i < VP_QMP_IN_FLIGHT_MAX)
            vp_test_peer_expect(peer, VP_TEST_STOP, NULL);
        vp_test_user_send(reaction.leaver, VP_TEST_STOP);
    }
    vp_test_until(vp_test_peer_done(peer));
    vp_test_peer_expect(peer, "{\"execute\":\"cont\"}", VP_TEST_OK);
    vp_test_peer_expect(peer, "{\"execute\":\"cont\"}", VP_TEST_OK);
    vp_test_peer_say(peer, "{\"event\": \"E\"}\r\n{\"event\": \"E\"}");
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX; i++)
        vp_test_peer_answer(peer, i);
    vp_test_until(reaction.sender->replies->len == 2);
    vp_test_assert_works(peer, reaction.sender);
    vp_test_user_free(reaction.sender);
    vp_qmp_session_free(session);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/users/free-in-reply", test_free_in_reply);
    g_test_add_func("/qmp/users/free-when-lost", test_free_when_lost);
    g_test_add_func("/qmp/users/free-when-session-is-freed", test_free_when_session_is_freed);
    g_test_add_func("/qmp/users/session-freed", test_session_freed);
    g_test_add_func("/qmp/users/send-in-reply", test_send_in_reply);
    g_test_add_func("/qmp/users/free-own-queue", test_free_own_queue);
    g_test_add_func("/qmp/users/reaction-to-event", test_reaction_to_event);
    return g_test_run();
}
