/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The scanner against what a value is: table of values and non-values, each at every distance
 * from the end of a block, since that is where masks carry over. And the fast masks against the
 * portable ones.
 */

#include "json/scan.h"

#include "base/limits.h"

#include <string.h>

static const char *const values[] = {
    "0",
    "-1.5e+10",
    "true",
    "false",
    "null",
    "\"\"",
    "\"a\\\"b\\\\\"",
    "\"\\\\\\\\\\\\\"",
    "{}",
    "[]",
    "[[],{},[{}]]",
    "{\"a\": {\"b\": [1, 2, {\"c\": \"]}\\\"\"}]}}",
    "[\"\\\\\", \"{[\", \"\\\\\\\"]\"]",
    "[\"\\u00e9\", \"é\"]",
    "{\"return\": \"VM status: running\\r\\n\"}",
};

/* What must not pass, whatever follows. */
static const char *const broken[] = {
    "",     "tru",   "True",      "nul!",      "x",        "]",           "}",          ",",
    "\"",   "\"a\\", "\"a\\\"",   "\"a\nb\"",  "\"\x01\"", "\"a\\\nb\"",  "[",          "{",
    "[[]",  "[}",    "{]",        "{\"a\":[}", "[{]}",     "[\"a\nb\"]",  "[\"\\\n\"]", "[\"",
    "[\"]", "{\"a",  "[\"a\\\"]", "[\"\\",     "[\"\t\"]", "{\"\\\\\"]}", "[[[[[[}",
};

/* Finds the value when it is preceded by @padding strings' bytes in the same block. */
static void
assert_skips(const char *value, gsize padding)
{
    g_autofree char *long_string = g_strnfill(padding, 'x');
    g_autofree char *text = g_strdup_printf("[\"%s\", %s]}], \"", long_string, value);
    g_autofree char *alone = g_strdup_printf("%s, \"", value);

    g_assert_true(vp_json_skip_value(text, text + strlen(text), 10) ==
                  text + padding + strlen(value) + 6);
    g_assert_true(vp_json_skip_value(alone, alone + strlen(alone), 10) == alone + strlen(value));
}

static void
test_values(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
        for (gsize padding = 0; padding < 2 * VP_JSON_BLOCK; padding++)
            assert_skips(values[i], padding);
    }
}

static void
test_broken(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(broken); i++) {
        for (gsize padding = 0; padding < 2 * VP_JSON_BLOCK; padding++) {
            g_autofree char *space = g_strnfill(padding, ' ');
            g_autofree char *nested = g_strdup_printf("[%s%s", space, broken[i]);
            const char *end = broken[i] + strlen(broken[i]);

            g_assert_null(vp_json_skip_value(broken[i], end, 10));
            if (strchr("[{]}\"", broken[i][0]) && broken[i][0] != ']')
                g_assert_null(vp_json_skip_value(nested, nested + strlen(nested), 10));
        }
    }
}

/* No byte behind the end is looked at: a heap block of the exact size lets ASan see it. */
static void
test_every_prefix(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
        gsize size = strlen(values[i]);

        for (gsize n = 1; n < size; n++) {
            g_autofree char *prefix = g_memdup2(values[i], n);

            if (strchr("\"[{tfn", values[i][0]))
                g_assert_null(vp_json_skip_value(prefix, prefix + n, 10));
            else
                g_assert_true(vp_json_skip_value(prefix, prefix + n, 10) == prefix + n);
        }
    }
}

static bool
nests(guint depth, guint depth_max)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < depth; i++)
        g_string_append(text, i % 3 ? "[" : "{\"a\":");
    for (guint i = depth; i-- > 0;)
        g_string_append_c(text, i % 3 ? ']' : '}');
    return vp_json_skip_value(text->str, text->str + text->len, depth_max) ==
           text->str + text->len;
}

static void
test_nesting(void)
{
    g_assert_true(nests(1, 1));
    g_assert_false(nests(2, 1));
    g_assert_true(nests(100, 100));
    g_assert_false(nests(101, 100));
    g_assert_true(nests(VP_QMP_NESTING_MAX, VP_QMP_NESTING_MAX));
    g_assert_false(nests(VP_QMP_NESTING_MAX + 1, VP_QMP_NESTING_MAX));
    g_assert_false(nests(VP_QMP_NESTING_MAX + 1, VP_QMP_NESTING_MAX + 1));
}

static void
test_blocks(void)
{
    char bytes[256 + VP_JSON_BLOCK];

    for (gsize i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)i;
    for (gsize i = 0; i <= 256; i++) {
        VpJsonBlock fast, portable;

        vp_json_block_fast(bytes + i, &fast);
        vp_json_block_portable(bytes + i, &portable);
        g_assert_cmpmem(&fast, sizeof(fast), &portable, sizeof(portable));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/scan/values", test_values);
    g_test_add_func("/json/scan/broken", test_broken);
    g_test_add_func("/json/scan/every-prefix", test_every_prefix);
    g_test_add_func("/json/scan/nesting", test_nesting);
    g_test_add_func("/json/scan/blocks", test_blocks);
    return g_test_run();
}
