/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plan/types.h"

#include <glib.h>
#include <stdbool.h>

/*
 * What one QEMU binary can do: its device types with their properties, the JSON that its options
 * take, the groups of its configuration file. Never changes; shared by reference. All that the
 * functions return belongs to the facts.
 */
typedef struct VpQemuFacts VpQemuFacts;

/* One property of a device type, as device-list-properties tells. */
typedef struct VpDeviceProperty {
    const char *name;
    const char *type;          /* QEMU's name: "bool", "uint32", "OnOffAuto", "link<irq>" ... */
    const char *default_value; /* JSON text, NULL: none */
    const char *description;   /* NULL: none */
} VpDeviceProperty;

/* One device type that is not abstract. What may be NULL is absent. */
typedef struct VpDeviceType {
    const char *name;
    const char *bus;         /* type of the bus it sits on: "PCI", "usb-bus" ...; NULL: none */
    const char *alias;       /* second name that -device understands */
    const char *description;
    const char *category;    /* heading of "info qdm": "Network", "Controller/Bridge/Hub" ... */
    bool creatable;          /* by -device */
    const char *broken;      /* why its properties cannot be asked for; NULL: they can */
    const VpDeviceProperty *const *properties; /* sorted by name */
    guint n_properties;
} VpDeviceType;

/* One key of a group, as query-command-line-options tells. */
typedef struct VpGroupKey {
    const char *name;
    const char *type; /* "string", "boolean", "number", "size" */
} VpGroupKey;

typedef struct VpOptionGroup {
    const char *name;
    const VpGroupKey *keys; /* none: any key is taken */
    guint n_keys;
} VpOptionGroup;

/* From what facts_build.h made. NULL when @variant is not that, or its numbers do not fit
 * together. */
VpQemuFacts *vp_qemu_facts_new(GVariant *variant);
VpQemuFacts *vp_qemu_facts_ref(VpQemuFacts *facts);
void vp_qemu_facts_unref(VpQemuFacts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpQemuFacts, vp_qemu_facts_unref)

/* "7.2.22 (Debian 1:7.2+dfsg-7)": as the greeting has it, the package behind it if there is one. */
const char *vp_qemu_facts_version(const VpQemuFacts *facts);

/* All device types, sorted by name. */
const VpDeviceType *vp_qemu_facts_devices(const VpQemuFacts *facts, guint *ret_n);

/* By name or alias. NULL: no such type. */
const VpDeviceType *vp_qemu_facts_device(const VpQemuFacts *facts, const char *name);

/* NULL: the type has no such property. */
const VpDeviceProperty *vp_device_property(const VpDeviceType *device, const char *name);

/* The group @name of the configuration file. NULL: this QEMU has none. */
const VpOptionGroup *vp_qemu_facts_group(const VpQemuFacts *facts, const char *name);

/* Looks types up for -device, for -object, -netdev, -blockdev, -audiodev and -display, and for
 * keys of groups. Nested keys are dotted. Lives as long as the facts. */
const VpTypeSource *vp_qemu_facts_types(const VpQemuFacts *facts);
