/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Trees: every kind of node and what its accessors say, nothing where there is nothing, the bytes
 * of values, refusals with their place, and the limits.
 */

#include "json/tree.h"

#include "base/limits.h"

#include <string.h>

/* From memory that ends where the text does. */
static VpJsonTree *
parse(const char *text, char **ret_message)
{
    gsize size = strlen(text);
    g_autofree char *exact = g_memdup2(text, size);

    return vp_json_tree_parse(exact, size, ret_message);
}

static VpJsonTree *
parse_valid(const char *text)
{
    g_autofree char *message = NULL;
    VpJsonTree *tree = parse(text, &message);

    g_assert_cmpstr(message, ==, NULL);
    g_assert_nonnull(tree);
    return tree;
}

static void
assert_text(const VpJsonNode *node, const char *text)
{
    gsize size = 0;
    const char *bytes = vp_json_text(node, &size);

    g_assert_cmpmem(bytes, size, text, strlen(text));
}

static void
test_kinds(void)
{
    static const struct {
        const char *text;
        VpJsonKind kind;
    } cases[] = {
        { "null", VP_JSON_NODE_NULL },     { "true", VP_JSON_NODE_BOOL },
        { "false", VP_JSON_NODE_BOOL },    { "-1.5e3", VP_JSON_NODE_NUMBER },
        { "7", VP_JSON_NODE_NUMBER },      { "\"x\"", VP_JSON_NODE_STRING },
        { "[]", VP_JSON_NODE_ARRAY },      { "{}", VP_JSON_NODE_OBJECT },
        { "[1 , 2]", VP_JSON_NODE_ARRAY }, { "{\"a\" : 1}", VP_JSON_NODE_OBJECT },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *spaced = g_strconcat(" \t", cases[i].text, "\r\n", NULL);
        g_autoptr(VpJsonTree) tree = parse_valid(cases[i].text);
        g_autoptr(VpJsonTree) other = parse_valid(spaced);

        g_assert_cmpint(vp_json_kind(vp_json_root(tree)), ==, cases[i].kind);
        for (VpJsonKind kind = VP_JSON_NODE_NULL; kind <= VP_JSON_NODE_OBJECT; kind++)
            g_assert_true(vp_json_is(vp_json_root(tree), kind) == (kind == cases[i].kind));
        assert_text(vp_json_root(tree), cases[i].text);
        assert_text(vp_json_root(other), cases[i].text);
    }
}

static void
test_members(void)
{
    g_autoptr(VpJsonTree) tree =
        parse_valid("{\"s\": \"a\\u00e9\\n\\ud83d\\ude00\", \"\\u0074\" : true,\"f\":false,"
                    "\"n\": -12, \"x\": null, \"s2\": \"\", \"l\": [1, [2, {\"deep\": 3}], {}]}");
    const VpJsonNode *root = vp_json_root(tree), *list = vp_json_get(root, "l");

    g_assert_cmpuint(vp_json_length(root), ==, 7);
    g_assert_cmpstr(vp_json_get_string(root, "s"), ==, "a\u00e9\n\U0001f600");
    g_assert_cmpstr(vp_json_get_string(root, "s2"), ==, "");
    g_assert_true(vp_json_get_bool(root, "t"));
    g_assert_false(vp_json_get_bool(root, "f"));
    g_assert_cmpint(vp_json_get_int(root, "n", 5), ==, -12);
    g_assert_true(vp_json_is(vp_json_get(root, "x"), VP_JSON_NODE_NULL));
    g_assert_cmpuint(vp_json_length(list), ==, 3);
    assert_text(list, "[1, [2, {\"deep\": 3}], {}]");
    assert_text(vp_json_at(list, 1), "[2, {\"deep\": 3}]");
    g_assert_cmpint(vp_json_get_int(vp_json_at(vp_json_at(list, 1), 1), "deep", 0), ==, 3);
    g_assert_cmpstr(vp_json_key_at(root, 1), ==, "t");
    g_assert_cmpstr(vp_json_key_at(root, 6), ==, "l");
    g_assert_true(vp_json_at(root, 6) == list);
}

static void
test_path(void)
{
    g_autoptr(VpJsonTree) tree = parse_valid("{\"a\": {\"b\": {\"c\": \"found\"}, \"s\": \"\"}}");
    const VpJsonNode *root = vp_json_root(tree);

    g_assert_cmpstr(vp_json_string(vp_json_path(root, "a", "b", "c", NULL)), ==, "found");
    g_assert_true(vp_json_path(root, NULL) == root);
    g_assert_null(vp_json_path(root, "a", "x", "c", NULL));
    g_assert_null(vp_json_path(root, "a", "s", "c", NULL));
    g_assert_null(vp_json_path(NULL, "a", NULL));
}

static void
test_nothing(void)
{
    g_autoptr(VpJsonTree) tree = parse_valid("{\"s\": \"1\", \"n\": 1, \"l\": [true]}");
    const VpJsonNode *root = vp_json_root(tree), *list = vp_json_get(root, "l");
    gsize size = 1;

    vp_json_tree_free(NULL);
    g_assert_null(vp_json_root(NULL));
    g_assert_cmpint(vp_json_kind(NULL), ==, VP_JSON_NODE_NULL);
    g_assert_false(vp_json_is(NULL, VP_JSON_NODE_NULL));
    g_assert_null(vp_json_get(NULL, "a"));
    g_assert_null(vp_json_get(list, "a"));
    g_assert_null(vp_json_string(NULL));
    g_assert_null(vp_json_get_string(root, "n"));
    g_assert_null(vp_json_number_text(vp_json_get(root, "s")));
    g_assert_cmpint(vp_json_get_int(root, "s", 9), ==, 9);
    g_assert_cmpint(vp_json_get_int(root, "none", 9), ==, 9);
    g_assert_false(vp_json_get_bool(root, "n"));
    g_assert_false(vp_json_bool(NULL));
    g_assert_true(vp_json_bool(vp_json_at(list, 0)));
    g_assert_cmpuint(vp_json_length(NULL), ==, 0);
    g_assert_cmpuint(vp_json_length(vp_json_get(root, "s")), ==, 0);
    g_assert_null(vp_json_at(vp_json_get(root, "s"), 0));
    g_assert_null(vp_json_at(list, 1));
    g_assert_null(vp_json_key_at(list, 0));
    g_assert_null(vp_json_key_at(root, 3));
    g_assert_null(vp_json_text(NULL, &size));
    g_assert_cmpuint(size, ==, 0);
}

static void
test_equal_keys(void)
{
    g_autoptr(VpJsonTree) tree = parse_valid("{\"a\": 1, \"b\": 2, \"\\u0061\": 3}");
    const VpJsonNode *root = vp_json_root(tree);

    g_assert_cmpint(vp_json_get_int(root, "a", 0), ==, 3);
    g_assert_cmpuint(vp_json_length(root), ==, 3);
    assert_text(vp_json_at(root, 0), "1");
}

static void
test_numbers(void)
{
    static const struct {
        const char *text;
        gint64 value; /* -7: no integer */
    } cases[] = {
        { "0", 0 },
        { "-0", 0 },
        { "9223372036854775807", G_MAXINT64 },
        { "-9223372036854775808", G_MININT64 },
        { "9223372036854775808", -7 },
        { "-9223372036854775809", -7 },
        { "1e3", -7 },
        { "1.0", -7 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf("{\"n\":%s}", cases[i].text);
        g_autoptr(VpJsonTree) tree = parse_valid(text);
        const VpJsonNode *root = vp_json_root(tree);

        g_assert_cmpint(vp_json_get_int(root, "n", -7), ==, cases[i].value);
        g_assert_cmpstr(vp_json_number_text(vp_json_get(root, "n")), ==, cases[i].text);
    }
}

/* What has no place in a C string. */
static void
test_strings(void)
{
    g_autoptr(VpJsonTree) tree = parse_valid("{\"a\\u0000b\": \"x\\u0000y\", \"h\": \"\\ud800\"}");
    const VpJsonNode *root = vp_json_root(tree);

    g_assert_cmpstr(vp_json_get_string(root, "a"), ==, "x");
    assert_text(vp_json_get(root, "a"), "\"x\\u0000y\"");
    g_assert_cmpstr(vp_json_get_string(root, "h"), ==, "\ufffd");
}

static void
test_invalid(void)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        { "", "parse error: premature EOF, near byte 0" },
        { "  ", "parse error: premature EOF, near byte 2" },
        { "{\"a\":", "parse error: premature EOF, near byte 5" },
        { "\"open", "parse error: premature EOF, near byte 5" },
        { "{} {}", "parse error: trailing garbage, near byte 4" },
        { "{} \"no end", "parse error: trailing garbage, near byte 4" },
        { "1 \"", "parse error: trailing garbage, near byte 3" },
        { "[1,]", "parse error: unallowed token at this point in JSON text, near byte 4" },
        { "{'a':1}", "lexical error: invalid char in json text, near byte 2" },
        { "[01]", "parse error: after array element, I expect ',' or ']', near byte 3" },
        { "\"a\nb\"", "lexical error: invalid character inside string, near byte 2" },
        { "[\"\\x\"]", "lexical error: inside a string, '\\' occurs before a character which it "
                       "may not, near byte 3" },
        { "[\"\xff\"]", "lexical error: invalid bytes in UTF8 string, near byte 3" },
        { "[1, /* */ 1]", "lexical error: probable comment found in input text, comments are not "
                           "enabled, near byte 4" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *message = NULL;
        g_autoptr(VpJsonTree) tree = parse(cases[i].text, &message);

        g_assert_null(tree);
        g_assert_cmpstr(message, ==, cases[i].message);
        g_assert_null(vp_json_tree_parse(cases[i].text, -1, NULL));
    }
}

static void
test_embedded_nul(void)
{
    g_assert_null(vp_json_tree_parse("{}\0", 3, NULL));
    g_assert_null(vp_json_tree_parse("\"a\0b\"", 5, NULL));
}

static void
test_depth(void)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint depth = VP_JSON_DEPTH_MAX; depth <= VP_JSON_DEPTH_MAX + 1; depth++) {
        g_autoptr(VpJsonTree) tree = NULL;
        g_autofree char *message = NULL;

        g_string_truncate(text, 0);
        for (guint i = 0; i < depth; i++)
            g_string_append_c(text, '[');
        for (guint i = 0; i < depth; i++)
            g_string_append_c(text, ']');
        tree = vp_json_tree_parse(text->str, -1, &message);
        g_assert_true((tree != NULL) == (depth == VP_JSON_DEPTH_MAX));
        g_assert_cmpstr(message, ==, tree ? NULL : "it is nested deeper than 512");
    }
}

static void
test_values(void)
{
    for (guint count = VP_JSON_VALUES_MAX; count <= VP_JSON_VALUES_MAX + 1; count++) {
        g_autofree char *text = g_malloc(2 * count);
        g_autofree char *message = NULL;
        g_autoptr(VpJsonTree) tree = NULL;
        gsize size = 0;

        text[size++] = '[';
        for (guint i = 1; i < count; i++) {
            text[size++] = '7';
            text[size++] = i + 1 < count ? ',' : ']';
        }
        tree = vp_json_tree_parse(text, size, &message);
        g_assert_true((tree != NULL) == (count == VP_JSON_VALUES_MAX));
        g_assert_true((message != NULL) == !tree);
        g_assert_cmpuint(vp_json_length(vp_json_root(tree)), ==, tree ? count - 1 : 0);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/tree/kinds", test_kinds);
    g_test_add_func("/json/tree/members", test_members);
    g_test_add_func("/json/tree/path", test_path);
    g_test_add_func("/json/tree/nothing", test_nothing);
    g_test_add_func("/json/tree/equal-keys", test_equal_keys);
    g_test_add_func("/json/tree/numbers", test_numbers);
    g_test_add_func("/json/tree/strings", test_strings);
    g_test_add_func("/json/tree/invalid", test_invalid);
    g_test_add_func("/json/tree/embedded-nul", test_embedded_nul);
    g_test_add_func("/json/tree/depth", test_depth);
    g_test_add_func("/json/tree/values", test_values);
    return g_test_run();
}
