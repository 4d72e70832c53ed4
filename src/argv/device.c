/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Devices as JSON. In key=value form QEMU converts texts to the types of properties by itself; in
 * JSON a number has to be a number, so the types are looked up. The keys that -device itself reads
 * are strings for every device; all others, "addr" too, are properties like any.
 *
 * The rule is that JSON never says less than the text. It is written only where all of the text can
 * be said in it for certain. Where a type is not known (the device has no such property or one that
 * it makes by itself, as "ports[0]"; this QEMU has no such device; nothing is known of this QEMU),
 * or it is QEMU's setter that decides what a text means (value_type.c), the device stays in
 * key=value form: QEMU makes of it what it makes of it without us, errors included. Such a device
 * is created before libvirt's, as it is without us. What no QEMU can take is refused.
 */

#include "argv/device.h"

#include "argv/options.h"
#include "argv/pairs.h"
#include "argv/value.h"
#include "argv/value_type.h"
#include "base/error.h"
#include "json/text.h"

#include <string.h>

/* What it costs to look up a property's type, besides what the device's text costs. */
#define PROPERTY_STEPS 200

/* What -device takes for every device. */
static const char *const own_keys[] = { "driver", "id", "bus", NULL };

/* Whoever has one of these in its key=value form wants to read about the device and not to have
 * it: QEMU prints something and ends. */
static const char *const help_keys[] = { "help", "?", NULL };

/* A device on its way to JSON. */
typedef struct Conversion {
    const char *driver;
    const VpTypeSource *types; /* NULL: nothing is known */
    VpBudget *budget;
    char *json;   /* so far */
    bool doubt;   /* it has to stay as it is */
    char *note;   /* what of it is not known; NULL: nothing */
} Conversion;

static void
clear_conversion(Conversion *conversion)
{
    g_clear_pointer(&conversion->json, g_free);
    g_clear_pointer(&conversion->note, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Conversion, clear_conversion)

bool
vp_option_is_device(const VpOption *option)
{
    return option->row && strcmp(option->row->name, "device") == 0;
}

bool
vp_device_has_no_address(const VpOption *option)
{
    g_autofree char *address = NULL;

    if (!vp_option_is_device(option))
        return false;
    address = vp_value_get(option->row, option->value, "addr");
    return !address;
}

/* --- what the text says ----------------------------------------------------------- */

/* A key without value is a switch; QEMU takes "no" in front of it as off. */
static void
settle_switch(VpPair *pair)
{
    bool off = g_str_has_prefix(pair->key, "no");

    if (off)
        memmove(pair->key, pair->key + strlen("no"), strlen(pair->key) - strlen("no") + 1);
    pair->value = g_strdup(off ? "off" : "on");
}

/* Gives the parts their names and values: the first one may be the driver, the others that have no
 * value are switches. */
static void
settle(GArray *pairs)
{
    for (guint i = 0; i < pairs->len; i++) {
        VpPair *pair = &g_array_index(pairs, VpPair, i);

        if (pair->value)
            continue;
        if (i > 0) {
            settle_switch(pair);
        } else {
            pair->value = g_steal_pointer(&pair->key);
            pair->key = g_strdup("driver");
        }
    }
}

/* The value that counts: the first "id", of others the last. NULL: there is none. */
static const char *
find_value(const GArray *pairs, const char *key)
{
    bool first = strcmp(key, "id") == 0;
    const char *value = NULL;

    for (guint i = 0; i < pairs->len && !(first && value); i++) {
        const VpPair *pair = &g_array_index(pairs, VpPair, i);

        if (strcmp(pair->key, key) == 0)
            value = pair->value;
    }
    return value;
}

/* As QEMU checks the ids of what is in key=value form. */
static bool
is_id(const char *id)
{
    return g_ascii_isalpha(*id) && !id[strspn(id, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-._")];
}

static bool
asks_for_help(const GArray *pairs, const char *driver)
{
    bool asks = g_strv_contains(help_keys, driver);

    for (guint i = 0; i < pairs->len && !asks; i++)
        asks = g_strv_contains(help_keys, g_array_index(pairs, VpPair, i).key);
    return asks;
}

/* What is wrong with the text for every QEMU. */
static bool
check(const char *text, const GArray *pairs, GError **error)
{
    const char *driver = find_value(pairs, "driver"), *id = find_value(pairs, "id");

    if (!driver || !*driver)
        g_set_error(error, VP_ERROR, VP_ERROR_XML, "-device '%s' names no device", text);
    else if (asks_for_help(pairs, driver))
        g_set_error(error, VP_ERROR, VP_ERROR_XML,
                    "-device '%s' asks for help: QEMU would print it and end", text);
    else if (id && !is_id(id))
        g_set_error(error, VP_ERROR, VP_ERROR_XML,
                    "-device '%s': the id '%s' is none for QEMU, which expects a letter and behind "
                    "it letters, digits, '-', '.' and '_'", text, id);
    else
        return true;
    return false;
}

/* --- to JSON ------------------------------------------------------------------------ */

static void
begin(Conversion *conversion)
{
    const VpTypeSource *types = conversion->types;
    g_autoptr(GString) json = g_string_new("{\"driver\":");

    if (types && types->has_device && !types->has_device(types, conversion->driver))
        conversion->note = g_strdup_printf("this QEMU has no device '%s'", conversion->driver);
    vp_json_append_quoted(json, conversion->driver);
    g_string_append_c(json, '}');
    conversion->json = g_string_free(g_steal_pointer(&json), FALSE);
}

static VpValueType
type_of(Conversion *conversion, const char *key)
{
    VpValueType type = VP_TYPE_UNKNOWN;

    if (g_strv_contains(own_keys, key))
        return VP_TYPE_STRING;
    if (conversion->types)
        type = conversion->types->lookup(conversion->types, "device", conversion->driver, key);
    if (type == VP_TYPE_UNKNOWN && !conversion->note)
        conversion->note = g_strdup_printf("nothing is known of the property '%s' of the device "
                                           "'%s'", key, conversion->driver);
    return type;
}

/* One more property. */
static bool
add_property(Conversion *conversion, const char *key, const char *value, GError **error)
{
    g_autofree char *device = g_steal_pointer(&conversion->json);
    VpValueType type = type_of(conversion, key);
    VpTextReading reading = vp_value_read_text(value, type);

    if (!vp_budget_spend_on(conversion->budget, device, error)
        || !vp_budget_spend(conversion->budget, PROPERTY_STEPS + strlen(value), error))
        return false;
    conversion->doubt |= reading == VP_TEXT_DOUBTFUL;
    if (conversion->doubt && reading != VP_TEXT_WRONG)
        conversion->json = g_steal_pointer(&device);
    else
        conversion->json = vp_value_set(vp_option_find("device"), device, key, value, type, error);
    return conversion->json != NULL;
}

static bool
add_properties(Conversion *conversion, const GArray *pairs, GError **error)
{
    const char *id = find_value(pairs, "id");

    for (guint i = 0; i < pairs->len; i++) {
        const VpPair *pair = &g_array_index(pairs, VpPair, i);
        const char *value = strcmp(pair->key, "id") == 0 ? id : pair->value;

        if (strcmp(pair->key, "driver") != 0
            && !add_property(conversion, pair->key, value, error))
            return false;
    }
    return true;
}

char *
vp_device_from_text(const char *text, const VpTypeSource *types, VpBudget *budget, char **ret_note,
                    GError **error)
{
    g_autoptr(GArray) pairs = vp_pairs_split(text);
    g_auto(Conversion) conversion = { .types = types, .budget = budget };

    settle(pairs);
    if (!check(text, pairs, error))
        return NULL;
    conversion.driver = find_value(pairs, "driver");
    begin(&conversion);
    if (!add_properties(&conversion, pairs, error))
        return NULL;
    *ret_note = g_steal_pointer(&conversion.note);
    return conversion.doubt ? g_strdup(text) : g_steal_pointer(&conversion.json);
}

static void
append_pair(GString *text, const char *key, const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ",", -1);
    g_autofree char *escaped = g_strjoinv(",,", parts);

    g_string_append_printf(text, "%s%s%s%s", text->len ? "," : "", key ?: "", key ? "=" : "",
                           escaped);
}

char *
vp_device_group_text(const VpGroup *group, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *driver = NULL, *id = group->id;

    for (guint i = 0; i < group->keys->len; i++) {
        if (strcmp(group->keys->pdata[i], "driver") == 0)
            driver = group->values->pdata[i];
        else if (strcmp(group->keys->pdata[i], "id") == 0)
            id = group->values->pdata[i];
    }
    if (!driver) {
        g_set_error(error, VP_ERROR, VP_ERROR_XML, "it has no <driver>");
        return NULL;
    }
    append_pair(text, strchr(driver, '=') ? "driver" : NULL, driver);
    if (id)
        append_pair(text, "id", id);
    for (guint i = 0; i < group->keys->len; i++) {
        const char *key = group->keys->pdata[i];

        if (strcmp(key, "driver") != 0 && strcmp(key, "id") != 0)
            append_pair(text, key, group->values->pdata[i]);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}
