/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * "info network": what QEMU 7.2 says of one machine with every type, and what 10.0 and 11.1 say
 * where that differs; and lines that are none.
 */

#include "added/info_network.h"

#include <string.h>

/* As QEMU 7.2 wrote it, line ends included. */
static const char everything[] =
    "hub 0\r\n"
    " \\ hub0port3: #net115: index=0,type=user,net=10.0.2.0,restrict=off\r\n"
    " \\ hub0port2: pcnet.0: index=0,type=nic,model=pcnet,macaddr=52:54:00:12:34:57\r\n"
    " \\ hp1: lone: index=0,type=user,net=10.0.2.0,restrict=off\r\n"
    " \\ hp0: nic_hub: index=0,type=nic,model=ne2k_pci,macaddr=52:54:00:12:34:5b\r\n"
    "st_srv: index=0,type=stream,tcp:127.0.0.1:47534\r\n"
    "dg: index=0,type=dgram,udp=127.0.0.1:20748/127.0.0.1:20747\r\n"
    "l2: index=0,type=l2tpv3,l2tpv3: connected\r\n"
    "sconn: index=0,type=socket,socket: connect to 127.0.0.1:20760\r\n"
    "e1000e.0: index=0,type=nic,model=e1000e,macaddr=52:54:00:12:34:56\r\n"
    " \\ nicopt: index=0,type=user,net=10.0.2.0,restrict=off\r\n"
    "nic_user: index=0,type=nic,model=e1000,macaddr=52:54:00:00:00:01\r\n"
    " \\ nu: index=0,type=user,net=10.9.0.0,restrict=on\r\n"
    "filters:\r\n"
    "  - fd0: type=filter-dump,file=dump.pcap,maxlen=65536,position=tail,status=on,"
    "insert=behind,netdev=nu,queue=all\r\n"
    "  - fb0: type=filter-buffer,interval=1000\r\n"
    "nic_nobackend: index=0,type=nic,model=rtl8139,macaddr=52:54:00:12:34:59\r\n"
    "virtio-net-pci.1: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:5a\r\n"
    " \\ slisten: index=0,type=socket,\r\n"
    "nmq: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:58\r\n"
    " \\ mq: index=0,type=tap,fd=3\r\n"
    "nmq: index=1,type=nic,\r\n"
    " \\ mq: index=1,type=tap,fd=4\r\n"
    "nic_tap: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:5c\r\n"
    " \\ tp: index=0,type=tap,ifname=gsoctap0,script=no,downscript=no\r\n";

/* "NAME/TYPE/INDEX/PEER/HUB/FILTERS/TEXT" of each client. */
static const char *const everything_parsed[] = {
    "#net115/user/0/hub0port3/0/0/net=10.0.2.0,restrict=off",
    "pcnet.0/nic/0/hub0port2/0/0/model=pcnet,macaddr=52:54:00:12:34:57",
    "lone/user/0/hp1/0/0/net=10.0.2.0,restrict=off",
    "nic_hub/nic/0/hp0/0/0/model=ne2k_pci,macaddr=52:54:00:12:34:5b",
    "st_srv/stream/0/-/-1/0/tcp:127.0.0.1:47534",
    "dg/dgram/0/-/-1/0/udp=127.0.0.1:20748/127.0.0.1:20747",
    "l2/l2tpv3/0/-/-1/0/l2tpv3: connected",
    "sconn/socket/0/-/-1/0/socket: connect to 127.0.0.1:20760",
    "e1000e.0/nic/0/-/-1/0/model=e1000e,macaddr=52:54:00:12:34:56",
    "nicopt/user/0/e1000e.0/-1/0/net=10.0.2.0,restrict=off",
    "nic_user/nic/0/-/-1/0/model=e1000,macaddr=52:54:00:00:00:01",
    "nu/user/0/nic_user/-1/2/net=10.9.0.0,restrict=on",
    "nic_nobackend/nic/0/-/-1/0/model=rtl8139,macaddr=52:54:00:12:34:59",
    "virtio-net-pci.1/nic/0/-/-1/0/model=virtio-net-pci,macaddr=52:54:00:12:34:5a",
    "slisten/socket/0/virtio-net-pci.1/-1/0/",
    "nmq/nic/0/-/-1/0/model=virtio-net-pci,macaddr=52:54:00:12:34:58",
    "mq/tap/0/nmq/-1/0/fd=3",
    "nmq/nic/1/-/-1/0/",
    "mq/tap/1/nmq/-1/0/fd=4",
    "nic_tap/nic/0/-/-1/0/model=virtio-net-pci,macaddr=52:54:00:12:34:5c",
    "tp/tap/0/nic_tap/-1/0/ifname=gsoctap0,script=no,downscript=no",
};

static char *
print(const VpNetClient *client)
{
    return g_strdup_printf("%s/%s/%u/%s/%" G_GINT64_FORMAT "/%u/%s", client->name, client->type,
                           client->index, client->peer ?: "-", client->hub, client->filters->len,
                           client->text);
}

static void
assert_parsed(const char *text, const char *const *expected, guint n)
{
    g_autofree char *line = NULL;
    g_autoptr(GPtrArray) clients = vp_info_network_parse(text, &line);

    g_assert_cmpstr(line, ==, NULL);
    g_assert_nonnull(clients);
    g_assert_cmpuint(clients->len, ==, n);
    for (guint i = 0; i < n; i++) {
        g_autofree char *found = print(g_ptr_array_index(clients, i));

        g_assert_cmpstr(found, ==, expected[i]);
    }
}

static void
test_everything(void)
{
    g_autoptr(GPtrArray) clients = NULL;
    const VpNetClient *filtered = NULL;

    assert_parsed(everything, everything_parsed, G_N_ELEMENTS(everything_parsed));
    clients = vp_info_network_parse(everything, NULL);
    filtered = g_ptr_array_index(clients, 11);
    g_assert_cmpstr(g_ptr_array_index(filtered->filters, 1), ==,
                    "fb0: type=filter-buffer,interval=1000");
}

/* What newer ones have: types (af-xdp since 8.2, passt since 10.1), and texts longer than 255. */
static void
test_newer(void)
{
    static const char text[] =
        "n0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56\r\n"
        " \\ x0: index=0,type=af-xdp,af-xdp0 to eth0\r\n"
        "p0: index=0,type=passt,stream,connected to pid 7\r\n"
        "vu: index=0,type=vhost-user,vhost-user0 to char0\r\n"
        "vd: index=0,type=vhost-vdpa,vhost-vdpa\r\n"
        "br: index=0,type=tap,helper=(null),br=br0\r\n"
        "hub 1\r\n"
        " \\ h1\r\n"
        "hub 0\r\n"
        " \\ h0: a: index=0,type=user,net=1.0.0.0,restrict=off\r\n";
    static const char *const parsed[] = {
        "n0/nic/0/-/-1/0/model=virtio-net-pci,macaddr=52:54:00:12:34:56",
        "x0/af-xdp/0/n0/-1/0/af-xdp0 to eth0",
        "p0/passt/0/-/-1/0/stream,connected to pid 7",
        "vu/vhost-user/0/-/-1/0/vhost-user0 to char0",
        "vd/vhost-vdpa/0/-/-1/0/vhost-vdpa",
        "br/tap/0/-/-1/0/helper=(null),br=br0",
        "a/user/0/h0/0/0/net=1.0.0.0,restrict=off",
    };

    assert_parsed(text, parsed, G_N_ELEMENTS(parsed));
    assert_parsed("", NULL, 0);
    assert_parsed("\r\n", NULL, 0);
}

/* A line that is not understood is given back; the lines before it do not help. */
static void
test_strange(void)
{
    static const char *const lines[] = {
        "unknown command: 'info network'",
        "n",
        ": index=0,type=user,",
        "n: index=,type=user,",
        "n: index=x,type=user,",
        "n: index=-1,type=user,",
        "n: index=99999999999,type=user,",
        "n: index=0,type=,",
        "n: index=0,type=user",
        "n: index=0 type=user,",
        " \\ n: index=0,type=user,",
        "  - f: type=filter-dump",
        "filters:",
        "hub",
        "hub x",
        "hub 0 1",
    };

    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autofree char *line = NULL;

        g_assert_null(vp_info_network_parse(lines[i], &line));
        g_assert_cmpstr(line, ==, lines[i]);
        g_clear_pointer(&line, g_free);
        if (lines[i][0] == ' ' || g_str_equal(lines[i], "filters:"))
            continue;
        {
            g_autofree char *text = g_strconcat(everything, lines[i], "\r\n", NULL);

            g_assert_null(vp_info_network_parse(text, &line));
            g_assert_cmpstr(line, ==, lines[i]);
        }
    }
}

/* One netdev for each NIC line, no more. */
static void
test_order(void)
{
    static const char nic[] = "n: index=0,type=nic,model=e1000,macaddr=0\n";
    static const char peer[] = " \\ a: index=0,type=user,\n";
    g_autofree char *twice = g_strconcat(nic, peer, peer, NULL);
    g_autofree char *filter = g_strconcat(nic, "filters:\n  - nothing\n", NULL);
    g_autofree char *port = g_strconcat("hub 0\n", " \\ \n", NULL);
    const char *const texts[] = { twice, filter, port };
    const char *const expected[] = { " \\ a: index=0,type=user,", "  - nothing", " \\ " };

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *line = NULL;

        g_assert_null(vp_info_network_parse(texts[i], &line));
        g_assert_cmpstr(line, ==, expected[i]);
    }
}

static void
test_values(void)
{
    static const struct {
        const char *text, *key, *next, *value;
    } cases[] = {
        { "ifname=tap0,script=no,downscript=no", "ifname=", ",script=", "tap0" },
        { "ifname=tap0,script=no,downscript=no", "script=", ",downscript=", "no" },
        { "ifname=tap0,script=no,downscript=no", "downscript=", NULL, "no" },
        { "ifname=tap0,script=/a,b,downscript=/c,d", "script=", ",downscript=", "/a,b" },
        { "helper=/h,br=x,br=br0", "helper=", ",br=", "/h,br=x" },
        { "fd=5", "ifname=", ",script=", NULL },
        { "ifname=tap0", "ifname=", ",script=", NULL },
        { "", "fd=", NULL, NULL },
        { "myfd=5", "fd=", NULL, NULL },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *value = vp_net_text_value(cases[i].text, cases[i].key, cases[i].next);

        g_assert_cmpstr(value, ==, cases[i].value);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/info_network/everything", test_everything);
    g_test_add_func("/info_network/newer", test_newer);
    g_test_add_func("/info_network/strange", test_strange);
    g_test_add_func("/info_network/order", test_order);
    g_test_add_func("/info_network/values", test_values);
    return g_test_run();
}
