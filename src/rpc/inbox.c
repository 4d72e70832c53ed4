/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From a stream of bytes and descriptors to frames.
 *
 * Bytes are looked at where they were read (chunk) as long as whole frames lie in
 * one read, which is nearly always; only the rest of a read is copied (pending).
 *
 * Descriptors: each travels with one byte of its own after the frame, and a read
 * ends right after such a byte. So at any time there is at most one set of
 * descriptors that nobody has taken, and it belongs to the last byte at hand.
 * That byte can be
 *   - one of the nfds bytes of a complete frame: the descriptor is that frame's;
 *   - the first byte of what would be the next frame, from the server: a stray
 *     that libvirtd echoes after certain errors. A frame never starts with a
 *     descriptor, so this is certain: byte and descriptor are swallowed, where a
 *     stock client would lose its way in the stream;
 *   - anything else: the descriptor is closed and the byte is data, which is what
 *     libvirt's own read() makes of it.
 */

#include "rpc/inbox.h"

#include "base/fd.h"

#include <string.h>

void
vp_inbox_init(VpInbox *inbox, VpInboxSide side)
{
    *inbox = (VpInbox){ .side = side };
}

static void
drop_late_fds(VpInbox *inbox)
{
    vp_close_fds(inbox->late_fds, inbox->n_late_fds);
    g_clear_pointer(&inbox->late_fds, g_free);
    inbox->n_late_fds = 0;
}

static void
drop_frame_fds(VpInbox *inbox)
{
    vp_close_fds(inbox->frame_fds, inbox->n_frame_fds);
    g_clear_pointer(&inbox->frame_fds, g_free);
    inbox->n_frame_fds = 0;
}

void
vp_inbox_clear(VpInbox *inbox)
{
    drop_late_fds(inbox);
    drop_frame_fds(inbox);
    vp_buffer_clear(&inbox->pending);
    *inbox = (VpInbox){ .side = inbox->side };
}

void
vp_inbox_feed(VpInbox *inbox, const guint8 *bytes, gsize n, const int *fds, guint nfds)
{
    g_assert(!inbox->chunk && !inbox->late_fds && inbox->taken == 0);
    if (inbox->pending.len > 0) {
        vp_buffer_append(&inbox->pending, bytes, n);
    } else {
        inbox->chunk = bytes;
        inbox->chunk_len = n;
    }
    if (nfds > 0) {
        inbox->late_fds = g_memdup2(fds, nfds * sizeof(*fds));
        inbox->n_late_fds = nfds;
    }
}

void
vp_inbox_settle(VpInbox *inbox)
{
    if (!inbox->chunk)
        return;
    vp_buffer_append(&inbox->pending, inbox->chunk, inbox->chunk_len);
    inbox->chunk = NULL;
    inbox->chunk_len = 0;
}

static const guint8 *
bytes_at_hand(const VpInbox *inbox, gsize *ret_len)
{
    *ret_len = inbox->chunk ? inbox->chunk_len : inbox->pending.len;
    return inbox->chunk ? inbox->chunk : vp_buffer_bytes(&inbox->pending);
}

static void
consume(VpInbox *inbox, gsize n)
{
    if (!inbox->chunk) {
        vp_buffer_consume(&inbox->pending, n);
        return;
    }
    inbox->chunk += n;
    inbox->chunk_len -= n;
    if (inbox->chunk_len == 0)
        inbox->chunk = NULL;
}

/* The frame handed out before is done with. */
static void
finish_taken(VpInbox *inbox)
{
    if (inbox->taken == 0)
        return;
    drop_frame_fds(inbox);
    consume(inbox, inbox->taken);
    inbox->taken = 0;
}

void
vp_inbox_return(VpInbox *inbox)
{
    inbox->taken = 0;
}

/* One byte at a frame's start that came with a descriptor. */
static bool
swallow_stray(VpInbox *inbox)
{
    gsize len = 0;

    bytes_at_hand(inbox, &len);
    if (inbox->side != VP_INBOX_FROM_SERVER || !inbox->late_fds || len != 1)
        return false;
    inbox->strays += inbox->n_late_fds;
    drop_late_fds(inbox);
    consume(inbox, 1);
    return true;
}

/* Takes the descriptors of the complete frame at the front. Its bytes after the frame arrive one
 * a read, so most of the time there is at most one to take. */
static VpFrameVerdict
take_fds(VpInbox *inbox, const VpHeader *header, gsize len)
{
    while (inbox->n_frame_fds < header->nfds) {
        gsize position = header->length + inbox->n_frame_fds;

        if (position >= len)
            return VP_FRAME_INCOMPLETE;
        if (position != len - 1 || inbox->n_late_fds != 1)
            return VP_FRAME_BAD_FDS;
        if (!inbox->frame_fds)
            inbox->frame_fds = g_new0(int, header->nfds);
        inbox->frame_fds[inbox->n_frame_fds++] = vp_steal_fd(&inbox->late_fds[0]);
        drop_late_fds(inbox);
    }
    return VP_FRAME_OK;
}

VpFrameVerdict
vp_inbox_next(VpInbox *inbox, VpFrame *ret_frame)
{
    VpFrameVerdict verdict = VP_FRAME_OK;
    VpHeader header = { 0 };
    const guint8 *bytes = NULL;
    gsize len = 0;

    finish_taken(inbox);
    if (swallow_stray(inbox))
        return VP_FRAME_INCOMPLETE;
    bytes = bytes_at_hand(inbox, &len);
    verdict = vp_header_decode(bytes, len, &header);
    if (verdict == VP_FRAME_OK && len < header.length)
        verdict = VP_FRAME_INCOMPLETE;
    if (verdict == VP_FRAME_OK)
        verdict = take_fds(inbox, &header, len);
    if (verdict == VP_FRAME_INCOMPLETE)
        drop_late_fds(inbox); /* they came with a byte of the frame's body */
    if (verdict != VP_FRAME_OK)
        return verdict;
    inbox->taken = header.length + header.nfds;
    *ret_frame = (VpFrame){
        .header = header,
        .bytes = bytes,
        .payload = bytes + vp_header_size(header.type),
        .payload_size = header.length - vp_header_size(header.type),
        .fds = inbox->frame_fds,
    };
    return VP_FRAME_OK;
}
