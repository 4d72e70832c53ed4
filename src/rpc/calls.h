/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rpc/link.h"
#include "rpc/payload.h"

typedef struct VpCalls VpCalls;

/* How a call of ours ended. */
typedef enum VpCallOutcome {
    VP_CALL_OK,     /* @reply->payload holds the result */
    VP_CALL_ERROR,  /* the server refused; @error says why */
    VP_CALL_BROKEN, /* the connection is gone, or the reply makes no sense; both NULL */
} VpCallOutcome;

typedef struct VpCallReply {
    VpCallOutcome outcome;
    const guint8 *payload;      /* OK only */
    gsize payload_size;
    const vp_error_body *error; /* ERROR only */
} VpCallReply;

typedef void (*VpCallFunc)(const VpCallReply *reply, gpointer data);

/* The calls of ours that have no reply yet, on one link that may carry a client's frames as well.
 * */
VpCalls *vp_calls_new(void);

/* @func is called when a frame for which vp_calls_must_wait() was true may be sent now. From the
 * midst of things: it may only take note of it. */
void vp_calls_set_waiter(VpCalls *calls, void (*func)(gpointer data), gpointer data);

/* The next serial is @serial, or the next one that is free. For tests. */
void vp_calls_start_at(VpCalls *calls, guint32 serial);

/* Drops them all without a call. NULL is fine. */
void vp_calls_free(VpCalls *calls);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpCalls, vp_calls_free)

/* Sends a call; @func is called once with the reply. The arguments break no limit of the protocol:
 * they are ours. Returns the serial, for vp_calls_cancel(). */
guint32 vp_calls_send(VpCalls *calls, VpLink *link, guint32 program, gint32 procedure,
                      void *args_func, void *args, VpCallFunc func, gpointer data);

/* The same with a descriptor, which is duplicated. For procedures that take one. */
guint32 vp_calls_send_with_fd(VpCalls *calls, VpLink *link, guint32 program, gint32 procedure,
                              void *args_func, void *args, int fd, VpCallFunc func, gpointer data);

/* The reply may still come, but is of no interest to anybody. */
void vp_calls_cancel(VpCalls *calls, guint32 serial);

/* Is the frame a reply to a call of ours? Then its callback has been called, and nobody else is to
 * see it. */
bool vp_calls_take_reply(VpCalls *calls, const VpFrame *frame);

/*
 * The client's frames on the same link, each of which has to pass vp_calls_must_wait() (true: not
 * now) and then vp_calls_note(), before anything is made of it; vp_calls_settle() is told of every
 * frame that the client gets, by its bytes, whoever wrote it. vp_calls_unnote() takes back what was
 * noted of a frame that has to come again. Not for keepalive, whose serials mean nothing.
 */
bool vp_calls_must_wait(VpCalls *calls, const VpHeader *header);
void vp_calls_note(VpCalls *calls, const VpHeader *header);
void vp_calls_unnote(VpCalls *calls, const VpHeader *header);
void vp_calls_settle(VpCalls *calls, const guint8 *bytes);

/* The link is gone: every callback is called with BROKEN, but for what a callback before it has
 * cancelled or freed. Calls that a callback sends stay. */
void vp_calls_break(VpCalls *calls);
