/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What virsh domxml-to-native prints is what libvirtd would exec: the shim, with its plan in the
 * environment. People ask for what will run. The same code as the shim's carries the plan out
 * (src/argv), so that the answer cannot be another one.
 */

#include "qemu_passthrough/native.h"

#include "argv/alter.h"
#include "argv/run_dir.h"
#include "argv/session.h"
#include "argv/text.h"
#include "plan/shim.h"

#include <string.h>

void
vp_native_clear(VpNative *native)
{
    g_strfreev(native->generated);
    g_strfreev(native->altered);
    g_strfreev(native->environment);
    g_clear_pointer(&native->warnings, g_ptr_array_unref);
    g_clear_error(&native->refusal);
    *native = (VpNative){ 0 };
}

/* Takes the plan out of the environment. *ret_plan is NULL when there is none. */
static bool
take_plan(VpCommandText *text, VpPlan **ret_plan, GError **error)
{
    const char *json = g_environ_getenv(text->environment, VP_PLAN_VARIABLE);

    *ret_plan = NULL;
    if (!json)
        return true;
    *ret_plan = vp_plan_from_json(json, error);
    text->environment = g_environ_unsetenv(text->environment, VP_PLAN_VARIABLE);
    return *ret_plan != NULL;
}

/* The words after the plan; NULL when it cannot be carried out. */
static char **
carry_out(const VpPlan *plan, const VpCommandText *text, GPtrArray **ret_warnings, GError **error)
{
    g_autoptr(VpCmdline) cmdline = NULL;
    g_autofree char *dir = NULL;
    g_autofree char *config_path = NULL;
    g_auto(VpApplied) applied = { 0 };
    g_auto(GStrv) altered = NULL;

    cmdline = vp_cmdline_parse((const char *const *)text->words, error);
    if (!cmdline)
        return NULL;
    dir = vp_cmdline_run_dir(cmdline);
    config_path = g_build_filename(dir ?: "/", VP_SHIM_CONFIG, NULL);
    if (!vp_plan_apply(plan, cmdline, config_path, &applied, error))
        return NULL;
    if (ret_warnings)
        *ret_warnings = g_steal_pointer(&applied.warnings);
    altered = vp_cmdline_words(cmdline);
    return plan->session ? vp_argv_add_session(altered, plan->emulator, dir)
                         : g_steal_pointer(&altered);
}

/* The same where the shim only adds a session. NULL: it is not that one. */
static char **
add_session(const VpCommandText *text)
{
    g_autofree char *emulator = NULL;
    g_autofree char *dir = NULL;
    g_autoptr(VpCmdline) cmdline = NULL;

    if (!text->words[0] || !vp_shim_adds_session(text->words[0]))
        return NULL;
    emulator = vp_shim_emulator(text->words[0]);
    cmdline = vp_cmdline_parse((const char *const *)text->words, NULL);
    dir = cmdline ? vp_cmdline_run_dir(cmdline) : NULL;
    return vp_argv_add_session(text->words, emulator, dir);
}

static void
set_program(char **words, const char *program)
{
    g_free(words[0]);
    words[0] = g_strdup(program);
}

bool
vp_native_read(const char *text, VpNative *ret_native, GError **error)
{
    g_auto(VpCommandText) command = { 0 };
    g_autoptr(VpPlan) plan = NULL;
    g_auto(VpNative) native = { 0 };

    if (!vp_command_text_read(text, &command, error) || !take_plan(&command, &plan, error))
        return false;
    if (plan) {
        native.altered = carry_out(plan, &command, &native.warnings, &native.refusal);
        /* The shim is ours, not something that people asked for. */
        set_program(command.words, plan->emulator);
    } else {
        native.altered = add_session(&command) ?: g_strdupv(command.words);
        if (native.altered[0])
            set_program(command.words, native.altered[0]);
    }
    native.generated = g_steal_pointer(&command.words);
    native.environment = g_steal_pointer(&command.environment);
    *ret_native = native;
    native = (VpNative){ 0 };
    return true;
}

bool
vp_native_apply(const char *text, char **ret_text, GError **error)
{
    g_auto(VpCommandText) command = { 0 };
    g_autoptr(VpPlan) plan = NULL;
    g_auto(GStrv) words = NULL;

    *ret_text = NULL;
    if (!strstr(text, VP_PLAN_VARIABLE) && !strstr(text, "/" VP_SHIM_SESSION_TREE "/"))
        return true;
    if (!vp_command_text_read(text, &command, error) || !take_plan(&command, &plan, error))
        return false;
    words = plan ? carry_out(plan, &command, NULL, error) : add_session(&command);
    if (!words)
        return !plan;
    g_strfreev(command.words);
    command.words = g_steal_pointer(&words);
    *ret_text = vp_command_text_write(&command, strstr(text, "\\\n") != NULL);
    return true;
}
