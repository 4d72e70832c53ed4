/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/loop.h"

#include <stdbool.h>

/*
 * A scripted QMP server for tests, in the loop of the test. What it is to receive is put into a
 * list; a command that is not next in it fails the test, but for those that are answered always.
 */

#define VP_TEST_GREETING                                                                           \
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "             \
    "\"package\": \"test\"}, \"capabilities\": [\"oob\"]}}"
#define VP_TEST_ENABLE_OOB                                                                         \
    "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]}}"
#define VP_TEST_OK "{\"return\": {}, \"id\": $ID}"
#define VP_TEST_STOP "{\"execute\":\"stop\"}"
#define VP_TEST_YANK "{\"exec-oob\":\"yank\"}"
#define VP_TEST_ERROR                                                                              \
    "{\"id\": $ID, \"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}"
#define VP_TEST_ERROR_WITHOUT_ID                                                                   \
    "{\"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}"

typedef struct VpTestPeer {
    VpLoop *loop;
    GMainContext *context;
    char *directory;      /* removed with the peer */
    char *path;           /* of its socket */
    int listener;
    VpWatch watch;        /* of @listener */
    GQueue connections;   /* of the file's Connection, newest last */
    GQueue script;        /* of the file's Line: expected, in this order */
    GPtrArray *always;    /* of the file's Line: answered whenever they come */
    GPtrArray *received;  /* char *: every scripted or unanswered command, without its id */
    GPtrArray *ids;       /* char *: the ids they had, "" for none */
    GArray *fds;          /* int: descriptors received */
    guint accepted;       /* connections up to now */
    const char *greeting; /* sent to who connects, NULL: none */
    gsize chunk;          /* bytes to write before the loop turns; 0: all at once */
    bool lenient;         /* commands that nobody expects are only recorded */
} VpTestPeer;

/* Listens. Greets as QEMU does, and answers the handshake; see the fields for other manners. */
VpTestPeer *vp_test_peer_new(void);
void vp_test_peer_free(VpTestPeer *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpTestPeer, vp_test_peer_free)

/* Answers nothing by itself any more. */
void vp_test_peer_forget(VpTestPeer *peer);

/* @command: as it has to come, without id. @answer: "$ID" is replaced; NULL: stays silent. */
void vp_test_peer_expect(VpTestPeer *peer, const char *command, const char *answer);
void vp_test_peer_always(VpTestPeer *peer, const char *command, const char *answer);

/* Sends @text and a line end to who connected last; @n bytes of it and nothing else. */
void vp_test_peer_say(VpTestPeer *peer, const char *text);
void vp_test_peer_write(VpTestPeer *peer, const char *bytes, gsize n);

/* Answers the command that was received as number @n with a return of nothing. */
void vp_test_peer_answer(VpTestPeer *peer, guint n);

/* Closes the newest connection, or refuses new ones. */
void vp_test_peer_hang_up(VpTestPeer *peer);
void vp_test_peer_stop_listening(VpTestPeer *peer);

/* Stops or resumes reading from the newest connection. */
void vp_test_peer_set_reading(VpTestPeer *peer, bool reading);

/* The newest connection, borrowed. */
int vp_test_peer_fd(const VpTestPeer *peer);

/* Everything expected has come. */
bool vp_test_peer_done(const VpTestPeer *peer);
