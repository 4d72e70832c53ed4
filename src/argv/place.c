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

#include "argv/bus.h"
#include "argv/device.h"
#include "argv/select.h"
#include "argv/value.h"
#include "base/error.h"

#include <string.h>

/* One placing. */
typedef struct Work {
    const VpPlacing *placing;
    GPtrArray *buses;    /* of VpBus */
    GHashTable *exact;   /* "KIND BUS CLAIM" -> Holder */
    GHashTable *whole;   /* the same for whole places of a bus' order */
    GPtrArray *previous; /* of VpOption */
    GHashTable *found;   /* set of those that a device has been found to be */
    GHashTable *settled; /* set of added devices that are to have no place */
    VpBudget *budget;
} Work;

static char *
get(const VpOption *device, const char *key)
{
    return vp_value_get(device->row, device->value, key);
}

static bool
has_place(const VpOption *device, VpBusKind kind)
{
    g_autofree char *text = get(device, vp_bus_keys(kind)[0]);

    return text != NULL;
}

/* false: a device of no such kind of bus. */
static bool
kind_of(const Work *work, const VpOption *device, VpBusKind *ret_kind)
{
    const VpTypeSource *types = work->placing->types;
    g_autofree char *driver = vp_value_driver(device->row, device->value);

    return driver && vp_bus_kind_find(types->device_bus(types, driver), ret_kind);
}

/* The bus of that name, or the first of its kind; NULL: not known. */
static const VpBus *
find_bus(const Work *work, VpBusKind kind, const char *name)
{
    for (guint i = 0; i < work->buses->len; i++) {
        const VpBus *bus = work->buses->pdata[i];

        if (bus->kind == kind && (!name || g_strcmp0(bus->name, name) == 0))
            return bus;
    }
    return NULL;
}

/* --- claims ------------------------------------------------------------------ */

static char *
claim_name(const VpBus *bus, const char *place)
{
    return g_strdup_printf("%d %s %s", bus->kind, bus->name ? bus->name : "", place);
}

/* Who has claimed a place. */
typedef struct Holder {
    char *label; /* for messages */
    bool ours;   /* an added device */
} Holder;

static void
holder_free(gpointer data)
{
    Holder *holder = data;

    g_free(holder->label);
    g_free(holder);
}

/* The first one has it. */
static void
claim(GHashTable *claims, const VpBus *bus, const char *place, const char *label, bool ours)
{
    g_autofree char *name = claim_name(bus, place);
    Holder *holder = NULL;

    if (g_hash_table_contains(claims, name))
        return;
    holder = g_new0(Holder, 1);
    holder->label = g_strdup(label);
    holder->ours = ours;
    g_hash_table_insert(claims, g_steal_pointer(&name), holder);
}

static void
claim_both(Work *work, const VpBus *bus, const char *exact, const char *whole, const char *label,
           bool ours)
{
    claim(work->exact, bus, exact, label, ours);
    claim(work->whole, bus, whole, label, ours);
}

static const Holder *
holder_of(GHashTable *claims, const VpBus *bus, const char *place)
{
    g_autofree char *name = claim_name(bus, place);

    return g_hash_table_lookup(claims, name);
}

static bool
refuse_place(const VpBus *bus, const char *place, const VpOption *device, const Holder *other,
             GError **error)
{
    g_autofree char *brief = vp_option_brief(device);

    return vp_refuse(error, VP_ERROR_FAILED, "'%s' and '%s' both want %s %s of %s", brief,
                     other->label, bus->kind == VP_BUS_PCI ? "address" : vp_bus_keys(bus->kind)[0],
                     place, bus->name ? bus->name : "the machine");
}

/* What is altered later may make room. */
static bool
may_share(const Work *work, const Holder *other)
{
    return work->placing->altered && !other->ours;
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

/* The place that an added device names becomes its own. */
static bool
claim_own(Work *work, const VpBus *bus, VpOption *device, GError **error)
{
    g_autofree char *whole = NULL, *label = NULL;
    g_autofree char *place = vp_bus_claim(bus->kind, device, &whole);
    const Holder *other = place ? holder_of(work->exact, bus, place) : NULL;

    if (!place)
        return true; /* QEMU says what is wrong with it */
    if (!check_port(bus, whole, device, error))
        return false;
    if (other && !may_share(work, other))
        return refuse_place(bus, place, device, other, error);
    label = vp_option_brief(device);
    claim_both(work, bus, place, whole, label, true);
    return true;
}

static void
claim_of_libvirt(Work *work, const VpOption *device)
{
    VpBusKind kind = VP_BUS_PCI;
    g_autofree char *name = get(device, "bus");
    const VpBus *bus = kind_of(work, device, &kind) ? find_bus(work, kind, name) : NULL;
    g_autofree char *whole = NULL, *label = NULL;
    g_autofree char *place = bus ? vp_bus_claim(kind, device, &whole) : NULL;

    if (!place)
        return;
    label = vp_option_brief(device);
    claim_both(work, bus, place, whole, label, false);
}

/* --- devices apart ------------------------------------------------------------- */

static bool
claim_slot(Work *work, const VpBus *bus, const VpApart *apart, guint slot)
{
    g_autofree char *whole = vp_bus_place_text(VP_BUS_PCI, slot);
    g_autofree char *exact = g_strdup_printf("%s.%x", whole, apart->function);

    if (!apart->placed && holder_of(work->whole, bus, whole))
        return false;
    claim_both(work, bus, exact, whole, apart->label, false);
    return true;
}

static void
claim_named_slot(Work *work, const VpApart *apart)
{
    g_autofree char *name = g_strdup_printf("pci.%u", apart->bus);
    const VpBus *bus = find_bus(work, VP_BUS_PCI, apart->bus > 0 ? name : NULL);

    if (bus)
        claim_slot(work, bus, apart, apart->slot);
}

/* libvirt gives it the first free port, or the first free slot of a conventional bus from 3 on. */
static void
claim_first_slot(Work *work, const VpApart *apart)
{
    const VpBus *root = find_bus(work, VP_BUS_PCI, NULL);
    bool express = root && g_str_has_prefix(root->name, "pcie");
    bool done = false;

    for (guint slot = 3; root && !express && slot <= 31 && !done; slot++)
        done = claim_slot(work, root, apart, slot);
    for (guint i = 0; express && apart->express && i < work->buses->len && !done; i++) {
        const VpBus *bus = work->buses->pdata[i];

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

/* --- writing a place down ------------------------------------------------------ */

/* Takes @value, NULL: nothing changes and @error is set. */
static bool
set_value(VpOption *device, char *value)
{
    if (!value)
        return false;
    g_free(device->value);
    device->value = value;
    return true;
}

static bool
set(const Work *work, VpOption *device, const char *key, const char *text, GError **error)
{
    const VpTypeSource *types = work->placing->types;
    g_autofree char *driver = vp_value_driver(device->row, device->value);
    VpValueType type = types->lookup(types, "device", driver, key);

    return set_value(device, vp_value_set(device->row, device->value, key, text, type, error));
}

/* Of a SCSI device channel and lun too: QEMU chooses them where they are missing. */
static bool
set_zeros(const Work *work, VpOption *device, const char *const *keys, GError **error)
{
    for (; *keys; keys++) {
        g_autofree char *there = get(device, *keys);

        if (!there && !set(work, device, *keys, "0", error))
            return false;
    }
    return true;
}

static bool
put(Work *work, const VpBus *bus, const char *place, VpOption *device, GError **error)
{
    const char *const *keys = vp_bus_keys(bus->kind);
    g_autofree char *name = get(device, "bus");

    if (bus->name && !name && !set(work, device, "bus", bus->name, error))
        return false;
    return set(work, device, keys[0], place, error)
           && set_zeros(work, device, keys + 1, error) && claim_own(work, bus, device, error);
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
    return get(device, "id");
}

static bool
has_id(const VpOption *device)
{
    g_autofree char *id = get(device, "id");

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
copy_key(const Work *work, const char *key, VpOption *device, const VpOption *before,
         GError **error)
{
    g_autofree char *there = get(device, key), *other = get(before, key);

    return !other || there || set(work, device, key, other, error);
}

static bool
copy_place(const Work *work, VpBusKind kind, VpOption *device, const VpOption *before,
           GError **error)
{
    const char *const *key = vp_bus_keys(kind);
    bool copied = copy_key(work, "bus", device, before, error);

    for (; copied && *key; key++)
        copied = copy_key(work, *key, device, before, error);
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
        return find_bus(work, kind, name);
    for (guint i = 0; i < work->buses->len; i++) {
        const VpBus *bus = work->buses->pdata[i];

        if (bus->kind != kind)
            continue;
        if (found)
            return NULL;
        found = bus;
    }
    return found;
}

/* QEMU takes the first place that is free, counted from the beginning. */
static bool
first_free(const Work *work, const VpBus *bus, guint *ret_place)
{
    guint place = 0;
    bool found = false;

    for (guint i = 0; vp_bus_place(bus, i, &place); i++) {
        g_autofree char *text = vp_bus_place_text(bus->kind, place);

        if (holder_of(work->whole, bus, text) || (found && place > *ret_place))
            continue;
        *ret_place = place;
        found = true;
    }
    return found;
}

/* A guest that runs has nothing that its words do not say; other definitions are written anew. */
static bool
keep_unplaced(Work *work, VpBusKind kind, VpOption *device, const VpOption *before, GError **error)
{
    g_autofree char *name = get(before, "bus");
    const VpBus *bus = knows_all(work, kind) ? only_bus(work, kind, name) : NULL;
    g_autofree char *text = NULL;
    guint place = 0;

    if (work->placing->running)
        g_hash_table_add(work->settled, device);
    if (work->placing->running || !bus || !first_free(work, bus, &place))
        return true;
    text = vp_bus_place_text(kind, place);
    return put(work, bus, text, device, error);
}

/* Gives the device its place of before, if it was on a bus that there is and that it may be on. */
static bool
keep_place(Work *work, VpBusKind kind, VpOption *device, const VpOption *before, GError **error)
{
    g_autofree char *name = get(device, "bus"), *name_before = get(before, "bus");
    const VpBus *bus = find_bus(work, kind, name_before);

    if (!has_place(before, kind))
        return keep_unplaced(work, kind, device, before, error);
    if (name && g_strcmp0(name, name_before) != 0)
        return true;
    if (!work->placing->generated)
        return copy_place(work, kind, device, before, error);
    if (!bus)
        return true;
    return copy_place(work, kind, device, before, error) && claim_own(work, bus, device, error);
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

        if (!kind_of(work, device, &kind) || has_place(device, kind))
            continue;
        name = key(device, kind);
        before = take_previous(work, index, name);
        if (before && !keep_place(work, kind, device, before, error))
            return false;
    }
    return true;
}

/* --- new places ------------------------------------------------------------------ */

/* Takes the first free place on the bus, in its order. *ret_done is false when there is none. */
static bool
place_on(Work *work, VpBus *bus, VpOption *device, bool *ret_done, GError **error)
{
    guint place = 0;

    for (; vp_bus_place(bus, bus->given, &place); bus->given++) {
        g_autofree char *text = vp_bus_place_text(bus->kind, place);

        if (holder_of(work->whole, bus, text))
            continue;
        *ret_done = true;
        return put(work, bus, text, device, error);
    }
    return true;
}

static bool
refuse_full(const Work *work, const VpBus *bus, const VpOption *device, GError **error)
{
    const Holder *other = bus->port ? holder_of(work->whole, bus, "0x0") : NULL;
    g_autofree char *brief = vp_option_brief(device);

    if (other)
        return vp_refuse(error, VP_ERROR_FAILED, "'%s' and '%s' both want %s, a port that has "
                         "slot 0 only", brief, other->label, bus->name);
    return vp_refuse(error, VP_ERROR_FAILED, "there is no free place for '%s' on %s", brief,
                     bus->name ? bus->name : "the machine");
}

/* A port is for one device, which libvirt may want to plug in: only who names it gets it. */
static bool
place_anywhere(Work *work, VpBusKind kind, const char *name, VpOption *device, GError **error)
{
    const VpBus *full = NULL;
    bool done = false;

    for (guint i = 0; i < work->buses->len && !done; i++) {
        VpBus *bus = work->buses->pdata[i];

        if (bus->kind != kind || (name ? g_strcmp0(bus->name, name) != 0 : bus->port))
            continue;
        if (!place_on(work, bus, device, &done, error))
            return false;
        full = full ? full : bus;
    }
    return done || !full || refuse_full(work, full, device, error);
}

static bool
place_new(Work *work, VpOption *device, GError **error)
{
    VpBusKind kind = VP_BUS_PCI;
    g_autofree char *name = get(device, "bus");

    if (!kind_of(work, device, &kind) || has_place(device, kind)
        || g_hash_table_contains(work->settled, device))
        return true;
    return place_anywhere(work, kind, name, device, error);
}

/* --- all of them ------------------------------------------------------------------ */

static bool
claim_named(Work *work, VpOption *device, GError **error)
{
    VpBusKind kind = VP_BUS_PCI;
    g_autofree char *name = get(device, "bus");
    const VpBus *bus = kind_of(work, device, &kind) ? find_bus(work, kind, name) : NULL;

    return !bus || !has_place(device, kind) || claim_own(work, bus, device, error);
}

static void
look_at_libvirt(Work *work, const VpCmdline *generated)
{
    const GPtrArray *options = generated->options;

    for (guint i = 0; i < options->len; i++) {
        if (vp_option_is_device(options->pdata[i]))
            vp_buses_add_of(work->buses, options->pdata[i]);
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
        vp_buses_add_of(work->buses, added->pdata[i]);
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

        if (!vp_budget_spend(work->budget, 10 * strlen(device->value) + work->buses->len, error))
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
    g_autoptr(GPtrArray) buses = vp_buses_new(placing->generated);
    g_autoptr(GPtrArray) previous = 
        g_ptr_array_new_with_free_func((GDestroyNotify)vp_option_free);
    g_autoptr(GHashTable) exact = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                          holder_free);
    g_autoptr(GHashTable) whole = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                          holder_free);
    g_autoptr(GHashTable) found = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) settled = g_hash_table_new(NULL, NULL);
    Work work = { placing, buses, exact, whole, previous, found, settled, budget };

    if (placing->generated) {
        look_at_libvirt(&work, placing->generated);
        look_at_apart(&work, placing->apart);
        look_at_added(&work, added);
    }
    look_at_previous(&work);
    return pay(&work, added, error) && place_all(&work, added, error);
}
