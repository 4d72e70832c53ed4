/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Events as text. People get one line each: the data of nearly all events are a few plain members,
 * and those that are not are named by their path.
 */

#include "event_text.h"

#include "json/tree.h"
#include "json/write.h"

#include <string.h>

/* "2026-11-22 08:30:12.345678" in the time zone of whoever reads it. */
static char *
describe_time(const VpLiveEvent *event)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(event->seconds);
    g_autofree char *seconds = NULL;

    if (time && event->seconds >= 0)
        seconds = g_date_time_format(time, "%Y-%m-%d %H:%M:%S");
    return seconds ? g_strdup_printf("%s.%06u", seconds, event->micros) : g_strdup("-");
}

/* What a shell would take for several words, or for none, is shown as JSON has it. */
static bool
is_plain_word(const char *text)
{
    return *text && !text[strcspn(text, " \t\n\"'=\\")] && g_utf8_validate(text, -1, NULL) &&
           !strpbrk(text, "\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x1b\x7f");
}

static void
append_value(GString *out, VpColour colour, const char *path, const VpJsonNode *value)
{
    const char *string = vp_json_string(value);
    gsize size = 0;
    const char *text = vp_json_text(value, &size);

    g_string_append_c(out, ' ');
    vp_colour_append(out, colour, VP_INK_KEY, path, -1);
    g_string_append_c(out, '=');
    if (string && is_plain_word(string))
        g_string_append(out, string);
    else
        g_string_append_len(out, text, size);
}

/* Each plain value below @object by its path. */
static void
append_members(GString *out, VpColour colour, const char *prefix, const VpJsonNode *object)
{
    for (guint i = 0; i < vp_json_length(object); i++) {
        const VpJsonNode *value = vp_json_at(object, i);
        g_autofree char *path = g_strconcat(prefix, vp_json_key_at(object, i), NULL);
        g_autofree char *inner = g_strconcat(path, ".", NULL);

        if (vp_json_is(value, VP_JSON_NODE_OBJECT) && vp_json_length(value) > 0)
            append_members(out, colour, inner, value);
        else
            append_value(out, colour, path, value);
    }
}

char *
vp_event_to_text(const VpLiveEvent *event, VpColour colour)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(VpJsonTree) data = event->data ? vp_json_tree_parse(event->data, -1, NULL) : NULL;
    g_autofree char *time = describe_time(event);

    vp_colour_append(out, colour, VP_INK_QUIET, time, -1);
    g_string_append_printf(out, " %s ", event->domain);
    vp_colour_append(out, colour, VP_INK_EVENT, event->name, -1);
    append_members(out, colour, "", vp_json_root(data));
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static void
add_timestamp(VpJsonWriter *writer, const VpLiveEvent *event)
{
    vp_json_begin_object(writer, "timestamp");
    vp_json_add_int(writer, "seconds", event->seconds);
    vp_json_add_uint(writer, "microseconds", event->micros);
    vp_json_end(writer);
}

static void
add_event(VpJsonWriter *writer, const VpLiveEvent *event)
{
    vp_json_add_string(writer, "event", event->name);
    if (event->data)
        vp_json_add_raw(writer, "data", event->data, strlen(event->data));
    vp_json_end(writer);
}

char *
vp_event_to_json(const VpLiveEvent *event)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();

    vp_json_begin_object(&writer, NULL);
    vp_json_add_string(&writer, "domain", event->domain);
    vp_json_add_string(&writer, "uuid", event->uuid);
    add_timestamp(&writer, event);
    add_event(&writer, event);
    return vp_json_writer_steal(&writer);
}

char *
vp_event_to_qmp(const VpLiveEvent *event)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();

    vp_json_begin_object(&writer, NULL);
    add_timestamp(&writer, event);
    add_event(&writer, event);
    return vp_json_writer_steal(&writer);
}
