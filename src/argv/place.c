/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where added devices are.
 *
 * Left alone, QEMU gives a device the first free place on the first bus that fits, whenever it
 * comes to it. That is the very place which libvirt gives to what is plugged in next, and another
 * one at each start for which something before it has come or gone: a guest that was saved cannot
 * be restored then. So a device gets its full address when the domain is defined, and keeps it.
 *
 * An address is a function of the definition, of what libvirt makes of it, and of the definition
 * that it replaces. Places are claimed in this order: by what says where it is, libvirt's first; by
 * devices that had a place in the definition before; by all others, from the end of a bus.
 *
 * A device is known again by its id; without one by all that it says but for its place; else as the
 * next of its type. So the others of a domain may come, go and change. One that was defined before
 * devices had addresses is where QEMU has put it, and stays there where that can be told.
 */

#include "argv/place.h"

#include "argv/claims.h"
#include "argv/device.h"
#include "argv/select.h"
#include "argv/value.h"
#include "base/error.h"

#include <string.h>

/* One placing. */
typedef struct Work {
    const VpPlacing *placing;
    VpClaims *claims;
    GPtrArray *previous; /* of VpOption */
    GHashTable *found;   /* set of those that a device has been found to be */
    GHashTable *settled; /* set of added devices that are to have no place */
    VpBudget *budget;
} Work;

/* false: a device of no such kind of bus. */
static bool
kind_of(const Work *work, const VpOption *device, VpBusKind *ret_kind)
{
    const VpTypeSource *types = work->placing->types;
    g_autofree char *driver = vp_value_driver(device->row, device->value);

    return driver && vp_bus_kind_find(types->device_bus(types, driver), ret_kind);
}

/* NULL: none that is known. */
static const VpBus *
bus_of(const Work *work, const VpOption *device)
{
    VpBusKind kind = VP_BUS_PCI;
    g_autofree char *name = vp_device_get(device, "bus");

    return kind_of(work, device, &kind) ? vp_claims_bus(work->claims, kind, name) : NULL;
}

static void
claim_of_libvirt(Work *work, const VpOption *device)
{
    const VpBus *bus = bus_of(work, device);

    if (bus)
        vp_claims_add_device(work->claims, bus, device);
}

/* --- devices apart ------------------------------------------------------------- */

static bool
claim_slot(Work *work, const VpBus *bus, const VpApart *apart, guint slot)
{
    g_autofree char *whole = vp_bus_place_text(VP_BUS_PCI, slot);
    g_autofree char *exact = g_strdup_printf("%s.%x", whole, apart->function);

    if (!apart->placed && vp_claims_holder(work->claims, bus, whole))
        return false;
    vp_claims_add(work->claims, bus, exact, whole, apart->label, false);
    return true;
}

static void
claim_named_slot(Work *work, const VpApart *apart)
{
    g_autofree char *name = g_strdup_printf("pci.%u", apart->bus);
    const VpBus *bus = vp_claims_bus(work->claims, VP_BUS_PCI, apart->bus > 0 ? name : NULL);

    if (bus)
        claim_slot(work, bus, apart, apart->slot);
}

/* libvirt gives it the first free port, or the first free slot of a conventional bus from 3 on. */
static void
claim_first_slot(Work *work, const VpApart *apart)
{
    const VpBus *root = vp_claims_bus(work->claims, VP_BUS_PCI, NULL);
    bool express = root && g_str_has_prefix(root->name, "pcie");
    bool done = false;

    for (guint slot = 3; root && !express && slot <= 31 && !done; slot++)
        done = claim_slot(work, root, apart, slot);
    for (guint i = 0; express && apart->express && i < work->claims->buses->len && !done; i++) {
        const VpBus *bus = work->claims->buses->pdata[i];

        done = bus->port && claim_slot(work, bus, apart, 0);
    }
}

static void
look_at_apart(Work *work, const GPtrArray *aparts)
{
    for (guint placed = 0; placed < 2; placed++) {
        for (guint i = 0; aparts && i < aparts->len; i++) {
            const VpApart *apart = aparts->pdata[i];

            if (apart->placed && placed == 0)
                claim_named_slot(work, apart);
            else if (!apart->placed && placed == 1)
                claim_first_slot(work, apart);
        }
    }
}

/* --- from the definition before ------------------------------------------------- */

/* The device without what says where it is; g_free(). */
static char *
without_place(const VpOption *device, VpBusKind kind)
{
    char *text = g_strdup(device->value);
    const char *bus[] = { "bus", NULL };
    const char *const *lists[] = { bus, vp_bus_keys(kind) };

    for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
        for (const char *const *key = lists[i]; *key; key++) {
            char *without = vp_value_remove(device->row, text, *key);

            if (!without)
                continue;
            g_free(text);
            text = without;
        }
    }
    return text;
}

/* What a device is known again by; NULL: not by that. g_free(). */
typedef char *(*KeyFunc)(const VpOption *device, VpBusKind kind);

static char *
key_by_id(const VpOption *device, VpBusKind kind G_GNUC_UNUSED)
{
    return vp_device_get(device, "id");
}

static bool
has_id(const VpOption *device)
{
    g_autofree char *id = vp_device_get(device, "id");

    return id != NULL;
}

static char *
key_by_text(const VpOption *device, VpBusKind kind)
{
    return has_id(device) ? NULL : without_place(device, kind);
}

static char *
key_by_type(const VpOption *device, VpBusKind kind G_GNUC_UNUSED)
{
    return has_id(device) ? NULL : vp_value_driver(device->row, device->value);
}

/* In the order in which they are tried, each with all devices. */
static const KeyFunc key_of[] = { key_by_id, key_by_text, key_by_type };

/* Sets what is not there from what was before. */
static bool
copy_key(const char *key, VpOption *device, const VpOption *before, GError **error)
{
    g_autofree char *there = vp_device_get(device, key), *other = vp_device_get(before, key);

    return !other || there || vp_device_set_place(device, key, other, error);
}

static bool
copy_place(VpBusKind kind, VpOption *device, const VpOption *before, GError **error)
{
    const char *const *key = vp_bus_keys(kind);
    bool copied = copy_key("bus", device, before, error);

    for (; copied && *key; key++)
        copied = copy_key(*key, device, before, error);
    return copied;
}

/* Whether all libvirt's devices that may sit there are known. */
static bool
knows_all(const Work *work, VpBusKind kind)
{
    const GPtrArray *apart = work->placing->apart;

    for (guint i = 0; apart && kind == VP_BUS_PCI && i < apart->len; i++) {
        if (!((const VpApart *)apart->pdata[i])->placed)
            return false;
    }
    return work->placing->generated != NULL;
}

/* The bus on which QEMU has put the device. Of several of a kind other than PCI's it is hard to
 * tell which one QEMU finds first. */
static const VpBus *
only_bus(const Work *work, VpBusKind kind, const char *name)
{
    const VpBus *found = NULL;

    if (kind == VP_BUS_PCI || name)
        return vp_claims_bus(work->claims, kind, name);
    for (guint i = 0; i < work->claims->buses->len; i++) {
        const VpBus *bus = work->claims->buses->pdata[i];

        if (bus->kind != kind)
            continue;
        if (found)
            return NULL;
        found = bus;
    }
    return found;
}

/* What it costs to look whether a place is free. */
#define LOOK_STEPS 20

/* QEMU takes the first place that is free, counted from the beginning. *ret_place: as a text,
 * g_free(); NULL: there is none. */
static bool
first_free(Work *work, const VpBus *bus, char **ret_place, GError **error)
{
    guint place = 0, best = 0;

    *ret_place = NULL;
    for (guint i = 0; vp_bus_place(bus, i, &place); i++) {
        g_autofree char *text = vp_bus_place_text(bus->kind, place);

        if (!vp_budget_spend(work->budget, LOOK_STEPS, error)) {
            g_clear_pointer(ret_place, g_free);
            return false;
        }
        if (vp_claims_holder(work->claims, bus, text) || (*ret_place && place > best))
            continue;
        best = place;
        g_free(*ret_place);
        *ret_place = g_steal_pointer(&text);
    }
    return true;
}

/* A guest that runs has nothing that its words do not say; other definitions are written anew. */
static bool
keep_unplaced(Work *work, VpBusKind kind, VpOption *device, const VpOption *before, GError **error)
{
    g_autofree char *name = vp_device_get(before, "bus");
    const VpBus *bus = knows_all(work, kind) ? only_bus(work, kind, name) : NULL;
    g_autofree char *place = NULL;

    if (work->placing->running)
        g_hash_table_add(work->settled, device);
    if (work->placing->running || !bus)
        return true;
    if (!first_free(work, bus, &place, error))
        return false;
    return !place || vp_claims_put(work->claims, bus, place, device, error);
}

/* Gives the device its place of before, if it was on a bus that there is and that it may be on. */
static bool
keep_place(Work *work, VpBusKind kind, VpOption *device, const VpOption *before, GError **error)
{
    g_autofree char *name = vp_device_get(device, "bus");
    g_autofree char *name_before = vp_device_get(before, "bus");
    const VpBus *bus = vp_claims_bus(work->claims, kind, name_before);

    if (!vp_device_has_place(before, kind))
        return keep_unplaced(work, kind, device, before, error);
    if (name && g_strcmp0(name, name_before) != 0)
        return true;
    if (!work->placing->generated)
        return copy_place(kind, device, before, error);
    if (!bus)
        return true;
    return copy_place(kind, device, before, error)
           && vp_claims_own(work->claims, bus, device, error);
}

/* The devices of before by their keys, each a GPtrArray of those that nobody has been yet. */
static GHashTable *
index_previous(const Work *work, KeyFunc key)
{
    GHashTable *index = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                              (GDestroyNotify)g_ptr_array_unref);

    for (guint i = work->previous->len; i > 0; i--) {
        VpOption *before = work->previous->pdata[i - 1];
        VpBusKind kind = VP_BUS_PCI;
        g_autofree char *name = kind_of(work, before, &kind) ? key(before, kind) : NULL;
        GPtrArray *list = name ? g_hash_table_lookup(index, name) : NULL;

        if (name && !list) {
            list = g_ptr_array_new();
            g_hash_table_insert(index, g_steal_pointer(&name), list);
        }
        if (list)
            g_ptr_array_add(list, before);
    }
    return index;
}

/* The first that has the key and was not found before; NULL: none. */
static VpOption *
take_previous(Work *work, GHashTable *index, const char *key)
{
    GPtrArray *list = key ? g_hash_table_lookup(index, key) : NULL;

    while (list && list->len > 0) {
        VpOption *before = g_ptr_array_steal_index(list, list->len - 1);

        if (g_hash_table_add(work->found, before))
            return before;
    }
    return NULL;
}

static bool
keep_places(Work *work, KeyFunc key, const GPtrArray *added, GError **error)
{
    g_autoptr(GHashTable) index = index_previous(work, key);

    for (guint i = 0; i < added->len; i++) {
        VpOption *device = added->pdata[i];
        VpBusKind kind = VP_BUS_PCI;
        g_autofree char *name = NULL;
        const VpOption *before = NULL;

        if (!kind_of(work, device, &kind) || vp_device_has_place(device, kind))
            continue;
        name = key(device, kind);
        before = take_previous(work, index, name);
        if (before && !keep_place(work, kind, device, before, error))
            return false;
    }
    return true;
}

/* --- new places ------------------------------------------------------------------ */

static bool
place_new(Work *work, VpOption *device, GError **error)
{
    VpBusKind kind = VP_BUS_PCI;

    if (!kind_of(work, device, &kind) || vp_device_has_place(device, kind)
        || g_hash_table_contains(work->settled, device))
        return true;
    return vp_claims_place(work->claims, kind, device, error);
}

/* --- all of them ------------------------------------------------------------------ */

static bool
claim_named(Work *work, VpOption *device, GError **error)
{
    const VpBus *bus = bus_of(work, device);

    return !bus || vp_claims_own(work->claims, bus, device, error);
}

static void
look_at_libvirt(Work *work, const VpCmdline *generated)
{
    const GPtrArray *options = generated->options;

    for (guint i = 0; i < options->len; i++) {
        if (vp_option_is_device(options->pdata[i]))
            vp_buses_add_of(work->claims->buses, options->pdata[i]);
    }
    for (guint i = 0; i < options->len; i++) {
        if (vp_option_is_device(options->pdata[i]))
            claim_of_libvirt(work, options->pdata[i]);
    }
}

static void
look_at_added(Work *work, const GPtrArray *added)
{
    for (guint i = 0; i < added->len; i++)
        vp_buses_add_of(work->claims->buses, added->pdata[i]);
}

static void
look_at_previous(Work *work)
{
    const GPtrArray *previous = work->placing->previous;

    for (guint i = 0; previous && i < previous->len; i++)
        g_ptr_array_add(work->previous, vp_option_new("device", previous->pdata[i]));
}

/* Each device is read a number of times, and buses are looked for one by one. */
static bool
pay(Work *work, const GPtrArray *added, GError **error)
{
    for (guint i = 0; i < added->len; i++) {
        const VpOption *device = added->pdata[i];

        if (!vp_budget_spend(work->budget,
                             10 * strlen(device->value) + work->claims->buses->len, error))
            return false;
    }
    return true;
}

static bool
place_all(Work *work, const GPtrArray *added, GError **error)
{
    for (guint i = 0; i < added->len; i++) {
        if (!claim_named(work, added->pdata[i], error))
            return false;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(key_of); i++) {
        if (!keep_places(work, key_of[i], added, error))
            return false;
    }
    for (guint i = 0; i < added->len; i++) {
        if (!place_new(work, added->pdata[i], error))
            return false;
    }
    return true;
}

bool
vp_place(const VpPlacing *placing, const GPtrArray *added, VpBudget *budget, GError **error)
{
    g_autoptr(VpClaims) claims = vp_claims_new(placing->generated);
    g_autoptr(GPtrArray) previous =
        g_ptr_array_new_with_free_func((GDestroyNotify)vp_option_free);
    g_autoptr(GHashTable) found = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) settled = g_hash_table_new(NULL, NULL);
    Work work = { placing, claims, previous, found, settled, budget };

    claims->altered = placing->altered;
    if (placing->generated) {
        look_at_libvirt(&work, placing->generated);
        look_at_apart(&work, placing->apart);
        look_at_added(&work, added);
    }
    look_at_previous(&work);
    return pay(&work, added, error) && place_all(&work, added, error);
}

/* --- those that lost it ------------------------------------------------------------ */

bool
vp_place_key_find(const char *key, VpBusKind *ret_kind)
{
    for (guint kind = 0; kind < VP_BUS_KINDS; kind++) {
        *ret_kind = (VpBusKind)kind;
        if (strcmp(vp_bus_keys(*ret_kind)[0], key) == 0)
            return true;
    }
    return false;
}

/* Nothing is known of types here, but who says a place has the key of its kind, and names a bus of
 * its kind. */
static void
claim_by_keys(VpClaims *claims, const VpOption *device)
{
    g_autofree char *name = vp_device_get(device, "bus");

    for (guint i = 0; i < VP_BUS_KINDS; i++) {
        const VpBus *bus = vp_claims_bus(claims, (VpBusKind)i, name);

        if (bus && vp_device_has_place(device, bus->kind))
            vp_claims_add_device(claims, bus, device);
    }
}

static VpClaims *
claims_of(const VpCmdline *cmdline)
{
    VpClaims *claims = vp_claims_new(cmdline);
    const GPtrArray *options = cmdline->options;

    for (guint i = 0; i < options->len; i++) {
        if (vp_option_is_device(options->pdata[i]))
            vp_buses_add_of(claims->buses, options->pdata[i]);
    }
    for (guint i = 0; i < options->len; i++) {
        if (vp_option_is_device(options->pdata[i]))
            claim_by_keys(claims, options->pdata[i]);
    }
    return claims;
}

bool
vp_place_again(const VpCmdline *cmdline, GHashTable *lost, GError **error)
{
    g_autoptr(VpClaims) claims = NULL;

    if (g_hash_table_size(lost) == 0)
        return true;
    claims = claims_of(cmdline);
    for (guint i = 0; i < cmdline->options->len; i++) {
        VpOption *device = cmdline->options->pdata[i];
        gpointer kind = NULL;

        if (!g_hash_table_lookup_extended(lost, device, NULL, &kind)
            || vp_device_has_place(device, (VpBusKind)GPOINTER_TO_UINT(kind)))
            continue;
        if (!vp_claims_place(claims, (VpBusKind)GPOINTER_TO_UINT(kind), device, error))
            return false;
    }
    return true;
}
