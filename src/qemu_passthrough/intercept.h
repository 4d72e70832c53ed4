/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/client.h"

/* What a handler made of a call. */
typedef enum VpIntercepted {
    VP_PASS,  /* forward it as it came */
    VP_DONE,  /* answered, or forwarded in another form */
    VP_HOLD,  /* not now; it comes again after vp_client_go_on() */
} VpIntercepted;

/* Where the definition is that a call's document replaces: see previous.h. */
typedef enum VpOrigin {
    VP_ORIGIN_NONE,
    VP_ORIGIN_DEFINITION, /* the domain's, by the document's uuid */
    VP_ORIGIN_GUEST,      /* the running guest's; the call names the domain first */
    VP_ORIGIN_IMAGE,      /* in a saved guest's file, which the call names */
    VP_ORIGIN_MANAGED,    /* in the managed save of the domain that the call names first */
    VP_ORIGIN_SNAPSHOT,   /* in that domain's snapshot of the document's name */
} VpOrigin;

/*
 * The procedures we touch. A procedure without a row leaves as it came, in both directions;
 * a NULL handler means the same for its direction.
 */
typedef struct VpIntercept {
    guint32 program;
    gint32 procedure;
    VpIntercepted (*call)(VpClient *client, const VpFrame *frame, const struct VpIntercept *row);
    /* A reply of any status. VP_DONE: something was sent in its place. */
    VpIntercepted (*reply)(VpClient *client, const VpFrame *frame, const struct VpIntercept *row);
    const char *call_layout;  /* for handlers that walk the payload: rpc/walk.h */
    const char *reply_layout;
    bool running;             /* its documents are of guests that run already, or did: see
                               * VpXmlRules */
    VpOrigin origin;
    bool defines;             /* what is translated becomes a definition */
    bool native;              /* the reply is a command line made of the document */
} VpIntercept;

/* NULL: not ours. */
const VpIntercept *vp_intercept_find(guint32 program, gint32 procedure);

/* The handlers, by file. */
VpIntercepted vp_open_call(VpClient *client, const VpFrame *frame, const VpIntercept *row);
VpIntercepted vp_open_reply(VpClient *client, const VpFrame *frame, const VpIntercept *row);
VpIntercepted vp_feature_call(VpClient *client, const VpFrame *frame, const VpIntercept *row);
VpIntercepted vp_identity_call(VpClient *client, const VpFrame *frame, const VpIntercept *row);
VpIntercepted vp_xml_call(VpClient *client, const VpFrame *frame, const VpIntercept *row);
VpIntercepted vp_xml_reply(VpClient *client, const VpFrame *frame, const VpIntercept *row);
VpIntercepted vp_monitor_call(VpClient *client, const VpFrame *frame, const VpIntercept *row);
VpIntercepted vp_commandline_alter_call(VpClient *client, const VpFrame *frame,
                                        const VpIntercept *row);
VpIntercepted vp_commandline_get_call(VpClient *client, const VpFrame *frame,
                                      const VpIntercept *row);
VpIntercepted vp_session_info_call(VpClient *client, const VpFrame *frame, const VpIntercept *row);
VpIntercepted vp_event_register_call(VpClient *client, const VpFrame *frame,
                                     const VpIntercept *row);
VpIntercepted vp_event_deregister_call(VpClient *client, const VpFrame *frame,
                                       const VpIntercept *row);
