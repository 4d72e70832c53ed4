/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What may lie in a directory of somebody else's, and what of it is read. */

#include "base/file.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LARGEST 10

typedef struct Scene {
    char *dir;
    char *path;
} Scene;

static void
scene_start(Scene *scene, gconstpointer data G_GNUC_UNUSED)
{
    scene->dir = g_dir_make_tmp("vp-file-XXXXXX", NULL);
    g_assert_nonnull(scene->dir);
    scene->path = g_build_filename(scene->dir, "f", NULL);
}

static void
scene_stop(Scene *scene, gconstpointer data G_GNUC_UNUSED)
{
    g_unlink(scene->path);
    g_assert_cmpint(g_rmdir(scene->dir), ==, 0);
    g_free(scene->path);
    g_free(scene->dir);
}

static void
write_file(const Scene *scene, gsize size)
{
    g_autofree char *text = g_strnfill(size, 'x');

    g_assert_true(g_file_set_contents(scene->path, text, size, NULL));
}

/* Why it is not opened, NULL: it is. */
static char *
why_not(const Scene *scene, uid_t owner)
{
    const VpFileRule rule = { .max = LARGEST, .owner = owner };
    g_autoptr(GError) error = NULL;
    vp_autofd int fd = vp_file_open(scene->path, &rule, &error);

    g_assert_true((fd < 0) == (error != NULL));
    return error ? g_strdup(error->message) : NULL;
}

static void
assert_suffix(const Scene *scene, uid_t owner, const char *suffix)
{
    g_autofree char *reason = why_not(scene, owner);

    g_assert_true(reason && g_str_has_suffix(reason, suffix));
}

static void
assert_prefix(const Scene *scene, uid_t owner, const char *prefix)
{
    int errnum = 0;
    g_autofree char *reason = why_not(scene, owner);

    errnum = errno;
    g_assert_true(reason && g_str_has_prefix(reason, prefix));
    errno = errnum;
}

static void
assert_opens(const Scene *scene, uid_t owner)
{
    g_assert_null(why_not(scene, owner));
}

static void
test_size(Scene *scene, gconstpointer data G_GNUC_UNUSED)
{
    const VpFileRule rule = { .max = LARGEST };
    gsize size = 0;

    write_file(scene, LARGEST + 1);
    assert_suffix(scene, geteuid(), " has 11 bytes, more than 10");
    for (gsize n = 0; n <= LARGEST; n += LARGEST) {
        vp_autofd int fd = -1;
        g_autofree char *text = NULL;

        write_file(scene, n);
        fd = vp_file_open(scene->path, &rule, NULL);
        g_assert_cmpint(fd, >=, 0);
        text = vp_file_read(fd, LARGEST, &size, NULL);
        g_assert_cmpuint(size, ==, n);
        g_assert_cmpuint(strlen(text), ==, n);
    }
}

/* It was small when it was opened. */
static void
test_grows(Scene *scene, gconstpointer data G_GNUC_UNUSED)
{
    const VpFileRule rule = { .max = LARGEST };
    g_autoptr(GError) error = NULL;
    vp_autofd int fd = -1;

    write_file(scene, 1);
    fd = vp_file_open(scene->path, &rule, NULL);
    g_assert_cmpint(truncate(scene->path, LARGEST + 1), ==, 0);
    g_assert_null(vp_file_read(fd, LARGEST, NULL, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
}

/* Opening one of these for reading would wait, act, or lead elsewhere. */
static void
test_not_regular(Scene *scene, gconstpointer data G_GNUC_UNUSED)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    vp_autofd int listener = socket(AF_UNIX, SOCK_STREAM, 0);

    g_assert_cmpint(mkfifo(scene->path, 0666), ==, 0);
    assert_suffix(scene, geteuid(), "is not a regular file");
    g_unlink(scene->path);
    g_assert_cmpint(symlink("/etc/passwd", scene->path), ==, 0);
    assert_prefix(scene, geteuid(), "cannot open ");
    g_assert_cmpint(errno, ==, ELOOP);
    g_unlink(scene->path);
    g_strlcpy(address.sun_path, scene->path, sizeof(address.sun_path));
    g_assert_cmpint(bind(listener, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    assert_prefix(scene, geteuid(), "cannot open ");
    g_unlink(scene->path);
    assert_prefix(scene, geteuid(), "cannot open ");
    g_assert_cmpint(errno, ==, ENOENT);
}

static void
test_owner(Scene *scene, gconstpointer data G_GNUC_UNUSED)
{
    if (geteuid() != 0) {
        g_test_skip("needs root, to make files of others");
        return;
    }
    write_file(scene, 1);
    assert_opens(scene, 1);
    g_assert_cmpint(chown(scene->path, 1, 1), ==, 0);
    assert_opens(scene, 1);
    assert_suffix(scene, 2, " belongs to user 1, expected 2");
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*func)(Scene *, gconstpointer);
    } tests[] = { { "/base/file/size", test_size },
                  { "/base/file/grows", test_grows },
                  { "/base/file/not-regular", test_not_regular },
                  { "/base/file/owner", test_owner } };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].name, Scene, NULL, scene_start, tests[i].func, scene_stop);
    return g_test_run();
}
