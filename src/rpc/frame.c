/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The frame's header, coded and decoded. Pure functions.
 *
 * The length is judged before anything else of the frame is looked at, and nobody
 * allocates by it: a buffer grows with the bytes that really come.
 */

#include "rpc/frame.h"

#include "base/fd.h"

#include <string.h>

const char *const vp_frame_type_names[] = {
    "call", "reply", "message", "stream", "call-with-fds", "reply-with-fds", "stream-hole", NULL,
};

static const char *const verdict_texts[] = {
    [VP_FRAME_OK] = "no error",
    [VP_FRAME_INCOMPLETE] = "incomplete frame",
    [VP_FRAME_BAD_LENGTH] = "frame length out of range",
    [VP_FRAME_BAD_FDS] = "descriptors do not match the frame",
};

const char *
vp_frame_verdict_text(VpFrameVerdict verdict)
{
    return verdict_texts[verdict];
}

gsize
vp_header_size(guint32 type)
{
    return vp_header_has_fds(type) ? VP_FRAME_MIN + 4 : VP_FRAME_MIN;
}

VpFrameVerdict
vp_header_decode(const guint8 *bytes, gsize n, VpHeader *ret_header)
{
    VpHeader header = { 0 };

    if (n < 4)
        return VP_FRAME_INCOMPLETE;
    header.length = vp_get_u32(bytes);
    if (header.length < VP_FRAME_MIN || header.length > VP_FRAME_MAX)
        return VP_FRAME_BAD_LENGTH;
    if (n < VP_FRAME_MIN)
        return VP_FRAME_INCOMPLETE;
    header.program = vp_get_u32(bytes + 4);
    header.version = vp_get_u32(bytes + 8);
    header.procedure = (gint32)vp_get_u32(bytes + 12);
    header.type = vp_get_u32(bytes + 16);
    header.serial = vp_get_u32(bytes + 20);
    header.status = vp_get_u32(bytes + 24);
    if (vp_header_has_fds(header.type)) {
        if (header.length < VP_FRAME_MIN + 4)
            return VP_FRAME_BAD_LENGTH;
        if (n < VP_FRAME_MIN + 4)
            return VP_FRAME_INCOMPLETE;
        header.nfds = vp_get_u32(bytes + 28);
        if (header.nfds > VP_FRAME_FDS_MAX)
            return VP_FRAME_BAD_FDS;
    }
    *ret_header = header;
    return VP_FRAME_OK;
}

void
vp_append_u32(GByteArray *out, guint32 value)
{
    guint32 wire = GUINT32_TO_BE(value);

    g_byte_array_append(out, (const guint8 *)&wire, sizeof(wire));
}

void
vp_frame_begin(GByteArray *out, const VpHeader *header)
{
    guint32 words[] = {
        0, header->program, header->version, (guint32)header->procedure,
        header->type, header->serial, header->status,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        words[i] = GUINT32_TO_BE(words[i]);
    g_byte_array_append(out, (const guint8 *)words, sizeof(words));
    if (vp_header_has_fds(header->type))
        vp_append_u32(out, header->nfds);
}

bool
vp_frame_end(GByteArray *out)
{
    guint32 wire = GUINT32_TO_BE(out->len);

    if (out->len > VP_FRAME_MAX)
        return false;
    memcpy(out->data, &wire, sizeof(wire));
    return true;
}

GByteArray *
vp_frame_keep(const VpFrame *frame, int *fds, VpFrame *ret_frame)
{
    GByteArray *bytes = g_byte_array_sized_new(frame->header.length);

    g_byte_array_append(bytes, frame->bytes, frame->header.length);
    for (guint i = 0; i < frame->header.nfds; i++)
        fds[i] = vp_steal_fd(&frame->fds[i]);
    *ret_frame = *frame;
    ret_frame->bytes = bytes->data;
    ret_frame->payload = bytes->data + (frame->payload - frame->bytes);
    ret_frame->fds = fds;
    return bytes;
}
