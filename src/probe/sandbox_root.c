/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The file system of a confined process: an empty one of its own into which the programs and
 * libraries of the host are bound, read-only. What is not named here is not there: no /run, /home,
 * /root, /var, /tmp, no configuration, no devices that reach anything.
 *
 * All of it happens between clone and exec in a copy of a process with threads, so nothing here
 * allocates or takes a lock, and no path lies about what it leads to: the emulator's own directory
 * is bound by the path that the opened binary has, taken without a symbolic link. One that a client
 * turns into a link in between leads nowhere instead of to the host's /.
 */

#include "probe/sandbox_root.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Programs, libraries and data of the system: distributions', /opt's, those of Nix and Guix. What
 * ld.so needs of /etc, and the devices that hold nothing. */
static const char *const system_paths[] = {
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store",
    "/gnu/store", "/etc/alternatives", "/etc/ld.so.cache", "/dev/null", "/dev/zero", "/dev/full",
    "/dev/random", "/dev/urandom", "/dev/fd",
};

/* Beside a directory "bin": where QEMU finds its modules and data, and ld.so libraries. */
static const char *const siblings[] = { "lib", "lib64", "libexec", "share" };

#define N_BOUND (G_N_ELEMENTS(system_paths) + G_N_ELEMENTS(siblings) + 1)

/* Something of the host that is to be seen. */
typedef struct Bound {
    char path[PATH_MAX];
    char link[PATH_MAX]; /* it is a symbolic link to this; else empty */
    int fd;              /* a detached copy of the mount; -1: none */
    bool directory;
} Bound;

/* Static, for it is too large for a stack: each process has a copy of its own. */
static Bound bound[N_BOUND];
static gsize n_bound;

/* --- taking copies of the host's ------------------------------------------ */

/* A copy of what @fd is open for: nobody writes through it or gains rights by it. */
static int
copy_mount(int fd)
{
    struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };
    vp_autofd int copy = open_tree(fd, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE |
                                   OPEN_TREE_CLOEXEC);

    if (copy < 0 ||
        mount_setattr(copy, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof(attributes)) < 0)
        return -1;
    return vp_steal_fd(&copy);
}

static bool
add_bound(const char *path, int fd)
{
    Bound *next = &bound[n_bound];
    struct stat status;

    if (strlen(path) >= sizeof(next->path) || fstat(fd, &status) < 0)
        return false;
    strcpy(next->path, path);
    next->directory = S_ISDIR(status.st_mode);
    next->fd = copy_mount(fd);
    if (next->fd < 0)
        return false;
    n_bound++;
    return true;
}

static bool
add_link(const char *path, int fd)
{
    Bound *next = &bound[n_bound];
    ssize_t n = readlinkat(fd, "", next->link, sizeof(next->link) - 1);

    if (n < 0)
        return false;
    next->link[n] = '\0';
    next->fd = -1;
    strcpy(next->path, path);
    n_bound++;
    return true;
}

/* A symbolic link is one there too. @resolve: RESOLVE_NO_SYMLINKS: it is where @path says, through
 * no other. True also for what is not there. */
static bool
bind_path(const char *path, guint64 resolve)
{
    struct open_how how = { .flags = O_PATH | O_CLOEXEC | O_NOFOLLOW, .resolve = resolve };
    vp_autofd int fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        return errno == ENOENT || errno == ENOTDIR;
    return S_ISLNK(status.st_mode) ? add_link(path, fd) : add_bound(path, fd);
}

static void
bind_siblings(const char *prefix)
{
    char path[PATH_MAX];

    for (gsize i = 0; i < G_N_ELEMENTS(siblings); i++) {
        if (snprintf(path, sizeof(path), "%s/%s", prefix, siblings[i]) < (int)sizeof(path))
            bind_path(path, RESOLVE_NO_SYMLINKS);
    }
}

/* @real: the path of what @emulator_fd is open for. A directory of the top (/tmp, /home) is not
 * shown for the sake of one file in it. */
static void
bind_emulator(int emulator_fd, const char *real)
{
    char path[PATH_MAX];
    char *slash = NULL;

    strcpy(path, real);
    slash = strrchr(path, '/');
    if (!slash || slash == path)
        return;
    *slash = '\0';
    slash = strrchr(path, '/');
    if (slash == path) {
        add_bound(real, emulator_fd);
        return;
    }
    bind_path(path, RESOLVE_NO_SYMLINKS);
    if (strcmp(slash, "/bin") == 0) {
        *slash = '\0';
        bind_siblings(path);
    }
}

/* --- putting them into the new one ---------------------------------------- */

/* The directories above @path. */
static void
make_parents(const char *path)
{
    char above[PATH_MAX];

    strcpy(above, path);
    for (char *slash = strchr(above + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(above, 0755);
        *slash = '/';
    }
}

static bool
make_file(const char *path)
{
    vp_autofd int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);

    return fd >= 0;
}

/* True also if it can be seen already, in one that was put there before. */
static bool
put(const Bound *item)
{
    struct stat status;

    if (lstat(item->path, &status) == 0)
        return true;
    make_parents(item->path);
    if (item->fd < 0)
        return symlink(item->link, item->path) == 0;
    if (!(item->directory ? mkdir(item->path, 0755) == 0 : make_file(item->path)))
        return false;
    return move_mount(item->fd, "", AT_FDCWD, item->path, MOVE_MOUNT_F_EMPTY_PATH) == 0;
}

/* An empty file system, as our root. */
static bool
enter_empty(void)
{
    vp_autofd int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
    vp_autofd int root = -1;

    if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "mode", "755", 0) < 0 ||
        fsconfig(context, FSCONFIG_SET_STRING, "nr_inodes", "1k", 0) < 0 ||
        fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return false;
    root = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    return root >= 0 &&
           move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) == 0 &&
           fchdir(root) == 0 && chroot(".") == 0;
}

/* Of its own processes only. Not to be had where parts of the host's are hidden from us, as in
 * many containers: then there is none, which QEMU does not mind. */
static void
mount_proc(void)
{
    const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;

    mkdir("/proc", 0755);
    if (mount("proc", "/proc", "proc", flags, "subset=pid") < 0)
        mount("proc", "/proc", "proc", flags, NULL);
}

/* The name by which the emulator was asked for, where that is a link which is not there. */
static void
put_name(const char *emulator, const char *real)
{
    struct stat status;

    if (strlen(emulator) >= PATH_MAX || lstat(emulator, &status) == 0)
        return;
    make_parents(emulator);
    if (symlink(real, emulator) < 0)
        return; /* executing it will tell */
}

/* Mounts of ours stay ours. */
static bool
become_private(void)
{
    struct mount_attr attributes = { .propagation = MS_PRIVATE };

    return mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attributes, sizeof(attributes)) == 0;
}

static bool
become_read_only(void)
{
    struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };

    return mount_setattr(AT_FDCWD, "/", 0, &attributes, sizeof(attributes)) == 0;
}

/* The path of what @fd is open for; empty: not to be known. */
static void
find_real(int fd, char *real)
{
    char link[64];
    ssize_t n = 0;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = fd >= 0 ? readlink(link, real, PATH_MAX - 1) : -1;
    real[n > 0 ? n : 0] = '\0';
}

const char *
vp_sandbox_enter_root(const char *emulator, int emulator_fd)
{
    char real[PATH_MAX];

    find_real(emulator_fd, real);
    if (!become_private())
        return "mounts cannot be made private";
    for (gsize i = 0; i < G_N_ELEMENTS(system_paths); i++) {
        if (!bind_path(system_paths[i], 0))
            return system_paths[i];
    }
    if (real[0] == '/')
        bind_emulator(emulator_fd, real);
    if (!enter_empty())
        return "no root of its own";
    for (gsize i = 0; i < n_bound; i++) {
        if (!put(&bound[i]))
            return bound[i].path;
    }
    mount_proc();
    if (real[0] == '/')
        put_name(emulator, real);
    return become_read_only() ? NULL : "the root stays writable";
}
