/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/cmdline.h"

/*
 * The buses that devices are given places on, and who makes them.
 *
 * A place is told by one or more properties of the device, and on each bus there is an order in
 * which places are given away: from that end which libvirt fills last.
 */

typedef enum VpBusKind {
    VP_BUS_PCI,    /* addr: SLOT[.FUNCTION], in hexadecimal */
    VP_BUS_USB,    /* port */
    VP_BUS_SCSI,   /* channel, scsi-id, lun */
    VP_BUS_SERIAL, /* of virtio-serial: nr */
    VP_BUS_IDE,    /* unit */
    VP_BUS_CCW,    /* devno */
    VP_BUS_KINDS,
} VpBusKind;

/* By QEMU's name of the type of bus ("PCI", "usb-bus" ...). false: it is none of these. */
bool vp_bus_kind_find(const char *type, VpBusKind *ret_kind);

/* One bus of a guest. */
typedef struct VpBus {
    VpBusKind kind;
    char *name;     /* as bus= takes it; NULL: devices of this kind name none */
    char *order;    /* ranges of places in the order in which they are given away, in hexadecimal:
                     * "1e-3,1f" */
    bool port;      /* PCI: a port, which has slot 0 only */
    guint given;    /* how many places of the order are known to be taken */
} VpBus;

/* The type of the machine that a command line names; NULL: none, or @cmdline is NULL. g_free(). */
char *vp_bus_machine(const VpCmdline *cmdline);

/* Whether the type is one of @family: "virt" and "virt-7.2" are of "virt", "pc" is of
 * "pc-i440fx". */
bool vp_bus_is_of_machine(const char *machine, const char *family);

/* Of VpBus, owned: those that the machine of the command line has by itself. NULL: none. */
GPtrArray *vp_buses_new(const VpCmdline *cmdline);

/* Adds those that a device makes, as far as it is known. */
void vp_buses_add_of(GPtrArray *buses, const VpOption *device);

/* The place @i on the bus, counted in that order; false: there are no more. */
bool vp_bus_place(const VpBus *bus, guint i, guint *ret_place);

/* The keys that tell a place on a bus of this kind, the one that counts first; NULL-terminated. */
const char *const *vp_bus_keys(VpBusKind kind);

/* Whether it is a number in JSON; all others are texts. */
bool vp_bus_key_is_number(const char *key);

/* The place as a text, as the first key takes it; g_free(). */
char *vp_bus_place_text(VpBusKind kind, guint place);

/* "SLOT[.FUNCTION]" in hexadecimal, with or without 0x: "0x2", "02.0" and "2.0" are the same.
 * false: not what a PCI address looks like. */
bool vp_bus_read_slot(const char *text, guint *ret_slot, guint *ret_function);

/*
 * What a device that says where it is claims on a bus of this kind: texts that are equal for equal
 * places. *ret_whole: as far as a place of the order goes (a PCI slot, a USB port with what hangs
 * on it, a SCSI target). NULL: it names no place, or one that is none. g_free() both.
 */
char *vp_bus_claim(VpBusKind kind, const VpOption *device, char **ret_whole);
