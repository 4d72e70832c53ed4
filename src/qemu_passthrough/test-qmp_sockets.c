/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of links to QMP sockets. The rest is tested with processes: tests/daemon/qmp_sockets.py. */

#include "qemu_passthrough/qmp_sockets.h"

static void
test_link_name(void)
{
    static const struct {
        const char *name;
        const char *link;
    } cases[] = {
        { "debian12", "debian12" },
        { "a.b-c_d@e:f", "a.b-c_d@e:f" },
        { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
        { "a/b", "a%2Fb" },
        { "100% of it", "100%25%20of%20it" },
        { ".", "%2E" },
        { "..", "%2E." },
        { "a\n\x7f", "a%0A%7F" },
        { "", NULL },
        { "c7a5fdbd-edaf-9455-926a-d65c16db1809", NULL },
    };
    g_autofree char *longest = g_strnfill(255, 'x');
    g_autofree char *longer = g_strnfill(256, 'x');
    g_autofree char *link = vp_qmp_sockets_link_name(longest);
    g_autofree char *none = vp_qmp_sockets_link_name(longer);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *found = vp_qmp_sockets_link_name(cases[i].name);

        g_assert_cmpstr(found, ==, cases[i].link);
    }
    g_assert_cmpstr(link, ==, longest);
    g_assert_null(none);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu_passthrough/qmp_sockets/link-name", test_link_name);
    return g_test_run();
}
