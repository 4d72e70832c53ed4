/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A tree is headed by "address-space: NAME", several of these when they have the same root, or by
 * "memory-region: NAME" for what aliases point at. A region is
 *
 *     START-END (prio NUMBER, KIND): NAME
 *     START-END (prio NUMBER, KIND): alias NAME @TARGET START-END
 *
 * with " [disabled]" behind it if it is; START and END have 16 digits each.
 */

#include "added/info_mtree.h"

#include "added/outline.h"

#include <string.h>

#define SPACE "address-space: "
#define REGION "memory-region: "
#define DISABLED " [disabled]"
#define VOLATILE_NOT "nv-"

/* "START-END" */
#define RANGE_DIGITS 16
#define RANGE_SIZE (2 * RANGE_DIGITS + 1)

typedef struct Range {
    guint64 start;
    guint64 end;
} Range;

/* Parts of a region's line. */
typedef struct Region {
    Range range;
    gint64 priority;
    char *kind;     /* "i/o", "ram" ... */
    char *name;
    char *target;   /* of an alias, else NULL */
    Range offset;   /* in the target */
    bool enabled;
} Region;

static void
region_clear(Region *region)
{
    g_free(region->kind);
    g_free(region->name);
    g_free(region->target);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Region, region_clear)

static bool
read_range(const char *text, Range *ret_range)
{
    g_autofree char *start = NULL, *end = NULL;

    if (strlen(text) < RANGE_SIZE || text[RANGE_DIGITS] != '-')
        return false;
    start = g_strndup(text, RANGE_DIGITS);
    end = g_strndup(text + RANGE_DIGITS + 1, RANGE_DIGITS);
    return g_ascii_string_to_unsigned(start, 16, 0, G_MAXUINT64, &ret_range->start, NULL) &&
           g_ascii_string_to_unsigned(end, 16, 0, G_MAXUINT64, &ret_range->end, NULL);
}

/* "NAME @TARGET START-END": a name with " @" in it could not be told from this. */
static bool
read_alias(const char *text, Region *region)
{
    const char *at = strstr(text, " @");
    gsize size = strlen(text);

    if (!at || strstr(at + 1, " @") || size < RANGE_SIZE + 1 ||
        text[size - RANGE_SIZE - 1] != ' ' || at + 2 > text + size - RANGE_SIZE - 1)
        return false;
    region->name = g_strndup(text, at - text);
    region->target = g_strndup(at + 2, text + size - RANGE_SIZE - 1 - (at + 2));
    return read_range(text + size - RANGE_SIZE, &region->offset);
}

static bool
read_name(char *text, Region *region)
{
    region->enabled = !g_str_has_suffix(text, DISABLED);
    if (!region->enabled)
        text[strlen(text) - strlen(DISABLED)] = '\0';
    if (g_str_has_prefix(text, "alias "))
        return read_alias(text + strlen("alias "), region);
    region->name = g_strdup(text);
    return true;
}

static bool
read_region(const char *line, Region *region)
{
    const char *priority = strstr(line, " (prio ");
    const char *kind = NULL, *end = NULL;
    g_autofree char *number = NULL, *name = NULL;

    if (priority != line + RANGE_SIZE || !read_range(line, &region->range))
        return false;
    priority += strlen(" (prio ");
    kind = strstr(priority, ", ");
    end = kind ? strstr(kind, "): ") : NULL;
    if (!end)
        return false;
    number = g_strndup(priority, kind - priority);
    kind += strlen(", ");
    region->kind = g_strndup(kind, end - kind);
    name = g_strdup(end + strlen("): "));
    return g_ascii_string_to_signed(number, 10, G_MININT32, G_MAXINT32, &region->priority, NULL) &&
           read_name(name, region);
}

static void
write_range(VpJsonWriter *writer, const char *start, const char *end, const Range *range)
{
    vp_json_add_uint(writer, start, range->start);
    vp_json_add_uint(writer, end, range->end);
}

static void
write_parts(VpJsonWriter *writer, const Region *region)
{
    bool lasting = g_str_has_prefix(region->kind, VOLATILE_NOT);

    vp_json_add_string(writer, "name", region->name);
    write_range(writer, "start", "end", &region->range);
    vp_json_add_int(writer, "priority", region->priority);
    vp_json_add_string(writer, "kind", region->kind + (lasting ? strlen(VOLATILE_NOT) : 0));
    if (lasting)
        vp_json_add_bool(writer, "nonvolatile", true);
    if (!region->enabled)
        vp_json_add_bool(writer, "enabled", false);
    if (!region->target)
        return;
    vp_json_begin_object(writer, "alias");
    vp_json_add_string(writer, "region", region->target);
    write_range(writer, "start", "end", &region->offset);
    vp_json_end(writer);
}

/* NULL when all is well, else the line that is not understood. */
static const char *
write_region(VpJsonWriter *writer, const char *key, const VpOutline *outline)
{
    g_auto(Region) region = { 0 };
    const char *wrong = NULL;

    if (!read_region(outline->text, &region))
        return outline->text;
    vp_json_begin_object(writer, key);
    write_parts(writer, &region);
    if (outline->children->len > 0) {
        vp_json_begin_array(writer, "regions");
        for (guint i = 0; !wrong && i < outline->children->len; i++)
            wrong = write_region(writer, NULL, g_ptr_array_index(outline->children, i));
        vp_json_end(writer);
    }
    vp_json_end(writer);
    return wrong;
}

/* The heads of a tree; the last of them has it. */
static const VpOutline *
write_heads(VpJsonWriter *writer, const GPtrArray *heads, guint *at)
{
    const VpOutline *head = NULL, *next = g_ptr_array_index(heads, *at);

    vp_json_begin_array(writer, "address-spaces");
    do {
        head = next;
        vp_json_add_string(writer, NULL, head->text + strlen(SPACE));
        next = ++*at < heads->len ? g_ptr_array_index(heads, *at) : NULL;
    } while (head->children->len == 0 && next && g_str_has_prefix(next->text, SPACE));
    vp_json_end(writer);
    return head;
}

static const char *
write_tree(VpJsonWriter *writer, const GPtrArray *heads, guint *at)
{
    const VpOutline *head = g_ptr_array_index(heads, *at);
    const char *wrong = NULL;

    vp_json_begin_object(writer, NULL);
    if (g_str_has_prefix(head->text, SPACE)) {
        head = write_heads(writer, heads, at);
    } else if (g_str_has_prefix(head->text, REGION)) {
        vp_json_add_string(writer, "memory-region", head->text + strlen(REGION));
        ++*at;
    } else {
        wrong = head->text;
    }
    if (!wrong && head->children->len == 1)
        wrong = write_region(writer, "root", g_ptr_array_index(head->children, 0));
    else if (!wrong)
        wrong = head->text;
    vp_json_end(writer);
    return wrong;
}

char *
vp_info_mtree_convert(const char *text, char **ret_line)
{
    return vp_outline_convert(text, write_tree, ret_line);
}
