/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Edits: order, white space, the limit of the text's length. */

#include "xml/edit.h"

#include "base/limits.h"

#include <string.h>

static char *
apply(VpXmlEdits *edits)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    g_assert_true(vp_xml_edits_apply(edits, &text, &error));
    g_assert_no_error(error);
    return text;
}

static void
test_none(void)
{
    g_autoptr(VpXmlEdits) edits = vp_xml_edits_new("<a/>");

    g_assert_cmpstr(apply(edits), ==, NULL);
}

/* In the order of the text, however they were found; insertions as they were found. */
static void
test_order(void)
{
    g_autoptr(VpXmlEdits) edits = vp_xml_edits_new("0123456789");
    g_autofree char *text = NULL;

    vp_xml_edits_replace(edits, 8, 10, "");
    vp_xml_edits_replace(edits, 4, 6, "d");
    vp_xml_edits_replace(edits, 4, 4, "b");
    vp_xml_edits_replace(edits, 4, 4, "c");
    vp_xml_edits_replace(edits, 6, 6, "e");
    vp_xml_edits_replace(edits, 0, 0, "a");
    text = apply(edits);
    g_assert_cmpstr(text, ==, "a0123bcde67");
}

static const char *const block_lines = "    <x>\n      <y/>\n    </x>\n";
static const char *const block_compact = "<x><y/></x>";

static VpXmlBlock *
block_new(void)
{
    VpXmlBlock *block = vp_xml_block_new();

    vp_xml_block_add(block, 0, "<%s>", "x");
    vp_xml_block_add(block, 1, "<y/>");
    vp_xml_block_add(block, 0, "</x>");
    return block;
}

/* Inserts before "</a>"; then takes out again what the text has there. */
static void
test_insert_and_remove(void)
{
    static const struct {
        const char *before; /* the text up to </a> */
        bool lines;
    } cases[] = {
        { "<a>\n  <b/>\n  ", true },
        { "\n  ", true },
        { "<a>\n\n  ", true },
        { "<a>text\n  ", true },
        { "<a>\r\n  ", true },
        { "<a>", false },
        { "<a>  ", false },
        { "<a>\n  <b/>", false },
        { "<a>\n  <b/>  ", false },
        { "<a>\n\r  ", false },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *bytes = g_strconcat(cases[i].before, "</a>\n", NULL);
        g_autofree char *with = NULL;
        g_autofree char *without = NULL;
        g_autoptr(VpXmlBlock) block = block_new();
        g_autoptr(VpXmlEdits) edits = vp_xml_edits_new(bytes);
        g_autoptr(VpXmlEdits) back = NULL;
        VpXmlNode node = { 0 };

        vp_xml_edits_insert(edits, strlen(cases[i].before), 1, block);
        with = apply(edits);
        g_assert_cmpint(strstr(with, block_lines) != NULL, ==, cases[i].lines);
        g_assert_cmpint(strstr(with, block_compact) != NULL, ==, !cases[i].lines);

        node.start = strstr(with, "<x>") - with;
        node.end = strstr(with, "</x>") + strlen("</x>") - with;
        back = vp_xml_edits_new(with);
        vp_xml_edits_remove(back, &node);
        without = apply(back);
        g_assert_cmpstr(without, ==, bytes);
    }
}

/* What is no line of its own goes without the white space around it. */
static void
test_remove(void)
{
    static const struct {
        const char *before;
        const char *behind;
        const char *rest;
    } cases[] = {
        { "\n  ", "\n", "\n" },
        { "\n\t", "\n  \n", "\n  \n" },
        { "\n  ", " \n", "\n   \n" },
        { "\n  ", "<b/>\n", "\n  <b/>\n" },
        { "\n  <b/>", "\n", "\n  <b/>\n" },
        { "", "\n", "\n" },
        { "  ", "\n", "  \n" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *bytes = g_strconcat(cases[i].before, "<x/>", cases[i].behind, NULL);
        g_autofree char *rest = NULL;
        g_autoptr(VpXmlEdits) edits = vp_xml_edits_new(bytes);
        VpXmlNode node = { .start = strlen(cases[i].before) };

        node.end = node.start + strlen("<x/>");
        vp_xml_edits_remove(edits, &node);
        rest = apply(edits);
        g_assert_cmpstr(rest, ==, cases[i].rest);
    }
}

/* Indentation is repeated for each line: what is not indentation any more is not. */
static void
test_indentation_limit(void)
{
    for (gsize n = 256; n <= 257; n++) {
        g_autofree char *spaces = g_strnfill(n, ' ');
        g_autofree char *bytes = g_strconcat("<a>\n", spaces, "</a>", NULL);
        g_autofree char *text = NULL;
        g_autoptr(VpXmlBlock) block = block_new();
        g_autoptr(VpXmlEdits) edits = vp_xml_edits_new(bytes);

        vp_xml_edits_insert(edits, strlen("<a>\n") + n, 1, block);
        text = apply(edits);
        g_assert_cmpint(strstr(text, block_compact) != NULL, ==, n > 256);
    }
}

static void
test_append(void)
{
    static const struct {
        const char *before;
        const char *behind;
        const char *text;
    } cases[] = {
        { "<a>\n  ", "\n</a>", "<a>\n  <x/>\n  <y/>\n</a>" },
        { "<a>", "</a>", "<a><x/><y/></a>" },
        { "<a> ", "</a>", "<a> <x/><y/></a>" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *bytes = g_strconcat(cases[i].before, "<x/>", cases[i].behind, NULL);
        g_autofree char *text = NULL;
        g_autoptr(VpXmlEdits) edits = vp_xml_edits_new(bytes);
        VpXmlNode node = { .start = strlen(cases[i].before) };

        node.end = node.start + strlen("<x/>");
        vp_xml_edits_append(edits, &node, "<y/>");
        text = apply(edits);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void
test_length_limit(void)
{
    g_autofree char *bytes = g_strnfill(VP_XDR_STRING_MAX - 1, ' ');
    g_autoptr(VpXmlEdits) edits = vp_xml_edits_new(bytes);
    g_autofree char *longest = NULL;
    g_autoptr(GError) error = NULL;
    char *untouched = bytes;

    vp_xml_edits_replace(edits, 0, 0, "x");
    longest = apply(edits);
    g_assert_cmpuint(strlen(longest), ==, VP_XDR_STRING_MAX);

    vp_xml_edits_replace(edits, 5, 6, "xy");
    g_assert_false(vp_xml_edits_apply(edits, &untouched, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_cmpstr(error->message, ==,
                    "the document becomes 4194305 bytes long, at most 4194304 are allowed");
    g_assert_true(untouched == bytes);
}

static void
test_moved_element(void)
{
    static const struct {
        const char *element;
        gsize indent;
        const char *wanted;
    } cases[] = {
        { "<a>\n      <b/>\n    </a>", 4, "<x>\n <a>\n   <b/>\n </a>\n <y/></x>" },
        { "<a>\n <b/>\n</a>", 0, "<x>\n <a>\n <b/>\n</a>\n <y/></x>" },
        { "<a>\n <b/>\n</a>", 4, "<x>\n <a>\n <b/>\n</a>\n <y/></x>" },
        { "<a>\n      text\n    <![CDATA[\n    ]]></a>", 4,
          "<x>\n <a>\n      text\n    <![CDATA[\n    ]]></a>\n <y/></x>" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        static const char *const text = "<x>\n <y/></x>";
        g_autoptr(VpXmlEdits) edits = vp_xml_edits_new(text);
        g_autoptr(VpXmlBlock) block = vp_xml_block_new();
        g_autofree char *joined = NULL;
        g_autofree char *result = NULL;

        vp_xml_block_add_element(block, 0, cases[i].element, cases[i].indent);
        joined = vp_xml_block_join(block);
        g_assert_cmpstr(joined, ==, cases[i].element);
        vp_xml_edits_insert(edits, strstr(text, "<y") - text, 0, block);
        g_assert_true(vp_xml_edits_apply(edits, &result, NULL));
        g_assert_cmpstr(result, ==, cases[i].wanted);
    }
}

static void
test_indent_of(void)
{
    static const char *const text = "<a> <b/>\n  <c/>\n\t<d/>\n</a>";

    g_assert_cmpuint(vp_xml_indent_of(text, 0), ==, 0);
    g_assert_cmpuint(vp_xml_indent_of(text, strstr(text, "<b") - text), ==, 0);
    g_assert_cmpuint(vp_xml_indent_of(text, strstr(text, "<c") - text), ==, 2);
    g_assert_cmpuint(vp_xml_indent_of(text, strstr(text, "<d") - text), ==, 0);
    g_assert_cmpuint(vp_xml_indent_of(text, strstr(text, "</a") - text), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/edit/none", test_none);
    g_test_add_func("/xml/edit/order", test_order);
    g_test_add_func("/xml/edit/insert-and-remove", test_insert_and_remove);
    g_test_add_func("/xml/edit/remove", test_remove);
    g_test_add_func("/xml/edit/indentation-limit", test_indentation_limit);
    g_test_add_func("/xml/edit/append", test_append);
    g_test_add_func("/xml/edit/length-limit", test_length_limit);
    g_test_add_func("/xml/edit/moved-element", test_moved_element);
    g_test_add_func("/xml/edit/indent-of", test_indent_of);
    return g_test_run();
}
