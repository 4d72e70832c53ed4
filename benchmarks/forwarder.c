/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The least that a process between a client and libvirtd can do, and so what no proxy is faster
 * than:
 *
 *     forwarder UPSTREAM-SOCKET SOCKET
 *
 * Whoever connects to SOCKET gets a connection to UPSTREAM-SOCKET, and bytes go both ways as they
 * come: one system call to wait, one to read, one to write, and not a look at what they are. It
 * prints "listening" and runs until it is killed.
 */

#include "base/fd.h"
#include "base/socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_SIZE (256 * 1024)

/* One end of a connection; the other end has it as its peer. */
typedef struct End End;
struct End {
    int fd;
    End *peer;
};

static void
fail(const char *why)
{
    fprintf(stderr, "forwarder: %s\n", why);
    exit(EXIT_FAILURE);
}

static End *
add_end(int set, int fd)
{
    End *end = g_new0(End, 1);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = end };

    end->fd = fd;
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0)
        fail(g_strerror(errno));
    return end;
}

static void
add_connection(int set, int client, const char *upstream)
{
    g_autoptr(GError) error = NULL;
    int server = vp_socket_connect(upstream, NULL, &error);
    End *ends[2] = { NULL };

    if (client < 0 || server < 0)
        fail(error ? error->message : g_strerror(errno));
    ends[0] = add_end(set, client);
    ends[1] = add_end(set, server);
    ends[0]->peer = ends[1];
    ends[1]->peer = ends[0];
}

static void
hang_up(End *end)
{
    vp_clear_fd(&end->peer->fd);
    vp_clear_fd(&end->fd);
    g_free(end->peer);
    g_free(end);
}

/* Calls are short: they find room at once or not at all. */
static void
forward(End *end)
{
    static char buffer[BUFFER_SIZE];
    gssize n = read(end->fd, buffer, sizeof(buffer));

    if (n <= 0 || write(end->peer->fd, buffer, n) != n)
        hang_up(end);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    struct epoll_event event = { .events = EPOLLIN };
    int set = epoll_create1(EPOLL_CLOEXEC);
    int listener = -1;

    if (argc != 3)
        fail("usage: forwarder UPSTREAM-SOCKET SOCKET");
    listener = vp_socket_listen(argv[2], 0600, (gid_t)-1, &error);
    if (listener < 0)
        fail(error->message);
    if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, listener, &event) < 0)
        fail(g_strerror(errno));
    printf("listening\n");
    fflush(stdout);
    while (epoll_wait(set, &event, 1, -1) == 1) {
        if (event.data.ptr)
            forward(event.data.ptr);
        else
            add_connection(set, accept4(listener, NULL, NULL, SOCK_CLOEXEC), argv[1]);
    }
    fail(g_strerror(errno));
}
