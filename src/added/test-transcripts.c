/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whole texts of the human monitor, as QEMU 7.2, 10.0 and 11.1 wrote them for one machine
 * (transcripts/): no line of them is one that we do not understand.
 *
 * The machine: a PC with a NIC of each of several models, two of them on no netdev of their own but
 * on a hub or on none, and a netdev of each type that Debian's QEMU can make without hardware.
 */

#include "added/info_mtree.h"
#include "added/info_network.h"
#include "added/info_qtree.h"
#include "added/info_usernet.h"
#include "json/tree.h"

#include <string.h>

static const char *const versions[] = { "7.2", "10.0", "11.1" };

static char *
transcript(const char *what, const char *version)
{
    g_autofree char *name = g_strdup_printf("info-%s-%s", what, version);
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "transcripts", name, NULL);
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

/* "NAME/TYPE/INDEX/PEER/HUB/FILTERS TEXT" of each client, in order; numbers that QEMU or the kernel
 * chose are not looked at ("%"). */
static const char *const network[] = {
    "lone/user/0/hp1/0/0 net=10.0.2.0,restrict=off",
    "nic_hub/nic/0/hp0/0/0 model=ne2k_pci,macaddr=52:54:00:12:34:58",
    "st_tcp/stream/0/-/-1/0 tcp:127.0.0.1:%",
    "sl/socket/0/-/-1/0 socket: connection from 127.0.0.1:%",
    "mc/socket/0/-/-1/0 socket: mcast=230.0.0.1:20745",
    "l2/l2tpv3/0/-/-1/0 l2tpv3: connected",
    "e1000e.0/nic/0/-/-1/0 model=e1000e,macaddr=52:54:00:12:34:56",
    "#net%",
    "nic_user/nic/0/-/-1/0 model=e1000,macaddr=52:54:00:12:34:57",
    "nu/user/0/nic_user/-1/1 net=10.9.0.0,restrict=on",
    "nic_alone/nic/0/-/-1/0 model=rtl8139,macaddr=52:54:00:12:34:59",
    "pcnet.0/nic/0/-/-1/0 model=pcnet,macaddr=52:54:00:12:34:5a",
    "dgm/dgram/0/pcnet.0/-1/0 mcast=230.0.0.2:20749",
    "virtio-net-pci.0/nic/0/-/-1/0 model=virtio-net-pci,macaddr=52:54:00:12:34:5b",
    "st_unix/stream/0/virtio-net-pci.0/-1/0 unix:/tmp/tr/st",
    "vhu/vhost-user/0/-/-1/0 vhost-user0 to cvhu",
    "vde/vde/0/-/-1/0 sock=/tmp/tr/vde,fd=%",
    "br/tap/0/-/-1/0 helper=(null),br=vpbr0",
    "tp/tap/0/-/-1/0 ifname=vptap0,script=no,downscript=no",
    "tph/tap/0/-/-1/0 helper=/usr/lib/qemu/qemu-bridge-helper",
    "tpq/tap/0/-/-1/0 ifname=vptap1,script=no,downscript=no",
    "tpq/tap/0/-/-1/0 ifname=vptap1,script=no,downscript=no",
    "only6/user/0/-/-1/0 net=10.0.2.0,restrict=off",
    "nmq/nic/0/-/-1/0 model=virtio-net-pci,macaddr=52:54:00:12:34:5c",
    "vhu2/vhost-user/0/nmq/-1/0 vhost-user0 to cvhu2",
    "nmq/nic/1/-/-1/0 ",
    "vhu2/vhost-user/1/nmq/-1/0 vhost-user1 to cvhu2",
};

static void
assert_client(const VpNetClient *client, const char *expected)
{
    g_autofree char *found = g_strdup_printf(
        "%s/%s/%u/%s/%" G_GINT64_FORMAT "/%u %s", client->name, client->type, client->index,
        client->peer ?: "-", client->hub, client->filters->len, client->text);
    gsize known = strcspn(expected, "%");

    if (expected[known] == '%')
        found[MIN(known, strlen(found))] = '\0';
    g_assert_cmpmem(found, strlen(found), expected, known);
}

static void
test_network(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(versions); i++) {
        g_autofree char *text = transcript("network", versions[i]);
        g_autofree char *line = NULL;
        g_autoptr(GPtrArray) clients = vp_info_network_parse(text, &line);

        g_assert_cmpstr(line, ==, NULL);
        g_assert_cmpuint(clients->len, ==, G_N_ELEMENTS(network));
        for (guint k = 0; k < clients->len; k++)
            assert_client(g_ptr_array_index(clients, k), network[k]);
    }
}

static void
test_usernet(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(versions); i++) {
        g_autofree char *text = transcript("usernet", versions[i]);
        g_autofree char *line = NULL;
        g_autoptr(GPtrArray) stacks = vp_info_usernet_parse(text, &line);
        const VpUsernet *first = NULL;

        g_assert_cmpstr(line, ==, NULL);
        g_assert_cmpuint(stacks->len, ==, 4);
        first = g_ptr_array_index(stacks, 0);
        g_assert_cmpuint(first->connections->len, ==, 2);
        for (guint k = 0; k < first->connections->len; k++)
            g_assert_true(vp_usernet_is_forward(g_ptr_array_index(first->connections, k)));
    }
}

static guint
count(const char *text, const char *what)
{
    guint n = 0;

    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
        n++;
    return n;
}

/* One of the marks (@other NULL: there is one) stands in the text for each object, whose JSON has
 * @key. */
static void
assert_tree(const char *what, char *(*convert)(const char *text, char **ret_line),
            const char *mark, const char *other, const char *key)
{
    for (gsize i = 0; i < G_N_ELEMENTS(versions); i++) {
        g_autofree char *text = transcript(what, versions[i]);
        g_autofree char *line = NULL;
        g_autofree char *json = convert(text, &line);
        g_autoptr(VpJsonTree) tree = NULL;
        guint objects = count(text, mark) + (other ? count(text, other) : 0);

        g_assert_cmpstr(line, ==, NULL);
        tree = vp_json_tree_parse(json, -1, NULL);
        g_assert_nonnull(tree);
        g_assert_cmpuint(objects, >, 30);
        g_assert_cmpuint(count(json, key), ==, objects);
    }
}

static void
test_qtree(void)
{
    assert_tree("qtree", vp_info_qtree_convert, " dev: ", "bus: ", "\"type\":");
}

static void
test_mtree(void)
{
    assert_tree("mtree", vp_info_mtree_convert, "(prio ", NULL, "\"priority\":");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/transcripts/network", test_network);
    g_test_add_func("/transcripts/usernet", test_usernet);
    g_test_add_func("/transcripts/qtree", test_qtree);
    g_test_add_func("/transcripts/mtree", test_mtree);
    return g_test_run();
}
