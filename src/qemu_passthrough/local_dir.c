/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whether a directory that somebody has named can be looked into by the loop.
 *
 * One on a server or in a file system of some process answers when those do. Which file systems are
 * the kernel's own is in a list, for there is no end of the others. Whoever may rename a directory
 * above can still put another one in its place afterwards; that takes a right on this machine's own
 * file system.
 */

#include "qemu_passthrough/local_dir.h"

#include "base/fd.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#define ZFS_MAGIC 0x2fc12fc1

static const unsigned long local[] = {
    BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC,
    RAMFS_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC, ZFS_MAGIC,
};

/* Owned by its work. */
typedef struct Look {
    char *dir;
    bool local;
    VpLocalDirFunc func;
    gpointer data;
} Look;

static void
free_look(gpointer data)
{
    Look *look = data;

    g_free(look->dir);
    g_free(look);
}

static bool
is_local(int fd)
{
    struct statfs system = { 0 };

    for (gsize i = 0; fstatfs(fd, &system) == 0 && i < G_N_ELEMENTS(local); i++) {
        if ((unsigned long)system.f_type == local[i])
            return true;
    }
    return false;
}

static bool
goes_through_no_link(int fd, const char *dir)
{
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);
    g_autofree char *real = g_file_read_link(link, NULL);

    return g_strcmp0(real, dir) == 0;
}

static void
look_at_dir(gpointer data)
{
    Look *look = data;
    vp_autofd int fd = open(look->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

    look->local = fd >= 0 && is_local(fd) && goes_through_no_link(fd, look->dir);
}

static void
on_looked(gpointer data)
{
    Look *look = data;

    look->func(look->local, look->data);
}

VpWork *
vp_local_dir_look(VpWorkers *workers, const char *owner, const char *path, VpLocalDirFunc func,
                  gpointer data)
{
    Look *look = g_new0(Look, 1);

    *look = (Look){ .dir = g_path_get_dirname(path), .func = func, .data = data };
    return vp_work_start(workers, owner, look_at_dir, on_looked, look, free_look);
}
