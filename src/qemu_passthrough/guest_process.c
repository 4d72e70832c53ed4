/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which process is a domain's QEMU, by libvirt's own word.
 *
 * libvirt forks, and the child writes its number into NAME.pid, takes a lock on that file and
 * becomes the emulator, which keeps descriptor and lock (since libvirt 6.2). The directory is
 * libvirtd's, and so is the file; but through the descriptor that it has inherited a QEMU can write
 * another number into it, and so have another guest's monitor taken for its own. The lock
 * cannot be given away: the kernel names its holder. So the number and the holder have to agree,
 * which leaves a QEMU that lies nothing to say but its own number.
 *
 * The lock ends with its process. Who holds it after the process has been opened is therefore the
 * process that was opened, and not a later one with its number.
 */

#include "qemu_passthrough/guest_process.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* 0: nobody */
static pid_t
lock_holder(int fd)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    return fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? lock.l_pid : 0;
}

static pid_t
read_number(int fd)
{
    g_autofree char *text = vp_file_read(fd, VP_PID_FILE_MAX, NULL, NULL);
    guint64 pid = 0;

    return text && g_ascii_string_to_unsigned(g_strchomp(text), 10, 1, G_MAXINT, &pid, NULL)
               ? (pid_t)pid
               : 0;
}

static int
open_file(const char *path, GError **error)
{
    const VpFileRule rule = { .max = VP_PID_FILE_MAX };
    g_autoptr(GError) why = NULL;
    int fd = vp_file_open(path, &rule, &why);

    if (fd >= 0)
        return fd;
    if (errno == ENOENT)
        vp_refuse(error, VP_ERROR_CLOSED, "libvirt has no process of the domain: there is no '%s'",
                  path);
    else
        vp_refuse(error, VP_ERROR_STRANGER, "the domain's process is not known: %s", why->message);
    return -1;
}

bool
vp_guest_process_find(VpGuestProcess *guest, const char *state_dir, const char *name,
                      GError **error)
{
    g_autofree char *file = g_strconcat(name, ".pid", NULL);
    g_autofree char *path = g_build_filename(state_dir, file, NULL);
    vp_autofd int fd = -1;
    struct stat status = { 0 };
    pid_t pid = 0;

    if (strchr(name, '/'))
        return vp_refuse(error, VP_ERROR_STRANGER, "'%s' is no domain's name", name);
    fd = open_file(path, error);
    if (fd < 0)
        return false;
    pid = read_number(fd);
    if (pid == 0 || fstat(fd, &status) < 0)
        return vp_refuse(error, VP_ERROR_STRANGER, "'%s' holds no number of a process", path);
    if (!vp_process_open(&guest->process, pid, NULL))
        return vp_refuse(error, VP_ERROR_CLOSED, "the domain's process, %d, has ended", (int)pid);
    guest->noted = status.st_mtim;
    if (lock_holder(fd) == pid)
        return true;
    vp_process_clear(&guest->process);
    return vp_refuse(error, VP_ERROR_STRANGER,
                     "process %d, which '%s' names as the domain's, does not hold libvirt's lock "
                     "on that file: libvirt has not started it, or it has closed what it inherited",
                     (int)pid, path);
}
