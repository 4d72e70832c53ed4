/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A link over a socket pair, in a loop, with an owner that notes what it is told. The other end is
 * a link too, or a plain socket where the peer has to do what a link would not.
 */

#include "base/fd.h"
#include "rpc/link.h"
#include "rpc/test-helpers.h"

#include <string.h>
#include <sys/socket.h>

/* --- an owner that notes what it is told --------------------------------- */

typedef struct VpEnd VpEnd;

struct VpEnd {
    VpLink *link;      /* NULL: freed; no callback may come */
    GByteArray *seen;  /* the frames that were taken */
    GArray *files;     /* ino_t of their descriptors */
    guint frames, held, drained, ended, failed;
    guint hold_next;   /* so many frames are held before the next one is taken */
    bool in_frame;     /* a frame is being looked at: it must be the only one */
    void (*on_frame)(VpEnd *end); /* done in the callbacks, before they return; NULL: nothing */
    void (*on_drained)(VpEnd *end);
    void (*on_ended)(VpEnd *end);
    void (*on_failed)(VpEnd *end);
};

static inline void
react(VpEnd *end, void (*reaction)(VpEnd *))
{
    if (reaction)
        reaction(end);
}

static inline void
assert_may_be_called(const VpLink *link, const VpEnd *end)
{
    g_assert_nonnull(end->link);
    g_assert_true(end->link == link);
    g_assert_cmpuint(end->failed, ==, 0);
}

static inline VpLinkNext
end_frame(VpLink *link, const VpFrame *frame, gpointer data)
{
    VpEnd *end = data;

    assert_may_be_called(link, end);
    g_assert_cmpuint(end->ended, ==, 0);
    g_assert_false(end->in_frame);
    if (end->hold_next > 0) {
        end->hold_next--;
        end->held++;
        return VP_LINK_HELD;
    }
    g_byte_array_append(end->seen, frame->bytes, frame->header.length);
    for (guint i = 0; i < frame->header.nfds; i++) {
        ino_t file = file_of(frame->fds[i]);

        g_array_append_val(end->files, file);
    }
    end->frames++;
    end->in_frame = true;
    react(end, end->on_frame);
    end->in_frame = false;
    return VP_LINK_TAKEN;
}

static inline void
end_drained(VpLink *link, gpointer data)
{
    VpEnd *end = data;

    assert_may_be_called(link, end);
    end->drained++;
    react(end, end->on_drained);
}

static inline void
end_ended(VpLink *link, gpointer data)
{
    VpEnd *end = data;

    assert_may_be_called(link, end);
    end->ended++;
    g_assert_cmpuint(end->ended, ==, 1);
    react(end, end->on_ended);
}

static inline void
end_failed(VpLink *link, const char *reason, gpointer data)
{
    VpEnd *end = data;

    assert_may_be_called(link, end);
    g_assert_nonnull(reason);
    end->failed++;
    react(end, end->on_failed);
}

static const VpLinkOps test_ops G_GNUC_UNUSED = {
    .frame = end_frame, .drained = end_drained, .ended = end_ended, .failed = end_failed,
};

static inline void
free_link(VpEnd *end)
{
    g_clear_pointer(&end->link, vp_link_free);
}

static inline void
pause_link(VpEnd *end)
{
    vp_link_pause(end->link);
}

static inline void
pause_and_resume(VpEnd *end)
{
    vp_link_pause(end->link);
    vp_link_resume(end->link);
}

/* --- a stage with two ends ----------------------------------------------- */

static VpLoop *test_loop;
static guint fds_at_start;

static inline void
end_open(VpEnd *end, int fd, VpInboxSide side)
{
    g_autoptr(GError) error = NULL;

    *end = (VpEnd){
        .seen = g_byte_array_new(),
        .files = g_array_new(FALSE, FALSE, sizeof(ino_t)),
    };
    end->link = vp_link_new(test_loop, fd, side, &test_ops, end, &error);
    g_assert_no_error(error);
    g_assert_cmpint(vp_link_fd(end->link), ==, fd);
}

static inline void
end_close(VpEnd *end)
{
    free_link(end);
    g_byte_array_unref(end->seen);
    g_array_unref(end->files);
}

static inline void
make_pair(int fds[2])
{
    int small = 1; /* the kernel makes its minimum of it, some 4 KiB */

    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
    for (guint i = 0; i < 2; i++)
        g_assert_no_errno(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)));
}

/* A link on one end; the other end is returned. */
static inline int
open_with_peer(VpEnd *end, VpInboxSide side)
{
    int fds[2] = { -1, -1 };

    make_pair(fds);
    end_open(end, fds[0], side);
    return fds[1];
}

/* Runs until nothing is ready. A link that spins does not get away with it. */
static inline void
turn(void)
{
    for (guint n = 0; g_main_context_iteration(NULL, FALSE); n++)
        g_assert_cmpuint(n, <, 20000);
}

static inline void
start_test(void)
{
    test_loop = vp_loop_new(NULL, NULL);
    g_assert_nonnull(test_loop);
    fds_at_start = count_fds();
}

static inline void
finish_test(void)
{
    turn();
    g_assert_cmpuint(count_fds(), ==, fds_at_start);
    g_clear_pointer(&test_loop, vp_loop_free);
}

/* --- what is sent -------------------------------------------------------- */

static inline void
send_plain(VpEnd *end, guint32 serial, gsize size)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    append_frame(bytes, VP_FRAME_CALL, serial, size, 0);
    vp_link_send(end->link, bytes->data, bytes->len);
}

/* With new files; @files gets their numbers. */
static inline void
send_with_files(VpEnd *end, guint32 serial, gsize size, guint nfds, GArray *files)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    int fds[VP_FRAME_FDS_MAX] = { 0 };
    VpFrame frame = { .fds = fds };

    for (guint i = 0; i < nfds; i++) {
        ino_t file = 0;

        fds[i] = make_file();
        file = file_of(fds[i]);
        g_array_append_val(files, file);
    }
    append_frame(bytes, VP_FRAME_CALL_WITH_FDS, serial, size, nfds);
    g_assert_cmpint(vp_header_decode(bytes->data, bytes->len, &frame.header), ==, VP_FRAME_OK);
    frame.bytes = bytes->data;
    vp_link_send_frame(end->link, &frame);
    vp_close_fds(fds, nfds); /* those that were not taken over */
}

/* Frames 0 to @n - 1, each larger than the one before. */
static inline GByteArray *
make_frames(guint n, gsize step)
{
    GByteArray *bytes = g_byte_array_new();

    for (guint i = 0; i < n; i++)
        append_frame(bytes, VP_FRAME_REPLY, i, i * step, 0);
    return bytes;
}

static inline void
assert_seen(const VpEnd *end, const GByteArray *expected)
{
    g_assert_cmpmem(end->seen->data, end->seen->len, expected->data, expected->len);
}

static inline void
assert_files(const VpEnd *end, const GArray *expected)
{
    g_assert_cmpmem(end->files->data, end->files->len * sizeof(ino_t), expected->data,
                    expected->len * sizeof(ino_t));
}

/* Writes all, with turns of the loop in between where the socket is full. */
static inline void
write_all(int fd, const guint8 *bytes, gsize n)
{
    while (n > 0) {
        gssize written = send(fd, bytes, n, MSG_NOSIGNAL);

        if (written < 0) {
            g_assert_cmpint(errno, ==, EAGAIN);
            turn();
            continue;
        }
        bytes += written;
        n -= written;
    }
}

/* The counterpart. What does not come within some turns does not come at all. */
static inline void
read_all(int fd, guint8 *bytes, gsize n)
{
    for (guint turns = 0; n > 0;) {
        gssize got = read(fd, bytes, n);

        if (got < 0) {
            g_assert_cmpint(errno, ==, EAGAIN);
            g_assert_cmpuint(turns++, <, 100000);
            turn();
            continue;
        }
        g_assert_cmpint(got, >, 0);
        bytes += got;
        n -= got;
    }
}

/* Sends while there is room. What waits is bounded by the limit and one frame. */
static inline void
send_until_full(VpEnd *end, gsize size, guint32 *serial)
{
    while (!vp_link_is_full(end->link)) {
        send_plain(end, (*serial)++, size);
        g_assert_cmpuint(vp_link_waiting(end->link), <=, VP_LINK_HIGH_WATER + VP_FRAME_MIN + size);
    }
}

/* A receiver as libvirt's is: the frame by its length, then one byte a read, and with each exactly
 * one descriptor. Returns the number of its file. */
static inline ino_t
receive_as_libvirt(int fd)
{
    char space[CMSG_SPACE(8 * sizeof(int))] = { 0 };
    guint8 byte = 1;
    struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space),
    };
    struct cmsghdr *control = NULL;
    vp_autofd int received = -1;

    while (recvmsg(fd, &message, 0) < 0) {
        g_assert_cmpint(errno, ==, EAGAIN);
        turn();
    }
    g_assert_cmpuint(byte, ==, 0);
    control = CMSG_FIRSTHDR(&message);
    g_assert_nonnull(control);
    g_assert_cmpint(control->cmsg_type, ==, SCM_RIGHTS);
    g_assert_cmpuint(control->cmsg_len, ==, CMSG_LEN(sizeof(int)));
    memcpy(&received, CMSG_DATA(control), sizeof(received));
    return file_of(received);
}
