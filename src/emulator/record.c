/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Files that the shim leaves in the guest's run-time directory, which libvirt removes with the
 * guest. libvirt has made the directory for this one start, so a file that is there already is
 * from a start that failed; it is replaced, and links are not followed.
 */

#include "emulator/record.h"

#include "base/error.h"
#include "base/fd.h"
#include "json/write.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

char *
vp_record_text(char *const *generated, char *const *altered, const GPtrArray *warnings)
{
    g_auto(VpJsonWriter) writer = vp_json_writer_compact();

    vp_json_begin_object(&writer, NULL);
    vp_json_add_int(&writer, "version", VP_RECORD_VERSION);
    vp_json_add_strings(&writer, "generated", (const char *const *)generated, -1);
    vp_json_add_strings(&writer, "altered", (const char *const *)altered, -1);
    vp_json_add_strings(&writer, "warnings", (const char *const *)warnings->pdata, warnings->len);
    vp_json_end(&writer);
    return vp_json_writer_steal(&writer);
}

bool
vp_record_write_file(const char *path, const char *text, GError **error)
{
    gsize size = strlen(text), done = 0;
    vp_autofd int fd = -1;

    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    while (fd >= 0 && done < size) {
        gssize n = write(fd, text + done, size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        done += n;
    }
    if (fd >= 0 && done == size)
        return true;
    vp_error_set_errno(error, errno, "cannot write %s", path);
    return false;
}
