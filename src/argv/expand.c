/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Options that are short for a backend and a device: -nic, -drive if=virtio, -vga and their like.
 *
 * The machine, or QEMU itself, makes these devices before any -device of libvirt's and puts them
 * where the first free place is. Said in full they come when the other added devices come, and get
 * places as those do (place.h).
 *
 * What each option is short for, and how QEMU numbers and names what it makes, is in QEMU's
 * sources: net/net.c (net_param_nic(), net_init_nic()), blockdev.c (drive_new()), softmmu/vl.c
 * (select_vgahw(), -virtfs, -audio), hw/audio/soundhw.c, hw/usb/bus.c (usbdevice_create()), and
 * those of each machine. Tests compare with what the installed QEMU makes. -nodefaults, which
 * libvirt always writes, changes none of it: it takes away what nobody has asked for.
 *
 * Names that can be seen stay the same: drives are "virtio0" and "ide1-cd0" to a monitor, devices
 * have no id. Where a device has to be named by another, or QEMU would make a name that cannot be
 * written ("#net063"), it begins with "virtpass-".
 *
 * What a machine has on board anyway, and only gives to the option (-serial, -parallel, -drive
 * if=pflash, if=mtd, if=sd; floppy drives), takes no place that libvirt gives away, and stays.
 */

#include "argv/expand.h"

#include "argv/bus.h"
#include "argv/device.h"
#include "argv/expand_job.h"
#include "argv/value.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

typedef VpExpandMachine Machine;
typedef VpExpandJob Job;

static const Machine machines[] = {
    { "pc-i440fx", "e1000", "ide", "-pci", 2, true },
    { "pc-q35", "e1000e", "ide", "-pci", 1, true },
    { "virt", "virtio-net-pci", "virtio", "-pci", 0, false },
    { "s390-ccw-virtio", "virtio-net-ccw", "virtio", "-ccw", 0, false },
    { "pseries", NULL, "scsi", "-pci", 0, false },
};

/* q35 machines had another NIC up to this minor release of QEMU 2. */
#define Q35_E1000 "pc-q35-2."
#define Q35_E1000_UNTIL 11

/* --- words ---------------------------------------------------------------------- */

bool
vp_expand_add(Job *job, const char *option, char *value)
{
    g_ptr_array_add(job->words, g_strdup(option));
    g_ptr_array_add(job->words, value);
    return true;
}

static char *
get(const Job *job, const char *key)
{
    return vp_value_get(job->option->row, job->option->value, key);
}

/* A text for key=value form. */
static char *
escape(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);

    return g_strjoinv(",,", parts);
}

char *
vp_expand_without(const VpOptionRow *row, char *value, const char *const *keys)
{
    for (; *keys; keys++) {
        char *less = vp_value_remove(row, value, *keys);

        if (!less)
            continue;
        g_free(value);
        value = less;
    }
    return value;
}

/* ",KEY=TEXT" in key=value form; nothing for NULL. */
static void
append_key(GString *value, const char *key, const char *text)
{
    g_autofree char *escaped = text ? escape(text) : NULL;

    if (escaped)
        g_string_append_printf(value, "%s%s=%s", value->len > 0 ? "," : "", key, escaped);
}

char *
vp_expand_join(const char *first, const char *key, const char *text, const char *rest)
{
    g_autoptr(GString) value = g_string_new(first);

    append_key(value, key, text);
    if (rest && *rest)
        g_string_append_printf(value, ",%s", rest);
    return g_string_free(g_steal_pointer(&value), FALSE);
}

/* --- network -------------------------------------------------------------------- */

/* Where the NICs on the ISA bus are, one after the other (hw/i386/pc.c). */
static const struct {
    const char *iobase;
    const char *irq;
} isa_nics[] = {
    { "0x300", "9" }, { "0x320", "10" }, { "0x340", "11" },
    { "0x360", "3" }, { "0x280", "4" }, { "0x380", "5" },
};

static bool
is_isa_nic(const char *model)
{
    return strcmp(model, "ne2k_isa") == 0;
}

/* The type of the device; NULL: the machine has it on board. g_free(). */
static char *
nic_driver(const Job *job, const char *model)
{
    static const char *const on_board[] = { "spapr-vlan", "ibmveth", NULL };

    if (!model)
        return g_strdup(job->expander->nic);
    if (strcmp(model, "virtio") == 0)
        return g_strconcat("virtio-net", job->machine->suffix, NULL);
    if (g_strv_contains(on_board, model) || (is_isa_nic(model) && !job->machine->pc))
        return NULL;
    return g_strdup(model);
}

static bool
has_property(const Job *job, const char *driver, const char *key)
{
    const VpTypeSource *types = job->expander->types;

    return types && types->lookup(types, "device", driver, key) != VP_TYPE_UNKNOWN;
}

static void
append_isa_nic(Job *job, GString *device)
{
    guint nth = job->expander->made[MADE_ISA_NIC]++;

    if (nth < G_N_ELEMENTS(isa_nics))
        g_string_append_printf(device, ",iobase=%s,irq=%s", isa_nics[nth].iobase,
                               isa_nics[nth].irq);
}

/* @mac: the option's name for it. @vectors: NULL: the device's default. */
static bool
add_nic(Job *job, const char *driver, const char *netdev, const char *mac, const char *vectors)
{
    g_autoptr(GString) device = g_string_new(driver);
    g_autofree char *address = get(job, mac);

    append_key(device, "netdev", netdev);
    append_key(device, "mac", address);
    /* of vectors a NIC that has none is not told */
    if (has_property(job, driver, "vectors"))
        append_key(device, "vectors", vectors);
    if (strcmp(job->option->row->name, "net") == 0) {
        g_autofree char *place = get(job, "addr");

        append_key(device, "addr", place);
    }
    if (is_isa_nic(driver))
        append_isa_nic(job, device);
    return vp_expand_add(job, "-device", g_string_free(g_steal_pointer(&device), FALSE));
}

/* -nic TYPE,model=,mac=,REST is -netdev TYPE,id=,REST and the device, which QEMU gives no vectors
 * for interrupts then. */
static bool
expand_nic(Job *job, GError **error G_GNUC_UNUSED)
{
    static const char *const own[] = { "model", "mac", "id", "type", NULL };
    g_autofree char *type = get(job, "type"), *model = get(job, "model"), *id = get(job, "id");
    g_autofree char *driver = nic_driver(job, model);
    g_autofree char *rest = NULL;

    if (!driver || g_strcmp0(type, "none") == 0)
        return true;
    if (!id)
        id = g_strdup_printf("virtpass-net%u", job->expander->made[MADE_NETDEV]++);
    rest = vp_expand_without(job->option->row, g_strdup(job->option->value), own);
    vp_expand_add(job, "-netdev", vp_expand_join(type ?: "user", "id", id, rest));
    return add_nic(job, driver, id, "mac", "0");
}

/* -net nic without a netdev is on hub 0, as all other -net are. */
static char *
find_netdev(Job *job)
{
    char *netdev = get(job, "netdev");

    if (netdev)
        return netdev;
    netdev = g_strdup_printf("virtpass-hubport%u", job->expander->made[MADE_HUBPORT]++);
    vp_expand_add(job, "-netdev", g_strdup_printf("hubport,id=%s,hubid=0", netdev));
    return netdev;
}

static bool
expand_net(Job *job, GError **error G_GNUC_UNUSED)
{
    g_autofree char *type = get(job, "type"), *model = get(job, "model");
    g_autofree char *driver = nic_driver(job, model), *netdev = NULL;
    g_autofree char *vectors = get(job, "vectors");

    if (!driver || g_strcmp0(type, "nic") != 0)
        return true;
    netdev = find_netdev(job);
    return add_nic(job, driver, netdev, "macaddr", vectors);
}

/* --- display, sound, shared directories -------------------------------------------- */

typedef struct Model {
    const char *name;
    const char *driver;
} Model;

/* NULL: there is none of that name. */
static const char *
find_driver(const Model *models, gsize n, const char *name)
{
    for (gsize i = 0; name && i < n; i++) {
        if (strcmp(models[i].name, name) == 0)
            return models[i].driver;
    }
    return NULL;
}

static const Model displays[] = {
    { "std", "VGA" },          { "cirrus", "cirrus-vga" },    { "vmware", "vmware-svga" },
    { "qxl", "qxl-vga" },      { "virtio", "virtio-vga" },
};

/* What follows the name (retrace=) is not the device's. */
static bool
expand_vga(Job *job, GError **error G_GNUC_UNUSED)
{
    const char *value = job->option->value;
    g_autofree char *name = g_strndup(value, strcspn(value, ","));
    const char *driver = find_driver(displays, G_N_ELEMENTS(displays), name);

    if (!driver || !job->machine->pc)
        return true;
    if (value[strlen(name)])
        vp_expand_add(job, "-vga", g_strconcat("none", value + strlen(name), NULL));
    return vp_expand_add(job, "-device", g_strdup(driver));
}

static const Model cards[] = {
    { "ac97", "AC97" },
    { "es1370", "ES1370" },
    { "hda", "hda-duplex" },
    { "virtio", "virtio-sound-pci" },
};

static const Model isa_cards[] = {
    { "adlib", "adlib" },
    { "cs4231a", "cs4231a" },
    { "gus", "gus" },
    { "sb16", "sb16" },
};

static bool
add_card(Job *job, const char *driver, const char *audiodev)
{
    g_autofree char *bus = NULL;

    if (strcmp(driver, "hda-duplex") == 0) {
        guint nth = job->expander->made[MADE_HDA]++;

        vp_expand_add(job, "-device", g_strdup_printf("intel-hda,id=virtpass-hda%u", nth));
        bus = g_strdup_printf("bus=virtpass-hda%u.0", nth);
    }
    return vp_expand_add(job, "-device", vp_expand_join(driver, "audiodev", audiodev, bus));
}

static bool
expand_audio(Job *job, GError **error G_GNUC_UNUSED)
{
    static const char *const own[] = { "model", "id", "driver", NULL };
    g_autofree char *model = get(job, "model"), *id = get(job, "id"), *type = get(job, "driver");
    const char *driver = find_driver(cards, G_N_ELEMENTS(cards), model);
    g_autofree char *rest = NULL;

    if (!driver && job->machine->pc)
        driver = find_driver(isa_cards, G_N_ELEMENTS(isa_cards), model);
    if (!driver || !type)
        return true;
    if (!id)
        id = g_strdup("audiodev0");
    rest = vp_expand_without(job->option->row, g_strdup(job->option->value), own);
    vp_expand_add(job, "-audiodev", vp_expand_join(type, "id", id, rest));
    return add_card(job, driver, id);
}

static bool
expand_virtfs(Job *job, GError **error G_GNUC_UNUSED)
{
    static const char *const own[] = { "mount_tag", "id", "fsdriver", NULL };
    g_autofree char *type = get(job, "fsdriver"), *tag = get(job, "mount_tag");
    g_autofree char *id = get(job, "id"), *rest = NULL, *driver = NULL, *device = NULL;

    if (!type || !tag)
        return true;
    if (!id)
        id = g_strdup(tag);
    rest = vp_expand_without(job->option->row, g_strdup(job->option->value), own);
    vp_expand_add(job, "-fsdev", vp_expand_join(type, "id", id, rest));
    driver = g_strconcat("virtio-9p", job->machine->suffix, NULL);
    device = vp_expand_join(driver, "fsdev", id, NULL);
    return vp_expand_add(job, "-device", vp_expand_join(device, "mount_tag", tag, NULL));
}

/* --- USB ------------------------------------------------------------------------ */

/* What -usb makes a machine have. */
static const struct {
    const char *family;
    const char *device;
} usb_adapters[] = {
    { "pc-i440fx", "piix3-usb-uhci,bus=pci.0,addr=0x1.0x2" },
    { "pc-q35", "ich9-usb-ehci1,bus=pcie.0,addr=0x1d.0x7,multifunction=on" },
    { "pc-q35", "ich9-usb-uhci1,bus=pcie.0,addr=0x1d.0x0,multifunction=on,masterbus=usb-bus.0,"
                "firstport=0" },
    { "pc-q35", "ich9-usb-uhci2,bus=pcie.0,addr=0x1d.0x1,multifunction=on,masterbus=usb-bus.0,"
                "firstport=2" },
    { "pc-q35", "ich9-usb-uhci3,bus=pcie.0,addr=0x1d.0x2,multifunction=on,masterbus=usb-bus.0,"
                "firstport=4" },
};

static bool
expand_usb(Job *job, GError **error G_GNUC_UNUSED)
{
    bool made = job->expander->usb;

    job->dropped = made;
    for (gsize i = 0; !made && i < G_N_ELEMENTS(usb_adapters); i++) {
        if (strcmp(usb_adapters[i].family, job->machine->family) != 0)
            continue;
        vp_expand_add(job, "-device", g_strdup(usb_adapters[i].device));
        job->expander->usb = true;
    }
    return true;
}

static const Model usb_devices[] = {
    { "braille", "usb-braille,chardev=braille" },
    { "keyboard", "usb-kbd" },
    { "mouse", "usb-mouse" },
    { "tablet", "usb-tablet" },
    { "wacom-tablet", "usb-wacom-tablet" },
};

/* It implies -usb; the domain may have an adapter already. */
static bool
expand_usbdevice(Job *job, GError **error)
{
    const char *name = job->option->value;
    const char *device = find_driver(usb_devices, G_N_ELEMENTS(usb_devices), name);

    if (!device || !job->machine->pc)
        return true;
    if (!job->expander->libvirt_usb)
        expand_usb(job, error);
    if (strcmp(name, "braille") == 0)
        vp_expand_add(job, "-chardev", g_strdup("braille,id=braille"));
    return vp_expand_add(job, "-device", g_strdup(device));
}

/* --- files ---------------------------------------------------------------------- */

/* What is in it can be something else at each start, and nobody but QEMU reads it. */
static bool
expand_readconfig(Job *job, GError **error)
{
    return vp_refuse(error, VP_ERROR_UNSUPPORTED, "-readconfig %s: devices of a file would take "
                     "the places of the domain's own, and what is in it is not known here; write "
                     "its groups as elements instead: for [device \"ID\"] <qemu:device id='ID'>"
                     "<driver>...</driver></qemu:device>, and so on", job->option->value);
}

/* --- all of them ------------------------------------------------------------------ */

static const struct {
    const char *option;
    bool (*expand)(Job *job, GError **error);
    bool anywhere; /* also where the machine is not known */
} rows[] = {
    { "audio", expand_audio, false },       { "cdrom", vp_expand_file, false },
    { "drive", vp_expand_drive, false },       { "fda", vp_expand_file, false },
    { "fdb", vp_expand_file, false },          { "hda", vp_expand_file, false },
    { "hdb", vp_expand_file, false },          { "hdc", vp_expand_file, false },
    { "hdd", vp_expand_file, false },          { "net", expand_net, false },
    { "nic", expand_nic, false },           { "readconfig", expand_readconfig, true },
    { "usb", expand_usb, false },           { "usbdevice", expand_usbdevice, false },
    { "vga", expand_vga, false },           { "virtfs", expand_virtfs, false },
};

const char *const *
vp_expand_options(void)
{
    static const char *names[G_N_ELEMENTS(rows) + 1];

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        names[i] = rows[i].option;
    return names;
}

static const Machine *
find_machine(const char *name)
{
    for (gsize i = 0; name && i < G_N_ELEMENTS(machines); i++) {
        if (vp_bus_is_of_machine(name, machines[i].family))
            return &machines[i];
    }
    return NULL;
}

/* Once, and not for each option that asks. */
static void
look_at_libvirt(VpExpander *expander)
{
    const VpCmdline *generated = expander->generated;
    g_autoptr(GPtrArray) buses = vp_buses_new(generated);

    for (guint i = 0; generated && i < generated->options->len; i++) {
        const VpOption *option = generated->options->pdata[i];
        g_autofree char *driver = NULL;

        if (!vp_option_is_device(option))
            continue;
        driver = vp_value_driver(option->row, option->value);
        expander->libvirt_floppy |= g_strcmp0(driver, "floppy") == 0;
        vp_buses_add_of(buses, option);
    }
    for (guint i = 0; i < buses->len; i++)
        expander->libvirt_usb |= ((const VpBus *)buses->pdata[i])->kind == VP_BUS_USB;
}

static bool
is_old_q35(const char *name)
{
    return name && g_str_has_prefix(name, Q35_E1000)
           && atoi(name + strlen(Q35_E1000)) <= Q35_E1000_UNTIL;
}

VpExpander *
vp_expander_new(const char *machine, const VpCmdline *generated, const VpTypeSource *types,
                VpBudget *budget)
{
    VpExpander *expander = g_new0(VpExpander, 1);
    g_autofree char *told = vp_bus_machine(generated);
    const char *name = told ? told : machine;

    expander->machine = find_machine(name);
    if (expander->machine)
        expander->nic = is_old_q35(name) ? "e1000" : expander->machine->nic;
    expander->generated = generated;
    expander->types = types;
    expander->budget = budget;
    if (expander->machine)
        look_at_libvirt(expander);
    expander->drives = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return expander;
}

void
vp_expander_free(VpExpander *expander)
{
    if (!expander)
        return;
    g_hash_table_unref(expander->drives);
    g_free(expander);
}

char **
vp_expand(VpExpander *expander, const VpOption *option, GError **error)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    Job job = { expander, expander->machine, option, words, false };

    for (gsize i = 0; option->row && i < G_N_ELEMENTS(rows); i++) {
        if (strcmp(rows[i].option, option->row->name) != 0)
            continue;
        if ((job.machine || rows[i].anywhere) && !rows[i].expand(&job, error))
            return NULL;
    }
    if (words->len == 0 && !job.dropped)
        return NULL;
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_steal(words, NULL);
}

VpOption *
vp_expand_group(const VpGroup *group)
{
    static const char *const names[] = { "drive", "net", "nic", NULL };
    g_autoptr(GString) value = g_string_new(NULL);

    if (!g_strv_contains(names, group->name))
        return NULL;
    append_key(value, "id", group->id);
    for (guint i = 0; i < group->keys->len; i++)
        append_key(value, group->keys->pdata[i], group->values->pdata[i]);
    return vp_option_new(group->name, value->str);
}
