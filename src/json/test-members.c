/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Objects and arrays, item by item: what comes out, what is refused, and what cutting leaves. */

#include "json/members.h"

#include "base/limits.h"

#include <string.h>

/* Items as "key=value|", ended by "." for END and "!" for BROKEN. */
static char *
describe(const char *text, gsize size)
{
    GString *out = g_string_new(NULL);
    VpJsonItems items;
    VpJsonItem item;
    VpJsonStep step;

    vp_json_items_init(&items, text, size);
    while ((step = vp_json_items_next(&items, &item)) == VP_JSON_ITEM) {
        if (item.key.text)
            g_string_append_printf(out, "%.*s=", (int)item.key.size, item.key.text);
        g_string_append_printf(out, "%.*s|", (int)item.value.size, item.value.text);
    }
    g_string_append_c(out, step == VP_JSON_END ? '.' : '!');
    g_assert_cmpint(vp_json_items_next(&items, &item), ==, step);
    return g_string_free(out, FALSE);
}

static const struct {
    const char *text;
    const char *found;
} cases[] = {
    { "{}", "." },
    { " { } \r\n", "." },
    { "[]", "." },
    { "{\"a\":1}", "a=1|." },
    { "{ \"a\" : 1 , \"b\" : [ 2 ] }", "a=1|b=[ 2 ]|." },
    { "{\"return\": {\"a\": {}}, \"id\": 3}", "return={\"a\": {}}|id=3|." },
    { "[1, \"x\", {\"k\": []}]", "1|\"x\"|{\"k\": []}|." },
    { "{\"a\\\"b\": true}", "a\\\"b=true|." },
    { "", "!" },
    { "   ", "!" },
    { "1", "!" },
    { "\"a\"", "!" },
    { "{", "!" },
    { "{\"a\"", "!" },
    { "{\"a\":", "!" },
    { "{\"a\" 1}", "!" },
    { "{\"a\":}", "!" },
    { "{a:1}", "!" },
    { "{1:1}", "!" },
    { "{,}", "!" },
    { "{\"a\":1", "a=1|!" },
    { "{\"a\":1,", "a=1|!" },
    { "{\"a\":1,}", "a=1|!" },
    { "{\"a\":1 \"b\":2}", "a=1|!" },
    { "{\"a\":1]", "a=1|!" },
    { "{\"a\":1}}", "a=1|!" },
    { "{\"a\":1} x", "a=1|!" },
    { "{\"a\":1}{}", "a=1|!" },
    { "{\"a\":1-2.}", "a=1-2.|." }, /* numbers are not looked into */
    { "{\"a\":1x}", "a=1|!" },
    { "[1,]", "1|!" },
    { "[1 2]", "1|!" },
    { "[1}", "1|!" },
    { "{\"a\":\"b}", "!" },
    { "{\"a\":{}", "a={}|!" },
    { "{\"a\":[{]}", "!" },
};

static void
test_items(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gsize size = strlen(cases[i].text);
        g_autofree char *exact = g_memdup2(cases[i].text, size);
        g_autofree char *found = describe(exact, size);

        g_assert_cmpstr(found, ==, cases[i].found);
    }
}

/* Leaves out one item after the other; what is left must have all others. */
static void
test_cut(void)
{
    static const char *const texts[] = {
        "{\"a\": 1}", "{ \"a\":1 , \"b\":2 }", "{\"a\":1,\"b\":[2],\"c\":{}}", "[1]", "[ 1, 2 ,3 ]",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *all = describe(texts[i], strlen(texts[i]));
        g_auto(GStrv) names = g_strsplit(all, "|", -1);
        VpJsonItems items;
        VpJsonItem item;

        vp_json_items_init(&items, texts[i], strlen(texts[i]));
        for (guint n = 0; vp_json_items_next(&items, &item) == VP_JSON_ITEM; n++) {
            g_autofree char *left = g_strdup_printf("%.*s%s", (int)(item.cut.text - texts[i]),
                                                    texts[i], item.cut.text + item.cut.size);
            g_autofree char *found = describe(left, strlen(left));
            g_autoptr(GString) expected = g_string_new(NULL);

            for (guint k = 0; names[k]; k++) {
                if (k != n)
                    g_string_append_printf(expected, "%s%s", names[k], names[k + 1] ? "|" : "");
            }
            g_assert_cmpstr(found, ==, expected->str);
        }
    }
}

static void
test_nesting(void)
{
    for (guint depth = VP_QMP_NESTING_MAX - 1; depth <= VP_QMP_NESTING_MAX; depth++) {
        g_autofree char *open = g_strnfill(depth, '[');
        g_autofree char *close = g_strnfill(depth, ']');
        g_autofree char *text = g_strdup_printf("{\"a\":%s%s}", open, close);
        g_autofree char *found = describe(text, strlen(text));

        g_assert_cmpint(found[strlen(found) - 1], ==, depth < VP_QMP_NESTING_MAX ? '.' : '!');
    }
}

static void
test_names(void)
{
    const char *text = "{\"i\\u0064\": \"g\\u0065tfd\", \"b\\q\": 1, \"x\": \"\"}";
    VpJsonSlice object = { .text = text, .size = strlen(text) };
    VpJsonSlice id = vp_json_member(object, "id");

    g_assert_true(vp_json_string_is(id, "getfd"));
    g_assert_false(vp_json_string_is(id, "getfdx"));
    g_assert_false(vp_json_string_is(id, "getf"));
    g_assert_null(vp_json_member(object, "bq").text);
    g_assert_null(vp_json_member(object, "i").text);
    g_assert_true(vp_json_string_is(vp_json_member(object, "x"), ""));
    g_assert_false(vp_json_string_is((VpJsonSlice){ 0 }, ""));
    g_assert_false(vp_json_string_is((VpJsonSlice){ .text = "12", .size = 2 }, ""));
    g_assert_false(vp_json_raw_is((VpJsonSlice){ 0 }, ""));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/members/items", test_items);
    g_test_add_func("/json/members/cut", test_cut);
    g_test_add_func("/json/members/nesting", test_nesting);
    g_test_add_func("/json/members/names", test_names);
    return g_test_run();
}
