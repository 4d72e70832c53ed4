/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Quoting, compacting and decoding. */

#include "json/text.h"

#include <string.h>

static void
test_quoted(void)
{
    static const struct {
        const char *text;
        const char *json;
    } cases[] = {
        { "", "\"\"" },
        { "info status", "\"info status\"" },
        { "a\"b\\c/d", "\"a\\\"b\\\\c/d\"" },
        { "\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"" },
        { "\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\"" },
        { "h\xc3\xa9\xff", "\"h\xc3\xa9\xff\"" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) out = g_string_new("x");

        vp_json_append_quoted(out, cases[i].text);
        g_assert_cmpstr(out->str + 1, ==, cases[i].json);
    }
}

static void
test_quote_and_decode(void)
{
    for (guint c = 1; c < 256; c++) {
        char text[] = { 'a', (char)c, 'z', '\0' };
        g_autoptr(GString) out = g_string_new(NULL);
        g_autofree char *back = NULL;

        vp_json_append_quoted(out, text);
        back = vp_json_decode_string(out->str, out->len);
        g_assert_cmpstr(back, ==, text);
    }
}

static void
test_compact(void)
{
    static const struct {
        const char *text;
        const char *compact;
    } cases[] = {
        { "", "" },
        { " \t\r\n\v\f", "" },
        { "{\"a\": [1, 2], \"b\": \"x y\"}", "{\"a\":[1,2],\"b\":\"x y\"}" },
        { "  { }\n", "{}" },
        { "[\" \\\" \", \"\\\\\" , 1 ]", "[\" \\\" \",\"\\\\\",1]" },
        { "\"unfinished ", "\"unfinished " }, /* not valid, but nothing may break */
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gsize size = strlen(cases[i].text);
        g_autofree char *exact = g_memdup2(cases[i].text, size);
        g_autoptr(GString) out = g_string_new("x");

        vp_json_append_compact(out, exact, size);
        g_assert_cmpstr(out->str + 1, ==, cases[i].compact);
        g_assert_cmpuint(out->len, ==, strlen(out->str));
    }
}

static void
test_decode(void)
{
    static const struct {
        const char *json;
        const char *text; /* NULL: refused */
    } cases[] = {
        { "\"\"", "" },
        { "\"VM status: running\\r\\n\"", "VM status: running\r\n" },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
        { "\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac" },
        { "\"\\ud83d\\ude00!\"", "\xf0\x9f\x98\x80!" },
        { "\"\\ud83d!\"", "\xef\xbf\xbd!" },
        { "\"\\ude00\\ud83d\"", "\xef\xbf\xbd\xef\xbf\xbd" },
        { "\"\\ud83d\\u0041\"", "\xef\xbf\xbd" "A" },
        { "\"a\\u0000b\"", "a" },
        { "\"\xc3\xa9\"", "\xc3\xa9" },
        { "\"\\x\"", NULL },
        { "\"\\u12\"", NULL },
        { "\"\\u12g4\"", NULL },
        { "\"a", NULL },
        { "\"", NULL },
        { "", NULL },
        { "12", NULL },
        { "\"a\"b", NULL },
        { "\"a\"b\"", NULL },
        { "\"a\nb\"", NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gsize size = strlen(cases[i].json);
        g_autofree char *exact = g_memdup2(cases[i].json, size);
        g_autofree char *text = vp_json_decode_string(exact, size);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

/* A refused string leaves nothing behind. */
static void
test_append_decoded(void)
{
    g_autoptr(GString) out = g_string_new("kept");

    g_assert_false(vp_json_append_decoded(out, "abc\\q", 5));
    g_assert_cmpstr(out->str, ==, "kept");
    g_assert_true(vp_json_append_decoded(out, "\\t1", 3));
    g_assert_cmpstr(out->str, ==, "kept\t1");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/text/quoted", test_quoted);
    g_test_add_func("/json/text/quote-and-decode", test_quote_and_decode);
    g_test_add_func("/json/text/compact", test_compact);
    g_test_add_func("/json/text/decode", test_decode);
    g_test_add_func("/json/text/append-decoded", test_append_decoded);
    return g_test_run();
}
