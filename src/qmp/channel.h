/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"
#include "base/loop.h"
#include "qmp/stats.h"

#include <sys/uio.h>

/* The connection to one monitor socket. */
typedef struct VpQmpChannel {
    const char *name;    /* for log lines; the session's */
    VpQmpStats *stats;   /* the session's; bytes are counted there */
    VpWatch watch;
    int fd;              /* -1: closed */
    VpBuffer unsent;     /* rest of a message that the socket had no room for */
    int *fds;            /* owned; go with the first byte of @unsent */
    guint n_fds;
    guint lines;         /* that were sent since it was opened */
    int send_errno;      /* why nothing can be sent any more, 0 while it can */
} VpQmpChannel;

void vp_qmp_channel_init(VpQmpChannel *channel, const char *name, VpQmpStats *stats);

/* Takes @fd, a socket that is connected, over if this succeeds; @func is called for what is ready
 * from then on. */
bool vp_qmp_channel_adopt(VpQmpChannel *channel, VpLoop *loop, int fd, VpWatchFunc func,
                          gpointer data, GError **error);

void vp_qmp_channel_close(VpQmpChannel *channel);

/* Whether a message would be sent now. If not, EPOLLOUT is reported when vp_qmp_channel_flush() is
 * worth calling. */
bool vp_qmp_channel_can_send(const VpQmpChannel *channel);

/*
 * Sends @parts as one message, and with it @fds, an array that is taken over as they are; for
 * these vp_qmp_channel_can_send() must be true. What the socket does not take at once is kept. A
 * failure shows as the end of the connection in the next turn.
 */
void vp_qmp_channel_send(VpQmpChannel *channel, struct iovec *parts, guint n_parts, int *fds,
                         guint n_fds);

/* Sends what was kept, after EPOLLOUT. */
void vp_qmp_channel_flush(VpQmpChannel *channel);

/*
 * Reads once, into memory that all channels share: valid and writable until the next call for any
 * of them. The number of bytes; 0 at the end; -1 when there is nothing now; -2 on failure (errno).
 */
gssize vp_qmp_channel_receive(VpQmpChannel *channel, char **ret_bytes);
