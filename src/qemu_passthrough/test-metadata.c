/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* JSON as the text of an XML element: other characters, the same value. */

#include "json/tree.h"
#include "qemu_passthrough/metadata.h"

static void
test_print(void)
{
    static const struct {
        const char *json, *text;
    } cases[] = {
        { "{}", "{}" },
        { "{\"a\": [1, null]}", "{\"a\": [1, null]}" },
        { "\"<a b='c'>&amp;\"", "\"\\u003ca b='c'\\u003e\\u0026amp;\"" },
        { "\"\x7f \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\"",
          "\"\\u007f \\u00e4 \\u20ac \\ud83d\\ude00\"" },
        { "\"\xff\"", "\"\\ufffd\"" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = vp_metadata_print(cases[i].json);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void
test_value(void)
{
    static const char json[] = "\"\xc3\xa4 <\xf0\x9f\x98\x80>\"";
    g_autofree char *text = vp_metadata_print(json);
    g_autoptr(VpJsonTree) before = vp_json_tree_parse(json, -1, NULL);
    g_autoptr(VpJsonTree) after = vp_json_tree_parse(text, -1, NULL);

    g_assert_cmpstr(vp_json_string(vp_json_root(after)), ==, vp_json_string(vp_json_root(before)));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/metadata/print", test_print);
    g_test_add_func("/metadata/value", test_value);
    return g_test_run();
}
