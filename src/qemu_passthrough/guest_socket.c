/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Connecting to a guest's session, and to nobody else's.
 *
 * All QEMUs of a host may run as the same user, so whatever one of them can do in the directory of
 * the sockets another one can as well, unless AppArmor or SELinux are in the way. So:
 *
 * The file is opened as a place (O_PATH), looked at, and connected to through that descriptor; what
 * has been checked is what has been connected to. Its peer has to be the process that libvirt has
 * started (guest_process.c). A socket that somebody has bound before the guest was started is
 * another process's. One whose process has ended and whose number is the guest's now is found by
 * SO_PEERPIDFD; kernels before 6.5 have the file's time of birth instead, which then is before the
 * time at which libvirt wrote down the guest's number.
 *
 * Then the socket is taken over: it becomes ours alone, by owner and mode, so that nobody else can
 * connect any more, by whatever name, nor after the end of virtpassd. (Not in a sticky directory:
 * the guest's next QEMU has to be able to replace the file, and there it is its owner who can.)
 * Who connected before that, the kernel can name. He would be the QEMU's next client as soon as we
 * leave, so we do not: the connection is kept, as a guard, and used when he has gone.
 */

#include "qemu_passthrough/guest_socket.h"

#include "base/backlog.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/socket.h"
#include "qemu_passthrough/guest_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

/* QEMU makes its sockets at its start, after libvirt has prepared it, which can take seconds. */
#define START_S 8

/* What is known of one attempt. */
typedef struct Attempt {
    const char *path;
    VpGuestProcess guest;
    int place;           /* the file, O_PATH */
    struct stat file;
    int fd;              /* the connection */
    bool full;           /* there is a socket, but others wait at it */
} Attempt;

static bool
open_place(Attempt *attempt, GError **error)
{
    attempt->place = open(attempt->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (attempt->place < 0 || fstat(attempt->place, &attempt->file) < 0) {
        vp_error_set_errno(error, errno, "cannot connect to '%s'", attempt->path);
        return false;
    }
    if (S_ISSOCK(attempt->file.st_mode))
        return true;
    return vp_refuse(error, VP_ERROR_STRANGER, "'%s' is not a socket: remove it", attempt->path);
}

static bool
connect_to_place(Attempt *attempt, GError **error)
{
    g_autofree char *place = g_strdup_printf("/proc/self/fd/%d", attempt->place);
    int errnum = 0;

    attempt->fd = vp_socket_connect(place, &errnum, NULL);
    if (attempt->fd >= 0)
        return true;
    attempt->full = errnum == EAGAIN;
    if (attempt->full)
        return vp_refuse(error, VP_ERROR_FAILED,
                         "cannot connect to '%s': its queue is full of others' connections",
                         attempt->path);
    vp_error_set_errno(error, errnum, "cannot connect to '%s'", attempt->path);
    return false;
}

/* Was the socket bound since libvirt wrote down the number of its process? Both times are of one
 * clock, within milliseconds of each other; where the file system has no time of birth there is
 * nothing to compare. */
static bool
is_young(const Attempt *attempt)
{
    const struct timespec *noted = &attempt->guest.noted;
    struct statx found = { 0 };

    if (statx(attempt->place, "", AT_EMPTY_PATH, STATX_BTIME, &found) < 0 ||
        !(found.stx_mask & STATX_BTIME))
        return true;
    return found.stx_btime.tv_sec != noted->tv_sec
               ? found.stx_btime.tv_sec > noted->tv_sec
               : found.stx_btime.tv_nsec >= (guint32)noted->tv_nsec;
}

static bool
refuse_peer(const Attempt *attempt, pid_t pid, GError **error)
{
    g_autofree char *name = vp_process_name(pid);

    return vp_refuse(error, VP_ERROR_STRANGER,
                     "process %d (%s) listens at '%s' and is not this domain's, which is %d: end "
                     "it if it has no business there, then start the guest anew",
                     (int)pid, name, attempt->path, (int)attempt->guest.process.pid);
}

static bool
check_peer(const Attempt *attempt, GError **error)
{
    pid_t pid = 0;
    VpPeerIs is = vp_process_is_peer(&attempt->guest.process, attempt->fd, &pid);

    if (is == VP_PEER_IS_IT || (is == VP_PEER_HAS_NUMBER && is_young(attempt)))
        return true;
    if (is != VP_PEER_IS_UNKNOWN)
        return refuse_peer(attempt, pid, error);
    return vp_refuse(error, VP_ERROR_STRANGER,
                     "the kernel does not say who listens at '%s': it is a process of another pid "
                     "namespace than virtpassd's",
                     attempt->path);
}

/* --- the queue ------------------------------------------------------------ */

/* Others share the user that the guest runs as only where that is not ourselves. */
static bool
is_shared(const Attempt *attempt)
{
    VpPeer peer = { 0 };

    return geteuid() == 0 && vp_socket_peer(attempt->fd, &peer, NULL) && peer.uid != 0;
}

static bool
is_in_sticky_directory(const char *path)
{
    g_autofree char *directory = g_path_get_dirname(path);
    struct stat found = { 0 };

    return stat(directory, &found) == 0 && (found.st_mode & S_ISVTX);
}

static void
take_over(const Attempt *attempt)
{
    g_autofree char *place = g_strdup_printf("/proc/self/fd/%d", attempt->place);

    if (is_in_sticky_directory(attempt->path))
        return;
    if (fchownat(attempt->place, "", 0, 0, AT_EMPTY_PATH) < 0 || chmod(place, 0600) < 0)
        vp_log_warning("'%s' cannot be closed to other guests of its user: %s", attempt->path,
                       g_strerror(errno));
}

/* false: somebody waits behind us. */
static bool
check_queue(const Attempt *attempt, GError **error)
{
    static bool told = false;
    g_autoptr(GError) why = NULL;
    guint others = 0;
    guint32 ino = 0;

    if (!vp_backlog_others(&attempt->file, attempt->path, attempt->fd, &others, &ino, &why)) {
        if (g_error_matches(why, VP_ERROR, VP_ERROR_CLOSED))
            return vp_refuse(error, VP_ERROR_FAILED, "%s", why->message);
        vp_log(told ? VP_LOG_DEBUG : VP_LOG_WARNING,
               "others that wait for a guest's session cannot be seen: %s", why->message);
        told = true;
        return true;
    }
    if (others == 0)
        return true;
    return vp_refuse(error, VP_ERROR_STRANGER,
                     "%u other connection(s) wait at '%s' to be its QEMU's next client, from "
                     "before it was closed to them: end their process ('ss -xp' shows it; socket "
                     "%u) or start the guest anew",
                     others, attempt->path, ino);
}

static bool
is_open(int fd)
{
    struct pollfd poll_fd = { .fd = fd };

    return fd >= 0 && TEMP_FAILURE_RETRY(poll(&poll_fd, 1, 0)) == 0;
}

static int
attempt_it(VpGuestSocket *socket, Attempt *attempt, GError **error)
{
    if (!open_place(attempt, error))
        return -1;
    attempt->fd = vp_steal_fd(&socket->guard);
    if (!is_open(attempt->fd)) {
        vp_clear_fd(&attempt->fd);
        if (!connect_to_place(attempt, error))
            return -1;
    }
    if (!check_peer(attempt, error))
        return -1;
    if (is_shared(attempt)) {
        take_over(attempt);
        if (!check_queue(attempt, error)) {
            attempt->full = true;
            socket->guard = vp_steal_fd(&attempt->fd);
            return -1;
        }
    }
    return vp_steal_fd(&attempt->fd);
}

static bool
is_past_start(const VpGuestProcess *guest)
{
    gint64 seconds = g_get_real_time() / G_USEC_PER_SEC - guest->noted.tv_sec;

    return seconds > START_S;
}

int
vp_guest_socket_connect(VpGuestSocket *socket, const char *state_dir, const char *name,
                        const char *path, GError **error)
{
    Attempt attempt = { .path = path, .guest.process = VP_PROCESS_INIT, .place = -1, .fd = -1 };
    int fd = -1;

    socket->hopeless = false;
    if (vp_guest_process_find(&attempt.guest, state_dir, name, error)) {
        fd = attempt_it(socket, &attempt, error);
        socket->hopeless = fd < 0 && !attempt.full && is_past_start(&attempt.guest);
    }
    vp_process_clear(&attempt.guest.process);
    vp_clear_fd(&attempt.place);
    vp_clear_fd(&attempt.fd);
    return fd;
}

void
vp_guest_socket_clear(VpGuestSocket *socket)
{
    vp_clear_fd(&socket->guard);
}
