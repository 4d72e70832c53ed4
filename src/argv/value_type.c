/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a person writes, as JSON of a property's type.
 *
 * The measure is what QEMU makes of the same text behind KEY=: integers are decimal, 0x hexadecimal
 * or, with a leading 0, octal; sizes may have a fraction and a suffix; bools have the eight words
 * of QEMU's. JSON gets the plain number.
 */

#include "argv/value_type.h"

#include "base/error.h"
#include "json/check.h"
#include "json/text.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *word;
    const char *json;
} bools[] = {
    { "on", "true" },   { "yes", "true" }, { "true", "true" },   { "y", "true" },
    { "off", "false" }, { "no", "false" }, { "false", "false" }, { "n", "false" },
};

/* In the order of the powers of 1024. */
static const char suffixes[] = "BKMGTPE";

static bool
append_bool(GString *out, const char *text)
{
    for (gsize i = 0; i < G_N_ELEMENTS(bools); i++) {
        if (g_str_equal(bools[i].word, text)) {
            g_string_append(out, bools[i].json);
            return true;
        }
    }
    return false;
}

/* -2^63 to 2^64-1. */
static bool
append_int(GString *out, const char *text)
{
    bool negative = *text == '-';
    guint64 value = 0;
    char *end = NULL;

    text += *text == '-' || *text == '+';
    if (!g_ascii_isdigit(*text))
        return false;
    errno = 0;
    value = g_ascii_strtoull(text, &end, 0);
    if (errno || *end || (negative && value > (guint64)G_MAXINT64 + 1))
        return false;
    g_string_append_printf(out, "%s%" G_GUINT64_FORMAT, negative && value ? "-" : "", value);
    return true;
}

/* The factor of a suffix, 0: it is none. */
static guint64
factor_of(char suffix)
{
    const char *found = suffix ? strchr(suffixes, g_ascii_toupper(suffix)) : suffixes;

    return found ? G_GUINT64_CONSTANT(1) << 10 * (found - suffixes) : 0;
}

/* ".5" at *@at, which is moved behind it; there need not be one, nor digits in it. */
static double
read_fraction(const char **at)
{
    g_autofree char *digits = NULL;
    gsize size = 0;

    if (**at != '.')
        return 0;
    size = 1 + strspn(*at + 1, "0123456789");
    digits = g_strdup_printf("0%.*s", (int)size, *at);
    *at += size;
    return g_ascii_strtod(digits, NULL);
}

/* [DIGITS][.[DIGITS]][SUFFIX] with a digit somewhere, rounded; there is no fraction of a byte. QEMU
 * wanted a digit ahead of the point in 7.2, and took a suffix behind 0x then. */
static bool
append_size(GString *out, const char *text)
{
    guint64 whole = 0, factor = 0, part = 0;
    const char *at = text + (*text == '+');
    double fraction = 0;
    char *end = NULL;

    if (at[0] == '0' && (at[1] == 'x' || at[1] == 'X'))
        return append_int(out, at);
    if (!g_ascii_isdigit(at[*at == '.']))
        return false;
    errno = 0;
    whole = *at == '.' ? 0 : g_ascii_strtoull(at, &end, 10);
    at = end ?: at;
    fraction = read_fraction(&at);
    factor = factor_of(*at);
    if (errno || !factor || (*at && at[1]) || (factor == 1 && fraction > 0))
        return false;
    part = (guint64)(fraction * (double)factor + 0.5);
    if (whole > (G_MAXUINT64 - part) / factor)
        return false;
    g_string_append_printf(out, "%" G_GUINT64_FORMAT, whole * factor + part);
    return true;
}

/* Appends @text if it is a JSON value of a type from @first to @last that QEMU's parser takes. */
static bool
append_json(GString *out, const char *text, VpJsonType first, VpJsonType last)
{
    gsize size = strlen(text);
    g_autofree char *message = NULL;
    VpJsonFacts facts = { 0 };

    if (!vp_json_check(text, size, &facts, &message) || facts.type < first || facts.type > last ||
        facts.value.size != size || facts.doubtful)
        return false;
    g_string_append(out, text);
    return true;
}

static bool
append_number(GString *out, const char *text)
{
    return append_json(out, text, VP_JSON_NUMBER, VP_JSON_NUMBER);
}

static bool
append_other(GString *out, const char *text)
{
    return append_json(out, text, VP_JSON_OBJECT, VP_JSON_ARRAY);
}

static bool
append_string(GString *out, const char *text)
{
    if (!g_utf8_validate(text, -1, NULL))
        return false;
    vp_json_append_quoted(out, text);
    return true;
}

/* Where a number is and nothing else is known. */
static bool
append_any_number(GString *out, const char *text)
{
    return append_int(out, text) || append_size(out, text) || append_number(out, text);
}

static bool
append_guess(GString *out, const char *text)
{
    if (g_str_equal(text, "on") || g_str_equal(text, "off"))
        return append_bool(out, text);
    return append_int(out, text) || append_string(out, text);
}

typedef struct Way {
    bool (*append)(GString *out, const char *text);
    const char *expected;
} Way;

static const Way ways[] = {
    [VP_TYPE_UNKNOWN] = { append_guess, "text in UTF-8" },
    [VP_TYPE_STRING] = { append_string, "text in UTF-8" },
    [VP_TYPE_BOOL] = { append_bool, "on or off (also yes, no, true, false, y, n)" },
    [VP_TYPE_INT] = { append_int, "a whole number from -2^63 to 2^64-1, decimal or with 0x" },
    [VP_TYPE_SIZE] = { append_size, "a number of bytes, with a suffix if need be as in 512K or "
                                    "1.5G (B, K, M, G, T, P, E)" },
    [VP_TYPE_NUMBER] = { append_number, "a number as in 3, 0.5 or 1e6" },
    [VP_TYPE_OTHER] = { append_other, "a list or an object, written in JSON" },
};

static const Way any_number = { append_any_number, "a number" };

static const Way *
choose_way(VpValueType type, VpJsonSlice there)
{
    if (type != VP_TYPE_UNKNOWN || !there.text)
        return &ways[type];
    switch (*there.text) {
    case '"':
        return &ways[VP_TYPE_STRING];
    case 't':
    case 'f':
        return &ways[VP_TYPE_BOOL];
    case '{':
    case '[':
        return &ways[VP_TYPE_OTHER];
    case 'n':
        return &ways[VP_TYPE_UNKNOWN];
    default:
        return &any_number;
    }
}

bool
vp_value_append_typed(GString *out, const char *key, const char *text, VpValueType type,
                      VpJsonSlice there, GError **error)
{
    const Way *way = choose_way(type, there);

    if (way->append(out, text))
        return true;
    g_set_error(error, VP_ERROR, VP_ERROR_FAILED, "'%s' cannot be set to '%s': expected is %s", key,
                text, way->expected);
    return false;
}
