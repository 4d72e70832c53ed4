/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The value of an option in whatever syntax: finds out which, and leaves the work to value_items.c
 * and value_edit.c (text) or value_json.c.
 *
 * A -global sets one property, and people call it by its name: the key "DRIVER.PROPERTY" is
 * understood beside "driver", "property" and "value", in the short form and in the long one.
 */

#include "argv/value.h"

#include "argv/value_items.h"
#include "argv/value_json.h"
#include "base/error.h"

#include <string.h>

VpSyntax
vp_value_syntax(const VpOptionRow *row, const char *value)
{
    if (!row)
        return VP_SYNTAX_PLAIN;
    if (row->json && value && *value == '{')
        return VP_SYNTAX_JSON;
    if (row->syntax == VP_SYNTAX_GLOBAL && !vp_global_is_short(value ?: ""))
        return VP_SYNTAX_OPTS;
    return row->syntax;
}

static bool
has_keys(VpSyntax syntax)
{
    return syntax != VP_SYNTAX_NONE && syntax != VP_SYNTAX_PLAIN;
}

static void
split(VpItems *ret_items, const VpOptionRow *row, const char *value)
{
    vp_items_split(ret_items, row, vp_value_syntax(row, value), value ?: "");
}

/* "value" if @key is the name of the very property that a -global sets, else @key. */
static const char *
own_key(const VpItems *items, const char *key)
{
    const VpItem *driver = NULL, *property = NULL;
    gsize size = 0;

    if (items->row->syntax != VP_SYNTAX_GLOBAL)
        return key;
    driver = vp_items_find(items, "driver");
    property = vp_items_find(items, "property");
    size = driver && property ? strlen(driver->text) : 0;
    if (size > 0 && strncmp(key, driver->text, size) == 0 && key[size] == '.' &&
        g_str_equal(key + size + 1, property->text))
        return "value";
    return key;
}

bool
vp_value_check(const VpOptionRow *row, const char *value, GError **error)
{
    VpSyntax syntax = vp_value_syntax(row, value);
    g_auto(VpItems) items = { 0 };

    if (!has_keys(syntax))
        return true;
    if (syntax == VP_SYNTAX_JSON)
        return vp_json_value_check(row, value, error);
    split(&items, row, value);
    return vp_items_check(&items, error);
}

char *
vp_value_get(const VpOptionRow *row, const char *value, const char *key)
{
    VpSyntax syntax = vp_value_syntax(row, value);
    g_auto(VpItems) items = { 0 };
    const VpItem *item = NULL;

    if (!has_keys(syntax))
        return NULL;
    if (syntax == VP_SYNTAX_JSON)
        return vp_json_value_get(value, key);
    split(&items, row, value);
    item = vp_items_find(&items, own_key(&items, key));
    return item ? g_strdup(item->text) : NULL;
}

static char *
canonical(const VpItems *items)
{
    VpSyntax row_syntax = items->row->syntax == VP_SYNTAX_OPTS ? VP_SYNTAX_OPTS : VP_SYNTAX_KEYVAL;
    VpSyntax syntax = items->syntax == VP_SYNTAX_JSON ? row_syntax : items->syntax;
    const char *implied = items->row->implied;
    const VpItem *first = implied ? vp_items_find(items, implied) : NULL;
    g_autoptr(GString) out = g_string_new(NULL);

    if (first)
        vp_item_append(out, syntax, implied, first->text, true);
    for (guint i = 0; i < items->list->len; i++) {
        const VpItem *item = items->list->pdata[i];

        if (first && vp_items_is_key(items, item, implied))
            continue;
        g_string_append(out, out->len ? "," : "");
        vp_item_append(out, syntax, item->key, item->text, false);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

/* The short form of a -global in the long one, NULL if it cannot be written. */
static char *
shorten_global(const VpItems *items)
{
    const VpItem *driver = vp_items_find(items, "driver");
    const VpItem *property = vp_items_find(items, "property");
    const VpItem *value = vp_items_find(items, "value");
    g_autofree char *text = NULL;

    if (!driver || !property || !value || strpbrk(driver->text, ".=") ||
        strchr(property->text, '='))
        return NULL;
    text = g_strdup_printf("%s.%s=%s", driver->text, property->text, value->text);
    return vp_global_is_short(text) ? g_steal_pointer(&text) : NULL;
}

char *
vp_value_canonical(const VpOptionRow *row, const char *value)
{
    VpSyntax syntax = vp_value_syntax(row, value);
    g_auto(VpItems) items = { 0 };

    if (!has_keys(syntax) || syntax == VP_SYNTAX_GLOBAL)
        return g_strdup(value ?: "");
    if (syntax == VP_SYNTAX_JSON)
        return vp_json_value_flatten(&items, row, value) ? canonical(&items) : g_strdup(value);
    split(&items, row, value);
    if (row->syntax == VP_SYNTAX_GLOBAL)
        return shorten_global(&items) ?: g_strdup(value ?: "");
    return canonical(&items);
}

static char *
refuse_keys(const VpOptionRow *row, const char *key, GError **error)
{
    g_set_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED,
                "'%s' cannot be set: the value of %s%s has no keys", key, row ? "-" : "",
                row ? row->name : "an unknown option");
    return NULL;
}

char *
vp_value_set(const VpOptionRow *row, const char *value, const char *key, const char *text,
             VpValueType type, GError **error)
{
    VpSyntax syntax = vp_value_syntax(row, value);
    g_auto(VpItems) items = { 0 };

    if (!has_keys(syntax))
        return refuse_keys(row, key, error);
    if (syntax == VP_SYNTAX_JSON)
        return vp_json_value_set(row, value, key, text, type, error);
    split(&items, row, value);
    return vp_items_set(&items, own_key(&items, key), text, error);
}

char *
vp_value_remove(const VpOptionRow *row, const char *value, const char *key)
{
    VpSyntax syntax = vp_value_syntax(row, value);
    g_auto(VpItems) items = { 0 };

    if (!has_keys(syntax) || syntax == VP_SYNTAX_GLOBAL)
        return NULL;
    if (syntax == VP_SYNTAX_JSON)
        return vp_json_value_remove(value, key);
    split(&items, row, value);
    return vp_items_remove(&items, own_key(&items, key));
}

char *
vp_value_driver(const VpOptionRow *row, const char *value)
{
    return row && row->json && row->implied ? vp_value_get(row, value, row->implied) : NULL;
}
