/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where added devices go: by examples, and by laws over generated domains. */

#include "argv/place.h"

#include "argv/bus.h"
#include "argv/device.h"
#include "argv/value.h"
#include "base/error.h"

#include <string.h>

/* --- a QEMU ----------------------------------------------------------------- */

static const struct {
    const char *driver;
    const char *bus;
} drivers[] = {
    { "edu", "PCI" },                  { "virtio-net-pci", "PCI" },
    { "virtio-rng-pci", "PCI" },       { "e1000e", "PCI" },
    { "pcie-root-port", "PCI" },       { "pci-bridge", "PCI" },
    { "qemu-xhci", "PCI" },            { "piix3-usb-uhci", "PCI" },
    { "virtio-scsi-pci", "PCI" },      { "lsi", "PCI" },
    { "virtio-serial-pci", "PCI" },    { "ahci", "PCI" },
    { "usb-tablet", "usb-bus" },       { "usb-kbd", "usb-bus" },
    { "scsi-hd", "SCSI" },             { "virtserialport", "virtio-serial-bus" },
    { "ide-hd", "IDE" },               { "virtio-rng-ccw", "virtual-css-bus" },
    { "isa-debugcon", "ISA" },
};

static const char *
device_bus(const VpTypeSource *self, const char *driver)
{
    for (gsize i = 0; i < G_N_ELEMENTS(drivers); i++) {
        if (strcmp(drivers[i].driver, driver) == 0)
            return drivers[i].bus;
    }
    return NULL;
}

static VpValueType
lookup(const VpTypeSource *self, const char *option, const char *driver, const char *key)
{
    static const char *const numbers[] = { "scsi-id", "channel", "lun", "nr", "unit", NULL };

    return g_strv_contains(numbers, key) ? VP_TYPE_INT : VP_TYPE_STRING;
}

static const VpTypeSource source = { .lookup = lookup, .device_bus = device_bus };

/* --- placing ---------------------------------------------------------------- */

/* "a,b|c" with devices in key=value form. */
static GPtrArray *
devices_of(const char *text)
{
    GPtrArray *devices = g_ptr_array_new_with_free_func((GDestroyNotify)vp_option_free);
    g_auto(GStrv) parts = g_strsplit(text, "|", -1);

    for (char **part = parts; *part && **part; part++) {
        VpBudget budget = vp_budget_new();
        g_autofree char *note = NULL;
        g_autofree char *json = vp_device_from_text(*part, &source, &budget, &note, NULL);

        g_assert_nonnull(json);
        g_ptr_array_add(devices, vp_option_new("device", json));
    }
    return devices;
}

static VpCmdline *
command_line(const char *machine, const char *devices)
{
    const char *const words[] = { "qemu", "-machine", machine, NULL };
    VpCmdline *cmdline = vp_cmdline_parse(words, NULL);
    g_autoptr(GPtrArray) list = devices_of(devices);

    g_ptr_array_extend_and_steal(cmdline->options, g_steal_pointer(&list));
    return cmdline;
}

static GPtrArray *
texts_of(const GPtrArray *devices)
{
    GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < devices->len; i++)
        g_ptr_array_add(texts, g_strdup(((const VpOption *)devices->pdata[i])->value));
    return texts;
}

/* All in the form of the cases. */
static char *
canonical(const GPtrArray *devices)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < devices->len; i++) {
        const VpOption *device = devices->pdata[i];
        g_autofree char *one = vp_value_canonical(device->row, device->value);

        g_string_append_printf(text, "%s%s", i > 0 ? "|" : "", one);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* --- examples ---------------------------------------------------------------- */

typedef struct Case {
    const char *name;
    const char *machine;
    const char *generated;
    const char *previous; /* NULL: no definition before */
    const char *added;
    const char *placed;   /* or with ! in front the error */
} Case;

#define PC "pc-i440fx-7.2,usb=off"
#define Q35 "pc-q35-7.2"

static const Case cases[] = {
    { "from the end of a conventional bus", PC, "virtio-net-pci,id=net0,bus=pci.0,addr=0x3", NULL,
      "edu|edu", "edu,bus=pci.0,addr=0x1e|edu,bus=pci.0,addr=0x1d" },
    { "past what libvirt has there", PC, "edu,bus=pci.0,addr=0x1e|edu,bus=pci.0,addr=0x1d.0x1",
      NULL, "edu", "edu,bus=pci.0,addr=0x1c" },
    { "integrated on a q35, not in a port", Q35,
      "pcie-root-port,id=pci.1,bus=pcie.0,addr=0x1", NULL, "edu|e1000e",
      "edu,bus=pcie.0,addr=0x1c|e1000e,bus=pcie.0,addr=0x19" },
    { "short names of machines", "q35", "", NULL, "edu", "edu,bus=pcie.0,addr=0x1c" },
    { "virt", "virt-7.2", "", NULL, "edu", "edu,bus=pcie.0,addr=0x1e" },
    { "an unknown machine", "isapc", "", NULL, "edu", "edu" },
    { "slot 0 of a port that is named", Q35, "pcie-root-port,id=pci.1,bus=pcie.0,addr=0x1", NULL,
      "e1000e,bus=pci.1", "e1000e,bus=pci.1,addr=0x0" },
    { "a port that is taken", Q35, "pcie-root-port,id=pci.1,bus=pcie.0,addr=0x1|"
      "virtio-net-pci,id=net0,bus=pci.1,addr=0x0", NULL, "e1000e,id=x,bus=pci.1",
      "!'-device e1000e,id=x,bus=pci.1' and '-device virtio-net-pci,id=net0,bus=pci.1,addr=0x0' "
      "both want pci.1, a port that has slot 0 only" },
    { "another slot of a port", Q35, "pcie-root-port,id=pci.1,bus=pcie.0,addr=0x1", NULL,
      "edu,bus=pci.1,addr=3", "!'-device edu,bus=pci.1,addr=3' wants slot 0x3 of pci.1, a port "
      "that has slot 0 only" },
    { "an author's address wins", PC, "", NULL, "edu,addr=1e|edu",
      "edu,addr=1e|edu,bus=pci.0,addr=0x1d" },
    { "two of an author's", PC, "", NULL, "edu,addr=05|e1000e,bus=pci.0,addr=5.0",
      "!'-device e1000e,bus=pci.0,addr=5.0' and '-device edu,addr=05' both want address 0x5.0 of "
      "pci.0" },
    { "his and libvirt's", PC, "virtio-net-pci,id=net0,bus=pci.0,addr=0x3", NULL, "edu,addr=3",
      "!'-device edu,addr=3' and '-device virtio-net-pci,id=net0,bus=pci.0,addr=0x3' both want "
      "address 0x3.0 of pci.0" },
    { "two functions of a slot", PC, "", NULL, "edu,addr=4.0,multifunction=on|edu,addr=4.1",
      "edu,addr=4.0,multifunction=on|edu,addr=4.1" },
    { "his bridge, and what sits on it", PC, "", NULL, "pci-bridge,id=b,chassis_nr=9|edu,bus=b",
      "pci-bridge,id=b,chassis_nr=9,bus=pci.0,addr=0x1e|edu,bus=b,addr=0x1e" },
    { "no place", Q35, "", NULL, "isa-debugcon|no-such", "isa-debugcon|no-such" },

    { "USB", PC, "piix3-usb-uhci,id=usb,bus=pci.0,addr=0x1.0x2|usb-tablet,bus=usb.0,port=1", NULL,
      "usb-kbd", "usb-kbd,bus=usb.0,port=2" },
    { "USB ports as told", PC, "qemu-xhci,id=usb,p2=15,p3=15,bus=pci.0,addr=0x4", NULL,
      "usb-kbd|usb-kbd", "usb-kbd,bus=usb.0,port=15|usb-kbd,bus=usb.0,port=14" },
    { "a port with a hub is taken", PC, "qemu-xhci,id=usb,bus=pci.0,addr=0x4|"
      "usb-kbd,bus=usb.0,port=4.1", NULL, "usb-kbd", "usb-kbd,bus=usb.0,port=3" },
    { "USB that is full", PC, "piix3-usb-uhci,id=usb|usb-tablet,bus=usb.0,port=1", NULL,
      "usb-kbd,id=a|usb-kbd,id=b", "!there is no free place for '-device usb-kbd,id=b' on usb.0" },
    { "no USB at all", PC, "", NULL, "usb-kbd", "usb-kbd" },
    { "SCSI", PC, "virtio-scsi-pci,id=scsi0,bus=pci.0,addr=0x4", NULL, "scsi-hd,drive=d",
      "scsi-hd,drive=d,bus=scsi0.0,scsi-id=255,channel=0,lun=0" },
    { "narrow SCSI", PC, "lsi,id=scsi0,bus=pci.0,addr=0x4", NULL, "scsi-hd|scsi-hd",
      "scsi-hd,bus=scsi0.0,scsi-id=6,channel=0,lun=0|scsi-hd,bus=scsi0.0,scsi-id=5,channel=0,"
      "lun=0" },
    { "virtio-serial", PC, "virtio-serial-pci,id=virtio-serial0,max_ports=16,bus=pci.0,addr=0x4|"
      "virtserialport,bus=virtio-serial0.0,nr=1", NULL, "virtserialport,name=n",
      "virtserialport,name=n,bus=virtio-serial0.0,nr=15" },
    { "IDE of a pc", PC, "ide-hd,bus=ide.1,unit=1", NULL, "ide-hd", "ide-hd,bus=ide.1,unit=0" },
    { "IDE of a q35", Q35, "", NULL, "ide-hd", "ide-hd,bus=ide.5,unit=0" },
    { "CCW", "s390-ccw-virtio-7.2", "", NULL, "virtio-rng-ccw|virtio-rng-ccw,devno=fe.0.fffe|"
      "virtio-rng-ccw", "virtio-rng-ccw,devno=fe.0.ffff|virtio-rng-ccw,devno=fe.0.fffe|"
      "virtio-rng-ccw,devno=fe.0.fffd" },

    { "kept by id", PC, "", "edu,id=a,bus=pci.0,addr=0x10", "e1000e|edu,id=a",
      "e1000e,bus=pci.0,addr=0x1e|edu,id=a,bus=pci.0,addr=0x10" },
    { "kept by what it says", PC, "", "edu,dma_mask=1,bus=pci.0,addr=0x11|"
      "edu,dma_mask=2,bus=pci.0,addr=0x12", "edu,dma_mask=2|edu,dma_mask=1",
      "edu,dma_mask=2,bus=pci.0,addr=0x12|edu,dma_mask=1,bus=pci.0,addr=0x11" },
    { "kept by its type", PC, "", "edu,dma_mask=1,bus=pci.0,addr=0x11", "edu,dma_mask=3",
      "edu,dma_mask=3,bus=pci.0,addr=0x11" },
    { "not from another bus", Q35, "", "edu,id=a,bus=pci.0,addr=0x10", "edu,id=a",
      "edu,id=a,bus=pcie.0,addr=0x1c" },
    { "not from a place that he gives to another", PC, "", "edu,id=a,bus=pci.0,addr=0x10",
      "edu,id=a|edu,id=b,addr=10", "!'-device edu,id=a,bus=pci.0,addr=0x10' and "
      "'-device edu,id=b,addr=10' both want address 0x10.0 of pci.0" },
    { "a place that libvirt has taken since", PC, "virtio-net-pci,id=net9,bus=pci.0,addr=0x10",
      "edu,id=a,bus=pci.0,addr=0x10", "edu,id=a", "!'-device edu,id=a,bus=pci.0,addr=0x10' and "
      "'-device virtio-net-pci,id=net9,bus=pci.0,addr=0x10' both want address 0x10.0 of pci.0" },
    { "where QEMU has put it before there were places", PC, "edu,bus=pci.0,addr=0x2|"
      "edu,bus=pci.0,addr=0x4.0x1", "edu,id=a|edu,id=b|edu,id=c,bus=pci.0",
      "edu|edu,id=a|edu,id=b|edu,id=c", "edu,bus=pci.0,addr=0x1e|edu,id=a,bus=pci.0,addr=0x3|"
      "edu,id=b,bus=pci.0,addr=0x5|edu,id=c,bus=pci.0,addr=0x6" },
    { "on two buses that cannot be told", PC, "qemu-xhci,id=usb|qemu-xhci,id=usb1",
      "usb-kbd,id=a", "usb-kbd,id=a", "usb-kbd,id=a,bus=usb.0,port=4" },
};

static void
check_case(gconstpointer data)
{
    const Case *one = data;
    g_autoptr(VpCmdline) generated = command_line(one->machine, one->generated);
    g_autoptr(GPtrArray) before = devices_of(one->previous ?: "");
    g_autoptr(GPtrArray) previous = texts_of(before);
    g_autoptr(GPtrArray) added = devices_of(one->added);
    VpPlacing placing = { .generated = generated, .previous = one->previous ? previous : NULL,
                          .types = &source };
    VpBudget budget = vp_budget_new();
    g_autoptr(GError) error = NULL;
    bool done = vp_place(&placing, added, &budget, &error);
    g_autofree char *text = done ? canonical(added) : g_strconcat("!", error->message, NULL);

    g_assert_cmpstr(text, ==, one->placed);
}

/* --- what is not in the command line ------------------------------------------- */

static void
check_apart(void)
{
    g_autoptr(VpCmdline) generated = command_line(Q35, "pcie-root-port,id=pci.1|"
                                                       "pcie-root-port,id=pci.2");
    g_autoptr(VpPlan) wishes = vp_plan_new();
    g_autoptr(GPtrArray) added = devices_of("edu|e1000e,bus=pci.2");
    g_autoptr(GPtrArray) clash = devices_of("e1000e,bus=pci.1");
    VpPlacing placing = { .generated = generated, .types = &source };
    VpBudget budget = vp_budget_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    VpApart *apart = vp_plan_add_apart(wishes, g_strdup("<interface> in line 3"));

    apart->express = true;
    apart = vp_plan_add_apart(wishes, g_strdup("<interface> in line 4"));
    apart->placed = true;
    apart->slot = 0x1c;
    placing.apart = wishes->apart;
    g_assert_true(vp_place(&placing, added, &budget, NULL));
    text = canonical(added);
    g_assert_cmpstr(text, ==, "edu,bus=pcie.0,addr=0x19|e1000e,bus=pci.2,addr=0x0");
    g_assert_false(vp_place(&placing, clash, &budget, &error));
    g_assert_nonnull(strstr(error->message, "'<interface> in line 3' both want pci.1"));
}

static void
check_altered(void)
{
    g_autoptr(VpCmdline) generated = command_line(PC, "edu,bus=pci.0,addr=0x3");
    g_autoptr(GPtrArray) added = devices_of("edu,addr=3");
    g_autoptr(GPtrArray) twice = devices_of("edu,addr=4|edu,addr=4");
    VpPlacing placing = { .generated = generated, .altered = true, .types = &source };
    VpBudget budget = vp_budget_new();

    g_assert_true(vp_place(&placing, added, &budget, NULL));
    g_assert_false(vp_place(&placing, twice, &budget, NULL));
}

static void
check_running(void)
{
    g_autoptr(VpCmdline) generated = command_line(PC, "");
    g_autoptr(GPtrArray) before = devices_of("edu,id=a|edu,id=b,bus=pci.0,addr=0x7");
    g_autoptr(GPtrArray) previous = texts_of(before);
    VpPlacing placing = { .generated = generated, .running = true, .previous = previous,
                          .types = &source };

    /* the command line being known or not */
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GPtrArray) added = devices_of("edu,id=a|edu,id=b");
        VpBudget budget = vp_budget_new();
        g_autofree char *text = NULL;

        g_assert_true(vp_place(&placing, added, &budget, NULL));
        text = canonical(added);
        g_assert_cmpstr(text, ==, "edu,id=a|edu,id=b,bus=pci.0,addr=0x7");
        placing.generated = NULL;
    }
}

/* --- laws ---------------------------------------------------------------------- */

#define ROUNDS 400

/* A domain as libvirt may have it: its devices from the beginning of each bus. */
static char *
random_generated(GRand *random, bool express, guint n)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *root = express ? "pcie.0" : "pci.0";

    g_string_append_printf(text, "qemu-xhci,id=usb,p2=%d,bus=%s,addr=0x3|"
                           "virtio-scsi-pci,id=scsi0,bus=%s,addr=0x4|"
                           "virtio-serial-pci,id=virtio-serial0,bus=%s,addr=0x5",
                           g_rand_int_range(random, 8, 16), root, root, root);
    for (guint i = 0; i < n; i++)
        g_string_append_printf(text, "|virtio-net-pci,id=net%u,bus=%s,addr=0x%x", i, root, 6 + i);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static char *
random_added(GRand *random, guint i)
{
    static const char *const types[] = { "edu", "virtio-rng-pci", "usb-kbd", "scsi-hd",
                                         "virtserialport", "isa-debugcon" };
    const char *type = types[g_rand_int_range(random, 0, G_N_ELEMENTS(types))];

    if (g_rand_boolean(random))
        return g_strdup_printf("%s,id=x%u", type, i);
    return g_strdup_printf("%s,serial=%u", type, i);
}

static GPtrArray *
parse_list(const GPtrArray *texts)
{
    g_autoptr(GPtrArray) copy = g_ptr_array_new();
    g_autofree char *joined = NULL;

    for (guint i = 0; i < texts->len; i++)
        g_ptr_array_add(copy, texts->pdata[i]);
    g_ptr_array_add(copy, NULL);
    joined = g_strjoinv("|", (char **)copy->pdata);
    return devices_of(joined);
}

/* The places by what the devices are. */
static GHashTable *
places_of(const GPtrArray *texts, const GPtrArray *devices)
{
    GHashTable *places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    for (guint i = 0; i < devices->len; i++) {
        const VpOption *device = devices->pdata[i];

        g_hash_table_insert(places, g_strdup(texts->pdata[i]),
                            vp_value_canonical(device->row, device->value));
    }
    return places;
}

static GPtrArray *
place(const VpCmdline *generated, const GPtrArray *texts, const GPtrArray *previous)
{
    GPtrArray *devices = parse_list(texts);
    VpPlacing placing = { .generated = generated, .previous = previous, .types = &source };
    VpBudget budget = vp_budget_new();
    g_autoptr(GError) error = NULL;

    vp_place(&placing, devices, &budget, &error);
    g_assert_no_error(error);
    return devices;
}

static void
check_distinct(const GPtrArray *devices)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < devices->len; i++) {
        const VpOption *device = devices->pdata[i];
        g_autofree char *driver = vp_value_driver(device->row, device->value);
        g_autofree char *bus = vp_value_get(device->row, device->value, "bus");
        g_autofree char *whole = NULL, *claim = NULL;
        VpBusKind kind = VP_BUS_PCI;

        if (!vp_bus_kind_find(device_bus(&source, driver), &kind))
            continue;
        claim = vp_bus_claim(kind, device, &whole);
        g_assert_nonnull(claim);
        g_assert_true(g_hash_table_add(seen, g_strconcat(bus, " ", claim, NULL)));
    }
}

/* Whatever else of a domain comes and goes, a device keeps its place. */
static void
check_round(GRand *random)
{
    bool express = g_rand_boolean(random);
    const char *machine = express ? Q35 : PC;
    g_autofree char *few = random_generated(random, express, g_rand_int_range(random, 0, 4));
    g_autofree char *more = random_generated(random, express, g_rand_int_range(random, 0, 8));
    g_autoptr(VpCmdline) before = command_line(machine, few);
    g_autoptr(VpCmdline) after = command_line(machine, more);
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) first = NULL, previous = NULL, second = NULL;
    g_autoptr(GHashTable) were = NULL, are = NULL;
    GHashTableIter iter;
    gpointer text = NULL, now = NULL;

    for (gint i = g_rand_int_range(random, 1, 5); i >= 0; i--)
        g_ptr_array_add(texts, random_added(random, i));
    first = place(before, texts, NULL);
    check_distinct(first);
    previous = texts_of(first);
    were = places_of(texts, first);

    if (g_rand_boolean(random))
        g_ptr_array_remove_index(texts, g_rand_int_range(random, 0, texts->len));
    for (guint i = g_rand_int_range(random, 0, 3); i > 0; i--)
        g_ptr_array_insert(texts, g_rand_int_range(random, 0, texts->len + 1),
                           random_added(random, 100 + i));
    if (texts->len == 0)
        return;
    second = place(after, texts, previous);
    check_distinct(second);
    are = places_of(texts, second);
    g_hash_table_iter_init(&iter, are);
    while (g_hash_table_iter_next(&iter, &text, &now)) {
        const char *was = g_hash_table_lookup(were, text);

        g_assert_true(!was || strcmp(was, now) == 0);
    }
}

static void
check_laws(void)
{
    for (guint i = 0; i < ROUNDS; i++) {
        g_autoptr(GRand) random = g_rand_new_with_seed(i);

        check_round(random);
    }
}

/* --- limits --------------------------------------------------------------------- */

/* A bus with very many places, on which very many devices were before they had places. */
static void
check_many_places(void)
{
    g_autoptr(VpCmdline) generated =
        command_line(PC, "virtio-serial-pci,id=virtio-serial0,max_ports=65535,bus=pci.0,addr=0x4");
    g_autoptr(GPtrArray) added = g_ptr_array_new_with_free_func((GDestroyNotify)vp_option_free);
    g_autoptr(GPtrArray) previous = g_ptr_array_new_with_free_func(g_free);
    VpPlacing placing = { .generated = generated, .previous = previous, .types = &source };
    VpBudget budget = vp_budget_new();
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < 1000; i++) {
        g_autofree char *text = g_strdup_printf("virtserialport,id=p%u", i);

        g_ptr_array_add(added, vp_option_new("device", text));
        g_ptr_array_add(previous, g_steal_pointer(&text));
    }
    g_assert_false(vp_place(&placing, added, &budget, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
}

static void
check_budget(void)
{
    g_autoptr(VpCmdline) generated = command_line(PC, "");
    g_autoptr(GPtrArray) added = devices_of("edu");
    VpPlacing placing = { .generated = generated, .types = &source };
    VpBudget budget = { .left = 1 };
    g_autoptr(GError) error = NULL;

    g_assert_false(vp_place(&placing, added, &budget, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/place/", cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], check_case);
    }
    g_test_add_func("/place/apart", check_apart);
    g_test_add_func("/place/altered", check_altered);
    g_test_add_func("/place/running", check_running);
    g_test_add_func("/place/laws", check_laws);
    g_test_add_func("/place/budget", check_budget);
    g_test_add_func("/place/many-places", check_many_places);
    return g_test_run();
}
