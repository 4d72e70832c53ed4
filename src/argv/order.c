/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The order in which devices come to be.
 *
 * QEMU creates devices in this order: those of the machine and of options that make some by
 * themselves; -device in key=value form and [device] groups, as they stand; -device in JSON form,
 * as they stand. libvirt's are JSON. Added ones are behind them, and among themselves in the order
 * in which their author wrote them: a bridge or bus before what is on it, an object of ours before
 * what names it. Backends (-netdev, -chardev, -blockdev, -object, -drive) are there before any
 * device, wherever they stand. So nothing else has to be moved but what works on devices that do
 * not name it.
 *
 * Those are the IOMMUs: they tell their PCI bus how the memory of a device on it is found
 * (pci_setup_iommu()), and what asks for that while it is created (VFIO; include/hw/pci/pci.h,
 * pci_device_iommu_address_space()) gets the guest's whole memory if it is there before. libvirt
 * puts its own <iommu> in front of all others too.
 *
 * amd-iommu is not in the table: with it comes a PCI function that QEMU puts into the first free
 * slot, which would be libvirt's, and which a -global cannot move. It stays behind; VFIO cannot be
 * used with it anyway before it has the property pci-id, by which that function is a device with
 * an address of its own.
 *
 * Balloons, panic and generation-id devices, watchdogs, memory devices and CPUs look at no others
 * and need no place in the order.
 */

#include "argv/order.h"

#include "argv/device.h"
#include "argv/value.h"

static const char *const first[] = {
    "intel-iommu", "virtio-iommu-pci", "virtio-iommu", "arm-smmuv3", "riscv-iommu-pci", NULL,
};

/* Buses that machines have by themselves. */
static const char *const own_buses[] = { "pcie.0", "pci.0", NULL };

static bool
is_there_before(const VpOption *device, const char *key)
{
    g_autofree char *bus = vp_value_get(device->row, device->value, key);

    return !bus || g_strv_contains(own_buses, bus);
}

bool
vp_order_is_first(const VpOption *option)
{
    g_autofree char *driver = NULL;

    if (!vp_option_is_device(option))
        return false;
    driver = vp_value_driver(option->row, option->value);
    return driver && g_strv_contains(first, driver) && is_there_before(option, "bus")
           && is_there_before(option, "primary-bus");
}

char *
vp_order_text(const VpOption *option)
{
    if (vp_value_syntax(option->row, option->value) == VP_SYNTAX_JSON)
        return vp_value_canonical(option->row, option->value);
    return g_strdup(option->value);
}
