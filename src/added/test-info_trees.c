/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * "info mtree -D" and "info qtree": lines of all kinds as QEMU 7.2 writes them (10.0 and 11.1 write
 * no others), and lines that are none. tests/daemon/added.py has whole machines.
 */

#include "added/info_mtree.h"
#include "added/info_qtree.h"
#include "added/outline.h"
#include "json/tree.h"

#include <string.h>

typedef char *(*Convert)(const char *text, char **ret_line);

static void
assert_converted(Convert convert, const char *text, const char *expected)
{
    g_autofree char *line = NULL;
    g_autofree char *json = convert(text, &line);
    g_autoptr(VpJsonTree) tree = NULL;

    g_assert_cmpstr(line, ==, NULL);
    g_assert_cmpstr(json, ==, expected);
    tree = vp_json_tree_parse(json, -1, NULL);
    g_assert_nonnull(tree);
}

static void
assert_refused(Convert convert, const char *before, const char *line)
{
    g_autofree char *text = g_strconcat(before, line, "\r\n", NULL);
    g_autofree char *found = NULL;

    g_assert_null(convert(text, &found));
    g_assert_cmpstr(found, ==, line + strspn(line, " "));
}

#define ALL "0000000000000000-ffffffffffffffff"
#define PAGE "00000000000c0000-00000000000c0fff"

static void
test_mtree(void)
{
    assert_converted(
        vp_info_mtree_convert,
        "address-space: cpu-memory-0\r\n"
        "address-space: memory\r\n"
        "  " ALL " (prio 0, i/o): system\r\n"
        "    " PAGE " (prio -1, nv-ram): alias ram below @pc.ram " PAGE " [disabled]\r\n"
        "    " PAGE " (prio 1, rom): pc (rom): x\r\n"
        "\r\n"
        "memory-region: pc.ram\r\n"
        "  " PAGE " (prio 0, ram): pc.ram [disabled]\r\n"
        "\r\n",
        "[{\"address-spaces\": [\"cpu-memory-0\", \"memory\"], \"root\": {\"name\": \"system\", "
        "\"start\": 0, \"end\": 18446744073709551615, \"priority\": 0, \"kind\": \"i/o\", "
        "\"regions\": [{\"name\": \"ram below\", \"start\": 786432, \"end\": 790527, "
        "\"priority\": -1, \"kind\": \"ram\", \"nonvolatile\": true, \"enabled\": false, "
        "\"alias\": {\"region\": \"pc.ram\", \"start\": 786432, \"end\": 790527}}, "
        "{\"name\": \"pc (rom): x\", \"start\": 786432, \"end\": 790527, \"priority\": 1, "
        "\"kind\": \"rom\"}]}}, "
        "{\"memory-region\": \"pc.ram\", \"root\": {\"name\": \"pc.ram\", \"start\": 786432, "
        "\"end\": 790527, \"priority\": 0, \"kind\": \"ram\", \"enabled\": false}}]");
    assert_converted(vp_info_mtree_convert, "", "[]");
}

static void
test_mtree_strange(void)
{
    static const char *const lines[] = {
        "  unknown",
        "  000000000000000-ffffffffffffffff (prio 0, i/o): x",
        "  000000000000000g-ffffffffffffffff (prio 0, i/o): x",
        "  " ALL " (prio x, i/o): x",
        "  " ALL " (prio 0): x",
        "  " ALL " (prio 0, i/o) x",
        "  " ALL " (prio 0, i/o): alias x",
        "  " ALL " (prio 0, i/o): alias x @y",
        "  " ALL " (prio 0, i/o): alias x @y 0-1",
        "  " ALL " (prio 0, i/o): alias x @y @z " ALL,
        "  " ALL " (prio 0, i/o): alias x @" ALL,
        "   " ALL " (prio 0, i/o): x",
        "    " ALL " (prio 0, i/o): x",
    };

    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autofree char *text = g_strconcat("address-space: m\n", lines[i], NULL);
        g_autofree char *found = NULL;

        g_assert_null(vp_info_mtree_convert(text, &found));
        g_assert_cmpstr(g_strstrip(found), ==, lines[i] + strspn(lines[i], " "));
    }
    assert_refused(vp_info_mtree_convert, "", "unknown command: 'info mtree'");
    assert_refused(vp_info_mtree_convert, "", "address-space: alone");
    assert_refused(vp_info_mtree_convert, "address-space: a\n", "address-space: b");
    assert_refused(vp_info_mtree_convert, "", "memory-region: r");
}

#define MACHINE "bus: main-system-bus\r\n  type System\r\n"

static void
test_qtree(void)
{
    assert_converted(
        vp_info_qtree_convert,
        MACHINE
        "  dev: hpet, id \"\"\r\n"
        "    gpio-in \"\" 2\r\n"
        "    gpio-out \"sysbus-irq\" 32\r\n"
        "    clock-in \"clk\" freq_hz=1e9\r\n"
        "    timers = 3 (0x3)\r\n"
        "    text = \"a = b\"\r\n"
        "    mmio 00000000fed00000/0000000000000400\r\n"
        "  dev: i440FX-pcihost, id \"h, x\"\r\n"
        "    bus: pci.0\r\n"
        "      type PCI\r\n"
        "      dev: e1000, id \"n\"\r\n"
        "        romfile = <null>\r\n",
        "[{\"name\": \"main-system-bus\", \"type\": \"System\", \"devices\": ["
        "{\"type\": \"hpet\", \"gpio-in\": [{\"name\": \"\", \"count\": 2}], "
        "\"gpio-out\": [{\"name\": \"sysbus-irq\", \"count\": 32}], "
        "\"properties\": [{\"name\": \"timers\", \"value\": \"3 (0x3)\"}, "
        "{\"name\": \"text\", \"value\": \"\\\"a = b\\\"\"}], "
        "\"text\": [\"clock-in \\\"clk\\\" freq_hz=1e9\", "
        "\"mmio 00000000fed00000/0000000000000400\"]}, "
        "{\"type\": \"i440FX-pcihost\", \"id\": \"h, x\", \"buses\": [{\"name\": \"pci.0\", "
        "\"type\": \"PCI\", \"devices\": [{\"type\": \"e1000\", \"id\": \"n\", "
        "\"properties\": [{\"name\": \"romfile\", \"value\": \"<null>\"}]}]}]}]}]");
    assert_converted(vp_info_qtree_convert, MACHINE,
                     "[{\"name\": \"main-system-bus\", \"type\": \"System\", \"devices\": []}]");
    assert_converted(vp_info_qtree_convert, "", "[]");
}

static void
test_qtree_strange(void)
{
    static const char *const lines[] = {
        "  dev: x",
        "  dev: x, id y",
        "  dev: x, id \"",
        "  device",
        "  type Twice",
        "unknown command: 'info qtree'",
        "bus: alone",
        "    too far",
        " odd",
    };

    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autofree char *text = g_strconcat(MACHINE, lines[i], NULL);
        g_autofree char *found = NULL;

        g_assert_null(vp_info_qtree_convert(text, &found));
        g_assert_cmpstr(g_strstrip(found), ==, lines[i] + strspn(lines[i], " "));
    }
    assert_refused(vp_info_qtree_convert, MACHINE "  dev: x, id \"\"\n", "    gpio-in \"x\" y");
    assert_refused(vp_info_qtree_convert, MACHINE "  dev: x, id \"\"\n", "    gpio-in \"x");
    assert_refused(vp_info_qtree_convert, MACHINE "  dev: x, id \"\"\n    a = b\n", "      below");
}

static void
test_depth(void)
{
    for (guint more = 0; more < 2; more++) {
        g_autoptr(GString) text = g_string_new(NULL);
        g_autoptr(VpOutline) outline = NULL;
        g_autofree char *line = NULL;

        for (guint i = 0; i < VP_OUTLINE_DEPTH_MAX + more; i++)
            g_string_append_printf(text, "%*sx\n", 2 * (int)i, "");
        outline = vp_outline_parse(text->str, &line);
        g_assert_cmpint(outline != NULL, ==, more == 0);
        g_assert_cmpint(line != NULL, ==, more == 1);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/info_trees/mtree", test_mtree);
    g_test_add_func("/info_trees/mtree-strange", test_mtree_strange);
    g_test_add_func("/info_trees/qtree", test_qtree);
    g_test_add_func("/info_trees/qtree-strange", test_qtree_strange);
    g_test_add_func("/info_trees/depth", test_depth);
    return g_test_run();
}
