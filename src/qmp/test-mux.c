/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Many users on one session: whose turn it is, whose reply it is, what happens to those who leave,
 * and that a user may do in a call whatever he likes.
 */

#include "qmp/test-peer.h"

#include <string.h>
#include <unistd.h>

#define STOP "{\"execute\":\"stop\"}"
#define YANK "{\"exec-oob\":\"yank\"}"
#define GETFD "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"f\"}}"
#define PROBE "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"__org.virtpass_unclaimed\"}}"
#define DISCARD "{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"__org.virtpass_unclaimed\"}}"
#define ERROR "{\"id\": $ID, \"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}"
#define ERROR_WITHOUT_ID "{\"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}"

/* Descriptors to send, as many as are allowed and one. */
static const int some_fds[] = { [0 ... VP_QMP_FDS_MAX] = STDERR_FILENO };

/* A peer with a session that is READY, and some users. */
typedef struct Scene {
    VpTestPeer *peer;
    VpQmpSession *session;
    const VpQmpStats *stats;
    VpTestUser *users[16];
} Scene;

static void
scene_start(Scene *scene)
{
    *scene = (Scene){ .peer = vp_test_peer_new() };
    scene->session = vp_test_session_new(scene->peer);
    scene->stats = vp_qmp_session_stats(scene->session);
    for (gsize i = 0; i < G_N_ELEMENTS(scene->users); i++)
        scene->users[i] = vp_test_user_new(scene->session);
}

static void
scene_stop(Scene *scene)
{
    for (gsize i = 0; i < G_N_ELEMENTS(scene->users); i++)
        vp_test_user_free(scene->users[i]);
    vp_qmp_session_free(scene->session);
    vp_test_peer_free(scene->peer);
}

/* Forgets a user whose queue is gone already. */
static void
user_left(VpTestUser **user)
{
    (*user)->queue = NULL;
    g_clear_pointer(user, vp_test_user_free);
}

/* Waits for the peer to have received @n commands. */
static void
wait_received(const Scene *scene, guint n)
{
    vp_test_until(scene->peer->received->len >= n);
    vp_test_wait(5);
    g_assert_cmpuint(scene->peer->received->len, ==, n);
}

static const char *
received(const Scene *scene, guint n)
{
    return g_ptr_array_index(scene->peer->received, n);
}

static void
wait_replies(const VpTestUser *user, guint n)
{
    vp_test_until(user->replies->len >= n);
    g_assert_cmpuint(user->replies->len, ==, n);
}

static void
test_ids(void)
{
    static const struct {
        const char *command;
        const char *sent;   /* without id */
        const char *answer; /* of the peer */
        const char *reply;  /* that the user gets */
    } cases[] = {
        { "{\"execute\":\"a\",\"id\":1}", "{\"execute\":\"a\"}", VP_TEST_OK,
          "{\"return\": {}, \"id\": 1}" },
        { "{\"id\":\"x y\",\"execute\":\"a\"}", "{\"execute\":\"a\"}", VP_TEST_OK,
          "{\"return\": {}, \"id\": \"x y\"}" },
        { "{\"execute\":\"a\",\"id\":null}", "{\"execute\":\"a\"}", VP_TEST_OK,
          "{\"return\": {}, \"id\": null}" },
        { "{\"execute\":\"a\",\"id\":true}", "{\"execute\":\"a\"}", VP_TEST_OK,
          "{\"return\": {}, \"id\": true}" },
        { "{\"execute\":\"a\",\"id\":-1.50e+1}", "{\"execute\":\"a\"}", VP_TEST_OK,
          "{\"return\": {}, \"id\": -1.50e+1}" },
        { "{\"execute\":\"a\",\"id\":[ 1,\n2 ],\"arguments\":{ }}",
          "{\"execute\":\"a\",\"arguments\":{}}", VP_TEST_OK,
          "{\"return\": {}, \"id\": [ 1,\n2 ]}" },
        { "{\"execute\":\"a\",\"id\":{\"id\":{}}}", "{\"execute\":\"a\"}", ERROR,
          "{\"id\": {\"id\":{}}, \"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}" },
        { "{\"execute\":\"a\"}", "{\"execute\":\"a\"}", VP_TEST_OK, "{\"return\": {}}" },
        { "{\"execute\":\"a\"}", "{\"execute\":\"a\"}", ERROR,
          "{\"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}" },
        { "{\"id\":9}", "{}", ERROR,
          "{\"id\": 9, \"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}" },
        { "{}", "{}", ERROR, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}" },
        { "{\"execute\":\n\"a\"}\n\n", "{\"execute\":\"a\"}", VP_TEST_OK, "{\"return\": {}}" },
        /* what QEMU cannot parse it answers without id */
        { "{\"execute\":\"\\ud800\",\"id\":5}", "{\"execute\":\"\\ud800\"}", ERROR_WITHOUT_ID,
          ERROR_WITHOUT_ID },
        { "[1, 2]", "[1,2]", ERROR_WITHOUT_ID, ERROR_WITHOUT_ID },
        { "\"x\"", "\"x\"", ERROR_WITHOUT_ID, ERROR_WITHOUT_ID },
        { "7", "7", ERROR_WITHOUT_ID, ERROR_WITHOUT_ID },
    };
    Scene scene;

    scene_start(&scene);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        vp_test_peer_expect(scene.peer, cases[i].sent, cases[i].answer);
        vp_test_user_send(scene.users[0], cases[i].command);
        wait_replies(scene.users[0], 2 * i + 1);
        g_assert_cmpstr(vp_test_user_last(scene.users[0]), ==, cases[i].reply);
        vp_test_assert_works(scene.peer, scene.users[0]);
    }
    scene_stop(&scene);
}

static void
test_invalid(void)
{
    static const char *const texts[] = {
        "", " ", "{", "}", "{'a':1}", "{} {}", "{\"execute\":\"stop\"} x", "nul",
        "{\"execute\":\"stop\",\"id\":1,\"id\":1}", "{\"a\":\"\n\"}", "\xff",
    };
    Scene scene;

    scene_start(&scene);
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_assert_cmpint(vp_test_user_try(scene.users[0], texts[i], NULL, 0), ==, VP_QMP_INVALID);
        vp_test_assert_works(scene.peer, scene.users[0]);
    }
    g_assert_cmpuint(scene.stats->waiting, ==, 0);
    scene_stop(&scene);
}

/* The ids that the commands received up to now had, "-" for none. */
static char *
ids_of(const Scene *scene)
{
    g_autoptr(GString) ids = g_string_new(NULL);

    for (guint i = 0; i < scene->peer->ids->len; i++) {
        const char *id = g_ptr_array_index(scene->peer->ids, i);

        g_string_append(ids, *id ? id : "-");
    }
    return g_string_free(g_steal_pointer(&ids), FALSE);
}

/* Replies without id go to the first of those in flight, replies with one to whose it is. */
static void
test_attribution(void)
{
    g_autofree char *ids = NULL;
    Scene scene;

    scene_start(&scene);
    for (guint i = 0; i < 6; i++)
        vp_test_peer_expect(scene.peer, i == 2 ? "[1]" : STOP, NULL);
    for (guint i = 0; i < 6; i++)
        vp_test_user_send(scene.users[i], i == 2 ? "[1]" : STOP);
    wait_received(&scene, 6);
    ids = ids_of(&scene);
    g_assert_cmpstr(ids, ==, "-1-234");
    vp_test_peer_answer(scene.peer, 4); /* out of order: by its id */
    wait_replies(scene.users[4], 1);
    vp_test_peer_answer(scene.peer, 0);
    wait_replies(scene.users[0], 1);
    vp_test_peer_say(scene.peer, "{\"return\": {}}"); /* the next has an id: not its */
    vp_test_peer_say(scene.peer, ERROR_WITHOUT_ID);   /* but this may be */
    wait_replies(scene.users[1], 1);
    g_assert_cmpstr(vp_test_user_last(scene.users[1]), ==, ERROR_WITHOUT_ID);
    g_assert_cmpuint(scene.stats->stray_replies, ==, 1);
    vp_test_peer_say(scene.peer, ERROR_WITHOUT_ID);
    wait_replies(scene.users[2], 1);
    g_assert_cmpstr(vp_test_user_last(scene.users[2]), ==, ERROR_WITHOUT_ID);
    vp_test_peer_answer(scene.peer, 5);
    vp_test_peer_answer(scene.peer, 3);
    wait_replies(scene.users[3], 1);
    wait_replies(scene.users[5], 1);
    vp_test_peer_answer(scene.peer, 3); /* once more */
    vp_test_until(scene.stats->stray_replies == 2);
    vp_test_assert_works(scene.peer, scene.users[0]);
    scene_stop(&scene);
}

/* Which commands go without an id of ours: those that are alone, and only while all is in step. */
static void
test_tags(void)
{
    static const struct {
        const char *command;
        const char *answer;
        bool tagged;
    } cases[] = {
        { STOP, VP_TEST_OK, false },
        { STOP, ERROR, false }, /* without id: may have been the first of two */
        { STOP, ERROR, true },  /* with it: clear */
        { STOP, VP_TEST_OK, false },
        { "{\"execute\":\"stop\",\"id\":1}", VP_TEST_OK, true },
        { YANK, VP_TEST_OK, true },
        { "{\"execute\":\"\\ud800\"}", VP_TEST_OK, true },
        { STOP, "{\"return\": 1}\r\n{\"return\": 2}", false }, /* two indeed */
        { STOP, "{\"return\": {}}\r\n" VP_TEST_OK, true },
        { STOP, VP_TEST_OK, false },
    };
    Scene scene;

    scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        vp_test_peer_expect(scene.peer, cases[i].tagged && i == 4 ? STOP : cases[i].command,
                            cases[i].answer);
        vp_test_user_send(scene.users[i], cases[i].command);
        wait_replies(scene.users[i], 1);
        vp_test_wait(2); /* for what may come behind */
        g_assert_cmpint(strlen(g_ptr_array_index(scene.peer->ids, i)) > 0, ==, cases[i].tagged);
    }
    g_assert_cmpuint(scene.stats->stray_replies, ==, 2);
    scene_stop(&scene);
}

static void
test_in_flight(void)
{
    Scene scene;

    scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX + 2; i++)
        vp_test_user_send(scene.users[0], STOP);
    wait_received(&scene, VP_QMP_IN_FLIGHT_MAX);
    g_assert_cmpuint(scene.stats->in_flight, ==, VP_QMP_IN_FLIGHT_MAX);
    g_assert_cmpuint(scene.stats->waiting, ==, 2);
    vp_test_peer_answer(scene.peer, 0);
    wait_received(&scene, VP_QMP_IN_FLIGHT_MAX + 1);
    g_assert_cmpuint(scene.users[0]->replies->len, ==, 1);
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX; i++) {
        for (guint k = 0; k < i; k++)
            g_assert_cmpstr(g_ptr_array_index(scene.peer->ids, i), !=,
                            g_ptr_array_index(scene.peer->ids, k));
        g_assert_cmpuint(strlen(g_ptr_array_index(scene.peer->ids, i)), ==, i > 0);
    }
    for (guint i = 1; i < VP_QMP_IN_FLIGHT_MAX + 2; i++) {
        vp_test_until(scene.peer->received->len > i);
        vp_test_peer_answer(scene.peer, i);
    }
    wait_replies(scene.users[0], VP_QMP_IN_FLIGHT_MAX + 2);
    scene_stop(&scene);
}

static void
test_round_robin(void)
{
    Scene scene;

    scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX; i++)
        vp_test_user_send(scene.users[0], STOP);
    /* The first floods; the others come later with three each, the last of them first. */
    for (guint k = 0; k < 40; k++)
        vp_test_user_send(scene.users[0], "{\"execute\":\"0\"}");
    for (guint i = 15; i > 0; i--) {
        g_autofree char *command = g_strdup_printf("{\"execute\":\"%u\"}", i);

        for (guint k = 0; k < 3; k++)
            vp_test_user_send(scene.users[i], command);
    }
    wait_received(&scene, VP_QMP_IN_FLIGHT_MAX);
    for (guint n = 0; n < 3 * 16; n++) {
        g_autofree char *expected = g_strdup_printf("{\"execute\":\"%u\"}", (16 - n % 16) % 16);

        vp_test_peer_answer(scene.peer, n);
        vp_test_until(scene.peer->received->len == VP_QMP_IN_FLIGHT_MAX + n + 1);
        g_assert_cmpstr(received(&scene, VP_QMP_IN_FLIGHT_MAX + n), ==, expected);
    }
    scene_stop(&scene);
}

static void
test_out_of_band(void)
{
    Scene scene;

    scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX + 1; i++)
        vp_test_user_send(scene.users[0], STOP);
    vp_test_user_send(scene.users[0], "{\"exec-oob\":\"yank\",\"id\":\"o\"}");
    vp_test_user_send(scene.users[1], YANK);
    wait_received(&scene, VP_QMP_IN_FLIGHT_MAX + 2);
    g_assert_cmpstr(received(&scene, VP_QMP_IN_FLIGHT_MAX), ==, YANK);
    g_assert_cmpuint(scene.stats->in_flight, ==, VP_QMP_IN_FLIGHT_MAX);
    vp_test_peer_answer(scene.peer, VP_QMP_IN_FLIGHT_MAX + 1);
    wait_replies(scene.users[1], 1);
    vp_test_peer_answer(scene.peer, VP_QMP_IN_FLIGHT_MAX);
    wait_replies(scene.users[0], 1);
    g_assert_cmpstr(vp_test_user_last(scene.users[0]), ==, "{\"return\": {}, \"id\": \"o\"}");
    /* What QEMU may not even parse is no out-of-band command: it waits for its turn, and an answer
     * without id is not its. */
    vp_test_user_send(scene.users[1], "{\"exec-oob\":\"yank\",\"arguments\":\"\\ud800\"}");
    wait_received(&scene, VP_QMP_IN_FLIGHT_MAX + 2);
    vp_test_peer_say(scene.peer, ERROR_WITHOUT_ID);
    wait_replies(scene.users[0], 2);
    g_assert_cmpuint(scene.users[1]->replies->len, ==, 1);
    scene_stop(&scene);
}

static void
test_out_of_band_limit(void)
{
    Scene scene;

    scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < VP_QMP_OOB_IN_FLIGHT_MAX + 1; i++)
        vp_test_user_send(scene.users[i % 4], YANK);
    vp_test_user_send(scene.users[5], STOP); /* these are not in the way */
    wait_received(&scene, VP_QMP_OOB_IN_FLIGHT_MAX + 1);
    g_assert_cmpstr(received(&scene, VP_QMP_OOB_IN_FLIGHT_MAX), ==, STOP);
    g_assert_cmpuint(scene.stats->waiting, ==, 1);
    vp_test_peer_answer(scene.peer, 17);
    wait_received(&scene, VP_QMP_OOB_IN_FLIGHT_MAX + 2);
    for (guint i = 0; i < VP_QMP_OOB_IN_FLIGHT_MAX + 2; i++) {
        if (i != 17)
            vp_test_peer_answer(scene.peer, i);
    }
    vp_test_until(scene.users[0]->replies->len == 17 && scene.users[5]->replies->len == 1);
    scene.peer->lenient = false;
    vp_test_assert_works(scene.peer, scene.users[0]);
    scene_stop(&scene);
}

/* A QEMU that does not offer it gets exec-oob in its turn, and refuses it as it does. */
static void
test_without_out_of_band(void)
{
    g_autoptr(VpTestPeer) peer = vp_test_peer_new();
    g_autoptr(VpQmpSession) session = NULL;
    g_autoptr(VpTestUser) user = NULL;

    peer->greeting = "{\"QMP\": {\"capabilities\": []}}";
    vp_test_peer_always(peer, "{\"execute\":\"qmp_capabilities\"}", VP_TEST_OK);
    session = vp_test_session_new(peer);
    user = vp_test_user_new(session);
    peer->lenient = true;
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX; i++)
        vp_test_user_send(user, STOP);
    vp_test_user_send(user, YANK);
    vp_test_until(peer->received->len == VP_QMP_IN_FLIGHT_MAX);
    vp_test_wait(5);
    g_assert_cmpuint(peer->received->len, ==, VP_QMP_IN_FLIGHT_MAX);
    vp_test_peer_answer(peer, 0);
    vp_test_until(peer->received->len == VP_QMP_IN_FLIGHT_MAX + 1);
    g_assert_cmpstr(g_ptr_array_index(peer->received, VP_QMP_IN_FLIGHT_MAX), ==, YANK);
}

static void
test_queue_limit(void)
{
    Scene scene;

    scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX + VP_QMP_QUEUE_MAX; i++)
        vp_test_user_send(scene.users[0], STOP);
    g_assert_cmpint(vp_test_user_try(scene.users[0], STOP, NULL, 0), ==, VP_QMP_QUEUE_FULL);
    g_assert_cmpint(vp_test_user_try(scene.users[0], "{", NULL, 0), ==, VP_QMP_QUEUE_FULL);
    g_assert_cmpint(vp_test_user_try(scene.users[1], STOP, NULL, 0), ==, VP_QMP_ACCEPTED);
    wait_received(&scene, VP_QMP_IN_FLIGHT_MAX);
    vp_test_peer_answer(scene.peer, 0);
    wait_received(&scene, VP_QMP_IN_FLIGHT_MAX + 1);
    g_assert_cmpint(vp_test_user_try(scene.users[0], STOP, NULL, 0), ==, VP_QMP_ACCEPTED);
    g_assert_cmpint(vp_test_user_try(scene.users[0], STOP, NULL, 0), ==, VP_QMP_QUEUE_FULL);
    scene_stop(&scene);
}

/* A command of @size bytes. */
static char *
command_of(gsize size)
{
    g_autofree char *filling = g_strnfill(size - strlen("{\"\":1}"), 'x');

    return g_strdup_printf("{\"%s\":1}", filling);
}

static void
test_queue_bytes_limit(void)
{
    const gsize each = VP_QMP_QUEUE_BYTES_MAX / 32;
    g_autofree char *command = command_of(each), *longer = command_of(each + 1);
    Scene scene;

    scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX; i++)
        vp_test_user_send(scene.users[1], STOP);
    for (guint i = 0; i < 31; i++)
        vp_test_user_send(scene.users[0], command);
    g_assert_cmpint(vp_test_user_try(scene.users[0], longer, NULL, 0), ==, VP_QMP_QUEUE_FULL);
    vp_test_user_send(scene.users[0], command);
    g_assert_cmpint(vp_test_user_try(scene.users[0], "1", NULL, 0), ==, VP_QMP_QUEUE_FULL);
    vp_test_user_send(scene.users[2], STOP);
    scene_stop(&scene);
}

static void
test_freed_queue(void)
{
    Scene scene;

    scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX + 5; i++)
        vp_test_user_send(scene.users[0], STOP);
    vp_test_user_send(scene.users[1], STOP);
    vp_test_user_send(scene.users[0], YANK);
    wait_received(&scene, VP_QMP_IN_FLIGHT_MAX + 1);
    g_clear_pointer(&scene.users[0], vp_test_user_free);
    g_assert_cmpuint(scene.stats->waiting, ==, 1);
    g_assert_cmpuint(scene.stats->in_flight, ==, VP_QMP_IN_FLIGHT_MAX); /* until answered */
    g_assert_cmpuint(scene.stats->users, ==, 15);
    for (guint i = 0; i <= VP_QMP_IN_FLIGHT_MAX; i++)
        vp_test_peer_answer(scene.peer, i);
    wait_received(&scene, VP_QMP_IN_FLIGHT_MAX + 2);
    g_assert_cmpuint(scene.stats->in_flight, ==, 1);
    g_assert_cmpuint(scene.stats->stray_replies, ==, 0); /* they were somebody's */
    vp_test_peer_answer(scene.peer, VP_QMP_IN_FLIGHT_MAX + 1);
    wait_replies(scene.users[1], 1);
    scene.peer->lenient = false;
    vp_test_assert_works(scene.peer, scene.users[1]);
    scene_stop(&scene);
}

static void
test_lost(void)
{
    Scene scene;

    scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < 16; i++) {
        vp_test_user_send(scene.users[i], STOP);
        vp_test_user_send(scene.users[i], STOP);
    }
    vp_test_user_send(scene.users[3], YANK);
    wait_received(&scene, VP_QMP_IN_FLIGHT_MAX + 1);
    vp_test_peer_hang_up(scene.peer);
    vp_test_until(vp_qmp_session_state(scene.session) == VP_QMP_LOST);
    for (guint i = 0; i < 16; i++) {
        g_assert_cmpuint(scene.users[i]->replies->len, ==, i == 3 ? 3 : 2);
        g_assert_cmpstr(vp_test_user_last(scene.users[i]), ==, "LOST");
    }
    g_assert_cmpuint(scene.stats->in_flight, ==, 0);
    g_assert_cmpuint(scene.stats->waiting, ==, 0);
    vp_test_until(vp_qmp_session_state(scene.session) == VP_QMP_READY);
    scene.peer->lenient = false;
    for (guint i = 0; i < 16; i++)
        vp_test_assert_works(scene.peer, scene.users[i]);
    scene_stop(&scene);
}

/* A peer that does not read: one message is on its way, the others stay where they can be counted;
 * then all go in order. */
static void
test_peer_that_does_not_read(void)
{
    g_autofree char *filling = g_strnfill(1024 * 1024, 'x');
    Scene scene;

    scene_start(&scene);
    scene.peer->lenient = true;
    vp_test_peer_set_reading(scene.peer, false);
    for (guint i = 0; i < 20; i++) {
        g_autofree char *command = g_strdup_printf("{\"execute\":\"%u\",\"a\":\"%s\"}", i, filling);

        vp_test_user_send(scene.users[i % 3], command);
    }
    vp_test_user_send(scene.users[0], YANK);
    vp_test_wait(20);
    g_assert_cmpuint(scene.stats->waiting, ==, 20);
    g_assert_cmpuint(scene.stats->in_flight, ==, 1);
    g_assert_cmpuint(scene.stats->bytes_sent, <, 1024 * 1024);
    vp_test_peer_set_reading(scene.peer, true);
    for (guint n = 0; n < 21; n++) {
        vp_test_until(scene.peer->received->len > n);
        vp_test_peer_answer(scene.peer, n);
    }
    g_assert_cmpstr(received(&scene, 1), ==, YANK);
    wait_replies(scene.users[2], 6);
    scene.peer->lenient = false;
    vp_test_assert_works(scene.peer, scene.users[0]);
    scene_stop(&scene);
}

/* Sends commands to a peer that answers them without having read them, until the socket is full
 * (@n = 0) or @n have gone; returns how many went. */
static guint
send_to_blind_peer(Scene *scene, guint n)
{
    g_autofree char *command = command_of(4000);
    guint64 sent = 0;
    guint count = 0;

    vp_test_peer_set_reading(scene->peer, false);
    for (; n == 0 || count < n; count++) {
        sent = scene->stats->bytes_sent;
        vp_test_user_send(scene->users[0], command);
        if (scene->stats->bytes_sent == sent)
            break;
        vp_test_peer_say(scene->peer, "{\"return\": 1}");
        wait_replies(scene->users[0], count + 1);
    }
    return count;
}

/* A socket that has no room for even the first byte of a command with descriptors. The peer then
 * reads, or goes on answering what it has not read. */
static void
test_descriptors_without_room(void)
{
    guint room = 0;
    Scene scene;

    scene_start(&scene);
    room = send_to_blind_peer(&scene, 0);
    scene_stop(&scene);
    for (guint blind = 0; blind < 2; blind++) {
        guint64 sent = 0;

        scene_start(&scene);
        scene.peer->lenient = true;
        g_assert_cmpuint(send_to_blind_peer(&scene, room), ==, room);
        sent = scene.stats->bytes_sent;
        g_assert_cmpint(vp_test_user_try(scene.users[1], STOP, some_fds, 2), ==, VP_QMP_ACCEPTED);
        g_assert_cmpuint(scene.stats->bytes_sent, ==, sent);
        if (blind) {
            vp_test_peer_say(scene.peer, "{\"return\": 1}");
            wait_replies(scene.users[1], 1);
        }
        vp_test_peer_set_reading(scene.peer, true);
        wait_received(&scene, room + 1 + blind);
        g_assert_cmpstr(received(&scene, room), ==, STOP);
        if (blind)
            g_assert_cmpstr(received(&scene, room + 1), ==, PROBE);
        g_assert_cmpuint(scene.peer->fds->len, ==, 2);
        scene_stop(&scene);
    }
}

/* --- Descriptors ---------------------------------------------------------- */

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
        { GETFD, 1, ERROR, 1, 0 },
        { GETFD, 1, ERROR_WITHOUT_ID, 1, 0 },
        { GETFD, 2, VP_TEST_OK, 1, 0 },
        { GETFD, 1, ERROR, 2, 1 },
        { STOP, 1, VP_TEST_OK, 2, 1 },
        { "[1]", 2, ERROR_WITHOUT_ID, 4, 3 },
    };
    Scene scene;

    scene_start(&scene);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint fds = scene.peer->fds->len;

        vp_test_peer_expect(scene.peer, cases[i].command, cases[i].answer);
        for (guint k = 0; k < cases[i].probes; k++) {
            vp_test_peer_expect(scene.peer, PROBE, k < cases[i].found ? VP_TEST_OK : ERROR);
            if (k < cases[i].found)
                vp_test_peer_expect(scene.peer, DISCARD, VP_TEST_OK);
        }
        vp_test_peer_expect(scene.peer, STOP, VP_TEST_OK);
        g_assert_cmpint(vp_test_user_try(scene.users[0], cases[i].command, some_fds,
                                         cases[i].n_fds),
                        ==, VP_QMP_ACCEPTED);
        vp_test_user_send(scene.users[1], STOP); /* has to wait for all that */
        wait_replies(scene.users[1], i + 1);
        g_assert_true(vp_test_peer_done(scene.peer));
        g_assert_cmpuint(scene.users[0]->replies->len, ==, i + 1);
        g_assert_cmpuint(scene.peer->fds->len, ==, fds + cases[i].n_fds);
    }
    g_assert_cmpuint(scene.stats->commands, ==, 2 * G_N_ELEMENTS(cases)); /* ours do not count */
    scene_stop(&scene);
}

/* A peer that says for ever that it has found a descriptor is not believed for ever. */
static void
test_endless_leftovers(void)
{
    Scene scene;

    scene_start(&scene);
    vp_test_peer_always(scene.peer, PROBE, VP_TEST_OK);
    vp_test_peer_always(scene.peer, DISCARD, VP_TEST_OK);
    vp_test_peer_expect(scene.peer, STOP, VP_TEST_OK);
    g_assert_cmpint(vp_test_user_try(scene.users[0], STOP, some_fds, 1), ==, VP_QMP_ACCEPTED);
    vp_test_assert_works(scene.peer, scene.users[1]);
    scene_stop(&scene);
}

/* Alone with the monitor: after what is in flight, before everything else. */
static void
test_exclusive(void)
{
    Scene scene;

    scene_start(&scene);
    scene.peer->lenient = true;
    vp_test_user_send(scene.users[0], STOP);
    g_assert_cmpint(vp_test_user_try(scene.users[1], GETFD, some_fds, 1), ==, VP_QMP_ACCEPTED);
    vp_test_user_send(scene.users[2], STOP);
    vp_test_user_send(scene.users[3], YANK); /* passes, for now */
    wait_received(&scene, 2);
    g_assert_cmpstr(received(&scene, 1), ==, YANK);
    vp_test_peer_answer(scene.peer, 0);
    wait_replies(scene.users[0], 1);
    vp_test_user_send(scene.users[3], YANK); /* does not: nothing in-band is in flight */
    wait_received(&scene, 2);
    vp_test_peer_answer(scene.peer, 1);
    wait_received(&scene, 3);
    g_assert_cmpstr(received(&scene, 2), ==, GETFD);
    vp_test_user_send(scene.users[3], YANK);
    vp_test_user_send(scene.users[4], STOP);
    wait_received(&scene, 3);
    vp_test_peer_answer(scene.peer, 2);
    wait_received(&scene, 7);
    for (guint i = 3; i < 7; i++)
        g_assert_cmpstr(received(&scene, i), ==, i < 5 ? YANK : STOP);
    scene_stop(&scene);
}

static void
test_exclusive_queue_freed(void)
{
    Scene scene;

    scene_start(&scene);
    scene.peer->lenient = true;
    vp_test_user_send(scene.users[0], STOP);
    g_assert_cmpint(vp_test_user_try(scene.users[1], GETFD, some_fds, 1), ==, VP_QMP_ACCEPTED);
    vp_test_user_send(scene.users[2], STOP);
    wait_received(&scene, 1);
    g_clear_pointer(&scene.users[1], vp_test_user_free); /* while it waits: the others may go */
    wait_received(&scene, 2);
    vp_test_peer_answer(scene.peer, 0);
    vp_test_peer_answer(scene.peer, 1);
    wait_replies(scene.users[2], 1);

    g_assert_cmpint(vp_test_user_try(scene.users[3], GETFD, some_fds, 1), ==, VP_QMP_ACCEPTED);
    vp_test_user_send(scene.users[2], STOP);
    wait_received(&scene, 3);
    g_clear_pointer(&scene.users[3], vp_test_user_free); /* in flight: still alone */
    wait_received(&scene, 3);
    vp_test_peer_say(scene.peer, ERROR_WITHOUT_ID);
    wait_received(&scene, 4);
    g_assert_cmpstr(received(&scene, 3), ==, PROBE);
    vp_test_peer_say(scene.peer, ERROR_WITHOUT_ID);
    wait_received(&scene, 5);
    g_assert_cmpstr(received(&scene, 4), ==, STOP);
    scene_stop(&scene);
}

/* The connection ends while a command with descriptors is at any of its steps. */
static void
test_exclusive_lost(void)
{
    static const char *const steps[] = { GETFD, PROBE, DISCARD };

    for (guint last = 0; last < G_N_ELEMENTS(steps); last++) {
        Scene scene;

        scene_start(&scene);
        for (guint i = 0; i <= last; i++)
            vp_test_peer_expect(scene.peer, steps[i],
                                i == last ? NULL : i == 0 ? ERROR : VP_TEST_OK);
        g_assert_cmpint(vp_test_user_try(scene.users[0], GETFD, some_fds, 1), ==,
                        VP_QMP_ACCEPTED);
        vp_test_user_send(scene.users[1], STOP);
        vp_test_until(vp_test_peer_done(scene.peer));
        vp_test_peer_hang_up(scene.peer);
        vp_test_until(vp_qmp_session_state(scene.session) == VP_QMP_LOST);
        g_assert_cmpstr(vp_test_user_last(scene.users[1]), ==, "LOST");
        g_assert_cmpuint(scene.users[0]->replies->len, ==, 1);
        vp_test_until(vp_qmp_session_state(scene.session) == VP_QMP_READY);
        vp_test_assert_works(scene.peer, scene.users[1]);
        scene_stop(&scene);
    }
}

static void
test_too_many_fds(void)
{
    Scene scene;

    scene_start(&scene);
    vp_test_peer_expect(scene.peer, GETFD, VP_TEST_OK);
    vp_test_peer_expect(scene.peer, PROBE, ERROR);
    g_assert_cmpint(vp_test_user_try(scene.users[0], GETFD, some_fds, VP_QMP_FDS_MAX + 1), ==,
                    VP_QMP_TOO_MANY_FDS);
    g_assert_cmpint(vp_test_user_try(scene.users[0], GETFD, some_fds, VP_QMP_FDS_MAX), ==,
                    VP_QMP_ACCEPTED);
    wait_replies(scene.users[0], 1);
    g_assert_cmpuint(scene.peer->fds->len, ==, VP_QMP_FDS_MAX);
    vp_test_assert_works(scene.peer, scene.users[0]);
    scene_stop(&scene);
}

/* --- What users do in their calls ----------------------------------------- */

/* Frees every queue of the scene, its own and those of commands before and after it. */
static void
free_all(VpQmpOutcome outcome G_GNUC_UNUSED, const char *reply, gsize size, gpointer data)
{
    Scene *scene = data;

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
start_free_all(Scene *scene)
{
    scene_start(scene);
    scene->peer->lenient = true;
    for (guint i = 0; i < 16; i++) {
        send_with(scene->users[i], STOP, free_all, scene);
        send_with(scene->users[i], YANK, free_all, scene);
        send_with(scene->users[i], STOP, free_all, scene);
    }
    wait_received(scene, VP_QMP_IN_FLIGHT_MAX + 16);
}

static void
test_free_in_reply(void)
{
    Scene scene;

    start_free_all(&scene);
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX + 16; i++)
        vp_test_peer_answer(scene.peer, i);
    wait_received(&scene, VP_QMP_IN_FLIGHT_MAX + 17); /* went before the first reply was told */
    vp_test_peer_answer(scene.peer, VP_QMP_IN_FLIGHT_MAX + 16);
    vp_test_until(scene.stats->in_flight == 0);
    g_assert_cmpuint(scene.stats->users, ==, 0);
    g_assert_cmpuint(scene.stats->waiting, ==, 0);
    g_assert_cmpuint(scene.stats->stray_replies, ==, 0);
    scene.users[0] = vp_test_user_new(scene.session);
    scene.peer->lenient = false;
    vp_test_assert_works(scene.peer, scene.users[0]);
    scene_stop(&scene);
}

static void
test_free_when_lost(void)
{
    Scene scene;

    start_free_all(&scene);
    vp_test_peer_hang_up(scene.peer);
    vp_test_until(vp_qmp_session_state(scene.session) == VP_QMP_LOST);
    g_assert_cmpuint(scene.stats->users, ==, 0);
    scene_stop(&scene);
}

static void
test_free_when_session_is_freed(void)
{
    Scene scene;

    start_free_all(&scene);
    g_clear_pointer(&scene.session, vp_qmp_session_free);
    g_assert_null(scene.users[0]);
    scene_stop(&scene);
}

/* Every user is told, and may not send any more. */
static void
refused(VpQmpOutcome outcome, const char *reply G_GNUC_UNUSED, gsize size G_GNUC_UNUSED,
        gpointer data)
{
    VpTestUser *user = data;

    g_assert_cmpint(outcome, ==, VP_QMP_SESSION_LOST);
    g_assert_cmpint(vp_test_user_try(user, STOP, NULL, 0), ==, VP_QMP_NOT_READY);
    g_ptr_array_add(user->replies, g_strdup("LOST"));
}

static void
test_session_freed(void)
{
    Scene scene;

    scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < 16; i++)
        send_with(scene.users[i], STOP, refused, scene.users[i]);
    wait_received(&scene, VP_QMP_IN_FLIGHT_MAX);
    g_clear_pointer(&scene.session, vp_qmp_session_free);
    for (guint i = 0; i < 16; i++)
        g_assert_cmpuint(scene.users[i]->replies->len, ==, 1);
    scene_stop(&scene);
}

/* Sends the next from within the reply, a hundred times; never called inside of its own sending. */
typedef struct Chain {
    Scene *scene;
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
    send_with(chain->scene->users[chain->left % 16], STOP, send_again, chain);
    chain->sending = false;
}

static void
test_send_in_reply(void)
{
    Scene scene;
    Chain chains[12];

    scene_start(&scene);
    vp_test_peer_always(scene.peer, STOP, VP_TEST_OK);
    for (guint i = 0; i < G_N_ELEMENTS(chains); i++) {
        chains[i] = (Chain){ .scene = &scene, .left = 100 };
        send_with(scene.users[i], STOP, send_again, &chains[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(chains); i++)
        vp_test_until(chains[i].left == G_MAXUINT);
    g_assert_cmpuint(scene.stats->commands, ==, 101 * G_N_ELEMENTS(chains));
    g_assert_cmpuint(scene.stats->in_flight + scene.stats->waiting, ==, 0);
    g_assert_cmpint(vp_qmp_stats_percentile(scene.stats, 50), >, 0);
    scene_stop(&scene);
}

/* The queue goes with the reply to its last command; its owner notices that by himself. */
static void
free_own(VpQmpOutcome outcome G_GNUC_UNUSED, const char *reply, gsize size, gpointer data)
{
    VpTestUser **user = data;

    vp_qmp_queue_free((*user)->queue);
    g_assert_cmpuint(strlen(reply), ==, size); /* still there */
    user_left(user);
}

static void
test_free_own_queue(void)
{
    Scene scene;

    scene_start(&scene);
    vp_test_peer_always(scene.peer, STOP, VP_TEST_OK);
    for (guint i = 0; i < 15; i++)
        send_with(scene.users[i], STOP, free_own, &scene.users[i]);
    vp_test_until(scene.stats->users == 1);
    vp_test_assert_works(scene.peer, scene.users[15]);
    scene_stop(&scene);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *path;
        GTestFunc func;
    } tests[] = {
        { "/qmp/mux/ids", test_ids },
        { "/qmp/mux/invalid", test_invalid },
        { "/qmp/mux/attribution", test_attribution },
        { "/qmp/mux/tags", test_tags },
        { "/qmp/mux/in-flight", test_in_flight },
        { "/qmp/mux/round-robin", test_round_robin },
        { "/qmp/mux/out-of-band", test_out_of_band },
        { "/qmp/mux/out-of-band-limit", test_out_of_band_limit },
        { "/qmp/mux/without-out-of-band", test_without_out_of_band },
        { "/qmp/mux/queue-limit", test_queue_limit },
        { "/qmp/mux/queue-bytes-limit", test_queue_bytes_limit },
        { "/qmp/mux/freed-queue", test_freed_queue },
        { "/qmp/mux/lost", test_lost },
        { "/qmp/mux/peer-that-does-not-read", test_peer_that_does_not_read },
        { "/qmp/mux/descriptors", test_descriptors },
        { "/qmp/mux/descriptors-without-room", test_descriptors_without_room },
        { "/qmp/mux/endless-leftovers", test_endless_leftovers },
        { "/qmp/mux/exclusive", test_exclusive },
        { "/qmp/mux/exclusive-queue-freed", test_exclusive_queue_freed },
        { "/qmp/mux/exclusive-lost", test_exclusive_lost },
        { "/qmp/mux/too-many-fds", test_too_many_fds },
        { "/qmp/mux/free-in-reply", test_free_in_reply },
        { "/qmp/mux/free-when-lost", test_free_when_lost },
        { "/qmp/mux/free-when-session-is-freed", test_free_when_session_is_freed },
        { "/qmp/mux/session-freed", test_session_freed },
        { "/qmp/mux/send-in-reply", test_send_in_reply },
        { "/qmp/mux/free-own-queue", test_free_own_queue },
    };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add_func(tests[i].path, tests[i].func);
    return g_test_run();
}
