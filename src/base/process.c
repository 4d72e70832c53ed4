/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Processes held by descriptor, and whether a socket's peer is one of them.
 *
 * A number that two looks find is the same process if it was alive all the time between them, and
 * a pidfd tells that. So who compares a peer opens the process first, looks at the peer, and asks
 * last whether the process is still alive. The peer is told by SO_PEERPIDFD, which Linux has since
 * 6.5; older kernels have its number only, and a number may belong to a process that ended long
 * ago, having given its listening socket away.
 *
 * What is read here is in /proc, which does not block.
 */

#include "base/process.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* all architectures but parisc and sparc, which have no libvirt guests */
#endif

/* The process may be gone, or its name may hold anything, a ')' included. */
guint64
vp_process_start_time(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *stat = NULL;
    g_auto(GStrv) fields = NULL;
    const char *behind_name = NULL;

    if (!g_file_get_contents(path, &stat, NULL, NULL))
        return 0;
    behind_name = strrchr(stat, ')');
    if (!behind_name)
        return 0;
    fields = g_strsplit(behind_name + 1, " ", -1);
    /* " S 1 ..." splits into "", state (field 3), ...: field 22 is entry 20. */
    return g_strv_length(fields) > 20 ? g_ascii_strtoull(fields[20], NULL, 10) : 0;
}

char *
vp_process_name(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/comm", (int)pid);
    g_autofree char *name = NULL;

    if (!g_file_get_contents(path, &name, NULL, NULL))
        return g_strdup("?");
    return g_strescape(g_strchomp(name), NULL);
}

static bool
is_alive(int pidfd)
{
    struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

    return pidfd >= 0 && TEMP_FAILURE_RETRY(poll(&poll_fd, 1, 0)) == 0;
}

bool
vp_process_is_alive(const VpProcess *process)
{
    return is_alive(process->pidfd);
}

bool
vp_process_open(VpProcess *process, pid_t pid, GError **error)
{
    g_auto(VpProcess) opened = VP_PROCESS_INIT;

    *process = opened;
    opened.pid = pid;
    opened.pidfd = syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by itself */
    if (opened.pidfd < 0) {
        vp_error_set_errno(error, errno, "cannot look at process %d", (int)pid);
        return false;
    }
    opened.start_time = vp_process_start_time(pid);
    if (!vp_process_is_alive(&opened))
        return vp_refuse(error, VP_ERROR_FAILED, "process %d has ended", (int)pid);
    *process = opened;
    opened.pidfd = -1;
    return true;
}

void
vp_process_clear(VpProcess *process)
{
    vp_clear_fd(&process->pidfd);
    *process = (VpProcess)VP_PROCESS_INIT;
}

VpPeerIs
vp_process_is_peer(const VpProcess *process, int fd, pid_t *ret_pid)
{
    struct ucred credentials = { 0 };
    socklen_t size = sizeof(credentials);
    vp_autofd int pidfd = -1;
    bool old = false;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0 || credentials.pid == 0)
        return VP_PEER_IS_UNKNOWN;
    *ret_pid = credentials.pid;
    size = sizeof(pidfd);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0) {
        pidfd = -1;
        old = errno == ENOPROTOOPT;
    }
    if (credentials.pid != process->pid || (!old && !is_alive(pidfd)) ||
        !vp_process_is_alive(process))
        return VP_PEER_IS_OTHER;
    return old ? VP_PEER_HAS_NUMBER : VP_PEER_IS_IT;
}
