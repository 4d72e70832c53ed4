/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmp/session.h"
#include "qmp/test-peer.h"

/* What tests of sessions have in common: waiting, users, and a stage that is set up. */

/* Turns the default context until @condition holds; fails after @seconds. */
#define vp_test_until_for(seconds, condition)                                                      \
    do {                                                                                           \
        gint64 vp_test_end = g_get_monotonic_time() + (seconds) * G_USEC_PER_SEC;                  \
        while (!(condition)) {                                                                     \
            g_assert_cmpint(g_get_monotonic_time(), <, vp_test_end);                               \
            if (!g_main_context_iteration(NULL, FALSE))                                            \
                g_usleep(200);                                                                     \
        }                                                                                          \
    } while (0)
#define vp_test_until(condition) vp_test_until_for(20, condition)

/* Lets the loop run for a while, for what is not to happen. */
void vp_test_wait(guint milliseconds);

/* A user that remembers what he was told. */
typedef struct VpTestUser {
    VpQmpQueue *queue;
    GPtrArray *replies; /* char *, "LOST" for VP_QMP_SESSION_LOST */
} VpTestUser;

VpTestUser *vp_test_user_new(VpQmpSession *session);
void vp_test_user_free(VpTestUser *user);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpTestUser, vp_test_user_free)

/* Sends; the verdict must be ACCEPTED. */
void vp_test_user_send(VpTestUser *user, const char *json);
VpQmpVerdict vp_test_user_try(VpTestUser *user, const char *json, const int *fds, guint n_fds);
void vp_test_user_reply(VpQmpOutcome outcome, const char *reply, gsize size, gpointer data);

/* The last reply, NULL before the first. */
const char *vp_test_user_last(const VpTestUser *user);

/* Sends query-status, which must work: what went wrong before has left no trace. */
void vp_test_assert_works(VpTestPeer *peer, VpTestUser *user);

/* A session with @peer that is READY, and tells nobody. */
VpQmpSession *vp_test_session_new(VpTestPeer *peer);

/* A session that is watched. */
typedef struct VpTestTold {
    VpQmpSession *session;
    GString *states;     /* names of the states entered, "|" behind each */
    GString *events;     /* "NAME seconds.micros data|" */
    VpQmpState free_in;  /* the session is freed when it says so; LOST + 1: never */
} VpTestTold;

/* @path: NULL for the socket of @peer. */
void vp_test_told_start(VpTestTold *told, VpTestPeer *peer, const char *path);
void vp_test_told_stop(VpTestTold *told);
bool vp_test_told_is(const VpTestTold *told, VpQmpState state);

/* A peer with a session that is READY, and some users. */
typedef struct VpTestScene {
    VpTestPeer *peer;
    VpQmpSession *session;
    const VpQmpStats *stats;
    VpTestUser *users[16];
} VpTestScene;

void vp_test_scene_start(VpTestScene *scene);
void vp_test_scene_stop(VpTestScene *scene);

/* Waits for the peer to have received @n commands, or a user to have @n replies; and not more. */
void vp_test_wait_received(const VpTestScene *scene, guint n);
void vp_test_wait_replies(const VpTestUser *user, guint n);

/* The command that was received as number @n, without its id. */
const char *vp_test_received(const VpTestScene *scene, guint n);

/* A command of @size bytes. */
char *vp_test_command_of(gsize size);

/* Descriptors to send, as many as are allowed and one. */
extern const int vp_test_fds[VP_QMP_FDS_MAX + 1];
