/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/loop.h"
#include "rpc/frame.h"
#include "rpc/inbox.h"
#include "rpc/tls.h"

typedef struct VpLink VpLink;

/* What the owner made of a frame. */
typedef enum VpLinkNext {
    VP_LINK_TAKEN, /* go on with the next one */
    VP_LINK_HELD,  /* not now: it comes again after vp_link_resume(); nothing is read till then */
} VpLinkNext;

typedef struct VpLinkOps {
    VpLinkNext (*frame)(VpLink *link, const VpFrame *frame, gpointer data);
    /* May be NULL: a frame is about to be written, of whose bytes these are the first (its header,
     * if no less). Nothing may be sent or freed in the call. */
    void (*sending)(VpLink *link, const guint8 *bytes, gpointer data);
    /* The link was full and is not any more. */
    void (*drained)(VpLink *link, gpointer data);
    /* The peer will send nothing more (it may still read). Comes once, after its last frame. From a
     * server also when it takes nothing any more: all that it has sent has been delivered. */
    void (*ended)(VpLink *link, gpointer data);
    /* The connection is of no use any more; @reason for the log. Comes once; no call follows. */
    void (*failed)(VpLink *link, const char *reason, gpointer data);
} VpLinkOps;

/*
 * A connection that carries frames. Takes over @fd (a connected, non-blocking stream socket).
 * Reading starts with vp_link_resume().
 */
VpLink *vp_link_new(VpLoop *loop, int fd, VpInboxSide side, const VpLinkOps *ops, gpointer data,
                    GError **error);

/* All bytes go through @tls from now on, which is open (vp_tls_accept()) and on the same
 * descriptor; it is taken over. Before the first vp_link_resume() and vp_link_send(). Such a link
 * carries no descriptors. */
void vp_link_set_tls(VpLink *link, VpTls *tls);

/* Whether descriptors can be sent. A frame with some breaks a link that carries none. */
bool vp_link_carries_fds(const VpLink *link);

/* Closes at once; what waits to be written is lost. No callback comes any more. May be called
 * from the callbacks. NULL is fine. */
void vp_link_free(VpLink *link);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpLink, vp_link_free)

/* Reading goes on, with the held frame first. Frames may be delivered before this returns. */
void vp_link_resume(VpLink *link);

/* Delivers and reads nothing until vp_link_resume(). Counterpart of a full peer. */
void vp_link_pause(VpLink *link);

/* Writes a frame; bytes that find no room are copied. @frame's descriptors are taken over. */
void vp_link_send_frame(VpLink *link, const VpFrame *frame);

/* Writes a finished frame without descriptors. */
void vp_link_send(VpLink *link, const guint8 *bytes, gsize n);

/* Bytes that wait to be written. */
gsize vp_link_waiting(const VpLink *link);

/* Do so many bytes or descriptors wait that nothing should be added? drained() tells the end. */
bool vp_link_is_full(const VpLink *link);

/* Tells the peer, once all is written, that nothing more will come. */
void vp_link_end(VpLink *link);

/* Has the link reported as failed in the next turn of the loop. For callers in whose midst the
 * owner must not vanish. */
void vp_link_break(VpLink *link);

/* Other callbacks from now on. */
void vp_link_set_ops(VpLink *link, const VpLinkOps *ops);

/* The descriptor, for SO_PEERCRED. Borrowed. */
int vp_link_fd(const VpLink *link);
