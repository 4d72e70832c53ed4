/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What QEMU says of its commands, with ours among them.
 *
 * The entries are put at the end of QEMU's list, in its bytes. In the schema a command needs types:
 * an object for its arguments, one for its result. Their names mean nothing to anybody who reads a
 * schema as one has to, and follow QMP's rule for those of other vendors, so QEMU has none of
 * them. Of the types that are built in a schema has only those in use: what is missing is added.
 */

#include "added/internal.h"
#include "json/members.h"
#include "json/text.h"
#include "json/write.h"

#include <string.h>

#define PREFIX "__org.virtpass_"
#define EMPTY PREFIX "empty"

/* The types that a VpField can have, but for arrays of them. */
static const struct {
    const char *name;
    const char *json_type;
} builtins[] = {
    { "str", "string" }, { "int", "int" }, { "bool", "boolean" }, { "any", "value" },
};

/* Adds entries to a list; @there: names of commands and types that need none. */
typedef void (*VpDescribeFunc)(VpJsonWriter *writer, GHashTable *there);

/* A set of the "name" of each object in a list. */
static GHashTable *
read_names(VpJsonSlice list)
{
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    VpJsonItems items;
    VpJsonItem item;

    vp_json_items_init(&items, list.text, list.size);
    while (vp_json_items_next(&items, &item) == VP_JSON_ITEM) {
        VpJsonSlice value = vp_json_member(item.value, "name");
        char *name = value.text ? vp_json_decode_string(value.text, value.size) : NULL;

        if (name)
            g_hash_table_add(names, name);
    }
    return names;
}

/* Puts what @func writes at the end of the list that is in @reply. */
static char *
extend(const char *reply, gsize size, VpDescribeFunc func)
{
    VpJsonSlice list = vp_json_member((VpJsonSlice){ reply, size }, "return");
    g_auto(VpJsonWriter) writer = vp_json_writer();
    g_autoptr(GHashTable) there = NULL;
    g_autoptr(GString) out = NULL;
    g_autofree char *added = NULL;
    gssize end = 0;
    bool empty = false;

    if (!list.text || list.text[0] != '[')
        return NULL;
    there = read_names(list);
    empty = vp_json_skip_space(list.text + 1, list.text + list.size) ==
            list.text + list.size - 1;
    vp_json_begin_array(&writer, NULL);
    func(&writer, there);
    vp_json_end(&writer);
    added = vp_json_writer_steal(&writer);
    end = list.text + list.size - 1 - reply;
    out = g_string_new_len(reply, end);
    if (!empty && strlen(added) > strlen("[]"))
        g_string_append(out, ", ");
    g_string_append_len(out, added + 1, strlen(added) - strlen("[]"));
    g_string_append_len(out, reply + end, size - end);
    return g_string_free(g_steal_pointer(&out), FALSE);
}

/* --- query-commands ------------------------------------------------------- */

static void
list_commands(VpJsonWriter *writer, GHashTable *there)
{
    for (const VpCommandRow *const *row = vp_registry_rows(); *row; row++) {
        if (g_hash_table_contains(there, (*row)->name))
            continue;
        vp_json_begin_object(writer, NULL);
        vp_json_add_string(writer, "name", (*row)->name);
        vp_json_end(writer);
    }
}

char *
vp_describe_commands(const char *reply, gsize size)
{
    return extend(reply, size, list_commands);
}

GHashTable *
vp_describe_native(const VpJsonNode *reply)
{
    const VpJsonNode *list = vp_json_get(reply, "return");
    GHashTable *native = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < vp_json_length(list); i++) {
        const char *name = vp_json_get_string(vp_json_at(list, i), "name");
        const VpCommandRow *row = name ? vp_registry_find(name) : NULL;

        if (row)
            g_hash_table_add(native, (gpointer)row->name);
    }
    return native;
}

/* --- query-qmp-schema ----------------------------------------------------- */

static void
begin_entry(VpJsonWriter *writer, GHashTable *there, const char *name, const char *meta_type)
{
    g_hash_table_add(there, g_strdup(name));
    vp_json_begin_object(writer, NULL);
    vp_json_add_string(writer, "name", name);
    vp_json_add_string(writer, "meta-type", meta_type);
}

static void
describe_builtin(VpJsonWriter *writer, GHashTable *there, const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(builtins); i++) {
        if (strcmp(builtins[i].name, name) != 0 || g_hash_table_contains(there, name))
            continue;
        begin_entry(writer, there, name, "builtin");
        vp_json_add_string(writer, "json-type", builtins[i].json_type);
        vp_json_end(writer);
    }
}

/* The entry of "[ELEMENT]". */
static void
describe_array(VpJsonWriter *writer, GHashTable *there, const char *name)
{
    g_autofree char *element = g_strndup(name + 1, strlen(name) - strlen("[]"));

    describe_builtin(writer, there, element);
    if (g_hash_table_contains(there, name))
        return;
    begin_entry(writer, there, name, "array");
    vp_json_add_string(writer, "element-type", element);
    vp_json_end(writer);
}

static void
describe_type(VpJsonWriter *writer, GHashTable *there, const char *name)
{
    if (name[0] == '[')
        describe_array(writer, there, name);
    else
        describe_builtin(writer, there, name);
}

/* The entry of an object; its name. */
static char *
describe_object(VpJsonWriter *writer, GHashTable *there, const VpField *fields, const char *name,
                const char *suffix)
{
    char *type = fields && fields->name ? g_strconcat(PREFIX, name, suffix, NULL)
                                        : g_strdup(EMPTY);

    for (const VpField *field = fields; field && field->name; field++)
        describe_type(writer, there, field->type);
    if (g_hash_table_contains(there, type))
        return type;
    begin_entry(writer, there, type, "object");
    vp_json_begin_array(writer, "members");
    for (const VpField *field = fields; field && field->name; field++) {
        vp_json_begin_object(writer, NULL);
        vp_json_add_string(writer, "name", field->name);
        vp_json_add_string(writer, "type", field->type);
        if (field->optional)
            vp_json_add_null(writer, "default");
        vp_json_end(writer);
    }
    vp_json_end(writer);
    vp_json_end(writer);
    return type;
}

static void
describe_command(VpJsonWriter *writer, GHashTable *there, const VpCommandRow *row)
{
    g_autofree char *arguments = describe_object(writer, there, row->arguments, row->name, "-arg");
    g_autofree char *object = describe_object(writer, there, row->result, row->name, "-ret");
    g_autofree char *result = row->result_is_array ? g_strdup_printf("[%s]", object)
                                                   : g_strdup(object);

    if (row->result_is_array)
        describe_array(writer, there, result);
    begin_entry(writer, there, row->name, "command");
    vp_json_add_string(writer, "arg-type", arguments);
    vp_json_add_string(writer, "ret-type", result);
    vp_json_end(writer);
}

static void
list_schema(VpJsonWriter *writer, GHashTable *there)
{
    for (const VpCommandRow *const *row = vp_registry_rows(); *row; row++) {
        if (!g_hash_table_contains(there, (*row)->name))
            describe_command(writer, there, *row);
    }
}

char *
vp_describe_schema(const char *reply, gsize size)
{
    return extend(reply, size, list_schema);
}
