/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The table of options: its order, which the search relies on, and rows that stand for the kinds
 * of option there are. tests/argv/options.py compares it with a real QEMU.
 */

#include "argv/options.h"

#include <string.h>

static void
test_order(void)
{
    gsize n = 0;
    const VpOptionRow *rows = vp_option_rows(&n);

    for (gsize i = 1; i < n; i++)
        g_assert_cmpstr(rows[i - 1].name, <, rows[i].name);
    for (gsize i = 0; i < n; i++)
        g_assert_true(vp_option_find(rows[i].name) == &rows[i]);
}

static void
test_unknown(void)
{
    static const char *const names[] = { "", "-", "zzz", "Device", "devic", "device2", "-device",
                                         "cpudef", "curses" };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        g_assert_null(vp_option_find(names[i]));
}

/* What has no value has no keys either; what names its instances has keys to name them by. */
static void
test_rows_make_sense(void)
{
    gsize n = 0;
    const VpOptionRow *rows = vp_option_rows(&n);

    for (gsize i = 0; i < n; i++) {
        const VpOptionRow *row = &rows[i];
        bool has_keys = row->syntax > VP_SYNTAX_PLAIN;

        g_assert_cmpint(row->syntax, <, VP_SYNTAX_JSON);
        if (row->syntax == VP_SYNTAX_NONE)
            g_assert_false(row->json);
        if (!has_keys) {
            g_assert_null(row->implied);
            g_assert_null(row->group);
            g_assert_null(row->id_key);
        }
    }
}

static void
test_kinds(void)
{
    static const struct {
        const char *name;
        VpSyntax syntax;
        const char *implied;
        bool json;
        const char *group;
        const char *id_key;
    } cases[] = {
        { "S", VP_SYNTAX_NONE, NULL, false, NULL, NULL },
        { "kernel", VP_SYNTAX_PLAIN, NULL, false, NULL, NULL },
        { "serial", VP_SYNTAX_PLAIN, NULL, false, NULL, NULL },
        { "incoming", VP_SYNTAX_PLAIN, NULL, true, NULL, NULL },
        { "device", VP_SYNTAX_OPTS, "driver", true, "device", "id" },
        { "drive", VP_SYNTAX_OPTS, NULL, false, "drive", "id" },
        { "m", VP_SYNTAX_OPTS, "size", false, "memory", NULL },
        { "smp", VP_SYNTAX_KEYVAL, "cpus", false, "smp-opts", NULL },
        { "machine", VP_SYNTAX_KEYVAL, "type", false, "machine", NULL },
        { "M", VP_SYNTAX_KEYVAL, "type", false, "machine", NULL },
        { "object", VP_SYNTAX_KEYVAL, "qom-type", true, "object", "id" },
        { "blockdev", VP_SYNTAX_KEYVAL, "driver", true, NULL, "node-name" },
        { "cpu", VP_SYNTAX_CPU, "type", false, NULL, NULL },
        { "global", VP_SYNTAX_GLOBAL, NULL, false, "global", NULL },
        { "singlestep", VP_SYNTAX_NONE, NULL, false, NULL, NULL },          /* until 8.2 */
        { "shim", VP_SYNTAX_PLAIN, NULL, false, NULL, NULL },               /* since 10.0 */
        { "run-with", VP_SYNTAX_OPTS, NULL, false, "run-with", NULL },      /* since 8.1 */
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const VpOptionRow *row = vp_option_find(cases[i].name);

        g_assert_nonnull(row);
        g_assert_cmpint(row->syntax, ==, cases[i].syntax);
        g_assert_cmpstr(row->implied, ==, cases[i].implied);
        g_assert_true(row->json == cases[i].json);
        g_assert_cmpstr(row->group, ==, cases[i].group);
        g_assert_cmpstr(row->id_key, ==, cases[i].id_key);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/argv/options/order", test_order);
    g_test_add_func("/argv/options/unknown", test_unknown);
    g_test_add_func("/argv/options/rows-make-sense", test_rows_make_sense);
    g_test_add_func("/argv/options/kinds", test_kinds);
    return g_test_run();
}
