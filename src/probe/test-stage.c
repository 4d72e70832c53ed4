/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A directory with names for the fake QEMU, and our processes counted. */

#include "probe/test-stage.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void
vp_test_stage_start(VpTestStage *stage)
{
    stage->loop = vp_loop_new(NULL, NULL);
    stage->directory = g_dir_make_tmp("virtpass-probe-XXXXXX", NULL);
    stage->sandbox = vp_sandbox_new("nobody", NULL);
    g_assert_nonnull(stage->loop);
    g_assert_nonnull(stage->sandbox);
    g_assert_nonnull(stage->directory);
}

static bool
has_children(void)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

static void
remove_all(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name = NULL;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *below = g_build_filename(path, name, NULL);

        if (g_unlink(below) < 0)
            remove_all(below);
    }
    g_assert_cmpint(g_rmdir(path), ==, 0);
}

void
vp_test_stage_stop(VpTestStage *stage)
{
    vp_test_until(!has_children());
    vp_loop_free(stage->loop);
    vp_sandbox_free(stage->sandbox);
    remove_all(stage->directory);
    g_free(stage->directory);
}

char *
vp_test_fake(const VpTestStage *stage, const char *behaviour)
{
    g_autofree char *path = g_build_filename(stage->directory, behaviour, NULL);

    g_assert_cmpint(symlink(g_getenv("VIRTPASS_TEST_FAKE"), path), ==, 0);
    return g_steal_pointer(&path);
}

guint
vp_test_children(void)
{
    g_autofree char *path = g_strdup_printf("/proc/self/task/%d/children", (int)getpid());
    g_autofree char *text = NULL;
    guint n = 0;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    for (const char *at = text; (at = strchr(at, ' ')); at++)
        n++;
    return n;
}
