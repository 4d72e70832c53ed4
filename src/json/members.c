/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Walks through the top level of an object or array.
 *
 * At this level everything is checked: keys, colons, commas, brackets and what follows them.
 * What is inside of the values is left to vp_json_skip_value(). Each item also says which bytes
 * to leave out to be rid of it: its comma is the one in front, but for the first item the one
 * behind.
 */

#include "json/members.h"

#include "base/limits.h"
#include "json/text.h"

#include <string.h>

void
vp_json_items_init(VpJsonItems *items, const char *text, gsize size)
{
    const char *at = text;

    *items = (VpJsonItems){ 0 };
    if (!text)
        return;
    items->end = text + size;
    at = vp_json_skip_space(text, items->end);
    if (at == items->end || (*at != '{' && *at != '['))
        return;
    items->closer = *at == '{' ? '}' : ']';
    items->at = vp_json_skip_space(at + 1, items->end);
}

static VpJsonSlice
slice(const char *from, const char *to)
{
    return (VpJsonSlice){ .text = from, .size = to - from };
}

/* Reads the key at @at with its colon; returns where the value starts. */
static const char *
read_key(const VpJsonItems *items, const char *at, VpJsonSlice *ret_key)
{
    const char *behind = *at == '"' ? vp_json_skip_string(at, items->end) : NULL;

    if (!behind)
        return NULL;
    *ret_key = slice(at + 1, behind - 1);
    behind = vp_json_skip_space(behind, items->end);
    if (behind == items->end || *behind != ':')
        return NULL;
    return vp_json_skip_space(behind + 1, items->end);
}

static VpJsonStep
finish(const VpJsonItems *items)
{
    if (items->comma || vp_json_skip_space(items->at + 1, items->end) != items->end)
        return VP_JSON_BROKEN;
    return VP_JSON_END;
}

/* Goes over the comma behind an item to the next one. */
static void
step_over(VpJsonItems *items, const char *behind)
{
    items->previous = behind;
    items->at = vp_json_skip_space(behind, items->end);
    items->comma = items->at < items->end && *items->at == ',';
    if (items->comma)
        items->at = vp_json_skip_space(items->at + 1, items->end);
}

VpJsonStep
vp_json_items_next(VpJsonItems *items, VpJsonItem *ret_item)
{
    VpJsonItem item = { 0 };
    const char *start = items->at, *value = items->at, *behind = NULL, *previous = items->previous;

    if (!start || start == items->end)
        return VP_JSON_BROKEN;
    if (*start == items->closer)
        return finish(items);
    if (previous && !items->comma)
        return VP_JSON_BROKEN;
    if (items->closer == '}')
        value = read_key(items, start, &item.key);
    if (value)
        behind = vp_json_skip_value(value, items->end, VP_QMP_NESTING_MAX - 1);
    if (!behind) {
        items->at = NULL;
        return VP_JSON_BROKEN;
    }
    step_over(items, behind);
    item.value = slice(value, behind);
    item.cut = previous ? slice(previous, behind) : slice(start, items->at);
    *ret_item = item;
    return VP_JSON_ITEM;
}

/* The same for what begins with an escape. */
static bool
escaped_is(VpJsonSlice raw, const char *text)
{
    g_autoptr(GString) decoded = g_string_sized_new(raw.size);

    return vp_json_append_decoded(decoded, raw.text, raw.size) && decoded->len == strlen(text) &&
           memcmp(decoded->str, text, decoded->len) == 0;
}

bool
vp_json_raw_is(VpJsonSlice raw, const char *text)
{
    const char *at = raw.text, *end = NULL;

    if (!at)
        return false;
    end = at + raw.size;
    while (at < end && *at == *text && *at != '\\' && *at != '\0') {
        at++;
        text++;
    }
    if (at < end && *at == '\\')
        return escaped_is((VpJsonSlice){ at, end - at }, text);
    return at == end && *text == '\0';
}

bool
vp_json_string_is(VpJsonSlice value, const char *text)
{
    if (!value.text || value.size < 2 || *value.text != '"')
        return false;
    return vp_json_raw_is(slice(value.text + 1, value.text + value.size - 1), text);
}

VpJsonSlice
vp_json_member(VpJsonSlice object, const char *key)
{
    VpJsonItems items;
    VpJsonItem item;

    vp_json_items_init(&items, object.text, object.size);
    while (vp_json_items_next(&items, &item) == VP_JSON_ITEM) {
        if (vp_json_raw_is(item.key, key))
            return item.value;
    }
    return (VpJsonSlice){ 0 };
}
