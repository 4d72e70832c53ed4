/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a person writes, as JSON of a property's type.
 *
 * The measure is what QEMU makes of the same text behind KEY=. Integers are what strtoull() reads
 * to base 0: decimal, 0x hexadecimal or, with a leading 0, octal. Sizes are decimal or hexadecimal
 * and may have a fraction and a suffix. Bools have the eight words of QEMU's. White space in front
 * of a number does not count. JSON gets the plain number.
 *
 * Which of the two readings of a number a property has is its setter's to choose, whatever the type
 * is called: "label-size" of nvdimm is an "int" and reads a size. So what is no integer is read as
 * a size where an integer is expected. Where the two differ ("010" is 8 or 10) nobody but QEMU can
 * tell; vp_value_is_clear() says so.
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

static const char *
skip_space(const char *text)
{
    return text + strspn(text, " \t\n\v\f\r");
}

/* -2^63 to 2^64-1. */
static bool
append_integer(GString *out, const char *text)
{
    const char *at = skip_space(text);
    bool negative = *at == '-';
    guint64 value = 0;
    char *end = NULL;

    at += *at == '-' || *at == '+';
    if (!g_ascii_isdigit(*at))
        return false;
    errno = 0;
    value = g_ascii_strtoull(at, &end, 0);
    if (errno || *end || (negative && value > (guint64)G_MAXINT64 + 1))
        return false;
    g_string_append_printf(out, "%s%" G_GUINT64_FORMAT, negative && value ? "-" : "", value);
    return true;
}

/* How many bits a suffix moves a number; -1: it is none. */
static int
shift_of(char suffix)
{
    const char *found = suffix ? strchr(suffixes, g_ascii_toupper(suffix)) : suffixes;

    return found ? (int)(10 * (found - suffixes)) : -1;
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

/* @whole and @fraction, which is less than 1, times 2^@shift; .5 is rounded upwards. QEMU has 64
 * bits for the fraction. false: it is too large, or has a fraction of a byte. */
static bool
scale(guint64 whole, double fraction, int shift, guint64 *ret_bytes)
{
    guint64 bits = (guint64)(fraction * 18446744073709551616.0), part = 0;

    if (shift == 0)
        *ret_bytes = whole;
    if (shift == 0)
        return bits == 0;
    part = (bits >> (64 - shift)) + ((bits << shift) >> 63);
    if (whole > (G_MAXUINT64 - part) >> shift)
        return false;
    *ret_bytes = (whole << shift) + part;
    return true;
}

/* [DIGITS][.[DIGITS]][SUFFIX] with a digit somewhere. QEMU wanted a digit ahead of the point in
 * 7.2, and took a suffix behind 0x then. */
static bool
append_size(GString *out, const char *text)
{
    const char *at = skip_space(text);
    guint64 whole = 0, bytes = 0;
    double fraction = 0;
    char *end = NULL;

    at += *at == '+';
    if (at[0] == '0' && (at[1] == 'x' || at[1] == 'X'))
        return append_integer(out, at);
    if (!g_ascii_isdigit(at[*at == '.']))
        return false;
    errno = 0;
    whole = *at == '.' ? 0 : g_ascii_strtoull(at, &end, 10);
    at = end ?: at;
    fraction = read_fraction(&at);
    if (fraction >= 1) { /* no double is between that and 1 */
        whole++;
        fraction = 0;
    }
    if (errno || (*at && at[1]) || shift_of(*at) < 0 ||
        !scale(whole, fraction, shift_of(*at), &bytes))
        return false;
    g_string_append_printf(out, "%" G_GUINT64_FORMAT, bytes);
    return true;
}

static bool
append_int(GString *out, const char *text)
{
    return append_integer(out, text) || append_size(out, text);
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

/* JSON has fewer ways to write one than strtod() reads. */
static bool
append_number(GString *out, const char *text)
{
    char number[G_ASCII_DTOSTR_BUF_SIZE] = "";
    char *end = NULL;
    double value = 0;

    if (append_json(out, text, VP_JSON_NUMBER, VP_JSON_NUMBER))
        return true;
    errno = 0;
    value = g_ascii_strtod(text, &end);
    if (errno || end == text || *end || value - value != 0)
        return false;
    g_string_append(out, g_ascii_dtostr(number, sizeof(number), value));
    return true;
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
    return append_int(out, text) || append_number(out, text);
}

static bool
append_guess(GString *out, const char *text)
{
    if (g_str_equal(text, "on") || g_str_equal(text, "off"))
        return append_bool(out, text);
    return append_integer(out, text) || append_string(out, text);
}

typedef struct Way {
    bool (*append)(GString *out, const char *text);
    const char *expected;
} Way;

static const Way ways[] = {
    [VP_TYPE_UNKNOWN] = { append_guess, "text in UTF-8" },
    [VP_TYPE_STRING] = { append_string, "text in UTF-8" },
    [VP_TYPE_BOOL] = { append_bool, "on or off (also yes, no, true, false, y, n)" },
    [VP_TYPE_INT] = { append_int, "a whole number from -2^63 to 2^64-1, decimal or with 0x, or a "
                                  "number of bytes as in 512K" },
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

/* --- what is QEMU's to read ----------------------------------------------------- */

/* Whether @text has digits of @digits from @from on, and then at most one of @ends. */
static bool
is_run(const char *text, gsize from, const char *digits, const char *ends)
{
    gsize n = strspn(text + from, digits);
    const char *end = text + from + n;

    return n > 0 && (!*end || (strchr(ends, *end) && !end[1]));
}

/* Whether some QEMU reads a number in what is none here: integers go round below -2^63, those of a
 * newer C library may be binary, and QEMU 7.2 takes a suffix behind 0x. */
static bool
is_odd_number(const char *text)
{
    const char *at = skip_space(text);
    bool negative = *at == '-';
    char *end = NULL;

    at += *at == '-' || *at == '+';
    if (at[0] == '0' && (at[1] == 'b' || at[1] == 'B') && is_run(at, 2, "01", ""))
        return true;
    if (at[0] == '0' && (at[1] == 'x' || at[1] == 'X') && !negative)
        return is_run(at, 2, G_CSET_DIGITS "abcdefABCDEF", "kKmMgGtTpP");
    errno = 0;
    return negative && g_ascii_isdigit(*at) && g_ascii_strtoull(at, &end, 0) > 0 && !errno && !*end;
}

static VpTextReading
read_number(const char *text)
{
    g_autoptr(GString) integer = g_string_new(NULL), size = g_string_new(NULL);
    bool is_integer = append_integer(integer, text), is_size = append_size(size, text);

    if (is_integer && is_size)
        return g_string_equal(integer, size) ? VP_TEXT_CLEAR : VP_TEXT_DOUBTFUL;
    if (is_integer || is_size)
        return VP_TEXT_CLEAR;
    return is_odd_number(text) ? VP_TEXT_DOUBTFUL : VP_TEXT_WRONG;
}

VpTextReading
vp_value_read_text(const char *text, VpValueType type)
{
    g_autoptr(GString) json = g_string_new(NULL), quoted = g_string_new(NULL);
    bool good = ways[type].append(json, text);

    switch (type) {
    case VP_TYPE_UNKNOWN:
        return VP_TEXT_DOUBTFUL;
    case VP_TYPE_STRING: /* QEMU's JSON has not all characters that a word can have */
        return good && append_json(quoted, json->str, VP_JSON_STRING, VP_JSON_STRING)
                   ? VP_TEXT_CLEAR : VP_TEXT_DOUBTFUL;
    case VP_TYPE_INT:
    case VP_TYPE_SIZE:
        return read_number(text);
    default:
        return good ? VP_TEXT_CLEAR : VP_TEXT_WRONG;
    }
}
