/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The arguments of a command against what it takes, in QEMU's order and in QEMU's words: the fields
 * one after the other, then what there is besides. A program that knows how QEMU complains need not
 * learn another way.
 */

#include "added/arguments.h"

#include <string.h>

static bool
is_integer(const VpJsonNode *value)
{
    const char *text = vp_json_number_text(value);

    return text && g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, NULL, NULL);
}

static bool
is_string(const VpJsonNode *value)
{
    return vp_json_is(value, VP_JSON_NODE_STRING);
}

static bool
is_bool(const VpJsonNode *value)
{
    return vp_json_is(value, VP_JSON_NODE_BOOL);
}

/* Types of VpField, and what QEMU calls them in its errors. Others are "any". */
static const struct {
    const char *type;
    const char *expected;
    bool (*matches)(const VpJsonNode *value);
} types[] = {
    { "str", "string", is_string },
    { "int", "integer", is_integer },
    { "bool", "boolean", is_bool },
};

static bool
check_plain(const char *name, const char *type, const VpJsonNode *value, char **ret_message)
{
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        if (strcmp(type, types[i].type) != 0 || types[i].matches(value))
            continue;
        *ret_message = g_strdup_printf("Invalid parameter type for '%s', expected: %s", name,
                                       types[i].expected);
        return false;
    }
    return true;
}

static bool
check_value(const VpField *field, const VpJsonNode *value, char **ret_message)
{
    g_autofree char *element = NULL;

    if (field->type[0] != '[')
        return check_plain(field->name, field->type, value, ret_message);
    if (!vp_json_is(value, VP_JSON_NODE_ARRAY)) {
        *ret_message = g_strdup_printf("Invalid parameter type for '%s', expected: array",
                                       field->name);
        return false;
    }
    element = g_strndup(field->type + 1, strlen(field->type) - 2);
    for (guint i = 0; i < vp_json_length(value); i++) {
        g_autofree char *name = g_strdup_printf("%s[%u]", field->name, i);

        if (!check_plain(name, element, vp_json_at(value, i), ret_message))
            return false;
    }
    return true;
}

static bool
is_known(const VpField *fields, const char *name)
{
    for (const VpField *field = fields; field && field->name; field++) {
        if (strcmp(field->name, name) == 0)
            return true;
    }
    return false;
}

bool
vp_arguments_check(const VpField *fields, const VpJsonNode *arguments, char **ret_message)
{
    for (const VpField *field = fields; field && field->name; field++) {
        const VpJsonNode *value = vp_json_get(arguments, field->name);

        if (value && !check_value(field, value, ret_message))
            return false;
        if (!value && !field->optional) {
            *ret_message = g_strdup_printf("Parameter '%s' is missing", field->name);
            return false;
        }
    }
    for (guint i = 0; i < vp_json_length(arguments); i++) {
        if (is_known(fields, vp_json_key_at(arguments, i)))
            continue;
        *ret_message = g_strdup_printf("Parameter '%s' is unexpected",
                                       vp_json_key_at(arguments, i));
        return false;
    }
    return true;
}
