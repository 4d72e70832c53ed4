/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Types of keys from a list. A plan carries the few that its alters need, because the shim that
 * carries it out has no time to ask a QEMU. The list is searched from its start; it is short.
 */

#include "plan/types.h"

const char *const vp_value_type_names[] = {
    [VP_TYPE_UNKNOWN] = "unknown",
    [VP_TYPE_STRING] = "string",
    [VP_TYPE_BOOL] = "bool",
    [VP_TYPE_INT] = "int",
    [VP_TYPE_SIZE] = "size",
    [VP_TYPE_NUMBER] = "number",
    [VP_TYPE_OTHER] = "other",
    NULL,
};

bool
vp_value_type_find(const char *name, VpValueType *ret_type)
{
    for (guint i = 0; vp_value_type_names[i]; i++) {
        if (g_str_equal(vp_value_type_names[i], name)) {
            *ret_type = i;
            return true;
        }
    }
    return false;
}

VpKeyType *
vp_key_type_new(const char *option, const char *driver, const char *key, VpValueType type)
{
    VpKeyType *known = g_new(VpKeyType, 1);

    *known = (VpKeyType){ .option = g_strdup(option), .driver = g_strdup(driver),
                          .key = g_strdup(key), .type = type };
    return known;
}

void
vp_key_type_free(VpKeyType *type)
{
    if (!type)
        return;
    g_free(type->option);
    g_free(type->driver);
    g_free(type->key);
    g_free(type);
}

static const GPtrArray *
list_of(const VpTypeSource *source)
{
    return ((const VpKeyTypes *)source)->types;
}

static bool
is_about(const VpKeyType *known, const char *option, const char *key)
{
    return g_str_equal(known->option, option) && g_str_equal(known->key, key);
}

static VpValueType
lookup(const VpTypeSource *source, const char *option, const char *driver, const char *key)
{
    const GPtrArray *types = list_of(source);
    VpValueType others = VP_TYPE_UNKNOWN;

    for (guint i = 0; i < types->len; i++) {
        const VpKeyType *known = types->pdata[i];

        if (!is_about(known, option, key))
            continue;
        if (!known->driver)
            others = known->type;
        else if (g_strcmp0(known->driver, driver) == 0)
            return known->type;
    }
    return others;
}

static void
collect(const VpTypeSource *source, const char *option, const char *key, GPtrArray *types)
{
    const GPtrArray *list = list_of(source);

    for (guint i = 0; i < list->len; i++) {
        const VpKeyType *known = list->pdata[i];

        if (is_about(known, option, key))
            g_ptr_array_add(types, vp_key_type_new(option, known->driver, key, known->type));
    }
}

VpKeyTypes
vp_key_types(const GPtrArray *types)
{
    return (VpKeyTypes){ .source = { .lookup = lookup, .collect = collect }, .types = types };
}
