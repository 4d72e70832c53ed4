/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any value of any option, set and removed at any key: what was set is there, everything else is
 * as it was and in its order, and nothing else has come. A canonical form is its own canonical
 * form.
 *
 * The input is OPTION, VALUE, KEY, TEXT with a NUL behind each, then a byte for the type.
 */

#include "argv/value.h"
#include "argv/value_items.h"
#include "argv/value_json.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

typedef struct Input {
    const VpOptionRow *row;
    char *value;
    char *key;
    char *text;
    VpValueType type;
} Input;

static char *
take_string(const guint8 **at, const guint8 *end)
{
    gsize left = end - *at;
    const guint8 *nul = left ? memchr(*at, 0, left) : NULL;
    gsize size = nul ? (gsize)(nul - *at) : left;
    char *text = g_strndup((const char *)*at, size);

    *at += nul ? size + 1 : size;
    return text;
}

static void
split(const VpOptionRow *row, const char *value, VpItems *ret_items)
{
    VpSyntax syntax = vp_value_syntax(row, value);

    if (syntax == VP_SYNTAX_JSON)
        g_assert_true(vp_json_value_flatten(ret_items, row, value));
    else
        vp_items_split(ret_items, row, syntax, value);
}

static bool
is_inside(const char *key, const char *outer)
{
    gsize size = strlen(outer);

    return strncmp(key, outer, size) == 0 && key[size] == '.';
}

/* Whether the item is what @key is about: it itself, what is in it, what it is in. A -global is one
 * thing. */
static bool
is_about(const VpItems *items, const VpItem *item, const char *key)
{
    bool nested = items->syntax == VP_SYNTAX_JSON || items->syntax == VP_SYNTAX_KEYVAL;

    return vp_items_is_key(items, item, key) || items->row->syntax == VP_SYNTAX_GLOBAL ||
           (nested && (is_inside(item->key, key) || is_inside(key, item->key)));
}

/* All that @key is not about, one pair behind the other. */
static char *
list_others(const VpOptionRow *row, const char *value, const char *key)
{
    g_auto(VpItems) items = { 0 };
    g_autoptr(GString) out = g_string_new(NULL);

    split(row, value, &items);
    for (guint i = 0; i < items.list->len; i++) {
        const VpItem *item = items.list->pdata[i];

        if (!is_about(&items, item, key))
            g_string_append_printf(out, "%s\n%s\n", item->key, item->text);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static void
assert_others_stay(const Input *input, const char *changed)
{
    g_autofree char *before = list_others(input->row, input->value, input->key);
    g_autofree char *after = list_others(input->row, changed, input->key);

    g_assert_cmpstr(after, ==, before);
}

/* @good: the value could be read before. */
static void
check_set(const Input *input, bool good)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *changed = vp_value_set(input->row, input->value, input->key, input->text,
                                            input->type, &error);
    g_autofree char *text = NULL, *again = NULL;

    g_assert_true((changed == NULL) == (error != NULL));
    if (!changed)
        return;
    g_assert_true(good || vp_value_syntax(input->row, input->value) != VP_SYNTAX_JSON);
    g_assert_true(vp_value_check(input->row, changed, NULL));
    text = vp_value_get(input->row, changed, input->key);
    if (vp_value_syntax(input->row, changed) != VP_SYNTAX_JSON || input->type == VP_TYPE_STRING)
        g_assert_cmpstr(text, ==, input->text);
    if (good)
        assert_others_stay(input, changed);
    again = vp_value_set(input->row, changed, input->key, input->text, input->type, NULL);
    g_assert_cmpstr(again, ==, changed);
}

static bool
is_element(const char *key)
{
    const char *dot = strrchr(key, '.');

    return dot && g_ascii_isdigit(dot[1]);
}

static void
check_remove(const Input *input)
{
    g_autofree char *changed = vp_value_remove(input->row, input->value, input->key);
    g_autofree char *text = changed ? vp_value_get(input->row, changed, input->key) : NULL;

    if (!changed || is_element(input->key))
        return;
    if (!strchr(input->key, '.')) /* JSON may have the key twice, as "a.b" and as "b" of "a" */
        g_assert_null(text);
    if (input->row->syntax != VP_SYNTAX_GLOBAL)
        assert_others_stay(input, changed);
}

/* A key of JSON that has these in it cannot be written otherwise. */
static bool
can_be_text(const char *value)
{
    return *value != '{' || !strpbrk(value, "=,\\");
}

static void
check_canonical(const Input *input)
{
    g_autofree char *canonical = vp_value_canonical(input->row, input->value);
    g_autofree char *again = vp_value_canonical(input->row, canonical);

    if (can_be_text(input->value))
        g_assert_cmpstr(again, ==, canonical);
}

static void
check_input(const Input *input)
{
    VpSyntax syntax = vp_value_syntax(input->row, input->value);
    g_autofree char *got = vp_value_get(input->row, input->value, input->key);
    g_autofree char *driver G_GNUC_UNUSED = vp_value_driver(input->row, input->value);
    g_autofree char *removed = vp_value_remove(input->row, input->value, input->key);
    bool good = vp_value_check(input->row, input->value, NULL);

    if (syntax == VP_SYNTAX_NONE || syntax == VP_SYNTAX_PLAIN) {
        g_assert_true(good && !got && !removed);
        g_assert_null(vp_value_set(input->row, input->value, input->key, input->text, input->type,
                                   NULL));
        return;
    }
    check_set(input, good);
    if (!good)
        return;
    check_remove(input);
    check_canonical(input);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    const guint8 *at = data, *end = data + size;
    g_autofree char *option = take_string(&at, end), *value = take_string(&at, end);
    g_autofree char *key = take_string(&at, end), *text = take_string(&at, end);
    const Input input = {
        .row = vp_option_find(option),
        .value = value,
        .key = key,
        .text = text,
        .type = at < end ? *at % (VP_TYPE_OTHER + 1) : VP_TYPE_UNKNOWN,
    };

    check_input(&input);
    return 0;
}
