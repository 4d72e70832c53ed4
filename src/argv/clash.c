/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Two options that want the same id or the same place on a bus.
 *
 * Each option of QEMU's has ids of its own: a netdev and a device may share one. Places are given
 * by keys that depend on the bus; a row for each kind of bus says which. Only explicit addresses
 * are compared, for only QEMU knows what it gives to a device without one. The root bus of the two
 * x86 machines may be left out, and then is compared as if it had been named.
 *
 * What was touched is looked at closely, all other options only as far as strstr() says that they
 * may have the same id.
 */

#include "argv/clash.h"

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

static bool
check_id(const VpCmdline *cmdline, const VpOption *touched, GError **error)
{
    const VpOptionRow *row = touched->row;
    g_autofree char *id = row->id_key ? get(touched, row->id_key) : NULL;

    for (guint i = 0; id && *id && i < cmdline->options->len; i++) {
        const VpOption *other = cmdline->options->pdata[i];
        g_autofree char *other_id = NULL, *brief = NULL, *other_brief = NULL;

        if (other == touched || other->row != row || !strstr(other->value, id))
            continue;
        other_id = get(other, row->id_key);
        if (g_strcmp0(id, other_id) != 0)
            continue;
        brief = vp_option_brief(touched);
        other_brief = vp_option_brief(other);
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED, "'%s' and '%s' have the same %s '%s'", brief,
                    other_brief, row->id_key, id);
        return false;
    }
    return true;
}

bool
vp_check_group_clash(const VpCmdline *cmdline, const VpGroup *group, GError **error)
{
    for (guint i = 0; group->id && i < cmdline->options->len; i++) {
        const VpOption *option = cmdline->options->pdata[i];
        g_autofree char *id = NULL, *label = NULL, *brief = NULL;

        if (!option->row || !option->row->id_key || g_strcmp0(option->row->group, group->name) != 0)
            continue;
        id = get(option, option->row->id_key);
        if (g_strcmp0(id, group->id) != 0)
            continue;
        label = vp_group_label(group);
        brief = vp_option_brief(option);
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED, "%s and '%s' have the same id '%s'", label,
                    brief, id);
        return false;
    }
    return true;
}

/* --- places on buses --------------------------------------------------------- */

/* "0x2", "02.0" and "2.0" are the same; NULL: not what an address looks like. */
static char *
normal_pci_place(const char *text)
{
    char *end = NULL;
    guint64 slot = g_ascii_strtoull(text, &end, 16), function = 0;

    if (end == text)
        return NULL;
    if (*end == '.')
        function = g_ascii_strtoull(end + 1, &end, 16);
    if (*end || slot > 31 || function > 7)
        return NULL;
    return g_strdup_printf("%02x.%x", (guint)slot, (guint)function);
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

static bool
is_at(const VpOption *option, gsize row, const char *place, const char *bus)
{
    g_autofree char *own_place = NULL, *own_bus = NULL;

    own_place = place_on_bus(option, row);
    if (g_strcmp0(own_place, place) != 0)
        return false;
    own_bus = bus_of(option, row);
    return strcmp(own_bus, bus) == 0;
}

static bool
check_place(const VpCmdline *cmdline, const VpOption *touched, gsize row, GError **error)
{
    g_autofree char *place = place_on_bus(touched, row);
    g_autofree char *bus = place ? bus_of(touched, row) : NULL;

    for (guint i = 0; place && i < cmdline->options->len; i++) {
        const VpOption *other = cmdline->options->pdata[i];
        g_autofree char *brief = NULL, *other_brief = NULL;

        if (other == touched || other->row != touched->row || !is_at(other, row, place, bus))
            continue;
        brief = vp_option_brief(touched);
        other_brief = vp_option_brief(other);
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED, "'%s' and '%s' both want %s %s of %s", brief,
                    other_brief, places[row].called, place, bus);
        return false;
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
    for (guint i = 0; i < cmdline->options->len; i++) {
        const VpOption *option = cmdline->options->pdata[i];

        if (!option->row || !g_hash_table_contains(touched, option))
            continue;
        if (!check_id(cmdline, option, error))
            return false;
        for (gsize row = 0; vp_option_is_device(option) && row < G_N_ELEMENTS(places); row++) {
            if (!check_place(cmdline, option, row, error))
                return false;
        }
    }
    return true;
}
