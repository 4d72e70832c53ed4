/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/socket.h"
#include "qemu_passthrough/admission.h"
#include "qemu_passthrough/daemon.h"
#include "qemu_passthrough/names.h"
#include "qemu_passthrough/events.h"
#include "qemu_passthrough/places.h"
#include "rpc/calls.h"

/*
 * One client: its connection to us, and its own connection to libvirtd. Fields are shared by the
 * files that answer for libvirtd (open.c, document.c, monitor.c, events.c, access.c) and belong
 * to client.c where nothing else is said.
 */
typedef enum VpClientState {
    VP_CLIENT_CONNECTING,  /* libvirtd has not let it in yet, or is not there yet (being started, or
                            * its queue is full) */
    VP_CLIENT_NEW,         /* before CONNECT_OPEN */
    VP_CLIENT_OPENING,     /* CONNECT_OPEN forwarded, or the identity being set: all else waits */
    VP_CLIENT_OPEN,
    VP_CLIENT_LEAVING,     /* one side has ended; what is on its way is still delivered */
} VpClientState;

struct VpClient {
    VpDaemon *daemon;
    guint64 number;             /* for log lines */
    VpClientState state;
    VpPlace *place;
    VpPeer peer;                /* of who came by a unix socket; else all zero */
    char *tls_name;             /* the name in the certificate of who came through TLS; else NULL */
    char *owner;                /* vp_client_owner() */
    VpNamesLook *names;         /* until its identity is sent; NULL: it is not looked for */
    bool read_only;             /* came by the -ro socket, or opened read-only */
    bool trusted;               /* access.c: libvirtd would let it do whatever we may */
    bool barred;                /* libvirtd does not take its identity: not a frame more of it may
                                 * get upstream, where we are still ourselves */
    bool is_qemu;               /* OPEN named a URI of the QEMU driver: our procedures apply */
    VpLink *down;               /* to the client */
    VpLink *up;                 /* to libvirtd; NULL while CONNECTING */
    gint64 up_resumed;          /* monotonic time until which replies had to wait in `up`, the last
                                 * time that they had to; 0: never */
    VpAdmission *admission;     /* under way; else NULL */
    char *refusal;              /* why libvirtd does not let it in; NULL: it does */
    GSource *retry;             /* of the connection to libvirtd */
    guint tries;
    VpCalls *calls;             /* ours among the client's, on `up` */
    GSource *again;             /* its held frame may have had to wait for a serial only */
    GByteArray *open_reply;     /* open.c: given to the client when the identity is set */
    GHashTable *users;          /* monitor.c: VpDomain (a reference) -> VpAddedUser; NULL without */
    GPtrArray *requests;        /* monitor.c: monitor commands without a reply; NULL without */
    GPtrArray *own_calls;       /* own_calls.c: calls of our own without a reply; NULL without */
    VpDocument *document;       /* document.c: the call that all behind it waits for, or NULL */
    GPtrArray *awaited;         /* document.c: calls with links; NULL without */
    VpAnswer *answer;           /* answer.c: the same for replies, or NULL */
    bool down_ended;            /* the client has sent its last byte, behind `document` */
    bool up_ended;              /* libvirtd has, behind `answer` */
    GHashTable *access;         /* access.c: cached verdicts; NULL without */
    VpEventFilters filters;     /* events.c: registrations */
};

/* A client on @fd, with its open session if it came through TLS, else NULL; both are consumed.
 * NULL: it is gone already. */
VpClient *vp_client_new(VpDaemon *daemon, int fd, VpTls *tls, bool read_only);
void vp_client_free(VpClient *client);

/* Sends finished bytes of a frame to the client. */
void vp_client_send(VpClient *client, const GByteArray *frame);

/* Answers @call, or libvirtd's reply to it, with @object; with an error about @what if that breaks
 * a limit of libvirt's protocol. */
void vp_client_reply(VpClient *client, const VpHeader *call, void *func, void *object,
                     const char *what);

/* Who is charged for what is done for the client: a text for each user, and for each name in a
 * certificate. The client's. */
const char *vp_client_owner(const VpClient *client);

/* The same frame with another payload, which the walk has seen to fit. */
void vp_client_send_changed(VpLink *link, const VpFrame *frame, const GByteArray *payload);

/* `document`, or `answer`, is done: what has waited behind it goes on. */
void vp_client_call_done(VpClient *client);
void vp_client_reply_done(VpClient *client);

/* Something the client's held frame may have waited for has happened. */
void vp_client_go_on(VpClient *client);

/* Ends the connection after what is on its way. @reason for the log. */
void vp_client_leave(VpClient *client, const char *reason);
