/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The life of a session: shaking hands in every manner, not being let in, coming back, being freed
 * at the worst moments, and a thousand of them.
 */

#include "qmp/test-scene.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/socket.h"

#include <malloc.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

static void
test_handshake(void)
{
    g_autoptr(VpTestPeer) peer = vp_test_peer_new();
    g_autoptr(VpTestUser) user = NULL;
    VpTestTold told;

    vp_test_peer_forget(peer);
    vp_test_peer_expect(peer, VP_TEST_ENABLE_OOB, VP_TEST_OK);
    vp_test_told_start(&told, peer, NULL);
    g_assert_true(vp_test_told_is(&told, VP_QMP_CONNECTING));
    g_assert_null(vp_qmp_session_greeting(told.session));
    vp_test_until(vp_test_told_is(&told, VP_QMP_READY));
    g_assert_cmpstr(told.states->str, ==, "negotiating|ready|");
    g_assert_true(vp_test_peer_done(peer));
    g_assert_true(vp_qmp_session_has_oob(told.session));
    g_assert_cmpstr(vp_qmp_session_greeting(told.session), ==, VP_TEST_GREETING);
    g_assert_cmpstr(vp_qmp_session_reason(told.session), ==, "");
    g_assert_cmpstr(vp_qmp_session_path(told.session), ==, peer->path);
    g_assert_cmpuint(vp_qmp_session_stats(told.session)->connections, ==, 1);
    user = vp_test_user_new(told.session);
    vp_test_assert_works(peer, user);
    vp_test_told_stop(&told);
}

/* Handshakes that differ from the ordinary and are fine. */
static void
test_handshake_variants(void)
{
    static const struct {
        const char *greeting;
        const char *capabilities; /* the command that has to come */
        const char *answer;       /* to it */
        bool oob;
    } cases[] = {
        { "{\"QMP\": {\"version\": {}, \"capabilities\": []}}",
          "{\"execute\":\"qmp_capabilities\"}", VP_TEST_OK, false },
        { "{\"QMP\": {\"version\": {}}}", "{\"execute\":\"qmp_capabilities\"}", VP_TEST_OK, false },
        { "{\"QMP\": {\"capabilities\": [\"new\", \"oob\"]}}", VP_TEST_ENABLE_OOB, VP_TEST_OK,
          true },
        { "{\"QMP\": {\"capabilities\": [\"oobs\", [\"oob\"]]}}",
          "{\"execute\":\"qmp_capabilities\"}", VP_TEST_OK, false },
        { VP_TEST_GREETING, VP_TEST_ENABLE_OOB,
          "{\"event\": \"RESUME\"}\r\n{\"id\": $ID, \"return\": {}}", true },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VpTestPeer) peer = vp_test_peer_new();
        g_autoptr(VpTestUser) user = NULL;
        VpTestTold told;

        peer->greeting = cases[i].greeting;
        vp_test_peer_forget(peer);
        vp_test_peer_expect(peer, cases[i].capabilities, cases[i].answer);
        vp_test_told_start(&told, peer, NULL);
        vp_test_until(vp_test_told_is(&told, VP_QMP_READY));
        g_assert_true(vp_test_peer_done(peer));
        g_assert_true(vp_qmp_session_has_oob(told.session) == cases[i].oob);
        g_assert_cmpstr(told.events->str, ==, ""); /* events before READY are nobody's */
        user = vp_test_user_new(told.session);
        vp_test_assert_works(peer, user);
        vp_test_told_stop(&told);
    }
}

/* The peer says something that ends the connection; then it behaves, and all is well. */
static void
test_bad_handshake(void)
{
    static const struct {
        const char *greeting;
        const char *capabilities;
        const char *reason;
    } cases[] = {
        { "SSH-2.0-OpenSSH_9.2", "", "* bytes that are no QMP message" },
        { "", "", "* 0 bytes that are no QMP message" },
        { "{\"QMP\": {}", "", "* bytes that are no QMP message" },
        { "{\"return\": {}}", "", "* its first message is no greeting" },
        { "{\"event\": \"STOP\"}", "", "* its first message is no greeting" },
        { VP_TEST_GREETING, "{\"id\": $ID, \"error\": {\"class\": \"GenericError\"}}",
          "* does not answer qmp_capabilities as QEMU does" },
        { VP_TEST_GREETING, "{\"error\": {\"class\": \"GenericError\"}}",
          "* does not answer qmp_capabilities as QEMU does" },
        { VP_TEST_GREETING, "{\"return\": {}}", "* does not answer qmp_capabilities *" },
        { VP_TEST_GREETING, "{\"return\": {}, \"id\": 7}", "* does not answer qmp_capabilities *" },
        { VP_TEST_GREETING, VP_TEST_GREETING, "* does not answer qmp_capabilities *" },
        { VP_TEST_GREETING, "garbage", "* 7 bytes that are no QMP message" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VpTestPeer) peer = vp_test_peer_new();
        g_autoptr(VpTestUser) user = NULL;
        VpTestTold told;

        vp_test_peer_forget(peer);
        peer->greeting = cases[i].greeting;
        peer->lenient = true;
        vp_test_peer_always(peer, VP_TEST_ENABLE_OOB, cases[i].capabilities);
        vp_test_told_start(&told, peer, NULL);
        vp_test_until(vp_test_told_is(&told, VP_QMP_LOST));
        g_assert_true(g_pattern_match_simple(cases[i].reason,
                                             vp_qmp_session_reason(told.session)));
        peer->greeting = VP_TEST_GREETING;
        vp_test_peer_forget(peer);
        vp_test_peer_always(peer, VP_TEST_ENABLE_OOB, VP_TEST_OK);
        vp_test_until(vp_test_told_is(&told, VP_QMP_READY));
        user = vp_test_user_new(told.session);
        vp_test_assert_works(peer, user);
        vp_test_told_stop(&told);
    }
}

/* An owner who connects himself, and at first finds a stranger. */
typedef struct Careful {
    VpTestPeer *peer;
    bool trusts;
    guint attempts;
} Careful;

static int
connect_carefully(VpQmpSession *session, GError **error, gpointer data)
{
    Careful *careful = data;

    careful->attempts++;
    if (careful->trusts)
        return vp_socket_connect(vp_qmp_session_path(session), NULL, error);
    vp_refuse(error, VP_ERROR_STRANGER, "process 5 is not the guest's");
    return -1;
}

/* Somebody else: told as the owner says it, not tried again soon, but at once when asked to. */
static void
test_stranger(void)
{
    static const VpQmpSessionOps ops = { .connect = connect_carefully };
    g_autoptr(VpTestPeer) peer = vp_test_peer_new();
    Careful careful = { .peer = peer };
    VpQmpSession *session = vp_qmp_session_new(peer->loop, "test", peer->path, &ops, &careful);

    vp_test_until(vp_qmp_session_state(session) == VP_QMP_LOST);
    g_assert_cmpstr(vp_qmp_session_reason(session), ==, "process 5 is not the guest's");
    vp_test_wait(4 * VP_QMP_RETRY_MIN_MS);
    g_assert_cmpuint(careful.attempts, ==, 1);
    g_assert_cmpuint(peer->accepted, ==, 0);
    vp_qmp_session_retry(session);
    vp_test_until(careful.attempts == 2 && vp_qmp_session_state(session) == VP_QMP_LOST);
    careful.trusts = true;
    vp_qmp_session_retry(session);
    vp_test_until(vp_qmp_session_state(session) == VP_QMP_READY);
    vp_qmp_session_free(session);
}

/* Nobody there: attempts at 100, 200, 400 ms. */
static void
test_back_off(void)
{
    g_autoptr(VpTestPeer) peer = vp_test_peer_new();
    gint64 start = 0, took = 0;
    VpTestTold told;

    peer->greeting = "no";
    vp_test_told_start(&told, peer, NULL);
    vp_test_until(vp_test_told_is(&told, VP_QMP_LOST));
    start = g_get_monotonic_time();
    vp_test_until(peer->accepted == 4 && vp_test_told_is(&told, VP_QMP_LOST));
    took = (g_get_monotonic_time() - start) / 1000;
    g_assert_cmpint(took, >=, 7 * VP_QMP_RETRY_MIN_MS - 10);
    g_assert_cmpint(took, <, 20 * VP_QMP_RETRY_MIN_MS);
    g_assert_cmpstr(told.states->str, ==,
                    "lost|connecting|lost|connecting|lost|connecting|lost|");
    vp_qmp_session_retry(told.session); /* does not wait for the 800 ms */
    start = g_get_monotonic_time();
    vp_test_until(peer->accepted == 5);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 400000);
    vp_test_told_stop(&told);
}

/* Becomes READY and is lost again, @times. */
static void
flap(VpTestTold *told, VpTestPeer *peer, guint times)
{
    for (guint i = 0; i < times; i++) {
        vp_test_until(vp_test_told_is(told, VP_QMP_READY));
        vp_test_peer_say(peer, "oops");
        vp_test_until(vp_test_told_is(told, VP_QMP_LOST));
    }
}

/* A session that was READY for a moment only does not start at the shortest delay again. */
static void
test_back_off_of_flapping_peer(void)
{
    g_autoptr(VpTestPeer) peer = vp_test_peer_new();
    gint64 start = g_get_monotonic_time();
    VpTestTold told;

    vp_test_told_start(&told, peer, NULL);
    flap(&told, peer, 4);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 690000); /* 100 + 200 + 400 ms */
    g_assert_cmpuint(peer->accepted, ==, 4);
    g_assert_cmpuint(vp_qmp_session_stats(told.session)->connections, ==, 4);
    vp_test_told_stop(&told);
}

static void
test_no_socket(void)
{
    g_autoptr(VpTestPeer) peer = vp_test_peer_new();
    g_autofree char *nowhere = g_strdup_printf("%s/none", peer->directory);
    g_autofree char *too_long = g_strnfill(200, 'x');
    const char *paths[] = { nowhere, too_long };

    for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
        VpTestTold told;

        vp_test_told_start(&told, peer, paths[i]);
        vp_test_until(vp_test_told_is(&told, VP_QMP_LOST));
        g_assert_nonnull(strstr(vp_qmp_session_reason(told.session), paths[i]));
        vp_test_told_stop(&told);
    }
}

/* What takes five seconds, at the same time: two kinds of silence, and a session that has been bad
 * and is good for long enough to be forgiven. */
static void
test_five_seconds(void)
{
    g_autoptr(VpTestPeer) silent = vp_test_peer_new(), halfway = vp_test_peer_new();
    g_autoptr(VpTestPeer) better = vp_test_peer_new();
    gint64 start = 0, took = 0;
    VpTestTold one, other, third;

    vp_test_told_start(&third, better, NULL);
    flap(&third, better, 4); /* the next delay is 1600 ms */
    vp_test_until(vp_test_told_is(&third, VP_QMP_READY));
    silent->greeting = NULL;
    vp_test_peer_forget(halfway);
    halfway->lenient = true; /* hears qmp_capabilities and says nothing */
    vp_test_told_start(&one, silent, NULL);
    vp_test_told_start(&other, halfway, NULL);
    start = g_get_monotonic_time();
    vp_test_until(vp_test_told_is(&one, VP_QMP_LOST) && vp_test_told_is(&other, VP_QMP_LOST));
    took = (g_get_monotonic_time() - start) / 1000;
    g_assert_cmpint(took, >=, VP_QMP_HANDSHAKE_MS - 10);
    g_assert_cmpint(took, <, 2 * VP_QMP_HANDSHAKE_MS);
    g_assert_cmpstr(vp_qmp_session_reason(one.session), ==,
                    "no greeting within 5 s: QEMU is stopped, or another client is connected to "
                    "its monitor");
    g_assert_true(g_str_has_prefix(vp_qmp_session_reason(other.session), "no answer within 5 s"));
    silent->greeting = VP_TEST_GREETING; /* whoever was there has gone */
    vp_test_until(vp_test_told_is(&one, VP_QMP_READY));

    start = g_get_monotonic_time();
    flap(&third, better, 1);
    vp_test_until(vp_test_told_is(&third, VP_QMP_READY));
    g_assert_cmpint(g_get_monotonic_time() - start, <, 1000000);
    vp_test_told_stop(&one);
    vp_test_told_stop(&other);
    vp_test_told_stop(&third);
}

/* A backlog that is full is as good as nobody. */
static void
test_full_backlog(void)
{
    g_autoptr(VpTestPeer) peer = vp_test_peer_new();
    VpQmpSession *sessions[3] = { NULL };
    static const VpQmpSessionOps silent = { 0 };
    guint lost = 0;

    g_assert_cmpint(listen(peer->listener, 0), ==, 0);
    vp_watch_set(&peer->watch, 0); /* nobody accepts */
    for (guint i = 0; i < G_N_ELEMENTS(sessions); i++)
        sessions[i] = vp_qmp_session_new(peer->loop, "test", peer->path, &silent, NULL);
    vp_test_wait(50);
    for (guint i = 0; i < G_N_ELEMENTS(sessions); i++) {
        lost += vp_qmp_session_state(sessions[i]) == VP_QMP_LOST;
        vp_qmp_session_free(sessions[i]);
    }
    g_assert_cmpuint(lost, ==, 2); /* one has found a place */
}

/* The session goes in each of its own calls. */
static void
test_freed_in_state(void)
{
    for (VpQmpState state = VP_QMP_CONNECTING; state <= VP_QMP_LOST; state++) {
        g_autoptr(VpTestPeer) peer = vp_test_peer_new();
        gsize before = 0;
        VpTestTold told;

        vp_test_told_start(&told, peer, NULL);
        told.free_in = state;
        if (state == VP_QMP_CONNECTING || state == VP_QMP_LOST) {
            vp_test_until(vp_test_told_is(&told, VP_QMP_READY));
            vp_test_peer_say(peer, "garbage");
        }
        vp_test_until(!told.session);
        before = told.states->len;
        vp_test_wait(2 * VP_QMP_RETRY_MIN_MS);
        g_assert_cmpuint(told.states->len, ==, before); /* nothing comes any more */
        g_assert_cmpuint(peer->connections.length, ==, 0);
        vp_test_told_stop(&told);
    }
}

static void
test_freed_early(void)
{
    g_autoptr(VpTestPeer) peer = vp_test_peer_new();
    VpQmpQueue *queue = NULL;
    char *message = NULL;
    VpTestTold told;

    vp_test_told_start(&told, peer, NULL);
    queue = vp_qmp_queue_new(told.session);
    vp_qmp_session_free(told.session);
    told.session = NULL;
    vp_test_wait(20);
    g_assert_cmpstr(told.states->str, ==, "");
    g_assert_cmpuint(peer->accepted, ==, 0);
    /* The queue may outlive it. */
    g_assert_cmpint(vp_qmp_queue_send(queue, "{}", 2, NULL, 0, NULL, NULL, &message), ==,
                    VP_QMP_NOT_READY);
    vp_qmp_queue_free(queue);
    vp_qmp_queue_free(NULL);
    vp_qmp_session_free(NULL);
    vp_test_told_stop(&told);
}

/* A thousand at once: quickly, and an idle one costs little memory. */
static void
test_a_thousand(void)
{
#if defined(__SANITIZE_ADDRESS__)
    const gint64 milliseconds = 20000;
    const gsize bytes = 100000;
#else
    const gint64 milliseconds = 2000;
    const gsize bytes = 4096;
#endif
    static const VpQmpSessionOps silent = { 0 };
    g_autoptr(VpTestPeer) peer = NULL;
    VpQmpSession *sessions[1000] = { NULL };
    gint64 start = 0, took = 0;
    gsize before = 0, each = 0;
    struct rlimit limit = { 0 };

    vp_raise_fd_limit();
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < 2100) {
        g_test_skip("needs 2100 descriptors");
        return;
    }
    peer = vp_test_peer_new();
    before = mallinfo2().uordblks;
    start = g_get_monotonic_time();
    for (guint i = 0; i < G_N_ELEMENTS(sessions); i++)
        sessions[i] = vp_qmp_session_new(peer->loop, "test", peer->path, &silent, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(sessions); i++)
        vp_test_until(vp_qmp_session_state(sessions[i]) == VP_QMP_READY);
    took = (g_get_monotonic_time() - start) / 1000;
    /* The peer's own memory is counted too: this is an upper bound. */
    each = (mallinfo2().uordblks - before) / G_N_ELEMENTS(sessions);
    g_test_message("1000 sessions ready in %d ms, %d bytes each", (int)took, (int)each);
    g_assert_cmpint(took, <, milliseconds);
    g_assert_cmpuint(each, <, bytes);
    for (guint i = 0; i < G_N_ELEMENTS(sessions); i++)
        vp_qmp_session_free(sessions[i]);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/session/handshake", test_handshake);
    g_test_add_func("/qmp/session/handshake-variants", test_handshake_variants);
    g_test_add_func("/qmp/session/bad-handshake", test_bad_handshake);
    g_test_add_func("/qmp/session/stranger", test_stranger);
    g_test_add_func("/qmp/session/back-off", test_back_off);
    g_test_add_func("/qmp/session/back-off-of-flapping-peer", test_back_off_of_flapping_peer);
    g_test_add_func("/qmp/session/no-socket", test_no_socket);
    g_test_add_func("/qmp/session/five-seconds", test_five_seconds);
    g_test_add_func("/qmp/session/full-backlog", test_full_backlog);
    g_test_add_func("/qmp/session/freed-in-state", test_freed_in_state);
    g_test_add_func("/qmp/session/freed-early", test_freed_early);
    g_test_add_func("/qmp/session/a-thousand", test_a_thousand);
    return g_test_run();
}
