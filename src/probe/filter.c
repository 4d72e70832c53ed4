/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which system calls a probed program does not get.
 *
 * QEMU of any version and scripts around it run here, with any C library, so that a list of what is
 * allowed would be wrong with the next release: a QEMU that cannot be asked is a domain that cannot
 * be defined. So this is a list of what is refused, by reason. What matters holds without it, by
 * user, namespaces and limits; the filter takes away parts of the kernel in which holes are found,
 * and holds what it can where namespaces are not to be had.
 *
 * A refused call fails, as for a process without rights; the program may go on. Calls that a newer
 * kernel has and libseccomp does not know yet cannot be named, and are allowed.
 */

#include "probe/filter.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Other processes, and what the kernel keeps for them. */
static const char *const others[] = {
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease",
    "kcmp", "pidfd_getfd", "pidfd_open", "pidfd_send_signal", "migrate_pages", "move_pages",
    "keyctl", "add_key", "request_key", NULL,
};

/* Every way to reach somebody: it has its monitor open, and needs no other. A pair of sockets stays
 * allowed. */
static const char *const network[] = {
    "socket", "connect", "bind", "listen", "accept", "accept4", "socketcall", NULL,
};

/* Memory that outlives a process, or that no limit of a process counts. */
static const char *const memory[] = {
    "shmget", "shmat", "shmctl", "shmdt", "semget", "semop", "semctl", "semtimedop", "msgget",
    "msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink", "memfd_secret", "mlock",
    "mlock2", "mlockall", NULL,
};

/* Namespaces, mounts and the tree of files. */
static const char *const tree[] = {
    "unshare", "setns", "mount", "umount", "umount2", "pivot_root", "chroot", "mount_setattr",
    "move_mount", "open_tree", "open_tree_attr", "fsopen", "fsconfig", "fsmount", "fspick",
    "statmount", "listmount", "name_to_handle_at", "open_by_handle_at", "fanotify_init", "quotactl",
    "quotactl_fd", "swapon", "swapoff", "mknod", "mknodat", NULL,
};

/* The machine, and wide parts of the kernel that nobody needs here. */
static const char *const machine[] = {
    "bpf", "perf_event_open", "userfaultfd", "kexec_load", "kexec_file_load", "init_module",
    "finit_module", "delete_module", "create_module", "reboot", "settimeofday", "clock_settime",
    "clock_adjtime", "adjtimex", "stime", "acct", "syslog", "sethostname", "setdomainname",
    "lookup_dcookie", "iopl", "ioperm", "modify_ldt", "vm86", "vm86old", "vhangup", "uselib",
    "nfsservctl", "_sysctl", "sysfs", "ustat", NULL,
};

/* These have a fallback in their callers, who take it if the kernel is too old for them. Flags of
 * clone3 cannot be looked into. */
static const char *const too_new[] = {
    "clone3", "io_uring_setup", "io_uring_enter", "io_uring_register", NULL,
};

static const struct {
    const char *const *names;
    int errnum;
} refused[] = {
    { others, EPERM }, { network, EPERM },  { memory, EPERM },
    { tree, EPERM },   { machine, EPERM },  { too_new, ENOSYS },
};

/* Where clone() has its flags. */
#ifdef __s390__
#define CLONE_FLAGS SCMP_A1
#else
#define CLONE_FLAGS SCMP_A0
#endif

#define NEW_NAMESPACE (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | \
                       CLONE_NEWUTS | CLONE_NEWCGROUP)

/* A name that this machine or libseccomp does not have is no call that can be made. */
static int
refuse(scmp_filter_ctx context, const char *name, int errnum)
{
    int number = seccomp_syscall_resolve_name(name);

    return number < 0 ? 0 : seccomp_rule_add(context, SCMP_ACT_ERRNO(errnum), number, 0);
}

static int
refuse_all(scmp_filter_ctx context)
{
    int result = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
        for (const char *const *name = refused[i].names; *name && result == 0; name++)
            result = refuse(context, *name, refused[i].errnum);
    }
    return result;
}

/* Namespaces by clone(), each flag by itself; typing into a terminal that is ours too. */
static int
refuse_arguments(scmp_filter_ctx context)
{
    static const unsigned int terminal[] = { TIOCSTI, TIOCLINUX };
    int result = 0;

    for (guint64 flag = 1; flag <= NEW_NAMESPACE && result == 0; flag <<= 1) {
        if (flag & NEW_NAMESPACE)
            result = seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                      CLONE_FLAGS(SCMP_CMP_MASKED_EQ, flag, flag));
    }
    for (gsize i = 0; i < G_N_ELEMENTS(terminal) && result == 0; i++)
        result = seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                                  SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, terminal[i]));
    return result;
}

static bool
read_program(int fd, struct sock_fprog *ret_program)
{
    struct stat status;
    gsize size = 0;

    if (fstat(fd, &status) < 0)
        return false;
    size = status.st_size;
    ret_program->len = size / sizeof(struct sock_filter);
    ret_program->filter = g_malloc(size);
    return pread(fd, ret_program->filter, size, 0) == (gssize)size;
}

/* libseccomp would load it into this process; what is to be had is its text in a file. */
static int
export(scmp_filter_ctx context, struct sock_fprog *ret_program)
{
    vp_autofd int fd = memfd_create("virtpass-filter", MFD_CLOEXEC);
    int result = fd < 0 ? -errno : seccomp_export_bpf(context, fd);

    if (result == 0 && !read_program(fd, ret_program))
        result = -EIO;
    return result;
}

gboolean
vp_filter_build(struct sock_fprog *ret_program, GError **error)
{
    scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
    int result = context ? 0 : -ENOMEM;

    *ret_program = (struct sock_fprog){ 0 };
    if (result == 0)
        result = refuse_all(context);
    if (result == 0)
        result = refuse_arguments(context);
    if (result == 0)
        result = export(context, ret_program);
    if (context)
        seccomp_release(context);
    if (result == 0)
        return TRUE;
    g_clear_pointer(&ret_program->filter, g_free);
    vp_error_set_errno(error, -result, "cannot make a filter of system calls");
    return FALSE;
}
