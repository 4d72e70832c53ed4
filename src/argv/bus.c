/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Buses of QEMU's machines and devices, as far as places on them are given away.
 *
 * libvirt fills each bus from its beginning, so the end is where an added device is least in its
 * way, now and when more is plugged in later. Where libvirt has uses of its own for a place near
 * the end, that comes last: on a q35, 1a and 1d are for USB 2 controllers, 1b for sound, 1e for a
 * bridge (libvirt, src/qemu/qemu_domain_address.c). Places that a chip set has taken are not in an
 * order at all. Slot 0 of a conventional bridge is its hot-plug controller's.
 *
 * How many places a bus has is in QEMU's sources of the device that makes it (hw/usb, hw/scsi,
 * hw/ide, hw/char/virtio-serial-bus.c) and can be a property of it. Of the SCSI adapters with eight
 * ids the last is the adapter's own.
 */

#include "argv/bus.h"

#include "argv/value.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *type;
    const char *keys[4];
} kinds[VP_BUS_KINDS] = {
    [VP_BUS_PCI] = { "PCI", { "addr", NULL } },
    [VP_BUS_USB] = { "usb-bus", { "port", NULL } },
    [VP_BUS_SCSI] = { "SCSI", { "scsi-id", "channel", "lun", NULL } },
    [VP_BUS_SERIAL] = { "virtio-serial-bus", { "nr", NULL } },
    [VP_BUS_IDE] = { "IDE", { "unit", NULL } },
    [VP_BUS_CCW] = { "virtual-css-bus", { "devno", NULL } },
};

#define SLOTS "1e-1,1f"
#define PORT "0"

/* What a machine has by itself, by how the name of its type begins. */
static const struct {
    const char *machine;
    VpBusKind kind;
    const char *bus; /* NULL: it is not named */
    const char *order;
} machine_buses[] = {
    { "pc-q35", VP_BUS_PCI, "pcie.0", "1c,19-1,1b,1a,1d,1e" },
    { "pc-q35", VP_BUS_IDE, "ide.5", "0" },
    { "pc-q35", VP_BUS_IDE, "ide.4", "0" },
    { "pc-q35", VP_BUS_IDE, "ide.3", "0" },
    { "pc-q35", VP_BUS_IDE, "ide.2", "0" },
    { "pc-q35", VP_BUS_IDE, "ide.1", "0" },
    { "pc-q35", VP_BUS_IDE, "ide.0", "0" },
    { "pc-i440fx", VP_BUS_PCI, "pci.0", "1e-3,1f,2" },
    { "pc-i440fx", VP_BUS_IDE, "ide.1", "1-0" },
    { "pc-i440fx", VP_BUS_IDE, "ide.0", "1-0" },
    { "virt", VP_BUS_PCI, "pcie.0", SLOTS },
    { "pseries", VP_BUS_PCI, "pci.0", SLOTS },
    { "s390-ccw-virtio", VP_BUS_PCI, "pci.0", SLOTS },
    { "s390-ccw-virtio", VP_BUS_CCW, NULL, "ffff-0" },
};

/* Short names of machines. */
static const struct {
    const char *alias;
    const char *machine;
} aliases[] = {
    { "pc", "pc-i440fx" },
    { "q35", "pc-q35" },
};

/* What devices make. */
static const struct {
    const char *driver; /* how its name begins */
    VpBusKind kind;
    const char *suffix; /* of the bus' name, behind the device's id */
    const char *order;  /* as in VpBus */
} device_buses[] = {
    { "pcie-root-port", VP_BUS_PCI, "", PORT },
    { "ioh3420", VP_BUS_PCI, "", PORT },
    { "xio3130-downstream", VP_BUS_PCI, "", PORT },
    { "pci-bridge", VP_BUS_PCI, "", SLOTS },
    { "pcie-pci-bridge", VP_BUS_PCI, "", SLOTS },
    { "i82801b11-bridge", VP_BUS_PCI, "", SLOTS },
    { "x3130-upstream", VP_BUS_PCI, "", SLOTS },
    { "pxb", VP_BUS_PCI, "", SLOTS },
    { "spapr-pci-host-bridge", VP_BUS_PCI, ".0", SLOTS },
    { "piix3-usb-uhci", VP_BUS_USB, ".0", "2-1" },
    { "piix4-usb-uhci", VP_BUS_USB, ".0", "2-1" },
    { "vt82c686b-usb-uhci", VP_BUS_USB, ".0", "2-1" },
    { "ich9-usb-uhci", VP_BUS_USB, ".0", "2-1" },
    { "ich9-usb-ehci", VP_BUS_USB, ".0", "6-1" },
    { "usb-ehci", VP_BUS_USB, ".0", "6-1" },
    { "pci-ohci", VP_BUS_USB, ".0", "3-1" },
    { "qemu-xhci", VP_BUS_USB, ".0", "4-1" },
    { "nec-usb-xhci", VP_BUS_USB, ".0", "4-1" },
    { "virtio-scsi-", VP_BUS_SCSI, ".0", "ff-0" },
    { "lsi", VP_BUS_SCSI, ".0", "6-0" },
    { "am53c974", VP_BUS_SCSI, ".0", "6-0" },
    { "dc390", VP_BUS_SCSI, ".0", "6-0" },
    { "mptsas1068", VP_BUS_SCSI, ".0", "7-0" },
    { "megasas", VP_BUS_SCSI, ".0", "3f-0" },
    { "pvscsi", VP_BUS_SCSI, ".0", "3f-0" },
    { "spapr-vscsi", VP_BUS_SCSI, ".0", "7-0" },
    { "virtio-serial-", VP_BUS_SERIAL, ".0", "1e-1" },
    { "ahci", VP_BUS_IDE, ".5", "0" },
    { "ahci", VP_BUS_IDE, ".4", "0" },
    { "ahci", VP_BUS_IDE, ".3", "0" },
    { "ahci", VP_BUS_IDE, ".2", "0" },
    { "ahci", VP_BUS_IDE, ".1", "0" },
    { "ahci", VP_BUS_IDE, ".0", "0" },
};

/* Properties of such devices that say how many places there are. The larger one of two counts. */
static const struct {
    const char *driver;
    const char *keys[2];
    guint less; /* by how much the last place is less than that; the first is 1 */
} counts[] = {
    { "pci-ohci", { "num-ports", NULL }, 0 },
    { "qemu-xhci", { "p2", "p3" }, 0 },
    { "nec-usb-xhci", { "p2", "p3" }, 0 },
    { "virtio-serial-", { "max_ports", NULL }, 1 },
};

bool
vp_bus_kind_find(const char *type, VpBusKind *ret_kind)
{
    for (guint kind = 0; type && kind < VP_BUS_KINDS; kind++) {
        *ret_kind = (VpBusKind)kind;
        if (strcmp(kinds[kind].type, type) == 0)
            return true;
    }
    return false;
}

const char *const *
vp_bus_keys(VpBusKind kind)
{
    return kinds[kind].keys;
}

bool
vp_bus_key_is_number(const char *key)
{
    static const char *const numbers[] = { "scsi-id", "channel", "lun", "nr", "unit", NULL };

    return g_strv_contains(numbers, key);
}

/* --- which there are -------------------------------------------------------- */

static void
bus_free(gpointer data)
{
    VpBus *bus = data;

    g_free(bus->name);
    g_free(bus->order);
    g_free(bus);
}

/* Takes @name and @order. */
static void
add_bus(GPtrArray *buses, VpBusKind kind, char *name, char *order)
{
    VpBus *bus = g_new0(VpBus, 1);

    bus->kind = kind;
    bus->name = name;
    bus->order = order;
    bus->port = kind == VP_BUS_PCI && strcmp(order, PORT) == 0;
    g_ptr_array_add(buses, bus);
}

char *
vp_bus_machine(const VpCmdline *cmdline)
{
    for (guint i = 0; cmdline && i < cmdline->options->len; i++) {
        const VpOption *option = cmdline->options->pdata[i];

        if (option->row && option->value && strcmp(option->row->name, "machine") == 0)
            return vp_value_get(option->row, option->value, "type");
    }
    return NULL;
}

static const char *
full_name(const char *machine)
{
    for (gsize i = 0; i < G_N_ELEMENTS(aliases); i++) {
        if (strcmp(aliases[i].alias, machine) == 0)
            return aliases[i].machine;
    }
    return machine;
}

bool
vp_bus_is_of_machine(const char *machine, const char *family)
{
    const char *name = full_name(machine);
    gsize len = strlen(family);

    return g_str_has_prefix(name, family) && (!name[len] || name[len] == '-');
}

GPtrArray *
vp_buses_new(const VpCmdline *cmdline)
{
    GPtrArray *buses = g_ptr_array_new_with_free_func(bus_free);
    g_autofree char *machine = vp_bus_machine(cmdline);

    for (gsize i = 0; machine && i < G_N_ELEMENTS(machine_buses); i++) {
        if (vp_bus_is_of_machine(machine, machine_buses[i].machine))
            add_bus(buses, machine_buses[i].kind, g_strdup(machine_buses[i].bus),
                    g_strdup(machine_buses[i].order));
    }
    return buses;
}

static guint
number_of(const VpOption *device, const char *key)
{
    g_autofree char *text = key ? vp_value_get(device->row, device->value, key) : NULL;

    return text ? (guint)MIN(strtoul(text, NULL, 0), 0xffff) : 0;
}

/* The order that the device's own properties give; NULL: they say nothing. g_free(). */
static char *
told_order(const VpOption *device, const char *driver)
{
    for (gsize i = 0; i < G_N_ELEMENTS(counts); i++) {
        guint count = 0;

        if (!g_str_has_prefix(driver, counts[i].driver))
            continue;
        count = MAX(number_of(device, counts[i].keys[0]), number_of(device, counts[i].keys[1]));
        return count > counts[i].less ? g_strdup_printf("%x-1", count - counts[i].less) : NULL;
    }
    return NULL;
}

void
vp_buses_add_of(GPtrArray *buses, const VpOption *device)
{
    g_autofree char *driver = vp_value_driver(device->row, device->value);
    g_autofree char *id = vp_value_get(device->row, device->value, "id");
    g_autofree char *master = vp_value_get(device->row, device->value, "masterbus");

    /* one with a masterbus lends its ports to that */
    for (gsize i = 0; driver && id && !master && i < G_N_ELEMENTS(device_buses); i++) {
        if (g_str_has_prefix(driver, device_buses[i].driver))
            add_bus(buses, device_buses[i].kind, g_strconcat(id, device_buses[i].suffix, NULL),
                    told_order(device, driver) ?: g_strdup(device_buses[i].order));
    }
}

/* --- places ----------------------------------------------------------------- */

bool
vp_bus_place(const VpBus *bus, guint i, guint *ret_place)
{
    const char *at = bus->order;

    while (*at) {
        char *end = NULL;
        guint from = (guint)strtoul(at, &end, 16);
        guint to = *end == '-' ? (guint)strtoul(end + 1, &end, 16) : from;

        if (i <= from - to) {
            *ret_place = from - i;
            return true;
        }
        i -= from - to + 1;
        at = *end == ',' ? end + 1 : end;
    }
    return false;
}

char *
vp_bus_place_text(VpBusKind kind, guint place)
{
    if (kind == VP_BUS_PCI)
        return g_strdup_printf("0x%x", place);
    if (kind == VP_BUS_CCW)
        return g_strdup_printf("fe.0.%04x", place);
    return g_strdup_printf("%u", place);
}

/* --- claims ----------------------------------------------------------------- */

bool
vp_bus_read_slot(const char *text, guint *ret_slot, guint *ret_function)
{
    char *end = NULL;
    guint64 slot = g_ascii_strtoull(text, &end, 16), function = 0;

    if (end == text)
        return false;
    if (*end == '.')
        function = g_ascii_strtoull(end + 1, &end, 16);
    if (*end || slot > 31 || function > 7)
        return false;
    *ret_slot = (guint)slot;
    *ret_function = (guint)function;
    return true;
}

static char *
claim_slot(const char *text, char **ret_whole)
{
    guint slot = 0, function = 0;

    if (!vp_bus_read_slot(text, &slot, &function))
        return NULL;
    *ret_whole = vp_bus_place_text(VP_BUS_PCI, slot);
    return g_strdup_printf("0x%x.%x", slot, function);
}

static char *
claim_port(const char *text, char **ret_whole)
{
    *ret_whole = g_strndup(text, strcspn(text, "."));
    return g_strdup(text);
}

static char *
claim_target(const char *text, const VpOption *device, char **ret_whole)
{
    *ret_whole = g_strdup_printf("%lu", strtoul(text, NULL, 0));
    return g_strdup_printf("%u:%s:%u", number_of(device, "channel"), *ret_whole,
                           number_of(device, "lun"));
}

static char *
claim_number(const char *text, char **ret_whole)
{
    *ret_whole = g_strdup_printf("%lu", strtoul(text, NULL, 0));
    return g_strdup(*ret_whole);
}

static char *
claim_devno(const char *text, char **ret_whole)
{
    *ret_whole = g_ascii_strdown(text, -1);
    return g_strdup(*ret_whole);
}

char *
vp_bus_claim(VpBusKind kind, const VpOption *device, char **ret_whole)
{
    g_autofree char *text = vp_value_get(device->row, device->value, kinds[kind].keys[0]);

    *ret_whole = NULL;
    if (!text || !*text)
        return NULL;
    switch (kind) {
    case VP_BUS_PCI:
        return claim_slot(text, ret_whole);
    case VP_BUS_USB:
        return claim_port(text, ret_whole);
    case VP_BUS_SCSI:
        return claim_target(text, device, ret_whole);
    case VP_BUS_CCW:
        return claim_devno(text, ret_whole);
    default:
        return claim_number(text, ret_whole);
    }
}
