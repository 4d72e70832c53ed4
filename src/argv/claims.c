/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Claims on places.
 *
 * A place is claimed exactly (a function of a slot, a unit of a target), for two devices may share
 * the rest; it is given away whole. So there are two tables, and the first claim counts in each.
 */

#include "argv/claims.h"

#include "argv/select.h"
#include "argv/value.h"
#include "base/error.h"

#include <string.h>

char *
vp_device_get(const VpOption *device, const char *key)
{
    return vp_value_get(device->row, device->value, key);
}

bool
vp_device_has_place(const VpOption *device, VpBusKind kind)
{
    g_autofree char *text = vp_device_get(device, vp_bus_keys(kind)[0]);

    return text != NULL;
}

static char *
claim_name(const VpBus *bus, const char *place)
{
    return g_strdup_printf("%d %s %s", bus->kind, bus->name ? bus->name : "", place);
}

static void
holder_free(gpointer data)
{
    VpHolder *holder = data;

    g_free(holder->label);
    g_free(holder);
}

/* The first one has it. */
static void
claim(GHashTable *claims, const VpBus *bus, const char *place, const char *label, bool added)
{
    g_autofree char *name = claim_name(bus, place);
    VpHolder *holder = NULL;

    if (g_hash_table_contains(claims, name))
        return;
    holder = g_new0(VpHolder, 1);
    holder->label = g_strdup(label);
    holder->added = added;
    g_hash_table_insert(claims, g_steal_pointer(&name), holder);
}

void
vp_claims_add(VpClaims *claims, const VpBus *bus, const char *exact, const char *whole,
              const char *label, bool added)
{
    claim(claims->exact, bus, exact, label, added);
    claim(claims->whole, bus, whole, label, added);
}

static const VpHolder *
holder_of(GHashTable *claims, const VpBus *bus, const char *place)
{
    g_autofree char *name = claim_name(bus, place);

    return g_hash_table_lookup(claims, name);
}

const VpHolder *
vp_claims_holder(const VpClaims *claims, const VpBus *bus, const char *whole)
{
    return holder_of(claims->whole, bus, whole);
}

char *
vp_claims_next(const VpClaims *claims, VpBus *bus)
{
    guint place = 0;

    for (; vp_bus_place(bus, bus->given, &place); bus->given++) {
        g_autofree char *text = vp_bus_place_text(bus->kind, place);

        if (!vp_claims_holder(claims, bus, text))
            return g_steal_pointer(&text);
    }
    return NULL;
}

void
vp_claims_add_device(VpClaims *claims, const VpBus *bus, const VpOption *device)
{
    g_autofree char *whole = NULL, *label = NULL;
    g_autofree char *place = vp_bus_claim(bus->kind, device, &whole);

    if (!place)
        return;
    label = vp_option_brief(device);
    vp_claims_add(claims, bus, place, whole, label, false);
}

static bool
refuse_place(const VpBus *bus, const char *place, const VpOption *device, const VpHolder *other,
             GError **error)
{
    g_autofree char *brief = vp_option_brief(device);

    return vp_refuse(error, VP_ERROR_FAILED, "'%s' and '%s' both want %s %s of %s", brief,
                     other->label, bus->kind == VP_BUS_PCI ? "address" : vp_bus_keys(bus->kind)[0],
                     place, bus->name ? bus->name : "the machine");
}

static bool
check_port(const VpBus *bus, const char *whole, const VpOption *device, GError **error)
{
    g_autofree char *brief = NULL;

    if (!bus->port || strcmp(whole, "0x0") == 0)
        return true;
    brief = vp_option_brief(device);
    return vp_refuse(error, VP_ERROR_FAILED, "'%s' wants slot %s of %s, a port that has slot 0 "
                     "only", brief, whole, bus->name);
}

bool
vp_claims_own(VpClaims *claims, const VpBus *bus, const VpOption *device, GError **error)
{
    g_autofree char *whole = NULL, *label = NULL;
    g_autofree char *place = vp_bus_claim(bus->kind, device, &whole);
    const VpHolder *other = place ? holder_of(claims->exact, bus, place) : NULL;

    if (!place)
        return true;
    if (!check_port(bus, whole, device, error))
        return false;
    if (other && (other->added || !claims->altered))
        return refuse_place(bus, place, device, other, error);
    label = vp_option_brief(device);
    vp_claims_add(claims, bus, place, whole, label, true);
    return true;
}

/* --- writing a place down ------------------------------------------------------ */

bool
vp_device_set_place(VpOption *device, const char *key, const char *text, GError **error)
{
    VpValueType type = vp_bus_key_is_number(key) ? VP_TYPE_INT : VP_TYPE_STRING;
    char *value = vp_value_set(device->row, device->value, key, text, type, error);

    if (!value)
        return false;
    g_free(device->value);
    device->value = value;
    return true;
}

/* Of a SCSI device channel and lun too: QEMU chooses them where they are missing. */
static bool
set_zeros(VpOption *device, const char *const *keys, GError **error)
{
    for (; *keys; keys++) {
        g_autofree char *there = vp_device_get(device, *keys);

        if (!there && !vp_device_set_place(device, *keys, "0", error))
            return false;
    }
    return true;
}

bool
vp_claims_put(VpClaims *claims, const VpBus *bus, const char *place, VpOption *device,
              GError **error)
{
    const char *const *keys = vp_bus_keys(bus->kind);
    g_autofree char *name = vp_device_get(device, "bus");

    if (bus->name && !name && !vp_device_set_place(device, "bus", bus->name, error))
        return false;
    return vp_device_set_place(device, keys[0], place, error)
           && set_zeros(device, keys + 1, error) && vp_claims_own(claims, bus, device, error);
}

/* Takes the next place on the bus. *ret_done is false when there is none. */
static bool
place_on(VpClaims *claims, VpBus *bus, VpOption *device, bool *ret_done, GError **error)
{
    g_autofree char *place = vp_claims_next(claims, bus);

    *ret_done = place != NULL;
    return !place || vp_claims_put(claims, bus, place, device, error);
}

static bool
refuse_full(const VpClaims *claims, const VpBus *bus, const VpOption *device, GError **error)
{
    const VpHolder *other = bus->port ? vp_claims_holder(claims, bus, "0x0") : NULL;
    g_autofree char *brief = vp_option_brief(device);

    if (other)
        return vp_refuse(error, VP_ERROR_FAILED, "'%s' and '%s' both want %s, a port that has "
                         "slot 0 only", brief, other->label, bus->name);
    return vp_refuse(error, VP_ERROR_FAILED, "there is no free place for '%s' on %s", brief,
                     bus->name ? bus->name : "the machine");
}

bool
vp_claims_place(VpClaims *claims, VpBusKind kind, VpOption *device, GError **error)
{
    g_autofree char *name = vp_device_get(device, "bus");
    const VpBus *full = NULL;
    bool done = false;

    for (guint i = 0; i < claims->buses->len && !done; i++) {
        VpBus *bus = claims->buses->pdata[i];

        if (bus->kind != kind || (name ? g_strcmp0(bus->name, name) != 0 : bus->port))
            continue;
        if (!place_on(claims, bus, device, &done, error))
            return false;
        full = full ? full : bus;
    }
    return done || !full || refuse_full(claims, full, device, error);
}

/* --- all of them --------------------------------------------------------------- */

VpBus *
vp_claims_bus(const VpClaims *claims, VpBusKind kind, const char *name)
{
    for (guint i = 0; i < claims->buses->len; i++) {
        VpBus *bus = claims->buses->pdata[i];

        if (bus->kind == kind && (!name || g_strcmp0(bus->name, name) == 0))
            return bus;
    }
    return NULL;
}

VpClaims *
vp_claims_new(const VpCmdline *cmdline)
{
    VpClaims *claims = g_new0(VpClaims, 1);

    claims->buses = vp_buses_new(cmdline);
    claims->exact = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, holder_free);
    claims->whole = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, holder_free);
    return claims;
}

void
vp_claims_free(VpClaims *claims)
{
    if (!claims)
        return;
    g_ptr_array_unref(claims->buses);
    g_hash_table_unref(claims->exact);
    g_hash_table_unref(claims->whole);
    g_free(claims);
}
