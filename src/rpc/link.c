/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A connection that carries frames, either way.
 *
 * Reading: one large buffer, shared by all links since there is one thread, is
 * filled by recvmsg() and handed to the inbox; each frame in it goes to the owner.
 * The owner bounds memory by pausing: a link that is paused, or whose frame was
 * held, is neither read nor delivered from. Only recvmsg() is ever used, for a
 * plain read() that crosses a descriptor's byte destroys the descriptor.
 *
 * Writing: at once, as far as the socket takes it, so that an answer leaves in the
 * same turn of the loop that produced it; the rest waits in `out`. A descriptor is
 * sent with a byte of its own (marks: which byte of the stream carries which one),
 * because libvirt's receiver accepts nothing else.
 *
 * A link may be freed by its owner within any callback. It is then only marked, and
 * the memory goes when the outermost function that still works on it has returned
 * (`users`).
 *
 * A peer that has hung up is reported ready by epoll whether one asks or not. A
 * client that is gone is not served any further; but what a server has sent before
 * it went is still owed to the client, however slowly that reads (hang_up()). So
 * a server that takes nothing any more is read to its end and then reported as ended.
 *
 * The bytes go through the socket as they are, or through TLS (`tls`), which then stands
 * in the place of sendmsg() and recvmsg() and is told of the end. TLS can have something
 * to be read when the socket has not: then the next turn of the loop reads it (`again`).
 *
 * Failure is reported once, never from within vp_link_send(): callers need not
 * expect their own link to vanish under a send. The loop reports it in its next
 * turn; the socket is shut down for that, since one that is full and waits for a
 * peer who does not read would never be ready (break_off()).
 */

#include "rpc/link.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* A byte of the outgoing stream that carries a descriptor. */
typedef struct VpFdMark {
    guint64 position;
    int fd;
} VpFdMark;

struct VpLink {
    VpLoop *loop;
    VpWatch watch;
    int fd;
    VpTls *tls;         /* what the bytes go through; NULL: plain socket */
    GSource *again;     /* TLS has something to be read; NULL: nothing, or nobody wants it */
    const VpLinkOps *ops;
    gpointer data;
    VpInbox inbox;
    VpBuffer out;       /* waits to be written */
    guint64 sent;       /* bytes written so far; marks count from there */
    GArray *marks;      /* VpFdMark, ascending; NULL while there are none */
    guint users;        /* functions below us on the stack */
    bool freed;         /* vp_link_free() was called */
    bool broken;        /* nothing can be written any more */
    bool doomed;        /* the next turn reports the link as failed */
    bool failed;        /* failed() was called */
    bool paused;        /* the owner does not want frames now */
    bool delivering;    /* deliver() is on the stack */
    bool ended;         /* the peer has sent all it will; ended() was called */
    bool hung;          /* hung up while nobody wanted its bytes: not watched, see hang_up() */
    bool ending;        /* we send nothing more after `out` */
    bool unended;       /* TLS's word for that found no room yet */
    bool was_full;      /* drained() is owed */
};

static guint8 read_chunk[VP_READ_CHUNK];

static void on_ready(VpWatch *watch, guint32 ready, gpointer data);
static gboolean on_again(gpointer data);

VpLink *
vp_link_new(VpLoop *loop, int fd, VpInboxSide side, const VpLinkOps *ops, gpointer data,
            GError **error)
{
    VpLink *link = g_new0(VpLink, 1);

    link->loop = loop;
    link->fd = fd;
    link->ops = ops;
    link->data = data;
    link->paused = true;
    link->watch = (VpWatch)VP_WATCH_INIT;
    vp_inbox_init(&link->inbox, side);
    if (!vp_watch_add(&link->watch, loop, fd, 0, on_ready, link, error)) {
        vp_link_free(link);
        return NULL;
    }
    return link;
}

void
vp_link_set_tls(VpLink *link, VpTls *tls)
{
    g_assert(!link->tls && link->paused && link->sent == 0 && link->out.len == 0);
    link->tls = tls;
}

bool
vp_link_carries_fds(const VpLink *link)
{
    return !link->tls;
}

static void
drop_marks(VpLink *link)
{
    for (guint i = 0; link->marks && i < link->marks->len; i++)
        vp_clear_fd(&g_array_index(link->marks, VpFdMark, i).fd);
    g_clear_pointer(&link->marks, g_array_unref);
}

static void
enter(VpLink *link)
{
    link->users++;
}

static void
leave(VpLink *link)
{
    if (--link->users == 0 && link->freed)
        g_free(link);
}

void
vp_link_free(VpLink *link)
{
    if (!link || link->freed)
        return;
    link->freed = true;
    vp_watch_remove(&link->watch);
    vp_inbox_clear(&link->inbox);
    vp_buffer_clear(&link->out);
    drop_marks(link);
    vp_loop_cancel(&link->again);
    g_clear_pointer(&link->tls, vp_tls_free);
    vp_clear_fd(&link->fd);
    if (link->users == 0)
        g_free(link);
}

int
vp_link_fd(const VpLink *link)
{
    return link->fd;
}

void
vp_link_set_ops(VpLink *link, const VpLinkOps *ops)
{
    link->ops = ops;
}

gsize
vp_link_waiting(const VpLink *link)
{
    return link->out.len;
}

bool
vp_link_is_full(const VpLink *link)
{
    return link->out.len > VP_LINK_HIGH_WATER ||
           (link->marks && link->marks->len > VP_LINK_FDS_HIGH_WATER);
}

/* Nothing may happen to it any more. */
static bool
is_over(const VpLink *link)
{
    return link->freed || link->failed;
}

static bool
wants_bytes(const VpLink *link)
{
    return !link->paused && !link->ended && !is_over(link);
}

static void
update_watch(VpLink *link)
{
    guint32 events = 0;

    if (is_over(link))
        return;
    if (link->hung && (wants_bytes(link) || link->doomed))
        link->hung = !vp_watch_add(&link->watch, link->loop, link->fd, 0, on_ready, link, NULL);
    if (wants_bytes(link))
        events |= EPOLLIN;
    if (link->out.len > 0 || link->unended)
        events |= EPOLLOUT;
    vp_watch_set(&link->watch, events);
    if (link->tls && !link->again && wants_bytes(link) && vp_tls_has_pending(link->tls))
        link->again = vp_loop_timer(link->loop, 0, on_again, link);
}

static void
fail(VpLink *link, const char *reason)
{
    if (is_over(link))
        return;
    link->failed = true;
    vp_watch_remove(&link->watch);
    vp_loop_cancel(&link->again);
    link->ops->failed(link, reason, link->data);
}

/* --- writing ------------------------------------------------------------- */

/* Bytes from the front of `out` that may go in one call: up to the next byte with a descriptor,
 * or that byte alone. */
static gsize
next_piece(const VpLink *link, gsize n, int *ret_fd)
{
    const VpFdMark *mark = NULL;

    *ret_fd = -1;
    if (!link->marks || link->marks->len == 0)
        return n;
    mark = &g_array_index(link->marks, VpFdMark, 0);
    if (mark->position > link->sent)
        return MIN(n, mark->position - link->sent);
    *ret_fd = mark->fd;
    return 1;
}

static gssize
send_piece(VpLink *link, const guint8 *bytes, gsize n, int fd)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec iov = { .iov_base = (void *)bytes, .iov_len = n };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (link->tls)
        return vp_tls_write(link->tls, bytes, n);
    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    }
    return sendmsg(link->fd, &message, MSG_NOSIGNAL);
}

static void
finish_mark(VpLink *link)
{
    vp_clear_fd(&g_array_index(link->marks, VpFdMark, 0).fd);
    g_array_remove_index(link->marks, 0);
    if (link->marks->len == 0)
        g_clear_pointer(&link->marks, g_array_unref);
}

/* Nothing is written from now on; the next turn of the loop finds the socket at its end. What has
 * come before can still be read. */
static void
break_off(VpLink *link)
{
    link->broken = true;
    if (link->inbox.side == VP_INBOX_FROM_CLIENT)
        link->doomed = true;
    shutdown(link->fd, SHUT_RDWR);
}

/* Writes as much of @bytes as the socket takes now; returns how much. */
static gsize
write_some(VpLink *link, const guint8 *bytes, gsize n)
{
    gsize done = 0;

    while (done < n && !link->broken) {
        int fd = -1;
        gsize piece = next_piece(link, n - done, &fd);
        gssize written = send_piece(link, bytes + done, piece, fd);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno != EAGAIN)
            break_off(link);
        if (written <= 0)
            break;
        if (fd >= 0)
            finish_mark(link);
        done += written;
        link->sent += written;
        if ((gsize)written < piece)
            break;
    }
    return done;
}

static void
end_writing(VpLink *link)
{
    link->unended = link->tls && !link->broken && !vp_tls_end(link->tls);
    if (!link->unended)
        shutdown(link->fd, SHUT_WR);
}

/* After something was written, or could not be. */
static void
finish_write(VpLink *link)
{
    if (link->broken) {
        vp_buffer_clear(&link->out);
        drop_marks(link);
    }
    if (link->ending && link->out.len == 0)
        end_writing(link);
    update_watch(link);
}

static bool
takes_frames(const VpLink *link)
{
    return !is_over(link) && !link->broken && !link->ending;
}

static void
send_bytes(VpLink *link, const guint8 *bytes, gsize n)
{
    gsize done = 0;

    if (link->out.len == 0)
        done = write_some(link, bytes, n);
    if (done < n)
        vp_buffer_append(&link->out, bytes + done, n - done);
    if (vp_link_is_full(link))
        link->was_full = true;
    finish_write(link);
}

void
vp_link_send(VpLink *link, const guint8 *bytes, gsize n)
{
    if (!takes_frames(link))
        return;
    if (link->ops->sending)
        link->ops->sending(link, bytes, link->data);
    send_bytes(link, bytes, n);
}

void
vp_link_send_frame(VpLink *link, const VpFrame *frame)
{
    guint64 position = link->sent + link->out.len + frame->header.length;
    const guint8 zeros[VP_FRAME_FDS_MAX] = { 0 };

    if (!takes_frames(link))
        return; /* the descriptors stay with the frame, whose inbox closes them */
    if (frame->header.nfds == 0) {
        vp_link_send(link, frame->bytes, frame->header.length);
        return;
    }
    if (!vp_link_carries_fds(link)) {
        vp_link_break(link);
        return;
    }
    if (link->ops->sending)
        link->ops->sending(link, frame->bytes, link->data);
    if (!link->marks)
        link->marks = g_array_new(FALSE, FALSE, sizeof(VpFdMark));
    for (guint i = 0; i < frame->header.nfds; i++) {
        VpFdMark mark = { .position = position + i, .fd = vp_steal_fd(&frame->fds[i]) };

        g_array_append_val(link->marks, mark);
    }
    send_bytes(link, frame->bytes, frame->header.length);
    if (takes_frames(link))
        send_bytes(link, zeros, frame->header.nfds);
}

void
vp_link_end(VpLink *link)
{
    if (is_over(link) || link->ending)
        return;
    link->ending = true;
    finish_write(link);
}

void
vp_link_break(VpLink *link)
{
    if (is_over(link))
        return;
    break_off(link);
    link->doomed = true;
    finish_write(link);
}

static void
flush(VpLink *link)
{
    gsize done = write_some(link, vp_buffer_bytes(&link->out), link->out.len);

    vp_buffer_consume(&link->out, done);
    finish_write(link);
    if (link->was_full && !link->broken && !vp_link_is_full(link)) {
        link->was_full = false;
        link->ops->drained(link, link->data);
    }
}

/* --- reading ------------------------------------------------------------- */

/* Hands out the frames at hand until there are none, or the owner has enough. */
static void
deliver(VpLink *link)
{
    link->delivering = true;
    while (!link->paused && !is_over(link)) {
        VpFrame frame = { 0 };
        VpFrameVerdict verdict = vp_inbox_next(&link->inbox, &frame);

        if (verdict == VP_FRAME_INCOMPLETE)
            break;
        if (verdict != VP_FRAME_OK) {
            fail(link, vp_frame_verdict_text(verdict));
            break;
        }
        if (link->ops->frame(link, &frame, link->data) == VP_LINK_HELD && !link->freed) {
            vp_inbox_return(&link->inbox);
            link->paused = true;
        }
    }
    link->delivering = false;
}

/* What one recvmsg() brings, with its descriptors. Returns what that does. */
static gssize
receive(VpLink *link, int *fds, guint *ret_nfds)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(VP_FRAME_FDS_MAX * sizeof(int))];
    } control = { 0 };
    struct iovec iov = { .iov_base = read_chunk, .iov_len = sizeof(read_chunk) };
    struct msghdr message = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    gssize n = 0;

    *ret_nfds = 0;
    if (link->tls)
        return vp_tls_read(link->tls, read_chunk, sizeof(read_chunk));
    n = recvmsg(link->fd, &message, MSG_CMSG_CLOEXEC);
    if (n < 0)
        return n;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        *ret_nfds = MIN((c->cmsg_len - CMSG_LEN(0)) / sizeof(int), VP_FRAME_FDS_MAX);
        memcpy(fds, CMSG_DATA(c), *ret_nfds * sizeof(int));
    }
    return n;
}

/* The shared buffer is in use while frames are delivered from it. A link that is resumed from
 * within another's frame callback reads in the next turn of the loop, not here. */
static void
read_and_deliver(VpLink *link)
{
    int fds[VP_FRAME_FDS_MAX] = { 0 };
    guint nfds = 0;
    gssize n = receive(link, fds, &nfds);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n == 0 || (n < 0 && errno == ECONNRESET && link->inbox.side == VP_INBOX_FROM_SERVER)) {
        link->ended = true; /* ECONNRESET: it did not read all that it was sent; no matter now */
        link->ops->ended(link, link->data);
        return;
    }
    if (n < 0) {
        fail(link, link->tls ? vp_tls_problem(link->tls) : g_strerror(errno));
        return;
    }
    vp_inbox_feed(&link->inbox, read_chunk, n, fds, nfds);
    deliver(link);
    vp_inbox_settle(&link->inbox);
}

/* The peer is gone and nobody wants to read what it left. */
static void
hang_up(VpLink *link)
{
    if (link->inbox.side == VP_INBOX_FROM_CLIENT) {
        fail(link, "the connection was closed");
        return;
    }
    link->hung = true;
    vp_watch_remove(&link->watch);
}

static void
on_ready(VpWatch *watch G_GNUC_UNUSED, guint32 ready, gpointer data)
{
    VpLink *link = data;

    enter(link);
    if ((link->out.len > 0 || link->unended) && (ready & ~EPOLLIN))
        flush(link);
    if (link->doomed)
        fail(link, "the peer does not take what is written");
    else if (wants_bytes(link) && (ready & ~EPOLLOUT))
        read_and_deliver(link);
    else if (!is_over(link) && (ready & (EPOLLHUP | EPOLLERR)))
        hang_up(link);
    update_watch(link);
    leave(link);
}

static gboolean
on_again(gpointer data)
{
    VpLink *link = data;

    vp_loop_cancel(&link->again);
    enter(link);
    if (wants_bytes(link))
        read_and_deliver(link);
    update_watch(link);
    leave(link);
    return G_SOURCE_REMOVE;
}

void
vp_link_pause(VpLink *link)
{
    link->paused = true;
    update_watch(link);
}

void
vp_link_resume(VpLink *link)
{
    if (is_over(link) || !link->paused)
        return;
    link->paused = false;
    if (link->delivering)
        return; /* deliver() on the stack goes on */
    enter(link);
    deliver(link);
    update_watch(link);
    leave(link);
}
