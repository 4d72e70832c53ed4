/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A private libvirtd: the daemon of the distribution in session mode, with every
 * directory it knows (by way of the XDG variables) under one of ours, so that nothing of
 * the system's libvirt is seen or touched and everything is gone with the directory.
 *
 *     DIR/virtpassd-sock, -ro   ours
 *     DIR/libvirt-sock          libvirtd's
 *     DIR/qmp/                  sockets of the dedicated sessions
 *     DIR/run, config, cache, data   XDG_RUNTIME_DIR and the like; libvirtd.log
 *
 * libvirtd gets its listening socket from us (socket activation): it is there before
 * libvirtd is, so nobody has to wait for it, and it stays when libvirtd is restarted.
 *
 * libvirtd takes session mode only when it is not root. For root it is started in a user
 * namespace in which root is called by another name; outside it is still root, so
 * files and /dev/kvm are within its reach.
 *
 * libvirtd ends with us also when we are killed (PDEATHSIG); guests do not.
 */

#include "qemu_passthrough/embed.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* libvirtd is started again after it died, but not when it dies at once. */
#define RESTART_MS 500
#define SHORT_LIFE_US (5 * G_USEC_PER_SEC)
#define SHORT_LIVES_MAX 3

/* How long it may take to end. Then it is killed: it holds no state that would be lost. */
#define STOP_MS 10000

#define SOCKET_FD 3
#define LOG_FD 2

/* Descriptors of ours in the child are moved above this, out of the way of those two. */
#define HIGH_FD 10

/* libvirtd and the programs it looks for; a user's own PATH may lack the sbin directories. */
#define SEARCH_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#define LISTEN_PID_SIZE (sizeof("LISTEN_PID=") + 11)

struct VpEmbed {
    VpLoop *loop;
    char *dir;
    char *socket;
    int listen_fd;
    pid_t pid;          /* 0: not running */
    int pidfd;          /* of pid; readable when it has ended */
    VpWatch watch;      /* of pidfd */
    GSource *restart;   /* it has ended and is started again in a while */
    gint64 started;     /* g_get_monotonic_time() */
    guint short_lives;  /* in a row; SHORT_LIVES_MAX: it is given up */
    VpEmbedFunc failed;
    gpointer data;
};

static const char *const directories[] = { "qmp", "run", "config/libvirt", "cache", "data" };

/* Written only where there is none: a user may have changed it. */
static bool
write_default(const char *dir, const char *name, const char *text, GError **error)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS) || g_file_set_contents(path, text, -1, error);
}

static bool
write_configuration(const char *dir, GError **error)
{
    g_autofree char *uuid = g_uuid_string_random();
    g_autofree char *libvirtd = g_strdup_printf(
        "# Written by virtpassd --embed; kept when it is there already.\n"
        "host_uuid = \"%s\"\n"
        "max_client_requests = 32\n", uuid);

    return write_default(dir, "config/libvirt/libvirtd.conf", libvirtd, error) &&
           write_default(dir, "config/libvirt/qemu.conf",
                         "# Written by virtpassd --embed; kept when it is there already.\n"
                         "stdio_handler = \"file\"\n"
                         "security_driver = \"none\"\n", error);
}

static bool
prepare_directory(const char *dir, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(directories); i++) {
        g_autofree char *path = g_build_filename(dir, directories[i], NULL);

        if (g_mkdir_with_parents(path, 0700) < 0) {
            vp_error_set_errno(error, errno, "cannot make directory '%s'", path);
            return false;
        }
    }
    return write_configuration(dir, error);
}

/* --- the child ------------------------------------------------------------ */

typedef struct VpChild {
    char *uid_map;      /* NULL: we are not root and stay who we are */
    char *gid_map;
    char **environment;
    int listen_fd;
    int log_fd;
    int report_fd;      /* errno of what failed goes there; closed by exec */
} VpChild;

static bool
write_file(const char *path, const char *text)
{
    vp_autofd int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, text, strlen(text)) == (gssize)strlen(text);
}

/* Root by another name. */
static bool
enter_user_namespace(const VpChild *child)
{
    return unshare(CLONE_NEWUSER) == 0 && write_file("/proc/self/setgroups", "deny") &&
           write_file("/proc/self/uid_map", child->uid_map) &&
           write_file("/proc/self/gid_map", child->gid_map);
}

static bool
place_descriptors(const VpChild *child)
{
    int listen_fd = fcntl(child->listen_fd, F_DUPFD_CLOEXEC, HIGH_FD);

    return listen_fd >= 0 && dup2(child->log_fd, LOG_FD) >= 0 && dup2(listen_fd, SOCKET_FD) >= 0;
}

/* Runs in the child, between fork and exec. */
G_NORETURN static void
run_child(const VpChild *child)
{
    char *argv[] = { (char *)"libvirtd", NULL };
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    g_snprintf(child->environment[0], LISTEN_PID_SIZE, "LISTEN_PID=%d", (int)getpid());
    if ((!child->uid_map || enter_user_namespace(child)) &&
        prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && place_descriptors(child))
        execvpe(argv[0], argv, child->environment);
    (void)!write(child->report_fd, &errno, sizeof(errno));
    _exit(127);
}

static char *
make_variable(const char *name, const char *dir, const char *below)
{
    return g_strdup_printf("%s=%s/%s", name, dir, below);
}

/* Entry 0 is room for LISTEN_PID, which only the child knows. */
static char **
make_environment(const char *dir)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new();

    g_ptr_array_add(list, g_malloc0(LISTEN_PID_SIZE));
    g_ptr_array_add(list, g_strdup("LISTEN_FDS=1"));
    g_ptr_array_add(list, g_strdup("LISTEN_FDNAMES=libvirtd.socket"));
    g_ptr_array_add(list, g_strdup("LC_ALL=C"));
    g_ptr_array_add(list, g_strdup("PATH=" SEARCH_PATH));
    g_ptr_array_add(list, make_variable("HOME", dir, "data"));
    g_ptr_array_add(list, make_variable("XDG_RUNTIME_DIR", dir, "run"));
    g_ptr_array_add(list, make_variable("XDG_CONFIG_HOME", dir, "config"));
    g_ptr_array_add(list, make_variable("XDG_CACHE_HOME", dir, "cache"));
    g_ptr_array_add(list, make_variable("XDG_DATA_HOME", dir, "data"));
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
}

/* Some user that is not root and has a name: libvirtd looks its own user up. */
static bool
make_maps(VpChild *child, GError **error)
{
    struct passwd *user = NULL;

    if (geteuid() != 0)
        return true;
    setpwent();
    while ((user = getpwent()) && (user->pw_uid == 0 || user->pw_gid == 0))
        ;
    if (user) {
        child->uid_map = g_strdup_printf("%u 0 1\n", (unsigned)user->pw_uid);
        child->gid_map = g_strdup_printf("%u 0 1\n", (unsigned)user->pw_gid);
    } else {
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED, "there is no user but root on this system");
    }
    endpwent();
    return child->uid_map != NULL;
}

/* Whether exec happened. The pipe ends without a word when it did. */
static bool
wait_for_exec(int report_fd, GError **error)
{
    int errnum = 0;
    gssize n = 0;

    do
        n = read(report_fd, &errnum, sizeof(errnum));
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return true;
    vp_error_set_errno(error, errnum, "cannot start libvirtd%s",
                       geteuid() == 0 ? " in a user namespace" : "");
    return false;
}

static void on_libvirtd_exit(VpWatch *watch, guint32 ready, gpointer data);

/* Forks; true when libvirtd has been executed. */
static bool
start_child(VpEmbed *embed, VpChild *child, GError **error)
{
    int ends[2] = { -1, -1 };
    vp_autofd int report_read = -1;
    vp_autofd int report_write = -1;

    if (pipe2(ends, O_CLOEXEC) < 0) {
        vp_error_set_errno(error, errno, "cannot make a pipe");
        return false;
    }
    report_read = ends[0];
    report_write = fcntl(ends[1], F_DUPFD_CLOEXEC, HIGH_FD);
    close(ends[1]);
    child->report_fd = report_write;
    embed->pid = fork();
    if (embed->pid == 0)
        run_child(child);
    vp_clear_fd(&report_write);
    if (embed->pid < 0) {
        vp_error_set_errno(error, errno, "cannot start a process");
    } else {
        if (wait_for_exec(report_read, error))
            return true;
        waitpid(embed->pid, NULL, 0);
    }
    embed->pid = 0;
    return false;
}

/* As a descriptor in the loop's set: a child watch of GLib's would be one beside it, and slow down
 * every turn (base/loop.c). */
static bool
watch_process(VpEmbed *embed, GError **error)
{
    embed->pidfd = pidfd_open(embed->pid, 0);
    if (embed->pidfd >= 0)
        return vp_watch_add(&embed->watch, embed->loop, embed->pidfd, EPOLLIN, on_libvirtd_exit,
                            embed, error);
    vp_error_set_errno(error, errno, "cannot watch process %d", (int)embed->pid);
    return false;
}

static bool
spawn(VpEmbed *embed, GError **error)
{
    g_autofree char *log = g_build_filename(embed->dir, "libvirtd.log", NULL);
    g_auto(GStrv) environment = make_environment(embed->dir);
    vp_autofd int log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    VpChild child = { .environment = environment, .listen_fd = embed->listen_fd, .log_fd = log_fd };
    bool ok = false;

    if (log_fd < 0) {
        vp_error_set_errno(error, errno, "cannot write '%s'", log);
        return false;
    }
    ok = make_maps(&child, error) && start_child(embed, &child, error);
    g_free(child.uid_map);
    g_free(child.gid_map);
    if (!ok)
        return false;
    embed->started = g_get_monotonic_time();
    vp_log_info("private libvirtd runs as process %d, its log is %s", (int)embed->pid, log);
    return watch_process(embed, error);
}

/* --- supervision ---------------------------------------------------------- */

static gboolean
on_restart(gpointer data)
{
    VpEmbed *embed = data;
    g_autoptr(GError) error = NULL;

    vp_loop_cancel(&embed->restart);
    if (!spawn(embed, &error))
        embed->failed(error->message, embed->data);
    return G_SOURCE_REMOVE;
}

static void
stop_watching(VpEmbed *embed)
{
    vp_watch_remove(&embed->watch);
    vp_clear_fd(&embed->pidfd);
}

static void
on_libvirtd_exit(VpWatch *watch G_GNUC_UNUSED, guint32 ready G_GNUC_UNUSED, gpointer data)
{
    VpEmbed *embed = data;
    bool short_life = g_get_monotonic_time() - embed->started < SHORT_LIFE_US;
    int status = 0;

    if (waitpid(embed->pid, &status, 0) < 0)
        vp_log_warning("private libvirtd (process %d): %s", (int)embed->pid, g_strerror(errno));
    else
        vp_log_warning("private libvirtd (process %d) ended with status %d", (int)embed->pid,
                       status);
    stop_watching(embed);
    embed->pid = 0;
    embed->short_lives = short_life ? embed->short_lives + 1 : 0;
    if (embed->short_lives >= SHORT_LIVES_MAX)
        embed->failed("it ends as soon as it is started; see libvirtd.log", embed->data);
    else
        embed->restart = vp_loop_timer(embed->loop, RESTART_MS, on_restart, embed);
}

VpEmbed *
vp_embed_start(VpLoop *loop, const VpConfig *config, VpEmbedFunc failed, gpointer data,
               GError **error)
{
    g_autoptr(VpEmbed) embed = g_new0(VpEmbed, 1);

    embed->loop = loop;
    embed->dir = g_strdup(config->embed_dir);
    embed->socket = g_build_filename(embed->dir, "libvirt-sock", NULL);
    embed->listen_fd = embed->pidfd = -1;
    embed->watch = (VpWatch)VP_WATCH_INIT;
    embed->failed = failed;
    embed->data = data;
    if (!prepare_directory(embed->dir, error))
        return NULL;
    unlink(embed->socket); /* the lock in DIR, taken before, says that nobody serves it */
    embed->listen_fd = vp_socket_listen(embed->socket, 0700, -1, error);
    if (embed->listen_fd < 0 || !spawn(embed, error))
        return NULL;
    return g_steal_pointer(&embed);
}

static void
end_libvirtd(VpEmbed *embed)
{
    kill(embed->pid, SIGTERM);
    for (int waited = 0; waited < STOP_MS; waited += 10) {
        if (waitpid(embed->pid, NULL, WNOHANG) == embed->pid)
            return;
        g_usleep(10 * 1000);
    }
    vp_log_warning("private libvirtd does not end; it is killed");
    kill(embed->pid, SIGKILL);
    waitpid(embed->pid, NULL, 0);
}

void
vp_embed_stop(VpEmbed *embed)
{
    if (!embed)
        return;
    stop_watching(embed);
    vp_loop_cancel(&embed->restart);
    if (embed->pid > 0)
        end_libvirtd(embed);
    if (embed->listen_fd >= 0)
        unlink(embed->socket);
    vp_clear_fd(&embed->listen_fd);
    g_free(embed->dir);
    g_free(embed->socket);
    g_free(embed);
}
