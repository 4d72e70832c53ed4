/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Which JSON a property of QEMU's takes. In key=value syntax QEMU converts texts by itself; where
 * libvirt writes JSON (-device, -object, -netdev, -blockdev ...) a number must be a number.
 */

typedef enum VpValueType {
    VP_TYPE_UNKNOWN, /* the type that is there already, else a guess by the text */
    VP_TYPE_STRING,  /* also enums, OnOffAuto, links, PCI addresses: "on" is a string */
    VP_TYPE_BOOL,    /* on/off, yes/no, true/false, y/n as QEMU takes them */
    VP_TYPE_INT,     /* decimal, 0x hexadecimal; negative too */
    VP_TYPE_SIZE,    /* a number of bytes; suffixes B K M G T P E */
    VP_TYPE_NUMBER,  /* with a fraction */
    VP_TYPE_OTHER,   /* lists and objects: written as JSON by the author, or not at all */
} VpValueType;

/* "string", "bool", "int" ... as in type=''; [VP_TYPE_UNKNOWN] is "unknown". NULL-terminated. */
extern const char *const vp_value_type_names[];

/* The way back; false: no type is called so. */
bool vp_value_type_find(const char *name, VpValueType *ret_type);

/* What is known of one key, for one driver (qom-type, backend type) of one option. */
typedef struct VpKeyType {
    char *option;     /* "device", "object", "netdev", "blockdev" ... */
    char *driver;     /* "virtio-net-pci"; NULL: all that have the key and are not listed */
    char *key;
    VpValueType type;
} VpKeyType;

/* Copies the texts; @driver may be NULL. */
VpKeyType *vp_key_type_new(const char *option, const char *driver, const char *key,
                           VpValueType type);
void vp_key_type_free(VpKeyType *type);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpKeyType, vp_key_type_free)

/* A looker-up of types; who has one fills it in. */
typedef struct VpTypeSource VpTypeSource;
struct VpTypeSource {
    /* The type of @key of @driver (an alias of a device is understood), UNKNOWN if there is no such
     * driver or key. @option is one of "device", "object", "netdev", "blockdev", "chardev",
     * "audiodev" ... */
    VpValueType (*lookup)(const VpTypeSource *source, const char *option, const char *driver,
                          const char *key);
    /* Appends to @types (of VpKeyType) what there is to know of @key over all drivers: the most
     * frequent type with driver NULL, then the exceptions. Nothing for an unknown key. */
    void (*collect)(const VpTypeSource *source, const char *option, const char *key,
                    GPtrArray *types);
    /* Whether a device type exists and is not abstract; NULL when nothing is known of devices. */
    bool (*has_device)(const VpTypeSource *source, const char *driver);
    /* QEMU's name of the type of bus that a device of this type sits on, "PCI", "usb-bus" ...; NULL
     * for none. The function is NULL when nothing is known of devices. */
    const char *(*device_bus)(const VpTypeSource *source, const char *driver);
};

/* The source that a plan carries (VpPlan.types), for where no other is at hand. Borrows @types. It
 * does not know a device's aliases, and nothing of which devices there are. */
typedef struct VpKeyTypes {
    VpTypeSource source;
    const GPtrArray *types;
} VpKeyTypes;

VpKeyTypes vp_key_types(const GPtrArray *types);
