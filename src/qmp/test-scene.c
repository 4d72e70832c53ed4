/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Helpers; each does what its declaration says, and fails the test when that cannot be. */

#include "qmp/test-scene.h"

#include <string.h>
#include <unistd.h>

#define STATUS "{\"execute\":\"query-status\"}"
#define STATUS_ANSWER "{\"return\": {\"status\": \"running\"}, \"id\": $ID}"

const int vp_test_fds[] = { [0 ... VP_QMP_FDS_MAX] = STDERR_FILENO };

void
vp_test_wait(guint milliseconds)
{
    gint64 end = g_get_monotonic_time() + milliseconds * 1000LL;

    vp_test_until(g_get_monotonic_time() >= end);
}

VpTestUser *
vp_test_user_new(VpQmpSession *session)
{
    VpTestUser *user = g_new0(VpTestUser, 1);

    user->queue = vp_qmp_queue_new(session);
    user->replies = g_ptr_array_new_with_free_func(g_free);
    return user;
}

void
vp_test_user_free(VpTestUser *user)
{
    if (!user)
        return;
    vp_qmp_queue_free(user->queue);
    g_ptr_array_unref(user->replies);
    g_free(user);
}

void
vp_test_user_reply(VpQmpOutcome outcome, const char *reply, gsize size, gpointer data)
{
    VpTestUser *user = data;

    if (outcome == VP_QMP_REPLIED)
        g_assert_cmpuint(strlen(reply), ==, size);
    g_ptr_array_add(user->replies, g_strdup(outcome == VP_QMP_REPLIED ? reply : "LOST"));
}

VpQmpVerdict
vp_test_user_try(VpTestUser *user, const char *json, const int *fds, guint n_fds)
{
    g_autofree char *message = NULL;
    VpQmpVerdict verdict = vp_qmp_queue_send(user->queue, json, strlen(json), fds, n_fds,
                                             vp_test_user_reply, user, &message);

    g_assert_true((verdict == VP_QMP_INVALID) == (message != NULL));
    return verdict;
}

void
vp_test_user_send(VpTestUser *user, const char *json)
{
    g_assert_cmpint(vp_test_user_try(user, json, NULL, 0), ==, VP_QMP_ACCEPTED);
}

const char *
vp_test_user_last(const VpTestUser *user)
{
    guint n = user->replies->len;

    return n > 0 ? g_ptr_array_index(user->replies, n - 1) : NULL;
}

void
vp_test_assert_works(VpTestPeer *peer, VpTestUser *user)
{
    guint before = user->replies->len;

    vp_test_peer_expect(peer, STATUS, STATUS_ANSWER);
    vp_test_user_send(user, STATUS);
    vp_test_until(user->replies->len > before && vp_test_peer_done(peer));
    g_assert_cmpuint(user->replies->len, ==, before + 1);
    g_assert_cmpstr(vp_test_user_last(user), ==, "{\"return\": {\"status\": \"running\"}}");
}

VpQmpSession *
vp_test_session_new(VpTestPeer *peer)
{
    static const VpQmpSessionOps ops = { 0 };
    VpQmpSession *session = vp_qmp_session_new(peer->loop, "test", peer->path, &ops, NULL);

    vp_test_until(vp_qmp_session_state(session) == VP_QMP_READY);
    return session;
}

static void
on_state(VpQmpSession *session, VpQmpState state, gpointer data)
{
    VpTestTold *told = data;

    g_assert_cmpint(vp_qmp_session_state(session), ==, state);
    g_string_append_printf(told->states, "%s|", vp_qmp_state_names[state]);
    if (state == told->free_in) {
        vp_qmp_session_free(session);
        told->session = NULL;
    }
}

static void
on_event(VpQmpSession *session, const VpQmpEvent *event, gpointer data)
{
    VpTestTold *told = data;

    g_assert_cmpint(vp_qmp_session_state(session), ==, VP_QMP_READY);
    g_string_append_printf(told->events, "%s %" G_GINT64_FORMAT ".%u %.*s|", event->name,
                           event->seconds, event->microseconds, (int)event->data_size,
                           event->data ?: "");
}

void
vp_test_told_start(VpTestTold *told, VpTestPeer *peer, const char *path)
{
    static const VpQmpSessionOps ops = { .state = on_state, .event = on_event };

    *told = (VpTestTold){ .states = g_string_new(NULL), .events = g_string_new(NULL),
                          .free_in = VP_QMP_LOST + 1 };
    told->session = vp_qmp_session_new(peer->loop, "test", path ?: peer->path, &ops, told);
}

void
vp_test_told_stop(VpTestTold *told)
{
    vp_qmp_session_free(told->session);
    g_string_free(told->states, TRUE);
    g_string_free(told->events, TRUE);
}

bool
vp_test_told_is(const VpTestTold *told, VpQmpState state)
{
    return vp_qmp_session_state(told->session) == state;
}

void
vp_test_scene_start(VpTestScene *scene)
{
    *scene = (VpTestScene){ .peer = vp_test_peer_new() };
    scene->session = vp_test_session_new(scene->peer);
    scene->stats = vp_qmp_session_stats(scene->session);
    for (gsize i = 0; i < G_N_ELEMENTS(scene->users); i++)
        scene->users[i] = vp_test_user_new(scene->session);
}

void
vp_test_scene_stop(VpTestScene *scene)
{
    for (gsize i = 0; i < G_N_ELEMENTS(scene->users); i++)
        vp_test_user_free(scene->users[i]);
    vp_qmp_session_free(scene->session);
    vp_test_peer_free(scene->peer);
}

void
vp_test_wait_received(const VpTestScene *scene, guint n)
{
    vp_test_until(scene->peer->received->len >= n);
    vp_test_wait(5);
    g_assert_cmpuint(scene->peer->received->len, ==, n);
}

const char *
vp_test_received(const VpTestScene *scene, guint n)
{
    return g_ptr_array_index(scene->peer->received, n);
}

void
vp_test_wait_replies(const VpTestUser *user, guint n)
{
    vp_test_until(user->replies->len >= n);
    g_assert_cmpuint(user->replies->len, ==, n);
}

char *
vp_test_command_of(gsize size)
{
    g_autofree char *filling = g_strnfill(size - strlen("{\"\":1}"), 'x');

    return g_strdup_printf("{\"%s\":1}", filling);
}
