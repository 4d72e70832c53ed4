/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a peer may do to a session, from odd but lawful to hostile: bytes in any pieces, garbage,
 * lines without end, replies to nobody, hanging up at any point. After each misfortune the next
 * command must work.
 */

#include "qmp/test-scene.h"

#include "base/limits.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a peer may do to a session in use, and the reason that is given. */
static void
test_misbehaviour(void)
{
    static const struct {
        const char *says; /* "" for hanging up */
        const char *reason;
    } cases[] = {
        { "", "QEMU has closed the connection" },
        { "garbage", "the peer has sent 7 bytes that are no QMP message" },
        { "{\"return\": {}, \"id\": 3}}", "* no QMP message" },
        { "{\"return\": [}, \"id\": 3}", "* no QMP message" },
        { "\xff\xfe", "* no QMP message" },
        { VP_TEST_GREETING, "the peer has sent a second greeting" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VpTestPeer) peer = vp_test_peer_new();
        g_autoptr(VpTestUser) user = NULL;
        VpTestTold told;

        vp_test_told_start(&told, peer, NULL);
        vp_test_until(vp_test_told_is(&told, VP_QMP_READY));
        user = vp_test_user_new(told.session);
        vp_test_peer_expect(peer, "{\"execute\":\"stop\"}", NULL);
        vp_test_user_send(user, "{\"execute\":\"stop\"}");
        vp_test_until(vp_test_peer_done(peer));
        if (*cases[i].says)
            vp_test_peer_say(peer, cases[i].says);
        else
            vp_test_peer_hang_up(peer);
        vp_test_until(vp_test_told_is(&told, VP_QMP_LOST));
        g_assert_cmpstr(vp_test_user_last(user), ==, "LOST");
        g_assert_true(g_pattern_match_simple(cases[i].reason,
                                             vp_qmp_session_reason(told.session)));
        g_assert_cmpint(vp_test_user_try(user, "{", NULL, 0), ==, VP_QMP_NOT_READY);
        vp_test_until(vp_test_told_is(&told, VP_QMP_READY));
        vp_test_assert_works(peer, user);
        vp_test_told_stop(&told);
    }
}

/* Gone before we know it: what is sent then fails, at once or when there should be room again. The
 * user hears of it in the next turn, not inside of his call. */
static void
test_gone_while_sending(void)
{
    g_autofree char *command = vp_test_command_of(1024 * 1024);
    const char *const commands[] = { VP_TEST_STOP, command };

    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        VpTestScene scene;

        vp_test_scene_start(&scene);
        vp_test_peer_set_reading(scene.peer, false);
        if (i == 0)
            vp_test_peer_hang_up(scene.peer);
        vp_test_user_send(scene.users[0], commands[i]);
        g_assert_cmpint(vp_qmp_session_state(scene.session), ==, VP_QMP_READY);
        g_assert_cmpuint(scene.users[0]->replies->len, ==, 0);
        if (i == 1)
            vp_test_peer_hang_up(scene.peer);
        vp_test_until(vp_qmp_session_state(scene.session) == VP_QMP_LOST);
        g_assert_cmpstr(vp_qmp_session_reason(scene.session), ==,
                        "cannot write to the monitor: Broken pipe");
        g_assert_cmpstr(vp_test_user_last(scene.users[0]), ==, "LOST");
        vp_test_until(vp_qmp_session_state(scene.session) == VP_QMP_READY);
        vp_test_assert_works(scene.peer, scene.users[0]);
        vp_test_scene_stop(&scene);
    }
}

/* Half a message, then nothing or the end: nobody is hurt. */
static void
test_closed_at_every_byte(void)
{
    static const char conversation[] = VP_TEST_GREETING "\r\n{\"return\": {}, \"id\": 1}\r\n";

    for (gsize n = 0; n < strlen(conversation); n++) {
        g_autoptr(VpTestPeer) peer = vp_test_peer_new();
        VpTestTold told;

        vp_test_peer_forget(peer);
        peer->greeting = NULL;
        peer->lenient = true;
        vp_test_told_start(&told, peer, NULL);
        vp_test_until(peer->accepted == 1);
        /* Spoken blindly, in pieces that let the session keep up. */
        peer->chunk = 40;
        vp_test_peer_write(peer, conversation, n);
        vp_test_wait(3);
        vp_test_peer_hang_up(peer);
        vp_test_until(vp_test_told_is(&told, VP_QMP_LOST));
        vp_test_told_stop(&told);
    }
}

/* A conversation in pieces of 1, 2, 3 ... bytes goes like one in whole messages. */
static void
test_every_chunk_size(void)
{
    for (gsize chunk = 1; chunk < 130; chunk++) {
        g_autoptr(VpTestPeer) peer = vp_test_peer_new();
        g_autoptr(VpTestUser) user = NULL;
        VpTestTold told;

        peer->chunk = chunk;
        vp_test_told_start(&told, peer, NULL);
        vp_test_until(vp_test_told_is(&told, VP_QMP_READY));
        user = vp_test_user_new(told.session);
        vp_test_peer_expect(peer, "{\"execute\":\"stop\"}",
                            "{\"timestamp\": {\"seconds\": 5, \"microseconds\": 6}, \"event\": "
                            "\"STOP\"}\r\n{\"return\": {}, \"id\": $ID}\r\n{\"event\": \"X\", "
                            "\"data\": {\"a\": [1]}}");
        vp_test_user_send(user, "{\"execute\":\"stop\",\"id\":\"a\"}");
        vp_test_until(strstr(told.events->str, "X "));
        g_assert_cmpstr(told.events->str, ==, "STOP 5.6 |X -1.0 {\"a\": [1]}|");
        g_assert_cmpstr(vp_test_user_last(user), ==, "{\"return\": {}, \"id\": \"a\"}");
        vp_test_assert_works(peer, user);
        vp_test_told_stop(&told);
    }
}

/* Replies that nobody waits for are dropped; a storm of them ends the connection. */
static void
test_strays(void)
{
    static const char *const strays[] = {
        "{\"return\": {}, \"id\": 5}",   "{\"return\": {}, \"id\": 77}",
        "{\"return\": {}, \"id\": 123}", "{\"return\": {}, \"id\": \"5\"}",
        "{\"return\": {}}",              "{\"error\": {}}",
        "{\"error\": {}, \"id\": -1}",
    };
    g_autoptr(VpTestPeer) peer = vp_test_peer_new();
    g_autoptr(VpTestUser) user = NULL;
    VpTestTold told;

    vp_test_told_start(&told, peer, NULL);
    vp_test_until(vp_test_told_is(&told, VP_QMP_READY));
    user = vp_test_user_new(told.session);
    for (guint i = 0; i < VP_QMP_STRAYS_MAX; i++)
        vp_test_peer_say(peer, strays[i % G_N_ELEMENTS(strays)]);
    vp_test_until(vp_qmp_session_stats(told.session)->stray_replies == VP_QMP_STRAYS_MAX);
    vp_test_assert_works(peer, user);
    vp_test_peer_say(peer, strays[0]);
    vp_test_until(vp_test_told_is(&told, VP_QMP_LOST));
    g_assert_cmpstr(vp_qmp_session_reason(told.session), ==,
                    "the peer has answered 101 commands that nobody sent");
    vp_test_until(vp_test_told_is(&told, VP_QMP_READY)); /* and each connection starts at none */
    vp_test_peer_say(peer, strays[0]);
    vp_test_assert_works(peer, user);
    vp_test_told_stop(&told);
}

/* One line that does not end: given up at the limit, with nothing kept. */
static void
test_endless_line(void)
{
    g_autoptr(VpTestPeer) peer = vp_test_peer_new();
    g_autofree char *block = g_strnfill(1024 * 1024, 'x');
    g_autoptr(VpTestUser) user = NULL;
    VpTestTold told;

    vp_test_told_start(&told, peer, NULL);
    vp_test_until(vp_test_told_is(&told, VP_QMP_READY));
    for (guint sent = 0; sent <= VP_QMP_MESSAGE_MAX / (1024 * 1024); sent++)
        vp_test_peer_write(peer, block, 1024 * 1024);
    vp_test_until_for(60, vp_test_told_is(&told, VP_QMP_LOST));
    g_assert_true(g_str_has_prefix(vp_qmp_session_reason(told.session),
                                   "the peer has sent a message of more than"));
    vp_test_until(vp_test_told_is(&told, VP_QMP_READY));
    user = vp_test_user_new(told.session);
    vp_test_assert_works(peer, user);
    vp_test_told_stop(&told);
}

/* The longest reply there may be, and its id exchanged for a longer one. */
static void
test_longest_reply(void)
{
    g_autoptr(VpTestPeer) peer = vp_test_peer_new();
    g_autofree char *filling = g_strnfill(VP_QMP_MESSAGE_MAX - strlen(VP_TEST_OK) + 2, ' ');
    g_autofree char *answer = g_strdup_printf("{\"return\": {%s}, \"id\": $ID}", filling);
    g_autoptr(VpTestUser) user = NULL;
    VpTestTold told;

    vp_test_told_start(&told, peer, NULL);
    vp_test_until(vp_test_told_is(&told, VP_QMP_READY));
    user = vp_test_user_new(told.session);
    vp_test_peer_expect(peer, "{\"execute\":\"x\"}", answer); /* "$ID" becomes shorter by 2 */
    vp_test_user_send(user, "{\"execute\":\"x\",\"id\":\"longer\"}");
    vp_test_until_for(60, user->replies->len == 1);
    g_assert_cmpuint(strlen(vp_test_user_last(user)), ==, VP_QMP_MESSAGE_MAX + 7);
    g_assert_true(g_str_has_suffix(vp_test_user_last(user), ", \"id\": \"longer\"}"));
    vp_test_assert_works(peer, user);
    vp_test_told_stop(&told);
}

/* Many events in one read, and a command between them. */
static void
test_events(void)
{
    g_autoptr(VpTestPeer) peer = vp_test_peer_new();
    g_autoptr(VpTestUser) user = NULL;
    VpTestTold told;

    vp_test_told_start(&told, peer, NULL);
    vp_test_until(vp_test_told_is(&told, VP_QMP_READY));
    user = vp_test_user_new(told.session);
    for (guint i = 0; i < 10000; i++)
        vp_test_peer_say(peer, "{\"event\": \"E\", \"timestamp\": {\"seconds\": 1}}");
    vp_test_peer_say(peer, "{\"event\": 5}"); /* nameless: counted, not told */
    vp_test_assert_works(peer, user);
    g_assert_cmpuint(vp_qmp_session_stats(told.session)->events, ==, 10001);
    g_assert_cmpuint(told.events->len, ==, 10000 * strlen("E 1.0 |"));
    vp_test_told_stop(&told);
}

/* A name at the limit, and one byte longer. */
static void
test_event_name(void)
{
    g_autoptr(VpTestPeer) peer = vp_test_peer_new();
    g_autofree char *name = g_strnfill(VP_QMP_EVENT_NAME_MAX, 'E');
    g_autofree char *longest = g_strdup_printf("{\"event\": \"%s\"}", name);
    g_autofree char *longer = g_strdup_printf("{\"event\": \"%sE\"}", name);
    VpTestTold told;

    vp_test_told_start(&told, peer, NULL);
    vp_test_until(vp_test_told_is(&told, VP_QMP_READY));
    vp_test_peer_say(peer, longest);
    vp_test_until(told.events->len > 0);
    g_assert_true(g_str_has_prefix(told.events->str, name));
    g_string_truncate(told.events, 0);
    vp_test_peer_say(peer, longer);
    vp_test_until(vp_test_told_is(&told, VP_QMP_LOST));
    g_assert_cmpuint(told.events->len, ==, 0);
    g_assert_cmpstr(vp_qmp_session_reason(told.session), ==,
                    "the peer has sent an event whose name has more than 255 bytes");
    vp_test_until(vp_test_told_is(&told, VP_QMP_READY));
    vp_test_told_stop(&told);
}

/* Descriptors that a peer sends are not kept. */
static void
test_descriptors_from_peer(void)
{
    g_autoptr(VpTestPeer) peer = vp_test_peer_new();
    g_autoptr(VpTestUser) user = NULL;
    char control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec part = { .iov_base = "{\"event\": \"E\"}\r\n", .iov_len = 16 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                              .msg_controllen = sizeof(control) };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    int lowest = -1, again = -1;
    VpTestTold told;

    vp_test_told_start(&told, peer, NULL);
    vp_test_until(vp_test_told_is(&told, VP_QMP_READY));
    *header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
                                .cmsg_type = SCM_RIGHTS };
    memcpy(CMSG_DATA(header), &(int){ STDERR_FILENO }, sizeof(int));
    lowest = dup(STDERR_FILENO);
    close(lowest);
    g_assert_cmpint(sendmsg(vp_test_peer_fd(peer), &message, 0), ==, part.iov_len);
    vp_test_until(told.events->len > 0);
    again = dup(STDERR_FILENO);
    g_assert_cmpint(again, ==, lowest);
    close(again);
    user = vp_test_user_new(told.session);
    vp_test_assert_works(peer, user);
    vp_test_told_stop(&told);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/misconduct/misbehaviour", test_misbehaviour);
    g_test_add_func("/qmp/misconduct/gone-while-sending", test_gone_while_sending);
    g_test_add_func("/qmp/misconduct/closed-at-every-byte", test_closed_at_every_byte);
    g_test_add_func("/qmp/misconduct/every-chunk-size", test_every_chunk_size);
    g_test_add_func("/qmp/misconduct/strays", test_strays);
    g_test_add_func("/qmp/misconduct/endless-line", test_endless_line);
    g_test_add_func("/qmp/misconduct/longest-reply", test_longest_reply);
    g_test_add_func("/qmp/misconduct/events", test_events);
    g_test_add_func("/qmp/misconduct/name of an event", test_event_name);
    g_test_add_func("/qmp/misconduct/descriptors-from-peer", test_descriptors_from_peer);
    return g_test_run();
}
