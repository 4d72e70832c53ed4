/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looks that never end, and those of others behind them. */

#include "probe/look.h"

#include "base/limits.h"
#include "probe/test-stage.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/mount.h>
#include <unistd.h>

typedef struct Asker {
    VpLook *look;
    guint answers;
    bool there;
} Asker;

static void
on_looked(VpLookResult *result, gpointer data)
{
    Asker *asker = data;

    asker->look = NULL;
    asker->answers++;
    asker->there = result->there;
}

static void
ask(Asker *asker, const char *owner, const char *path)
{
    asker->look = vp_look_for_change(owner, path, on_looked, asker);
}

/* Many of one owner are all answered. */
static void
test_many(void)
{
    Asker askers[4 * VP_LOOK_RUNNING_MAX] = { 0 };

    for (guint i = 0; i < G_N_ELEMENTS(askers); i++)
        ask(&askers[i], "uid 1", i % 2 ? "/nonexistent" : "/bin/sh");
    for (guint i = 0; i < G_N_ELEMENTS(askers); i++) {
        vp_test_until(askers[i].answers);
        g_assert_cmpuint(askers[i].answers, ==, 1);
        g_assert_true(askers[i].there == (i % 2 == 0));
    }
}

/* Those that have not begun leave at once, those that have are not told. */
static void
test_cancelled(void)
{
    Asker askers[10] = { 0 };
    Asker next = { 0 };

    for (guint i = 0; i < G_N_ELEMENTS(askers); i++)
        ask(&askers[i], "uid 1", "/bin/sh");
    for (guint i = G_N_ELEMENTS(askers); i > 0; i--)
        vp_look_cancel(askers[i - 1].look);
    ask(&next, "uid 1", "/bin/sh");
    vp_test_until(next.answers);
    for (guint i = 0; i < G_N_ELEMENTS(askers); i++)
        g_assert_cmpuint(askers[i].answers, ==, 0);
}

/* A file system whose server answers nothing. Its descriptor, -1: it cannot be had. */
static int
mount_silent(const char *directory)
{
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    g_autofree char *options = g_strdup_printf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd);

    if (fd < 0 || mount("silent", directory, "fuse", 0, options) < 0)
        return -1;
    return fd;
}

/* An owner's looks that do not end leave no thread to himself, and all to others. */
static void
check_silent(const char *path)
{
    Asker silent[3 * VP_LOOK_OWNER_RUNNING_MAX] = { 0 };
    Asker same = { 0 };
    Asker other = { 0 };

    for (guint i = 0; i < G_N_ELEMENTS(silent); i++)
        ask(&silent[i], "uid 1", path);
    ask(&same, "uid 1", "/bin/sh");
    for (guint i = 0; i < 10; i++) {
        ask(&other, "uid 2", "/bin/sh");
        vp_test_until(other.answers == i + 1);
    }
    g_assert_cmpuint(same.answers, ==, 0);
    for (guint i = VP_LOOK_OWNER_RUNNING_MAX; i < G_N_ELEMENTS(silent); i++)
        vp_look_cancel(silent[i].look);
    vp_look_cancel(same.look);
    for (guint i = 0; i < VP_LOOK_OWNER_RUNNING_MAX; i++)
        g_assert_cmpuint(silent[i].answers, ==, 0);
    for (guint i = 0; i < VP_LOOK_OWNER_RUNNING_MAX; i++)
        vp_look_cancel(silent[i].look);
}

static void
test_silent(void)
{
    g_autofree char *directory = g_dir_make_tmp("virtpass-look-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(directory, "qemu", NULL);
    int fd = mount_silent(directory);
    Asker again = { 0 };

    if (fd < 0) {
        g_rmdir(directory);
        g_test_skip("no file system can be mounted that does not answer");
        return;
    }
    check_silent(path);
    close(fd); /* ends all that wait */
    umount2(directory, MNT_DETACH);
    g_rmdir(directory);
    ask(&again, "uid 1", "/bin/sh");
    vp_test_until(again.answers);
    g_assert_true(again.there);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/probe/look/many", test_many);
    g_test_add_func("/probe/look/cancelled", test_cancelled);
    g_test_add_func("/probe/look/silent", test_silent);
    return g_test_run();
}
