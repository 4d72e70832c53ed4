/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json/scan.h"

/*
 * The members of one JSON object, or the elements of one array, as ranges of its text. Nothing
 * is built and nothing is copied.
 *
 *     VpJsonItems items;
 *     VpJsonItem item;
 *     VpJsonStep step;
 *
 *     vp_json_items_init(&items, text, size);
 *     while ((step = vp_json_items_next(&items, &item)) == VP_JSON_ITEM)
 *         ...
 *     if (step == VP_JSON_BROKEN)
 *         ...
 */

typedef enum VpJsonStep {
    VP_JSON_ITEM,   /* *ret_item is set */
    VP_JSON_END,    /* there were no more, and nothing but white space follows */
    VP_JSON_BROKEN, /* no object or array, or not well-formed; items before may have been fine */
} VpJsonStep;

typedef struct VpJsonItem {
    VpJsonSlice key;   /* as written, without its quotes; text is NULL in an array */
    VpJsonSlice value; /* as written, no white space around it */
    VpJsonSlice cut;   /* what has to go for the rest to be well-formed without this item */
} VpJsonItem;

typedef struct VpJsonItems {
    const char *at;       /* start of the next item, or the closing bracket; NULL: broken */
    const char *end;      /* of the text */
    const char *previous; /* end of the item before, NULL for the first */
    char closer;          /* '}' or ']' */
    bool comma;           /* there was one behind the item before */
} VpJsonItems;

/* A @text of NULL is broken, so that what was not found can be looked into. */
void vp_json_items_init(VpJsonItems *items, const char *text, gsize size);
VpJsonStep vp_json_items_next(VpJsonItems *items, VpJsonItem *ret_item);

/* Whether @raw, a string without its quotes, means @text; escapes are understood. */
bool vp_json_raw_is(VpJsonSlice raw, const char *text);

/* The same for a whole value, quotes included. Other values than strings are never equal. */
bool vp_json_string_is(VpJsonSlice value, const char *text);

/* The value of the member @key of the object @object; text is NULL when there is no such member,
 * no object, or the text is broken before it. */
VpJsonSlice vp_json_member(VpJsonSlice object, const char *key);
