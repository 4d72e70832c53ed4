/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is read out of libvirt's <domainsnapshot>. */

#include "xml/passthrough.h"

#include <string.h>

#define STATE(key, text)                                                                           \
    "<virtpass:" key " xmlns:virtpass=\"http://virtpass.org/schemas/state/" key "/1.0\">" text     \
    "</virtpass:" key ">"

#define INTERNAL                                                                                   \
    "<memory snapshot='internal'/><disks><disk name='vda' snapshot='internal'/></disks>"

static void
test_whole(void)
{
    g_auto(VpXmlSnapshot) snapshot = { 0 };

    g_assert_true(vp_xml_read_snapshot(
        "<domainsnapshot>\n  <name>s &amp; t</name>\n  <state>running</state>\n"
        "  <parent>\n    <name>r</name>\n  </parent>\n  <creationTime>1795342949</creationTime>\n"
        "  " INTERNAL "\n  <domain type='kvm'><name>g</name><metadata>" STATE("other", "[]")
        "<snapshots>no</snapshots>" STATE("snapshots", "{\"a\": 1}") "</metadata></domain>\n"
        "  <inactiveDomain><metadata>" STATE("snapshots", "no") "</metadata></inactiveDomain>\n"
        "</domainsnapshot>\n", "snapshots", &snapshot));
    g_assert_cmpstr(snapshot.name, ==, "s & t");
    g_assert_cmpstr(snapshot.parent, ==, "r");
    g_assert_cmpint(snapshot.created, ==, 1795342949);
    g_assert_true(snapshot.internal);
    g_assert_cmpstr(snapshot.kept, ==, "{\"a\": 1}");
}

static void
test_little(void)
{
    g_auto(VpXmlSnapshot) snapshot = { 0 };

    g_assert_true(vp_xml_read_snapshot("<domainsnapshot><name/></domainsnapshot>", "snapshots",
                                       &snapshot));
    g_assert_cmpstr(snapshot.name, ==, "");
    g_assert_null(snapshot.parent);
    g_assert_null(snapshot.kept);
    g_assert_cmpint(snapshot.created, ==, 0);
    g_assert_false(snapshot.internal);
}

static void
test_internal(void)
{
    static const struct {
        const char *parts;
        bool internal;
    } cases[] = {
        { INTERNAL, true },
        { "<memory snapshot='internal'/>", true },
        { "<memory snapshot='no'/><disks><disk name='a' snapshot='no'/><disk name='b' "
          "snapshot='internal'/></disks>", true },
        { "<memory snapshot='no'/><disks><disk name='a' snapshot='no'/></disks>", false },
        { "<memory snapshot='internal'/><disks><disk name='a' snapshot='external'/></disks>",
          false },
        { "<memory snapshot='external' file='/f'/><disks><disk name='a' snapshot='internal'/>"
          "</disks>", false },
        { "<disks><disk name='a' snapshot='manual'/></disks>", false },
        { "<disks>text</disks>", false },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(VpXmlSnapshot) snapshot = { 0 };
        g_autofree char *xml = g_strdup_printf("<domainsnapshot><name>s</name>%s</domainsnapshot>",
                                               cases[i].parts);

        g_test_message("%s", cases[i].parts);
        g_assert_true(vp_xml_read_snapshot(xml, "snapshots", &snapshot));
        g_assert_true(snapshot.internal == cases[i].internal);
    }
}

static void
test_none(void)
{
    static const char *const others[] = {
        "", "x", "<domainsnapshot>", "<domainsnapshot/>", "<domain><name>s</name></domain>",
        "<domainsnapshot><domain><name>s</name></domain></domainsnapshot>",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        g_auto(VpXmlSnapshot) snapshot = { 0 };

        g_assert_false(vp_xml_read_snapshot(others[i], "snapshots", &snapshot));
        g_assert_null(snapshot.name);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/whole", test_whole);
    g_test_add_func("/little", test_little);
    g_test_add_func("/internal", test_internal);
    g_test_add_func("/none", test_none);
    return g_test_run();
}
