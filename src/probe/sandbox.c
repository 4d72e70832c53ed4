/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whoever may define a domain names its emulator, and we run that. What such a program gets:
 *
 * - a user of its own, virtpass-probe, no groups, no capabilities, no way to gain any;
 * - namespaces of its own: no network but nobody's, no process but its own, no IPC of others, and
 *   of files what sandbox_root.c shows. Its process is the init of its pid namespace, so that
 *   whatever it has started ends with it;
 * - limits of memory, processor, processes, files. It is the first to go when memory is short;
 * - no system calls of which it has no need (filter.c).
 *
 * The namespaces need no capability where users may make user namespaces: the process is made in
 * one in which there is one user, virtpass-probe, and becomes it there. We, as the namespace's
 * parent, say which one, with CAP_SETUID and CAP_SETGID. Where that is not to be had (a chroot,
 * user.max_user_namespaces=0) CAP_SYS_ADMIN makes the others without it.
 *
 * Where we are root and the user does not exist, or neither way is open (many containers), only
 * binaries are run that belong to root and that nobody else can write, as virtpass-probe or nobody
 * and with limits and filter: programs of the distribution, which mean no harm. What may be
 * executed is the very file that was looked at. An ordinary user's virtpassd runs what the user
 * could run as well; it confines as far as it can and refuses nothing.
 *
 * All this is found out by trying, once.
 */

#include "probe/sandbox.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/limits.h"
#include "probe/filter.h"
#include "probe/sandbox_root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
                    CLONE_NEWCGROUP)

/* Where VP_PROBE_USER does not exist. */
#define NOBODY 65534

/* A trial takes some milliseconds. */
#define TRIAL_MS 5000

struct VpSandbox {
    guint64 namespaces;        /* flags of clone(); 0: none are to be had */
    bool is_root;
    bool has_user;             /* its own; or it needs none, being ours */
    uid_t uid;
    gid_t gid;
    struct sock_fprog filter;
    char *shortfall;
};

static const struct {
    int resource;
    rlim_t max;
} limits[] = {
    { RLIMIT_CORE, 0 },
    { RLIMIT_FSIZE, 0 },       /* memfd too */
    { RLIMIT_MSGQUEUE, 0 },
    { RLIMIT_AS, VP_PROBE_MEMORY_MAX },
    { RLIMIT_CPU, VP_PROBE_CPU_SECONDS_MAX },
    { RLIMIT_NOFILE, VP_PROBE_FILES_OPEN_MAX },
};

/* --- in the new process --------------------------------------------------- */

/* In a user namespace this happens inside: there it keeps its capabilities until exec, for the root
 * that could lose them is not in it. An ordinary user is who he is. */
static bool
become_user(const VpSandbox *sandbox)
{
    uid_t uid = sandbox->uid;
    gid_t gid = sandbox->gid;

    if (!sandbox->is_root)
        return true;
    return syscall(VP_SYS_SETGROUPS, 0, NULL) == 0 &&
           syscall(VP_SYS_SETRESGID, gid, gid, gid) == 0 &&
           syscall(VP_SYS_SETRESUID, uid, uid, uid) == 0;
}

/* Processes are counted for each user, and since Linux 5.14 in each user namespace by itself. A
 * user who is not there for this alone has others, which count where there is no such namespace. */
static bool
set_limits(const VpSandbox *sandbox)
{
    struct rlimit processes = { VP_PROBE_PROCESSES_MAX, VP_PROBE_PROCESSES_MAX };

    for (gsize i = 0; i < G_N_ELEMENTS(limits); i++) {
        struct rlimit limit = { limits[i].max, limits[i].max };

        if (setrlimit(limits[i].resource, &limit) < 0)
            return false;
    }
    return !((sandbox->is_root && sandbox->has_user) || (sandbox->namespaces & CLONE_NEWUSER)) ||
           setrlimit(RLIMIT_NPROC, &processes) == 0;
}

/* Memory of several processes together is counted by nobody. */
static void
go_first_when_memory_is_short(void)
{
    vp_autofd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd >= 0 && write(fd, "1000", 4) < 0)
        return; /* it is as it was */
}

static bool
is_trusted(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == 0 &&
           (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static const char *
enter_files_and_user(const VpSandbox *sandbox, const char *emulator, int emulator_fd)
{
    const char *failed = NULL;
    bool inside = sandbox->namespaces & CLONE_NEWUSER;

    if (inside && !become_user(sandbox))
        return "user";
    if (sandbox->namespaces)
        failed = vp_sandbox_enter_root(emulator, emulator_fd);
    if (!failed && !inside && !become_user(sandbox))
        failed = "user";
    return failed;
}

const char *
vp_sandbox_enter(const VpSandbox *sandbox, const char *emulator, int emulator_fd)
{
    const char *failed = NULL;

    errno = EACCES;
    if (vp_sandbox_wants_trusted(sandbox) && emulator_fd >= 0 && !is_trusted(emulator_fd))
        return "it is not root's alone, and cannot be shut in on this host: see virtpassd(8)";
    go_first_when_memory_is_short();
    failed = enter_files_and_user(sandbox, emulator, emulator_fd);
    if (failed)
        return failed;
    if (!set_limits(sandbox))
        return "limits";
    /* Signals, last because a change of user takes it back. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return "prctl";
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &sandbox->filter) < 0)
        return "filter of system calls";
    return NULL;
}

/* --- making it ------------------------------------------------------------ */

/* Its number in /proc, which may be the one of another pid namespace than ours. */
static pid_t
pid_in_proc(const VpSandboxed *process)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fdinfo/%d", process->pidfd);
    g_autofree char *text = NULL;
    const char *line = NULL;

    if (g_file_get_contents(path, &text, NULL, NULL))
        line = strstr(text, "\nPid:");
    return line ? (pid_t)g_ascii_strtoll(line + strlen("\nPid:"), NULL, 10) : -1;
}

static bool
write_file(pid_t pid, const char *name, const char *text, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int)pid, name);
    vp_autofd int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text))
        return true;
    vp_error_set_errno(error, errno, "cannot write '%s'", path);
    return false;
}

/* One user and one group are known in its namespace, by the numbers that they have outside. */
static bool
map_user(const VpSandbox *sandbox, const VpSandboxed *process, GError **error)
{
    g_autofree char *users = g_strdup_printf("%u %u 1", sandbox->uid, sandbox->uid);
    g_autofree char *groups = g_strdup_printf("%u %u 1", sandbox->gid, sandbox->gid);
    pid_t pid = pid_in_proc(process);

    return (sandbox->is_root || write_file(pid, "setgroups", "deny", error)) &&
           write_file(pid, "gid_map", groups, error) && write_file(pid, "uid_map", users, error);
}

G_NORETURN static void
begin(VpSandboxFunc run, gpointer data, int wait_fd, int go_fd)
{
    char byte = 0;

    close(go_fd);
    if (TEMP_FAILURE_RETRY(read(wait_fd, &byte, 1)) == 1)
        run(data);
    _exit(127);
}

static void
kill_process(VpSandboxed *process)
{
    pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
    waitid(P_PIDFD, process->pidfd, NULL, WEXITED);
    vp_clear_fd(&process->pidfd);
}

/* As fork(), in new namespaces. Not clone3(): filters that cannot look into its arguments, as those
 * of containers and of RestrictNamespaces=, refuse it to all. */
static pid_t
fork_with(guint64 flags, int *ret_pidfd)
{
    flags |= CLONE_PIDFD | SIGCHLD;
#ifdef __s390__
    return syscall(SYS_clone, 0, flags, ret_pidfd, 0, 0);
#else
    return syscall(SYS_clone, flags, 0, ret_pidfd, 0, 0);
#endif
}

bool
vp_sandbox_clone(const VpSandbox *sandbox, VpSandboxFunc run, gpointer data,
                 VpSandboxed *ret_process, GError **error)
{
    int pidfd = -1, pipes[2] = { -1, -1 };
    vp_autofd int wait_fd = -1;
    vp_autofd int go_fd = -1;
    pid_t pid = -1;

    if (pipe2(pipes, O_CLOEXEC) == 0) {
        wait_fd = pipes[0];
        go_fd = pipes[1];
        pid = fork_with(sandbox->namespaces, &pidfd);
    }
    if (pid == 0)
        begin(run, data, wait_fd, go_fd);
    if (pid < 0) {
        vp_error_set_errno(error, errno, "cannot start a process");
        return false;
    }
    *ret_process = (VpSandboxed){ .pid = pid, .pidfd = pidfd };
    if (((sandbox->namespaces & CLONE_NEWUSER) && !map_user(sandbox, ret_process, error)) ||
        write(go_fd, "", 1) != 1) {
        kill_process(ret_process);
        return false;
    }
    return true;
}

char *
vp_sandbox_program(const VpSandboxed *process)
{
    g_autofree char *link = g_strdup_printf("/proc/%d/exe", (int)pid_in_proc(process));

    return g_file_read_link(link, NULL);
}

/* --- finding out what can be had ------------------------------------------ */

G_NORETURN static void
try(gpointer data)
{
    const VpSandbox *sandbox = data;

    _exit(vp_sandbox_enter(sandbox, "/", -1) ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* How the process ended, which it must do soon. */
static bool
has_succeeded(VpSandboxed *process)
{
    struct pollfd ready = { .fd = process->pidfd, .events = POLLIN };
    siginfo_t info = { 0 };

    if (TEMP_FAILURE_RETRY(poll(&ready, 1, TRIAL_MS)) != 1)
        pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
    return TEMP_FAILURE_RETRY(waitid(P_PIDFD, process->pidfd, &info, WEXITED)) == 0 &&
           info.si_code == CLD_EXITED && info.si_status == EXIT_SUCCESS;
}

static bool
can_have(VpSandbox *sandbox, guint64 namespaces)
{
    VpSandboxed process = { 0 };
    vp_autofd int pidfd = -1;

    sandbox->namespaces = namespaces;
    if (!vp_sandbox_clone(sandbox, try, sandbox, &process, NULL))
        return false;
    pidfd = process.pidfd;
    return has_succeeded(&process);
}

/* Without a user of its own the file's owner is what counts, and in a user namespace root cannot be
 * told from others. */
static void
find_namespaces(VpSandbox *sandbox)
{
    if (sandbox->has_user && can_have(sandbox, NAMESPACES | CLONE_NEWUSER))
        return;
    if (sandbox->is_root && can_have(sandbox, NAMESPACES))
        return;
    sandbox->namespaces = 0;
}

static void
find_user(VpSandbox *sandbox, const char *name)
{
    const struct passwd *user = sandbox->is_root ? getpwnam(name) : NULL;

    sandbox->uid = user ? user->pw_uid : sandbox->is_root ? NOBODY : geteuid();
    sandbox->gid = user ? user->pw_gid : sandbox->is_root ? NOBODY : getegid();
    sandbox->has_user = user || !sandbox->is_root;
}

static void
describe(VpSandbox *sandbox, const char *user)
{
    static const char only[] = "of QEMU binaries only those are asked what they can do that nobody "
                               "but root can have written";

    if (!sandbox->has_user)
        sandbox->shortfall = g_strdup_printf("there is no user '%s': %s", user, only);
    else if (!sandbox->namespaces && sandbox->is_root)
        sandbox->shortfall = g_strdup_printf("namespaces are not to be had: %s", only);
    else if (!sandbox->namespaces)
        sandbox->shortfall = g_strdup("namespaces are not to be had: QEMU binaries are asked what "
                                      "they can do with all the rights of this user");
}

VpSandbox *
vp_sandbox_new(const char *user, GError **error)
{
    g_autoptr(VpSandbox) sandbox = g_new0(VpSandbox, 1);

    if (!vp_filter_build(&sandbox->filter, error))
        return NULL;
    sandbox->is_root = geteuid() == 0;
    find_user(sandbox, user);
    find_namespaces(sandbox);
    describe(sandbox, user);
    return g_steal_pointer(&sandbox);
}

void
vp_sandbox_free(VpSandbox *sandbox)
{
    if (!sandbox)
        return;
    g_free(sandbox->filter.filter);
    g_free(sandbox->shortfall);
    g_free(sandbox);
}

const char *
vp_sandbox_shortfall(const VpSandbox *sandbox)
{
    return sandbox->shortfall;
}

bool
vp_sandbox_wants_trusted(const VpSandbox *sandbox)
{
    return sandbox->is_root && (!sandbox->has_user || !sandbox->namespaces);
}
