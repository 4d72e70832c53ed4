/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Writing JSON. What is written up to now is always the beginning of valid JSON: `open` knows the
 * brackets that are due, `first` whether a comma is. A caller that gives a key where there is none,
 * or none where there has to be one, is wrong and ends the program.
 */

#include "json/write.h"

#include "json/text.h"

VpJsonWriter
vp_json_writer(void)
{
    return (VpJsonWriter){ .out = g_string_new(NULL), .open = g_string_new(NULL), .first = true };
}

VpJsonWriter
vp_json_writer_compact(void)
{
    VpJsonWriter writer = vp_json_writer();

    writer.compact = true;
    return writer;
}

void
vp_json_writer_clear(VpJsonWriter *writer)
{
    if (writer->out)
        g_string_free(g_steal_pointer(&writer->out), TRUE);
    if (writer->open)
        g_string_free(g_steal_pointer(&writer->open), TRUE);
}

/* What has to stand in front of a value: a comma, its key. */
static void
begin_value(VpJsonWriter *writer, const char *key)
{
    gsize depth = writer->open->len;

    g_assert(depth > 0 || writer->out->len == 0);
    g_assert((key != NULL) == (depth > 0 && writer->open->str[depth - 1] == '}'));
    if (!writer->first)
        g_string_append(writer->out, writer->compact ? "," : ", ");
    writer->first = false;
    if (key) {
        vp_json_append_quoted(writer->out, key);
        g_string_append(writer->out, writer->compact ? ":" : ": ");
    }
}

static void
begin_bracket(VpJsonWriter *writer, const char *key, char opening, char closing)
{
    begin_value(writer, key);
    g_string_append_c(writer->out, opening);
    g_string_append_c(writer->open, closing);
    writer->first = true;
}

void
vp_json_begin_object(VpJsonWriter *writer, const char *key)
{
    begin_bracket(writer, key, '{', '}');
}

void
vp_json_begin_array(VpJsonWriter *writer, const char *key)
{
    begin_bracket(writer, key, '[', ']');
}

void
vp_json_end(VpJsonWriter *writer)
{
    gsize depth = writer->open->len;

    g_assert(depth > 0);
    g_string_append_c(writer->out, writer->open->str[depth - 1]);
    g_string_truncate(writer->open, depth - 1);
    writer->first = false;
}

void
vp_json_add_string(VpJsonWriter *writer, const char *key, const char *value)
{
    if (!value) {
        vp_json_add_null(writer, key);
        return;
    }
    begin_value(writer, key);
    vp_json_append_quoted(writer->out, value);
}

void
vp_json_add_given(VpJsonWriter *writer, const char *key, const char *value)
{
    if (value)
        vp_json_add_string(writer, key, value);
}

void
vp_json_add_int(VpJsonWriter *writer, const char *key, gint64 value)
{
    begin_value(writer, key);
    g_string_append_printf(writer->out, "%" G_GINT64_FORMAT, value);
}

void
vp_json_add_uint(VpJsonWriter *writer, const char *key, guint64 value)
{
    begin_value(writer, key);
    g_string_append_printf(writer->out, "%" G_GUINT64_FORMAT, value);
}

void
vp_json_add_bool(VpJsonWriter *writer, const char *key, bool value)
{
    begin_value(writer, key);
    g_string_append(writer->out, value ? "true" : "false");
}

void
vp_json_add_null(VpJsonWriter *writer, const char *key)
{
    begin_value(writer, key);
    g_string_append(writer->out, "null");
}

void
vp_json_add_strings(VpJsonWriter *writer, const char *key, const char *const *strings, gssize n)
{
    vp_json_begin_array(writer, key);
    for (gssize i = 0; strings && (n < 0 ? strings[i] != NULL : i < n); i++)
        vp_json_add_string(writer, NULL, strings[i]);
    vp_json_end(writer);
}

void
vp_json_add_raw(VpJsonWriter *writer, const char *key, const char *json, gsize size)
{
    begin_value(writer, key);
    g_string_append_len(writer->out, json, size);
}

char *
vp_json_writer_steal(VpJsonWriter *writer)
{
    char *text = NULL;

    g_assert(writer->open->len == 0 && writer->out->len > 0);
    text = g_string_free(writer->out, FALSE);
    writer->out = g_string_new(NULL);
    writer->first = true;
    return text;
}
