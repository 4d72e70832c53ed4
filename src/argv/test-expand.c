/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What options that make devices are spelled out as. tests/daemon/expansion.py compares it with
 * what a real QEMU makes of them.
 */

#include "argv/expand.h"
#include "argv/order.h"

#include "argv/test-plans.h"
#include "base/error.h"
#include "base/limits.h"
#include "plan/makers.h"

static VpValueType
lookup(const VpTypeSource *self G_GNUC_UNUSED, const char *option G_GNUC_UNUSED,
       const char *driver, const char *key)
{
    bool has = strcmp(key, "vectors") != 0 || g_str_has_prefix(driver, "virtio");

    return has ? VP_TYPE_STRING : VP_TYPE_UNKNOWN;
}

static const VpTypeSource source = { .lookup = lookup };

typedef struct Case {
    const char *machine;
    const char *generated; /* of libvirt's; NULL: not known */
    const char *words;     /* with | between them */
    const char *spelled;   /* or with ! in front the error of the last */
} Case;

#define PC "-machine pc-i440fx-7.2,usb=off"
#define USB " -device {'driver':'qemu-xhci','id':'usb','bus':'pci.0','addr':'0x2'}"

static const Case cases[] = {
    /* network */
    { "pc", PC, "-nic|user", "-netdev|user,id=virtpass-net0|-device|e1000,netdev=virtpass-net0" },
    { "q35", NULL, "-nic|user|-nic|tap,ifname=a,,b,model=virtio,mac=m|-nic|id=x,model=rtl8139",
      "-netdev|user,id=virtpass-net0|-device|e1000e,netdev=virtpass-net0|"
      "-netdev|tap,id=virtpass-net1,ifname=a,,b|"
      "-device|virtio-net-pci,netdev=virtpass-net1,mac=m,vectors=0|"
      "-netdev|user,id=x|-device|rtl8139,netdev=x" },
    { "pc-q35-2.11", NULL, "-nic|user,id=x", "-netdev|user,id=x|-device|e1000,netdev=x" },
    { "pc-q35-2.12", NULL, "-nic|user,id=x", "-netdev|user,id=x|-device|e1000e,netdev=x" },
    { "virt-7.2", NULL, "-nic|user,id=x",
      "-netdev|user,id=x|-device|virtio-net-pci,netdev=x,vectors=0" },
    { "s390-ccw-virtio", NULL, "-nic|user,id=x,model=virtio",
      "-netdev|user,id=x|-device|virtio-net-ccw,netdev=x,vectors=0" },
    { "pseries-7.2", NULL, "-nic|user|-nic|user,model=ibmveth|-nic|user,id=x,model=e1000",
      "-nic|user|-nic|user,model=ibmveth|-netdev|user,id=x|-device|e1000,netdev=x" },
    { "pc", NULL, "-nic|none|-net|none|-net|user|-net|nic|-net|nic,netdev=n,macaddr=m,addr=5,"
      "vectors=3,model=virtio|-net|nic,netdev=n,vectors=3",
      "-nic|none|-net|none|-net|user|-netdev|hubport,id=virtpass-hubport0,hubid=0|"
      "-device|e1000,netdev=virtpass-hubport0|"
      "-device|virtio-net-pci,netdev=n,mac=m,vectors=3,addr=5|-device|e1000,netdev=n" },
    { "pc", NULL, "-net|nic,netdev=n,model=ne2k_isa|-net|nic,netdev=m,model=ne2k_isa",
      "-device|ne2k_isa,netdev=n,iobase=0x300,irq=9|"
      "-device|ne2k_isa,netdev=m,iobase=0x320,irq=10" },
    /* drives */
    { "pc", NULL, "-drive|if=virtio,file=a,,b|-drive|if=virtio,index=2|-drive|if=virtio,id=x|"
      "-drive|if=none,id=y,index=3|-drive|if=pflash,unit=0",
      "-drive|if=none,id=virtio0,file=a,,b|-device|virtio-blk-pci,drive=virtio0|"
      "-drive|if=none,id=virtio2|-device|virtio-blk-pci,drive=virtio2|"
      "-drive|if=none,id=x|-device|virtio-blk-pci,drive=x|"
      "-drive|if=none,id=y,index=3|-drive|if=pflash,unit=0" },
    { "virt", NULL, "-drive|file=a|-hda|b,c|-drive|if=ide,file=d",
      "-drive|if=none,id=virtio0,file=a|-device|virtio-blk-pci,drive=virtio0|"
      "!there is a drive at bus=0,unit=0 already" },
    { "pc", NULL, "-drive|file=a|-cdrom|b,c|-hdb|d|-drive|bus=1,file=e",
      "-drive|if=none,id=ide0-hd0,file=a|-device|ide-hd,drive=ide0-hd0|"
      "-drive|if=none,id=ide1-cd0,media=cdrom,file=b,,c|"
      "-device|ide-cd,drive=ide1-cd0,bus=ide.1,unit=0|"
      "-drive|if=none,id=ide0-hd1,media=disk,file=d|"
      "-device|ide-hd,drive=ide0-hd1,bus=ide.0,unit=1|"
      "-drive|if=none,id=ide1-hd1,file=e|-device|ide-hd,drive=ide1-hd1,bus=ide.1,unit=1" },
    { "q35", NULL, "-hdc|a", "-drive|if=none,id=ide2-hd0,media=disk,file=a|"
      "-device|ide-hd,drive=ide2-hd0,bus=ide.2,unit=0" },
    { "q35", NULL, "-fda|a|-drive|if=floppy|-drive|if=xen|-drive|index=1,bus=0",
      "-fda|a|-drive|if=floppy|-drive|if=xen|!index= cannot be used with bus= and unit=" },
    { "pc", NULL, "-drive|if=scsi,media=cdrom", "!a drive with if=scsi needs an adapter, which "
      "this machine has not; write -device lsi53c895a,id=ADAPTER, -drive if=none,id=DRIVE,... and "
      "-device scsi-cd,bus=ADAPTER.0,drive=DRIVE instead" },
    { "pseries", NULL, "-drive|if=scsi|-drive|file=a", "-drive|if=scsi|-drive|file=a" },
    { "pc", PC " -device {'driver':'floppy','unit':0,'id':'fdc0-0-0'}", "-fda|a",
      "!the domain has a floppy drive of libvirt's, at which it would be too; write another <disk "
      "type='file' device='floppy'> instead" },
    /* display, sound, directories */
    { "pc", NULL, "-vga|std|-vga|none|-vga|cirrus,retrace=dumb|-vga|isa",
      "-device|VGA|-vga|none|-vga|none,retrace=dumb|-device|cirrus-vga|-vga|isa" },
    { "virt", NULL, "-vga|std|-usb|-usbdevice|mouse", "-vga|std|-usb|-usbdevice|mouse" },
    { "pc", NULL, "-audio|pa,model=hda,out.frequency=1|-audio|driver=pa,id=b,model=hda|-audio|pa|"
      "-audio|pa,model=sb16",
      "-audiodev|pa,id=audiodev0,out.frequency=1|-device|intel-hda,id=virtpass-hda0|"
      "-device|hda-duplex,audiodev=audiodev0,bus=virtpass-hda0.0|"
      "-audiodev|pa,id=b|-device|intel-hda,id=virtpass-hda1|"
      "-device|hda-duplex,audiodev=b,bus=virtpass-hda1.0|-audio|pa|"
      "-audiodev|pa,id=audiodev0|-device|sb16,audiodev=audiodev0" },
    { "virt", NULL, "-audio|pa,model=sb16", "-audio|pa,model=sb16" },
    { "s390-ccw-virtio", NULL, "-virtfs|local,path=/a,,b,mount_tag=t|-virtfs|local,path=c",
      "-fsdev|local,id=t,path=/a,,b|-device|virtio-9p-ccw,fsdev=t,mount_tag=t|"
      "-virtfs|local,path=c" },
    { "pc", NULL, "-virtfs|local,path=c,mount_tag=t,id=x",
      "-fsdev|local,id=x,path=c|-device|virtio-9p-pci,fsdev=x,mount_tag=t" },
    /* USB */
    { "pc", PC, "-usb|-usbdevice|braille|-usb|-usbdevice|wacom-tablet",
      "-device|piix3-usb-uhci,bus=pci.0,addr=0x1.0x2|-chardev|braille,id=braille|"
      "-device|usb-braille,chardev=braille|-device|usb-wacom-tablet" },
    { "pc", PC USB, "-usbdevice|mouse|-usbdevice|disk", "-device|usb-mouse|-usbdevice|disk" },
    { "pc", PC USB, "-usb", "-device|piix3-usb-uhci,bus=pci.0,addr=0x1.0x2" },
    /* where nothing is known, and what is nobody's business */
    { NULL, NULL, "-nic|user|-drive|file=a|-vga|std|-usb",
      "-nic|user|-drive|file=a|-vga|std|-usb" },
    { "isapc", NULL, "-nic|user|-hda|a", "-nic|user|-hda|a" },
    { "pc", NULL, "-device|edu|-netdev|user,id=a|-S", "-device|edu|-netdev|user,id=a|-S" },
};

static void
check_case(gconstpointer data)
{
    const Case *one = data;
    g_autoptr(VpCmdline) generated = one->generated ? test_cmdline(one->generated) : NULL;
    VpBudget budget = vp_budget_new();
    g_autoptr(VpExpander) expander = vp_expander_new(one->machine, generated, &source, &budget);
    g_autofree char *all = g_strconcat("qemu|", one->words, NULL);
    g_auto(GStrv) words = g_strsplit(all, "|", -1);
    g_autoptr(VpCmdline) added = vp_cmdline_parse((const char *const *)words, NULL);
    g_autoptr(GString) result = g_string_new(NULL);

    for (guint i = 0; i < added->options->len; i++) {
        const VpOption *option = added->options->pdata[i];
        char *const plain[] = { option->word, option->value, NULL };
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) spelled = vp_expand(expander, option, &error);
        g_autofree char *text = g_strjoinv("|", spelled ? spelled : (char **)plain);

        if (spelled && !*spelled)
            continue;
        g_string_append_printf(result, "%s%s%s", result->len ? "|" : "", error ? "!" : "",
                               error ? error->message : text);
        if (error)
            break;
    }
    g_assert_cmpstr(result->str, ==, one->spelled);
}

/* Each drive goes through the places of all before it: many of them are too many. */
static void
test_budget(void)
{
    VpBudget budget = vp_budget_new();
    g_autoptr(VpExpander) expander = vp_expander_new("pc", NULL, &source, &budget);
    g_autoptr(VpOption) option = vp_option_new("drive", "if=virtio");
    g_autoptr(GError) error = NULL;
    guint n = 0;

    for (; !error && n < VP_ARGV_WORDS_MAX; n++)
        g_strfreev(vp_expand(expander, option, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_cmpuint(n, >, 1000);
}

/* Whoever reads the words looks for the same names. */
static void
test_names(void)
{
    for (const char *const *name = vp_expand_options(); *name; name++) {
        g_autofree char *word = g_strconcat("-", *name, NULL), *long_word = NULL;

        long_word = g_strconcat("-", word, NULL);
        g_assert_true(vp_makes_devices(word));
        g_assert_true(vp_makes_devices(long_word));
        g_assert_false(vp_makes_devices(*name));
        g_assert_nonnull(vp_option_find(*name));
    }
    g_assert_true(vp_makes_devices("-device"));
    g_assert_false(vp_makes_devices("-netdev"));
}

static void
test_group(void)
{
    g_autoptr(VpPlan) plan = vp_plan_new();
    VpGroup *group = vp_plan_add_group(plan, 0);
    g_autoptr(VpOption) option = NULL;

    group->name = g_strdup("nic");
    group->id = g_strdup("n");
    vp_group_add(group, "type", "user");
    vp_group_add(group, "hostname", "a,b");
    option = vp_expand_group(group);
    g_assert_cmpstr(option->name, ==, "nic");
    g_assert_cmpstr(option->value, ==, "id=n,type=user,hostname=a,,b");
    g_free(group->name);
    group->name = g_strdup("chardev");
    g_assert_null(vp_expand_group(group));
}

static const struct {
    const char *device;
    const char *text; /* NULL: it keeps its turn */
} orders[] = {
    { "intel-iommu,intremap=off", "intel-iommu,intremap=off" },
    { "virtio-iommu-pci,bus=pcie.0,addr=3", "virtio-iommu-pci,bus=pcie.0,addr=3" },
    { "virtio-iommu-pci,bus=pci.1", NULL },
    { "arm-smmuv3,primary-bus=pcie.0", "arm-smmuv3,primary-bus=pcie.0" },
    { "arm-smmuv3,primary-bus=pcie.1", NULL },
    { "{\"driver\":\"intel-iommu\",\"id\":\"a,b\",\"caching-mode\":true}",
      "intel-iommu,id=a,,b,caching-mode=on" },
    { "amd-iommu", NULL },
    { "virtio-net-pci", NULL },
};

static void
test_order(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(orders); i++) {
        g_autoptr(VpOption) device = vp_option_new("device", orders[i].device);
        g_autofree char *text = vp_order_is_first(device) ? vp_order_text(device) : NULL;

        g_assert_cmpstr(text, ==, orders[i].text);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/expand/%02zu %s %.40s", i, cases[i].machine,
                                                cases[i].words);

        g_strdelimit(path + 1, "/", '_');
        g_test_add_data_func(path, &cases[i], check_case);
    }
    g_test_add_func("/expand/budget", test_budget);
    g_test_add_func("/expand/names", test_names);
    g_test_add_func("/expand/group", test_group);
    g_test_add_func("/order/first", test_order);
    return g_test_run();
}
