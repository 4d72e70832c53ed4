/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "base/limits.h"

/*
 * One message of libvirt's RPC ("frame"). All integers are big-endian.
 *
 *     uint32 length      of the whole frame, this word included
 *     uint32 program, version; int32 procedure
 *     uint32 type, serial, status
 *     uint32 nfds        only in the two types with descriptors
 *     payload            XDR, or raw bytes in a stream
 *     nfds bytes         after the frame, not counted in length, each with one descriptor
 */

typedef enum VpFrameType {
    VP_FRAME_CALL,
    VP_FRAME_REPLY,
    VP_FRAME_MESSAGE,
    VP_FRAME_STREAM,
    VP_FRAME_CALL_WITH_FDS,
    VP_FRAME_REPLY_WITH_FDS,
    VP_FRAME_STREAM_HOLE,
} VpFrameType;

extern const char *const vp_frame_type_names[];

typedef enum VpFrameStatus {
    VP_STATUS_OK,
    VP_STATUS_ERROR,
    VP_STATUS_CONTINUE,
} VpFrameStatus;

typedef struct VpHeader {
    guint32 length;
    guint32 program;
    guint32 version;
    gint32 procedure;
    guint32 type;      /* VpFrameType, or a number from a future libvirt */
    guint32 serial;
    guint32 status;    /* VpFrameStatus */
    guint32 nfds;      /* 0 for types without descriptors */
} VpHeader;

/* A frame that is wholly there. Borrowed from whoever handed it out. */
typedef struct VpFrame {
    VpHeader header;
    const guint8 *bytes;    /* header.length bytes, from the length word on */
    const guint8 *payload;
    gsize payload_size;
    int *fds;               /* header.nfds descriptors; the taker steals them by setting -1 */
} VpFrame;

typedef enum VpFrameVerdict {
    VP_FRAME_OK,
    VP_FRAME_INCOMPLETE, /* more bytes are needed */
    VP_FRAME_BAD_LENGTH, /* below the header's size or above VP_FRAME_MAX */
    VP_FRAME_BAD_FDS,    /* too many descriptors, or a byte without one where one belongs */
} VpFrameVerdict;

/* What the verdict means, for log lines. */
const char *vp_frame_verdict_text(VpFrameVerdict verdict);

/* Decodes the header at the start of @bytes; checks the length as soon as it can be seen.
 * VP_FRAME_OK says that header and nfds are there, not that the payload is. */
VpFrameVerdict vp_header_decode(const guint8 *bytes, gsize n, VpHeader *ret_header);

/* Bytes from the start of a frame to its payload. */
gsize vp_header_size(guint32 type);

static inline bool
vp_header_has_fds(guint32 type)
{
    return type == VP_FRAME_CALL_WITH_FDS || type == VP_FRAME_REPLY_WITH_FDS;
}

/* A copy for later, to which @ret_frame refers; @fds (VP_FRAME_FDS_MAX of them) takes over the
 * descriptors. */
GByteArray *vp_frame_keep(const VpFrame *frame, int *fds, VpFrame *ret_frame);

/* Starts a frame in @out: writes the header with room for the length. */
void vp_frame_begin(GByteArray *out, const VpHeader *header);

/* Writes the length of the finished frame into it. false: it is longer than VP_FRAME_MAX. */
bool vp_frame_end(GByteArray *out);

static inline guint32
vp_get_u32(const guint8 *bytes)
{
    return (guint32)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

/* Of a frame whose header is there. */
static inline guint32
vp_frame_serial(const guint8 *bytes)
{
    return vp_get_u32(bytes + 20);
}

void vp_append_u32(GByteArray *out, guint32 value);
