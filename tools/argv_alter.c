/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virtpass argv alter: a document's alterations, carried out on a command line without a domain,
 * by the code that the emulator shim has.
 *
 * Only alterations and configuration-file groups: the words that the document adds are in a
 * command line of libvirt's already.
 */

#include "argv_alter.h"

#include "argv/alter.h"
#include "argv/run_dir.h"
#include "argv/text.h"
#include "base/error.h"
#include "command.h"
#include "json/write.h"
#include "offline.h"
#include "plan/shim.h"
#include "words.h"
#include "xml/passthrough.h"

#include <stdio.h>

static void
free_needs(gpointer needs)
{
    vp_xml_needs_free(needs);
}

/* Only its presence matters to vp_xml_needs(). */
static bool
compile(const VpPlan *wishes, char ***ret_words, char **ret_plan G_GNUC_UNUSED,
        gpointer data G_GNUC_UNUSED, GError **error)
{
    g_autoptr(VpPlan) shim = NULL;

    return vp_offline_compile(wishes, false, ret_words, &shim, error);
}

/* What the shim would have to do for the document; NULL and no @error: nothing. */
static VpPlan *
read_plan(const char *xml, GError **error)
{
    const VpXmlRules rules = { .session_dir = "/", .compile = compile };
    g_autoptr(GPtrArray) list = vp_xml_needs(&rules, xml, error);
    g_auto(GStrv) words = NULL;
    VpXmlNeeds *needs = NULL;
    VpPlan *shim = NULL;

    if (!list)
        return NULL;
    g_ptr_array_set_free_func(list, free_needs);
    if (list->len == 0)
        return NULL;
    needs = g_ptr_array_index(list, 0);
    if (!needs->wishes->emulator)
        needs->wishes->emulator = vp_offline_emulator(NULL, needs->arch, error);
    if (!needs->wishes->emulator ||
        !vp_offline_compile(needs->wishes, needs->facts, &words, &shim, error))
        return NULL;
    return shim;
}

static char **
apply(const VpPlan *plan, const VpCommandText *text, GError **error)
{
    g_autoptr(VpCmdline) cmdline = vp_cmdline_parse((const char *const *)text->words, error);
    g_autofree char *dir = cmdline ? vp_cmdline_run_dir(cmdline) : NULL;
    g_autofree char *config = g_build_filename(dir ?: "/", VP_SHIM_CONFIG, NULL);
    g_auto(VpApplied) applied = { 0 };

    if (!cmdline || !vp_plan_apply(plan, cmdline, config, &applied, error))
        return NULL;
    for (guint i = 0; i < applied.warnings->len; i++)
        fprintf(stderr, "warning: %s\n", (char *)g_ptr_array_index(applied.warnings, i));
    if (applied.config)
        fprintf(stderr, "%s would hold:\n%s", config, applied.config);
    return vp_cmdline_words(cmdline);
}

static void
print_json(const VpCommandText *text, char **altered)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();
    g_autofree char *json = NULL;

    vp_json_begin_object(&writer, NULL);
    vp_json_add_strings(&writer, "generated", (const char *const *)text->words, -1);
    vp_json_add_strings(&writer, "altered", (const char *const *)altered, -1);
    vp_json_add_strings(&writer, "environment", (const char *const *)text->environment, -1);
    vp_json_end(&writer);
    json = vp_json_writer_steal(&writer);
    puts(json);
}

static void
print_text(VpCommandText *text, char **altered, bool broken)
{
    g_autofree char *line = NULL;

    g_strfreev(text->words);
    text->words = g_strdupv(altered);
    line = vp_command_text_write(text, broken);
    puts(g_strchomp(line));
}

static bool
alter(const char *xml, const char *args, bool diff, bool json, GError **error)
{
    g_auto(VpCommandText) text = { 0 };
    g_autoptr(GError) why = NULL;
    g_autoptr(VpPlan) plan = read_plan(xml, &why);
    g_auto(GStrv) altered = NULL;

    if (why) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    if (!vp_command_text_read(args, &text, error))
        return false;
    altered = plan ? apply(plan, &text, error) : g_strdupv(text.words);
    if (!altered)
        return false;
    if (json)
        print_json(&text, altered);
    else if (diff)
        vp_print_diff((const char *const *)text.words, (const char *const *)altered);
    else
        print_text(&text, altered, strstr(args, "\\\n") != NULL);
    return true;
}

int
vp_argv_alter(const char *xml_file, const char *args_file, bool diff, bool json)
{
    g_autofree char *xml = NULL, *args = NULL;
    g_autoptr(GError) error = NULL;

    if (!vp_read_file(xml_file, &xml) || !vp_read_file(args_file, &args))
        return VP_EXIT_FAILED;
    if (alter(xml, args, diff, json, &error))
        return VP_EXIT_OK;
    fprintf(stderr, "error: %s\n", error->message);
    return VP_EXIT_FAILED;
}
