/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A bus is "bus: NAME" with "type TYPE" and its devices below it. A device is "dev: TYPE, id "ID""
 * with, in any order, its buses, its gpio lines, its properties as "NAME = VALUE" and what its kind
 * of bus has to say of it, each a line. Values are given as QEMU prints them: a text is not escaped
 * in there, and a number has an explanation behind it.
 */

#include "added/info_qtree.h"

#include "added/outline.h"

#include <string.h>

#define BUS "bus: "
#define DEVICE "dev: "
#define TYPE "type "
#define ID ", id \""

/* What a line below a device is. */
typedef enum Part {
    PART_GPIO_IN,
    PART_GPIO_OUT,
    PART_PROPERTY,
    PART_BUS,
    PART_TEXT,
    N_PARTS,
} Part;

/* Member of the device and how its lines begin; NULL: not by that. */
static const struct {
    const char *member;
    const char *prefix;
} parts[N_PARTS] = {
    [PART_GPIO_IN] = { "gpio-in", "gpio-in \"" },
    [PART_GPIO_OUT] = { "gpio-out", "gpio-out \"" },
    [PART_PROPERTY] = { "properties", NULL },
    [PART_BUS] = { "buses", BUS },
    [PART_TEXT] = { "text", NULL },
};

/* The "=" of a property; NULL: the line is none. */
static const char *
find_equals(const char *line)
{
    gsize size = strcspn(line, " ");

    return size > 0 && g_str_has_prefix(line + size, " = ") ? line + size : NULL;
}

static Part
part_of(const char *line)
{
    for (Part part = 0; part < N_PARTS; part++) {
        if (parts[part].prefix && g_str_has_prefix(line, parts[part].prefix))
            return part;
    }
    return find_equals(line) ? PART_PROPERTY : PART_TEXT;
}

static const char *write_bus(VpJsonWriter *writer, const VpOutline *bus);

/* `NAME" NUMBER` */
static bool
write_gpio(VpJsonWriter *writer, const char *text)
{
    const char *quote = strchr(text, '"');
    g_autofree char *name = quote ? g_strndup(text, quote - text) : NULL;
    guint64 count = 0;

    if (!quote || quote[1] != ' ' ||
        !g_ascii_string_to_unsigned(quote + 2, 10, 0, G_MAXUINT32, &count, NULL))
        return false;
    vp_json_begin_object(writer, NULL);
    vp_json_add_string(writer, "name", name);
    vp_json_add_uint(writer, "count", count);
    vp_json_end(writer);
    return true;
}

static void
write_property(VpJsonWriter *writer, const char *line)
{
    const char *equals = find_equals(line);
    g_autofree char *name = g_strndup(line, equals - line);

    vp_json_begin_object(writer, NULL);
    vp_json_add_string(writer, "name", name);
    vp_json_add_string(writer, "value", equals + strlen(" = "));
    vp_json_end(writer);
}

/* NULL when all is well, else the line that is not understood. */
static const char *
write_part(VpJsonWriter *writer, Part part, const VpOutline *line)
{
    if (part == PART_BUS)
        return write_bus(writer, line);
    if (line->children->len > 0)
        return ((VpOutline *)g_ptr_array_index(line->children, 0))->text;
    if (part == PART_PROPERTY)
        write_property(writer, line->text);
    else if (part == PART_TEXT)
        vp_json_add_string(writer, NULL, line->text);
    else if (!write_gpio(writer, line->text + strlen(parts[part].prefix)))
        return line->text;
    return NULL;
}

/* The lines of one part as a member, if there are any. */
static const char *
write_parts(VpJsonWriter *writer, Part part, const VpOutline *device)
{
    const char *wrong = NULL;
    bool begun = false;

    for (guint i = 0; !wrong && i < device->children->len; i++) {
        const VpOutline *line = g_ptr_array_index(device->children, i);

        if (part_of(line->text) != part)
            continue;
        if (!begun)
            vp_json_begin_array(writer, parts[part].member);
        begun = true;
        wrong = write_part(writer, part, line);
    }
    if (begun)
        vp_json_end(writer);
    return wrong;
}

static const char *
write_device(VpJsonWriter *writer, const VpOutline *device)
{
    const char *type = device->text + strlen(DEVICE);
    const char *id = g_str_has_prefix(device->text, DEVICE) ? strstr(type, ID) : NULL;
    g_autofree char *type_name = id ? g_strndup(type, id - type) : NULL;
    g_autofree char *id_text = NULL;
    const char *wrong = NULL;

    if (!id || !g_str_has_suffix(id + strlen(ID), "\""))
        return device->text;
    id_text = g_strndup(id + strlen(ID), strlen(id) - strlen(ID) - 1);
    vp_json_begin_object(writer, NULL);
    vp_json_add_string(writer, "type", type_name);
    if (*id_text)
        vp_json_add_string(writer, "id", id_text);
    for (Part part = 0; !wrong && part < N_PARTS; part++)
        wrong = write_parts(writer, part, device);
    vp_json_end(writer);
    return wrong;
}

static const char *
write_bus(VpJsonWriter *writer, const VpOutline *bus)
{
    const VpOutline *type = bus->children->len > 0 ? g_ptr_array_index(bus->children, 0) : NULL;
    const char *wrong = NULL;

    if (!g_str_has_prefix(bus->text, BUS) || !type || !g_str_has_prefix(type->text, TYPE))
        return bus->text;
    if (type->children->len > 0)
        return ((VpOutline *)g_ptr_array_index(type->children, 0))->text;
    vp_json_begin_object(writer, NULL);
    vp_json_add_string(writer, "name", bus->text + strlen(BUS));
    vp_json_add_string(writer, "type", type->text + strlen(TYPE));
    vp_json_begin_array(writer, "devices");
    for (guint i = 1; !wrong && i < bus->children->len; i++)
        wrong = write_device(writer, g_ptr_array_index(bus->children, i));
    vp_json_end(writer);
    vp_json_end(writer);
    return wrong;
}

static const char *
write_tree(VpJsonWriter *writer, const GPtrArray *buses, guint *at)
{
    return write_bus(writer, g_ptr_array_index(buses, (*at)++));
}

char *
vp_info_qtree_convert(const char *text, char **ret_line)
{
    return vp_outline_convert(text, write_tree, ret_line);
}
