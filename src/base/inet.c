/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * TCP sockets: listen, and who is at the other end.
 *
 * A name may stand for several addresses, of which each gets a socket. An address of a family that
 * this host does not have is passed over as long as there is another one: "all addresses" means
 * IPv4 and IPv6, and many a host has but one of them.
 */

#include "base/inet.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

static void
switch_on(int fd, int level, int option)
{
    const int on = 1;

    (void)setsockopt(fd, level, option, &on, sizeof(on)); /* an improvement, no more */
}

static int
listen_at(const struct addrinfo *at)
{
    vp_autofd int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    switch_on(fd, SOL_SOCKET, SO_REUSEADDR); /* connections of a daemon before us may linger */
    if (at->ai_family == AF_INET6)
        switch_on(fd, IPPROTO_IPV6, IPV6_V6ONLY); /* IPv4 has a socket of its own */
    if (bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0)
        return -1;
    return vp_steal_fd(&fd);
}

static bool
is_absent_family(int errnum)
{
    return errnum == EAFNOSUPPORT || errnum == EADDRNOTAVAIL;
}

guint
vp_inet_listen(const char *address, guint16 port, int *ret_fds, GError **error)
{
    const struct addrinfo hints = {
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
    };
    g_autofree char *service = g_strdup_printf("%u", port);
    struct addrinfo *found = NULL;
    int ret = getaddrinfo(address, service, &hints, &found);
    int problem = 0; /* errno of what could not be listened on; the worst if there were several */
    guint n = 0;

    for (const struct addrinfo *at = found; at && n < VP_INET_SOCKETS_MAX; at = at->ai_next) {
        int fd = listen_at(at);

        if (fd >= 0)
            ret_fds[n++] = fd;
        else if (problem == 0 || is_absent_family(problem))
            problem = errno;
    }
    if (found)
        freeaddrinfo(found);
    if (n > 0 && (problem == 0 || is_absent_family(problem)))
        return n;
    vp_close_fds(ret_fds, n);
    if (ret != 0)
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "cannot find the address '%s': %s",
                    address ?: "", gai_strerror(ret));
    else
        vp_error_set_errno(error, problem, "cannot listen on %s port %u",
                           address ?: "any address", port);
    return 0;
}

void
vp_inet_tune(int fd)
{
    switch_on(fd, IPPROTO_TCP, TCP_NODELAY);
    switch_on(fd, SOL_SOCKET, SO_KEEPALIVE);
}

static char *
name_of(const struct sockaddr_storage *address, socklen_t size)
{
    char host[NI_MAXHOST] = "";
    char port[NI_MAXSERV] = "";

    if (address->ss_family != AF_INET && address->ss_family != AF_INET6)
        return g_strdup("a local socket");
    if (getnameinfo((const struct sockaddr *)address, size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return g_strdup("an unknown address");
    return g_strdup_printf("%s port %s", host, port);
}

char *
vp_inet_own_name(int fd)
{
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof(address);

    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        return g_strdup("an unknown address");
    return name_of(&address, size);
}

char *
vp_inet_peer_name(int fd)
{
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof(address);

    if (getpeername(fd, (struct sockaddr *)&address, &size) < 0)
        return g_strdup("a peer that is gone");
    return name_of(&address, size);
}
