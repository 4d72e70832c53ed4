/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What translate refuses, with each text, and the limits of length and time. */

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "xml/test-helpers.h"

#include <string.h>

/* --- errors -------------------------------------------------------------- */

static void
assert_refused(const VpXmlRules *rules, const char *xml, VpError code, const char *message)
{
    g_autoptr(GError) error = NULL;
    char *untouched = (char *)message;

    g_assert_false(vp_xml_translate(rules, xml, &untouched, &error));
    g_assert_error(error, VP_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, message);
    g_assert_true(untouched == message);
}

static void
test_errors(void)
{
    static const struct {
        const char *inside;
        const char *message;
    } cases[] = {
        { "  <qemu:monitorpassthrough session='other'/>\n",
          "line 4: <qemu:monitorpassthrough>: session='other' is not known, expected "
          "session='dedicated|shared|none'" },
        { "\n<qemu:monitorpassthrough session=''/>\n",
          "line 5: <qemu:monitorpassthrough>: session='' is not known, expected "
          "session='dedicated|shared|none'" },
        { "<q:monitorpassthrough xmlns:q='" VP_XML_QEMU_NS "' mode='x'/>",
          "line 4: <q:monitorpassthrough>: unknown attribute 'mode', expected at most "
          "session='dedicated|shared|none'" },
        { "<qemu:monitorpassthrough qemu:session='none'/>",
          "line 4: <qemu:monitorpassthrough>: unknown attribute 'qemu:session', expected at most "
          "session='dedicated|shared|none'" },
        { "<qemu:monitorpassthrough>\nyes</qemu:monitorpassthrough>",
          "line 4: <qemu:monitorpassthrough>: has content, expected an empty element" },
        { "<qemu:monitorpassthrough><![CDATA[x]]></qemu:monitorpassthrough>",
          "line 4: <qemu:monitorpassthrough>: has content, expected an empty element" },
        { "<monitorpassthrough xmlns='" VP_XML_QEMU_NS "'>\n<a/></monitorpassthrough>",
          "line 4: <monitorpassthrough>: has content, expected an empty element" },
        { ASK "\n<os/>\n" ASK,
          "line 6: <qemu:monitorpassthrough>: stands twice in the domain (first in line 4), "
          "expected once" },
        /* in both forms: what is kept comes back first, so lines are those of the author's form */
        { METADATA(ASK) ASK,
          "line 4: <qemu:monitorpassthrough>: stands twice in the domain (first in line 4), "
          "expected once" },
        { "<metadata>" PASSTHROUGH("") "\n" PASSTHROUGH("") "</metadata>",
          "line 5: <virtpass:passthrough>: stands twice in the domain (first in line 4), expected "
          "once" },
        { METADATA("<qemu:monitorpassthrough session='x'/>"),
          "line 6: <qemu:monitorpassthrough>: session='x' is not known, expected "
          "session='dedicated|shared|none'" },
        { "<qemu:commandline><qemu:arg value='-chardev'/>\n"
          "<qemu:arg value='null,id=virtpass-qmp'/></qemu:commandline>",
          "line 5: <qemu:arg>: the id 'virtpass-qmp' belongs to the dedicated session, expected "
          "another one" },
        { "<qemu:commandline>" WORDS "\n" WORD_LINES "</qemu:commandline>",
          "line 6: <qemu:arg>: the id 'virtpass-qmp' belongs to the dedicated session, expected "
          "another one" },
        { "<?virtpass kept?>" ASK,
          "line 4: <?virtpass kept?>: this processing instruction is reserved, expected none in a "
          "document that is handed in" },
        { "<metadata>\n<?virtpass closed?></metadata>" ASK,
          "line 5: <?virtpass closed?>: this processing instruction is reserved, expected none in "
          "a document that is handed in" },
        { "<qemu:commandline><?virtpass empty?></qemu:commandline>",
          "line 4: <?virtpass empty?>: this processing instruction is reserved, expected none in a "
          "document that is handed in" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *xml = g_strconcat(OPEN_QEMU, cases[i].inside, CLOSE, NULL);

        assert_refused(&rules_all, xml, VP_ERROR_XML, cases[i].message);
    }
}

static void
test_unsupported(void)
{
    static const char *const doctype_message =
        "a document with a DOCTYPE cannot hold elements of libvirt-qemu-passthrough, expected it "
        "without";

    assert_refused(&rules_all, OPEN METADATA("<new:device xmlns:new='urn:new'/>") CLOSE,
                   VP_ERROR_UNSUPPORTED,
                   "line 6: <new:device>: is kept in <metadata> but not known to this version, "
                   "expected an element that it knows");
    assert_refused(&rules_all, "<!DOCTYPE domain>" OPEN_QEMU ASK CLOSE, VP_ERROR_UNSUPPORTED,
                   doctype_message);
    assert_refused(&rules_all, "<!DOCTYPE domain>" OPEN METADATA(ASK) CLOSE,
                   VP_ERROR_UNSUPPORTED, doctype_message);
    /* hidden in an entity */
    assert_refused(&rules_all,
                   "<!DOCTYPE domain [<!ENTITY e \"<qemu:monitorpassthrough/>\">]>" OPEN_QEMU
                   "&e;" CLOSE,
                   VP_ERROR_UNSUPPORTED, doctype_message);
}

/* Whoever sends a name of a megabyte does not get it back. */
static void
test_long_error(void)
{
    g_autofree char *value = g_strnfill(1000 * 1000, 'x');
    g_autofree char *xml =
        g_strconcat(OPEN_QEMU "<qemu:monitorpassthrough session='\xc3\xa9", value, "'/>" CLOSE,
                    NULL);
    g_autoptr(GError) error = NULL;
    char *untouched = NULL;

    g_assert_false(vp_xml_translate(&rules_all, xml, &untouched, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_XML);
    g_assert_cmpuint(strlen(error->message), <, 800);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
}

/* --- limits -------------------------------------------------------------- */

/* A directory that makes the path of the socket @len bytes long. */
static char *
directory_for(gsize len)
{
    g_autofree char *name = g_strnfill(len - strlen("/" "/virtpass-libvirt-" UUID), 'd');

    return g_strconcat("/", name, NULL);
}

static void
test_path_limit(void)
{
    g_autofree char *longest = directory_for(107);
    g_autofree char *longer = directory_for(108);
    g_autofree char *message = g_strdup_printf(
        "line 4: <qemu:monitorpassthrough>: the socket '%s/virtpass-libvirt-" UUID
        "' has a path of 108 bytes, expected at most 107",
        longer);
    VpXmlRules rules = { .policy = VP_POLICY_ALL, .session_dir = longest };
    g_autofree char *all = translated(&rules, OPEN CLOSE);
    g_autofree char *asked =
        translated(&rules, OPEN_QEMU "<qemu:monitorpassthrough/>" CLOSE);

    g_assert_nonnull(strstr(all, longest));
    g_assert_nonnull(strstr(asked, longest));

    rules.session_dir = longer;
    vp_log_set_level(VP_LOG_ERROR); /* the warning is not for the test's log */
    assert_unchanged_by_translate(&rules, OPEN CLOSE);
    assert_unchanged_by_translate(&rules, "<domain type='kvm'><name>a</name></domain>");
    assert_refused(&rules, OPEN_QEMU "<qemu:monitorpassthrough/>\n" CLOSE, VP_ERROR_UNSUPPORTED,
                   message);
    g_free(g_steal_pointer(&all));
    all = translated(&rules, OPEN ADDED CLOSE);
    g_assert_cmpstr(all, ==, OPEN CLOSE);
}

/* A domain of @len bytes. */
static char *
padded(gsize len)
{
    g_autofree char *padding = g_strnfill(len - strlen(OPEN CLOSE), ' ');

    return g_strconcat(OPEN, padding, CLOSE, NULL);
}

static void
test_size_limit(void)
{
    gsize room = VP_XDR_STRING_MAX - strlen(WORDS) -
                 strlen("<qemu:commandline" XMLNS_QEMU "></qemu:commandline>");
    g_autofree char *longest = padded(room);
    g_autofree char *longer = padded(room + 1);
    g_autofree char *there = translated(&rules_all, longest);
    g_autofree char *back = restored(there);

    g_assert_cmpuint(strlen(there), ==, VP_XDR_STRING_MAX);
    g_assert_cmpstr(back, ==, longest);
    assert_refused(&rules_all, longer, VP_ERROR_LIMIT,
                   "the document becomes 4194305 bytes long, at most 4194304 are allowed");
    /* what we do not change is as long as it is */
    assert_unchanged_by_translate(&rules_requested, longer);
}

/* Whether a document with @n names of its own is taken. */
static bool
takes_names(guint n)
{
    g_autoptr(GString) text = g_string_new(OPEN "<devices>");
    g_autofree char *other = NULL;
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < n; i++)
        g_string_append_printf(text, "<n%u/>", i);
    g_string_append(text, "</devices>" CLOSE);
    if (vp_xml_translate(&rules_all, text->str, &other, &error))
        return true;
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_nonnull(strstr(error->message, "more than the 16384 different names"));
    return false;
}

/* Some are libxml2's own, and some every domain's. */
static void
test_names_limit(void)
{
    guint taken = VP_XML_NAMES_MAX / 2, refused = VP_XML_NAMES_MAX + 1;

    g_assert_true(takes_names(taken));
    g_assert_false(takes_names(refused));
    while (refused - taken > 1) {
        guint n = (taken + refused) / 2;

        *(takes_names(n) ? &taken : &refused) = n;
    }
    g_assert_cmpuint(taken, >, VP_XML_NAMES_MAX - 64);
    g_assert_cmpuint(taken, <, VP_XML_NAMES_MAX);
}

/* Documents of 4 MiB made of what costs most. None takes a second; loaded machines and
 * sanitizers take longer, something that grows with the square would take hours. */
static void
test_large_documents(void)
{
    static const struct {
        const char *head;
        const char *piece;
        const char *tail;
    } cases[] = {
        { OPEN "  <devices>\n", "    <disk type='file' device='disk'><source file='/a'/></disk>\n",
          "  </devices>\n" CLOSE },
        { OPEN_QEMU "  <qemu:commandline>\n", "    <qemu:arg value='-S'/>\n",
          "  </qemu:commandline>\n" CLOSE },
        { OPEN_QEMU, "<qemu:override/>", CLOSE },
        { OPEN_QEMU, "<qemu:commandline/>", CLOSE },
        { OPEN "<metadata>", "<x/>", "</metadata>" CLOSE },
        { OPEN "<title>", "&lt;", "</title>" CLOSE },
        { OPEN, "<!---->", CLOSE },
        { OPEN, "<?p?>", CLOSE },
        { OPEN "<title><![CDATA[", "]]]]><![CDATA[>", "]]></title>" CLOSE },
        { OPEN, " ", CLOSE },
        { OPEN, "\n", CLOSE },
        { OPEN_QEMU, "<qemu:commandline><qemu:arg value='-chardev'/></qemu:commandline>", CLOSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) xml = g_string_new(cases[i].head);
        g_autofree char *there = NULL;
        g_autofree char *back = NULL;
        gint64 start = 0;

        while (xml->len < VP_XDR_STRING_MAX - 2000)
            g_string_append(xml, cases[i].piece);
        g_string_append(xml, cases[i].tail);
        start = g_get_monotonic_time();
        there = translated(&rules_all, xml->str);
        back = restored(there);
        g_test_message("%" G_GSIZE_FORMAT ": %.3f s", i,
                       (g_get_monotonic_time() - start) / 1e6);
        g_assert_cmpint(g_get_monotonic_time() - start, <, 20 * G_USEC_PER_SEC);
        g_assert_cmpstr(back, ==, xml->str);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/refusals/errors", test_errors);
    g_test_add_func("/xml/refusals/unsupported", test_unsupported);
    g_test_add_func("/xml/refusals/long-error", test_long_error);
    g_test_add_func("/xml/refusals/path-limit", test_path_limit);
    g_test_add_func("/xml/refusals/size-limit", test_size_limit);
    g_test_add_func("/xml/refusals/names-limit", test_names_limit);
    g_test_add_func("/xml/refusals/large-documents", test_large_documents);
    return g_test_run();
}
