/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bytes that are no JSON: alone with the monitor, and however often QEMU answers them, the answers
 * are theirs and those of others stay in step.
 */

#include "qmp/test-scene.h"

#include <string.h>

#define RAW "{\"execute\": \"stop\"]"
#define PROBE "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"__org.virtpass_unclaimed\"}}"
#define PARSE_ERROR                                                                                \
    "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error, expecting value\"}}"
#define AT(place)                                                                                  \
    "{\"error\": {\"class\": \"GenericError\", \"desc\": \"" place ": JSON parse error, x\"}}"

static VpQmpVerdict
send_raw(VpTestUser *user, const char *bytes)
{
    return vp_qmp_queue_send_raw(user->queue, bytes, strlen(bytes), vp_test_user_reply, user);
}

/* QEMU's answer to the probe that came as number @n: there is no descriptor. */
static void
answer_probe(VpTestScene *scene, guint n)
{
    g_autofree char *text = NULL;

    g_assert_cmpstr(vp_test_received(scene, n), ==, PROBE);
    text = g_strdup_printf("{\"id\": %s, \"error\": {\"class\": \"GenericError\", \"desc\": "
                           "\"x\"}}", (char *)g_ptr_array_index(scene->peer->ids, n));
    vp_test_peer_say(scene->peer, text);
}

/* Raw bytes between commands of others. */
static void
test_answers(void)
{
    static const struct {
        const char *sent; /* by the peer */
        const char *reply;
    } cases[] = {
        { PARSE_ERROR, PARSE_ERROR },
        { PARSE_ERROR "\r\n" PARSE_ERROR, PARSE_ERROR "\r\n" PARSE_ERROR },
        { AT("3:3"), AT("1:3") }, /* one command of the session's own, and that before */
        { AT("4:3"), AT("2:3") },
        { AT("2:3"), AT("2:3") }, /* of nobody's bytes */
        { NULL, "" },
        { "{\"return\": {}, \"id\": \"x\"}", "{\"return\": {}, \"id\": \"x\"}" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        VpTestScene scene;

        vp_test_scene_start(&scene);
        vp_test_peer_expect(scene.peer, VP_TEST_STOP, VP_TEST_OK);
        vp_test_peer_expect(scene.peer, RAW, cases[i].sent);
        vp_test_peer_expect(scene.peer, PROBE, VP_TEST_ERROR);
        vp_test_peer_expect(scene.peer, VP_TEST_STOP, VP_TEST_OK);
        vp_test_user_send(scene.users[0], VP_TEST_STOP);
        g_assert_cmpint(send_raw(scene.users[1], RAW), ==, VP_QMP_ACCEPTED);
        vp_test_user_send(scene.users[2], VP_TEST_STOP);
        vp_test_wait_replies(scene.users[2], 1);
        g_assert_cmpstr(vp_test_user_last(scene.users[0]), ==, "{\"return\": {}}");
        g_assert_cmpuint(scene.users[1]->replies->len, ==, 1);
        g_assert_cmpstr(vp_test_user_last(scene.users[1]), ==, cases[i].reply);
        g_assert_cmpstr(vp_test_user_last(scene.users[2]), ==, "{\"return\": {}}");
        g_assert_cmpuint(scene.stats->stray_replies, ==, 0);
        vp_test_assert_works(scene.peer, scene.users[1]);
        vp_test_scene_stop(&scene);
    }
}

/* Nobody else's command is with QEMU at the same time. */
static void
test_alone(void)
{
    VpTestScene scene;

    vp_test_scene_start(&scene);
    scene.peer->lenient = true;
    vp_test_user_send(scene.users[0], VP_TEST_STOP);
    g_assert_cmpint(send_raw(scene.users[1], RAW), ==, VP_QMP_ACCEPTED);
    vp_test_user_send(scene.users[2], VP_TEST_STOP);
    vp_test_wait_received(&scene, 1);
    vp_test_peer_answer(scene.peer, 0);
    vp_test_wait_received(&scene, 3);
    g_assert_cmpstr(vp_test_received(&scene, 1), ==, RAW);
    vp_test_peer_say(scene.peer, PARSE_ERROR);
    answer_probe(&scene, 2);
    vp_test_wait_received(&scene, 4);
    vp_test_peer_answer(scene.peer, 3);
    vp_test_wait_replies(scene.users[2], 1);
    vp_test_scene_stop(&scene);
}

/* Who sent them is gone before QEMU has answered, or QEMU is. */
static void
test_ends(void)
{
    VpTestScene scene;

    vp_test_scene_start(&scene);
    scene.peer->lenient = true;
    g_assert_cmpint(send_raw(scene.users[0], RAW), ==, VP_QMP_ACCEPTED);
    g_assert_cmpint(send_raw(scene.users[1], RAW), ==, VP_QMP_ACCEPTED);
    vp_test_wait_received(&scene, 2);
    g_clear_pointer(&scene.users[0], vp_test_user_free);
    vp_test_peer_say(scene.peer, PARSE_ERROR);
    answer_probe(&scene, 1);
    vp_test_wait_received(&scene, 4);
    vp_test_peer_say(scene.peer, PARSE_ERROR);
    vp_test_peer_hang_up(scene.peer);
    vp_test_wait_replies(scene.users[1], 1);
    g_assert_cmpstr(vp_test_user_last(scene.users[1]), ==, "LOST");
    g_assert_cmpint(send_raw(scene.users[1], RAW), ==, VP_QMP_NOT_READY);
    scene.peer->lenient = false;
    vp_test_until(vp_qmp_session_state(scene.session) == VP_QMP_READY);
    vp_test_assert_works(scene.peer, scene.users[1]);
    vp_test_scene_stop(&scene);
}

static void
test_queue_full(void)
{
    VpTestScene scene;

    vp_test_scene_start(&scene);
    scene.peer->lenient = true;
    for (guint i = 0; i <= VP_QMP_QUEUE_MAX; i++)
        g_assert_cmpint(send_raw(scene.users[0], RAW), ==, VP_QMP_ACCEPTED);
    g_assert_cmpint(send_raw(scene.users[0], RAW), ==, VP_QMP_QUEUE_FULL);
    g_assert_cmpint(send_raw(scene.users[1], RAW), ==, VP_QMP_ACCEPTED);
    vp_test_scene_stop(&scene);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/raw/answers", test_answers);
    g_test_add_func("/qmp/raw/alone", test_alone);
    g_test_add_func("/qmp/raw/ends", test_ends);
    g_test_add_func("/qmp/raw/queue-full", test_queue_full);
    return g_test_run();
}
