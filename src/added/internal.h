/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "added/added.h"
#include "added/registry.h"

/* What added.c and call.c share: the life of one command, from its fence to its reply. */

struct VpAdded {
    VpLoop *loop;
    VpQmpSession *session;
    VpProbe *probe;
    const VpAddedHost *host;
    gpointer data;          /* for @host */
    GPtrArray *users;       /* of VpAddedUser, borrowed */
    GPtrArray *calls;       /* of VpCall, a reference each: sent, no reply yet */
    GHashTable *native;     /* of names in the registry: those QEMU has; NULL: not asked yet */
    char *epoch;            /* the part of vp_call_epoch() that is this connection's */
    guint64 stops;          /* events STOP on it */
};

struct VpCall {
    guint refs;
    VpAdded *added;            /* NULL: ended */
    VpAddedUser *user;         /* NULL: gone */
    const VpCommandRow *row;
    char *text;                /* the command as it came, one JSON object */
    VpQmpReplyFunc func;
    gpointer func_data;
    bool reached;              /* its fence was: the user's queue stands still */
    GSource *start;            /* begins in this turn of the loop, or the next */
    VpQmpQueue *queue;         /* NULL: not begun */
    VpJsonTree *tree;          /* of @text, once begun */
    const VpJsonNode *arguments;
    gpointer state;            /* the handler's */
    GDestroyNotify destroy;    /* of @state */
    const char *claim;         /* see vp_call_claim(); NULL: none */
    VpCallEventFunc watch;
    gpointer watch_data;
    GPtrArray *asks;           /* of call.c's Ask, owned: sent to QEMU, no answer yet */
    GPtrArray *keeps;          /* of call.c's Keep: load and store under way */
};

VpCall *vp_call_new(VpAddedUser *user, VpAdded *added, const VpCommandRow *row, const char *json,
                    gsize size, VpQmpReplyFunc func, gpointer data);
VpCall *vp_call_ref(VpCall *call);
void vp_call_unref(VpCall *call);

/* Runs the handler, in the call's own queue. */
void vp_call_begin(VpCall *call);

/* Ends it in the way of vp_qmp_session_free(): VP_QMP_SESSION_LOST. */
void vp_call_end_lost(VpCall *call);

/* Ends it without a reply. */
void vp_call_drop(VpCall *call);

/* added.c: see vp_added_user_set_owner(). @user: NULL: he is gone. */
const char *vp_added_user_owner(const VpAddedUser *user);

/* added.c: the call is over; the user's next commands may go. */
void vp_added_call_ended(VpAdded *added, VpCall *call);

/* describe.c: @reply to query-commands or query-qmp-schema with the registry's commands in it;
 * g_free(). NULL: it is an error, or not understood; it goes on as it is. */
char *vp_describe_commands(const char *reply, gsize size);
char *vp_describe_schema(const char *reply, gsize size);

/* describe.c: a set of the names of the registry that a reply to query-commands has. */
GHashTable *vp_describe_native(const VpJsonNode *reply);
