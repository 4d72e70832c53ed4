/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Values that are no JSON, taken apart and put together.
 *
 * Grammars that look alike, each read as QEMU reads it, for it is QEMU that will:
 *
 *   OPTS    KEY=VALUE, KEY (on), noKEY (off); ",," is a comma. The first item may be the value of
 *           the implied key, ",," included. Of equal keys the last counts, but the first "id".
 *   KEYVAL  KEY=VALUE with ",," for a comma; keys have dots. The first item may be the value of the
 *           implied key; it ends at a comma and has no escape. Of equal keys the last counts.
 *   CPU     the model, then KEY=VALUE, KEY (on), +KEY, -KEY between any number of commas. A comma
 *           cannot be written. '_' in keys is '-'. Minus counts more than plus, plus more than what
 *           has a value.
 *
 *   GLOBAL  DRIVER.PROPERTY=VALUE without any escape; three items that have no names.
 *
 * Items know the bytes they came from. Who changes a value marks items, and vp_items_write() copies
 * all others byte by byte, and what is between them.
 */

#include "argv/value_items.h"

#include <string.h>

/* QEMU's for driver and property of a short -global; with more it is none. */
#define GLOBAL_NAME_MAX 63

static void
free_item(gpointer data)
{
    VpItem *item = data;

    g_free(item->key);
    g_free(item->text);
    g_free(item->other);
    g_free(item);
}

VpItem *
vp_items_add(VpItems *items, VpItemForm form, char *key, char *text)
{
    VpItem *item = g_new0(VpItem, 1);

    item->form = form;
    item->key = key;
    item->text = text;
    g_ptr_array_add(items->list, item);
    return item;
}

static bool
starts_key(const char *at, gsize *ret_size)
{
    *ret_size = strcspn(at, "=,");
    return at[*ret_size] == '=';
}

/* Reads a value with ",," in it; *@at is moved to the comma behind it or the end. */
static char *
read_escaped(const char **at)
{
    g_autoptr(GString) text = g_string_new(NULL);

    while (**at && ((*at)[0] != ',' || (*at)[1] == ',')) {
        gsize plain = strcspn(*at, ",");

        g_string_append_len(text, *at, plain ? plain : 1);
        *at += plain ? plain : 2;
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Reads up to a comma or the end. */
static char *
read_plain(const char **at)
{
    gsize size = strcspn(*at, ",");

    *at += size;
    return g_strndup(*at - size, size);
}

/* KEY or noKEY. In keyval it is no more than a key whose value was forgotten. */
static void
read_flag(VpItems *items, const char **at)
{
    g_autofree char *word = read_plain(at);

    if (items->syntax == VP_SYNTAX_OPTS && g_str_has_prefix(word, "no"))
        vp_items_add(items, VP_ITEM_NO_FLAG, g_strdup(word + 2), g_strdup("off"));
    else
        vp_items_add(items, VP_ITEM_FLAG, g_steal_pointer(&word), g_strdup("on"));
}

static void
read_item(VpItems *items, const char **at)
{
    bool first = items->list->len == 0;
    gsize size = 0;

    if (starts_key(*at, &size)) {
        const char *key = *at;

        *at += size + 1;
        vp_items_add(items, VP_ITEM_ASSIGNED, g_strndup(key, size), read_escaped(at));
    } else if (first && items->row->implied && (size > 0 || items->syntax == VP_SYNTAX_OPTS)) {
        vp_items_add(items, VP_ITEM_IMPLIED, g_strdup(items->row->implied),
                     items->syntax == VP_SYNTAX_OPTS ? read_escaped(at) : read_plain(at));
    } else {
        read_flag(items, at);
    }
}

static void
read_cpu_item(VpItems *items, const char **at)
{
    g_autofree char *word = read_plain(at);
    char *equals = strchr(word, '=');

    if (items->list->len == 0) {
        vp_items_add(items, VP_ITEM_IMPLIED, g_strdup(items->row->implied), g_steal_pointer(&word));
        return;
    }
    if (*word == '+' || *word == '-') {
        vp_items_add(items, *word == '+' ? VP_ITEM_PLUS : VP_ITEM_MINUS, g_strdup(word + 1),
                     g_strdup(*word == '+' ? "on" : "off"));
    } else if (equals) {
        vp_items_add(items, VP_ITEM_ASSIGNED, g_strndup(word, equals - word),
                     g_strdup(equals + 1));
    } else {
        vp_items_add(items, VP_ITEM_FLAG, g_strdup(word), g_strdup("on"));
    }
    g_strdelimit(((VpItem *)items->list->pdata[items->list->len - 1])->key, "_", '-');
}

bool
vp_global_is_short(const char *value)
{
    gsize driver = strcspn(value, ".="), property = 0;

    if (driver == 0 || driver > GLOBAL_NAME_MAX || value[driver] != '.')
        return false;
    property = strcspn(value + driver + 1, "=");
    return property > 0 && property <= GLOBAL_NAME_MAX && value[driver + 1 + property] == '=';
}

static void
add_range(VpItems *items, const char *key, const char *from, const char *to)
{
    VpItem *item = vp_items_add(items, VP_ITEM_ASSIGNED, g_strdup(key),
                                g_strndup(from, to - from));

    item->start = from - items->value;
    item->end = to - items->value;
}

static void
split_global(VpItems *items)
{
    const char *dot = strchr(items->value, '.'), *equals = strchr(dot, '=');

    add_range(items, "driver", items->value, dot);
    add_range(items, "property", dot + 1, equals);
    add_range(items, "value", equals + 1, equals + strlen(equals));
}

static void
split(VpItems *items)
{
    const char *at = items->value;

    while (*at) {
        gsize start = at - items->value;
        VpItem *item = NULL;

        if (items->syntax == VP_SYNTAX_CPU)
            read_cpu_item(items, &at);
        else
            read_item(items, &at);
        item = items->list->pdata[items->list->len - 1];
        item->start = start;
        item->end = at - items->value;
        at += items->syntax == VP_SYNTAX_CPU ? strspn(at, ",") : *at == ',';
    }
}

void
vp_items_init(VpItems *ret_items, const VpOptionRow *row, VpSyntax syntax, const char *value)
{
    *ret_items = (VpItems){ .row = row, .syntax = syntax, .value = value };
    ret_items->list = g_ptr_array_new_with_free_func(free_item);
}

void
vp_items_split(VpItems *ret_items, const VpOptionRow *row, VpSyntax syntax, const char *value)
{
    vp_items_init(ret_items, row, syntax, value);
    if (syntax == VP_SYNTAX_GLOBAL)
        split_global(ret_items);
    else
        split(ret_items);
}

void
vp_items_clear(VpItems *items)
{
    g_clear_pointer(&items->list, g_ptr_array_unref);
}

bool
vp_items_is_key(const VpItems *items, const VpItem *item, const char *key)
{
    const char *at = item->key;

    if (items->syntax != VP_SYNTAX_CPU)
        return g_str_equal(at, key);
    while (*at && *at == (*key == '_' ? '-' : *key))
        at++, key++;
    return *at == *key;
}

/* Of two items of one key, the later one decides unless the earlier one weighs more. */
static guint
weigh(const VpItem *item)
{
    switch (item->form) {
    case VP_ITEM_PLUS:
        return 1;
    case VP_ITEM_MINUS:
        return 2;
    default:
        return 0;
    }
}

VpItem *
vp_items_find(const VpItems *items, const char *key)
{
    bool first_counts = items->syntax == VP_SYNTAX_OPTS && g_str_equal(key, "id");
    VpItem *found = NULL;

    for (guint i = 0; i < items->list->len; i++) {
        VpItem *item = items->list->pdata[i];

        if (!vp_items_is_key(items, item, key))
            continue;
        if (!found || (!first_counts && weigh(item) >= weigh(found)))
            found = item;
    }
    return found;
}

static void
append_escaped(GString *out, const char *text)
{
    for (; *text; text++) {
        if (*text == ',')
            g_string_append_c(out, ',');
        g_string_append_c(out, *text);
    }
}

/* Whether @text can stand without its key, at the first place: where '{' would make it JSON. */
static bool
may_be_implied(VpSyntax syntax, const char *text)
{
    if (!*text || *text == '{')
        return false;
    return syntax == VP_SYNTAX_OPTS ? text[strcspn(text, "=,")] != '=' : !strpbrk(text, "=,");
}

void
vp_item_append(GString *out, VpSyntax syntax, const char *key, const char *text, bool implied)
{
    if (syntax == VP_SYNTAX_CPU) {
        g_string_append_printf(out, "%s%s%s", implied ? "" : key, implied ? "" : "=", text);
        return;
    }
    if (!implied || !may_be_implied(syntax, text)) {
        g_string_append(out, key);
        g_string_append_c(out, '=');
    }
    append_escaped(out, text);
}

/* A flag that comes to stand first would be taken for the value of the implied key. */
static void
name_first_flag(const VpItems *items, guint i)
{
    VpItem *item = items->list->pdata[i];

    if (i > 0 && items->row->implied && !item->other && item->form != VP_ITEM_ASSIGNED)
        item->other = g_strconcat(item->key, "=", item->text, NULL);
}

char *
vp_items_write(VpItems *items)
{
    g_autoptr(GString) out = g_string_new(NULL);
    gsize behind = 0;
    bool any = false;

    for (guint i = 0; i < items->list->len; i++) {
        const VpItem *item = items->list->pdata[i];

        if (!item->gone) {
            if (any)
                g_string_append_len(out, items->value + behind, item->start - behind);
            else
                name_first_flag(items, i);
            if (item->other)
                g_string_append(out, item->other);
            else
                g_string_append_len(out, items->value + item->start, item->end - item->start);
            any = true;
        }
        behind = item->end;
    }
    if (!any)
        return NULL;
    g_string_append(out, items->value + behind);
    if (out->len == 0) /* an implied key with nothing, which only a comma can show */
        g_string_append_printf(out, "%s=", items->row->implied);
    return g_string_free(g_steal_pointer(&out), FALSE);
}
