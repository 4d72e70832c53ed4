/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * JSON for people. A value is written on one line, and again in several if that line is too long;
 * each level does so for itself, so short lists stay short within long ones.
 */

#include "pretty.h"

#include "json/text.h"

#include <string.h>

#define INDENT 2

typedef struct Page {
    GString *out;
    VpColour colour;
    guint width;
} Page;

static void
append_plain(const Page *page, const VpJsonNode *node)
{
    static const VpInk inks[] = {
        [VP_JSON_NODE_NULL] = VP_INK_WORD,   [VP_JSON_NODE_BOOL] = VP_INK_WORD,
        [VP_JSON_NODE_NUMBER] = VP_INK_NUMBER, [VP_JSON_NODE_STRING] = VP_INK_STRING,
    };
    gsize size = 0;
    const char *text = vp_json_text(node, &size);

    vp_colour_append(page->out, page->colour, inks[vp_json_kind(node)], text, size);
}

static bool
is_nested(const VpJsonNode *node)
{
    return vp_json_is(node, VP_JSON_NODE_OBJECT) || vp_json_is(node, VP_JSON_NODE_ARRAY);
}

/* How wide the value is on one line; more than @room: wider than that. */
static gsize
measure(const VpJsonNode *node, gsize room)
{
    gsize size = 0, width = 2;
    const char *text = vp_json_text(node, &size);

    if (!is_nested(node))
        return g_utf8_strlen(text, size);
    for (guint i = 0; i < vp_json_length(node) && width <= room; i++) {
        if (vp_json_is(node, VP_JSON_NODE_OBJECT))
            width += strlen(vp_json_key_at(node, i)) + 4;
        width += measure(vp_json_at(node, i), room) + 2;
    }
    return width;
}

static void
append_break(const Page *page, bool broken, guint indent)
{
    if (broken)
        g_string_append_printf(page->out, "\n%*s", (int)indent, "");
}

static void
append_value(const Page *page, const VpJsonNode *node, guint indent, gsize room)
{
    bool object = vp_json_is(node, VP_JSON_NODE_OBJECT);
    bool broken = vp_json_length(node) > 0 && measure(node, room) > room;

    if (!is_nested(node)) {
        append_plain(page, node);
        return;
    }
    g_string_append_c(page->out, object ? '{' : '[');
    for (guint i = 0; i < vp_json_length(node); i++) {
        gsize used = indent + INDENT;

        g_string_append(page->out, i == 0 ? "" : broken ? "," : ", ");
        append_break(page, broken, indent + INDENT);
        if (object) {
            g_autoptr(GString) key = g_string_new(NULL);

            vp_json_append_quoted(key, vp_json_key_at(node, i));
            vp_colour_append(page->out, page->colour, VP_INK_KEY, key->str, key->len);
            g_string_append(page->out, ": ");
            used += key->len + 2;
        }
        append_value(page, vp_json_at(node, i), indent + INDENT,
                     !broken ? G_MAXSIZE : page->width > used ? page->width - used : 0);
    }
    append_break(page, broken, indent);
    g_string_append_c(page->out, object ? '}' : ']');
}

char *
vp_pretty(const VpJsonNode *node, VpColour colour, guint width)
{
    const Page page = { .out = g_string_new(NULL), .colour = colour, .width = width };

    append_value(&page, node, 0, width);
    return g_string_free(page.out, FALSE);
}
