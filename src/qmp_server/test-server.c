/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A client does not notice that the monitor is not its own. */

#include "qmp_server/test-stage.h"

/* --- negotiation ---------------------------------------------------------- */

static void
test_negotiation(void)
{
    Stage stage;
    VpTestPeer *peer = NULL;

    stage_start(&stage);
    peer = stage.scene.peer;
    expect(&stage, 0, GREETED);
    /* No command is found. */
    vp_test_peer_expect(peer, "{\"execute\":\"" PREFIX(1) "query-status\"}", NOT_FOUND);
    say(&stage, 0, "{\"execute\": \"query-status\", \"id\": 7}");
    expect(&stage, 0, "{\"id\": 7, " EXPECTING);
    /* What QEMU refuses for another reason it refuses in its own words. */
    vp_test_peer_expect(peer, "{\"execute\":\"" PREFIX(1) "x\",\"" PREFIX(1) "exec-oob\":\"y\"}",
                        "{\"id\": $ID, \"error\": {\"class\": \"GenericError\", \"desc\": \"'"
                        PREFIX(1) "exec-oob' is unexpected\"}}");
    say(&stage, 0, "{\"execute\":\"x\",\"exec-oob\":\"y\",\"id\":null}");
    expect(&stage, 0, "{\"id\": null, \"error\": {\"class\": \"GenericError\", \"desc\": "
                      "\"'exec-oob' is unexpected\"}}\r\n");
    /* So are arguments of qmp_capabilities. */
    vp_test_peer_expect(peer, CAPABILITIES, VP_TEST_ERROR);
    say(&stage, 0, CAPABILITIES);
    expect(&stage, 0, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}\r\n");
    vp_test_peer_expect(peer, CAPABILITIES, ALREADY);
    vp_test_peer_expect(peer, VP_TEST_STOP, VP_TEST_OK);
    say(&stage, 0, "{\"execute\":\"qmp_capabilities\",\"id\":[1]}" VP_TEST_STOP);
    expect(&stage, 0, "{\"return\": {}, \"id\": [1]}\r\n" OK);
    /* The second time it is an error, also for QEMU. */
    vp_test_peer_expect(peer, CAPABILITIES, ALREADY);
    say(&stage, 0, CAPABILITIES);
    expect(&stage, 0, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"Capabilities "
                      "negotiation is already complete, command ignored\"}}\r\n");
    /* Others are where they were. */
    expect(&stage, 1, GREETED);
    vp_test_peer_expect(peer, "{\"execute\":\"" PREFIX(2) "stop\"}", NOT_FOUND);
    say(&stage, 1, VP_TEST_STOP);
    expect(&stage, 1, "{" EXPECTING);
    stage_stop(&stage);
}

static void
test_out_of_band(void)
{
    Stage stage;
    VpTestPeer *peer = NULL;

    stage_start(&stage);
    peer = stage.scene.peer;
    negotiate(&stage, 0, CAPABILITIES);
    negotiate(&stage, 1, CAPABILITIES_OOB);
    /* Overtakes, for who has enabled it. */
    vp_test_peer_expect(peer, VP_TEST_STOP, NULL);
    vp_test_peer_expect(peer, VP_TEST_YANK, VP_TEST_OK);
    say(&stage, 1, VP_TEST_STOP "{\"exec-oob\":\"yank\",\"id\":1}");
    expect(&stage, 1, "{\"return\": {}, \"id\": 1}\r\n");
    vp_test_peer_say(peer, VP_TEST_ERROR_WITHOUT_ID);
    expect(&stage, 1, VP_TEST_ERROR_WITHOUT_ID "\r\n");
    /* Is unknown to the other. */
    vp_test_peer_expect(peer, "{\"" PREFIX(1) "exec-oob\":\"yank\"}",
                        "{\"id\": $ID, \"error\": {\"class\": \"GenericError\", \"desc\": \"member "
                        "'" PREFIX(1) "exec-oob' is unexpected\"}}");
    say(&stage, 0, "{\"exec-oob\":\"yank\",\"id\":2}");
    expect(&stage, 0, "{\"id\": 2, \"error\": {\"class\": \"GenericError\", \"desc\": \"member "
                      "'exec-oob' is unexpected\"}}\r\n");
    stage_stop(&stage);
}

/* A QEMU whose monitor cannot do that. */
static void
test_no_out_of_band(void)
{
    Stage stage;

    stage_start(&stage);
    vp_qmp_server_free(stage.server);
    stage.server = vp_qmp_server_new(stage.scene.peer->loop, "test", VP_TEST_GREETING, false, &ops,
                                     &stage);
    connect_client(&stage, 0);
    expect(&stage, 0, GREETED);
    vp_test_peer_expect(stage.scene.peer, CAPABILITIES_OOB, ALREADY);
    say(&stage, 0, CAPABILITIES_OOB);
    expect(&stage, 0, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Capability oob not "
                      "available\"}}\r\n");
    vp_test_peer_expect(stage.scene.peer, CAPABILITIES, ALREADY);
    say(&stage, 0, CAPABILITIES);
    expect(&stage, 0, OK);
    assert_works(&stage, 0);
    stage_stop(&stage);
}

/* --- input ---------------------------------------------------------------- */

#define PROBE "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"__org.virtpass_unclaimed\"}}"

#define ERROR_AT(place)                                                                            \
    "{\"error\": {\"class\": \"GenericError\", \"desc\": \"" place ": JSON parse error, x\"}}"

static void
test_bad_input(void)
{
    static const struct {
        const char *sent;
        const char *raw;    /* as it gets to QEMU */
        const char *answer; /* of QEMU */
    } cases[] = {
        { "{\"execute\": nope}", "{\"execute\": nope}", VP_TEST_ERROR_WITHOUT_ID },
        { "\xff", "\xff", VP_TEST_ERROR_WITHOUT_ID },
        { "{\"execute\": \"stop\", \"execute\": \"stop\"}",
          "{\"execute\": \"stop\", \"execute\": \"stop\"}", VP_TEST_ERROR_WITHOUT_ID },
        { "0123 ", "01", VP_TEST_ERROR_WITHOUT_ID },
        { "{\"a\": 1]", "{\"a\": 1]",
          VP_TEST_ERROR_WITHOUT_ID "\r\n" VP_TEST_ERROR_WITHOUT_ID },
    };
    Stage stage;

    stage_start(&stage);
    for (guint negotiated = 0; negotiated < 2; negotiated++) {
        if (negotiated)
            negotiate(&stage, 0, CAPABILITIES);
        else
            expect(&stage, 1, GREETED);
        for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
            g_autofree char *answer = g_strconcat(cases[i].answer, "\r\n", NULL);

            vp_test_peer_expect(stage.scene.peer, cases[i].raw, cases[i].answer);
            vp_test_peer_expect(stage.scene.peer, PROBE, VP_TEST_ERROR);
            say(&stage, !negotiated, cases[i].sent);
            expect(&stage, !negotiated, answer);
            say(&stage, !negotiated, "\n"); /* ends the recovery from the last case */
        }
    }
    assert_works(&stage, 0);
    stage_stop(&stage);
}

/* The place of a parse error is one in what this client has sent. */
static void
test_places(void)
{
    Stage stage;

    stage_start(&stage);
    negotiate(&stage, 0, CAPABILITIES);
    vp_test_peer_expect(stage.scene.peer, "[nope]", ERROR_AT("3:2"));
    vp_test_peer_expect(stage.scene.peer, PROBE, VP_TEST_ERROR);
    say(&stage, 0, "\n\n \t[nope]");
    expect(&stage, 0, ERROR_AT("3:4") "\r\n");
    vp_test_peer_expect(stage.scene.peer, "[else]", ERROR_AT("6:1")); /* as if it had two lines */
    vp_test_peer_expect(stage.scene.peer, PROBE, VP_TEST_ERROR);
    say(&stage, 0, "[else]");
    expect(&stage, 0, ERROR_AT("4:1") "\r\n");
    stage_stop(&stage);
}

static void
test_dialect(void)
{
    Stage stage;

    stage_start(&stage);
    negotiate(&stage, 0, CAPABILITIES);
    vp_test_peer_expect(stage.scene.peer, VP_TEST_STOP, VP_TEST_OK);
    say(&stage, 0, "{'execute': 'stop', 'id': 'a\"'}");
    expect(&stage, 0, "{\"return\": {}, \"id\": \"a\\\"\"}\r\n");
    stage_stop(&stage);
}

/* Our own refusals take their turn among QEMU's answers. */
static void
test_limits(void)
{
    g_autofree char *deep = g_strnfill(VP_QMP_NESTING_MAX + 1, '[');
    g_autofree char *closers = g_strnfill(VP_QMP_NESTING_MAX + 1, ']');
    Stage stage;

    stage_start(&stage);
    negotiate(&stage, 0, CAPABILITIES);
    vp_test_peer_expect(stage.scene.peer, VP_TEST_STOP, NULL);
    say(&stage, 0, VP_TEST_STOP);
    say(&stage, 0, deep);
    expect_nothing(&stage, 0);
    vp_test_peer_say(stage.scene.peer, VP_TEST_ERROR_WITHOUT_ID);
    expect(&stage, 0, VP_TEST_ERROR_WITHOUT_ID "\r\n{\"error\": {\"class\": \"GenericError\", "
                      "\"desc\": \"JSON nesting depth limit exceeded\"}}\r\n");
    assert_works(&stage, 0);
    stage_stop(&stage);
}

/* A command in many pieces, and many commands in one. */
static void
test_pieces(void)
{
    static const char text[] = VP_TEST_STOP "\n" VP_TEST_STOP;
    Stage stage;

    stage_start(&stage);
    negotiate(&stage, 0, CAPABILITIES);
    vp_test_peer_always(stage.scene.peer, VP_TEST_STOP, VP_TEST_OK);
    for (gsize i = 0; i < sizeof(text) - 1; i++) {
        say_bytes(&stage, 0, text + i, 1);
        vp_test_wait(1);
    }
    expect(&stage, 0, OK OK);
    for (guint round = 0; round < 10; round++) {
        g_autoptr(GString) many = g_string_new(NULL), answers = g_string_new(NULL);

        for (guint i = 0; i < VP_CLIENT_COMMANDS_MAX * 5; i++) {
            g_string_append(many, VP_TEST_STOP);
            g_string_append(answers, OK);
        }
        say(&stage, 0, many->str);
        expect(&stage, 0, answers->str);
    }
    stage_stop(&stage);
}

/* Commands without an answer, up to the limit and one past it: that is not even taken. */
static void
test_commands_max(void)
{
    Stage stage;

    stage_start(&stage);
    negotiate(&stage, 0, CAPABILITIES_OOB);
    stage.scene.peer->lenient = true;
    for (guint i = 0; i < VP_CLIENT_COMMANDS_MAX + 1; i++)
        say(&stage, 0, VP_TEST_YANK);
    vp_test_wait_received(&stage.scene, 1 + VP_CLIENT_COMMANDS_MAX);
    vp_test_peer_answer(stage.scene.peer, 1);
    expect(&stage, 0, OK);
    vp_test_wait_received(&stage.scene, 1 + VP_CLIENT_COMMANDS_MAX + 1);
    stage_stop(&stage);
}

/* --- events and output ---------------------------------------------------- */

static void
test_events(void)
{
    Stage stage;

    stage_start(&stage);
    vp_qmp_server_event(stage.server, EVENT, strlen(EVENT));
    negotiate(&stage, 0, CAPABILITIES);
    negotiate(&stage, 1, CAPABILITIES_OOB);
    vp_qmp_server_event(stage.server, EVENT, strlen(EVENT));
    expect(&stage, 0, EVENT "\r\n");
    expect(&stage, 1, EVENT "\r\n");
    expect(&stage, 2, GREETED);
    stage_stop(&stage);
}

/* A client that reads nothing is dropped past the limit, and only that one. */
static void
test_backlog(void)
{
    g_autofree char *big = g_strnfill(64 * 1024, 'x');
    Stage stage;
    guint sent = 0;

    stage_start(&stage);
    negotiate(&stage, 0, CAPABILITIES);
    negotiate(&stage, 1, CAPABILITIES);
    for (; stage.left == 0 && sent < 1000; sent++) {
        vp_qmp_server_event(stage.server, big, strlen(big));
        read_some(&stage, 1);
        g_main_context_iteration(NULL, FALSE);
        g_string_truncate(stage.read[1], 0);
    }
    g_assert_cmpuint(sent, >, VP_CLIENT_BACKLOG_MAX / (64 * 1024 + 2));
    g_assert_cmpuint(sent, <, VP_CLIENT_BACKLOG_MAX / (64 * 1024 + 2) + 20);
    g_assert_cmpuint(stage.left, ==, 1);
    g_assert_cmpuint(vp_qmp_server_clients(stage.server), ==, CLIENTS - 1);
    while (g_main_context_iteration(NULL, FALSE))
        read_some(&stage, 1);
    g_string_truncate(stage.read[1], 0);
    assert_works(&stage, 1);
    stage_stop(&stage);
}

/* Who does not read its answers is not read either. */
static void
test_slow_reader(void)
{
    g_autofree char *filling = g_strnfill(100 * 1000, 'x');
    g_autofree char *answer = g_strdup_printf("{\"return\": \"%s\", \"id\": $ID}", filling);
    Stage stage;
    guint received = 0;

    stage_start(&stage);
    negotiate(&stage, 0, CAPABILITIES);
    vp_test_peer_always(stage.scene.peer, VP_TEST_STOP, answer);
    for (guint i = 0; i < 200; i++)
        say(&stage, 0, VP_TEST_STOP);
    vp_test_wait(100);
    received = stage.scene.stats->commands;
    g_assert_cmpuint(received, <, 100);
    vp_test_until(has_read(&stage, 0, 200 * 100 * 1000));
    g_assert_cmpuint(stage.scene.stats->commands, >=, 200);
    stage_stop(&stage);
}

/* --- ends ----------------------------------------------------------------- */

/* Who has sent all gets its answers, then the end. */
static void
test_half_closed(void)
{
    Stage stage;

    stage_start(&stage);
    expect(&stage, 0, GREETED);
    vp_test_peer_expect(stage.scene.peer, CAPABILITIES, ALREADY);
    vp_test_peer_expect(stage.scene.peer, VP_TEST_STOP, VP_TEST_OK);
    say(&stage, 0, CAPABILITIES VP_TEST_STOP "{\"half\": ");
    shutdown(stage.ends[0], SHUT_WR);
    vp_test_until(!read_some(&stage, 0));
    g_assert_cmpstr(stage.read[0]->str, ==, OK OK);
    vp_test_until(stage.left == 1);
    stage_stop(&stage);
}

/* Who is gone has its commands carried out. */
static void
test_gone(void)
{
    Stage stage;

    stage_start(&stage);
    vp_test_peer_expect(stage.scene.peer, CAPABILITIES, ALREADY);
    vp_test_peer_expect(stage.scene.peer, VP_TEST_STOP, VP_TEST_OK);
    say(&stage, 0, CAPABILITIES VP_TEST_STOP);
    vp_clear_fd(&stage.ends[0]);
    vp_test_until(vp_test_peer_done(stage.scene.peer) && stage.left == 1);
    negotiate(&stage, 1, CAPABILITIES);
    assert_works(&stage, 1);
    /* In the middle of a command, and while one has no answer. */
    vp_test_peer_expect(stage.scene.peer, VP_TEST_STOP, NULL);
    say(&stage, 1, VP_TEST_STOP "{\"execute\": ");
    vp_test_until(vp_test_peer_done(stage.scene.peer));
    vp_clear_fd(&stage.ends[1]);
    vp_test_wait(5);
    vp_test_peer_say(stage.scene.peer, VP_TEST_ERROR_WITHOUT_ID);
    vp_test_until(stage.left == 2);
    negotiate(&stage, 2, CAPABILITIES);
    assert_works(&stage, 2);
    stage_stop(&stage);
}

static void
test_session_lost(void)
{
    Stage stage;

    stage_start(&stage);
    negotiate(&stage, 0, CAPABILITIES);
    negotiate(&stage, 1, CAPABILITIES);
    vp_test_peer_expect(stage.scene.peer, VP_TEST_STOP, NULL);
    say(&stage, 0, VP_TEST_STOP);
    vp_test_until(vp_test_peer_done(stage.scene.peer));
    vp_test_peer_hang_up(stage.scene.peer);
    expect_end(&stage, 0);
    /* Who had nothing under way learns it when the server ends. */
    expect_nothing(&stage, 1);
    g_clear_pointer(&stage.server, vp_qmp_server_free);
    expect_end(&stage, 1);
    stage_stop(&stage);
}

static void
test_clients_max(void)
{
    g_autoptr(GArray) ends = g_array_new(FALSE, FALSE, sizeof(int));
    Stage stage;

    vp_raise_fd_limit();
    stage_start(&stage);
    for (guint i = CLIENTS; i < VP_QMP_CLIENTS_MAX; i++) {
        int pair[2] = { -1, -1 };

        g_assert_false(vp_qmp_server_is_full(stage.server));
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
            g_test_skip("not enough descriptors are allowed");
            break;
        }
        g_array_append_val(ends, pair[0]);
        vp_qmp_server_add(stage.server, pair[1], NULL);
    }
    if (ends->len == VP_QMP_CLIENTS_MAX - CLIENTS) {
        g_assert_true(vp_qmp_server_is_full(stage.server));
        vp_clear_fd(&stage.ends[0]);
        vp_test_until(stage.left == 1);
        g_assert_false(vp_qmp_server_is_full(stage.server));
    }
    vp_close_fds((int *)(gpointer)ends->data, ends->len);
    stage_stop(&stage);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp_server/negotiation", test_negotiation);
    g_test_add_func("/qmp_server/out-of-band", test_out_of_band);
    g_test_add_func("/qmp_server/no-out-of-band", test_no_out_of_band);
    g_test_add_func("/qmp_server/bad-input", test_bad_input);
    g_test_add_func("/qmp_server/dialect", test_dialect);
    g_test_add_func("/qmp_server/places", test_places);
    g_test_add_func("/qmp_server/limits", test_limits);
    g_test_add_func("/qmp_server/pieces", test_pieces);
    g_test_add_func("/qmp_server/commands-max", test_commands_max);
    g_test_add_func("/qmp_server/events", test_events);
    g_test_add_func("/qmp_server/backlog", test_backlog);
    g_test_add_func("/qmp_server/slow-reader", test_slow_reader);
    g_test_add_func("/qmp_server/half-closed", test_half_closed);
    g_test_add_func("/qmp_server/gone", test_gone);
    g_test_add_func("/qmp_server/session-lost", test_session_lost);
    g_test_add_func("/qmp_server/clients-max", test_clients_max);
    return g_test_run();
}
