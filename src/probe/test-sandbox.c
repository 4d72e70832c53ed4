/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Programs that want more than to be asked: nothing is gained, nothing of them is left, and the
 * next one is asked as if they had never been. */

#include "probe/inquiry.h"

#include "base/limits.h"
#include "probe/facts.h"
#include "probe/test-stage.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const attacks[] = {
    "attack-reads",   "attack-writes", "attack-processes", "attack-network", "attack-kernel",
    "attack-rights",  "attack-memory", "attack-bomb",      "attack-stays",   "attack-complains",
};

/* The test runs itself where there are no namespaces, and this says so. */
#define INSIDE "VIRTPASS_TEST_WITHOUT_NAMESPACES"

static void
on_inquired(GVariant *facts, const char *program G_GNUC_UNUSED, const GError *error, gpointer data)
{
    char **outcome = data;
    g_autoptr(VpQemuFacts) known = facts ? vp_qemu_facts_new(facts) : NULL;

    *outcome = g_strdup(known ? vp_qemu_facts_version(known) : error->message);
}

/* The version that the emulator tells, or why it tells none. */
static char *
inquire(VpTestStage *stage, const VpSandbox *sandbox, const char *path)
{
    char *outcome = NULL;
    g_autoptr(VpInquiry) inquiry = vp_inquiry_new(stage->loop, sandbox, path, &vp_inquiry_times,
                                                  on_inquired, &outcome);

    vp_test_until(outcome);
    return outcome;
}

/* A process that was called by a name with @part in it. */
static bool
is_running(const char *part)
{
    g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
    const char *name = NULL;

    while ((name = g_dir_read_name(proc))) {
        g_autofree char *path = g_build_filename("/proc", name, "cmdline", NULL);
        g_autofree char *words = NULL;

        if (g_ascii_isdigit(*name) && g_file_get_contents(path, &words, NULL, NULL) &&
            strstr(words, part))
            return true;
    }
    return false;
}

static void
check_good(VpTestStage *stage, const VpSandbox *sandbox)
{
    g_autofree char *path = g_build_filename(stage->directory, "good", NULL);
    g_autofree char *version = NULL;

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        g_free(vp_test_fake(stage, "good"));
    version = inquire(stage, sandbox, path);
    g_assert_cmpstr(version, ==, "7.2.1 (P)");
}

/* False, and the test is skipped: this host has no full sandbox. */
static bool
stage_start(VpTestStage *stage)
{
    vp_test_stage_start(stage);
    if (!vp_sandbox_shortfall(stage->sandbox))
        return true;
    g_test_skip(vp_sandbox_shortfall(stage->sandbox));
    vp_test_stage_stop(stage);
    return false;
}

static void
test_attack(gconstpointer name)
{
    VpTestStage stage;
    g_autofree char *path = NULL;
    g_autofree char *version = NULL;

    if (!stage_start(&stage))
        return;
    path = vp_test_fake(&stage, name);
    version = inquire(&stage, stage.sandbox, path);
    g_assert_cmpstr(version, ==, "7.2.1 (gained:)");
    vp_test_until(!is_running(stage.directory));
    check_good(&stage, stage.sandbox);
    vp_test_stage_stop(&stage);
}

/* A message without an end. */
static void
test_endless(void)
{
    VpTestStage stage;
    g_autofree char *path = NULL;
    g_autofree char *reason = NULL;

    vp_test_stage_start(&stage);
    path = vp_test_fake(&stage, "endless");
    reason = inquire(&stage, stage.sandbox, path);
    g_assert_nonnull(strstr(reason, "than QEMU would"));
    check_good(&stage, stage.sandbox);
    vp_test_stage_stop(&stage);
}

/* A copy of the fake QEMU, as somebody's file. */
static char *
copy_fake(const VpTestStage *stage, const char *name, uid_t uid, mode_t mode)
{
    g_autofree char *path = g_build_filename(stage->directory, name, NULL);
    g_autofree char *bytes = NULL;
    gsize size = 0;

    g_assert_true(g_file_get_contents(g_getenv("VIRTPASS_TEST_FAKE"), &bytes, &size, NULL));
    g_assert_true(g_file_set_contents(path, bytes, size, NULL));
    g_assert_cmpint(chown(path, uid, (gid_t)-1), ==, 0);
    g_assert_cmpint(chmod(path, mode), ==, 0);
    return g_steal_pointer(&path);
}

static void
test_setuid(void)
{
    VpTestStage stage;
    g_autofree char *path = NULL;
    g_autofree char *version = NULL;

    if (!stage_start(&stage))
        return;
    path = copy_fake(&stage, "attack-rights", geteuid(), 06755);
    g_assert_cmpint(g_chmod(stage.directory, 0755), ==, 0);
    version = inquire(&stage, stage.sandbox, path);
    g_assert_cmpstr(version, ==, "7.2.1 (gained:)");
    vp_test_stage_stop(&stage);
}

/* A script sees its directory, by the name that it was called by. */
static void
test_script(void)
{
    static const char text[] = "#!/bin/sh\nexec \"$(dirname \"$0\")/good\" \"$@\"\n";
    VpTestStage stage;
    g_autofree char *path = NULL;
    g_autofree char *fake = NULL;
    g_autofree char *version = NULL;

    if (!stage_start(&stage))
        return;
    path = g_build_filename(stage.directory, "script", NULL);
    fake = copy_fake(&stage, "good", geteuid(), 0755);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_cmpint(g_chmod(path, 0755), ==, 0);
    g_assert_cmpint(g_chmod(stage.directory, 0755), ==, 0);
    version = inquire(&stage, stage.sandbox, path);
    g_assert_cmpstr(version, ==, "7.2.1 (P)");
    vp_test_stage_stop(&stage);
}

/* Only what is root's alone, under whatever name, and a link does not change whose it is. */
static void
check_trusted_only(const char *user)
{
    static const struct {
        const char *name;
        uid_t uid;
        mode_t mode;
        bool asked;
    } cases[] = {
        { "good-1", 0, 0755, true },
        { "good-2", 1000, 0755, false },
        { "good-3", 0, 0757, false },
        { "good-4", 0, 0775, false },
    };
    VpTestStage stage;
    g_autoptr(VpSandbox) sandbox = vp_sandbox_new(user, NULL);

    vp_test_stage_start(&stage);
    g_assert_nonnull(vp_sandbox_shortfall(sandbox));
    g_assert_true(vp_sandbox_wants_trusted(sandbox));
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = copy_fake(&stage, cases[i].name, cases[i].uid, cases[i].mode);
        g_autofree char *version = inquire(&stage, sandbox, path);

        if (cases[i].asked)
            g_assert_cmpstr(version, ==, "7.2.1 (P)");
        else
            g_assert_nonnull(strstr(version, "it is not root's alone"));
    }
    check_good(&stage, sandbox);
    vp_test_stage_stop(&stage);
}

static void
test_without_user(void)
{
    if (geteuid() == 0)
        check_trusted_only("virtpass-no-such-user");
    else
        g_test_skip("needs root");
}

/* This test program's tests @name once more, in a chroot: no user namespace is to be had there.
 * @with: what runs them. */
static void
run_in_chroot(const char *with, const char *name)
{
    g_autofree char *script = g_strdup_printf("mount --rbind / \"$2\" && exec chroot \"$2\" "
                                              "%s \"$0\" -p \"$1\"", with);
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *root = g_dir_make_tmp("virtpass-probe-XXXXXX", NULL);
    const char *argv[] = { "unshare", "--mount", "sh", "-c", script, self, name, root, NULL };
    g_autoptr(GError) error = NULL;
    g_autofree char *said = NULL;
    int status = 0;

    g_setenv(INSIDE, "1", TRUE);
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &said, NULL, &status,
                 &error);
    g_unsetenv(INSIDE);
    g_rmdir(root);
    g_assert_no_error(error);
    if (!said || !strstr(said, "probe/sandbox")) {
        g_test_skip("no mount namespace can be made for the test");
        return;
    }
    g_test_message("%s", said);
    g_assert_cmpint(status, ==, 0);
}

/* True: it is to go on here; else it has been run inside, or skipped. */
static bool
is_inside(const char *with, const char *name)
{
    if (g_getenv(INSIDE))
        return true;
    if (geteuid() == 0)
        run_in_chroot(with, name);
    else
        g_test_skip("needs root");
    return false;
}

/* As root is in many containers. */
static void
test_without_namespaces(void)
{
    if (is_inside("setpriv --bounding-set=-sys_admin", "/probe/sandbox/without-namespaces"))
        check_trusted_only("nobody");
}

/* There root makes the other namespaces, and all is as elsewhere. */
static void
test_in_chroot(void)
{
    if (!is_inside("", "/probe/sandbox/in-chroot"))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(attacks); i++)
        test_attack(attacks[i]);
    test_script();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(attacks); i++) {
        g_autofree char *path = g_strdup_printf("/probe/sandbox/%s", attacks[i]);

        g_test_add_data_func(path, attacks[i], test_attack);
    }
    g_test_add_func("/probe/sandbox/endless", test_endless);
    g_test_add_func("/probe/sandbox/setuid", test_setuid);
    g_test_add_func("/probe/sandbox/script", test_script);
    g_test_add_func("/probe/sandbox/without-user", test_without_user);
    g_test_add_func("/probe/sandbox/without-namespaces", test_without_namespaces);
    g_test_add_func("/probe/sandbox/in-chroot", test_in_chroot);
    return g_test_run();
}
