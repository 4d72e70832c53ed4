/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A process of the binary that is asked: without machine, devices, display and configuration files,
 * its monitor on one end of a socket pair. It holds nothing that could be lost, so it always ends
 * by SIGKILL, and also when we end (PDEATHSIG); what it has started ends with it.
 *
 * Any client may have chosen the binary, so that it runs in a sandbox (sandbox.c). Beside that it
 * has an environment of three variables, and no descriptors but /dev/null, the monitor and stderr.
 *
 * The binary is opened before the rights go: the file that is looked at is the one that runs where
 * that matters, and what only root may reach by its name, as the directories of tests, can be
 * executed all the same. A guest's binary that was replaced since is there below /proc only, where
 * nobody but we may look; we open it ourselves. All other paths are opened in the new process, for
 * they may be on a server that does not answer.
 *
 * A failure before exec shows like one of QEMU's: a line on stderr, and the end of the monitor. So
 * nobody waits for exec to happen.
 */

#include "probe/child.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/limits.h"
#include "qmp/channel.h"
#include "qmp/splitter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MONITOR_FD 3

/* Descriptors of ours in the child are moved above this, out of the way of those it gets. */
#define HIGH_FD 10

#define SAYS_TOO_MUCH "it says more at a time than QEMU would"

/* Of what the process says on stderr the last bytes are kept. */
#define SAID_MAX 1024

/* What the kernel may hold of its answers: more than what is asked at a time is answered with, so
 * that what it has answered is here when it ends. */
#define SOCKET_BUFFER (1024 * 1024)

/* Nothing is translated; by default QEMU sets a gigabyte of addresses aside for that. */
#define TCG "tcg,tb-size=1"

#define SEARCH_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct VpProbeChild {
    VpLoop *loop;
    const VpProbeChildOps *ops;
    gpointer data;
    pid_t pid;
    int pidfd;           /* what is killed: a pid may be somebody else's by then */
    GSource *reaper;     /* its context keeps it until the process has ended */
    VpQmpStats stats;
    VpQmpChannel channel;
    VpQmpSplitter splitter;
    VpWatch stderr_watch;
    int stderr_fd;
    GString *said;       /* on its standard error: the end of it, SAID_MAX bytes at most */
};

/* Arguments of the new process, made before it. */
typedef struct Start {
    const VpSandbox *sandbox;
    const char *emulator;
    char **argv;
    int emulator_fd;  /* -1: it opens it itself */
    int monitor_fd;
    int stderr_fd;
} Start;

static char *const environment[] = {
    (char *)SEARCH_PATH,
    (char *)"HOME=/",
    (char *)"LC_ALL=C",
    NULL,
};

/* --- in the new process --------------------------------------------------- */

static bool
place_descriptors(const Start *start)
{
    vp_autofd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int monitor_fd = fcntl(start->monitor_fd, F_DUPFD_CLOEXEC, HIGH_FD);
    int stderr_fd = fcntl(start->stderr_fd, F_DUPFD_CLOEXEC, HIGH_FD);

    return null >= 0 && monitor_fd >= 0 && stderr_fd >= 0 && dup2(stderr_fd, 2) >= 0 &&
           dup2(null, 0) >= 0 && dup2(null, 1) >= 0 && dup2(monitor_fd, MONITOR_FD) >= 0;
}

/* The file that was opened. A script is read by its interpreter, which must have the descriptor. */
static void
execute_opened(const Start *start, int fd)
{
    execveat(fd, "", start->argv, environment, AT_EMPTY_PATH);
    if (errno != ENOENT)
        return;
    fcntl(fd, F_SETFD, 0);
    execveat(fd, "", start->argv, environment, AT_EMPTY_PATH);
}

/* By name where that is possible: a script wants to know its own. By name it could be another file
 * than the one that is trusted. Returns if neither is. */
static void
execute(const Start *start, int emulator_fd)
{
    int errnum = ENOENT;

    if (!vp_sandbox_wants_trusted(start->sandbox)) {
        execve(start->emulator, start->argv, environment);
        errnum = errno;
    }
    if (emulator_fd >= 0 && (errnum == EACCES || errnum == ENOENT)) {
        execute_opened(start, emulator_fd);
        errnum = errnum == EACCES ? errnum : errno;
    }
    errno = errnum;
}

/* Out of the way of the descriptors that the program gets. */
static int
open_emulator(const Start *start)
{
    int fd = start->emulator_fd;

    if (fd < 0)
        fd = open(start->emulator, O_PATH | O_CLOEXEC);
    return fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
}

static void
run_child(gpointer data)
{
    const Start *start = data;
    int emulator_fd = open_emulator(start);
    const char *failed = NULL;
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setsid();
    if (!place_descriptors(start) || close_range(MONITOR_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0 ||
        chdir("/") < 0)
        failed = "descriptors";
    if (!failed)
        failed = vp_sandbox_enter(start->sandbox, start->emulator, emulator_fd);
    if (!failed)
        execute(start, emulator_fd);
    dprintf(2, "cannot execute it as user %d: %s%s%s\n", (int)geteuid(), failed ?: "",
            failed ? ": " : "", strerror(errno));
    _exit(127);
}

/* --- in ours -------------------------------------------------------------- */

static void
on_reaped(GPid pid G_GNUC_UNUSED, gint status G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
    /* GLib has waited for it; nothing depends on how it ended. */
}

/* The last line of what the process said, or @otherwise. */
static char *
last_line(const VpProbeChild *child, const char *otherwise)
{
    g_autofree char *said = g_utf8_make_valid(child->said->str, child->said->len);
    const char *line = NULL;

    g_strchomp(said);
    line = strrchr(said, '\n');
    line = line ? line + 1 : said;
    return g_strdup(*line ? line : otherwise);
}

/* Takes what is on stderr, in turns: the process must never have to wait for us there for long,
 * and others must not wait for one that never stops. */
static void
read_stderr(VpProbeChild *child)
{
    char bytes[4096];
    gsize taken = 0;
    gssize n = 0;

    while (taken < VP_PROBE_STDERR_TURN_MAX &&
           (n = TEMP_FAILURE_RETRY(read(child->stderr_fd, bytes, sizeof(bytes)))) > 0) {
        taken += n;
        g_string_append_len(child->said, bytes, n);
        if (child->said->len > SAID_MAX)
            g_string_erase(child->said, 0, child->said->len - SAID_MAX);
    }
}

static void
on_stderr(VpWatch *watch, guint32 ready, gpointer data)
{
    read_stderr(data);
    if (ready & (EPOLLHUP | EPOLLERR))
        vp_watch_remove(watch);
}

static void
end(VpProbeChild *child, const char *otherwise)
{
    g_autofree char *reason = NULL;

    vp_qmp_channel_close(&child->channel);
    read_stderr(child);
    reason = last_line(child, otherwise);
    child->ops->ended(child, reason, child->data);
}

/* False when the child is gone. */
static bool
take_messages(VpProbeChild *child, char *bytes, gsize n)
{
    char *message = NULL;
    gsize size = 0;

    for (;;) {
        switch (vp_qmp_splitter_next(&child->splitter, &bytes, &n, &message, &size)) {
        case VP_QMP_SPLIT_MESSAGE:
            if (size > VP_PROBE_MESSAGE_MAX) {
                end(child, SAYS_TOO_MUCH);
                return false;
            }
            message[size] = '\0';
            if (!child->ops->message(child, message, size, child->data))
                return false;
            break;
        case VP_QMP_SPLIT_MORE:
            return true;
        case VP_QMP_SPLIT_TOO_LONG:
            end(child, SAYS_TOO_MUCH);
            return false;
        }
    }
}

static void
on_ready(VpWatch *watch G_GNUC_UNUSED, guint32 ready, gpointer data)
{
    VpProbeChild *child = data;
    char *bytes = NULL;
    gssize n = 0;

    if (ready & EPOLLOUT)
        vp_qmp_channel_flush(&child->channel);
    n = vp_qmp_channel_receive(&child->channel, &bytes);
    if (n > 0 && child->stats.bytes_received > VP_PROBE_BYTES_MAX)
        end(child, "it says more than QEMU would");
    else if (n > 0)
        take_messages(child, bytes, n);
    else if (n != -1)
        end(child, "the process ended");
}

/* The descriptors of both sides; the other side's are *monitor_fd and *stderr_fd. */
static bool
open_descriptors(VpProbeChild *child, int *monitor_fd, int *stderr_fd, GError **error)
{
    int pair[2] = { -1, -1 };
    int pipes[2] = { -1, -1 };
    vp_autofd int own = -1;
    int size = SOCKET_BUFFER;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        vp_error_set_errno(error, errno, "cannot make a socket pair");
        return false;
    }
    own = pair[0];
    *monitor_fd = pair[1];
    if (pipe2(pipes, O_CLOEXEC) < 0) {
        vp_error_set_errno(error, errno, "cannot make a pipe");
        return false;
    }
    child->stderr_fd = pipes[0];
    *stderr_fd = pipes[1];
    setsockopt(*monitor_fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    fcntl(own, F_SETFL, O_NONBLOCK);
    fcntl(child->stderr_fd, F_SETFL, O_NONBLOCK);
    if (!vp_watch_add(&child->stderr_watch, child->loop, child->stderr_fd, EPOLLIN, on_stderr,
                      child, error) ||
        !vp_qmp_channel_adopt(&child->channel, child->loop, own, on_ready, child, error))
        return false;
    vp_steal_fd(&own);
    return true;
}

/* A client may have named it: other paths there could lead anywhere. */
static bool
is_process_link(const char *emulator)
{
    int pid = 0, n = 0;

    return sscanf(emulator, "/proc/%d/exe%n", &pid, &n) == 1 && n > 0 && emulator[n] == '\0';
}

static bool
start_process(VpProbeChild *child, Start *start, GError **error)
{
    const char *argv[] = {
        start->emulator, "-no-user-config", "-nodefaults", "-machine", "none", "-accel", TCG,
        "-accel", "kvm", "-S", "-display", "none", "-chardev", "socket,id=monitor,fd=3", "-mon",
        "chardev=monitor,mode=control", NULL,
    };
    vp_autofd int emulator_fd = -1;
    VpSandboxed process = { 0 };

    if (is_process_link(start->emulator))
        emulator_fd = open(start->emulator, O_PATH | O_CLOEXEC);
    start->argv = (char **)argv;
    start->emulator_fd = emulator_fd;
    if (!vp_sandbox_clone(start->sandbox, run_child, start, &process, error))
        return false;
    child->pid = process.pid;
    child->pidfd = process.pidfd;
    child->reaper = g_child_watch_source_new(child->pid);
    g_source_set_callback(child->reaper, G_SOURCE_FUNC(on_reaped), NULL, NULL);
    vp_loop_attach(child->loop, child->reaper);
    return true;
}

VpProbeChild *
vp_probe_child_start(VpLoop *loop, const VpSandbox *sandbox, const char *emulator,
                     const VpProbeChildOps *ops, gpointer data, GError **error)
{
    Start start = { .sandbox = sandbox, .emulator = emulator };
    VpProbeChild *child = g_new0(VpProbeChild, 1);
    vp_autofd int monitor_fd = -1;
    vp_autofd int stderr_fd = -1;

    child->loop = loop;
    child->ops = ops;
    child->data = data;
    child->stderr_fd = child->pidfd = -1;
    child->stderr_watch = (VpWatch)VP_WATCH_INIT;
    child->said = g_string_new(NULL);
    vp_qmp_channel_init(&child->channel, "probe", &child->stats);
    if (!open_descriptors(child, &monitor_fd, &stderr_fd, error)) {
        vp_probe_child_free(child);
        return NULL;
    }
    start.monitor_fd = monitor_fd;
    start.stderr_fd = stderr_fd;
    if (!start_process(child, &start, error)) {
        vp_probe_child_free(child);
        return NULL;
    }
    return child;
}

void
vp_probe_child_free(VpProbeChild *child)
{
    if (!child)
        return;
    if (child->pidfd >= 0)
        pidfd_send_signal(child->pidfd, SIGKILL, NULL, 0);
    g_clear_pointer(&child->reaper, g_source_unref);
    vp_clear_fd(&child->pidfd);
    vp_watch_remove(&child->stderr_watch);
    vp_qmp_channel_close(&child->channel);
    vp_qmp_splitter_clear(&child->splitter);
    vp_clear_fd(&child->stderr_fd);
    g_string_free(child->said, TRUE);
    g_free(child);
}

void
vp_probe_child_send(VpProbeChild *child, const char *command)
{
    struct iovec part = { .iov_base = (char *)command, .iov_len = strlen(command) };

    vp_qmp_channel_send(&child->channel, &part, 1, NULL, 0);
}

char *
vp_probe_child_program(const VpProbeChild *child)
{
    const VpSandboxed process = { .pid = child->pid, .pidfd = child->pidfd };

    return vp_sandbox_program(&process);
}
