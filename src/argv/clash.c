/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Two options that want the same id or the same place on a bus.
 *
 * Each option of QEMU's has ids of its own: a netdev and a device may share one. Places are given
 * by keys that depend on the bus; a row for each kind of bus says which. Only explicit addresses
 * are compared, for only QEMU knows what it gives to a device without one. The root bus of the two
 * x86 machines may be left out, and then is compared as if it had been named.
 *
 * Each option claims an id and places. All claims go into one table, with the two options that make
 * them first, so that the work grows with the number of options and not with its square.
 */

#include "argv/clash.h"

#include "argv/bus.h"
#include "argv/config_file.h"
#include "argv/device.h"
#include "argv/select.h"
#include "argv/value.h"
#include "base/error.h"

#include <string.h>

#define ROOT_BUS "the root bus"

static const struct {
    const char *key;    /* the place on its bus */
    const char *called; /* in messages */
    const char *prefix; /* of the drivers' names */
    bool pci;           /* SLOT[.FUNCTION] in hexadecimal, on the root bus if none is named */
} places[] = {
    { "addr", "address", "", true },
    { "devno", "devno", "", false },
    { "port", "port", "usb-", false },
    { "unit", "unit", "ide-", false },
};

static char *
get(const VpOption *option, const char *key)
{
    return option->value ? vp_value_get(option->row, option->value, key) : NULL;
}

/* --- ids --------------------------------------------------------------------- */

/* The id that the option claims among those of its kind; NULL: none. */
static char *
claimed_id(const VpOption *option)
{
    const VpOptionRow *row = option->row;
    g_autofree char *id = row->id_key ? get(option, row->id_key) : NULL;

    return id && *id ? g_strconcat(row->name, " ", id, NULL) : NULL;
}

static bool
refuse_id(const VpOption *touched, const VpOption *other, GError **error)
{
    g_autofree char *id = get(touched, touched->row->id_key);
    g_autofree char *brief = vp_option_brief(touched), *other_brief = vp_option_brief(other);

    return vp_refuse(error, VP_ERROR_FAILED, "'%s' and '%s' have the same %s '%s'", brief,
                     other_brief, touched->row->id_key, id);
}

/* The groups' ids that options have, each with the first option. */
static GHashTable *
collect_group_ids(const VpCmdline *cmdline)
{
    GHashTable *ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < cmdline->options->len; i++) {
        VpOption *option = cmdline->options->pdata[i];
        g_autofree char *id = NULL, *name = NULL;

        if (!option->row || !option->row->id_key || !option->row->group)
            continue;
        id = get(option, option->row->id_key);
        name = id ? g_strconcat(option->row->group, " ", id, NULL) : NULL;
        if (name && !g_hash_table_contains(ids, name))
            g_hash_table_insert(ids, g_steal_pointer(&name), option);
    }
    return ids;
}

static bool
check_group(GHashTable *ids, const VpGroup *group, GError **error)
{
    g_autofree char *name = g_strconcat(group->name, " ", group->id, NULL);
    g_autofree char *label = NULL, *brief = NULL;
    const VpOption *option = group->id ? g_hash_table_lookup(ids, name) : NULL;

    if (!option)
        return true;
    label = vp_group_label(group);
    brief = vp_option_brief(option);
    return vp_refuse(error, VP_ERROR_FAILED, "%s and '%s' have the same id '%s'", label, brief,
                     group->id);
}

bool
vp_check_group_clashes(const VpCmdline *cmdline, const VpPlan *plan, GError **error)
{
    g_autoptr(GHashTable) ids = NULL;

    for (guint i = 0; i < plan->steps->len; i++) {
        const VpStep *step = plan->steps->pdata[i];

        if (step->kind != VP_STEP_GROUP)
            continue;
        if (!ids)
            ids = collect_group_ids(cmdline);
        if (!check_group(ids, step->group, error))
            return false;
    }
    return true;
}

/* --- places on buses --------------------------------------------------------- */

/* NULL: not what an address looks like. */
static char *
normal_pci_place(const char *text)
{
    guint slot = 0, function = 0;

    if (!vp_bus_read_slot(text, &slot, &function))
        return NULL;
    return g_strdup_printf("%02x.%x", slot, function);
}

/* The place on its bus that the device names, as text that is equal for equal places; NULL: it
 * names none, or its places are called otherwise. */
static char *
place_on_bus(const VpOption *option, gsize row)
{
    g_autofree char *place = get(option, places[row].key);
    g_autofree char *driver = NULL;

    if (!place)
        return NULL;
    if (places[row].pci)
        return normal_pci_place(place);
    driver = vp_value_driver(option->row, option->value);
    if (!driver || !g_str_has_prefix(driver, places[row].prefix))
        return NULL;
    return g_steal_pointer(&place);
}

static char *
bus_of(const VpOption *option, gsize row)
{
    char *bus = get(option, "bus");
    bool root = !bus || strcmp(bus, "pci.0") == 0 || strcmp(bus, "pcie.0") == 0;

    if (!places[row].pci || !root)
        return bus ? bus : g_strdup("the machine");
    g_free(bus);
    return g_strdup(ROOT_BUS);
}

/* The place that the device claims, as a text that is equal for equal places; NULL: none. */
static char *
claimed_place(const VpOption *option, gsize row)
{
    g_autofree char *place = place_on_bus(option, row);
    g_autofree char *bus = place ? bus_of(option, row) : NULL;

    return place ? g_strdup_printf("%zu %zu %s %s", row, strlen(place), place, bus) : NULL;
}

static bool
refuse_place(const VpOption *touched, const VpOption *other, gsize row, GError **error)
{
    g_autofree char *place = place_on_bus(touched, row), *bus = bus_of(touched, row);
    g_autofree char *brief = vp_option_brief(touched), *other_brief = vp_option_brief(other);

    return vp_refuse(error, VP_ERROR_FAILED, "'%s' and '%s' both want %s %s of %s", brief,
                     other_brief, places[row].called, place, bus);
}

/* --- the table of claims ------------------------------------------------------ */

/* The first two options that claim the same. */
typedef struct Claim {
    const VpOption *first;
    const VpOption *second;
} Claim;

/* Takes @name, which may be NULL. */
static void
add_claim(GHashTable *claims, char *name, const VpOption *option)
{
    g_autofree char *owned = name;
    Claim *claim = name ? g_hash_table_lookup(claims, name) : NULL;

    if (claim && !claim->second) {
        claim->second = option;
    } else if (name && !claim) {
        claim = g_new0(Claim, 1);
        claim->first = option;
        g_hash_table_insert(claims, g_steal_pointer(&owned), claim);
    }
}

/* What is claimed by all options of the kinds of those that were touched. */
static GHashTable *
collect_claims(const VpCmdline *cmdline, GHashTable *touched)
{
    GHashTable *claims = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GHashTable) rows = g_hash_table_new(NULL, NULL);
    GHashTableIter iter;
    gpointer key = NULL;

    g_hash_table_iter_init(&iter, touched);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        g_hash_table_add(rows, (gpointer)((const VpOption *)key)->row);
    for (guint i = 0; i < cmdline->options->len; i++) {
        const VpOption *option = cmdline->options->pdata[i];

        if (!option->row || !g_hash_table_contains(rows, option->row))
            continue;
        add_claim(claims, claimed_id(option), option);
        for (gsize row = 0; vp_option_is_device(option) && row < G_N_ELEMENTS(places); row++)
            add_claim(claims, claimed_place(option, row), option);
    }
    return claims;
}

/* Another option that claims @name. Takes @name. */
static const VpOption *
find_other(GHashTable *claims, char *name, const VpOption *touched)
{
    g_autofree char *owned G_GNUC_UNUSED = name;
    const Claim *claim = name ? g_hash_table_lookup(claims, name) : NULL;

    if (!claim)
        return NULL;
    return claim->first == touched ? claim->second : claim->first;
}

static bool
check_option(GHashTable *claims, const VpOption *touched, GError **error)
{
    const VpOption *other = find_other(claims, claimed_id(touched), touched);

    if (other)
        return refuse_id(touched, other, error);
    for (gsize row = 0; vp_option_is_device(touched) && row < G_N_ELEMENTS(places); row++) {
        other = find_other(claims, claimed_place(touched, row), touched);
        if (other)
            return refuse_place(touched, other, row, error);
    }
    return true;
}

bool
vp_clash_depends_on(const VpOptionRow *row, const char *key)
{
    if (g_strcmp0(key, row->id_key) == 0 || g_strcmp0(key, row->implied) == 0
        || strcmp(key, "bus") == 0)
        return true;
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        if (strcmp(key, places[i].key) == 0)
            return true;
    }
    return false;
}

bool
vp_check_clashes(const VpCmdline *cmdline, GHashTable *touched, GError **error)
{
    g_autoptr(GHashTable) claims = NULL;

    if (g_hash_table_size(touched) == 0)
        return true;
    claims = collect_claims(cmdline, touched);
    for (guint i = 0; i < cmdline->options->len; i++) {
        const VpOption *option = cmdline->options->pdata[i];

        if (option->row && g_hash_table_contains(touched, option)
            && !check_option(claims, option, error))
            return false;
    }
    return true;
}
