/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Changes to a text, collected first and made in one go: who finds them works on offsets of
 * the text as it was. No two may touch the same bytes; several insertions at one place keep
 * their order, and come before a removal that begins there.
 *
 * White space. libvirt prints an element a line, and what we add has to look the same without
 * leaving traces when it is taken out. The rule is the same both ways: an element that follows
 * a line's indentation and is followed by the line's end owns that line. Before a tag that
 * begins a line we insert whole lines, before any other nothing but the element itself, so that
 * removal by the rule finds just what insertion added.
 */

#include "xml/edit.h"

#include "base/error.h"
#include "base/limits.h"

#include <string.h>

/* libvirt's step of indentation. */
#define STEP 2

/* Spaces and tabs that still are indentation; it is repeated for each line that is inserted. */
#define INDENT_MAX 256

typedef struct Line {
    guint depth;
    char *text;
    gsize indent; /* of the text, where it was taken from; 0: made here */
} Line;

struct VpXmlBlock {
    GArray *lines; /* Line */
};

typedef struct Edit {
    gsize from;
    gsize to;
    char *with;
} Edit;

struct VpXmlEdits {
    const char *bytes;
    GArray *edits; /* Edit */
};

static void
clear_line(gpointer data)
{
    g_free(((Line *)data)->text);
}

VpXmlBlock *
vp_xml_block_new(void)
{
    VpXmlBlock *block = g_new0(VpXmlBlock, 1);

    block->lines = g_array_new(FALSE, FALSE, sizeof(Line));
    g_array_set_clear_func(block->lines, clear_line);
    return block;
}

void
vp_xml_block_free(VpXmlBlock *block)
{
    if (!block)
        return;
    g_array_unref(block->lines);
    g_free(block);
}

void
vp_xml_block_add(VpXmlBlock *block, guint depth, const char *format, ...)
{
    Line line = { .depth = depth };
    va_list args;

    va_start(args, format);
    line.text = g_strdup_vprintf(format, args);
    va_end(args);
    g_array_append_val(block->lines, line);
}

void
vp_xml_block_add_element(VpXmlBlock *block, guint depth, const char *element, gsize indent)
{
    Line line = { .depth = depth, .text = g_strdup(element), .indent = indent };

    g_array_append_val(block->lines, line);
}

char *
vp_xml_block_join(const VpXmlBlock *block)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < block->lines->len; i++)
        g_string_append(text, g_array_index(block->lines, Line, i).text);
    return g_string_free(text, FALSE);
}

/* How far behind @line the tag or comment is with which it begins; 0: with something else. */
static gsize
tag_in_line(const char *line)
{
    gsize spaces = strspn(line, " ");

    return line[spaces] == '<' && !g_str_has_prefix(line + spaces, "<![") ? spaces : 0;
}

/* The text with the lines that begin with a tag moved as the first one is. */
static void
append_moved(GString *out, const Line *line, gsize indent)
{
    const char *rest = line->text;
    const char *end = strchr(rest, '\n');

    for (; end; end = strchr(rest, '\n')) {
        gsize spaces = tag_in_line(end + 1);

        g_string_append_len(out, rest, end + 1 - rest);
        rest = end + 1;
        if (line->indent > 0 && spaces >= line->indent) {
            g_string_append_printf(out, "%*s", (int)(spaces - line->indent + indent), "");
            rest += spaces;
        }
    }
    g_string_append(out, rest);
}

static char *
block_as_lines(const VpXmlBlock *block, const char *indent, gsize indent_len, guint depth)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < block->lines->len; i++) {
        const Line *line = &g_array_index(block->lines, Line, i);

        g_string_append_len(text, indent, indent_len);
        g_string_append_printf(text, "%*s", (int)((depth + line->depth) * STEP), "");
        append_moved(text, line, indent_len + (depth + line->depth) * STEP);
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}

static void
clear_edit(gpointer data)
{
    g_free(((Edit *)data)->with);
}

VpXmlEdits *
vp_xml_edits_new(const char *bytes)
{
    VpXmlEdits *edits = g_new0(VpXmlEdits, 1);

    edits->bytes = bytes;
    edits->edits = g_array_new(FALSE, FALSE, sizeof(Edit));
    g_array_set_clear_func(edits->edits, clear_edit);
    return edits;
}

void
vp_xml_edits_free(VpXmlEdits *edits)
{
    if (!edits)
        return;
    g_array_unref(edits->edits);
    g_free(edits);
}

void
vp_xml_edits_replace(VpXmlEdits *edits, gsize from, gsize to, const char *with)
{
    Edit edit = { .from = from, .to = to, .with = g_strdup(with) };

    g_array_append_val(edits->edits, edit);
}

/* Whether only indentation is between the line's start and @offset. */
static bool
begins_line(const char *bytes, gsize offset, gsize *ret_line)
{
    gsize line = offset;

    while (line > 0 && (bytes[line - 1] == ' ' || bytes[line - 1] == '\t'))
        line--;
    *ret_line = line;
    return line > 0 && bytes[line - 1] == '\n' && offset - line <= INDENT_MAX;
}

gsize
vp_xml_indent_of(const char *bytes, gsize tag)
{
    gsize line = 0;

    if (!begins_line(bytes, tag, &line) || strspn(bytes + line, " ") != tag - line)
        return 0;
    return tag - line;
}

void
vp_xml_edits_remove(VpXmlEdits *edits, const VpXmlNode *node)
{
    gsize line = 0;

    if (begins_line(edits->bytes, node->start, &line) && edits->bytes[node->end] == '\n')
        vp_xml_edits_replace(edits, line, node->end + 1, "");
    else
        vp_xml_edits_replace(edits, node->start, node->end, "");
}

void
vp_xml_edits_insert(VpXmlEdits *edits, gsize tag, guint depth, const VpXmlBlock *block)
{
    g_autofree char *text = NULL;
    gsize line = 0;

    if (begins_line(edits->bytes, tag, &line)) {
        text = block_as_lines(block, edits->bytes + line, tag - line, depth);
        vp_xml_edits_replace(edits, line, line, text);
    } else {
        text = vp_xml_block_join(block);
        vp_xml_edits_replace(edits, tag, tag, text);
    }
}

void
vp_xml_edits_append(VpXmlEdits *edits, const VpXmlNode *node, const char *text)
{
    g_autofree char *line_end = NULL;
    g_autofree char *whole = NULL;
    gsize line = 0;

    if (begins_line(edits->bytes, node->start, &line))
        line_end = g_strndup(edits->bytes + line - 1, node->start - line + 1);
    whole = g_strconcat(line_end ? line_end : "", text, NULL);
    vp_xml_edits_replace(edits, node->end, node->end, whole);
}

static int
compare_edits(gconstpointer a, gconstpointer b)
{
    const Edit *left = a;
    const Edit *right = b;

    if (left->from != right->from)
        return left->from < right->from ? -1 : 1;
    return (left->to > left->from) - (right->to > right->from);
}

/* Sorts the edits (g_array_sort() is stable) and says how long the text becomes. */
static gsize
prepare(VpXmlEdits *edits)
{
    gsize len = strlen(edits->bytes);
    gsize at = 0;

    g_array_sort(edits->edits, compare_edits);
    for (guint i = 0; i < edits->edits->len; i++) {
        const Edit *edit = &g_array_index(edits->edits, Edit, i);

        g_assert(edit->from >= at && edit->to >= edit->from);
        at = edit->to;
        len = len - (edit->to - edit->from) + strlen(edit->with);
    }
    return len;
}

bool
vp_xml_edits_apply(VpXmlEdits *edits, char **ret_text, GError **error)
{
    gsize len = prepare(edits);
    GString *text = NULL;
    gsize at = 0;

    if (edits->edits->len == 0) {
        *ret_text = NULL;
        return true;
    }
    if (len > VP_XDR_STRING_MAX) {
        g_set_error(error, VP_ERROR, VP_ERROR_LIMIT,
                    "the document becomes %" G_GSIZE_FORMAT " bytes long, at most %u are allowed",
                    len, VP_XDR_STRING_MAX);
        return false;
    }
    text = g_string_sized_new(len + 1);
    for (guint i = 0; i < edits->edits->len; i++) {
        const Edit *edit = &g_array_index(edits->edits, Edit, i);

        g_string_append_len(text, edits->bytes + at, edit->from - at);
        g_string_append(text, edit->with);
        at = edit->to;
    }
    g_string_append(text, edits->bytes + at);
    *ret_text = g_string_free(text, FALSE);
    return true;
}
