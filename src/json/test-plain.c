/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The short cut of the check: that it is taken where it should be, and never where the parser would
 * say something else. What is longer than a plain text is the parser's to judge, so white space
 * behind a text makes the parser judge it.
 */

#include "json/plain.h"

#include <string.h>

/* What the parser says. The text is one byte longer than a plain one, at least. */
static bool
parser_passes(const char *text, VpJsonFacts *ret_facts)
{
    g_autoptr(GString) longer = g_string_new(text);
    g_autofree char *message = NULL;
    bool passed = false;

    while (longer->len <= VP_JSON_PLAIN_SIZE_MAX)
        g_string_append_c(longer, ' ');
    passed = vp_json_check(longer->str, longer->len, ret_facts, &message);
    if (passed)
        ret_facts->value.text = text + (ret_facts->value.text - longer->str);
    return passed;
}

/* The text without a byte behind it. */
static bool
is_plain(const char *text, gsize size)
{
    g_autofree char *exact = g_memdup2(text, size);
    VpJsonFacts facts = { .depth = 77 };
    bool plain = vp_json_check_plain(exact, size, &facts);

    g_assert_true(plain || facts.depth == 77);
    return plain;
}

static void
test_plain(void)
{
    static const char *const texts[] = {
        "{}",
        "\v\f { } \r\n\t",
        "{\"execute\":\"query-status\"}",
        "{ \"execute\" : \"a b\" , \"id\" : -12 ,\n\"arguments\" : { \"a\":\"/~\", \"b\": [ ] } }",
        "{\"a\":{\"a\":{\"a\":[{\"a\":1},{\"a\":0}]}},\"b\":[true,false,null,-0,10]}",
        "{\"a\":1,\"A\":1,\"aa\":1,\"\":1}",
        "{\"a\":{\"b\":1},\"b\":{\"b\":1,\"a\":2}}",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        VpJsonFacts plain = { 0 }, parsed = { 0 };

        g_assert_true(is_plain(texts[i], strlen(texts[i])));
        g_assert_true(vp_json_check_plain(texts[i], strlen(texts[i]), &plain));
        g_assert_true(parser_passes(texts[i], &parsed));
        g_assert_cmpint(plain.type, ==, parsed.type);
        g_assert_cmpuint(plain.depth, ==, parsed.depth);
        g_assert_true(plain.doubtful == parsed.doubtful);
        g_assert_true(plain.value.text == parsed.value.text);
        g_assert_cmpuint(plain.value.size, ==, parsed.value.size);
    }
}

/* Valid for the parser. */
static void
test_left_to_the_parser(void)
{
    static const char *const texts[] = {
        "[]", "1", "\"a\"", "{\"a\":1.5}", "{\"a\":1e3}", "{\"a\":\"\\n\"}", "{\"\\u0061\":1}",
        "{\"a\":\"\xc3\xa9\"}", "{\"a\":\"\x7f\"}", "{} \"no end",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        VpJsonFacts facts = { 0 };
        g_autofree char *message = NULL;

        g_assert_false(is_plain(texts[i], strlen(texts[i])));
        g_assert_true(vp_json_check(texts[i], strlen(texts[i]), &facts, &message));
    }
}

static void
test_wrong(void)
{
    static const char *const texts[] = {
        "", " ", "{", "}", "{\"", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,",
        "{\"a\":1,}", "{,}", "{a:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{\"a\":1}}", "{}{}",
        "{} x", "{\"a\":[}", "{\"a\":[1,]}", "{\"a\":[1 2]}", "{\"a\":[1}", "{\"a\":]}",
        "{\"a\":01}", "{\"a\":-}", "{\"a\":+1}", "{\"a\":1-}", "{\"a\":1 2}", "{\"a\":-01}",
        "{\"a\":tru}", "{\"a\":truee}", "{\"a\":nul", "{\"a\":True}", "{\"a\":'b'}",
        "{\"a\":\"\n\"}", "{\"a\":\"b}", "{\"a\":1,\"a\":2}",
        "{\"a\":{\"b\":1,\"c\":[{}],\"b\":2}}", "{\"a\":{\"b\":1},\"c\":{},\"a\":1}",
        "{\"\":1,\"\":2}",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        VpJsonFacts facts = { 0 };

        g_assert_false(is_plain(texts[i], strlen(texts[i])));
        g_assert_false(parser_passes(texts[i], &facts));
    }
    g_assert_false(is_plain("{\"a\":1\0}", 8));
    g_assert_false(is_plain("{}\0", 3));
}

/* "{\"a\":{\"a\":...{}...}}" */
static void
test_depth_limit(void)
{
    for (guint depth = VP_JSON_PLAIN_DEPTH_MAX; depth <= VP_JSON_PLAIN_DEPTH_MAX + 1; depth++) {
        g_autoptr(GString) text = g_string_new(NULL);
        VpJsonFacts facts = { 0 };

        for (guint i = 1; i < depth; i++)
            g_string_append(text, "{\"a\":");
        for (guint i = 0; i < depth; i++)
            g_string_append(text, i == 0 ? "{}" : "}");
        g_assert_true(is_plain(text->str, text->len) == (depth == VP_JSON_PLAIN_DEPTH_MAX));
        g_assert_true(parser_passes(text->str, &facts));
        g_assert_cmpuint(facts.depth, ==, depth);
    }
}

static void
test_key_limit(void)
{
    g_autoptr(GString) text = g_string_new("{\"a\":{\"b\":1}");

    /* A closed object's keys do not count. */
    for (guint n = 2; n <= VP_JSON_PLAIN_KEYS_MAX + 1; n++) {
        g_string_append_printf(text, ",\"%u\":{}}", n);
        g_assert_true(is_plain(text->str, text->len) == (n <= VP_JSON_PLAIN_KEYS_MAX));
        g_string_truncate(text, text->len - 1);
    }
}

static void
test_size_limit(void)
{
    g_autoptr(GString) text = g_string_new("{}");

    while (text->len < VP_JSON_PLAIN_SIZE_MAX)
        g_string_append_c(text, ' ');
    g_assert_true(is_plain(text->str, text->len));
    g_string_append_c(text, ' ');
    g_assert_false(is_plain(text->str, text->len));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/plain/plain", test_plain);
    g_test_add_func("/json/plain/left-to-the-parser", test_left_to_the_parser);
    g_test_add_func("/json/plain/wrong", test_wrong);
    g_test_add_func("/json/plain/depth-limit", test_depth_limit);
    g_test_add_func("/json/plain/key-limit", test_key_limit);
    g_test_add_func("/json/plain/size-limit", test_size_limit);
    return g_test_run();
}
