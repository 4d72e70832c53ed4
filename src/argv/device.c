/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Devices as JSON. In key=value form QEMU converts texts to the types of properties by itself; in
 * JSON a number has to be a number, so the types are looked up. The keys that -device itself
 * reads, and addresses, are strings for every device.
 *
 * A property that the source of types does not know is written as its text looks. If the device
 * has none of that name QEMU says so when the guest starts.
 */

#include "argv/device.h"

#include "argv/options.h"
#include "argv/pairs.h"
#include "argv/value.h"
#include "base/error.h"
#include "json/text.h"

#include <string.h>

/* What it costs to look up a property's type, besides what the device's text costs. */
#define PROPERTY_STEPS 200

static const char *const string_keys[] = { "driver", "id", "bus", "addr", NULL };

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

static char *
new_device(const char *driver, const VpTypeSource *types, GError **error)
{
    g_autoptr(GString) json = g_string_new("{\"driver\":");

    if (types && types->has_device && !types->has_device(types, driver)) {
        g_set_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED, "this QEMU has no device '%s'", driver);
        return NULL;
    }
    vp_json_append_quoted(json, driver);
    g_string_append_c(json, '}');
    return g_string_free(g_steal_pointer(&json), FALSE);
}

/* The device with one more property; takes @json. */
static char *
add_property(char *json, const char *driver, const char *key, const char *value,
             const VpTypeSource *types, VpBudget *budget, GError **error)
{
    g_autofree char *device = json;
    VpValueType type = VP_TYPE_STRING;

    if (!g_strv_contains(string_keys, key)) {
        if (!types) {
            g_set_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED,
                        "the type of '%s' of the device '%s' is not known without its QEMU; write "
                        "the device as JSON", key, driver);
            return NULL;
        }
        type = types->lookup(types, "device", driver, key);
    }
    if (!vp_budget_spend_on(budget, device, error)
        || !vp_budget_spend(budget, PROPERTY_STEPS + strlen(value), error))
        return NULL;
    return vp_value_set(vp_option_find("device"), device, key, value, type, error);
}

/* A key without value is a switch; QEMU takes "no" in front of it as off. */
static const char *
switch_value(VpPair *pair)
{
    g_autofree char *name = NULL;

    if (!g_str_has_prefix(pair->key, "no"))
        return "on";
    name = g_steal_pointer(&pair->key);
    pair->key = g_strdup(name + strlen("no"));
    return "off";
}

/* What the device is: the first part without a key, else the last "driver=". */
static const char *
find_driver(const GArray *pairs)
{
    const char *driver = NULL;

    for (guint i = 0; i < pairs->len; i++) {
        const VpPair *pair = &g_array_index(pairs, VpPair, i);

        if (i == 0 && !pair->value)
            driver = pair->key;
        else if (pair->value && strcmp(pair->key, "driver") == 0)
            driver = pair->value;
    }
    return driver && *driver ? driver : NULL;
}

char *
vp_device_from_text(const char *text, const VpTypeSource *types, VpBudget *budget, GError **error)
{
    g_autoptr(GArray) pairs = vp_pairs_split(text);
    const char *driver = find_driver(pairs);
    char *json = NULL;

    if (!driver) {
        g_set_error(error, VP_ERROR, VP_ERROR_XML, "-device '%s' names no device", text);
        return NULL;
    }
    json = new_device(driver, types, error);
    for (guint i = 0; json && i < pairs->len; i++) {
        VpPair *pair = &g_array_index(pairs, VpPair, i);
        const char *value = pair->value;

        if ((i == 0 && !value) || strcmp(pair->key, "driver") == 0)
            continue;
        if (!value)
            value = switch_value(pair);
        json = add_property(json, driver, pair->key, value, types, budget, error);
    }
    return json;
}

char *
vp_device_from_group(const VpGroup *group, const VpTypeSource *types, VpBudget *budget,
                     GError **error)
{
    const char *driver = NULL;
    char *json = NULL;

    for (guint i = 0; i < group->keys->len; i++) {
        if (strcmp(group->keys->pdata[i], "driver") == 0)
            driver = group->values->pdata[i];
    }
    if (!driver) {
        g_set_error(error, VP_ERROR, VP_ERROR_XML, "it has no <driver>");
        return NULL;
    }
    json = new_device(driver, types, error);
    if (json && group->id)
        json = add_property(json, driver, "id", group->id, types, budget, error);
    for (guint i = 0; json && i < group->keys->len; i++) {
        const char *key = group->keys->pdata[i];

        if (strcmp(key, "driver") != 0)
            json = add_property(json, driver, key, group->values->pdata[i], types, budget, error);
    }
    return json;
}
