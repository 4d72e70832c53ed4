/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which emulator the shim stands for.
 *
 * libvirt asks a domain's emulator what it can do by starting it without any domain, so without a
 * plan; and keeps the answer by the emulator's path. So each real emulator needs a path of its own
 * by which the shim is started, and the path alone has to say which it is. It is a symbolic link to
 * the one shim in a tree of directories that are called like the emulator and those around it,
 *
 *     /usr/lib/virtpass-emulators/usr/bin/qemu-system-x86_64/virtpass-emulator
 *
 * and the emulator is what stands between the name of the tree and that of the link. Nothing has to
 * be configured or remembered; the same definition means the same on another host and while
 * virtpassd is down. Links, because AppArmor judges the file at their end, and lets libvirtd start
 * what is in /usr/bin. Anybody may have such a tree: the package, the user of a session, a test.
 *
 * libvirt takes its answer for outdated when the change time of the file at the path is another,
 * to the second. That is the shim's, and does not change when the emulator does; so whoever sees
 * that the emulator is newer touches the shim. (libvirt also looks at the directory of QEMU's
 * modules, so that most upgrades by a distribution are seen without that.)
 */

#include "plan/shim.h"

#include "base/error.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IN_TREE "/" VP_SHIM_TREE "/"

char *
vp_shim_path(const char *directory, const char *emulator)
{
    return g_strconcat(directory, "/" VP_SHIM_TREE, emulator, "/" VP_SHIM_NAME, NULL);
}

char *
vp_shim_emulator(const char *path)
{
    const char *tree = g_strrstr(path, IN_TREE);
    const char *emulator = tree ? tree + strlen(IN_TREE) - 1 : NULL;

    if (!emulator || !g_str_has_suffix(emulator, "/" VP_SHIM_NAME)
        || strcmp(emulator, "/" VP_SHIM_NAME) == 0)
        return NULL;
    return g_strndup(emulator, strlen(emulator) - strlen("/" VP_SHIM_NAME));
}

/* --- the change time ----------------------------------------------------------- */

static bool
is_later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec >= b->tv_nsec;
}

/* Of the link, which may be pointed at another file, and of the file. */
bool
vp_shim_change_time(const char *emulator, struct timespec *ret_time)
{
    struct stat link, file;

    if (lstat(emulator, &link) < 0 || stat(emulator, &file) < 0)
        return false;
    *ret_time = is_later(&link.st_ctim, &file.st_ctim) ? link.st_ctim : file.st_ctim;
    return true;
}

/* Whether the emulator has changed since the shim at @path last did. */
static bool
is_stale(const char *path, const struct timespec *changed)
{
    struct stat shim;

    return changed && stat(path, &shim) == 0 && is_later(changed, &shim.st_ctim);
}

/* --- links ----------------------------------------------------------------------- */

static bool
make_link(const char *path, const char *program, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path);

    if (g_mkdir_with_parents(directory, 0755) == 0
        && (unlink(path) == 0 || errno == ENOENT) && symlink(program, path) == 0)
        return true;
    vp_error_set_errno(error, errno, "cannot make %s, a link to %s", path, program);
    return false;
}

static char *
find_link(const char *const *directories, const char *emulator)
{
    for (; *directories; directories++) {
        g_autofree char *path = vp_shim_path(*directories, emulator);

        if (access(path, X_OK) == 0)
            return g_steal_pointer(&path);
    }
    return NULL;
}

char *
vp_shim_provide(const char *const *directories, const char *program, const char *emulator,
                const struct timespec *changed, GError **error)
{
    g_autofree char *path = find_link(directories, emulator);

    if (!path) {
        path = vp_shim_path(directories[g_strv_length((char **)directories) - 1], emulator);
        if (!make_link(path, program, error))
            return NULL;
    }
    if (is_stale(path, changed) && utimensat(AT_FDCWD, path, NULL, 0) < 0)
        vp_log_debug("%s cannot be touched: %s", path, g_strerror(errno));
    return g_steal_pointer(&path);
}
