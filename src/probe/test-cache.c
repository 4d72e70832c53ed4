/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files of facts: when they are used, and every reason not to. */

#include "probe/cache.h"

#include "base/limits.h"
#include "probe/facts_build.h"
#include "probe/test-stage.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FACTS                                                                                      \
    "('7.2', [('a', 'b', '', '')], [[0]], [('d', '', '', '', '', true, '', 0)], [], "              \
    "([('object', 5)], [(5, '', [('a', 0)], [])]))"

/* An installation: PREFIX/bin/emulator, with directories for modules. */
typedef struct Scene {
    VpTestStage stage;
    char *bin, *modules, *multiarch, *emulator, *cache;
    GVariant *facts;
} Scene;

static void
write_file(const char *path, const char *text)
{
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

static void
scene_start(Scene *scene)
{
    vp_test_stage_start(&scene->stage);
    scene->bin = g_build_filename(scene->stage.directory, "bin", NULL);
    scene->modules = g_build_filename(scene->stage.directory, "lib64/qemu", NULL);
    scene->multiarch = g_build_filename(scene->stage.directory, "lib/some-linux-gnu/qemu", NULL);
    scene->cache = g_build_filename(scene->stage.directory, "cache", "below", NULL);
    scene->emulator = g_build_filename(scene->bin, "emulator", NULL);
    g_mkdir_with_parents(scene->bin, 0700);
    g_mkdir_with_parents(scene->modules, 0700);
    g_mkdir_with_parents(scene->multiarch, 0700);
    write_file(scene->emulator, "one");
    scene->facts = g_variant_parse(G_VARIANT_TYPE(VP_FACTS_TYPE), FACTS, NULL, NULL, NULL);
    g_assert_nonnull(scene->facts);
}

static void
scene_stop(Scene *scene)
{
    vp_test_stage_stop(&scene->stage);
    g_variant_unref(scene->facts);
    g_free(scene->bin);
    g_free(scene->modules);
    g_free(scene->multiarch);
    g_free(scene->cache);
    g_free(scene->emulator);
}

static void
store(Scene *scene)
{
    g_autofree char *stamp = vp_probe_stamp(scene->emulator);

    vp_probe_cache_store(scene->cache, scene->emulator, stamp, NULL, scene->facts);
}

static bool
has(const Scene *scene)
{
    g_autofree char *stamp = vp_probe_stamp(scene->emulator);
    g_autoptr(GVariant) found = vp_probe_cache_load(scene->cache, scene->emulator, stamp);

    return found && g_variant_equal(found, scene->facts);
}

/* The one file. */
static char *
cache_file(const Scene *scene)
{
    g_autoptr(GDir) dir = g_dir_open(scene->cache, 0, NULL);
    const char *name = g_dir_read_name(dir);

    g_assert_nonnull(name);
    g_assert_null(g_dir_read_name(dir));
    return g_build_filename(scene->cache, name, NULL);
}

static void
test_stored(void)
{
    Scene scene;

    scene_start(&scene);
    g_assert_false(has(&scene));
    store(&scene);
    g_assert_true(has(&scene));
    store(&scene); /* over the one that is there */
    g_assert_true(has(&scene));
    g_free(cache_file(&scene));
    scene_stop(&scene);
}

/* Changes @path in a way that its stamp must show. */
static void
touch(const char *path)
{
    g_autofree char *below = g_build_filename(path, "new", NULL);

    g_usleep(20 * 1000); /* the kernel's clock for files ticks every 4 to 10 ms */
    if (g_file_test(path, G_FILE_TEST_IS_DIR))
        write_file(below, "");
    else
        write_file(path, "two"); /* of the same size */
}

static void
test_changed(void)
{
    Scene scene;

    scene_start(&scene);
    {
        const char *const changed[] = { scene.emulator, scene.modules, scene.multiarch };

        for (gsize i = 0; i < G_N_ELEMENTS(changed); i++) {
            store(&scene);
            g_assert_true(has(&scene));
            touch(changed[i]);
            g_assert_false(has(&scene));
        }
    }
    g_assert_cmpint(g_unlink(scene.emulator), ==, 0);
    g_assert_null(vp_probe_stamp(scene.emulator));
    scene_stop(&scene);
}

/* What another emulator can do is not taken, not even from a file of this one's name. */
static void
test_other_emulator(void)
{
    Scene scene;
    g_autofree char *path = NULL, *other = NULL, *stamp = NULL;

    scene_start(&scene);
    store(&scene);
    path = cache_file(&scene);
    stamp = vp_probe_stamp(scene.emulator);
    other = g_build_filename(scene.bin, "other", NULL);
    g_assert_cmpint(symlink("emulator", other), ==, 0);
    vp_probe_cache_store(scene.cache, other, stamp, NULL, scene.facts);
    g_assert_true(has(&scene));
    {
        g_autoptr(GDir) dir = g_dir_open(scene.cache, 0, NULL);
        const char *name = NULL;

        while ((name = g_dir_read_name(dir))) {
            g_autofree char *one = g_build_filename(scene.cache, name, NULL);

            if (strcmp(one, path) != 0)
                g_assert_cmpint(g_rename(one, path), ==, 0);
        }
    }
    g_assert_false(has(&scene));
    store(&scene);
    g_assert_true(has(&scene));
    scene_stop(&scene);
}

/* The script may be as it was while what it runs is not. */
static void
test_program_changed(void)
{
    Scene scene;
    g_autofree char *program = NULL, *stamp = NULL;

    scene_start(&scene);
    program = g_build_filename(scene.bin, "program", NULL);
    write_file(program, "one");
    stamp = vp_probe_stamp(scene.emulator);
    vp_probe_cache_store(scene.cache, scene.emulator, stamp, program, scene.facts);
    g_assert_true(has(&scene));
    touch(program);
    g_assert_false(has(&scene));
    vp_probe_cache_store(scene.cache, scene.emulator, stamp, program, scene.facts);
    g_assert_true(has(&scene));
    g_unlink(program);
    g_assert_false(has(&scene));
    scene_stop(&scene);
}

/* Every byte of a file counts, and so does every byte that is not there. */
static void
test_damaged(void)
{
    Scene scene;
    g_autofree char *path = NULL, *good = NULL;
    gsize size = 0;

    scene_start(&scene);
    store(&scene);
    path = cache_file(&scene);
    g_assert_true(g_file_get_contents(path, &good, &size, NULL));
    for (gsize i = 0; i < size; i++) {
        g_autofree char *bad = g_memdup2(good, size);

        bad[i] ^= 1;
        g_assert_true(g_file_set_contents(path, bad, size, NULL));
        g_assert_false(has(&scene));
        g_assert_true(g_file_set_contents(path, good, i, NULL));
        g_assert_false(has(&scene));
    }
    g_assert_true(g_file_set_contents(path, good, size, NULL));
    g_assert_true(has(&scene));
    scene_stop(&scene);
}

static void
test_not_ours(void)
{
    static const mode_t modes[] = { 0664, 0646, 0666 };
    Scene scene;
    g_autofree char *path = NULL, *target = NULL;

    scene_start(&scene);
    store(&scene);
    path = cache_file(&scene);
    target = g_strconcat(path, ".moved", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
        g_chmod(path, modes[i]);
        g_assert_false(has(&scene));
        store(&scene);
        g_assert_true(has(&scene));
    }
    if (geteuid() == 0) {
        g_assert_cmpint(chown(path, 65534, 0), ==, 0);
        g_assert_false(has(&scene));
        store(&scene);
        g_assert_true(has(&scene));
    }
    g_rename(path, target);
    g_assert_cmpint(symlink(target, path), ==, 0);
    g_assert_false(has(&scene));
    store(&scene);
    g_assert_true(has(&scene));
    g_unlink(path);
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    g_assert_false(has(&scene));
    store(&scene);
    g_assert_true(has(&scene));
    scene_stop(&scene);
}

/* A name below /proc is somebody else's tomorrow. */
static void
test_not_lasting(void)
{
    Scene scene;
    g_autofree char *stamp = NULL;
    g_autoptr(GVariant) found = NULL;

    scene_start(&scene);
    stamp = vp_probe_stamp("/proc/self/exe");
    g_assert_nonnull(stamp);
    vp_probe_cache_store(scene.cache, "/proc/self/exe", stamp, NULL, scene.facts);
    g_assert_false(g_file_test(scene.cache, G_FILE_TEST_EXISTS));
    found = vp_probe_cache_load(scene.cache, "/proc/self/exe", stamp);
    g_assert_null(found);
    scene_stop(&scene);
}

static guint
count_files(const Scene *scene)
{
    g_autoptr(GDir) dir = g_dir_open(scene->cache, 0, NULL);
    guint n = 0;

    while (g_dir_read_name(dir))
        n++;
    return n;
}

static void
test_files_limit(void)
{
    Scene scene;
    g_autofree char *stamp = NULL;

    scene_start(&scene);
    stamp = vp_probe_stamp(scene.emulator);
    for (guint i = 1; i <= VP_PROBE_FILES_MAX + 2; i++) {
        g_autofree char *emulator = g_strdup_printf("/emulator-%u", i);

        vp_probe_cache_store(scene.cache, emulator, stamp, NULL, scene.facts);
        g_assert_cmpuint(count_files(&scene), ==, MIN(i, VP_PROBE_FILES_MAX));
    }
    scene_stop(&scene);
}

/* Where nothing can be written nothing is kept, and that is all. */
static void
test_unwritable(void)
{
    Scene scene;
    g_autofree char *stamp = NULL;

    scene_start(&scene);
    stamp = vp_probe_stamp(scene.emulator);
    g_free(scene.cache);
    scene.cache = g_build_filename(scene.emulator, "cache", NULL);
    vp_probe_cache_store(scene.cache, scene.emulator, stamp, NULL, scene.facts);
    g_assert_false(has(&scene));
    scene_stop(&scene);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/probe/cache/stored", test_stored);
    g_test_add_func("/probe/cache/changed", test_changed);
    g_test_add_func("/probe/cache/other-emulator", test_other_emulator);
    g_test_add_func("/probe/cache/program-changed", test_program_changed);
    g_test_add_func("/probe/cache/damaged", test_damaged);
    g_test_add_func("/probe/cache/not-ours", test_not_ours);
    g_test_add_func("/probe/cache/not-lasting", test_not_lasting);
    g_test_add_func("/probe/cache/files-limit", test_files_limit);
    g_test_add_func("/probe/cache/unwritable", test_unwritable);
    return g_test_run();
}
