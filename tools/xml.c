/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virtpass xml: documents between the form that people write and the one that libvirtd gets, by the
 * code that virtpassd has, without virtpassd and libvirtd.
 */

#include "base/error.h"
#include "build-config.h"
#include "command.h"
#include "json/write.h"
#include "offline.h"
#include "plan/shim.h"
#include "xml/passthrough.h"

#include <stdio.h>
#include <string.h>

/* What virtpassd for the system has, if it is not configured otherwise. */
#define SESSION_DIR "/var/lib/libvirt/qemu"

static char *policy, *session_dir, *shim_path;
static gboolean json;

static const GOptionEntry options[] = {
    { "sessions", 0, 0, G_OPTION_ARG_STRING, &policy,
      "translate: which domains get a dedicated session, all (the default) or requested",
      "POLICY" },
    { "session-dir", 0, 0, G_OPTION_ARG_FILENAME, &session_dir,
      "translate: where the sockets of sessions are", "DIR" },
    { "shim", 0, 0, G_OPTION_ARG_FILENAME, &shim_path,
      "translate: the virtpass-emulator that stands for the emulator", "FILE" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "validate: print a JSON object for programs", NULL },
    { NULL },
};

/* --- translate ----------------------------------------------------------- */

/* What a translation needs to know, of all domains in the document. */
static bool facts_wanted;

static bool
compile(const VpPlan *wishes, char ***ret_words, char **ret_plan, gpointer data G_GNUC_UNUSED,
        GError **error)
{
    g_auto(GStrv) words = NULL;
    g_autoptr(VpPlan) shim = NULL;
    g_autofree char *plan = NULL;

    if (!vp_offline_compile(wishes, facts_wanted, &words, &shim, error))
        return false;
    if (shim && !(plan = vp_plan_to_json(shim, error)))
        return false;
    *ret_words = g_steal_pointer(&words);
    *ret_plan = g_steal_pointer(&plan);
    return true;
}

static char *
default_emulator(const VpXmlMachine *machine, gpointer data G_GNUC_UNUSED, GError **error)
{
    return vp_offline_emulator(NULL, machine->arch, error);
}

static char *
shim(const char *emulator, gpointer data G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    return shim_path ? g_strdup(shim_path) : vp_shim_path(VP_LIBDIR, VP_SHIM_TREE, emulator, error);
}

static bool
choose_policy(VpXmlRules *rules)
{
    if (!policy)
        return true;
    for (guint i = 0; vp_xml_policy_names[i]; i++) {
        if (strcmp(policy, vp_xml_policy_names[i]) == 0) {
            rules->policy = i;
            return true;
        }
    }
    fprintf(stderr, "error: --sessions=%s is not known, expected all or requested\n", policy);
    return false;
}

static bool
translate(const VpXmlRules *rules, const char *xml, char **ret_xml, GError **error)
{
    g_autoptr(GPtrArray) list = vp_xml_needs(rules, xml, error);

    if (!list)
        return false;
    for (guint i = 0; i < list->len; i++)
        facts_wanted |= ((const VpXmlNeeds *)g_ptr_array_index(list, i))->facts;
    return vp_xml_translate(rules, xml, ret_xml, error);
}

/* --- the commands -------------------------------------------------------- */

static int
print_document(bool done, const char *xml, const char *changed, const GError *error)
{
    if (!done) {
        fprintf(stderr, "error: %s\n", error->message);
        return VP_EXIT_FAILED;
    }
    fputs(changed ? changed : xml, stdout);
    return VP_EXIT_OK;
}

static int
run_translate(const char *xml)
{
    VpXmlRules rules = {
        .session_dir = session_dir ? session_dir : SESSION_DIR,
        .shim = shim,
        .compile = compile,
        .default_emulator = default_emulator,
    };
    g_autofree char *changed = NULL;
    g_autoptr(GError) error = NULL;
    bool done = false;

    if (!choose_policy(&rules))
        return VP_EXIT_USAGE;
    done = translate(&rules, xml, &changed, &error);
    return print_document(done, xml, changed, error);
}

static int
run_restore(const char *xml)
{
    g_autofree char *changed = NULL;
    g_autoptr(GError) error = NULL;
    bool done = vp_xml_restore(xml, &changed, &error);

    return print_document(done, xml, changed, error);
}

static int
run_validate(const char *xml)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    bool valid = vp_xml_validate(xml, &error);

    if (json) {
        vp_json_begin_object(&writer, NULL);
        vp_json_add_bool(&writer, "valid", valid);
        if (!valid)
            vp_json_add_string(&writer, "error", error->message);
        vp_json_end(&writer);
        text = vp_json_writer_steal(&writer);
        puts(text);
    } else if (valid) {
        puts("valid");
    } else {
        fprintf(stderr, "error: %s\n", error->message);
    }
    return valid ? VP_EXIT_OK : VP_EXIT_FAILED;
}

static const struct {
    const char *name;
    int (*run)(const char *xml);
} actions[] = {
    { "translate", run_translate },
    { "restore", run_restore },
    { "validate", run_validate },
};

static int
run(char **arguments)
{
    g_autofree char *xml = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(actions); i++) {
        if (strcmp(arguments[0], actions[i].name) != 0)
            continue;
        if (!vp_read_file(arguments[1] ? arguments[1] : "-", &xml))
            return VP_EXIT_FAILED;
        return actions[i].run(xml);
    }
    fprintf(stderr, "error: '%s' is not known, expected translate, restore or validate\n",
            arguments[0]);
    return VP_EXIT_USAGE;
}

const VpCommand vp_command_xml = {
    .name = "xml",
    .arguments = "translate|restore|validate [FILE|-]",
    .summary = "Turn a domain document into what libvirtd gets, back, or check it",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 2,
    .run = run,
};
