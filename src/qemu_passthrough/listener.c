/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The sockets that clients connect to.
 *
 * One instance owns a directory: it holds a lock on virtpassd.lock there for as long
 * as it lives. The kernel drops the lock of a process that dies, so a socket file
 * found by who holds the lock is stale by definition and is replaced, without a guess
 * whether somebody might still answer on it.
 *
 * Who comes by TCP stands before the door of TLS (rpc/tls_door.c) first, and is a client when it
 * is through. While no clients are accepted the door is shut too, so that there are never more
 * than there may be.
 *
 * Who may connect: what the configuration says; else the group and mode of libvirtd's
 * own socket, but never everybody on the read-write one. A socket that is open to all
 * belongs to a libvirtd that asks polkit about each client, which it cannot do about
 * ours: it sees only us.
 */

#include "qemu_passthrough/listener.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/inet.h"
#include "base/log.h"
#include "base/socket.h"
#include "qemu_passthrough/certificates.h"
#include "rpc/tls_door.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define FIRST_PASSED_FD 3
#define RO_SUFFIX "-ro"

/* Until it is tried again to accept a client, after that was not possible. */
#define REST_MS 1000

/* The one for all and the read-only one. */
#define UNIX_SOCKETS_MAX 2u

/* Until a peer has to have shown its certificate. A client needs two round trips. */
#define TLS_PATIENCE_MS 10000

typedef struct VpListenSocket {
    VpListener *owner;
    VpWatch watch;
    int fd;
    char *path;     /* address and port of one for TLS */
    bool tls;
    bool read_only;
    bool made;      /* by us: removed at the end */
} VpListenSocket;

struct VpListener {
    VpLoop *loop;
    VpListenerFunc func;
    VpListenerMayFunc may;      /* NULL: everybody */
    gpointer data;
    int lock_fd;                /* -1 with sockets of systemd's */
    VpListenSocket sockets[UNIX_SOCKETS_MAX + VP_INET_SOCKETS_MAX];
    guint n_sockets;
    VpTlsDoor *door;            /* NULL without TLS */
    GSource *rest;              /* nobody is accepted until then */
};

static gboolean
on_rested(gpointer data)
{
    VpListener *listener = data;

    vp_loop_cancel(&listener->rest);
    vp_listener_set_accepting(listener, true);
    return G_SOURCE_REMOVE;
}

/* The client that cannot be accepted (no descriptor is left, say) stays in the kernel's queue and
 * the socket stays ready: without a rest this would be all we do. */
static void
rest(VpListener *listener, const char *reason)
{
    vp_log_error("cannot accept clients: %s", reason);
    vp_listener_set_accepting(listener, false);
    vp_loop_cancel(&listener->rest);
    listener->rest = vp_loop_timer(listener->loop, REST_MS, on_rested, listener);
}

/* While nobody may come there; who comes by TLS is not concerned. */
static void
rest_unix_sockets(VpListener *listener)
{
    for (guint i = 0; i < listener->n_sockets; i++) {
        if (!listener->sockets[i].tls)
            vp_watch_set(&listener->sockets[i].watch, 0);
    }
}

static void
on_connection(VpWatch *watch, guint32 ready G_GNUC_UNUSED, gpointer data)
{
    VpListenSocket *socket = data;
    vp_autofd int fd = -1;

    if (!socket->tls && socket->owner->may && !socket->owner->may(socket->owner->data)) {
        rest_unix_sockets(socket->owner);
        return;
    }
    fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0 && socket->tls) {
        vp_inet_tune(fd);
        vp_tls_door_admit(socket->owner->door, vp_steal_fd(&fd));
    } else if (fd >= 0) {
        socket->owner->func(vp_steal_fd(&fd), NULL, socket->read_only, socket->owner->data);
    } else if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
        rest(socket->owner, g_strerror(errno));
    }
}

static guint
count_sockets(const VpListener *listener, bool tls)
{
    guint n = 0;

    for (guint i = 0; i < listener->n_sockets; i++)
        n += listener->sockets[i].tls == tls;
    return n;
}

/* Takes over @model's descriptor and path. */
static bool
add_socket(VpListener *listener, const VpListenSocket *model, GError **error)
{
    VpListenSocket *socket = &listener->sockets[listener->n_sockets++];

    *socket = *model;
    socket->owner = listener;
    socket->watch = (VpWatch)VP_WATCH_INIT;
    return vp_watch_add(&socket->watch, listener->loop, socket->fd, EPOLLIN, on_connection, socket,
                        error);
}

static bool
add_unix_socket(VpListener *listener, int fd, const char *path, bool made, GError **error)
{
    const VpListenSocket model = {
        .fd = fd,
        .path = g_strdup(path),
        .read_only = g_str_has_suffix(path, RO_SUFFIX),
        .made = made,
    };

    return add_socket(listener, &model, error);
}

static bool
add_tls_socket(VpListener *listener, int fd, GError **error)
{
    const VpListenSocket model = { .fd = fd, .path = vp_inet_own_name(fd), .tls = true };

    vp_log_info("serving TLS at %s", model.path);
    return add_socket(listener, &model, error);
}

/* --- sockets that systemd passed ----------------------------------------- */

static guint
count_passed_fds(void)
{
    const char *pid = getenv("LISTEN_PID");
    const char *count = getenv("LISTEN_FDS");

    if (!pid || !count || atoi(pid) != getpid())
        return 0;
    return MAX(atoi(count), 0);
}

static bool
adopt_passed_fd(VpListener *listener, int fd, GError **error)
{
    struct sockaddr_un address = { 0 }; /* what is longer of another family is cut off */
    socklen_t size = sizeof(address);
    bool known = getsockname(fd, (struct sockaddr *)&address, &size) == 0;
    bool tls = address.sun_family == AF_INET || address.sun_family == AF_INET6;
    g_autofree char *path = NULL;

    if (!known || (!tls && address.sun_family != AF_UNIX)) {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG,
                    "descriptor %d passed by socket activation is no unix or TCP socket", fd);
        return false;
    }
    if (count_sockets(listener, tls) >= (tls ? VP_INET_SOCKETS_MAX : UNIX_SOCKETS_MAX)) {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG,
                    "socket activation passed more than %u %s", count_sockets(listener, tls),
                    tls ? "sockets for TLS"
                        : "unix sockets; virtpassd-sock and virtpassd-sock-ro are all there are");
        return false;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (tls)
        return add_tls_socket(listener, fd, error);
    path = g_strndup(address.sun_path, sizeof(address.sun_path)); /* may have no NUL */
    return add_unix_socket(listener, fd, path, false, error);
}

static bool
adopt_passed_fds(VpListener *listener, guint n, GError **error)
{
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    for (guint i = 0; i < n; i++) {
        if (!adopt_passed_fd(listener, FIRST_PASSED_FD + i, error))
            return false;
    }
    return true;
}

/* --- sockets of our own -------------------------------------------------- */

static bool
take_lock(VpListener *listener, const char *dir, GError **error)
{
    g_autofree char *path = g_build_filename(dir, "virtpassd.lock", NULL);

    if (g_mkdir_with_parents(dir, 0755) < 0) {
        vp_error_set_errno(error, errno, "cannot make directory '%s'", dir);
        return false;
    }
    listener->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (listener->lock_fd < 0) {
        vp_error_set_errno(error, errno, "cannot open '%s'", path);
        return false;
    }
    if (flock(listener->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            g_set_error(error, VP_ERROR, VP_ERROR_FAILED,
                        "another virtpassd serves the sockets in '%s'; stop it or use "
                        "--listen-dir", dir);
        else
            vp_error_set_errno(error, errno, "cannot lock '%s'", path);
        return false;
    }
    return true;
}

/* Whether we may give a file of ours to this group. */
static bool
may_give_to(gid_t group)
{
    g_autofree gid_t *groups = NULL;
    int n = getgroups(0, NULL);

    if (geteuid() == 0 || group == getegid())
        return true;
    groups = g_new0(gid_t, MAX(n, 0) + 1);
    n = getgroups(n, groups);
    while (n-- > 0) {
        if (groups[n] == group)
            return true;
    }
    return false;
}

/* Mode and group for a socket of ours beside the @like of libvirtd's. Where libvirtd's group cannot
 * be ours no group gets in, for it would be another one. */
static bool
choose_access(const VpConfig *config, const char *like, bool read_only, mode_t *ret_mode,
              gid_t *ret_group, GError **error)
{
    int configured = read_only ? config->ro_perms : config->rw_perms;
    const struct group *group = config->group ? getgrnam(config->group) : NULL;
    struct stat st = { 0 };
    bool there = like && stat(like, &st) == 0;

    if (config->group && !group) {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "there is no group '%s'", config->group);
        return false;
    }
    *ret_group = group ? group->gr_gid : (gid_t)-1;
    *ret_mode = there ? st.st_mode & 0777 : 0700;
    if (!read_only)
        *ret_mode &= 0770;
    if (there && !group) {
        if (may_give_to(st.st_gid))
            *ret_group = st.st_gid;
        else
            *ret_mode &= 0707;
    }
    if (configured >= 0)
        *ret_mode = configured;
    return true;
}

static bool
make_socket(VpListener *listener, const VpConfig *config, const char *upstream, bool read_only,
            GError **error)
{
    const char *suffix = read_only ? RO_SUFFIX : "";
    g_autofree char *path = g_strconcat(config->listen_dir, "/virtpassd-sock", suffix, NULL);
    g_autofree char *like = upstream ? g_strconcat(upstream, suffix, NULL) : NULL;
    vp_autofd int fd = -1;
    mode_t mode = 0;
    gid_t group = -1;

    if (!choose_access(config, like, read_only, &mode, &group, error))
        return false;
    if (unlink(path) < 0 && errno != ENOENT) {
        vp_error_set_errno(error, errno, "cannot remove the stale socket '%s'", path);
        return false;
    }
    fd = vp_socket_listen(path, mode, group, error);
    if (fd >= 0)
        listen(fd, config->max_queued_clients);
    return fd >= 0 && add_unix_socket(listener, vp_steal_fd(&fd), path, true, error);
}

static bool
make_unix_sockets(VpListener *listener, const VpConfig *config, const char *upstream,
                  GError **error)
{
    return take_lock(listener, config->listen_dir, error) &&
           make_socket(listener, config, upstream, false, error) &&
           make_socket(listener, config, upstream, true, error);
}

/* --- TLS ----------------------------------------------------------------- */

static void
on_tls_client(int fd, VpTls *tls, gpointer data)
{
    VpListener *listener = data;

    listener->func(fd, tls, false, listener->data);
}

static bool
make_tls_sockets(VpListener *listener, const VpConfig *config, GError **error)
{
    int fds[VP_INET_SOCKETS_MAX] = { 0 };
    guint n = vp_inet_listen(config->tls.address, config->tls.port, fds, error);

    for (guint i = 0; i < n; i++) {
        listen(fds[i], config->max_queued_clients);
        if (!add_tls_socket(listener, vp_steal_fd(&fds[i]), error)) {
            vp_close_fds(fds + i + 1, n - i - 1);
            return false;
        }
    }
    if (n == 0 && listener->lock_fd < 0)
        g_prefix_error(error, "[listen] listen_tls: enable virtpassd-tls.socket instead; "
                       "virtpassd.service itself is kept from the network: ");
    return n > 0;
}

/* Nobody comes in between sockets and door: the loop does not turn. */
static bool
start_tls(VpListener *listener, const VpConfig *config, GError **error)
{
    bool passed = count_sockets(listener, true) > 0;
    g_autoptr(VpTlsContext) context = NULL;

    if (!passed && !config->tls.listen)
        return true;
    context = vp_certificates_load(config, error);
    if (!context)
        return false;
    listener->door = vp_tls_door_new(listener->loop, context, TLS_PATIENCE_MS, on_tls_client,
                                     listener);
    return passed || make_tls_sockets(listener, config, error);
}

bool
vp_listener_reload(VpListener *listener, const VpConfig *config, GError **error)
{
    g_autoptr(VpTlsContext) context = NULL;

    if (!listener->door)
        return true;
    context = vp_certificates_load(config, error);
    if (context)
        vp_tls_door_set_context(listener->door, context);
    return context != NULL;
}

/* --- all of them --------------------------------------------------------- */

VpListener *
vp_listener_new(VpLoop *loop, const VpConfig *config, const char *upstream, VpListenerFunc func,
                gpointer data, GError **error)
{
    g_autoptr(VpListener) listener = g_new0(VpListener, 1);
    guint passed = count_passed_fds();

    listener->loop = loop;
    listener->func = func;
    listener->data = data;
    listener->lock_fd = -1;
    if ((passed > 0 && !adopt_passed_fds(listener, passed, error)) ||
        (count_sockets(listener, false) == 0 &&
         !make_unix_sockets(listener, config, upstream, error)) ||
        !start_tls(listener, config, error))
        return NULL;
    return g_steal_pointer(&listener);
}

void
vp_listener_free(VpListener *listener)
{
    if (!listener)
        return;
    vp_loop_cancel(&listener->rest);
    vp_tls_door_free(listener->door);
    for (guint i = 0; i < listener->n_sockets; i++) {
        VpListenSocket *socket = &listener->sockets[i];

        vp_watch_remove(&socket->watch);
        vp_clear_fd(&socket->fd);
        if (socket->made)
            unlink(socket->path);
        g_free(socket->path);
    }
    vp_clear_fd(&listener->lock_fd);
    g_free(listener);
}

void
vp_listener_ask_before(VpListener *listener, VpListenerMayFunc may)
{
    listener->may = may;
}

void
vp_listener_set_accepting(VpListener *listener, bool accepting)
{
    for (guint i = 0; i < listener->n_sockets; i++)
        vp_watch_set(&listener->sockets[i].watch, accepting ? EPOLLIN : 0);
    if (listener->door)
        vp_tls_door_set_open(listener->door, accepting);
}

const char *
vp_listener_path(const VpListener *listener)
{
    const char *path = NULL;

    for (guint i = 0; i < listener->n_sockets; i++) {
        const VpListenSocket *socket = &listener->sockets[i];

        if (!socket->tls && (!path || !socket->read_only))
            path = socket->path;
    }
    return path; /* there is one unix socket at least */
}
