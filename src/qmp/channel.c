/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The unix socket of a monitor, non-blocking in both directions.
 *
 * As a rule one message is on its way out: who sends asks first whether there is room, so commands
 * wait in their users' queues and not here. (Only what a peer provokes that answers before it has
 * read, the next question of a handshake, is put behind.)
 *
 * Received descriptors: QMP has none in this direction, so we read without a place for them, and
 * the kernel closes what a peer sends nevertheless.
 *
 * Nothing here calls back. When sending fails the socket is shut down, and the loop reports that
 * like any other end of the connection; so no caller has to expect that its session is lost inside
 * of a call.
 */

#include "qmp/channel.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* What of a message a debug line shows. */
#define LOGGED_MAX 500

static char scratch[VP_READ_CHUNK];

void
vp_qmp_channel_init(VpQmpChannel *channel, const char *name, VpQmpStats *stats)
{
    *channel = (VpQmpChannel){ .name = name, .stats = stats, .watch = VP_WATCH_INIT, .fd = -1 };
}

bool
vp_qmp_channel_adopt(VpQmpChannel *channel, VpLoop *loop, int fd, VpWatchFunc func, gpointer data,
                     GError **error)
{
    if (!vp_watch_add(&channel->watch, loop, fd, EPOLLIN, func, data, error))
        return false;
    channel->fd = fd;
    channel->lines = 0;
    return true;
}

static void
drop_fds(VpQmpChannel *channel)
{
    vp_close_fds(channel->fds, channel->n_fds);
    g_clear_pointer(&channel->fds, g_free);
    channel->n_fds = 0;
}

void
vp_qmp_channel_close(VpQmpChannel *channel)
{
    vp_watch_remove(&channel->watch);
    vp_clear_fd(&channel->fd);
    vp_buffer_clear(&channel->unsent);
    drop_fds(channel);
    channel->send_errno = 0;
}

bool
vp_qmp_channel_can_send(const VpQmpChannel *channel)
{
    return channel->fd >= 0 && channel->unsent.len == 0 && !channel->send_errno;
}

/* Sends @parts with the descriptors of the channel, which are done with once a byte has gone. The
 * number of bytes; 0 when the socket has no room or has failed. */
static gsize
send_some(VpQmpChannel *channel, struct iovec *parts, guint n_parts)
{
    char control[CMSG_SPACE(VP_QMP_FDS_MAX * sizeof(int))] = { 0 };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = n_parts };
    struct cmsghdr *header = NULL;
    gssize n = 0;

    if (channel->n_fds > 0) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(channel->n_fds * sizeof(int));
        header = CMSG_FIRSTHDR(&message);
        *header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(channel->n_fds * sizeof(int)),
                                    .cmsg_level = SOL_SOCKET,
                                    .cmsg_type = SCM_RIGHTS };
        memcpy(CMSG_DATA(header), channel->fds, channel->n_fds * sizeof(int));
    }
    n = TEMP_FAILURE_RETRY(sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT));
    if (n < 0 && errno != EAGAIN) {
        channel->send_errno = errno;
        shutdown(channel->fd, SHUT_RDWR);
    }
    if (n <= 0)
        return 0;
    drop_fds(channel);
    channel->stats->bytes_sent += n;
    return n;
}

static void
keep_unsent(VpQmpChannel *channel, const struct iovec *parts, guint n_parts, gsize sent)
{
    for (guint i = 0; i < n_parts; i++) {
        gsize skip = MIN(sent, parts[i].iov_len);

        vp_buffer_append(&channel->unsent, (char *)parts[i].iov_base + skip,
                         parts[i].iov_len - skip);
        sent -= skip;
    }
    if (channel->unsent.len > 0)
        vp_watch_set(&channel->watch, EPOLLIN | EPOLLOUT);
}

static guint
count_lines(const struct iovec *part)
{
    const char *at = part->iov_base, *end = at + part->iov_len;
    guint lines = 0;

    while (at < end && (at = memchr(at, '\n', end - at))) {
        at++;
        lines++;
    }
    return lines;
}

void
vp_qmp_channel_send(VpQmpChannel *channel, struct iovec *parts, guint n_parts, int *fds,
                    guint n_fds)
{
    bool room = vp_qmp_channel_can_send(channel);

    g_assert(room || n_fds == 0);
    for (guint i = 0; i < n_parts; i++) {
        vp_log_debug("%s: -> %.*s", channel->name, (int)MIN(parts[i].iov_len, LOGGED_MAX),
                     (char *)parts[i].iov_base);
        channel->lines += count_lines(&parts[i]);
    }
    if (n_fds > 0) {
        channel->fds = fds;
        channel->n_fds = n_fds;
    }
    keep_unsent(channel, parts, n_parts, room ? send_some(channel, parts, n_parts) : 0);
}

void
vp_qmp_channel_flush(VpQmpChannel *channel)
{
    struct iovec part = { .iov_base = (guint8 *)vp_buffer_bytes(&channel->unsent),
                          .iov_len = channel->unsent.len };

    vp_buffer_consume(&channel->unsent, send_some(channel, &part, 1));
    if (channel->unsent.len == 0)
        vp_watch_set(&channel->watch, EPOLLIN);
}

gssize
vp_qmp_channel_receive(VpQmpChannel *channel, char **ret_bytes)
{
    gssize n = TEMP_FAILURE_RETRY(recv(channel->fd, scratch, sizeof(scratch), MSG_DONTWAIT));

    if (n < 0)
        return errno == EAGAIN ? -1 : -2;
    channel->stats->bytes_received += n;
    vp_log_debug("%s: <- %.*s", channel->name, (int)MIN(n, LOGGED_MAX), scratch);
    *ret_bytes = scratch;
    return n;
}
