/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Small conversions between JSON and plain text. None keeps anything; all append to a GString
 * of the caller.
 */

#include "json/text.h"

#include "json/scan.h"

#include <string.h>

/* What stands behind a backslash, and what it means. 'u' is not here. */
static const struct {
    char escape;
    char meaning;
} escapes[] = {
    { '"', '"' },  { '\\', '\\' }, { '/', '/' },  { 'b', '\b' },
    { 'f', '\f' }, { 'n', '\n' },  { 'r', '\r' }, { 't', '\t' },
};

static void
append_escaped(GString *out, char c)
{
    for (gsize i = 0; i < G_N_ELEMENTS(escapes); i++) {
        if (escapes[i].meaning == c) {
            g_string_append_c(out, '\\');
            g_string_append_c(out, escapes[i].escape);
            return;
        }
    }
    g_string_append_printf(out, "\\u%04x", (guint8)c);
}

void
vp_json_append_quoted(GString *out, const char *text)
{
    g_string_append_c(out, '"');
    for (const char *at = text; *at; at++) {
        if ((guint8)*at < 0x20 || *at == '"' || *at == '\\')
            append_escaped(out, *at);
        else
            g_string_append_c(out, *at);
    }
    g_string_append_c(out, '"');
}

void
vp_json_append_compact(GString *out, const char *text, gsize size)
{
    gsize start = out->len;
    const char *at = text, *end = text + size;
    char *to = NULL;

    g_string_set_size(out, start + size);
    to = out->str + start;
    while ((at = vp_json_skip_space(at, end)) < end) {
        const char *behind = *at == '"' ? vp_json_skip_string(at, end) : at + 1;

        if (!behind)
            behind = end;
        while (at < behind)
            *to++ = *at++;
    }
    g_string_truncate(out, to - out->str);
}

static gint32
read_hex(const char *at)
{
    gint32 value = 0;

    for (guint i = 0; i < 4; i++) {
        int digit = g_ascii_xdigit_value(at[i]);

        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* The value of "\uXXXX" at @at, -1 when there is none. */
static gint32
read_unit(const char *at, const char *end)
{
    return end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? read_hex(at + 2) : -1;
}

guint32
vp_json_read_unicode_escape(const char *at, const char *end, gsize *ret_size)
{
    gint32 first = read_unit(at, end), second = -1;

    *ret_size = first < 0 ? 0 : 6;
    if (first < 0xd800 || first > 0xdbff)
        return first;
    second = read_unit(at + 6, end);
    if (second < 0xdc00 || second > 0xdfff)
        return first;
    *ret_size = 12;
    return 0x10000 + ((first & 0x3ff) << 10 | (second & 0x3ff));
}

/* Appends the meaning of the escape at @at; returns its size, 0 when it is none. */
static gsize
append_escape_meaning(GString *out, const char *at, const char *end)
{
    gsize size = 0;
    guint32 code = 0;

    if (end - at < 2)
        return 0;
    for (gsize i = 0; i < G_N_ELEMENTS(escapes); i++) {
        if (escapes[i].escape == at[1]) {
            g_string_append_c(out, escapes[i].meaning);
            return 2;
        }
    }
    code = vp_json_read_unicode_escape(at, end, &size);
    if (size > 0)
        g_string_append_unichar(out, code >= 0xd800 && code <= 0xdfff ? 0xfffd : code);
    return size;
}

bool
vp_json_append_decoded(GString *out, const char *raw, gsize size)
{
    gsize start = out->len;
    const char *at = raw, *end = raw + size;

    while (at < end) {
        const char *backslash = memchr(at, '\\', end - at) ?: end;
        gsize taken = 0;

        g_string_append_len(out, at, backslash - at);
        if (backslash == end)
            break;
        taken = append_escape_meaning(out, backslash, end);
        if (taken == 0) {
            g_string_truncate(out, start);
            return false;
        }
        at = backslash + taken;
    }
    return true;
}

char *
vp_json_decode_string(const char *value, gsize size)
{
    g_autoptr(GString) out = NULL;

    if (size < 2 || *value != '"' || vp_json_skip_string(value, value + size) != value + size)
        return NULL;
    out = g_string_sized_new(size);
    if (!vp_json_append_decoded(out, value + 1, size - 2))
        return NULL;
    return g_string_free(g_steal_pointer(&out), FALSE);
}
