/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The text of "info qdm", as QEMU 7.2 writes it and as no QEMU does. */

#include "probe/qdm.h"

static const VpQdmDevice *
find(GHashTable *devices, const char *name)
{
    const VpQdmDevice *device = g_hash_table_lookup(devices, name);

    g_assert_nonnull(device);
    return device;
}

static void
assert_is(GHashTable *devices, const char *name, const VpQdmDevice *expected)
{
    const VpQdmDevice *device = find(devices, name);

    g_assert_cmpstr(device->bus, ==, expected->bus);
    g_assert_cmpstr(device->alias, ==, expected->alias);
    g_assert_cmpstr(device->description, ==, expected->description);
    g_assert_cmpstr(device->category, ==, expected->category);
    g_assert_cmpint(device->creatable, ==, expected->creatable);
}

static void
test_all_forms(void)
{
    g_autofree char *line = NULL;
    g_autoptr(GHashTable) devices = vp_qdm_parse(
        "Controller/Bridge/Hub devices:\r\n"
        "name \"q35-pcihost\", bus System, no-user\r\n"
        "name \"pc-dimm\", desc \"DIMM memory module\"\r\n"
        "\r\n"
        "Network devices:\r\n"
        "name \"e1000\", bus PCI, alias \"e1000-82540em\", desc \"Intel Gigabit Ethernet\"\r\n"
        "name \"virtio-net-pci\", bus PCI, alias \"virtio-net\"\r\n"
        "name \"bare\"\r\n"
        "name \"told\", desc \"says \"no-user\", or so\", no-user\r\n", &line);

    g_assert_null(line);
    g_assert_cmpuint(g_hash_table_size(devices), ==, 6);
    assert_is(devices, "q35-pcihost",
              &(VpQdmDevice){ .bus = (char *)"System",
                              .category = (char *)"Controller/Bridge/Hub" });
    assert_is(devices, "pc-dimm",
              &(VpQdmDevice){ .description = (char *)"DIMM memory module",
                              .category = (char *)"Controller/Bridge/Hub", .creatable = true });
    assert_is(devices, "e1000",
              &(VpQdmDevice){ .bus = (char *)"PCI", .alias = (char *)"e1000-82540em",
                              .description = (char *)"Intel Gigabit Ethernet",
                              .category = (char *)"Network", .creatable = true });
    assert_is(devices, "virtio-net-pci",
              &(VpQdmDevice){ .bus = (char *)"PCI", .alias = (char *)"virtio-net",
                              .category = (char *)"Network", .creatable = true });
    assert_is(devices, "bare",
              &(VpQdmDevice){ .category = (char *)"Network", .creatable = true });
    assert_is(devices, "told",
              &(VpQdmDevice){ .description = (char *)"says \"no-user\", or so",
                              .category = (char *)"Network" });
}

/* QEMU lists a type under each of its categories. */
static void
test_twice(void)
{
    g_autofree char *line = NULL;
    g_autoptr(GHashTable) devices = vp_qdm_parse("USB devices:\nname \"a\", bus usb-bus\n"
                                                 "Input devices:\nname \"a\", bus usb-bus\n",
                                                 &line);

    g_assert_null(line);
    g_assert_cmpstr(find(devices, "a")->category, ==, "USB");
}

static void
test_not_understood(void)
{
    static const char *const lines[] = {
        "name \"\"", "name e1000", "name \"x\", bus PCI, colour green", "name \"x\" bus PCI",
        "name \"x\", desc \"no end", "name \"x\", no-user, bus PCI", "unknown command: 'info qdm'",
        "name \"x\", desc \"d\" no-user", "devices:",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autofree char *text = g_strdup_printf("Misc devices:\nname \"a\"\n%s\n?\nname \"b\"\n",
                                                lines[i]);
        g_autofree char *line = NULL;
        g_autoptr(GHashTable) devices = vp_qdm_parse(text, &line);

        g_assert_cmpstr(line, ==, lines[i]);
        g_assert_cmpuint(g_hash_table_size(devices), ==, 2);
        g_assert_cmpstr(find(devices, "b")->category, ==, "Misc");
    }
}

static void
test_empty(void)
{
    g_autofree char *line = NULL;
    g_autoptr(GHashTable) devices = vp_qdm_parse("", &line);

    g_assert_null(line);
    g_assert_cmpuint(g_hash_table_size(devices), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/probe/qdm/all-forms", test_all_forms);
    g_test_add_func("/probe/qdm/twice", test_twice);
    g_test_add_func("/probe/qdm/not-understood", test_not_understood);
    g_test_add_func("/probe/qdm/empty", test_empty);
    return g_test_run();
}
