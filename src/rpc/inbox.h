/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"
#include "rpc/frame.h"

/* Whose bytes these are decides what a descriptor without a frame means. */
typedef enum VpInboxSide {
    VP_INBOX_FROM_CLIENT,
    VP_INBOX_FROM_SERVER, /* libvirtd echoes a call's descriptors after some errors */
} VpInboxSide;

/* Bytes and descriptors in, frames out. No I/O. All fields are inbox.c's. */
typedef struct VpInbox {
    VpInboxSide side;
    VpBuffer pending;           /* bytes that are kept from one read to the next */
    const guint8 *chunk;        /* the read at hand, borrowed; only while pending is empty */
    gsize chunk_len;
    int *late_fds;              /* came with the last byte at hand, not taken yet; NULL mostly */
    guint n_late_fds;
    int *frame_fds;             /* taken for the frame at the front; VP_FRAME_FDS_MAX of them */
    guint n_frame_fds;
    gsize taken;                /* size of the frame that was handed out last, with its fd bytes */
    guint64 strays;             /* descriptors swallowed, for tests and the log */
} VpInbox;

void vp_inbox_init(VpInbox *inbox, VpInboxSide side);
void vp_inbox_clear(VpInbox *inbox);

/*
 * What one recvmsg() brought. The kernel ends a read right after the byte that descriptors came
 * with, so @fds belong to the last byte; they are consumed. Before it, everything that could be
 * taken must have been taken (vp_inbox_next() said INCOMPLETE). @bytes stays borrowed until
 * vp_inbox_settle().
 */
void vp_inbox_feed(VpInbox *inbox, const guint8 *bytes, gsize n, const int *fds, guint nfds);

/* The next frame, valid until the next call; descriptors not stolen from it are closed then.
 * After a BAD_ verdict the connection cannot be read any further. */
VpFrameVerdict vp_inbox_next(VpInbox *inbox, VpFrame *ret_frame);

/* Takes back the frame that was handed out last: the next call of vp_inbox_next() returns it
 * again, with all its descriptors still in place. */
void vp_inbox_return(VpInbox *inbox);

/* Copies what is left of the borrowed bytes. Call before they go away. */
void vp_inbox_settle(VpInbox *inbox);
