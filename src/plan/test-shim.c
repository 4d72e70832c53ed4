/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Paths of the shim, and when it has to be touched. Links: test-shim_tree.c. */

#include "plan/shim.h"

#include "base/limits.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
check_emulator(const char *path, const char *expected)
{
    g_autofree char *emulator = vp_shim_emulator(path);

    g_assert_cmpstr(emulator, ==, expected);
}

static void
test_paths(void)
{
    g_autofree char *path = vp_shim_path("/usr/lib", VP_SHIM_TREE, "/usr/bin/qemu-system-x86_64",
                                         NULL);

    g_assert_cmpstr(path, ==, "/usr/lib/virtpass-emulators/usr/bin/qemu-system-x86_64/"
                    "virtpass-emulator");
    check_emulator(path, "/usr/bin/qemu-system-x86_64");
    check_emulator("/usr/bin/qemu-system-x86_64", NULL);
    check_emulator("/usr/bin/virtpass-emulator", NULL);
    check_emulator("/virtpass-emulators/usr/bin/qemu", NULL);
    check_emulator("/virtpass-emulators/virtpass-emulator", NULL);
    check_emulator("", NULL);
    check_emulator("/d/virtpass-sessions/usr/bin/qemu/virtpass-emulator", "/usr/bin/qemu");
    g_assert_true(vp_shim_adds_session("/d/virtpass-sessions/q/virtpass-emulator"));
    g_assert_false(vp_shim_adds_session("/d/virtpass-sessions/../virtpass-emulator"));
    g_assert_false(vp_shim_adds_session(path));
    g_assert_false(vp_shim_adds_session("/virtpass-sessions/virtpass-emulators/q/"
                                        "virtpass-emulator"));
    /* A tree in a tree: each time the shim runs the path gets shorter. */
    check_emulator("/a/virtpass-emulators/b/virtpass-emulators/c/virtpass-emulator", "/c");
}

/* What clients may name as <emulator>, and what may stand in argv[0] of the shim. */
static void
test_no_emulators(void)
{
    static const struct {
        const char *path;
        const char *why;
    } wrong[] = {
        { "", "is not absolute" },
        { "qemu", "is not absolute" },
        { "./qemu", "is not absolute" },
        { " /usr/bin/qemu", "is not absolute" },
        { "/", "ends with a slash" },
        { "//", "ends with a slash" },
        { "/usr/bin/qemu/", "ends with a slash" },
        { "/../../../run/x/er", "has '.' or '..' in it" },
        { "/usr/bin/../../etc/x", "has '.' or '..' in it" },
        { "/usr/bin/..", "has '.' or '..' in it" },
        { "/a/./b", "has '.' or '..' in it" },
        { "/a//../b", "has '.' or '..' in it" },
        { "/a/b/.", "has '.' or '..' in it" },
        { "/usr/bin/qe\nmu", "has a control character" },
        { "/usr/bin/qemu\n", "has a control character" },
        { "/usr/\x7f/qemu", "has a control character" },
        { "/x/virtpass-emulators/usr/bin/qemu", "has the name of the shim's own tree" },
        { "/x/virtpass-sessions/usr/bin/qemu", "has the name of the shim's own tree" },
        { "/x/virtpass-emulator", "has the shim's own name" },
        { "/x/virtpass-emulator/qemu", "has the shim's own name" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *in_tree = g_strconcat("/d/" VP_SHIM_TREE, wrong[i].path, "/" VP_SHIM_NAME,
                                               NULL);
        g_autoptr(GError) error = NULL, same = NULL;

        g_assert_null(vp_shim_normal(wrong[i].path, &error));
        g_assert_nonnull(strstr(error->message, wrong[i].why));
        g_assert_nonnull(strstr(error->message, "expected the absolute path of QEMU"));
        g_assert_null(strchr(error->message, '\n'));
        g_assert_null(vp_shim_path("/d", VP_SHIM_TREE, wrong[i].path, &same));
        g_assert_true(g_str_has_prefix(same->message, "<emulator> "));
        if (*wrong[i].path == '/' && !strstr(wrong[i].why, "own tree"))
            check_emulator(in_tree, NULL);
        check_emulator("/d/" VP_SHIM_TREE "/usr/bin/qemu/" VP_SHIM_NAME, "/usr/bin/qemu");
    }
}

static void
test_slashes(void)
{
    g_autofree char *normal = vp_shim_normal("//usr///bin/qemu", NULL);
    g_autofree char *dots = vp_shim_normal("/a/...//..b/c.", NULL);

    g_assert_cmpstr(normal, ==, "/usr/bin/qemu");
    g_assert_cmpstr(dots, ==, "/a/.../..b/c.");
    check_emulator("/d/" VP_SHIM_TREE "//usr/bin/qemu/" VP_SHIM_NAME, NULL);
}

static bool
is_normal(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *normal = vp_shim_normal(path, &error);

    if (!normal)
        g_assert_nonnull(strstr(error->message, "expected"));
    return normal != NULL;
}

/* At the limits, and one past them. */
static void
test_sizes(void)
{
    g_autoptr(GString) path = g_string_new(NULL), parts = g_string_new(NULL);
    g_autofree char *part = g_strnfill(NAME_MAX, 'x');

    while (path->len + 2 < VP_EMULATOR_PATH_MAX)
        g_string_append(path, path->len % 200 ? "a" : "/");
    g_string_append(path, "bc");
    path->str[path->len - 2] = 'b';
    g_assert_cmpuint(path->len, ==, VP_EMULATOR_PATH_MAX);
    g_assert_true(is_normal(path->str));
    g_assert_false(is_normal(g_string_append_c(path, 'd')->str));
    g_string_set_size(path, 0);
    while (path->len < PATH_MAX)
        g_string_append(path, "/a");
    g_assert_false(is_normal(path->str));

    for (guint i = 0; i < VP_EMULATOR_PARTS_MAX; i++)
        g_string_append(parts, "/q");
    g_assert_true(is_normal(parts->str));
    g_assert_false(is_normal(g_string_append(parts, "/q")->str));

    g_string_printf(parts, "/%s", part);
    g_assert_true(is_normal(parts->str));
    g_assert_false(is_normal(g_string_append_c(parts, 'x')->str));
}

/* --- the change time -------------------------------------------------------------- */

static char *directory;

static char *
in_directory(const char *name)
{
    return g_build_filename(directory, name, NULL);
}

/* An executable file. */
static char *
make_file(const char *name)
{
    g_autofree char *path = in_directory(name);

    g_assert_true(g_file_set_contents(path, "", 0, NULL));
    g_assert_cmpint(chmod(path, 0700), ==, 0);
    return g_steal_pointer(&path);
}

static bool
same_change_time(const char *path, const struct stat *before)
{
    struct stat now;

    g_assert_cmpint(stat(path, &now), ==, 0);
    return memcmp(&now.st_ctim, &before->st_ctim, sizeof(now.st_ctim)) == 0;
}

/* Until the file is younger than it was; file systems count in steps of some milliseconds. */
static void
change(const char *path)
{
    struct stat before;

    g_assert_cmpint(stat(path, &before), ==, 0);
    while (same_change_time(path, &before))
        g_assert_cmpint(chmod(path, 0700), ==, 0);
}

static void
touch(const char *program, const char *emulator)
{
    struct timespec changed;

    g_assert_true(vp_shim_change_time(emulator, &changed));
    vp_shim_touch(program, &changed);
}

static void
test_touch(void)
{
    g_autofree char *program = make_file("touched"), *emulator = make_file("changed");
    struct stat before;

    change(program);
    change(program); /* once may be in the same step as the emulator */
    g_assert_cmpint(stat(program, &before), ==, 0);
    touch(program, emulator);
    g_assert_true(same_change_time(program, &before));
    change(emulator);
    vp_shim_touch(program, NULL);
    g_assert_true(same_change_time(program, &before));
    while (same_change_time(program, &before))
        touch(program, emulator);
}

int
main(int argc, char **argv)
{
    g_autofree char *made = g_dir_make_tmp("virtpass-XXXXXX", NULL);
    g_autofree char *remove = g_strdup_printf("rm -r '%s'", made);
    int result = 0;

    g_test_init(&argc, &argv, NULL);
    directory = made;
    g_test_add_func("/shim/paths", test_paths);
    g_test_add_func("/shim/no emulators", test_no_emulators);
    g_test_add_func("/shim/slashes", test_slashes);
    g_test_add_func("/shim/sizes", test_sizes);
    g_test_add_func("/shim/touch", test_touch);
    result = g_test_run();
    g_assert_true(g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL));
    return result;
}
