/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/limits.h"
#include "base/loop.h"
#include "qmp/stats.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * One QMP session with one QEMU, shared by many users.
 *
 * The session connects, to a QEMU that its owner has recognised as the right one, negotiates (with
 * "oob" where QEMU offers it), and is READY. Each user has a queue; queues take turns, so
 * that nobody who floods delays another by more than a few commands. At most
 * VP_QMP_IN_FLIGHT_MAX in-band commands are with QEMU at a time; out-of-band ones do not wait.
 *
 * A session that is lost connects again, with back-off, until it is freed.
 */

/* Greeting and answers to the handshake have to be here in this time after connecting. A QEMU
 * that is stopped and one whose monitor somebody else uses are silent for as long as that lasts. */
#define VP_QMP_HANDSHAKE_MS 5000u

/* Time to the next attempt after a session was lost: doubles from the first to the last, and
 * starts anew when a session had been READY for as long as the last. */
#define VP_QMP_RETRY_MIN_MS 100u
#define VP_QMP_RETRY_MAX_MS 5000u

/* The same when who is at the socket is not the domain's QEMU (VP_ERROR_STRANGER): each attempt is
 * in the way of whose monitor it is. */
#define VP_QMP_STRANGER_RETRY_MS 30000u

typedef struct VpQmpSession VpQmpSession;
typedef struct VpQmpQueue VpQmpQueue;

typedef enum VpQmpState {
    VP_QMP_CONNECTING,  /* connect() not done yet, or QEMU's greeting not here */
    VP_QMP_NEGOTIATING, /* qmp_capabilities sent */
    VP_QMP_READY,       /* commands are accepted */
    VP_QMP_LOST,        /* waiting for the next attempt; vp_qmp_session_reason() says why */
} VpQmpState;

extern const char *const vp_qmp_state_names[];

/* An event as QEMU sent it. Slices of the message, valid during the call. */
typedef struct VpQmpEvent {
    const char *name;      /* NUL-terminated */
    gint64 seconds;        /* "timestamp", -1 if there is none */
    guint32 microseconds;
    const char *data;      /* JSON text of "data" as QEMU wrote it, NULL if there is none */
    gsize data_size;
    const char *message;   /* the whole message, without line end */
    gsize message_size;
} VpQmpEvent;

/* Any function may be NULL. All are called from the loop only, never inside of a call of the
 * functions below; they may call all of these, but for what is said. */
typedef struct VpQmpSessionOps {
    /* Connects to the session's socket and makes sure who is there: a non-blocking descriptor,
     * which is the session's from then on, or -1 and @error: VP_ERROR_STRANGER for somebody else,
     * VP_ERROR_CLOSED when the QEMU has ended. The session must not be freed in it. NULL: whoever
     * is at the path will do. */
    int (*connect)(VpQmpSession *session, GError **error, gpointer data);
    /* After each change of state. In LOST all commands have already been answered (VP_QMP_LOST).
     * The session may be freed in it. */
    void (*state)(VpQmpSession *session, VpQmpState state, gpointer data);
    /* Every event in READY. The session must not be freed in it. */
    void (*event)(VpQmpSession *session, const VpQmpEvent *event, gpointer data);
} VpQmpSessionOps;

/* How a command ended. */
typedef enum VpQmpOutcome {
    VP_QMP_REPLIED,      /* QEMU's reply, return or error */
    VP_QMP_SESSION_LOST, /* the reply can no longer come; @reply is NULL */
} VpQmpOutcome;

/*
 * @reply: the reply as QEMU wrote it but for "id", which is the one the command came with, byte
 * for byte, or absent if it had none. No line end; NUL-terminated; valid during the call. (What
 * QEMU could not parse it answers without "id", whatever the command said.)
 *
 * It may send further commands and free queues, its own too, but not the session. Called from the
 * loop, or by vp_qmp_session_free().
 */
typedef void (*VpQmpReplyFunc)(VpQmpOutcome outcome, const char *reply, gsize size, gpointer data);

/* What becomes of a command that a user hands over. */
typedef enum VpQmpVerdict {
    VP_QMP_ACCEPTED,   /* the callback will be called exactly once, later, unless the queue is
                        * freed before */
    VP_QMP_INVALID,    /* not JSON; *ret_message holds the parser's text. A key that an object has
                        * twice counts as that, as it does in libvirt */
    VP_QMP_NOT_READY,  /* the session is not READY, or gone */
    VP_QMP_QUEUE_FULL, /* VP_QMP_QUEUE_MAX commands of this queue wait already, or with this one
                        * there would be more than VP_QMP_QUEUE_BYTES_MAX bytes */
    VP_QMP_TOO_MANY_FDS, /* more than VP_QMP_FDS_MAX, or than this process may have open */
} VpQmpVerdict;

/*
 * @name: the domain's, for log lines. @path: the socket. Both are copied. Connecting starts in the
 * loop, not here.
 */
VpQmpSession *vp_qmp_session_new(VpLoop *loop, const char *name, const char *path,
                                 const VpQmpSessionOps *ops, gpointer data);

/* Commands in flight and waiting are answered VP_QMP_SESSION_LOST; no callback comes after that.
 * Queues must be freed by their owners, before or after. NULL is fine. */
void vp_qmp_session_free(VpQmpSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpQmpSession, vp_qmp_session_free)

VpQmpState vp_qmp_session_state(const VpQmpSession *session);
bool vp_qmp_session_has_oob(const VpQmpSession *session);
const char *vp_qmp_session_path(const VpQmpSession *session);

/* Why the session was lost last, "" if it never was. Owned by the session. */
const char *vp_qmp_session_reason(const VpQmpSession *session);

/* QEMU's greeting, as it wrote it. NULL before the first. Owned by the session. */
const char *vp_qmp_session_greeting(const VpQmpSession *session);

/* The process that listens at the socket: QEMU. 0 while there is no connection. */
pid_t vp_qmp_session_pid(const VpQmpSession *session);

const VpQmpStats *vp_qmp_session_stats(const VpQmpSession *session);

/* Tries to connect now instead of at the end of the back-off, which starts anew; for who knows that
 * something has changed. Nothing happens unless LOST. */
void vp_qmp_session_retry(VpQmpSession *session);

/* A user of the session. */
VpQmpQueue *vp_qmp_queue_new(VpQmpSession *session);

/* Commands that wait are dropped, those in flight lose their callback; neither is called. */
void vp_qmp_queue_free(VpQmpQueue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpQmpQueue, vp_qmp_queue_free)

/*
 * Sends @json (one JSON value, white space around it allowed) when it is this queue's turn.
 * @fds: @nfds descriptors that go with it; they are duplicated, the caller keeps its own. Such a
 * command has the monitor for itself: descriptors that QEMU holds but no command has claimed are
 * visible to every command of the monitor. What it leaves unclaimed is closed afterwards.
 * @ret_message: set for VP_QMP_INVALID only; g_free().
 */
VpQmpVerdict vp_qmp_queue_send(VpQmpQueue *queue, const char *json, gsize size, const int *fds,
                               guint nfds, VpQmpReplyFunc func, gpointer data, char **ret_message);

/*
 * Puts a fence behind the commands that the queue has: @func is called once, VP_QMP_REPLIED with an
 * empty reply, as soon as all of them are answered. From then on in-band commands of the queue
 * wait, until vp_qmp_queue_release(): whoever answers something in QEMU's place does so in between,
 * in its turn. Out-of-band commands pass. Several fences are reached one after the other.
 *
 * @func may be called before this returns, and by vp_qmp_queue_release(). It must call nothing of
 * this header. VP_QMP_ACCEPTED, _NOT_READY or _QUEUE_FULL, as for a command.
 */
VpQmpVerdict vp_qmp_queue_fence(VpQmpQueue *queue, VpQmpReplyFunc func, gpointer data);

/* The end of the wait. Nothing happens when no fence has been reached, or the session was lost
 * since. */
void vp_qmp_queue_release(VpQmpQueue *queue);

/*
 * Sends bytes that are no JSON, for who wants QEMU's own answer to them. @bytes must end where
 * QEMU's parser stops to wait for more, else QEMU goes on with the next command in the middle of
 * them. ACCEPTED, NOT_READY or QUEUE_FULL. They have the monitor for themselves, and whatever QEMU
 * answers is theirs: @reply is all of it, CR LF between the answers, "" if there was none. Where it
 * says at which line and column it stumbled, these count from the beginning of @bytes.
 */
VpQmpVerdict vp_qmp_queue_send_raw(VpQmpQueue *queue, const char *bytes, gsize size,
                                   VpQmpReplyFunc func, gpointer data);
