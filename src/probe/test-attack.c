/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The attacks of the fake QEMU when it is called attack-NAME. They are made for real, but for
 * signals, which are asked about only: a test that fails must not end the machine.
 */

#include "probe/test-attack.h"

#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The list of gains. */
typedef struct Gains {
    const char *self;
    char *out;
    size_t size;
} Gains;

__attribute__((format(printf, 2, 3))) static void
gain(Gains *gains, const char *format, ...)
{
    va_list args;
    size_t n = 0;

    va_start(args, format);
    n = vsnprintf(gains->out, gains->size, format, args);
    va_end(args);
    n = n < gains->size ? n : gains->size - 1;
    gains->out += n;
    gains->size -= n;
}

/* --- files ---------------------------------------------------------------- */

static bool
leads_to_self(const Gains *gains, const char *path)
{
    char real[4096] = "";
    ssize_t n = readlink(gains->self, real, sizeof(real) - 1);

    real[n > 0 ? n : 0] = '\0';
    return strncmp(gains->self, path, strlen(path)) == 0 ||
           strncmp(real, path, strlen(path)) == 0;
}

/* All that is in there, but for the way to the program itself. */
static void
list(Gains *gains, const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry = NULL;

    while (dir && (entry = readdir(dir))) {
        char below[4096];

        snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && !leads_to_self(gains, below))
            gain(gains, " %s", below);
    }
    if (dir)
        closedir(dir);
}

static void
read_files(Gains *gains)
{
    static const char *const directories[] = {
        "/run", "/var", "/home", "/root", "/srv", "/tmp", "/sys", "/boot", "/mnt", "/media",
    };
    static const char *const files[] = {
        "/etc/shadow", "/etc/passwd", "/etc/hostname", "/etc/libvirt/qemu.conf", "/dev/kvm",
        "/dev/mem", "/dev/tty", "/dev/shm", "/var/lib/libvirt", "/proc/1/root/etc/passwd",
        "/proc/kcore", "/proc/self/cwd/etc/passwd",
    };

    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
        list(gains, directories[i]);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (open(files[i], O_RDONLY) >= 0)
            gain(gains, " %s", files[i]);
    }
}

static void
create(Gains *gains, const char *directory)
{
    char path[4096];
    int fd = -1;

    snprintf(path, sizeof(path), "%s/virtpass-attack", directory);
    fd = open(path, O_CREAT | O_RDWR, 0666);
    if (fd < 0)
        return;
    gain(gains, " %s", path);
    unlink(path);
}

static void
write_files(Gains *gains)
{
    static const char *const directories[] = {
        "/", ".", "/tmp", "/var/tmp", "/dev/shm", "/dev", "/usr", "/usr/bin", "/etc", "/run",
        "/proc", "/home",
    };
    char own[4096];
    int fd = memfd_create("x", 0);

    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
        create(gains, directories[i]);
    snprintf(own, sizeof(own), "%.*s", (int)(strrchr(gains->self, '/') - gains->self), gains->self);
    create(gains, own);
    if (open(gains->self, O_WRONLY) >= 0 || chmod(gains->self, 04777) == 0)
        gain(gains, " itself");
    signal(SIGXFSZ, SIG_IGN);
    if (fd >= 0 && (write(fd, "x", 1) == 1 || ftruncate(fd, 1) == 0))
        gain(gains, " memfd");
}

/* --- others --------------------------------------------------------------- */

/* Another process exists if it may be signalled or may not; only its own do. */
static void
find_processes(Gains *gains)
{
    for (pid_t pid = 1; pid < 65536; pid++) {
        if (pid != getpid() && (kill(pid, 0) == 0 || errno == EPERM)) {
            gain(gains, " pid %d", (int)pid);
            break;
        }
    }
    if (getppid() != 0)
        gain(gains, " parent %d", (int)getppid());
    for (int fd = open("/proc/2", O_PATH); fd >= 0; fd = -1)
        gain(gains, " /proc/2");
}

static void
connect_out(Gains *gains)
{
    struct sockaddr address = { .sa_family = AF_UNIX, .sa_data = "/x" };
    int pair[2] = { -1, -1 };

    for (int family = 1; family < 64; family++) {
        for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type++) {
            if (socket(family, type, 0) >= 0)
                gain(gains, " socket %d %d", family, type);
        }
    }
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0)
        gain(gains, " no pair");
    if (connect(pair[0], &address, sizeof(address)) == 0 || errno != EPERM)
        gain(gains, " connect %d", errno);
}

/* --- the kernel ----------------------------------------------------------- */

static void
call_kernel(Gains *gains)
{
    static const struct {
        const char *name;
        long number;
        long arguments[3];
    } calls[] = {
        { "unshare-user", SYS_unshare, { CLONE_NEWUSER } },
        { "unshare-mount", SYS_unshare, { CLONE_NEWNS } },
        { "clone-user", SYS_clone, { CLONE_NEWUSER | SIGCHLD } },
        { "clone-pid", SYS_clone, { CLONE_NEWPID | SIGCHLD } },
        { "chroot", SYS_chroot, { (long)"/usr" } },
        { "mount", SYS_mount, { (long)"x", (long)"/usr", (long)"tmpfs" } },
        { "umount", SYS_umount2, { (long)"/usr", 2 } },
        { "fsopen", SYS_fsopen, { (long)"tmpfs" } },
        { "open_tree", SYS_open_tree, { -100, (long)"/", 1 } },
        { "ptrace", SYS_ptrace, { PTRACE_TRACEME } },
        { "keyctl", SYS_keyctl, { 0, -3, 1 } },
        { "add_key", SYS_add_key, { (long)"user", (long)"x", (long)"y" } },
        { "userfaultfd", SYS_userfaultfd, { 1 } },
        { "io_uring", SYS_io_uring_setup, { 4 } },
        { "shmget", SYS_shmget, { 0, 1 << 20, 01600 } },
        { "msgget", SYS_msgget, { 0, 01600 } },
        { "semget", SYS_semget, { 0, 1, 01600 } },
        { "sethostname", SYS_sethostname, { (long)"x", 1 } },
    };

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        long result = syscall(calls[i].number, calls[i].arguments[0], calls[i].arguments[1],
                              calls[i].arguments[2], 0L, 0L, 0L);

        if (result == 0 && calls[i].number == SYS_clone)
            _exit(0);
        if (result >= 0 || (errno != EPERM && errno != ENOSYS))
            gain(gains, " %s %ld %d", calls[i].name, result, errno);
    }
}

/* Called through a file that is root's and has the bit. */
static void
use_rights(Gains *gains)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];

    if (geteuid() == 0 || getegid() == 0 || getgroups(0, NULL) > 0)
        gain(gains, " user %d %d", (int)geteuid(), (int)getegid());
    if (setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0)
        gain(gains, " root");
    while (status && fgets(line, sizeof(line), status)) {
        if ((strncmp(line, "CapPrm", 6) == 0 || strncmp(line, "CapEff", 6) == 0) &&
            strtoull(line + 7, NULL, 16) != 0)
            gain(gains, " %.22s", line);
    }
}

/* --- more than its share -------------------------------------------------- */

static void
take_memory(Gains *gains)
{
    const size_t step = 64u << 20;
    size_t total = 0;

    while (total <= VP_PROBE_MEMORY_MAX && mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE |
                                                MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
        total += step;
    if (total >= VP_PROBE_MEMORY_MAX)
        gain(gains, " %zu bytes", total);
}

/* They stay, and know no signal. */
static void
take_processes(Gains *gains)
{
    unsigned n = 1;
    pid_t pid = 0;

    for (; n <= VP_PROBE_PROCESSES_MAX && (pid = fork()) > 0; n++)
        ;
    if (pid == 0 && n <= VP_PROBE_PROCESSES_MAX) {
        setsid();
        for (int i = 1; i < 64; i++)
            signal(i, SIG_IGN);
        for (int fd = 0; fd < 64; fd++)
            close(fd);
        for (;;)
            pause();
    }
    if (n > VP_PROBE_PROCESSES_MAX)
        gain(gains, " %u processes", n);
}

/* A grandchild that is nobody's goes on. */
static void
stay(Gains *gains)
{
    pid_t pid = fork();

    if (pid == 0) {
        setsid();
        if (fork() > 0)
            _exit(0);
        for (;;)
            pause();
    }
    if (pid < 0 || waitpid(pid, NULL, 0) != pid)
        gain(gains, " no child");
}

/* Another process of it never stops complaining. */
static void
complain(Gains *gains)
{
    char line[4096];
    pid_t pid = fork();

    memset(line, 'x', sizeof(line));
    while (pid == 0) {
        if (write(2, line, sizeof(line)) < 0)
            _exit(0);
    }
    if (pid < 0)
        gain(gains, " no child");
}

void
vp_attack(const char *what, const char *self, char *out, size_t size)
{
    static const struct {
        const char *name;
        void (*attack)(Gains *gains);
    } attacks[] = {
        { "reads", read_files },      { "writes", write_files },    { "processes", find_processes },
        { "network", connect_out },   { "kernel", call_kernel },    { "rights", use_rights },
        { "memory", take_memory },    { "bomb", take_processes },   { "stays", stay },
        { "complains", complain },
    };
    Gains gains = { .self = self, .out = out, .size = size };

    gain(&gains, "gained:");
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        if (strcmp(attacks[i].name, what) == 0) {
            attacks[i].attack(&gains);
            return;
        }
    }
    gain(&gains, " no such attack");
}
