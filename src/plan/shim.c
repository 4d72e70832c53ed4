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
 * What stands between the two names comes from a document, and becomes directories. So it has to be
 * a path that means the same wherever it is put: one that leads upwards, or has in it the names by
 * which the tree is told from the rest, is refused when the document is read as well as when the
 * shim is started.
 *
 * libvirt takes its answer for outdated when the change time of the file at the path is another,
 * to the second. That is the shim's, and does not change when the emulator does; so whoever sees
 * that the emulator is newer touches the shim. (libvirt also looks at the directory of QEMU's
 * modules, so that most upgrades by a distribution are seen without that.)
 */

#include "plan/shim.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* What of a refused path is shown. */
#define SHOWN_MAX 100

/* --- paths ------------------------------------------------------------------------ */

static const char *
find_fault_in_part(const char *part)
{
    if (g_str_equal(part, ".") || g_str_equal(part, ".."))
        return "has '.' or '..' in it";
    if (g_str_equal(part, VP_SHIM_TREE) || g_str_equal(part, VP_SHIM_SESSION_TREE))
        return "has the name of the shim's own tree in it";
    if (g_str_equal(part, VP_SHIM_NAME))
        return "has the shim's own name, '" VP_SHIM_NAME "', in it";
    return strlen(part) > NAME_MAX ? "has a part of more than 255 bytes" : NULL;
}

static const char *
find_fault(const char *path)
{
    for (const char *p = path; *p; p++) {
        if (g_ascii_iscntrl(*p))
            return "has a control character in it";
    }
    if (*path != '/')
        return "is not absolute";
    return g_str_has_suffix(path, "/") ? "ends with a slash" : NULL;
}

/* Of the path, what can stand in one line of a log. */
static char *
show(const char *path)
{
    g_autofree char *start = g_strndup(path, SHOWN_MAX);

    for (char *p = start; *p; p++) {
        if (g_ascii_iscntrl(*p))
            *p = '?';
    }
    return g_utf8_make_valid(start, -1);
}

static bool
refuse(const char *path, const char *fault, GError **error)
{
    g_autofree char *shown = show(path);

    return vp_refuse(error, VP_ERROR_XML, "'%s' %s, expected the absolute path of QEMU without "
                     "'.' and '..', such as /usr/bin/qemu-system-x86_64", shown, fault);
}

/* The length is known to be bounded. */
static bool
normalise(const char *path, GString *normal, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(path + 1, "/", -1);
    guint n = 0;

    for (char **part = parts; *part; part++) {
        const char *fault = find_fault_in_part(*part);

        if (fault)
            return refuse(path, fault, error);
        if (**part) {
            g_string_append(g_string_append_c(normal, '/'), *part);
            n++;
        }
    }
    if (n <= VP_EMULATOR_PARTS_MAX)
        return true;
    return vp_refuse(error, VP_ERROR_LIMIT, "has a path of %u parts, expected %u at most", n,
                     VP_EMULATOR_PARTS_MAX);
}

char *
vp_shim_normal(const char *path, GError **error)
{
    g_autoptr(GString) normal = g_string_new(NULL);
    gsize size = strlen(path);
    const char *fault = NULL;

    if (size > VP_EMULATOR_PATH_MAX) {
        vp_refuse(error, VP_ERROR_LIMIT, "has a path of %zu bytes, expected %u at most", size,
                  VP_EMULATOR_PATH_MAX);
        return NULL;
    }
    fault = find_fault(path);
    if (fault ? !refuse(path, fault, error) : !normalise(path, normal, error))
        return NULL;
    return g_string_free(g_steal_pointer(&normal), FALSE);
}

char *
vp_shim_path(const char *directory, const char *tree, const char *emulator, GError **error)
{
    g_autofree char *normal = vp_shim_normal(emulator, error);

    if (!normal) {
        g_prefix_error(error, "<emulator> ");
        return NULL;
    }
    return g_strconcat(directory, "/", tree, normal, "/" VP_SHIM_NAME, NULL);
}

/* What stands behind the last tree's name, with the slash before it. */
static const char *
behind_tree(const char *path, bool *ret_session)
{
    const char *plain = g_strrstr(path, "/" VP_SHIM_TREE "/");
    const char *session = g_strrstr(path, "/" VP_SHIM_SESSION_TREE "/");

    *ret_session = session && (!plain || session > plain);
    if (*ret_session)
        return session + strlen("/" VP_SHIM_SESSION_TREE);
    return plain ? plain + strlen("/" VP_SHIM_TREE) : NULL;
}

static char *
read_path(const char *path, bool *ret_session)
{
    const char *emulator = behind_tree(path, ret_session);
    g_autofree char *written = NULL, *normal = NULL;

    if (!emulator || !g_str_has_suffix(emulator, "/" VP_SHIM_NAME))
        return NULL;
    written = g_strndup(emulator, strlen(emulator) - strlen("/" VP_SHIM_NAME));
    normal = vp_shim_normal(written, NULL);
    return g_strcmp0(written, normal) == 0 ? g_steal_pointer(&normal) : NULL;
}

char *
vp_shim_emulator(const char *path)
{
    bool session = false;

    return read_path(path, &session);
}

bool
vp_shim_adds_session(const char *path)
{
    bool session = false;
    g_autofree char *emulator = read_path(path, &session);

    return emulator && session;
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

void
vp_shim_touch(const char *path, const struct timespec *changed)
{
    if (is_stale(path, changed) && utimensat(AT_FDCWD, path, NULL, 0) < 0)
        vp_log_debug("%s cannot be touched: %s", path, g_strerror(errno));
}
