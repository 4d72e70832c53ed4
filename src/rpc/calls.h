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

/* The calls of ours that have no reply yet, on one link that may carry others' calls as well. */
VpCalls *vp_calls_new(void);

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

/* Is the reply @frame to a call of ours? Then its callback has been called. */
bool vp_calls_take_reply(VpCalls *calls, const VpFrame *frame);

/* Would a call of somebody else with this header be mistaken for one of ours? */
bool vp_calls_clashes(const VpCalls *calls, const VpHeader *header);

/* The link is gone: every callback is called with BROKEN, but for what a callback before it has
 * cancelled or freed. Calls that a callback sends stay. */
void vp_calls_break(VpCalls *calls);
