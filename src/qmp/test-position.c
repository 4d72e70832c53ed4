/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which answers have a place that can be moved, and where to. */

#include "qmp/position.h"

#include <string.h>

#define SAYS(desc) "{\"error\": {\"class\": \"GenericError\", \"desc\": \"" desc "\"}}"

static void
test_moved(void)
{
    static const struct {
        const char *answer;
        gint64 lines, columns;
        const char *moved; /* NULL: it is as it was */
    } cases[] = {
        { SAYS("1:1: JSON parse error, x"), 0, 0, SAYS("1:1: JSON parse error, x") },
        { SAYS("1:15: JSON parse error, x"), 0, 30, SAYS("1:45: JSON parse error, x") },
        { SAYS("1:15: JSON parse error, x"), 2, 30, SAYS("3:45: JSON parse error, x") },
        { SAYS("2:15: JSON parse error, x"), 2, 30, SAYS("4:15: JSON parse error, x") },
        { SAYS("700:9: JSON parse error, x"), -699, 0, SAYS("1:9: JSON parse error, x") },
        { SAYS("700:9: JSON parse error, x"), -700, 0, NULL },
        { SAYS("JSON parse error, x"), 1, 1, NULL },
        { SAYS(":1: JSON parse error, x"), 1, 1, NULL },
        { SAYS("1:: JSON parse error, x"), 1, 1, NULL },
        { SAYS("1: JSON parse error, x"), 1, 1, NULL },
        { SAYS("0:1: JSON parse error, x"), 1, 1, NULL },
        { SAYS("99999999999999999999:1: JSON parse error, x"), 1, 1, NULL },
        { SAYS("1:1: some other error"), 1, 1, NULL },
        { SAYS("1:1"), 1, 1, NULL },
        { "{\"error\": {\"class\": \"GenericError\", \"desc\": \"1", 1, 1, NULL },
        { "{\"return\": \"1:1: JSON parse error, x\"}", 1, 1, NULL },
        { "", 1, 1, NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        VpJsonSlice answer = { cases[i].answer, strlen(cases[i].answer) };
        GString *moved = vp_qmp_move_position(answer, cases[i].lines, cases[i].columns);

        g_assert_cmpstr(moved ? moved->str : NULL, ==, cases[i].moved);
        if (moved)
            g_string_free(moved, TRUE);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/position/moved", test_moved);
    return g_test_run();
}
