/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Paths of the shim, and when it has to be touched. */

#include "plan/shim.h"

#include <glib/gstdio.h>
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
    g_autofree char *path = vp_shim_path("/usr/lib", "/usr/bin/qemu-system-x86_64");

    g_assert_cmpstr(path, ==, "/usr/lib/virtpass-emulators/usr/bin/qemu-system-x86_64/"
                    "virtpass-emulator");
    check_emulator(path, "/usr/bin/qemu-system-x86_64");
    check_emulator("/usr/bin/qemu-system-x86_64", NULL);
    check_emulator("/usr/bin/virtpass-emulator", NULL);
    check_emulator("/virtpass-emulators/usr/bin/qemu", NULL);
    check_emulator("/virtpass-emulators/virtpass-emulator", NULL);
    check_emulator("", NULL);
    /* A tree in a tree: each time the shim runs the path gets shorter. */
    check_emulator("/a/virtpass-emulators/b/virtpass-emulators/c/virtpass-emulator", "/c");
}

/* --- trees in a directory of our own -------------------------------------------- */

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

/* @changed: NULL when nobody has looked at the emulator. */
static char *
provide_for(const char *program, const char *emulator, const struct timespec *changed)
{
    g_autofree char *first = in_directory("first"), *second = in_directory("second");
    const char *directories[] = { first, second, NULL };
    g_autoptr(GError) error = NULL;
    char *path = vp_shim_provide(directories, program, emulator, changed, &error);

    g_assert_no_error(error);
    g_assert_cmpint(access(path, X_OK), ==, 0);
    return path;
}

static char *
provide(const char *program, const char *emulator)
{
    struct timespec changed;

    g_assert_true(vp_shim_change_time(emulator, &changed));
    return provide_for(program, emulator, &changed);
}

static void
test_provide(void)
{
    g_autofree char *program = make_file("shim"), *emulator = make_file("qemu");
    g_autofree char *first = in_directory("first"), *second = in_directory("second");
    g_autofree char *in_first = vp_shim_path(first, emulator);
    g_autofree char *in_second = vp_shim_path(second, emulator);
    g_autofree char *parent = g_path_get_dirname(in_first);
    g_autofree char *made = provide(program, emulator), *again = NULL, *found = NULL;

    g_assert_cmpstr(made, ==, in_second);
    g_assert_cmpint(unlink(made), ==, 0);
    g_assert_cmpint(symlink("/nowhere", made), ==, 0);
    again = provide(program, emulator);
    g_assert_cmpstr(again, ==, in_second);
    g_assert_cmpint(g_mkdir_with_parents(parent, 0700), ==, 0);
    g_assert_cmpint(symlink(program, in_first), ==, 0);
    found = provide(program, emulator);
    g_assert_cmpstr(found, ==, in_first);
}

static void
test_touch(void)
{
    g_autofree char *program = make_file("touched"), *emulator = make_file("changed");
    struct stat before;

    change(program);
    change(program); /* once may be in the same step as the emulator */
    g_assert_cmpint(stat(program, &before), ==, 0);
    g_free(provide(program, emulator));
    g_assert_true(same_change_time(program, &before));
    change(emulator);
    g_free(provide_for(program, emulator, NULL));
    g_assert_true(same_change_time(program, &before));
    while (same_change_time(program, &before))
        g_free(provide(program, emulator));
}

/* A file is where the directory of the tree would have to be. */
static void
test_no_link(void)
{
    g_autofree char *file = make_file("file");
    const char *directories[] = { file, NULL };
    g_autoptr(GError) error = NULL;

    g_assert_null(vp_shim_provide(directories, "/shim", "/qemu", NULL, &error));
    g_assert_true(g_str_has_prefix(error->message, "cannot make "));
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
    g_test_add_func("/shim/provide", test_provide);
    g_test_add_func("/shim/touch", test_touch);
    g_test_add_func("/shim/no link", test_no_link);
    result = g_test_run();
    g_assert_true(g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL));
    return result;
}
