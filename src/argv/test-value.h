/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Rows of one operation each, for the tests of values: what goes in, what has to come out.
 */

#include "argv/value.h"

#include "base/error.h"

#include <string.h>

typedef struct ValueRow {
    const char *option;
    const char *value;
    const char *key;
    const char *text;     /* set: what to; get: what it is */
    const char *expected; /* set, remove: the value then; NULL: refused, not there */
    VpValueType type;     /* set */
} ValueRow;

#define GET(OPTION, VALUE, KEY, TEXT) { OPTION, VALUE, KEY, TEXT, NULL, VP_TYPE_UNKNOWN }
#define SET(OPTION, VALUE, KEY, TEXT, EXPECTED)                                                    \
    { OPTION, VALUE, KEY, TEXT, EXPECTED, VP_TYPE_UNKNOWN }
#define SET_AS(TYPE, OPTION, VALUE, KEY, TEXT, EXPECTED)                                           \
    { OPTION, VALUE, KEY, TEXT, EXPECTED, VP_TYPE_##TYPE }
#define REMOVE(OPTION, VALUE, KEY, EXPECTED) { OPTION, VALUE, KEY, NULL, EXPECTED, VP_TYPE_UNKNOWN }

static inline void
check_get(const ValueRow *row)
{
    g_autofree char *text = vp_value_get(vp_option_find(row->option), row->value, row->key);

    g_assert_cmpstr(text, ==, row->text);
}

/* Refusals have to name key or option; what was set is there. */
static inline void
check_set(const ValueRow *row)
{
    const VpOptionRow *option = vp_option_find(row->option);
    g_autoptr(GError) error = NULL;
    g_autofree char *value = vp_value_set(option, row->value, row->key, row->text, row->type,
                                          &error);

    g_assert_cmpstr(value, ==, row->expected);
    g_assert_true((value == NULL) == (error != NULL));
    if (error)
        g_assert_true(strstr(error->message, row->key) || strstr(error->message, row->option));
}

static inline void
check_remove(const ValueRow *row)
{
    const VpOptionRow *option = vp_option_find(row->option);
    g_autofree char *value = vp_value_remove(option, row->value, row->key);
    g_autofree char *left = NULL;

    g_assert_cmpstr(value, ==, row->expected);
    left = value ? vp_value_get(option, value, row->key) : NULL;
    if (!strchr(row->key, '.')) /* else the next element may have moved there */
        g_assert_null(left);
}

#define CHECK_ROWS(ROWS, CHECK)                                                                    \
    for (gsize row_i = 0; row_i < G_N_ELEMENTS(ROWS); row_i++)                                     \
        CHECK(&(ROWS)[row_i]);
