/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The installed QEMU, asked for real. What is checked here has been so in every QEMU since 7.2. */

#include "probe/probe.h"

#include <glib/gstdio.h>

#define BINARY "qemu-system-x86_64"

/* Asked once for all tests. */
static char *directory;
static char *emulator;
static VpQemuFacts *facts;

static void
test_types(void)
{
    static const struct {
        const char *option, *driver, *key;
        VpValueType type;
    } cases[] = {
        { "device", "virtio-net-pci", "mrg_rxbuf", VP_TYPE_BOOL },
        { "device", "virtio-net", "rx_queue_size", VP_TYPE_INT },
        { "device", "virtio-blk-pci", "physical_block_size", VP_TYPE_SIZE },
        { "device", "virtio-blk-pci", "disable-legacy", VP_TYPE_STRING },
        { "device", "virtio-blk-pci", "iothread", VP_TYPE_STRING },
        { "device", "virtio-blk-pci", "write-cache", VP_TYPE_STRING },
        { "device", "e1000", "addr", VP_TYPE_STRING },
        { "device", "e1000", "multifunction", VP_TYPE_BOOL },
        { "device", "e1000", "mac", VP_TYPE_STRING },
        { "device", "pcie-root-port", "chassis", VP_TYPE_INT },
        { "device", "pcie-root-port", "mem-reserve", VP_TYPE_SIZE },
        { "device", "qemu64-x86_64-cpu", "vmx", VP_TYPE_BOOL },
        { "device", "qemu64-x86_64-cpu", "vendor", VP_TYPE_STRING },
        { "object", "memory-backend-ram", "size", VP_TYPE_SIZE },
        { "object", "memory-backend-ram", "prealloc", VP_TYPE_BOOL },
        { "object", "memory-backend-ram", "host-nodes.0", VP_TYPE_INT },
        { "object", "iothread", "poll-max-ns", VP_TYPE_INT },
        { "netdev", "user", "restrict", VP_TYPE_BOOL },
        { "netdev", "user", "hostfwd.0.str", VP_TYPE_STRING },
        { "netdev", "tap", "vhost", VP_TYPE_BOOL },
        { "netdev", "tap", "sndbuf", VP_TYPE_SIZE },
        { "blockdev", "qcow2", "cache.direct", VP_TYPE_BOOL },
        { "blockdev", "qcow2", "file", VP_TYPE_STRING },
        { "blockdev", "qcow2", "file.filename", VP_TYPE_STRING },
        { "blockdev", "nbd", "server.port", VP_TYPE_STRING },
        { "blockdev", NULL, "read-only", VP_TYPE_BOOL },
        { "audiodev", "alsa", "in.try-poll", VP_TYPE_BOOL },
        { "audiodev", "none", "out.frequency", VP_TYPE_INT },
        { "display", NULL, "window-close", VP_TYPE_BOOL },
        { "chardev", NULL, "server", VP_TYPE_BOOL },
        { "chardev", NULL, "path", VP_TYPE_STRING },
    };
    const VpTypeSource *source = vp_qemu_facts_types(facts);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s %s %s", cases[i].option, cases[i].driver ?: "-", cases[i].key);
        g_assert_cmpint(source->lookup(source, cases[i].option, cases[i].driver, cases[i].key), ==,
                        cases[i].type);
    }
}

static void
test_devices(void)
{
    const VpDeviceType *e1000 = vp_qemu_facts_device(facts, "e1000-82540em");
    guint n = 0;

    vp_qemu_facts_devices(facts, &n);
    g_assert_cmpuint(n, >, 100);
    g_assert_nonnull(e1000);
    g_assert_cmpstr(e1000->name, ==, "e1000");
    g_assert_cmpstr(e1000->bus, ==, "PCI");
    g_assert_cmpstr(e1000->category, ==, "Network");
    g_assert_cmpstr(e1000->description, ==, "Intel Gigabit Ethernet");
    g_assert_true(e1000->creatable);
    g_assert_null(e1000->broken);
    g_assert_false(vp_qemu_facts_device(facts, "i440FX")->creatable);
    g_assert_null(vp_qemu_facts_device(facts, "virtio-pci")); /* abstract */
    g_assert_nonnull(vp_qemu_facts_group(facts, "device"));
    g_assert_null(vp_qemu_facts_group(facts, "cpudef"));
}

/* What the file gives is what the process gave. */
static void
test_from_file(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VpQemuFacts) again = vp_probe_get_blocking(emulator, directory, &error);
    guint n = 0, m = 0;
    const VpDeviceType *devices = vp_qemu_facts_devices(facts, &n);
    const VpDeviceType *others = NULL;

    g_assert_no_error(error);
    others = vp_qemu_facts_devices(again, &m);
    g_assert_cmpuint(n, ==, m);
    g_assert_cmpstr(vp_qemu_facts_version(facts), ==, vp_qemu_facts_version(again));
    for (guint i = 0; i < n; i++) {
        g_assert_cmpstr(devices[i].name, ==, others[i].name);
        g_assert_cmpstr(devices[i].bus, ==, others[i].bus);
        g_assert_cmpstr(devices[i].broken, ==, others[i].broken);
        g_assert_cmpuint(devices[i].n_properties, ==, others[i].n_properties);
    }
}

static void
clean_up(void)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name = NULL;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(directory, name, NULL);

        g_unlink(path);
    }
    g_rmdir(directory);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    int status = 0;

    g_test_init(&argc, &argv, NULL);
    emulator = g_find_program_in_path(BINARY);
    if (!emulator) {
        g_print("1..0 # SKIP " BINARY " is not installed\n");
        return 0;
    }
    directory = g_dir_make_tmp("virtpass-probe-XXXXXX", NULL);
    facts = vp_probe_get_blocking(emulator, directory, &error);
    g_assert_no_error(error);
    g_test_add_func("/probe/real/types", test_types);
    g_test_add_func("/probe/real/devices", test_devices);
    g_test_add_func("/probe/real/from-file", test_from_file);
    status = g_test_run();
    vp_qemu_facts_unref(facts);
    clean_up();
    g_free(directory);
    g_free(emulator);
    return status;
}
