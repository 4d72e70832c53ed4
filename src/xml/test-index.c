/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What gets a node and which bytes it covers; limits; documents that are not ours. */

#include "xml/index.h"

#include "base/limits.h"
#include "xml/test-helpers.h"

#include <string.h>

static VpXmlIndex *
index_of(const char *xml)
{
    g_autoptr(GError) error = NULL;
    VpXmlIndex *index = vp_xml_index_new(xml, &error);

    g_assert_no_error(error);
    g_assert_nonnull(index);
    return index;
}

static void
assert_bytes(const VpXmlIndex *index, gsize from, gsize to, const char *wanted)
{
    g_assert_cmpmem(index->text.bytes + from, to - from, wanted, strlen(wanted));
}

static void
print_node(GString *out, const VpXmlNode *node)
{
    static const char *const names[] = {
        [VP_XML_SET] = "set",           [VP_XML_DOMAIN] = "domain",
        [VP_XML_NAME] = "name",         [VP_XML_UUID] = "uuid",
        [VP_XML_OS] = "os",             [VP_XML_OS_TYPE] = "type",
        [VP_XML_DEVICES] = "devices",   [VP_XML_EMULATOR] = "emulator",
        [VP_XML_METADATA] = "metadata", [VP_XML_FOREIGN] = "foreign",
        [VP_XML_QEMU] = "qemu",         [VP_XML_PASSTHROUGH] = "passthrough",
        [VP_XML_INNER] = "inner",       [VP_XML_MARKED] = "mark",
    };

    g_string_append(out, names[node->role]);
    if (node->first)
        g_string_append_c(out, '(');
    for (const VpXmlNode *child = node->first; child; child = child->next) {
        print_node(out, child);
        g_string_append(out, child->next ? " " : ")");
    }
}

static void
test_roles(void)
{
    static const struct {
        const char *xml;
        const char *roles;
    } cases[] = {
        { "<domain/>", "domain" },
        { "<domain><name>a</name><uuid/><os><name/></os><x><y><metadata/></y></x></domain>",
          "domain(name uuid os)" },
        { "<domain><os><type>hvm<b/></type><type/></os><devices><disk><emulator/></disk>"
          "<emulator>/a<!-- b --><?virtpass added?></emulator></devices></domain>",
          "domain(os(type type) devices(emulator(mark)))" },
        { "<domainsnapshot><name/><domain><name/></domain><inactiveDomain/></domainsnapshot>",
          "set(domain(name) domain)" },
        { "<domaincheckpoint><parent><domain/></parent><domain/></domaincheckpoint>",
          "set(domain)" },
        { "<domain><metadata><a><b/></a><p:passthrough xmlns:p='" VP_XML_VIRTPASS_NS
          "'><x><y/></x></p:passthrough></metadata></domain>",
          "domain(metadata(foreign passthrough(inner(inner))))" },
        { "<domain" XMLNS_QEMU "><qemu:a><b/></qemu:a><p:b xmlns:p='" VP_XML_QEMU_NS
          "'/><c xmlns='" VP_XML_QEMU_NS "'/><d xmlns='urn:x'/><devices><qemu:e/></devices>"
          "<e xmlns='" VP_XML_QEMU_2010_NS "'/></domain>",
          "domain(qemu(inner) qemu qemu devices qemu)" },
        { "<domain" XMLNS_QEMU "><?virtpass kept?><?virtpass other?><?virtpass?><?v kept?>"
          "<metadata><?virtpass  closed?><a><?virtpass empty?></a></metadata>"
          "<qemu:a><b><?virtpass empty?></b></qemu:a></domain>",
          "domain(mark metadata(mark foreign) qemu(inner))" },
        { "<domain><qemu:name/><qemu:commandline/><name/></domain>", "domain(name)" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VpXmlIndex) index = index_of(cases[i].xml);
        g_autoptr(GString) roles = g_string_new(NULL);

        g_assert_nonnull(index->root);
        print_node(roles, index->root);
        g_assert_cmpstr(roles->str, ==, cases[i].roles);
    }
}

static void
test_lines(void)
{
    g_autoptr(VpXmlIndex) index = index_of("<?xml version='1.0'?>\n<domain\n>\n<x>\n</x\n>"
                                           "<name\n/><uuid>\n</uuid>\r\n<metadata><a/>\n<b/>"
                                           "</metadata>\n<?virtpass kept?></domain>");
    const VpXmlNode *name = index->root->first;
    const VpXmlNode *uuid = name->next;
    const VpXmlNode *metadata = uuid->next;

    g_assert_cmpuint(index->root->line, ==, 2);
    g_assert_cmpuint(name->line, ==, 6);
    g_assert_cmpuint(uuid->line, ==, 7);
    g_assert_cmpuint(metadata->line, ==, 9);
    g_assert_cmpuint(metadata->first->line, ==, 9);
    g_assert_cmpuint(metadata->last->line, ==, 10);
    g_assert_cmpuint(metadata->next->line, ==, 11);
}

static void
test_not_ours(void)
{
    static const char *const cases[] = {
        "",
        "no xml",
        "<domain>",
        "<domain></domai>",
        "<domain/><domain/>",
        "<domain>&unknown;</domain>",
        "<domain a='1' a='2'/>",
        "<domain>\x01</domain>",
        "<domain>\xff</domain>",
        "<network><domain/></network>",
        "<domain xmlns='urn:x'/>",
        "<x:domain xmlns:x='urn:x'/>",
        "<inactiveDomain/>",
        "<qemu:domain/>",
        "<?xml version='1.0' encoding='UTF-16'?><domain/>",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VpXmlIndex) index = index_of(cases[i]);

        g_assert_null(index->root);
        g_assert_false(index->doctype);
    }
}

/* Entities are neither defined nor expanded: the document ends for us where they would be. */
static void
test_doctype(void)
{
    static const char *const cases[] = {
        "<!DOCTYPE domain><domain/>",
        "<!DOCTYPE domain SYSTEM 'file:///etc/passwd'><domain/>",
        "<!DOCTYPE d [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><domain>&b;</domain>",
        "<!DOCTYPE d [<!ENTITY % p SYSTEM 'http://127.0.0.1:9/x'> %p;]><domain/>",
        "<!DOCTYPE d [ broken",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VpXmlIndex) index = index_of(cases[i]);

        g_assert_null(index->root);
        g_assert_true(index->doctype);
    }
}

static void
assert_positions(const char *before)
{
    g_autofree char *xml = g_strconcat(before, "<domain  type = 'kvm'\n>", "<name>\n<![CDATA[<]]>",
                                       "</name\n>", "<uuid >u<b>v</b></uuid>", "<metadata />",
                                       "<?virtpass kept ?>", "</domain >\n<!-- <domain> -->", NULL);
    g_autoptr(VpXmlIndex) index = index_of(xml);
    const VpXmlNode *node = index->root;

    g_assert_nonnull(node);
    assert_bytes(index, node->start, node->open_end, "<domain  type = 'kvm'\n>");
    assert_bytes(index, node->close, node->end, "</domain >");
    node = node->first;
    assert_bytes(index, node->start, node->end, "<name>\n<![CDATA[<]]></name\n>");
    assert_bytes(index, node->open_end, node->close, "\n<![CDATA[<]]>");
    g_assert_true(node->has_text);
    g_assert_true(node->has_other);
    node = node->next;
    assert_bytes(index, node->start, node->open_end, "<uuid >");
    assert_bytes(index, node->close, node->end, "</uuid>");
    g_assert_cmpstr(node->text, ==, "uv");
    node = node->next;
    g_assert_true(vp_xml_node_is_self_closing(node));
    assert_bytes(index, node->start, node->end, "<metadata />");
    g_assert_cmpuint(node->close, ==, node->end);
    node = node->next;
    g_assert_null(node);
}

static void
test_positions(void)
{
    static const char *const before[] = {
        "",
        "\n\n",
        "\xef\xbb\xbf",
        "<?xml version='1.0'?>\n",
        "<?xml version='1.0' encoding='utf-8'?>",
        "<?xml version='1.0' encoding='ISO-8859-1'?><!-- \xe9 -->",
        "<!-- > <a> --><?pi <a b='>'?>\r\n",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(before); i++)
        assert_positions(before[i]);
}

/* Offsets have to hold also where libxml2 has thrown away what it had read. */
static void
test_positions_far_on(void)
{
    static const gsize sizes[] = { 1000, 100 * 1000, 3 * 1000 * 1000 };

    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GString) before = g_string_new("<!--");

        while (before->len < sizes[i])
            g_string_append(before, " \xc3\xa9 \n <b c='d'>&");
        g_string_append(before, "-->");
        assert_positions(before->str);
    }
}

static void
test_attributes(void)
{
    g_autoptr(VpXmlIndex) index =
        index_of("<domain type='&lt;&amp;&#38;&#x41;'" XMLNS_QEMU " qemu:type='b' b=' c\n'/>");

    g_assert_cmpuint(index->root->n_attributes, ==, 3);
    g_assert_cmpstr(vp_xml_node_attribute(index->root, "type"), ==, "<&&A");
    g_assert_cmpstr(vp_xml_node_attribute(index->root, "b"), ==, " c ");
    g_assert_cmpstr(vp_xml_node_attribute(index->root, "qemu"), ==, NULL);
    g_assert_cmpstr(vp_xml_node_lookup(index->root, "qemu"), ==, VP_XML_QEMU_NS);
    g_assert_cmpstr(vp_xml_node_lookup(index->root, "x"), ==, NULL);
    g_assert_cmpstr(vp_xml_node_lookup(index->root, ""), ==, "");
}

static void
test_qemu_uses(void)
{
    static const struct {
        const char *inside;
        guint uses;
    } cases[] = {
        { "", 0 },
        { "<qemu:a/>", 1 },
        { "<qemu:a qemu:b=''><qemu:c/></qemu:a><d><e qemu:f=''/></d>", 4 },
        { "<qemu:a" XMLNS_QEMU "><qemu:b/></qemu:a>", 0 },
        { "<a xmlns:qemu='urn:x'><qemu:b/><c" XMLNS_QEMU "><qemu:d/></c></a><qemu:e/>", 1 },
        { "<q:a xmlns:q='" VP_XML_QEMU_NS "'/><b xmlns='" VP_XML_QEMU_NS "'/>", 0 },
    };
    static const char *const frames[] = {
        "<domain" XMLNS_QEMU ">%s</domain>",
        "<domainsnapshot" XMLNS_QEMU "><domain" XMLNS_QEMU ">%s</domain></domainsnapshot>",
    };

    for (gsize frame = 0; frame < G_N_ELEMENTS(frames); frame++) {
        for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
            g_auto(GStrv) halves = g_strsplit(frames[frame], "%s", 2);
            g_autofree char *xml = g_strjoin(cases[i].inside, halves[0], halves[1], NULL);
            g_autoptr(VpXmlIndex) index = index_of(xml);
            const VpXmlNode *domain = frame == 0 ? index->root : index->root->first;

            g_assert_cmpuint(domain->qemu_uses, ==, cases[i].uses);
        }
    }
}

/* --- limits -------------------------------------------------------------- */

static void
assert_limit(const char *xml, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VpXmlIndex) index = vp_xml_index_new(xml, &error);

    g_assert_null(index);
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_cmpstr(error->message, ==, message);
}

/* "HEAD", @n times "PIECE", "TAIL"; "%u" in PIECE is the number of the piece. */
static char *
repeat(const char *head, const char *piece, guint n, const char *tail)
{
    g_autoptr(GString) text = g_string_new(head);
    g_auto(GStrv) halves = g_strsplit(piece, "%u", 2);

    for (guint i = 0; i < n; i++) {
        g_string_append(text, halves[0]);
        if (halves[1])
            g_string_append_printf(text, "%u%s", i, halves[1]);
    }
    g_string_append(text, tail);
    return g_strdup(text->str);
}

static char *
nested(guint depth)
{
    g_autofree char *end = repeat("", "</a>", depth - 1, "</domain>");

    return repeat("<domain>", "<a>", depth - 1, end);
}

static void
test_depth(void)
{
    g_autofree char *most = nested(VP_XML_DEPTH_MAX);
    g_autofree char *more = nested(VP_XML_DEPTH_MAX + 1);
    g_autoptr(VpXmlIndex) index = index_of(most);

    g_assert_nonnull(index->root);
    assert_limit(more, "elements are nested 257 deep, at most 256 are allowed");
}

static void
test_attribute_limit(void)
{
    g_autofree char *most = repeat("<domain><a", " b%u=''", VP_XML_ATTRIBUTES_MAX, "/></domain>");
    g_autofree char *more =
        repeat("<domain><a", " b%u=''", VP_XML_ATTRIBUTES_MAX + 1, "/></domain>");
    g_autoptr(VpXmlIndex) index = index_of(most);

    g_assert_nonnull(index->root);
    assert_limit(more, "an element has 257 attributes, at most 256 are allowed");
}

static void
test_namespaces_in_scope(void)
{
    g_autoptr(GString) open = g_string_new("<domain>");
    g_autofree char *most = NULL;
    g_autofree char *more = NULL;
    g_autoptr(VpXmlIndex) index = NULL;

    for (guint i = 0; i < VP_XML_NAMESPACES_MAX / VP_XML_ATTRIBUTES_MAX; i++) {
        g_autofree char *tag = repeat("<a", " xmlns:n%u='u'", VP_XML_ATTRIBUTES_MAX, ">");

        g_string_append(open, tag);
    }
    most = g_strconcat(open->str, "<b/><b/></a></a></a></a></domain>", NULL);
    more = g_strconcat(open->str, "<b xmlns:c='u'/></a></a></a></a></domain>", NULL);
    index = index_of(most);
    g_assert_nonnull(index->root);
    assert_limit(more,
                 "1025 namespace declarations apply to one element, at most 1024 are allowed");
}

/* Closed elements give their declarations back. */
static void
test_namespaces_one_after_another(void)
{
    g_autofree char *xml =
        repeat("<domain>", "<a xmlns:m='u'/>", VP_XML_NAMESPACES_MAX + 1, "</domain>");
    g_autoptr(VpXmlIndex) index = index_of(xml);

    g_assert_nonnull(index->root);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/index/roles", test_roles);
    g_test_add_func("/xml/index/lines", test_lines);
    g_test_add_func("/xml/index/not-ours", test_not_ours);
    g_test_add_func("/xml/index/doctype", test_doctype);
    g_test_add_func("/xml/index/positions", test_positions);
    g_test_add_func("/xml/index/positions-far-on", test_positions_far_on);
    g_test_add_func("/xml/index/attributes", test_attributes);
    g_test_add_func("/xml/index/qemu-uses", test_qemu_uses);
    g_test_add_func("/xml/index/depth", test_depth);
    g_test_add_func("/xml/index/attribute-limit", test_attribute_limit);
    g_test_add_func("/xml/index/namespaces-in-scope", test_namespaces_in_scope);
    g_test_add_func("/xml/index/namespaces-one-after-another", test_namespaces_one_after_another);
    return g_test_run();
}
