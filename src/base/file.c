/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Files in directories of others.
 *
 * A guest's QEMU may put into its own directory what it likes: a link to a file that only we may
 * read, a FIFO that nobody writes to, a device, a file of any size. So the name is not followed,
 * opening does not wait, and what was opened (not what the name stands for) is looked at.
 */

#include "base/file.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool
check(const struct stat *found, const VpFileRule *rule, const char *path, GError **error)
{
    if (!S_ISREG(found->st_mode))
        return vp_refuse(error, VP_ERROR_FAILED, "'%s' is not a regular file", path);
    if (found->st_uid != rule->owner && found->st_uid != 0 && found->st_uid != geteuid())
        return vp_refuse(error, VP_ERROR_FAILED, "'%s' belongs to user %u, expected %u", path,
                         (guint)found->st_uid, (guint)rule->owner);
    if (found->st_size < 0 || (guint64)found->st_size > rule->max)
        return vp_refuse(error, VP_ERROR_LIMIT,
                         "'%s' has %" G_GINT64_FORMAT " bytes, more than %" G_GSIZE_FORMAT, path,
                         (gint64)found->st_size, rule->max);
    return true;
}

int
vp_file_open(const char *path, const VpFileRule *rule, GError **error)
{
    vp_autofd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    struct stat found = { 0 };
    int errnum = fd < 0 || fstat(fd, &found) < 0 ? errno : 0;

    if (errnum)
        vp_error_set_errno(error, errnum, "cannot open '%s'", path);
    else if (check(&found, rule, path, error))
        return vp_steal_fd(&fd);
    errno = errnum ?: EINVAL;
    return -1;
}

char *
vp_file_read(int fd, gsize max, gsize *ret_size, GError **error)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    guint8 chunk[4096];
    gssize n = 0;

    do {
        n = TEMP_FAILURE_RETRY(read(fd, chunk, sizeof(chunk)));
        if (n > 0)
            g_byte_array_append(bytes, chunk, n);
    } while (n > 0 && bytes->len <= max);
    if (n < 0) {
        vp_error_set_errno(error, errno, "cannot read a file");
        return NULL;
    }
    if (bytes->len > max) {
        vp_refuse(error, VP_ERROR_LIMIT, "a file has more than %" G_GSIZE_FORMAT " bytes", max);
        return NULL;
    }
    if (ret_size)
        *ret_size = bytes->len;
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    return (char *)g_byte_array_free(g_steal_pointer(&bytes), FALSE);
}
