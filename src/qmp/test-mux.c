/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Many users on one session: whose turn it is, whose reply it is, what happens to those who leave
 * and to those who ask for too much.
 */

#include "qmp/test-scene.h"

#include <string.h>

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
        { "{\"execute\":\"a\",\"id\":{\"id\":{}}}", "{\"execute\":\"a\"}", VP_TEST_ERROR,
          "{\"id\": {\"id\":{}}, \"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}" },
        { "{\"execute\":\"a\"}", "{\"execute\":\"a\"}", VP_TEST_OK, "{\"return\": {}}" },
        { "{\"execute\":\"a\"}", "{\"execute\":\"a\"}", VP_TEST_ERROR,
          VP_TEST_ERROR_WITHOUT_ID },
        { "{\"id\":9}", "{}", VP_TEST_ERROR,
          "{\"id\": 9, \"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}" },
        { "{}", "{}", VP_TEST_ERROR, VP_TEST_ERROR_WITHOUT_ID },
        { "{\"execute\":\n\"a\"}\n\n", "{\"execute\":\"a\"}", VP_TEST_OK, "{\"return\": {}}" },
        /* what QEMU cannot parse it answers without id */
        { "{\"execute\":\"\\ud800\",\"id\":5}", "{\"execute\":\"\\ud800\"}",
          VP_TEST_ERROR_WITHOUT_ID, VP_TEST_ERROR_WITHOUT_ID },
        { "[1, 2]", "[1,2]", VP_TEST_ERROR_WITHOUT_ID, VP_TEST_ERROR_WITHOUT_ID },
        { "\"x\"", "\"x\"", VP_TEST_ERROR_WITHOUT_ID, VP_TEST_ERROR_WITHOUT_ID },
        { "7", "7", VP_TEST_ERROR_WITHOUT_ID, VP_TEST_ERROR_WITHOUT_ID },
    };
    VpTestScene scene;

    vp_test_scene_start(&scene);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        vp_test_peer_expect(scene.peer, cases[i].sent, cases[i].answer);
        vp_test_user_send(scene.users[0], cases[i].command);
        vp_test_wait_replies(scene.users[0], 2 * i + 1);
        g_assert_cmpstr(vp_test_user_last(scene.users[0]), ==, cases[i].reply);
        vp_test_assert_works(scene.peer, scene.users[0]);
    }
    vp_test_scene_stop(&scene);
}

static void
test_invalid(void)
{
    static const char *const texts[] = {
        "", " ", "{", "}", "{'a':1}", "{} {}", "{\"execute\":\"stop\"} x", "nul",
        "{\"execute\":\"stop\",\"id\":1,\"id\":1}", "{\"a\":\"\n\"}", "\xff",
    };
    VpTestScene scene;

    vp_test_scene_start(&scene);
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_assert_cmpint(vp_test_user_try(scene.users[0], texts[i], NULL, 0), ==, VP_QMP_INVALID);
        vp_test_assert_works(scene.peer, scene.users[0]);
    }
    g_assert_cmpuint(scene.stats->waiting, ==, 0);
    vp_test_scene_stop(&scene);
}

/* The ids that the commands received up to now had, "-" for none. */
static char *
ids_of(const VpTestScene *scene)
{
    g_autoptr(GString) ids = g_string_new(NULL);

    for (guint i = 0; i < scene->peer->ids->len; i++) {
        const char *id = g_ptr_array_index(scene->peer->ids, i);

        g_string_append(ids, *id ? id : "-");
    }
    return g_string_free(g_steal_pointer(&ids), FALSE);
}

/* A command whose client gave it an id gets one of ours. */
#define STOP_WITH_ID "{\"execute\":\"stop\",\"id\":1}"

/* Replies without id go to the first of those in flight, replies with one to whose it is. */
static void
test_attribution(void)
{
    static const char *const sent[] = {
        VP_TEST_STOP, STOP_WITH_ID, "[1]", STOP_WITH_ID, STOP_WITH_ID, STOP_WITH_ID,
    };
    g_autofree char *ids = NULL;
    VpTestScene scene;

    vp_test_scene_start(&scene);
    for (guint i = 0; i < G_N_ELEMENTS(sent); i++) {
        vp_test_peer_expect(scene.peer, i == 2 ? "[1]" : VP_TEST_STOP, NULL);
        vp_test_user_send(scene.users[i], sent[i]);
    }
    vp_test_wait_received(&scene, G_N_ELEMENTS(sent));
    ids = ids_of(&scene);
    g_assert_cmpstr(ids, ==, "-1-234");
    vp_test_peer_answer(scene.peer, 0);
    vp_test_wait_replies(scene.users[0], 1);
    vp_test_peer_say(scene.peer, "{\"return\": {}}"); /* the next has an id: not its */
    vp_test_peer_say(scene.peer, VP_TEST_ERROR_WITHOUT_ID);   /* but this may be */
    vp_test_wait_replies(scene.users[1], 1);
    g_assert_cmpstr(vp_test_user_last(scene.users[1]), ==, VP_TEST_ERROR_WITHOUT_ID);
    g_assert_cmpuint(scene.stats->stray_replies, ==, 1);
    vp_test_peer_say(scene.peer, VP_TEST_ERROR_WITHOUT_ID);
    vp_test_wait_replies(scene.users[2], 1);
    g_assert_cmpstr(vp_test_user_last(scene.users[2]), ==, VP_TEST_ERROR_WITHOUT_ID);
    vp_test_peer_answer(scene.peer, 5); /* out of order: by its id */
    vp_test_peer_answer(scene.peer, 3);
    vp_test_peer_answer(scene.peer, 4);
    for (guint i = 3; i < 6; i++)
        vp_test_wait_replies(scene.users[i], 1);
    vp_test_peer_answer(scene.peer, 3); /* once more */
    vp_test_until(scene.stats->stray_replies == 2);
    vp_test_assert_works(scene.peer, scene.users[0]);
    vp_test_scene_stop(&scene);
}

/* One that carries an id comes back before one without: nobody gets another's answer. */
static void
test_out_of_step(void)
{
    VpTestScene scene;

    vp_test_scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX; i++)
        vp_test_user_send(scene.users[i], VP_TEST_STOP);
    vp_test_wait_received(&scene, VP_QMP_IN_FLIGHT_MAX);
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX; i++)
        g_assert_cmpint(strlen(g_ptr_array_index(scene.peer->ids, i)) > 0, ==,
                        i == VP_QMP_UNTAGGED_MAX);
    vp_test_peer_answer(scene.peer, VP_QMP_UNTAGGED_MAX);
    vp_test_until(vp_qmp_session_state(scene.session) == VP_QMP_LOST);
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX; i++)
        g_assert_cmpstr(vp_test_user_last(scene.users[i]), ==, "LOST");
    vp_test_until(vp_qmp_session_state(scene.session) == VP_QMP_READY);
    vp_test_assert_works(scene.peer, scene.users[0]);
    vp_test_scene_stop(&scene);
}

/* Which commands go without an id of ours: those that came without one, while all is in step. */
static void
test_tags(void)
{
    static const struct {
        const char *command;
        const char *sent; /* NULL: the same */
        const char *answer;
        bool tagged;
    } cases[] = {
        { VP_TEST_STOP, NULL, VP_TEST_OK, false },
        { VP_TEST_STOP, NULL, VP_TEST_ERROR, false }, /* without id: may be the first of two */
        { VP_TEST_YANK, NULL, VP_TEST_OK, true },     /* says nothing about the other band */
        { VP_TEST_STOP, NULL, VP_TEST_ERROR, true },  /* with id: clear */
        { VP_TEST_STOP, NULL, VP_TEST_OK, false },
        { "{\"execute\":\"stop\",\"id\":1}", VP_TEST_STOP, VP_TEST_OK, true },
        { "{\"execute\":\"\\ud800\"}", NULL, VP_TEST_OK, true },
        { VP_TEST_STOP, NULL, "{\"return\": 1}\r\n{\"return\": 2}", false }, /* two indeed */
        { VP_TEST_STOP, NULL, "{\"return\": {}}\r\n" VP_TEST_OK, true },
        { VP_TEST_STOP, NULL, VP_TEST_OK, false },
    };
    VpTestScene scene;

    vp_test_scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        vp_test_peer_expect(scene.peer, cases[i].sent ?: cases[i].command, cases[i].answer);
        vp_test_user_send(scene.users[i], cases[i].command);
        vp_test_wait_replies(scene.users[i], 1);
        vp_test_wait(2); /* for what may come behind */
        g_assert_cmpint(strlen(g_ptr_array_index(scene.peer->ids, i)) > 0, ==, cases[i].tagged);
    }
    g_assert_cmpuint(scene.stats->stray_replies, ==, 2);
    vp_test_scene_stop(&scene);
}

static void
test_in_flight(void)
{
    VpTestScene scene;

    vp_test_scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX + 2; i++)
        vp_test_user_send(scene.users[0], STOP_WITH_ID);
    vp_test_wait_received(&scene, VP_QMP_IN_FLIGHT_MAX);
    g_assert_cmpuint(scene.stats->in_flight, ==, VP_QMP_IN_FLIGHT_MAX);
    g_assert_cmpuint(scene.stats->waiting, ==, 2);
    vp_test_peer_answer(scene.peer, 0);
    vp_test_wait_received(&scene, VP_QMP_IN_FLIGHT_MAX + 1);
    g_assert_cmpuint(scene.users[0]->replies->len, ==, 1);
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX; i++) {
        for (guint k = 0; k < i; k++)
            g_assert_cmpstr(g_ptr_array_index(scene.peer->ids, i), !=,
                            g_ptr_array_index(scene.peer->ids, k));
    }
    for (guint i = 1; i < VP_QMP_IN_FLIGHT_MAX + 2; i++) {
        vp_test_until(scene.peer->received->len > i);
        vp_test_peer_answer(scene.peer, i);
    }
    vp_test_wait_replies(scene.users[0], VP_QMP_IN_FLIGHT_MAX + 2);
    vp_test_scene_stop(&scene);
}

static void
test_round_robin(void)
{
    VpTestScene scene;

    vp_test_scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX; i++)
        vp_test_user_send(scene.users[0], VP_TEST_STOP);
    /* The first floods; the others come later with three each, the last of them first. */
    for (guint k = 0; k < 40; k++)
        vp_test_user_send(scene.users[0], "{\"execute\":\"0\"}");
    for (guint i = 15; i > 0; i--) {
        g_autofree char *command = g_strdup_printf("{\"execute\":\"%u\"}", i);

        for (guint k = 0; k < 3; k++)
            vp_test_user_send(scene.users[i], command);
    }
    vp_test_wait_received(&scene, VP_QMP_IN_FLIGHT_MAX);
    for (guint n = 0; n < 3 * 16; n++) {
        g_autofree char *expected = g_strdup_printf("{\"execute\":\"%u\"}", (16 - n % 16) % 16);

        vp_test_peer_answer(scene.peer, n);
        vp_test_until(scene.peer->received->len == VP_QMP_IN_FLIGHT_MAX + n + 1);
        g_assert_cmpstr(vp_test_received(&scene, VP_QMP_IN_FLIGHT_MAX + n), ==, expected);
    }
    vp_test_scene_stop(&scene);
}

static void
test_out_of_band(void)
{
    VpTestScene scene;

    vp_test_scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX + 1; i++)
        vp_test_user_send(scene.users[0], VP_TEST_STOP);
    vp_test_user_send(scene.users[0], "{\"exec-oob\":\"yank\",\"id\":\"o\"}");
    vp_test_user_send(scene.users[1], VP_TEST_YANK);
    vp_test_wait_received(&scene, VP_QMP_IN_FLIGHT_MAX + 2);
    g_assert_cmpstr(vp_test_received(&scene, VP_QMP_IN_FLIGHT_MAX), ==, VP_TEST_YANK);
    g_assert_cmpuint(scene.stats->in_flight, ==, VP_QMP_IN_FLIGHT_MAX);
    vp_test_peer_answer(scene.peer, VP_QMP_IN_FLIGHT_MAX + 1);
    vp_test_wait_replies(scene.users[1], 1);
    vp_test_peer_answer(scene.peer, VP_QMP_IN_FLIGHT_MAX);
    vp_test_wait_replies(scene.users[0], 1);
    g_assert_cmpstr(vp_test_user_last(scene.users[0]), ==, "{\"return\": {}, \"id\": \"o\"}");
    /* What QEMU may not even parse is no out-of-band command: it waits for its turn, and an answer
     * without id is not its. */
    vp_test_user_send(scene.users[1], "{\"exec-oob\":\"yank\",\"arguments\":\"\\ud800\"}");
    vp_test_wait_received(&scene, VP_QMP_IN_FLIGHT_MAX + 2);
    vp_test_peer_say(scene.peer, VP_TEST_ERROR_WITHOUT_ID);
    vp_test_wait_replies(scene.users[0], 2);
    g_assert_cmpuint(scene.users[1]->replies->len, ==, 1);
    vp_test_scene_stop(&scene);
}

static void
test_out_of_band_limit(void)
{
    VpTestScene scene;

    vp_test_scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < VP_QMP_OOB_IN_FLIGHT_MAX + 1; i++)
        vp_test_user_send(scene.users[i % 4], VP_TEST_YANK);
    vp_test_user_send(scene.users[5], VP_TEST_STOP); /* these are not in the way */
    vp_test_wait_received(&scene, VP_QMP_OOB_IN_FLIGHT_MAX + 1);
    g_assert_cmpstr(vp_test_received(&scene, VP_QMP_OOB_IN_FLIGHT_MAX), ==, VP_TEST_STOP);
    g_assert_cmpuint(scene.stats->waiting, ==, 1);
    vp_test_peer_answer(scene.peer, 17);
    vp_test_wait_received(&scene, VP_QMP_OOB_IN_FLIGHT_MAX + 2);
    for (guint i = 0; i < VP_QMP_OOB_IN_FLIGHT_MAX + 2; i++) {
        if (i != 17)
            vp_test_peer_answer(scene.peer, i);
    }
    vp_test_until(scene.users[0]->replies->len == 17 && scene.users[5]->replies->len == 1);
    scene.peer->lenient = false;
    vp_test_assert_works(scene.peer, scene.users[0]);
    vp_test_scene_stop(&scene);
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
        vp_test_user_send(user, VP_TEST_STOP);
    vp_test_user_send(user, VP_TEST_YANK);
    vp_test_until(peer->received->len == VP_QMP_IN_FLIGHT_MAX);
    vp_test_wait(5);
    g_assert_cmpuint(peer->received->len, ==, VP_QMP_IN_FLIGHT_MAX);
    vp_test_peer_answer(peer, 0);
    vp_test_until(peer->received->len == VP_QMP_IN_FLIGHT_MAX + 1);
    g_assert_cmpstr(g_ptr_array_index(peer->received, VP_QMP_IN_FLIGHT_MAX), ==, VP_TEST_YANK);
}

static void
test_queue_limit(void)
{
    VpTestScene scene;

    vp_test_scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX + VP_QMP_QUEUE_MAX; i++)
        vp_test_user_send(scene.users[0], VP_TEST_STOP);
    g_assert_cmpint(vp_test_user_try(scene.users[0], VP_TEST_STOP, NULL, 0), ==, VP_QMP_QUEUE_FULL);
    g_assert_cmpint(vp_test_user_try(scene.users[0], "{", NULL, 0), ==, VP_QMP_QUEUE_FULL);
    g_assert_cmpint(vp_test_user_try(scene.users[1], VP_TEST_STOP, NULL, 0), ==, VP_QMP_ACCEPTED);
    vp_test_wait_received(&scene, VP_QMP_IN_FLIGHT_MAX);
    vp_test_peer_answer(scene.peer, 0);
    vp_test_wait_received(&scene, VP_QMP_IN_FLIGHT_MAX + 1);
    g_assert_cmpint(vp_test_user_try(scene.users[0], VP_TEST_STOP, NULL, 0), ==, VP_QMP_ACCEPTED);
    g_assert_cmpint(vp_test_user_try(scene.users[0], VP_TEST_STOP, NULL, 0), ==, VP_QMP_QUEUE_FULL);
    vp_test_scene_stop(&scene);
}

static void
test_queue_bytes_limit(void)
{
    const gsize each = VP_QMP_QUEUE_BYTES_MAX / 32;
    g_autofree char *command = vp_test_command_of(each), *longer = vp_test_command_of(each + 1);
    VpTestScene scene;

    vp_test_scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX; i++)
        vp_test_user_send(scene.users[1], VP_TEST_STOP);
    for (guint i = 0; i < 31; i++)
        vp_test_user_send(scene.users[0], command);
    g_assert_cmpint(vp_test_user_try(scene.users[0], longer, NULL, 0), ==, VP_QMP_QUEUE_FULL);
    vp_test_user_send(scene.users[0], command);
    g_assert_cmpint(vp_test_user_try(scene.users[0], "1", NULL, 0), ==, VP_QMP_QUEUE_FULL);
    vp_test_user_send(scene.users[2], VP_TEST_STOP);
    vp_test_scene_stop(&scene);
}

static void
test_freed_queue(void)
{
    VpTestScene scene;

    vp_test_scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < VP_QMP_IN_FLIGHT_MAX + 5; i++)
        vp_test_user_send(scene.users[0], VP_TEST_STOP);
    vp_test_user_send(scene.users[1], VP_TEST_STOP);
    vp_test_user_send(scene.users[0], VP_TEST_YANK);
    vp_test_wait_received(&scene, VP_QMP_IN_FLIGHT_MAX + 1);
    g_clear_pointer(&scene.users[0], vp_test_user_free);
    g_assert_cmpuint(scene.stats->waiting, ==, 1);
    g_assert_cmpuint(scene.stats->in_flight, ==, VP_QMP_IN_FLIGHT_MAX); /* until answered */
    g_assert_cmpuint(scene.stats->users, ==, 15);
    for (guint i = 0; i <= VP_QMP_IN_FLIGHT_MAX; i++)
        vp_test_peer_answer(scene.peer, i);
    vp_test_wait_received(&scene, VP_QMP_IN_FLIGHT_MAX + 2);
    g_assert_cmpuint(scene.stats->in_flight, ==, 1);
    g_assert_cmpuint(scene.stats->stray_replies, ==, 0); /* they were somebody's */
    vp_test_peer_answer(scene.peer, VP_QMP_IN_FLIGHT_MAX + 1);
    vp_test_wait_replies(scene.users[1], 1);
    scene.peer->lenient = false;
    vp_test_assert_works(scene.peer, scene.users[1]);
    vp_test_scene_stop(&scene);
}

static void
test_lost(void)
{
    VpTestScene scene;

    vp_test_scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i < 16; i++) {
        vp_test_user_send(scene.users[i], VP_TEST_STOP);
        vp_test_user_send(scene.users[i], VP_TEST_STOP);
    }
    vp_test_user_send(scene.users[3], VP_TEST_YANK);
    vp_test_wait_received(&scene, VP_QMP_IN_FLIGHT_MAX + 1);
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
    vp_test_scene_stop(&scene);
}

/* A peer that does not read: one message is on its way, the others stay where they can be counted;
 * then all go in order. */
static void
test_peer_that_does_not_read(void)
{
    g_autofree char *filling = g_strnfill(1024 * 1024, 'x');
    VpTestScene scene;

    vp_test_scene_start(&scene);
    scene.peer->lenient = true;
    vp_test_peer_set_reading(scene.peer, false);
    for (guint i = 0; i < 20; i++) {
        g_autofree char *command = g_strdup_printf("{\"execute\":\"%u\",\"a\":\"%s\"}", i, filling);

        vp_test_user_send(scene.users[i % 3], command);
    }
    vp_test_user_send(scene.users[0], VP_TEST_YANK);
    vp_test_wait(20);
    g_assert_cmpuint(scene.stats->waiting, ==, 20);
    g_assert_cmpuint(scene.stats->in_flight, ==, 1);
    g_assert_cmpuint(scene.stats->bytes_sent, <, 1024 * 1024);
    vp_test_peer_set_reading(scene.peer, true);
    for (guint n = 0; n < 21; n++) {
        vp_test_until(scene.peer->received->len > n);
        vp_test_peer_answer(scene.peer, n);
    }
    g_assert_cmpstr(vp_test_received(&scene, 1), ==, VP_TEST_YANK);
    vp_test_wait_replies(scene.users[2], 6);
    scene.peer->lenient = false;
    vp_test_assert_works(scene.peer, scene.users[0]);
    vp_test_scene_stop(&scene);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/mux/ids", test_ids);
    g_test_add_func("/qmp/mux/invalid", test_invalid);
    g_test_add_func("/qmp/mux/attribution", test_attribution);
    g_test_add_func("/qmp/mux/tags", test_tags);
    g_test_add_func("/qmp/mux/in-flight", test_in_flight);
    g_test_add_func("/qmp/mux/round-robin", test_round_robin);
    g_test_add_func("/qmp/mux/out-of-band", test_out_of_band);
    g_test_add_func("/qmp/mux/out-of-band-limit", test_out_of_band_limit);
    g_test_add_func("/qmp/mux/without-out-of-band", test_without_out_of_band);
    g_test_add_func("/qmp/mux/queue-limit", test_queue_limit);
    g_test_add_func("/qmp/mux/queue-bytes-limit", test_queue_bytes_limit);
    g_test_add_func("/qmp/mux/freed-queue", test_freed_queue);
    g_test_add_func("/qmp/mux/out-of-step", test_out_of_step);
    g_test_add_func("/qmp/mux/lost", test_lost);
    g_test_add_func("/qmp/mux/peer-that-does-not-read", test_peer_that_does_not_read);
    return g_test_run();
}
