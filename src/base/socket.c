/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Unix stream sockets: connect, listen, and who is at the other end. */

#include "base/socket.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool
fill_address(struct sockaddr_un *address, const char *path, GError **error)
{
    if (strlen(path) > VP_SOCKET_PATH_MAX) {
        g_set_error(error, VP_ERROR, VP_ERROR_LIMIT,
                    "socket path '%s' is longer than the %d bytes that the system allows", path,
                    VP_SOCKET_PATH_MAX);
        return false;
    }
    address->sun_family = AF_UNIX;
    g_strlcpy(address->sun_path, path, sizeof(address->sun_path));
    return true;
}

static int
new_socket(GError **error)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        vp_error_set_errno(error, errno, "cannot create a socket");
    return fd;
}

int
vp_socket_connect(const char *path, int *ret_errno, GError **error)
{
    struct sockaddr_un address = { 0 };
    vp_autofd int fd = -1;

    if (ret_errno)
        *ret_errno = 0;
    if (!fill_address(&address, path, error) || (fd = new_socket(error)) < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        if (ret_errno)
            *ret_errno = errno;
        vp_error_set_errno(error, errno, "cannot connect to '%s'", path);
        return -1;
    }
    return vp_steal_fd(&fd);
}

int
vp_socket_listen(const char *path, mode_t mode, gid_t group, GError **error)
{
    struct sockaddr_un address = { 0 };
    vp_autofd int fd = -1;
    mode_t old_umask = 0;
    int bound = 0;

    if (!fill_address(&address, path, error) || (fd = new_socket(error)) < 0)
        return -1;
    old_umask = umask(0777); /* nobody gets in before mode and group are right */
    bound = bind(fd, (struct sockaddr *)&address, sizeof(address));
    umask(old_umask);
    if (bound < 0 || (group != (gid_t)-1 && chown(path, -1, group) < 0) ||
        chmod(path, mode) < 0 || listen(fd, SOMAXCONN) < 0) {
        vp_error_set_errno(error, errno, "cannot listen on '%s'", path);
        if (bound == 0)
            unlink(path);
        return -1;
    }
    return vp_steal_fd(&fd);
}

bool
vp_socket_peer(int fd, VpPeer *ret_peer, GError **error)
{
    struct ucred credentials = { 0 };
    socklen_t size = sizeof(credentials);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) {
        vp_error_set_errno(error, errno, "cannot find out who connected");
        return false;
    }
    *ret_peer = (VpPeer){
        .pid = credentials.pid,
        .uid = credentials.uid,
        .gid = credentials.gid,
        .start_time = vp_process_start_time(credentials.pid),
    };
    return true;
}
