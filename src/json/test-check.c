/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The check of commands: what passes, what is known of it, and for what does not pass the text
 * that libvirt 9.0 was seen to write for it.
 */

#include "json/check.h"

#include "base/limits.h"

#include <string.h>

#define ARROW "\n                     (right here) ------^\n"

static void
test_invalid(void)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        { "", "parse error: premature EOF\n                                       " ARROW },
        { " ", "parse error: premature EOF\n                                        " ARROW },
        { "{\"execute\":", "parse error: premature EOF\n"
                           "                                       {\"execute\":" ARROW },
        { "{\"execute\":\"query-status\"} x",
          "parse error: trailing garbage\n"
          "            {\"execute\":\"query-status\"} x" ARROW },
        { "{\"execute\":\"query-status\"}{}",
          "parse error: trailing garbage\n"
          "             {\"execute\":\"query-status\"}{}" ARROW },
        { "foo", "lexical error: invalid string in json text.\n"
                 "                                       foo" ARROW },
        { "{'execute':'a'}", "lexical error: invalid char in json text.\n"
                             "                                      {'execute':'a'}" ARROW },
        { "{\"execute\":\"query-status\",\"x\":01}",
          "parse error: after key and value, inside map, I expect ',' or '}'\n"
          "          \"execute\":\"query-status\",\"x\":01}" ARROW },
        { "{\"execute\":\"query-status\",\"x\":\"a\nb\"}",
          "lexical error: invalid character inside string.\n"
          "          execute\":\"query-status\",\"x\":\"a b\"}" ARROW },
        { "{\"execute\":\"query-status\",\"id\":1,\"id\":2}",
          "parse error: client cancelled parse via callback return value\n"
          "          \":\"query-status\",\"id\":1,\"id\":2}" ARROW },
        { "{\"execute\":\"query-status\",\"arguments\":{\"a\":{\"x\":1},\"a\":{\"y\":2}}}",
          "parse error: client cancelled parse via callback return value\n"
          "          \"arguments\":{\"a\":{\"x\":1},\"a\":{\"y\":2}}}" ARROW },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gsize size = strlen(cases[i].text);
        g_autofree char *exact = g_memdup2(cases[i].text, size);
        g_autofree char *message = NULL;
        VpJsonFacts facts = { .depth = 77 };

        g_assert_false(vp_json_check(exact, size, &facts, &message));
        g_assert_cmpstr(message, ==, cases[i].message);
        g_assert_cmpuint(facts.depth, ==, 77);
    }
}

/* The value is returned in a copy: what @ret_facts says of it is not to be used. */
static bool
passes(const char *text, VpJsonFacts *ret_facts, char **ret_value)
{
    gsize size = strlen(text);
    g_autofree char *exact = g_memdup2(text, size);
    g_autofree char *message = NULL;
    bool passed = vp_json_check(exact, size, ret_facts, &message);

    g_assert_true(passed == !message);
    if (passed && ret_value)
        *ret_value = g_strndup(ret_facts->value.text, ret_facts->value.size);
    return passed;
}

static void
test_facts(void)
{
    static const struct {
        const char *text;
        const char *value;
        VpJsonType type;
        guint depth;
    } cases[] = {
        { "{}", "{}", VP_JSON_OBJECT, 1 },
        { "\v\f {\"a\"\v:\f1}\r\n\t", "{\"a\"\v:\f1}", VP_JSON_OBJECT, 1 },
        { "[1, [2, {\"a\": [3]}], []]", "[1, [2, {\"a\": [3]}], []]", VP_JSON_ARRAY, 4 },
        { " \"x\" ", "\"x\"", VP_JSON_STRING, 0 },
        { "-1e999", "-1e999", VP_JSON_NUMBER, 0 },
        { "99999999999999999999999999\n", "99999999999999999999999999", VP_JSON_NUMBER, 0 },
        { "false", "false", VP_JSON_BOOLEAN, 0 },
        { "null", "null", VP_JSON_NULL, 0 },
        { "[{\"a\": 1}, {\"a\": {\"a\": 1}}]", "[{\"a\": 1}, {\"a\": {\"a\": 1}}]",
          VP_JSON_ARRAY, 3 },
        { "{} \"no end", "{}", VP_JSON_OBJECT, 1 },
        { "1 \"\\u0000", "1", VP_JSON_NUMBER, 0 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        VpJsonFacts facts = { 0 };
        g_autofree char *value = NULL;

        g_assert_true(passes(cases[i].text, &facts, &value));
        g_assert_cmpstr(value, ==, cases[i].value);
        g_assert_cmpint(facts.type, ==, cases[i].type);
        g_assert_cmpuint(facts.depth, ==, cases[i].depth);
        g_assert_false(facts.doubtful);
    }
}

static void
test_repeated_keys(void)
{
    VpJsonFacts facts;

    g_assert_false(passes("{\"a\": 1, \"b\": 2, \"a\": 3}", &facts, NULL));
    g_assert_false(passes("{\"a\": 1, \"\\u0061\": 3}", &facts, NULL));
    g_assert_false(passes("{\"x\": [{\"y\": {\"a\": {\"a\": 1}, \"a\": 1}}]}", &facts, NULL));
    g_assert_false(passes("{\"a\": {}, \"b\": {\"a\": 1}, \"a\": 1}", &facts, NULL));
    g_assert_false(passes("{\"\": 1, \"\": 1}", &facts, NULL));
    /* As in libvirt, which ends a key at its first NUL. */
    g_assert_false(passes("{\"x\\u0000a\": 1, \"x\\u0000b\": 1}", &facts, NULL));
    g_assert_true(passes("{\"a\": 1, \"A\": 1, \"aa\": 1}", &facts, NULL));
}

static void
test_doubtful(void)
{
    static const struct {
        const char *text;
        bool doubtful;
    } cases[] = {
        { "\"\\u0001\"", false },
        { "\"\\u0000\"", true },
        { "\"\\u00e9 \xc3\xa9 \\ud83d\\ude00 \xf0\x9f\x98\x80 \\\\u0000 \\n\"", false },
        { "\"\\ud800\"", true },
        { "\"\\udc00\"", true },
        { "\"\\ude00\\ud83d\"", true },
        { "\"\\ud83d\\n\"", true },
        { "\"\\ud7ff\\ue000\"", false },
        { "\"\\ufffd\"", false },
        { "\"\\uffff\"", true },
        { "\"\\ufffe\"", true },
        { "\"\\ufdd0\"", true },
        { "\"\\ufdef\"", true },
        { "\"\\ufdf0\"", false },
        { "\"\\ud83f\\udfff\"", true },  /* U+1FFFF */
        { "\"\xef\xbf\xbf\"", true },    /* U+FFFF */
        { "\"\xc0\x80\"", true },        /* overlong NUL: yajl takes it */
        { "\"\xed\xa0\x80\"", true },    /* a surrogate: yajl takes it */
        { "\"\xf4\x90\x80\x80\"", true }, /* above U+10FFFF: yajl takes it */
        { "{\"\\ufdd0\": 1}", true },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        VpJsonFacts facts = { 0 };

        g_assert_true(passes(cases[i].text, &facts, NULL));
        g_assert_true(facts.doubtful == cases[i].doubtful);
    }
}

static void
test_nesting_limit(void)
{
    for (guint depth = VP_QMP_NESTING_MAX; depth <= VP_QMP_NESTING_MAX + 1; depth++) {
        g_autofree char *open = g_strnfill(depth, '[');
        g_autofree char *close = g_strnfill(depth, ']');
        g_autofree char *text = g_strconcat(open, close, NULL);
        g_autofree char *message = NULL;
        VpJsonFacts facts = { 0 };

        g_assert_true(vp_json_check(text, strlen(text), &facts, &message) ==
                      (depth == VP_QMP_NESTING_MAX));
        g_assert_cmpstr(message, ==,
                        depth == VP_QMP_NESTING_MAX ? NULL : "nested too deep for QEMU");
    }
}

/* An array of @values ones has two tokens more. */
static bool
array_passes(guint values, char **ret_message)
{
    g_autoptr(GString) text = g_string_new("[1");
    VpJsonFacts facts;

    for (guint i = 1; i < values; i++)
        g_string_append(text, ",1");
    g_string_append_c(text, ']');
    return vp_json_check(text->str, text->len, &facts, ret_message);
}

static void
test_token_limit(void)
{
    g_autofree char *message = NULL;

    g_assert_true(array_passes(VP_QMP_TOKENS_MAX - 2, &message));
    g_assert_false(array_passes(VP_QMP_TOKENS_MAX - 1, &message));
    g_assert_cmpstr(message, ==, "too many values");
}

/* As many keys as a command can have: must not take more than linear time and a bit. */
static void
test_many_keys(void)
{
    g_autoptr(GString) text = g_string_new("{");
    gint64 start = g_get_monotonic_time();
    VpJsonFacts facts;

    for (guint i = 0; i < VP_QMP_TOKENS_MAX / 2 - 1; i++)
        g_string_append_printf(text, "%s\"%x\":1", i ? "," : "", i);
    g_string_append_c(text, '}');
    g_assert_true(passes(text->str, &facts, NULL));
    g_assert_cmpint(g_get_monotonic_time() - start, <, 30 * G_USEC_PER_SEC);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/check/invalid", test_invalid);
    g_test_add_func("/json/check/facts", test_facts);
    g_test_add_func("/json/check/repeated-keys", test_repeated_keys);
    g_test_add_func("/json/check/doubtful", test_doubtful);
    g_test_add_func("/json/check/nesting-limit", test_nesting_limit);
    g_test_add_func("/json/check/token-limit", test_token_limit);
    g_test_add_func("/json/check/many-keys", test_many_keys);
    return g_test_run();
}
