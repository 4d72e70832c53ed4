/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a document costs on its way to libvirtd and back, in microseconds, one JSON object a
 * repetition:
 *
 *     xml REPETITIONS BURST_MS FILE
 *
 *   "needs"  the domain in FILE, in its author's form, is looked through for what has to be known
 *            of QEMU before it can be translated
 *   "both"   it is translated, and restored
 *
 * each the median of a burst.
 */

#include "times.h"

#include "argv/compile.h"
#include "plan/shim.h"
#include "xml/passthrough.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
fail(const char *what, const char *why)
{
    fprintf(stderr, "xml: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static bool
compile(const VpPlan *wishes, char ***ret_words, char **ret_plan, gpointer data G_GNUC_UNUSED,
        GError **error)
{
    g_auto(VpCompiled) compiled = { 0 };

    if (!vp_compile(wishes, NULL, NULL, &compiled, error))
        return false;
    *ret_plan = compiled.shim ? vp_plan_to_json(compiled.shim, error) : NULL;
    *ret_words = g_steal_pointer(&compiled.words);
    return !compiled.shim || *ret_plan;
}

static char *
shim(const char *emulator, gpointer data G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    return g_strconcat("/usr/lib/virtpass-emulators", emulator, "/" VP_SHIM_NAME, NULL);
}

static const VpXmlRules rules = {
    .session_dir = "/var/lib/libvirt/qemu", .compile = compile, .shim = shim,
};

static void
look_through(gconstpointer xml)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) needs = vp_xml_needs(&rules, xml, &error);

    if (!needs)
        fail("the domain", error->message);
}

static void
there_and_back(gconstpointer xml)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *upstream = NULL, *author = NULL;

    if (!vp_xml_translate(&rules, xml, &upstream, &error) ||
        !vp_xml_restore(upstream, &author, &error))
        fail("the domain", error->message);
    if (strcmp(author, xml) != 0)
        fail("the domain", "it came back as another one");
}

int
main(int argc, char **argv)
{
    g_autofree char *xml = NULL;

    if (argc != 4)
        fail("usage", "xml REPETITIONS BURST_MS FILE");
    if (!g_file_get_contents(argv[3], &xml, NULL, NULL))
        fail(argv[3], "cannot be read");
    for (int i = 0; i < atoi(argv[1]); i++)
        printf("{\"repetition\":%d,\"needs\":%.1f,\"both\":%.1f}\n", i,
               vp_bench_burst(look_through, xml, atoi(argv[2])),
               vp_bench_burst(there_and_back, xml, atoi(argv[2])));
    return EXIT_SUCCESS;
}
