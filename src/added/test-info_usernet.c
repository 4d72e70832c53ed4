/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * "info usernet": what QEMU 7.2 said, rows of libslirp's other kinds, and lines that are none. The
 * text has been the same up to QEMU 11.1 and libslirp 4.9.
 */

#include "added/info_usernet.h"

#include "base/limits.h"

#include <string.h>

#define HEADING \
    "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"

static char *
print(const VpUsernetConnection *row)
{
    return g_strdup_printf("%s/%s/%d/%s/%d/%s/%d/%d/%d", row->protocol, row->state, (int)row->fd,
                           row->source ?: "*", (int)row->source_port, row->destination ?: "*",
                           (int)row->destination_port, (int)row->received, (int)row->sent);
}

static void
test_transcript(void)
{
    static const char text[] =
        "Hub -1 (nu):\r\n" HEADING
        "  TCP[HOST_FORWARD]  16       127.0.0.1 20722       10.9.0.20    22     0     0\r\n"
        "  UDP[HOST_FORWARD]  15               * 20053       10.9.0.20    53     0     0\r\n"
        "  TCP[ESTABLISHED]   21       10.9.0.15 42102     192.168.1.1   443    12  1460\r\n"
        "  UDP[237 sec]       22       10.9.0.15   123     192.168.1.2   123     0     0\r\n"
        "  ICMP[9 sec]        23       10.9.0.15  -        192.168.1.3  -        0     0\r\n"
        "Hub 0 (#net115):\r\n" HEADING;
    static const char *const rows[] = {
        "tcp/HOST_FORWARD/16/127.0.0.1/20722/10.9.0.20/22/0/0",
        "udp/HOST_FORWARD/15/*/20053/10.9.0.20/53/0/0",
        "tcp/ESTABLISHED/21/10.9.0.15/42102/192.168.1.1/443/12/1460",
        "udp/237 sec/22/10.9.0.15/123/192.168.1.2/123/0/0",
        "icmp/9 sec/23/10.9.0.15/-1/192.168.1.3/-1/0/0",
    };
    g_autofree char *line = NULL;
    g_autoptr(GPtrArray) usernets = vp_info_usernet_parse(text, &line);
    const VpUsernet *first = NULL, *second = NULL;

    g_assert_cmpstr(line, ==, NULL);
    g_assert_cmpuint(usernets->len, ==, 2);
    first = g_ptr_array_index(usernets, 0);
    second = g_ptr_array_index(usernets, 1);
    g_assert_cmpstr(first->name, ==, "nu");
    g_assert_cmpint(first->hub, ==, -1);
    g_assert_cmpstr(second->name, ==, "#net115");
    g_assert_cmpint(second->hub, ==, 0);
    g_assert_cmpuint(second->connections->len, ==, 0);
    g_assert_cmpuint(first->connections->len, ==, G_N_ELEMENTS(rows));
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const VpUsernetConnection *row = g_ptr_array_index(first->connections, i);
        g_autofree char *found = print(row);

        g_assert_cmpstr(found, ==, rows[i]);
        g_assert_cmpint(vp_usernet_is_forward(row), ==, i < 2);
    }
}

static void
test_none(void)
{
    g_autofree char *line = NULL;
    g_autoptr(GPtrArray) usernets = vp_info_usernet_parse("", &line);

    g_assert_cmpuint(usernets->len, ==, 0);
}

static void
test_strange(void)
{
    static const char *const lines[] = {
        "unknown command: 'info usernet'",
        "Hub x (n):",
        "Hub -2 (n):",
        "Hub 0 n",
        "TCP[A] 1 1.1.1.1 1 1.1.1.1 1 0 0",
        "  [A] 1 1.1.1.1 1 1.1.1.1 1 0 0",
        "  TCP 1 1.1.1.1 1 1.1.1.1 1 0 0",
        "  TCP[A] x 1.1.1.1 1 1.1.1.1 1 0 0",
        "  TCP[A] 1 1.1.1.1 65536 1.1.1.1 1 0 0",
        "  TCP[A] 1 1.1.1.1 1 1.1.1.1 -1 0 0",
        "  TCP[A] 1 1.1.1.1 1 1.1.1.1 1 0",
        "  TCP[A] 1 1.1.1.1 1 1.1.1.1 1 0 0 0",
        "  TCP[A] 1 1.1.1.1 1 1.1.1.1 1 0 x",
        "  TCP]A[ 1 1.1.1.1 1 1.1.1.1 1 0 0",
    };

    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autofree char *text = g_strconcat("Hub -1 (n):\n" HEADING, lines[i], NULL);
        g_autofree char *line = NULL;

        g_assert_null(vp_info_usernet_parse(text, &line));
        g_assert_cmpstr(line, ==, lines[i]);
    }
}

/* Rows before any netdev. */
static void
test_headless(void)
{
    g_autofree char *line = NULL;

    g_assert_null(vp_info_usernet_parse(HEADING, &line));
    g_assert_true(g_str_has_prefix(line, "  Protocol[State]"));
}

/* Of empty lines only. */
static void
test_text_limit(void)
{
    g_autofree char *text = g_strnfill(VP_ADDED_TEXT_MAX, '\n');
    g_autofree char *longer = g_strconcat(text, "\n", NULL);
    g_autofree char *line = NULL;
    g_autoptr(GPtrArray) usernets = vp_info_usernet_parse(text, &line);

    g_assert_nonnull(usernets);
    g_assert_null(vp_info_usernet_parse(longer, &line));
    g_assert_cmpstr(line, ==, "more than 1048576 bytes");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/info_usernet/transcript", test_transcript);
    g_test_add_func("/info_usernet/none", test_none);
    g_test_add_func("/info_usernet/strange", test_strange);
    g_test_add_func("/info_usernet/headless", test_headless);
    g_test_add_func("/info_usernet/text-limit", test_text_limit);
    return g_test_run();
}
