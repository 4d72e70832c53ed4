/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sd_notify(3) without libsystemd: one datagram to the socket named in NOTIFY_SOCKET.
 * Nobody is told when it is not set or cannot be reached; the service does not depend on it.
 */

#include "qemu_passthrough/notify.h"

#include "base/fd.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

void
vp_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    vp_autofd int fd = -1;
    socklen_t size = 0;

    if (!path || strlen(path) >= sizeof(address.sun_path))
        return;
    memcpy(address.sun_path, path, strlen(path));
    if (address.sun_path[0] == '@') /* an abstract socket */
        address.sun_path[0] = '\0';
    size = offsetof(struct sockaddr_un, sun_path) + strlen(path);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size);
}
