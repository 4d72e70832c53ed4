/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Changes to values that are no JSON.
 *
 * An item that is changed keeps its form if that can say it: the implied key stays implied, +KEY
 * becomes -KEY, of KEY=VALUE only VALUE is written anew. A flag gets a name. What is added goes to
 * the end, where it decides. Only the item that decides is changed: other hostfwd= of a -netdev
 * mean something too. In -cpu the others of the key go, since +KEY would overrule what is said.
 *
 * A keyval list (a.0, a.1 ...) must have no holes. If an element is removed those behind it move
 * up, as they do in JSON.
 */

#include "argv/value_items.h"

#include "base/error.h"

#include <string.h>

/* QEMU's limit for what is between two dots of a keyval key. */
#define FRAGMENT_MAX 127

/* Bytes of the name that a key begins with, as QAPI allows names: a letter, then letters, digits,
 * '-' and '_', with "__RFQDN_" before it for what is not QEMU's own. 0: there is none. */
static gsize
measure_name(const char *at)
{
    static const char in_name[] = G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-_";
    static const char in_domain[] = G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-.";
    const char *start = at;

    if (at[0] == '_') {
        if (at[1] != '_')
            return 0;
        at += 2;
        at += strspn(at, in_domain);
        if (*at++ != '_')
            return 0;
    }
    if (!g_ascii_isalpha(*at))
        return 0;
    return at + strspn(at, in_name) - start;
}

static bool
is_keyval_key(const char *key)
{
    for (const char *at = key;; at++) {
        gsize digits = at == key ? 0 : strspn(at, G_CSET_DIGITS);
        gsize size = digits ? digits : measure_name(at);

        if (size == 0 || size > FRAGMENT_MAX)
            return false;
        at += size;
        if (*at != '.')
            return *at == '\0';
    }
}

/* Whether @key is something inside of @outer. */
static bool
is_inside(const char *key, const char *outer)
{
    gsize size = strlen(outer);

    return strncmp(key, outer, size) == 0 && key[size] == '.';
}

static bool
is_key(const VpItems *items, const char *key)
{
    VpSyntax syntax = items->syntax;

    if (items->row->syntax == VP_SYNTAX_GLOBAL)
        return g_str_equal(key, "driver") || g_str_equal(key, "property") ||
               g_str_equal(key, "value");
    if (syntax == VP_SYNTAX_KEYVAL)
        return is_keyval_key(key);
    if (syntax == VP_SYNTAX_CPU && *key && strchr("+-_", *key))
        return false;
    return *key && *key != '{' && !strpbrk(key, "=,"); /* in front of all '{' would make it JSON */
}

static bool
check_key(const VpItems *items, const char *key, GError **error)
{
    if (is_key(items, key))
        return true;
    g_set_error(error, VP_ERROR, VP_ERROR_FAILED, "-%s cannot have a key '%s'%s", items->row->name,
                key, items->row->syntax == VP_SYNTAX_GLOBAL ?
                "; expected is DRIVER.PROPERTY=VALUE" : "");
    return false;
}

static bool
check_item(const VpItems *items, const VpItem *item, GError **error)
{
    if (item->form == VP_ITEM_IMPLIED) {
        if (*item->text || items->syntax != VP_SYNTAX_CPU)
            return true;
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED, "-cpu names no CPU model: '%s'",
                    items->value);
        return false;
    }
    if (items->syntax == VP_SYNTAX_KEYVAL && item->form == VP_ITEM_FLAG) {
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED,
                    "-%s: '%s' has no value; expected is %s=VALUE", items->row->name, item->key,
                    item->key);
        return false;
    }
    return check_key(items, item->key, error);
}

bool
vp_items_check(const VpItems *items, GError **error)
{
    for (guint i = 0; i < items->list->len; i++) {
        if (!check_item(items, items->list->pdata[i], error))
            return false;
    }
    if (items->row->syntax != VP_SYNTAX_GLOBAL ||
        (vp_items_find(items, "driver") && vp_items_find(items, "property")))
        return true;
    g_set_error(error, VP_ERROR, VP_ERROR_FAILED,
                "-global: '%s' names no driver and property; expected is DRIVER.PROPERTY=VALUE",
                items->value);
    return false;
}

/* A keyval key is a value or has keys in it, not both. */
static bool
check_place(const VpItems *items, const char *key, GError **error)
{
    for (guint i = 0; items->syntax == VP_SYNTAX_KEYVAL && i < items->list->len; i++) {
        const VpItem *item = items->list->pdata[i];

        if (is_inside(key, item->key) || is_inside(item->key, key)) {
            g_set_error(error, VP_ERROR, VP_ERROR_FAILED,
                        "-%s has '%s' already, so '%s' cannot be set beside it", items->row->name,
                        item->key, key);
            return false;
        }
    }
    return true;
}

/* Whether @text can be driver or property of a short -global. */
static bool
check_global(const char *key, const char *text, GError **error)
{
    bool driver = g_str_equal(key, "driver");
    g_autofree char *try = g_strdup_printf("%s.%s=", driver ? text : "d", driver ? "p" : text);

    if (g_str_equal(key, "value") ||
        (vp_global_is_short(try) && !strpbrk(text, driver ? ".=" : "=")))
        return true;
    g_set_error(error, VP_ERROR, VP_ERROR_FAILED,
                "-global cannot have the %s '%s': it is empty, too long or has a '%s' in it", key,
                text, driver ? "." : "=");
    return false;
}

static bool
check_text(const VpItems *items, const char *key, const char *text, GError **error)
{
    if (items->syntax == VP_SYNTAX_GLOBAL)
        return check_global(key, text, error);
    if (items->syntax != VP_SYNTAX_CPU)
        return true;
    if (g_str_equal(key, items->row->implied) ? !*text : items->list->len == 0) {
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED,
                    "'%s' cannot be set to '%s': -cpu would be without a CPU model", key, text);
        return false;
    }
    if (!strchr(text, ','))
        return true;
    g_set_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED,
                "-cpu cannot carry a comma: '%s' cannot be set to '%s' (-global can: it takes "
                "MODEL-cpu.%s=VALUE)", key, text, key);
    return false;
}

/* What is to stand for @item when its value is @text. */
static char *
rewrite(const VpItems *items, const VpItem *item, const char *text)
{
    bool sign = item->form == VP_ITEM_PLUS || item->form == VP_ITEM_MINUS;
    g_autoptr(GString) out = g_string_new(NULL);

    if (items->syntax == VP_SYNTAX_GLOBAL) {
        g_string_append(out, text);
    } else if (sign && (g_str_equal(text, "on") || g_str_equal(text, "off"))) {
        g_string_append_len(out, items->value + item->start, item->end - item->start);
        out->str[0] = g_str_equal(text, "on") ? '+' : '-';
    } else if (item->form == VP_ITEM_ASSIGNED) {
        const char *key = items->value + item->start;
        g_autofree char *written = g_strndup(key, strcspn(key, "="));

        vp_item_append(out, items->syntax, written, text, false);
    } else {
        vp_item_append(out, items->syntax, item->key, text, item->form == VP_ITEM_IMPLIED);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static char *
append_item(const VpItems *items, const char *key, const char *text)
{
    g_autoptr(GString) out = g_string_new(items->value);
    const VpItem *last = NULL;

    if (items->list->len > 0) {
        last = items->list->pdata[items->list->len - 1];
        if (last->end == out->len) /* else a comma is there already */
            g_string_append_c(out, ',');
    }
    vp_item_append(out, items->syntax, key, text, items->syntax == VP_SYNTAX_CPU && !last);
    return g_string_free(g_steal_pointer(&out), FALSE);
}

char *
vp_items_set(VpItems *items, const char *key, const char *text, GError **error)
{
    VpItem *found = vp_items_find(items, key);

    if (!vp_items_check(items, error) || !check_key(items, key, error) ||
        !check_text(items, key, text, error))
        return NULL;
    if (!found)
        return check_place(items, key, error) ? append_item(items, key, text) : NULL;
    if (!g_str_equal(found->text, text))
        found->other = rewrite(items, found, text);
    for (guint i = 0; items->syntax == VP_SYNTAX_CPU && i < items->list->len; i++) {
        VpItem *item = items->list->pdata[i];

        item->gone = item != found && vp_items_is_key(items, item, key);
    }
    return vp_items_write(items);
}

/* The item's bytes with another number at @list, where its key has the @digits of the old one. */
static char *
renumber(const VpItems *items, const VpItem *item, gsize list, gsize digits, guint64 index)
{
    const char *written = items->value + item->start;
    gsize behind = list + digits;

    return g_strdup_printf("%.*s%" G_GUINT64_FORMAT "%.*s", (int)list, written, index,
                           (int)(item->end - item->start - behind), written + behind);
}

/* Moves up the elements of a keyval list that are behind @key, one of them. */
static void
close_gap(VpItems *items, const char *key)
{
    const char *dot = strrchr(key, '.');
    gsize list = dot ? dot + 1 - key : 0;
    guint64 removed = 0;

    if (!dot || !g_ascii_string_to_unsigned(dot + 1, 10, 0, G_MAXINT, &removed, NULL))
        return;
    for (guint i = 0; i < items->list->len; i++) {
        VpItem *item = items->list->pdata[i];
        gsize digits = 0;
        guint64 index = 0;

        if (item->gone || strncmp(item->key, key, list) != 0)
            continue;
        digits = strspn(item->key + list, G_CSET_DIGITS);
        index = g_ascii_strtoull(item->key + list, NULL, 10);
        if (digits > 0 && index > removed)
            item->other = renumber(items, item, list, digits, index - 1);
    }
}

char *
vp_items_remove(VpItems *items, const char *key)
{
    bool any = false;

    for (guint i = 0; i < items->list->len; i++) {
        VpItem *item = items->list->pdata[i];

        item->gone = vp_items_is_key(items, item, key) ||
                     (items->syntax == VP_SYNTAX_KEYVAL && is_inside(item->key, key));
        any |= item->gone;
        if (item->gone && items->syntax == VP_SYNTAX_CPU && i == 0)
            return NULL;
    }
    if (!any)
        return NULL;
    if (items->syntax == VP_SYNTAX_KEYVAL)
        close_gap(items, key);
    return vp_items_write(items) ?: g_strdup("");
}
