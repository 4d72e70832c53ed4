/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What libvirt starts in the place of QEMU for a domain whose command line is altered.
 *
 * It changes words and becomes QEMU by exec: process id, descriptors, working directory, cgroup,
 * capabilities and the rest of the environment are QEMU's as libvirt made them, for the pid file,
 * the monitor's socket, locks and limits all depend on them. It must therefore neither fork nor
 * close anything, and what it opens is closed by exec.
 *
 * libvirt also starts it to find out what the emulator can do. Then there is no guest and no plan,
 * and the emulator that the shim's path names (plan/shim.c) is executed with the words as they are.
 * A guest without a plan, on the other hand, is not started: its author asked for alterations, and
 * the plan must have got lost.
 *
 * One of the tree for sessions alters nothing: it adds the words of a dedicated session, whose
 * socket is in the guest's own directory, and needs no plan for that. A plan may want them too.
 *
 * The guest's run-time directory is known from where libvirt keeps the guest's master key, and in
 * session mode also from where it sends caches. It is needed for the configuration file; without it
 * there is only no record.
 */

#include "emulator/shim.h"

#include "argv/alter.h"
#include "argv/run_dir.h"
#include "argv/session.h"
#include "base/error.h"
#include "emulator/record.h"
#include "plan/shim.h"

#include <stdio.h>
#include <string.h>

void
vp_launch_clear(VpLaunch *launch)
{
    g_clear_pointer(&launch->program, g_free);
    g_clear_pointer(&launch->words, g_strfreev);
}

/* --- without a guest ---------------------------------------------------------- */

static bool
names_guest(char *const *argv)
{
    for (char *const *word = argv + 1; word[0] && word[1]; word++) {
        if (strcmp(word[0], "-name") == 0 && g_str_has_prefix(word[1], "guest="))
            return true;
    }
    return false;
}

static bool
become_emulator(char *const *argv, VpLaunch *ret_launch, GError **error)
{
    ret_launch->program = vp_shim_emulator(argv[0]);
    if (!ret_launch->program) {
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED,
                    "this program is started by libvirt, as .../" VP_SHIM_TREE "/PATH-OF-THE-"
                    "EMULATOR/" VP_SHIM_NAME ", but here as '%s'", argv[0]);
        return false;
    }
    ret_launch->words = g_strdupv((char **)argv);
    g_free(ret_launch->words[0]);
    ret_launch->words[0] = g_strdup(ret_launch->program);
    return true;
}

/* --- with one ----------------------------------------------------------------- */

static char *
find_run_dir(const VpCmdline *cmdline, const char *cache_dir)
{
    char *dir = vp_cmdline_run_dir(cmdline);

    if (!dir && cache_dir && g_str_has_suffix(cache_dir, "/.cache"))
        dir = g_path_get_dirname(cache_dir);
    return dir;
}

/* The record is for people who look later; a guest does not fail for want of it. */
static void
leave_record(const char *run_dir, char *const *argv, char *const *words,
             const VpApplied *applied)
{
    g_autofree char *path = NULL, *text = NULL;
    g_autoptr(GError) error = NULL;

    if (!run_dir)
        return;
    path = g_build_filename(run_dir, VP_SHIM_RECORD, NULL);
    text = vp_record_text(argv, words, applied->warnings);
    if (!vp_record_write_file(path, text, &error))
        fprintf(stderr, "virtpass-emulator: %s\n", error->message);
}

static bool
write_config(const char *run_dir, const char *path, const char *text, GError **error)
{
    if (!text)
        return true;
    if (!run_dir) {
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED,
                    "there is no directory for QEMU's configuration file: libvirt named neither "
                    "the guest's master key nor a directory for caches");
        return false;
    }
    return vp_record_write_file(path, text, error);
}

/* Without a directory the guest starts all the same, and is served by libvirt's monitor. */
static char **
add_session(char *const *words, const char *emulator, const char *run_dir)
{
    if (!run_dir)
        fprintf(stderr, "virtpass-emulator: there is no directory for a dedicated session's "
                "socket: libvirt named neither the guest's master key nor one for caches\n");
    return vp_argv_add_session(words, emulator, run_dir);
}

static bool
apply(char *const *argv, const VpPlan *plan, const char *cache_dir, VpLaunch *ret_launch,
      GError **error)
{
    g_autoptr(VpCmdline) cmdline = vp_cmdline_parse((const char *const *)argv, error);
    g_autofree char *run_dir = cmdline ? find_run_dir(cmdline, cache_dir) : NULL;
    g_autofree char *config_path = g_build_filename(run_dir ? run_dir : "/", VP_SHIM_CONFIG, NULL);
    g_auto(VpApplied) applied = { 0 };
    g_auto(GStrv) altered = NULL;

    if (!cmdline || !vp_plan_apply(plan, cmdline, config_path, &applied, error)
        || !write_config(run_dir, config_path, applied.config, error))
        return false;
    altered = vp_cmdline_words(cmdline);
    ret_launch->program = g_strdup(plan->emulator);
    ret_launch->words = plan->session ? add_session(altered, plan->emulator, run_dir)
                                      : g_steal_pointer(&altered);
    leave_record(run_dir, argv, ret_launch->words, &applied);
    return true;
}

/* --- with a session only ------------------------------------------------------- */

static bool
become_emulator_with_session(char *const *argv, const char *cache_dir, VpLaunch *ret_launch,
                             GError **error)
{
    g_autoptr(VpCmdline) cmdline = vp_cmdline_parse((const char *const *)argv, error);
    g_autofree char *run_dir = cmdline ? find_run_dir(cmdline, cache_dir) : NULL;
    g_autoptr(GPtrArray) warnings = g_ptr_array_new();
    VpApplied applied = { .warnings = warnings };

    if (!cmdline)
        return false;
    ret_launch->program = vp_shim_emulator(argv[0]);
    ret_launch->words = add_session(argv, ret_launch->program, run_dir);
    leave_record(run_dir, argv, ret_launch->words, &applied);
    return true;
}

bool
vp_shim_prepare(char *const *argv, const char *plan_text, const char *cache_dir,
                VpLaunch *ret_launch, GError **error)
{
    g_autoptr(VpPlan) plan = NULL;

    if (!plan_text && !names_guest(argv))
        return become_emulator(argv, ret_launch, error);
    if (!plan_text && vp_shim_adds_session(argv[0]))
        return become_emulator_with_session(argv, cache_dir, ret_launch, error);
    if (!plan_text) {
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED,
                    "the guest's definition names the shim as its emulator, but has no "
                    "<qemu:env name='" VP_PLAN_VARIABLE "'> that says what to alter; define it "
                    "again through virtpassd");
        return false;
    }
    plan = vp_plan_from_json(plan_text, error);
    if (!plan) {
        g_prefix_error(error, VP_PLAN_VARIABLE ": ");
        return false;
    }
    if (!plan->emulator) {
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED, VP_PLAN_VARIABLE " names no emulator");
        return false;
    }
    return apply(argv, plan, cache_dir, ret_launch, error);
}
