/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "a=b,c=d" taken apart. */

#include "argv/pairs.h"

static void
check_pairs(const char *text, const char *expected)
{
    g_autoptr(GArray) pairs = vp_pairs_split(text);
    g_autoptr(GString) found = g_string_new(NULL);

    for (guint i = 0; i < pairs->len; i++) {
        const VpPair *pair = &g_array_index(pairs, VpPair, i);

        g_string_append_printf(found, "[%s|%s]", pair->key, pair->value ? pair->value : "-");
    }
    g_assert_cmpstr(found->str, ==, expected);
}

static void
test_pairs(void)
{
    check_pairs("", "");
    check_pairs("a", "[a|-]");
    check_pairs("a=b", "[a|b]");
    check_pairs("a=b,c=d=e,f=", "[a|b][c|d=e][f|]");
    check_pairs("a=b,,c,d=,,,e", "[a|b,c][d|,][e|-]");
    check_pairs(",,", "[,|-]");
    /* nothing comes of a comma at the end, of an empty part a key without a name */
    check_pairs("a,", "[a|-]");
    check_pairs("a=b,", "[a|b]");
    check_pairs("a=b,,", "[a|b,]");
    check_pairs(",a=b", "[|-][a|b]");
    check_pairs("a=b,c,,d=e", "[a|b][c|-][|-][d|e]");
    check_pairs("=b", "[|b]");
    /* a first part without a key may have commas and what looks like one */
    check_pairs("a,,b,c=d", "[a,b|-][c|d]");
    check_pairs("a,,b=c", "[a,b=c|-]");
    check_pairs("a=b,c,,d", "[a|b][c|-][|-][d|-]");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pairs", test_pairs);
    return g_test_run();
}
