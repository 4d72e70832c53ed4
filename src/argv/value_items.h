/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/options.h"

/*
 * A value taken apart: what each of its items means and which bytes it is. For the files of
 * value.h only.
 */

typedef enum VpItemForm {
    VP_ITEM_ASSIGNED, /* KEY=VALUE; in JSON all are */
    VP_ITEM_FLAG,     /* KEY: on */
    VP_ITEM_NO_FLAG,  /* noKEY: off */
    VP_ITEM_PLUS,     /* +KEY: on, whatever KEY=VALUE says */
    VP_ITEM_MINUS,    /* -KEY: off, whatever +KEY says */
    VP_ITEM_IMPLIED,  /* VALUE, of a key that is not written */
} VpItemForm;

typedef struct VpItem {
    VpItemForm form;
    char *key;   /* as QEMU understands it; dotted for what is nested in JSON */
    char *text;  /* its value, ",," undone; of JSON what a person calls it: on, 5 */
    gsize start; /* where it is in the value; not of JSON */
    gsize end;   /* behind it; the comma is not part of it */
    char *other; /* what vp_items_write() puts there instead, NULL: what was there */
    bool gone;   /* vp_items_write() leaves it out */
} VpItem;

typedef struct VpItems {
    const VpOptionRow *row;
    VpSyntax syntax;   /* OPTS, KEYVAL, CPU, GLOBAL or JSON */
    const char *value; /* borrowed */
    GPtrArray *list;   /* of VpItem */
} VpItems;

/* Without items. */
void vp_items_init(VpItems *ret_items, const VpOptionRow *row, VpSyntax syntax, const char *value);

/* Splits @value of @row, which is in @syntax (not JSON), as QEMU does. What QEMU would refuse gives
 * items as well; vp_items_check() finds it. @value must outlive @ret_items. */
void vp_items_split(VpItems *ret_items, const VpOptionRow *row, VpSyntax syntax,
                    const char *value);
void vp_items_clear(VpItems *items);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpItems, vp_items_clear)

/* Appends an item to the list; takes @key and @text. */
VpItem *vp_items_add(VpItems *items, VpItemForm form, char *key, char *text);

/* The item that decides on @key, NULL: there is none. */
VpItem *vp_items_find(const VpItems *items, const char *key);

/* Whether the item is one of @key. */
bool vp_items_is_key(const VpItems *items, const VpItem *item, const char *key);

/* The value with `other` and `gone` of the items carried out; NULL when no item is left. */
char *vp_items_write(VpItems *items);

/* Appends KEY=TEXT, or TEXT alone where @implied and that is read back as the same. */
void vp_item_append(GString *out, VpSyntax syntax, const char *key, const char *text,
                    bool implied);

/* Whether a -global is DRIVER.PROPERTY=VALUE. */
bool vp_global_is_short(const char *value);

/* The three of value.h for what vp_items_split() has split. They spoil the items. */
bool vp_items_check(const VpItems *items, GError **error);
char *vp_items_set(VpItems *items, const char *key, const char *text, GError **error);
char *vp_items_remove(VpItems *items, const char *key);
