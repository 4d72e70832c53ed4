/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The lines above that further ones may belong to are on a stack, one for each step. */

#include "added/outline.h"

#include "added/lines.h"

#include <string.h>

static void
free_outline(gpointer outline)
{
    vp_outline_free(outline);
}

static VpOutline *
outline_new(const char *text)
{
    VpOutline *outline = g_new0(VpOutline, 1);

    outline->text = g_strdup(text);
    outline->children = g_ptr_array_new_with_free_func(free_outline);
    return outline;
}

void
vp_outline_free(VpOutline *outline)
{
    if (!outline)
        return;
    g_ptr_array_unref(outline->children);
    g_free(outline->text);
    g_free(outline);
}

static bool
take_line(gpointer data, const char *line)
{
    GPtrArray *open = data;
    gsize blanks = strspn(line, " ");
    gsize depth = blanks / 2;
    VpOutline *child = NULL;

    if (blanks % 2 != 0 || depth >= open->len || depth >= VP_OUTLINE_DEPTH_MAX)
        return false;
    child = outline_new(line + blanks);
    g_ptr_array_add(((VpOutline *)g_ptr_array_index(open, depth))->children, child);
    g_ptr_array_set_size(open, depth + 1);
    g_ptr_array_add(open, child);
    return true;
}

VpOutline *
vp_outline_parse(const char *text, char **ret_line)
{
    g_autoptr(VpOutline) whole = outline_new("");
    g_autoptr(GPtrArray) open = g_ptr_array_new();

    g_ptr_array_add(open, whole);
    return vp_lines_read(text, take_line, open, ret_line) ? g_steal_pointer(&whole) : NULL;
}

char *
vp_outline_convert(const char *text, VpOutlineWrite write, char **ret_line)
{
    g_autoptr(VpOutline) outline = vp_outline_parse(text, ret_line);
    g_auto(VpJsonWriter) writer = vp_json_writer();
    const char *wrong = NULL;

    if (!outline)
        return NULL;
    vp_json_begin_array(&writer, NULL);
    for (guint at = 0; !wrong && at < outline->children->len;)
        wrong = write(&writer, outline->children, &at);
    vp_json_end(&writer);
    if (wrong) {
        *ret_line = g_strdup(wrong);
        return NULL;
    }
    return vp_json_writer_steal(&writer);
}
