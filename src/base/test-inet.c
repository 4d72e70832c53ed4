/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* TCP sockets on the loopback: which addresses are listened on, and what is said of the others. */

#include "base/inet.h"

#include "base/error.h"
#include "base/fd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* The port of a socket on 127.0.0.1. */
static guint16
port_of(int fd)
{
    struct sockaddr_in address = { 0 };
    socklen_t size = sizeof(address);

    g_assert_no_errno(getsockname(fd, (struct sockaddr *)&address, &size));
    g_assert_cmpint(address.sin_family, ==, AF_INET);
    g_assert_cmphex(ntohl(address.sin_addr.s_addr), ==, INADDR_LOOPBACK);
    return ntohs(address.sin_port);
}

static int
listen_or_fail(guint16 port)
{
    g_autoptr(GError) error = NULL;
    int fds[VP_INET_SOCKETS_MAX] = { 0 };
    guint n = vp_inet_listen("127.0.0.1", port, fds, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(n, ==, 1);
    return fds[0];
}

static int
dial(guint16 port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_no_errno(fd);
    g_assert_no_errno(connect(fd, (struct sockaddr *)&address, sizeof(address)));
    return fd;
}

static bool
has_option(int fd, int level, int option)
{
    int value = 0;
    socklen_t size = sizeof(value);

    g_assert_no_errno(getsockopt(fd, level, option, &value, &size));
    return value != 0;
}

static void
test_listen(void)
{
    vp_autofd int listening = listen_or_fail(0);
    guint16 port = port_of(listening);
    vp_autofd int near_end = dial(port);
    vp_autofd int far_end = accept(listening, NULL, NULL);
    g_autofree char *own = vp_inet_own_name(listening);
    g_autofree char *peer = vp_inet_peer_name(near_end);
    g_autofree char *expected = g_strdup_printf("127.0.0.1 port %u", port);

    g_assert_cmpint(fcntl(listening, F_GETFL) & O_NONBLOCK, ==, O_NONBLOCK);
    g_assert_cmpint(fcntl(listening, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    g_assert_no_errno(far_end);
    g_assert_cmpstr(own, ==, expected);
    g_assert_cmpstr(peer, ==, expected);
    g_assert_false(has_option(far_end, IPPROTO_TCP, TCP_NODELAY));
    vp_inet_tune(far_end);
    g_assert_true(has_option(far_end, IPPROTO_TCP, TCP_NODELAY));
    g_assert_true(has_option(far_end, SOL_SOCKET, SO_KEEPALIVE));
}

/* All addresses of the host: the loopback is one of them. */
static void
test_listen_everywhere(void)
{
    vp_autofd int taken = listen_or_fail(0);
    guint16 port = port_of(taken);
    int fds[VP_INET_SOCKETS_MAX] = { 0 };
    vp_autofd int near_end = -1;
    guint n = 0;

    vp_clear_fd(&taken); /* hardly anybody else gets it in this moment */
    n = vp_inet_listen(NULL, port, fds, NULL);
    g_assert_cmpuint(n, >=, 1);
    near_end = dial(port);
    vp_close_fds(fds, n);
}

/* A daemon that starts anew must not wait for the connections of the one before to be forgotten. */
static void
test_listen_again(void)
{
    vp_autofd int listening = listen_or_fail(0);
    guint16 port = port_of(listening);
    vp_autofd int near_end = dial(port);
    vp_autofd int far_end = accept(listening, NULL, NULL);

    vp_clear_fd(&listening);
    vp_clear_fd(&far_end); /* ends first, and is the one that lingers */
    listening = listen_or_fail(port);
    g_assert_cmpuint(port_of(listening), ==, port);
}

static void
test_refusals(void)
{
    vp_autofd int taken = listen_or_fail(0);
    guint16 port = port_of(taken);
    g_autofree char *port_text = g_strdup_printf("port %u", port);
    const struct {
        const char *address;
        guint16 port;
        const char *word, *other_word;
    } cases[] = {
        { "127.0.0.1", port, "127.0.0.1", port_text },
        { "256.256.256.256", 1, "256.256.256.256", "address" },
        { "192.0.2.1", port, "192.0.2.1", port_text }, /* an address for documentation: not ours */
        { "", 1, "''", "address" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        int fds[VP_INET_SOCKETS_MAX] = { 0 };

        g_assert_cmpuint(vp_inet_listen(cases[i].address, cases[i].port, fds, &error), ==, 0);
        g_assert_nonnull(error);
        g_assert_nonnull(strstr(error->message, cases[i].word));
        g_assert_nonnull(strstr(error->message, cases[i].other_word));
    }
}

static void
test_names_of_others(void)
{
    int fds[2] = { -1, -1 };
    g_autofree char *name = NULL;
    g_autofree char *gone = vp_inet_peer_name(-1);

    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    name = vp_inet_peer_name(fds[0]);
    g_assert_cmpstr(name, ==, "a local socket");
    g_assert_cmpstr(gone, ==, "a peer that is gone");
    vp_close_fds(fds, 2);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/inet/listen", test_listen);
    g_test_add_func("/inet/listen/everywhere", test_listen_everywhere);
    g_test_add_func("/inet/listen/again", test_listen_again);
    g_test_add_func("/inet/refusals", test_refusals);
    g_test_add_func("/inet/names-of-others", test_names_of_others);
    return g_test_run();
}
