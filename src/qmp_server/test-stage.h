/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What tests of a server have in common: some clients, each at one end of a socket pair, and a
 * session with the scripted peer.
 */

#include "qmp_server/server.h"

#include "base/fd.h"
#include "qmp/test-scene.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define CAPABILITIES "{\"execute\":\"qmp_capabilities\"}"
/* Not as the session itself writes it, which the peer answers without being told to. */
#define CAPABILITIES_OOB                                                                           \
    "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\",\"oob\"]}}"
#define ALREADY                                                                                    \
    "{\"id\": $ID, \"error\": {\"class\": \"CommandNotFound\", \"desc\": \"Capabilities "          \
    "negotiation is already complete, command ignored\"}}"
#define NOT_FOUND                                                                                  \
    "{\"id\": $ID, \"error\": {\"class\": \"CommandNotFound\", \"desc\": \"The command x has not " \
    "been found\"}}"
#define EXPECTING                                                                                  \
    "\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"Expecting capabilities negotiation "  \
    "with 'qmp_capabilities'\"}}\r\n"
#define OK "{\"return\": {}}\r\n"
#define EVENT "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"STOP\"}"
#define GREETED VP_TEST_GREETING "\r\n"
#define PREFIX(n) "__org.virtpass_c" #n "_"
#define CLIENTS 3

typedef struct Stage {
    VpTestScene scene;
    VpQmpServer *server;
    int ends[CLIENTS];        /* what the clients hold */
    GString *read[CLIENTS];   /* what they have got and not looked at */
    guint left;               /* clients, as the server said */
} Stage;

/* --- straight to the session ---------------------------------------------- */

static inline gpointer
user_new(gpointer data)
{
    Stage *stage = data;

    return vp_qmp_queue_new(stage->scene.session);
}

static inline void
user_free(gpointer user)
{
    vp_qmp_queue_free(user);
}

static inline VpQmpVerdict
user_send(gpointer user, const char *json, gsize size, const int *fds, guint n_fds,
          VpQmpReplyFunc func, gpointer func_data, char **ret_message)
{
    return vp_qmp_queue_send(user, json, size, fds, n_fds, func, func_data, ret_message);
}

static inline VpQmpVerdict
user_send_raw(gpointer user, const char *bytes, gsize size, VpQmpReplyFunc func,
              gpointer func_data)
{
    return vp_qmp_queue_send_raw(user, bytes, size, func, func_data);
}

static inline void
on_left(VpQmpServer *server G_GNUC_UNUSED, gpointer owner G_GNUC_UNUSED, gpointer data)
{
    ((Stage *)data)->left++;
}

static const VpQmpServerOps ops = {
    .user_new = user_new, .user_free = user_free, .send = user_send, .send_raw = user_send_raw,
    .left = on_left,
};

/* --- the stage ------------------------------------------------------------ */

static inline void
connect_client(Stage *stage, guint i)
{
    int pair[2] = { -1, -1 };

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==,
                    0);
    vp_clear_fd(&stage->ends[i]);
    stage->ends[i] = pair[0];
    g_string_truncate(stage->read[i], 0);
    vp_qmp_server_add(stage->server, pair[1], NULL);
}

static inline void
stage_start(Stage *stage)
{
    *stage = (Stage){ 0 };
    vp_test_scene_start(&stage->scene);
    stage->server = vp_qmp_server_new(stage->scene.peer->loop, "test", VP_TEST_GREETING, true,
                                      &ops, stage);
    for (guint i = 0; i < CLIENTS; i++) {
        stage->ends[i] = -1;
        stage->read[i] = g_string_new(NULL);
        connect_client(stage, i);
    }
}

static inline void
stage_stop(Stage *stage)
{
    vp_qmp_server_free(stage->server);
    for (guint i = 0; i < CLIENTS; i++) {
        vp_clear_fd(&stage->ends[i]);
        g_string_free(stage->read[i], TRUE);
    }
    vp_test_scene_stop(&stage->scene);
}

static inline void
say_bytes(Stage *stage, guint i, const char *bytes, gsize n)
{
    g_assert_cmpint(send(stage->ends[i], bytes, n, MSG_NOSIGNAL), ==, n);
}

static inline void
say(Stage *stage, guint i, const char *text)
{
    say_bytes(stage, i, text, strlen(text));
}

/* Reads what is there. false at the end of the connection. */
static inline bool
read_some(Stage *stage, guint i)
{
    char bytes[65536];
    gssize n = 0;

    while ((n = recv(stage->ends[i], bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        g_string_append_len(stage->read[i], bytes, n);
    return n < 0 && errno == EAGAIN;
}

static inline bool
has_read(Stage *stage, guint i, gsize n)
{
    read_some(stage, i);
    return stage->read[i]->len >= n;
}

/* Client @i gets @text, and nothing else so far. */
static inline void
expect(Stage *stage, guint i, const char *text)
{
    gint64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    while (!has_read(stage, i, strlen(text)) && g_get_monotonic_time() < end)
        g_main_context_iteration(NULL, FALSE);
    g_assert_cmpstr(stage->read[i]->str, ==, text);
    g_string_truncate(stage->read[i], 0);
}

static inline void
expect_nothing(Stage *stage, guint i)
{
    vp_test_wait(5);
    expect(stage, i, "");
}

/* The connection of client @i ends without a further byte. */
static inline void
expect_end(Stage *stage, guint i)
{
    vp_test_until(!read_some(stage, i));
    g_assert_cmpstr(stage->read[i]->str, ==, "");
}

/* Client @i gets the greeting and has negotiated. */
static inline void
negotiate(Stage *stage, guint i, const char *capabilities)
{
    expect(stage, i, GREETED);
    vp_test_peer_expect(stage->scene.peer, capabilities, ALREADY);
    say(stage, i, capabilities);
    expect(stage, i, OK);
}

/* Client @i is served as if nothing had happened. */
static inline void
assert_works(Stage *stage, guint i)
{
    bool lenient = stage->scene.peer->lenient;

    stage->scene.peer->lenient = false;
    vp_test_peer_expect(stage->scene.peer, "{\"execute\":\"query-status\"}", VP_TEST_OK);
    say(stage, i, "{\"execute\": \"query-status\"}\n");
    expect(stage, i, OK);
    stage->scene.peer->lenient = lenient;
}
