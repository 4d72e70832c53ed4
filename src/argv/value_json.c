/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Values in JSON, changed in place.
 *
 * Nothing is parsed into a tree and printed again: a member is found as a range of the text
 * (json/members.h), and the text is cut there. White space, the order of members and the spelling
 * of strings and numbers are the author's, here libvirt's.
 *
 * A dotted key is followed down through members and list indices. A member whose name has a dot in
 * it is found too. What is created is nested, but in a -device: its properties have no parts, and
 * some have a dot in their names ("zoned.zasl" of nvme-ns beside "zoned", "sse4.1" of a CPU).
 * Whatever comes out of a change is checked as a whole before it is given away, so that no change
 * makes JSON that QEMU refuses to read.
 */

#include "argv/value_json.h"

#include "argv/value_type.h"
#include "base/error.h"
#include "base/limits.h"
#include "json/check.h"
#include "json/members.h"
#include "json/text.h"

#include <string.h>

/* Digits of the highest index of a list that fits into a word. */
#define INDEX_DIGITS 5

/* How far down a key could be followed. */
typedef struct Place {
    bool found;
    VpJsonItem item;      /* found: what the key names */
    VpJsonSlice deepest;  /* the innermost value on its way */
    const char *rest;     /* what of the key is left at @deepest */
} Place;

static bool
is_container(VpJsonSlice value)
{
    return value.size > 0 && (*value.text == '{' || *value.text == '[');
}

static VpJsonSlice
whole(const char *value)
{
    return (VpJsonSlice){ .text = value, .size = strlen(value) };
}

/* The key's bytes behind the @size of its beginning that name an item: "" for all of it, what
 * follows the dot, or NULL if something else follows. */
static const char *
rest_behind(const char *key, gsize size)
{
    if (key[size] == '.')
        return key + size + 1;
    return key[size] ? NULL : key + size;
}

/* What is left of @key behind @name; NULL: it begins otherwise. */
static const char *
match_name(const char *key, const char *name, gsize size)
{
    return strncmp(key, name, size) == 0 ? rest_behind(key, size) : NULL;
}

/* Appends the name that @item, the @index-th, has in a dotted key. */
static bool
append_own_name(GString *out, const VpJsonItem *item, guint index)
{
    if (item->key.text)
        return vp_json_append_decoded(out, item->key.text, item->key.size);
    g_string_append_printf(out, "%u", index);
    return true;
}

/* match_name() with the name of @item, the @index-th. Names with escapes are rare, and this is
 * where looking for a key spends its time. */
static const char *
match_item(const VpJsonItem *item, guint index, const char *key)
{
    g_autoptr(GString) name = NULL;

    if (item->key.text && !memchr(item->key.text, '\\', item->key.size))
        return match_name(key, item->key.text, item->key.size);
    name = g_string_new(NULL);
    if (!append_own_name(name, item, index) || strlen(name->str) < name->len)
        return NULL; /* no key that anybody can write has U+0000 in it */
    return match_name(key, name->str, name->len);
}

static bool
is_end(const char *key, const char *rest)
{
    return !*rest && (rest == key || rest[-1] != '.');
}

/* Looks for @key in @container. */
static void
follow(VpJsonSlice container, const char *key, Place *place)
{
    VpJsonItems items;
    VpJsonItem item;

    place->deepest = container;
    place->rest = key;
    vp_json_items_init(&items, container.text, container.size);
    for (guint i = 0; !place->found && vp_json_items_next(&items, &item) == VP_JSON_ITEM; i++) {
        const char *rest = match_item(&item, i, key);

        if (!rest)
            continue;
        if (is_end(key, rest)) {
            place->found = true;
            place->item = item;
        } else if (is_container(item.value)) {
            follow(item.value, rest, place);
        } else {
            place->deepest = item.value;
            place->rest = rest;
        }
    }
}

static Place
find(const char *value, const char *key)
{
    Place place = { 0 };

    follow(whole(value), key, &place);
    return place;
}

/* What a person calls a value. */
static char *
value_text(VpJsonSlice value)
{
    switch (*value.text) {
    case '"':
        if (!memchr(value.text, '\\', value.size))
            return g_strndup(value.text + 1, value.size - 2);
        return vp_json_decode_string(value.text, value.size) ?: g_strdup("");
    case 't':
        return g_strdup("on");
    case 'f':
        return g_strdup("off");
    case 'n':
        return g_strdup("");
    default:
        return g_strndup(value.text, value.size);
    }
}

char *
vp_json_value_get(const char *value, const char *key)
{
    Place place = find(value, key);

    return place.found ? value_text(place.item.value) : NULL;
}

static bool flatten_container(VpItems *items, GString *path, VpJsonSlice container);

static bool
flatten_item(VpItems *items, GString *path, const VpJsonItem *item, guint index)
{
    gsize outer = path->len, size = 0;
    bool good = true;

    if (outer > 0)
        g_string_append_c(path, '.');
    size = path->len;
    good = append_own_name(path, item, index);
    if (!good || path->len == size || path->len > VP_ARGV_KEY_MAX)
        return false;
    if (is_container(item->value))
        good = flatten_container(items, path, item->value);
    else
        vp_items_add(items, VP_ITEM_ASSIGNED, g_strdup(path->str), value_text(item->value));
    g_string_truncate(path, outer);
    return good;
}

static bool
flatten_container(VpItems *items, GString *path, VpJsonSlice container)
{
    VpJsonStep step = VP_JSON_BROKEN;
    VpJsonItems walk;
    VpJsonItem item;
    guint n = 0;

    vp_json_items_init(&walk, container.text, container.size);
    while ((step = vp_json_items_next(&walk, &item)) == VP_JSON_ITEM) {
        if (!flatten_item(items, path, &item, n++))
            return false;
    }
    if (n == 0 && path->len > 0)
        vp_items_add(items, VP_ITEM_ASSIGNED, g_strdup(path->str), value_text(container));
    return step == VP_JSON_END;
}

bool
vp_json_value_flatten(VpItems *ret_items, const VpOptionRow *row, const char *value)
{
    g_autoptr(GString) path = g_string_new(NULL);

    vp_items_init(ret_items, row, VP_SYNTAX_JSON, value);
    return flatten_container(ret_items, path, whole(value));
}

/* Whether no dotted key in @container, which is at one of @outer bytes, is empty in part or longer
 * than allowed. Escapes count as they are written, indices as the longest. */
static bool
keys_fit(VpJsonSlice container, gsize outer)
{
    VpJsonItems items;
    VpJsonItem item;

    vp_json_items_init(&items, container.text, container.size);
    while (vp_json_items_next(&items, &item) == VP_JSON_ITEM) {
        gsize own = item.key.text ? item.key.size : INDEX_DIGITS;
        gsize size = outer + (outer > 0) + own;

        if (own == 0 || size > VP_ARGV_KEY_MAX)
            return false;
        if (is_container(item.value) && !keys_fit(item.value, size))
            return false;
    }
    return true;
}

static bool
refuse(const VpOptionRow *row, const char *value, const char *what, GError **error)
{
    g_set_error(error, VP_ERROR, VP_ERROR_FAILED, "-%s: the JSON %s: '%s'", row->name, what,
                value);
    return false;
}

bool
vp_json_value_check(const VpOptionRow *row, const char *value, GError **error)
{
    gsize size = strlen(value);
    g_autofree char *message = NULL;
    VpJsonFacts facts = { 0 };
    const char *behind = NULL;

    if (!vp_json_check(value, size, &facts, &message))
        return refuse(row, value, g_strchomp(message), error);
    behind = facts.value.text + facts.value.size;
    if (vp_json_skip_space(behind, value + size) != value + size)
        return refuse(row, value, "has something behind its end", error);
    if (facts.doubtful)
        return refuse(row, value, "has a character in a string that QEMU does not take", error);
    if (keys_fit(facts.value, 0))
        return true;
    g_set_error(error, VP_ERROR, VP_ERROR_LIMIT,
                "-%s: a key in the JSON is empty or longer than %u bytes (VP_ARGV_KEY_MAX)",
                row->name,
                VP_ARGV_KEY_MAX);
    return false;
}

/* The text with other bytes in place of @old. */
static char *
splice(const char *value, VpJsonSlice old, const char *with)
{
    return g_strdup_printf("%.*s%s%s", (int)(old.text - value), value, with, old.text + old.size);
}

/* The key's first part, up to a dot. */
static char *
first_of(const char **key)
{
    gsize size = strcspn(*key, ".");
    const char *start = *key;

    *key = start + size + (start[size] == '.');
    return g_strndup(start, size);
}

/* Whether a list begins at @key: its first element is the only one that can be created. */
static bool
is_first_index(const char *key)
{
    return *key == '0' && (key[1] == '.' || !key[1]);
}

/* Appends what @json is as the value of @key, in objects and lists that are created for it. */
static void
append_nested(GString *out, const char *key, const char *json)
{
    g_autoptr(GString) closers = g_string_new(NULL);

    while (*key) {
        bool list = is_first_index(key);
        g_autofree char *name = first_of(&key);

        g_string_append_c(out, list ? '[' : '{');
        g_string_prepend_c(closers, list ? ']' : '}');
        if (list)
            continue;
        vp_json_append_quoted(out, name);
        g_string_append_c(out, ':');
    }
    g_string_append(out, json);
    g_string_append_len(out, closers->str, closers->len);
}

/* The number of items, and the end of the last one (the opening bracket's if there is none). false:
 * it is broken, so that what is added could join what is there. */
static bool
measure(VpJsonSlice container, guint *ret_n, const char **ret_end)
{
    VpJsonStep step = VP_JSON_BROKEN;
    VpJsonItems items;
    VpJsonItem item;

    *ret_n = 0;
    *ret_end = container.text + 1;
    vp_json_items_init(&items, container.text, container.size);
    while ((step = vp_json_items_next(&items, &item)) == VP_JSON_ITEM) {
        *ret_end = item.value.text + item.value.size;
        (*ret_n)++;
    }
    return step == VP_JSON_END;
}

static bool
refuse_place(const char *key, const Place *place, guint n, GError **error)
{
    if (*place->deepest.text == '[')
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED,
                    "'%s' cannot be set: the list has %u elements, so that what can be added is "
                    "%.*s%u", key, n, (int)(place->rest - key), key, n);
    else
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED,
                    "'%s' cannot be set: what is before '.%s' has the value %.*s already", key,
                    place->rest, (int)place->deepest.size, place->deepest.text);
    return false;
}

/* Whether @key is to be one name, dots and all, and no way into something. */
static bool
is_one_name(const VpOptionRow *row, const Place *place, const char *key)
{
    return strcmp(row->name, "device") == 0 &&
           (place->rest == key || !is_container(place->deepest));
}

/* Appends the name that the new item needs in its container: a key, in a list nothing. */
static bool
append_name(GString *out, const char *key, Place *place, guint n, GError **error)
{
    const char *rest = place->rest;
    g_autofree char *name = first_of(&rest), *index = g_strdup_printf("%u", n);

    if (*place->deepest.text != '{' &&
        (*place->deepest.text != '[' || !g_str_equal(name, index)))
        return refuse_place(key, place, n, error);
    if (*place->deepest.text == '{') {
        vp_json_append_quoted(out, name);
        g_string_append_c(out, ':');
    }
    place->rest = rest;
    return true;
}

/* The value with @json added at the place where the way to @key ended. */
static char *
insert(const VpOptionRow *row, const char *value, const char *key, Place place, const char *json,
       GError **error)
{
    g_autoptr(GString) added = g_string_new(NULL);
    VpJsonSlice gap = { 0 };
    bool one_name = is_one_name(row, &place, key);
    guint n = 0;

    if (one_name)
        place = (Place){ .deepest = whole(value), .rest = "" };
    if (!measure(place.deepest, &n, &gap.text) && is_container(place.deepest)) {
        refuse(row, value, "cannot be read", error);
        return NULL;
    }
    if (n > 0)
        g_string_append_c(added, ',');
    if (one_name) {
        vp_json_append_quoted(added, key);
        g_string_append_c(added, ':');
    } else if (!append_name(added, key, &place, n, error)) {
        return NULL;
    }
    append_nested(added, place.rest, json);
    return splice(value, gap, added->str);
}

static bool
check_key(const VpOptionRow *row, const char *key, GError **error)
{
    if (*key && *key != '.' && !g_str_has_suffix(key, ".") && !strstr(key, ".."))
        return true;
    g_set_error(error, VP_ERROR, VP_ERROR_FAILED, "-%s cannot have a key '%s'", row->name, key);
    return false;
}

char *
vp_json_value_set(const VpOptionRow *row, const char *value, const char *key, const char *text,
                  VpValueType type, GError **error)
{
    g_autoptr(GString) json = g_string_new(NULL);
    g_autofree char *changed = NULL;
    VpJsonSlice there = { 0 };
    Place place = { 0 };

    /* What is broken could become whole, and say something that nobody wrote. */
    if (!vp_json_value_check(row, value, error))
        return NULL;
    place = find(value, key);
    if (place.found)
        there = place.item.value;
    if (!vp_value_append_typed(json, key, text, type, there, error))
        return NULL;
    if (place.found)
        changed = splice(value, there, json->str);
    else if (check_key(row, key, error))
        changed = insert(row, value, key, place, json->str, error);
    if (!changed || !vp_json_value_check(row, changed, error))
        return NULL;
    return g_steal_pointer(&changed);
}

char *
vp_json_value_remove(const char *value, const char *key)
{
    Place place = find(value, key);

    return place.found ? splice(value, place.item.cut, "") : NULL;
}
