/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The dialogue of added commands with a scripted QEMU: who answers, in which order, in which form,
 * and what is left when somebody goes. The commands are those of test-registry.c.
 */

#include "added/added.h"
#include "base/limits.h"
#include "json/tree.h"
#include "qmp/test-scene.h"

#include <string.h>

#define COMMANDS "{\"execute\":\"query-commands\"}"
#define COMMANDS_ANSWER                                                                            \
    "{\"return\": [{\"name\": \"stop\"}, {\"name\": \"cont\"}, {\"name\": \"query-status\"}], "    \
    "\"id\": $ID}"
#define STATUS "{\"execute\":\"query-status\"}"
#define STATUS_ANSWER "{\"return\": {\"status\": \"paused\"}, \"id\": $ID}"
#define NOW "{\"execute\":\"test-now\"}"
#define HANG "{\"execute\":\"test-hang\"}"
#define DONE "{\"return\": {}}"

extern guint vp_test_destroyed;

typedef struct Stage {
    VpTestPeer *peer;
    VpTestTold told;       /* the session */
    VpAdded *added;
    VpAddedUser *users[2];
    GPtrArray *replies[2]; /* char *; "LOST" for VP_QMP_SESSION_LOST */
    char *kept;
    bool refuse;           /* to store */
    GString *emitted;
    VpAddedKeepFunc func;  /* of the load or store under way */
    gpointer func_data;
    VpAddedSnapshotsFunc hear; /* of the list that is being asked for */
    GSource *later;
} Stage;

/* --- the host ------------------------------------------------------------- */

static const char *
host_name(gpointer data G_GNUC_UNUSED)
{
    return "test";
}

static pid_t
host_pid(gpointer data G_GNUC_UNUSED)
{
    return 7;
}

static gboolean
on_kept(gpointer data)
{
    Stage *stage = data;
    g_autoptr(GError) error = NULL;

    vp_loop_cancel(&stage->later);
    if (stage->refuse)
        g_set_error_literal(&error, G_FILE_ERROR, 0, "refused");
    stage->func(stage->kept, error, stage->func_data);
    return G_SOURCE_REMOVE;
}

static gboolean
on_stored(gpointer data)
{
    Stage *stage = data;
    g_autofree char *kept = g_steal_pointer(&stage->kept);

    on_kept(stage);
    if (!stage->kept)
        stage->kept = g_steal_pointer(&kept);
    return G_SOURCE_REMOVE;
}

static void
begin(Stage *stage, GSourceFunc later, VpAddedKeepFunc func, gpointer func_data)
{
    g_assert_null(stage->later);
    stage->func = func;
    stage->func_data = func_data;
    stage->later = vp_loop_timer(stage->peer->loop, 0, later, stage);
}

static void
host_load(const char *key, VpAddedKeepFunc func, gpointer func_data, gpointer data)
{
    g_assert_cmpstr(key, ==, "test");
    begin(data, on_kept, func, func_data);
}

static void
host_store(const char *key, const char *text, VpAddedKeepFunc func, gpointer func_data,
           gpointer data)
{
    Stage *stage = data;

    g_assert_cmpstr(key, ==, "test");
    g_free(stage->kept);
    stage->kept = g_strdup(text);
    begin(stage, on_stored, func, func_data);
}

/* One snapshot, or with @refuse nothing. */
static gboolean
on_heard(gpointer data)
{
    Stage *stage = data;
    VpLibvirtSnapshot snapshot = { .name = (char *)"a" };
    g_autoptr(GPtrArray) list = g_ptr_array_new();

    g_ptr_array_add(list, &snapshot);
    vp_loop_cancel(&stage->later);
    g_steal_pointer(&stage->hear)(stage->refuse ? NULL : list, stage->func_data);
    return G_SOURCE_REMOVE;
}

static void
host_hear(VpAddedSnapshotsFunc func, gpointer func_data, gpointer data)
{
    Stage *stage = data;

    begin(stage, on_heard, NULL, func_data);
    stage->hear = func;
}

static void
host_emit(const char *name, const char *json, gpointer data)
{
    g_string_append_printf(((Stage *)data)->emitted, "%s %s|", name, json);
}

static const VpAddedHost host = {
    .domain_name = host_name, .emulator = host_name, .pid = host_pid, .load = host_load,
    .store = host_store, .libvirt_snapshots = host_hear, .emit = host_emit,
};

/* --- the stage ------------------------------------------------------------ */

static Stage *current;

static void
on_state(VpQmpSession *session G_GNUC_UNUSED, VpQmpState state, gpointer data G_GNUC_UNUSED)
{
    if (state == VP_QMP_LOST && current->added)
        vp_added_lost(current->added);
}

static void
on_event(VpQmpSession *session G_GNUC_UNUSED, const VpQmpEvent *event, gpointer data G_GNUC_UNUSED)
{
    vp_added_event(current->added, event);
}

static const VpQmpSessionOps ops = { .state = on_state, .event = on_event };

static void
start(Stage *stage)
{
    *stage = (Stage){ .emitted = g_string_new(NULL) };
    current = stage;
    stage->peer = vp_test_peer_new();
    stage->told.session = vp_qmp_session_new(stage->peer->loop, "test", stage->peer->path, &ops,
                                             stage);
    stage->added = vp_added_new(stage->peer->loop, stage->told.session, NULL, &host, stage);
    for (guint i = 0; i < G_N_ELEMENTS(stage->users); i++) {
        stage->users[i] = vp_added_user_new(stage->added);
        stage->replies[i] = g_ptr_array_new_with_free_func(g_free);
    }
    vp_test_peer_always(stage->peer, COMMANDS, COMMANDS_ANSWER);
    vp_test_until(vp_qmp_session_state(stage->told.session) == VP_QMP_READY);
}

/* @users_first: a client leaves before the session does, or the other way round. */
static void
stop(Stage *stage, bool users_first)
{
    for (guint i = 0; users_first && i < G_N_ELEMENTS(stage->users); i++)
        g_clear_pointer(&stage->users[i], vp_added_user_free);
    vp_qmp_session_free(stage->told.session);
    g_clear_pointer(&stage->added, vp_added_free);
    for (guint i = 0; i < G_N_ELEMENTS(stage->users); i++) {
        vp_added_user_free(stage->users[i]);
        g_ptr_array_unref(stage->replies[i]);
    }
    if (stage->later && stage->hear)
        on_heard(stage);
    else if (stage->later)
        on_kept(stage);
    g_free(stage->kept);
    g_string_free(stage->emitted, TRUE);
    vp_test_peer_free(stage->peer);
    current = NULL;
}

static void
on_reply(VpQmpOutcome outcome, const char *reply, gsize size, gpointer data)
{
    if (outcome == VP_QMP_REPLIED)
        g_assert_cmpuint(strlen(reply), ==, size);
    g_ptr_array_add(data, g_strdup(outcome == VP_QMP_REPLIED ? reply : "LOST"));
}

static VpQmpVerdict
try(Stage *stage, guint user, const char *json, guint n_fds)
{
    g_autofree char *message = NULL;
    VpQmpVerdict verdict = vp_added_send(stage->users[user], json, strlen(json), vp_test_fds,
                                         n_fds, on_reply, stage->replies[user], &message);

    g_assert_true((verdict == VP_QMP_INVALID) == (message != NULL));
    return verdict;
}

static void
send(Stage *stage, guint user, const char *json)
{
    guint before = stage->replies[user]->len;

    g_assert_cmpint(try(stage, user, json, 0), ==, VP_QMP_ACCEPTED);
    g_assert_cmpuint(stage->replies[user]->len, ==, before); /* never inside of the call */
}

static void
await(Stage *stage, guint user, guint n, const char *last)
{
    vp_test_until(stage->replies[user]->len >= n);
    vp_test_wait(2);
    g_assert_cmpuint(stage->replies[user]->len, ==, n);
    g_assert_cmpstr(g_ptr_array_index(stage->replies[user], n - 1), ==, last);
}

/* Native and added commands work. */
static void
assert_works(Stage *stage, guint user)
{
    guint n = stage->replies[user]->len;

    vp_test_peer_expect(stage->peer, STATUS, STATUS_ANSWER);
    send(stage, user, STATUS);
    send(stage, user, NOW);
    await(stage, user, n + 2, DONE);
}

/* --- tests ---------------------------------------------------------------- */

/* Command, what QEMU is sent for it and says, the reply. */
static void
test_forms(void)
{
    static const struct {
        const char *command, *sent, *answer, *reply;
    } cases[] = {
        { NOW, NULL, NULL, DONE },
        { "{\"execute\":\"test-now\", \"id\": [ 1,2 ]}", NULL, NULL,
          "{\"return\": {}, \"id\": [ 1,2 ]}" },
        { " {\"id\":\"x\",\"execute\":\"test\\u002dnow\",\"arguments\":{}}\n", NULL, NULL,
          "{\"return\": {}, \"id\": \"x\"}" },
        { "{\"execute\":\"query-test\",\"arguments\":{\"text\":\"\\u00e4\\\"\"},\"id\":null}",
          STATUS, STATUS_ANSWER,
          "{\"return\": {\"text\": \"ä\\\"\", \"status\": \"paused\"}, \"id\": null}" },
        { "{\"execute\":\"query-test\",\"arguments\":{\"text\":\"\",\"count\":-3,\"loud\":true,"
          "\"words\":[\"a\",\"b\"]}}", STATUS, STATUS_ANSWER,
          "{\"return\": {\"text\": \"\", \"status\": \"paused\"}}" },
        { "{\"execute\":\"query-test\",\"arguments\":{\"text\":\"\"},\"id\":3}", STATUS,
          VP_TEST_ERROR, "{\"id\": 3, \"error\": {\"class\": \"GenericError\", "
                         "\"desc\": \"no status: x\"}}" },
        /* QEMU's own go there, and what it refuses by itself */
        { VP_TEST_STOP, VP_TEST_STOP, VP_TEST_OK, DONE },
        { "{\"execute\":\"cont\"}", NULL, NULL, DONE },
        { "{\"execute\":\"unknown\"}", "{\"execute\":\"unknown\"}", VP_TEST_ERROR,
          VP_TEST_ERROR_WITHOUT_ID },
        { "{\"exec-oob\":\"test-now\"}", "{\"exec-oob\":\"test-now\"}", VP_TEST_ERROR,
          VP_TEST_ERROR_WITHOUT_ID },
        { "{\"execute\":\"test-now\",\"more\":1}", "{\"execute\":\"test-now\",\"more\":1}",
          VP_TEST_ERROR, VP_TEST_ERROR_WITHOUT_ID },
        { "{\"execute\":\"test-now\",\"arguments\":7}",
          "{\"execute\":\"test-now\",\"arguments\":7}", VP_TEST_ERROR, VP_TEST_ERROR_WITHOUT_ID },
        { "{\"execute\":7}", "{\"execute\":7}", VP_TEST_ERROR, VP_TEST_ERROR_WITHOUT_ID },
        { "{\"execute\":\"\\ud800\"}", "{\"execute\":\"\\ud800\"}", VP_TEST_ERROR_WITHOUT_ID,
          VP_TEST_ERROR_WITHOUT_ID },
        { "[\"execute\"]", "[\"execute\"]", VP_TEST_ERROR_WITHOUT_ID, VP_TEST_ERROR_WITHOUT_ID },
    };
    Stage stage;

    start(&stage);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        if (cases[i].sent)
            vp_test_peer_expect(stage.peer, cases[i].sent, cases[i].answer);
        send(&stage, 0, cases[i].command);
        await(&stage, 0, stage.replies[0]->len + 1, cases[i].reply);
        g_assert_true(vp_test_peer_done(stage.peer));
    }
    assert_works(&stage, 0);
    stop(&stage, true);
}

/* Arguments that are wrong are named as QEMU does. */
static void
test_arguments(void)
{
    static const struct {
        const char *arguments, *desc;
    } cases[] = {
        { "{}", "Parameter 'text' is missing" },
        { "{\"text\":1}", "Invalid parameter type for 'text', expected: string" },
        { "{\"text\":null}", "Invalid parameter type for 'text', expected: string" },
        { "{\"text\":\"\",\"count\":\"1\"}",
          "Invalid parameter type for 'count', expected: integer" },
        { "{\"text\":\"\",\"count\":1.5}",
          "Invalid parameter type for 'count', expected: integer" },
        { "{\"text\":\"\",\"count\":9223372036854775808}",
          "Invalid parameter type for 'count', expected: integer" },
        { "{\"text\":\"\",\"loud\":\"on\"}",
          "Invalid parameter type for 'loud', expected: boolean" },
        { "{\"text\":\"\",\"words\":\"a\"}",
          "Invalid parameter type for 'words', expected: array" },
        { "{\"text\":\"\",\"words\":[\"a\",1]}",
          "Invalid parameter type for 'words[1]', expected: string" },
        { "{\"text\":\"\",\"word\":[]}", "Parameter 'word' is unexpected" },
    };
    Stage stage;

    start(&stage);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *command = g_strdup_printf("{\"execute\":\"query-test\",\"arguments\":%s,"
                                                   "\"id\":1}", cases[i].arguments);
        g_autofree char *reply = g_strdup_printf("{\"id\": 1, \"error\": {\"class\": "
                                                 "\"GenericError\", \"desc\": \"%s\"}}",
                                                 cases[i].desc);

        send(&stage, 0, command);
        await(&stage, 0, 2 * i + 1, reply);
        send(&stage, 0, NOW);
        await(&stage, 0, 2 * i + 2, DONE);
    }
    send(&stage, 0, "{\"execute\":\"query-test\"}");
    await(&stage, 0, stage.replies[0]->len + 1,
          "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Parameter 'text' is missing\"}}");
    stop(&stage, true);
}

static void
test_invalid(void)
{
    static const char *const texts[] = {
        "{\"execute\":\"test-now\"", "{\"execute\":\"test-now\"} x",
        "{\"execute\":\"test-now\",\"execute\":\"test-now\"}", "{\"execute\":\"test-now\",}",
        "{\"execute\":\"query-commands\",}", "",
    };
    Stage stage;

    start(&stage);
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_assert_cmpint(try(&stage, 0, texts[i], 0), ==, VP_QMP_INVALID);
        assert_works(&stage, 0);
    }
    g_assert_cmpint(try(&stage, 0, NOW, VP_QMP_FDS_MAX + 1), ==, VP_QMP_TOO_MANY_FDS);
    stop(&stage, true);
}

/* Replies of one user come in the order of his commands, whoever answers. */
static void
test_order(void)
{
    Stage stage;

    start(&stage);
    assert_works(&stage, 0);
    vp_test_peer_expect(stage.peer, STATUS, NULL);
    send(&stage, 0, STATUS);
    send(&stage, 0, "{\"execute\":\"test-now\",\"id\":1}");
    send(&stage, 0, VP_TEST_STOP);
    send(&stage, 0, "{\"execute\":\"test-now\",\"id\":2}");
    vp_test_until(vp_test_peer_done(stage.peer));
    vp_test_wait(5);
    g_assert_cmpuint(stage.replies[0]->len, ==, 2);
    vp_test_peer_expect(stage.peer, VP_TEST_STOP, VP_TEST_OK);
    vp_test_peer_answer(stage.peer, stage.peer->received->len - 1);
    await(&stage, 0, 6, "{\"return\": {}, \"id\": 2}");
    g_assert_cmpstr(g_ptr_array_index(stage.replies[0], 3), ==, "{\"return\": {}, \"id\": 1}");
    stop(&stage, true);
}

/* A command that takes its time: others and what is out of band pass, what is behind it waits. */
static void
test_long_one(void)
{
    Stage stage;

    start(&stage);
    vp_test_destroyed = 0;
    send(&stage, 0, HANG);
    send(&stage, 0, NOW);
    send(&stage, 0, VP_TEST_STOP);
    assert_works(&stage, 1);
    vp_test_peer_expect(stage.peer, VP_TEST_YANK, VP_TEST_OK);
    send(&stage, 0, VP_TEST_YANK);
    await(&stage, 0, 1, DONE);
    vp_test_peer_say(stage.peer, "{\"event\": \"OTHER\"}");
    vp_test_wait(5);
    g_assert_cmpuint(stage.replies[0]->len, ==, 1);
    vp_test_peer_expect(stage.peer, VP_TEST_STOP, VP_TEST_OK);
    vp_test_peer_say(stage.peer, "{\"event\": \"END\"}");
    await(&stage, 0, 4, DONE);
    g_assert_cmpstr(g_ptr_array_index(stage.replies[0], 1), ==,
                    "{\"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"END has come\"}}");
    g_assert_cmpuint(vp_test_destroyed, ==, 1);
    stop(&stage, true);
}

/* What QEMU has is asked once in a session's life, and only for who needs it. */
static void
test_native(void)
{
    Stage stage;

    start(&stage);
    vp_test_peer_forget(stage.peer);
    vp_test_peer_expect(stage.peer, STATUS, STATUS_ANSWER);
    send(&stage, 0, STATUS);
    vp_test_peer_expect(stage.peer, COMMANDS, COMMANDS_ANSWER);
    send(&stage, 0, NOW);
    await(&stage, 0, 2, DONE);
    vp_test_peer_expect(stage.peer, VP_TEST_STOP, VP_TEST_OK);
    send(&stage, 0, VP_TEST_STOP);
    send(&stage, 1, NOW);
    await(&stage, 0, 3, DONE);
    await(&stage, 1, 1, DONE);
    g_assert_cmpuint(stage.peer->received->len, ==, 3);
    stop(&stage, true);
}

/* An answer that has @size bytes without its id. */
static char *
long_answer(gsize size)
{
    g_autofree char *filling = g_strnfill(size - strlen("{\"return\": {\"status\": \"\"}}"), 'x');

    return g_strdup_printf("{\"return\": {\"status\": \"%s\"}, \"id\": $ID}", filling);
}

/* What a command of ours asks for may have as many bytes, and with one more it fails. */
static void
test_answer_limit(void)
{
    for (gsize more = 0; more <= 1; more++) {
        g_autofree char *answer = long_answer(VP_ADDED_ANSWER_MAX + more);
        Stage stage;
        guint before = 0;

        start(&stage);
        assert_works(&stage, 0);
        before = stage.replies[0]->len;
        vp_test_peer_expect(stage.peer, STATUS, answer);
        send(&stage, 0, "{\"execute\":\"query-test\",\"arguments\":{\"text\":\"\"}}");
        vp_test_until(stage.replies[0]->len > before);
        g_assert_true(!strstr(g_ptr_array_index(stage.replies[0], before), "more than 4194304") ==
                      (more == 0));
        stop(&stage, true);
    }
}

/* What users see of a list that QEMU gives. */
static void
test_lists(void)
{
    Stage stage;
    g_autoptr(VpJsonTree) tree = NULL;
    const VpJsonNode *list = NULL;

    start(&stage);
    send(&stage, 0, "{\"execute\":\"query-commands\",\"id\":5}");
    await(&stage, 0, 1,
          "{\"return\": [{\"name\": \"stop\"}, {\"name\": \"cont\"}, {\"name\": \"query-status\"}, "
          "{\"name\": \"query-test\"}, {\"name\": \"test-now\"}, {\"name\": \"test-hang\"}, "
          "{\"name\": \"test-many\"}, {\"name\": \"test-keep\"}, "
          "{\"name\": \"test-hear\"}], \"id\": 5}");
    vp_test_peer_expect(stage.peer, "{\"execute\":\"query-qmp-schema\"}",
                        "{\"return\": [{\"name\": \"str\", \"meta-type\": \"builtin\", "
                        "\"json-type\": \"string\"}], \"id\": $ID}");
    send(&stage, 0, "{\"execute\":\"query-qmp-schema\"}");
    vp_test_until(stage.replies[0]->len == 2);
    tree = vp_json_tree_parse(g_ptr_array_index(stage.replies[0], 1), -1, NULL);
    list = vp_json_get(vp_json_root(tree), "return");
    for (guint i = 0; i < vp_json_length(list); i++) {
        const char *name = vp_json_get_string(vp_json_at(list, i), "name");

        for (guint k = 0; k < i; k++) /* each name once */
            g_assert_cmpstr(name, !=, vp_json_get_string(vp_json_at(list, k), "name"));
    }
    /* str; int [str] bool 2 objects 1 command; empty 4 commands (stop and cont too); any, object,
     * object, array, command; object, command. */
    g_assert_cmpuint(vp_json_length(list), ==, 1 + 6 + 1 + 4 + 6 + 2);
    /* An error is left alone. */
    vp_test_peer_expect(stage.peer, "{\"execute\":\"query-qmp-schema\"}", VP_TEST_ERROR);
    send(&stage, 0, "{\"execute\":\"query-qmp-schema\"}");
    await(&stage, 0, 3, VP_TEST_ERROR_WITHOUT_ID);
    stop(&stage, true);
}

static void
test_many_questions(void)
{
    static const char *const asked[] = { "{\"execute\":\"a\"}", "{\"execute\":\"b\"}",
                                         "{\"execute\":\"c\"}" };
    Stage stage;

    start(&stage);
    send(&stage, 0, "{\"execute\":\"test-many\",\"arguments\":{\"none\":true}}");
    await(&stage, 0, 1, "{\"return\": 0}");
    for (guint i = 0; i < 3; i++)
        vp_test_peer_expect(stage.peer, asked[i], i == 1 ? VP_TEST_ERROR : VP_TEST_OK);
    send(&stage, 0, "{\"execute\":\"test-many\",\"arguments\":{\"tolerant\":true}}");
    await(&stage, 0, 2, "{\"return\": 3}");
    for (guint i = 0; i < 3; i++)
        vp_test_peer_expect(stage.peer, asked[i], i == 1 ? VP_TEST_ERROR : VP_TEST_OK);
    send(&stage, 0, "{\"execute\":\"test-many\",\"id\":1}");
    await(&stage, 0, 3,
          "{\"id\": 1, \"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}");
    assert_works(&stage, 0);
    stop(&stage, true);
}

static void
test_keeping(void)
{
    Stage stage;

    start(&stage);
    send(&stage, 0, "{\"execute\":\"test-keep\",\"arguments\":{\"text\":\"[1]\"}}");
    await(&stage, 0, 1, "{\"return\": [1]}");
    g_assert_cmpstr(stage.emitted->str, ==, "TEST {\"a\": 1}|");
    stage.refuse = true;
    send(&stage, 0, "{\"execute\":\"test-keep\",\"arguments\":{\"text\":\"[1]\"}}");
    await(&stage, 0, 2,
          "{\"error\": {\"class\": \"GenericError\", \"desc\": \"refused\"}}");
    send(&stage, 0, "{\"execute\":\"test-keep\",\"arguments\":{\"text\":\"[1]\"}}");
    vp_test_until(stage.later);
    stop(&stage, false); /* while the host is asked */
}

static void
test_hearing(void)
{
    Stage stage;

    start(&stage);
    send(&stage, 0, "{\"execute\":\"test-hear\"}");
    await(&stage, 0, 1, "{\"return\": \"a\"}");
    stage.refuse = true;
    send(&stage, 0, "{\"execute\":\"test-hear\"}");
    await(&stage, 0, 2, "{\"return\": \"nothing\"}");
    send(&stage, 0, "{\"execute\":\"test-hear\"}");
    vp_test_until(stage.later);
    stop(&stage, false); /* while the host is asked */
}

/* Who leaves: what he has not begun is dropped, what he has goes on. */
static void
test_leaving(void)
{
    Stage stage;

    start(&stage);
    vp_test_destroyed = 0;
    send(&stage, 0, HANG);
    send(&stage, 0, HANG);
    send(&stage, 1, NOW);
    await(&stage, 1, 1, DONE);
    g_clear_pointer(&stage.users[0], vp_added_user_free);
    g_assert_cmpuint(vp_test_destroyed, ==, 0);
    vp_test_peer_say(stage.peer, "{\"event\": \"END\"}");
    vp_test_until(vp_test_destroyed == 1);
    assert_works(&stage, 1);
    g_assert_cmpuint(vp_test_destroyed, ==, 1);
    g_assert_cmpuint(stage.replies[0]->len, ==, 0);
    stop(&stage, true);
}

static void
test_orphans_limit(void)
{
    Stage stage;
    g_autofree char *text = g_strdup_printf("{\"error\": {\"class\": \"GenericError\", \"desc\": "
                                            "\"%u commands of clients that have left are still "
                                            "being carried out; try again when they are done\"}}",
                                            VP_ADDED_ORPHANS_MAX);

    start(&stage);
    vp_test_destroyed = 0;
    for (guint i = 0; i < VP_ADDED_ORPHANS_MAX; i++) {
        assert_works(&stage, 1); /* the last one too */
        send(&stage, 0, HANG);
        vp_test_wait(5);
        vp_added_user_free(stage.users[0]);
        stage.users[0] = vp_added_user_new(stage.added);
    }
    send(&stage, 1, NOW);
    await(&stage, 1, 2 * VP_ADDED_ORPHANS_MAX + 1, text);
    vp_test_peer_expect(stage.peer, VP_TEST_STOP, VP_TEST_OK);
    send(&stage, 1, VP_TEST_STOP);
    await(&stage, 1, 2 * VP_ADDED_ORPHANS_MAX + 2, DONE);
    vp_test_peer_say(stage.peer, "{\"event\": \"END\"}");
    vp_test_until(vp_test_destroyed == VP_ADDED_ORPHANS_MAX);
    assert_works(&stage, 1);
    stop(&stage, true);
}

static void
test_calls_limit(void)
{
    Stage stage;

    start(&stage);
    send(&stage, 0, HANG);
    for (guint i = 1; i < VP_ADDED_CALLS_MAX; i++)
        send(&stage, 0, NOW);
    g_assert_cmpint(try(&stage, 0, NOW, 0), ==, VP_QMP_QUEUE_FULL);
    assert_works(&stage, 1);
    vp_test_wait(5);
    vp_test_peer_say(stage.peer, "{\"event\": \"END\"}");
    await(&stage, 0, VP_ADDED_CALLS_MAX, DONE);
    assert_works(&stage, 0);
    stop(&stage, true);
}

/* The session is lost: everything ends, at once and once; and all works again in the next. */
static void
test_lost(void)
{
    Stage stage;

    start(&stage);
    vp_test_destroyed = 0;
    vp_test_peer_expect(stage.peer, STATUS, NULL);
    send(&stage, 1, "{\"execute\":\"query-test\",\"arguments\":{\"text\":\"\"}}");
    send(&stage, 0, HANG);
    send(&stage, 0, NOW);
    send(&stage, 0, VP_TEST_STOP);
    vp_test_until(vp_test_peer_done(stage.peer));
    vp_test_peer_hang_up(stage.peer);
    await(&stage, 0, 3, "LOST");
    await(&stage, 1, 1, "LOST");
    g_assert_cmpuint(vp_test_destroyed, ==, 1);
    g_assert_cmpint(try(&stage, 0, NOW, 0), ==, VP_QMP_NOT_READY);
    vp_test_until(vp_qmp_session_state(stage.told.session) == VP_QMP_READY);
    assert_works(&stage, 0);
    assert_works(&stage, 1);
    stop(&stage, true);
}

/* The session is freed under running commands. */
static void
test_freed(void)
{
    Stage stage;

    start(&stage);
    vp_test_peer_expect(stage.peer, STATUS, NULL);
    send(&stage, 1, "{\"execute\":\"query-test\",\"arguments\":{\"text\":\"\"}}");
    send(&stage, 0, HANG);
    send(&stage, 0, NOW);
    vp_test_until(vp_test_peer_done(stage.peer));
    vp_qmp_session_free(g_steal_pointer(&stage.told.session));
    g_clear_pointer(&stage.added, vp_added_free);
    await(&stage, 0, 2, "LOST");
    await(&stage, 1, 1, "LOST");
    g_assert_cmpint(try(&stage, 0, NOW, 0), ==, VP_QMP_NOT_READY);
    g_assert_cmpint(try(&stage, 0, STATUS, 0), ==, VP_QMP_NOT_READY);
    stop(&stage, false);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/added/forms", test_forms);
    g_test_add_func("/added/arguments", test_arguments);
    g_test_add_func("/added/invalid", test_invalid);
    g_test_add_func("/added/order", test_order);
    g_test_add_func("/added/long-one", test_long_one);
    g_test_add_func("/added/native", test_native);
    g_test_add_func("/added/lists", test_lists);
    g_test_add_func("/added/answer-limit", test_answer_limit);
    g_test_add_func("/added/many-questions", test_many_questions);
    g_test_add_func("/added/keeping", test_keeping);
    g_test_add_func("/added/hearing", test_hearing);
    g_test_add_func("/added/leaving", test_leaving);
    g_test_add_func("/added/orphans-limit", test_orphans_limit);
    g_test_add_func("/added/calls-limit", test_calls_limit);
    g_test_add_func("/added/lost", test_lost);
    g_test_add_func("/added/freed", test_freed);
    return g_test_run();
}
