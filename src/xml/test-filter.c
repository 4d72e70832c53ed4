/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * translate, restore and read_session as filters, for tests that are no C program:
 *
 *     test-xml-filter translate POLICY DIRECTORY [SHIM] | restore | session   < document
 *
 * With SHIM, its path, documents are compiled by the compiler for tests.
 */

#include "xml/test-compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *
read_input(void)
{
    g_autoptr(GIOChannel) input = g_io_channel_unix_new(0);
    char *text = NULL;

    if (g_io_channel_read_to_end(input, &text, NULL, NULL) != G_IO_STATUS_NORMAL)
        exit(EXIT_FAILURE);
    return text;
}

/* Of the shim, from the command line. */
static const char *shim_path;

static char *
shim(const char *emulator G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED,
     GError **error G_GNUC_UNUSED)
{
    return g_strdup(shim_path);
}

/* NULL with @error, or the document that is to be printed. */
static char *
rewrite(int argc, char **argv, const char *xml, GError **error)
{
    VpXmlRules rules = { 0 };
    char *result = NULL;
    bool ok = false;

    if (argc >= 4) {
        rules.policy = g_str_equal(argv[2], vp_xml_policy_names[VP_POLICY_REQUESTED]);
        rules.session_dir = argv[3];
        shim_path = argv[4];
        rules.shim = shim;
        rules.compile = shim_path ? test_compile : NULL;
        rules.default_emulator = test_default_emulator;
        ok = vp_xml_translate(&rules, xml, &result, error);
    } else {
        ok = vp_xml_restore(xml, &result, error);
    }
    if (!ok)
        return NULL;
    return result ? result : g_strdup(xml);
}

static char *
describe_session(const char *xml, GError **error)
{
    g_auto(VpXmlSession) session = { 0 };

    if (!vp_xml_read_session(xml, &session, error))
        return NULL;
    return g_strdup_printf("%s %s %s\n", vp_xml_session_names[session.kind], session.uuid,
                           session.path ? session.path : "-");
}

int
main(int argc, char **argv)
{
    g_autofree char *xml = read_input();
    g_autofree char *output = NULL;
    g_autoptr(GError) error = NULL;

    if (argc == 2 && g_str_equal(argv[1], "session"))
        output = describe_session(xml, &error);
    else
        output = rewrite(argc, argv, xml, &error);
    if (!output) {
        fprintf(stderr, "%s\n", error->message);
        return EXIT_FAILURE;
    }
    fputs(output, stdout);
    return EXIT_SUCCESS;
}
