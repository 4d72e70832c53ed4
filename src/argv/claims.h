/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/bus.h"

/*
 * Which places on a guest's buses are taken, and by whom.
 */

typedef struct VpClaims {
    GPtrArray *buses;  /* of VpBus; the machine's to begin with */
    GHashTable *exact; /* "KIND BUS CLAIM" -> VpHolder */
    GHashTable *whole; /* the same for whole places of a bus' order */
    bool altered;      /* libvirt's devices are going to be altered: an added one may want a place
                        * that one of them has now */
} VpClaims;

/* Who has claimed a place. */
typedef struct VpHolder {
    char *label; /* for messages */
    bool added;  /* not libvirt's */
} VpHolder;

/* @cmdline: for its machine; NULL: not known. */
VpClaims *vp_claims_new(const VpCmdline *cmdline);
void vp_claims_free(VpClaims *claims);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpClaims, vp_claims_free)

/* The bus of that name, or the first of its kind; NULL: not known. */
VpBus *vp_claims_bus(const VpClaims *claims, VpBusKind kind, const char *name);

/* Who has something of the place @whole, as vp_bus_place_text() writes it; NULL: nobody. */
const VpHolder *vp_claims_holder(const VpClaims *claims, const VpBus *bus, const char *whole);

/* The next place that is free, from the end that libvirt fills last; g_free(). NULL: there is none.
 */
char *vp_claims_next(const VpClaims *claims, VpBus *bus);

/* A place becomes somebody's, if it is nobody's yet. */
void vp_claims_add(VpClaims *claims, const VpBus *bus, const char *exact, const char *whole,
                   const char *label, bool added);

/* The place that a device of libvirt's names; nothing where it names none. */
void vp_claims_add_device(VpClaims *claims, const VpBus *bus, const VpOption *device);

/* The place that an added device names becomes its own. false and @error: another one has it, or it
 * is none of this bus. Where it names none, or what is none, QEMU says so. */
bool vp_claims_own(VpClaims *claims, const VpBus *bus, const VpOption *device, GError **error);

/* Writes the bus, if it has a name, and the place into the device, whose own it becomes. */
bool vp_claims_put(VpClaims *claims, const VpBus *bus, const char *place, VpOption *device,
                   GError **error);

/*
 * Gives the device the next free place on the bus that it names, else on the first one of the kind
 * that has one. A port is for one device, which libvirt may want to plug in: only who names it gets
 * it. false and @error: there is none. A bus that is not known is left to QEMU.
 */
bool vp_claims_place(VpClaims *claims, VpBusKind kind, VpOption *device, GError **error);

/* The property of the device; NULL: it has none. g_free(). */
char *vp_device_get(const VpOption *device, const char *key);

/* Sets one that tells where the device is. */
bool vp_device_set_place(VpOption *device, const char *key, const char *text, GError **error);

/* Whether the device says where on its bus it is. */
bool vp_device_has_place(const VpOption *device, VpBusKind kind);
