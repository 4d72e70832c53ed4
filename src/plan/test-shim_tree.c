/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The shim's links: made, taken back and swept, and what is in their way. */

#include "plan/shim_tree.h"

#include "base/limits.h"
#include "plan/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EMULATOR "/opt/qemu/bin/qemu-system-x86_64"

/* --- a directory of each test's own ---------------------------------------------- */

typedef struct Stage {
    char *top;      /* has all of it */
    char *own;      /* of the tree; not there at first */
    char *package;
    char *program;
    VpShimTree *tree;
} Stage;

static void
set_up(Stage *stage, gconstpointer data G_GNUC_UNUSED)
{
    stage->top = g_dir_make_tmp("virtpass-XXXXXX", NULL);
    stage->own = g_build_filename(stage->top, "own", NULL);
    stage->package = g_build_filename(stage->top, "package", NULL);
    stage->program = g_build_filename(stage->top, "bin/" VP_SHIM_NAME, NULL);
    stage->tree = vp_shim_tree_new(VP_SHIM_TREE, stage->package, stage->own, stage->program);
}

static void
tear_down(Stage *stage, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *remove = g_strdup_printf("rm -r '%s'", stage->top);

    vp_shim_tree_unref(stage->tree);
    g_assert_true(g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL));
    g_free(stage->top);
    g_free(stage->own);
    g_free(stage->package);
    g_free(stage->program);
}

static char *
in_tree(const Stage *stage, const char *below)
{
    return g_strconcat(stage->own, "/" VP_SHIM_TREE, below, NULL);
}

static char *
link_of(const Stage *stage, const char *emulator)
{
    char *path = vp_shim_path(stage->own, VP_SHIM_TREE, emulator, NULL);

    g_assert_nonnull(path);
    return path;
}

static bool
is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static bool
has_link(const Stage *stage, const char *emulator)
{
    g_autofree char *path = link_of(stage, emulator);
    g_autofree char *target = g_file_read_link(path, NULL);

    return g_strcmp0(target, stage->program) == 0;
}

static VpShimLink *
make(const Stage *stage, const char *emulator)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = vp_shim_path_for(stage->tree, emulator, &error);
    VpShimLink *link = path ? vp_shim_make(stage->tree, path, NULL, &error) : NULL;

    g_assert_no_error(error);
    return link;
}

static void
make_and_accept(const Stage *stage, const char *emulator)
{
    vp_shim_settle(make(stage, emulator), true);
    g_assert_true(has_link(stage, emulator));
}

static void
assert_refused(const Stage *stage, const char *emulator, const char *why)
{
    g_autofree char *path = vp_shim_path_for(stage->tree, emulator, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_null(vp_shim_make(stage->tree, path, NULL, &error));
    if (!strstr(error->message, why))
        g_error("'%s' instead of '%s'", error->message, why);
}

/* --- making and settling ---------------------------------------------------------- */

static void
test_paths(Stage *stage, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *own = link_of(stage, EMULATOR);
    g_autofree char *path = vp_shim_path_for(stage->tree, "//opt/qemu//bin/qemu-system-x86_64",
                                             NULL);
    g_autofree char *emulator = vp_shim_own_emulator(stage->tree, own);
    g_autoptr(GError) error = NULL;

    g_assert_cmpstr(path, ==, own);
    g_assert_cmpstr(emulator, ==, EMULATOR);
    g_assert_null(vp_shim_own_emulator(stage->tree, "/x/virtpass-emulators/q/virtpass-emulator"));
    g_assert_null(vp_shim_path_for(stage->tree, "/../../../run/x/er", &error));
    g_assert_true(g_str_has_prefix(error->message, "<emulator> "));
    g_assert_false(is_there(stage->own));
}

static void
test_accepted(Stage *stage, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *directory = in_tree(stage, "/opt/qemu");
    struct stat st;

    make_and_accept(stage, EMULATOR);
    vp_shim_settle(make(stage, EMULATOR), false); /* one more, which was not made for it */
    g_assert_true(has_link(stage, EMULATOR));
    g_assert_cmpint(stat(directory, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, 0755);
}

static void
test_refused(Stage *stage, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *opt = in_tree(stage, "/opt"), *usr = in_tree(stage, "/usr");

    make_and_accept(stage, "/usr/bin/other");
    vp_shim_settle(make(stage, EMULATOR), false);
    g_assert_false(is_there(opt));
    g_assert_true(is_there(usr));
    vp_shim_settle(make(stage, "/usr/bin/other"), false);
    make_and_accept(stage, EMULATOR);
}

/* Two definitions with one emulator are with libvirtd at a time. */
static void
test_shared(Stage *stage, gconstpointer data G_GNUC_UNUSED)
{
    VpShimLink *first = make(stage, EMULATOR), *second = make(stage, EMULATOR);

    vp_shim_settle(first, false);
    g_assert_true(has_link(stage, EMULATOR));
    vp_shim_settle(second, false);
    g_assert_false(has_link(stage, EMULATOR));
    first = make(stage, EMULATOR);
    second = make(stage, EMULATOR);
    vp_shim_settle(first, true);
    vp_shim_settle(second, false);
    g_assert_true(has_link(stage, EMULATOR));
}

static void
test_outdated(Stage *stage, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *path = link_of(stage, EMULATOR);

    make_and_accept(stage, EMULATOR);
    g_assert_cmpint(unlink(path), ==, 0);
    g_assert_cmpint(symlink("/usr/local/bin/" VP_SHIM_NAME, path), ==, 0);
    vp_shim_settle(make(stage, EMULATOR), false);
    g_assert_true(has_link(stage, EMULATOR));
}

/* A tree that is only read: its links are used, and nothing is made in it. */
static void
test_package(Stage *stage, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *path = vp_shim_path(stage->package, VP_SHIM_TREE, EMULATOR, NULL);
    g_autofree char *parent = g_path_get_dirname(path), *found = NULL, *other = NULL;

    g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
    g_assert_cmpint(symlink("/bin/true", path), ==, 0);
    found = vp_shim_path_for(stage->tree, EMULATOR, NULL);
    g_assert_cmpstr(found, ==, path);
    vp_shim_settle(make(stage, EMULATOR), false);
    g_assert_true(is_there(path));
    g_assert_false(is_there(stage->own));
    make_and_accept(stage, "/opt/qemu/bin/qemu-system-arm");

    g_assert_cmpint(chmod(parent, 0777), ==, 0);
    other = vp_shim_path_for(stage->tree, EMULATOR, NULL);
    g_assert_cmpstr(other, !=, path);
}

static gpointer
define_often(gpointer data)
{
    Stage *stage = data;

    for (int i = 0; i < 200; i++) {
        VpShimLink *link = make(stage, EMULATOR);

        g_assert_true(has_link(stage, EMULATOR));
        vp_shim_settle(link, false);
    }
    return NULL;
}

static void
test_threads(Stage *stage, gconstpointer data G_GNUC_UNUSED)
{
    GThread *threads[4] = { NULL };

    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("definer", define_often, stage);
    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    g_assert_false(has_link(stage, EMULATOR));
}

/* --- what is in the way ------------------------------------------------------------ */

/* A link in the place of each part of the path, to a directory that is not to be touched. */
static void
test_planted_directories(Stage *stage, gconstpointer data G_GNUC_UNUSED)
{
    static const char *const places[] = { "", "/opt", "/opt/qemu", EMULATOR };
    g_autofree char *elsewhere = g_build_filename(stage->top, "elsewhere", NULL);

    g_assert_cmpint(mkdir(elsewhere, 0755), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree char *path = in_tree(stage, places[i]), *parent = g_path_get_dirname(path);
        g_autoptr(GDir) dir = NULL;

        g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
        g_assert_cmpint(symlink(elsewhere, path), ==, 0);
        assert_refused(stage, EMULATOR, path);
        g_assert_true(g_file_test(path, G_FILE_TEST_IS_SYMLINK));
        dir = g_dir_open(elsewhere, 0, NULL);
        g_assert_null(g_dir_read_name(dir));
        g_assert_cmpint(unlink(path), ==, 0);
    }
    make_and_accept(stage, EMULATOR);
}

static void
test_files_for_directories(Stage *stage, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *path = in_tree(stage, "/opt"), *tree = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(tree, 0755), ==, 0);
    g_assert_true(g_file_set_contents(path, "", 0, NULL));
    assert_refused(stage, EMULATOR, "Not a directory");
    g_assert_true(is_there(path));
    make_and_accept(stage, "/usr/bin/qemu");
    g_assert_cmpint(unlink(path), ==, 0);
    make_and_accept(stage, EMULATOR);
}

/* At the name of the link itself. Nothing of it is removed, by nobody. */
static void
test_planted_links(Stage *stage, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *path = link_of(stage, EMULATOR), *parent = g_path_get_dirname(path);
    g_autoptr(GHashTable) none = g_hash_table_new(g_str_hash, g_str_equal);

    g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
    g_assert_cmpint(symlink("/bin/sh", path), ==, 0);
    assert_refused(stage, EMULATOR, "is in the way");
    vp_shim_sweep(stage->tree, none, none);
    g_assert_true(is_there(path));
    g_assert_cmpint(unlink(path), ==, 0);
    g_assert_true(g_file_set_contents(path, "#!/bin/sh\n", -1, NULL));
    assert_refused(stage, EMULATOR, "is in the way");
    g_assert_cmpint(unlink(path), ==, 0);
    g_assert_cmpint(mkdir(path, 0755), ==, 0);
    assert_refused(stage, EMULATOR, "is in the way");
    g_assert_cmpint(rmdir(path), ==, 0);
    make_and_accept(stage, EMULATOR);
}

/* Directories that somebody else has, or can write to. */
static void
test_directories_of_others(Stage *stage, gconstpointer data G_GNUC_UNUSED)
{
    static const char *const places[] = { "", "/opt", EMULATOR };
    static const mode_t modes[] = { 0777, 0775, 01777 };

    make_and_accept(stage, EMULATOR);
    for (gsize i = 0; i < G_N_ELEMENTS(places) * G_N_ELEMENTS(modes); i++) {
        g_autofree char *path = in_tree(stage, places[i % G_N_ELEMENTS(places)]);

        g_assert_cmpint(chmod(path, modes[i / G_N_ELEMENTS(places)]), ==, 0);
        assert_refused(stage, EMULATOR, "others may write to it");
        g_assert_cmpint(chmod(path, 0755), ==, 0);
    }
    g_assert_cmpint(chmod(stage->own, 0777), ==, 0);
    assert_refused(stage, EMULATOR, "others may write to it");
    g_assert_cmpint(chmod(stage->own, 0755), ==, 0);
    vp_shim_settle(make(stage, EMULATOR), true);
    if (geteuid() != 0) {
        g_test_skip("only root can give a directory to another user");
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree char *path = in_tree(stage, places[i]);

        g_assert_cmpint(chown(path, 65534, 65534), ==, 0);
        assert_refused(stage, EMULATOR, "belongs to another user");
        g_assert_cmpint(chown(path, 0, 0), ==, 0);
    }
    vp_shim_settle(make(stage, EMULATOR), true);
}

/* As on a kernel that has no openat2(), and with the same attack. */
static void
test_without_openat2(Stage *stage, gconstpointer data)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = { G_N_ELEMENTS(code), code };

    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
        g_test_trap_assert_passed();
        return;
    }
    g_assert_cmpint(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), ==, 0);
    g_assert_cmpint(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), ==, 0);
    test_planted_directories(stage, data);
}

/* --- how many, and which go --------------------------------------------------------- */

static void
test_limit(Stage *stage, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *path = NULL;

    for (guint i = 0; i < VP_SHIM_LINKS_MAX; i++) {
        g_autofree char *emulator = g_strdup_printf("/opt/%u/qemu", i);

        vp_shim_settle(make(stage, emulator), true);
    }
    assert_refused(stage, EMULATOR, "one more than the 256 for which ");
    g_assert_false(has_link(stage, EMULATOR));
    path = in_tree(stage, "/opt/qemu");
    g_assert_false(is_there(path));
    make_and_accept(stage, "/opt/0/qemu");
    g_clear_pointer(&path, g_free);
    path = link_of(stage, "/opt/1/qemu");
    g_assert_cmpint(unlink(path), ==, 0);
    make_and_accept(stage, EMULATOR);
    assert_refused(stage, "/opt/1/qemu", "one more than");
}

static char *
deep_emulator(guint i)
{
    GString *emulator = g_string_new(NULL);

    for (guint part = 0; part < VP_EMULATOR_PARTS_MAX; part++)
        g_string_append_printf(emulator, "/%u", i);
    return g_string_free(emulator, FALSE);
}

/* Links with many directories are fewer, for all are gone through for the next one. */
static void
test_limit_of_directories(Stage *stage, gconstpointer data G_GNUC_UNUSED)
{
    const guint most = VP_SHIM_DIRECTORIES_MAX / VP_EMULATOR_PARTS_MAX;
    g_autofree char *first = deep_emulator(0);

    for (guint i = 0; i < most; i++) {
        g_autofree char *emulator = deep_emulator(i);

        make_and_accept(stage, emulator);
    }
    assert_refused(stage, EMULATOR, "one more than the 32 for which ");
    make_and_accept(stage, first);
}

static GHashTable *
set_of(const char *emulator)
{
    GHashTable *set = g_hash_table_new(g_str_hash, g_str_equal);

    if (emulator)
        g_hash_table_add(set, (gpointer)emulator);
    return set;
}

/* As a virtpassd leaves it that is killed before libvirtd has answered. */
static void
make_and_die(Stage *stage, const char *emulator)
{
    g_autofree char *path = link_of(stage, emulator);
    const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 0, 0 } };

    make_and_accept(stage, emulator);
    g_assert_cmpint(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), ==, 0);
}

static void
test_sweep(Stage *stage, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GHashTable) used = set_of("/opt/used"), gone = set_of("/opt/gone"), all = NULL;

    make_and_accept(stage, "/opt/kept");
    make_and_accept(stage, "/opt/gone");
    make_and_die(stage, "/opt/used");
    make_and_die(stage, "/opt/for/nothing");
    g_assert_cmpuint(vp_shim_sweep(stage->tree, used, NULL), ==, 1);
    all = vp_shim_list(stage->tree, NULL);
    g_assert_cmpuint(g_hash_table_size(all), ==, 3);
    g_assert_false(g_hash_table_contains(all, "/opt/for/nothing"));
    g_hash_table_remove_all(used); /* it is settled by now */
    g_assert_cmpuint(vp_shim_sweep(stage->tree, used, NULL), ==, 0);
    g_hash_table_add(used, (gpointer)"/opt/gone");
    g_assert_cmpuint(vp_shim_sweep(stage->tree, used, gone), ==, 0);
    g_hash_table_remove_all(used);
    g_assert_cmpuint(vp_shim_sweep(stage->tree, used, gone), ==, 1);
    g_assert_true(has_link(stage, "/opt/used"));
    g_assert_true(has_link(stage, "/opt/kept"));
}

/* Not while something is on its way, in this process or in another. */
static void
test_sweep_waits(Stage *stage, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(VpShimTree) other = vp_shim_tree_new(VP_SHIM_TREE, NULL, stage->own, stage->program);
    g_autoptr(GHashTable) none = set_of(NULL);
    VpShimLink *link = make(stage, EMULATOR);

    make_and_die(stage, "/opt/nothing");
    g_assert_cmpuint(vp_shim_sweep(stage->tree, none, NULL), ==, 0);
    g_assert_cmpuint(vp_shim_sweep(other, none, NULL), ==, 0);
    vp_shim_settle(link, true);
    g_assert_cmpuint(vp_shim_sweep(other, none, NULL), ==, 1);
    g_assert_true(has_link(stage, EMULATOR));
}

static void
test_nothing_to_sweep(Stage *stage, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GHashTable) none = set_of(NULL), all = vp_shim_list(stage->tree, NULL);
    g_autofree char *tree = in_tree(stage, "");
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(g_hash_table_size(all), ==, 0);
    g_assert_cmpuint(vp_shim_sweep(stage->tree, none, none), ==, 0);
    g_assert_false(is_there(stage->own));
    make_and_accept(stage, EMULATOR);
    g_assert_cmpint(chmod(tree, 0777), ==, 0);
    g_assert_null(vp_shim_list(stage->tree, &error));
    g_assert_nonnull(error);
}

#define ADD(name, func) g_test_add("/shim_tree/" name, Stage, NULL, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("paths", test_paths);
    ADD("accepted", test_accepted);
    ADD("refused", test_refused);
    ADD("shared", test_shared);
    ADD("outdated", test_outdated);
    ADD("package", test_package);
    ADD("threads", test_threads);
    ADD("planted directories", test_planted_directories);
    ADD("files for directories", test_files_for_directories);
    ADD("planted links", test_planted_links);
    ADD("directories of others", test_directories_of_others);
    ADD("without openat2", test_without_openat2);
    ADD("limit", test_limit);
    ADD("limit of directories", test_limit_of_directories);
    ADD("sweep", test_sweep);
    ADD("sweep waits", test_sweep_waits);
    ADD("nothing to sweep", test_nothing_to_sweep);
    return g_test_run();
}
