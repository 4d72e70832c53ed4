/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * QEMU's schema as people need it: by names of commands, and by dotted paths of arguments.
 *
 * The answer of query-qmp-schema is a list of entities; two tables find them by name. Commands and
 * types share one space of names in which no type is called like a command: types of QEMU's own are
 * numbers there, and the rest are a handful ("str", "int" ...).
 */

#include "commands.h"

#include <string.h>

struct VpCommands {
    VpJsonTree *tree;
    GHashTable *commands;  /* name to VpJsonNode; both borrowed from the tree */
    GHashTable *types;
    GPtrArray *names;      /* of commands, sorted, NULL at the end */
};

/* Objects within objects that are looked into; what is deeper has to be written as JSON. */
#define DEPTH_MAX 16

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

VpCommands *
vp_commands_new(VpJsonTree *tree, const VpJsonNode *schema)
{
    VpCommands *commands = g_new0(VpCommands, 1);

    commands->tree = tree;
    commands->commands = g_hash_table_new(g_str_hash, g_str_equal);
    commands->types = g_hash_table_new(g_str_hash, g_str_equal);
    commands->names = g_ptr_array_new();
    for (guint i = 0; i < vp_json_length(schema); i++) {
        const VpJsonNode *entity = vp_json_at(schema, i);
        const char *name = vp_json_get_string(entity, "name");
        const char *meta = vp_json_get_string(entity, "meta-type");

        if (!name || !meta || strcmp(meta, "event") == 0)
            continue;
        if (strcmp(meta, "command") != 0)
            g_hash_table_insert(commands->types, (gpointer)name, (gpointer)entity);
        else if (g_hash_table_insert(commands->commands, (gpointer)name, (gpointer)entity))
            g_ptr_array_add(commands->names, (gpointer)name);
    }
    g_ptr_array_sort(commands->names, compare_names);
    g_ptr_array_add(commands->names, NULL);
    return commands;
}

void
vp_commands_free(VpCommands *commands)
{
    g_hash_table_unref(commands->commands);
    g_hash_table_unref(commands->types);
    g_ptr_array_unref(commands->names);
    vp_json_tree_free(commands->tree);
    g_free(commands);
}

const VpJsonNode *
vp_commands_find(const VpCommands *commands, const char *command)
{
    return commands ? g_hash_table_lookup(commands->commands, command) : NULL;
}

const VpJsonNode *
vp_commands_type(const VpCommands *commands, const char *type)
{
    return commands && type ? g_hash_table_lookup(commands->types, type) : NULL;
}

const char *const *
vp_commands_names(const VpCommands *commands)
{
    static const char *const nothing[] = { NULL };

    return commands ? (const char *const *)commands->names->pdata : nothing;
}

static bool
is_meta(const VpJsonNode *type, const char *meta)
{
    return g_strcmp0(vp_json_get_string(type, "meta-type"), meta) == 0;
}

static const char *
value_of(const GPtrArray *arguments, const char *path, const char *key)
{
    g_autofree char *whole = g_strconcat(path, key, NULL);

    for (guint i = 0; arguments && i < arguments->len; i++) {
        const VpArgument *argument = g_ptr_array_index(arguments, i);

        if (strcmp(argument->key, whole) == 0)
            return argument->value;
    }
    return NULL;
}

static void
add_members(GPtrArray *out, const VpJsonNode *type)
{
    const VpJsonNode *members = vp_json_get(type, "members");

    for (guint i = 0; i < vp_json_length(members); i++)
        g_ptr_array_add(out, (gpointer)vp_json_at(members, i));
}

static void
collect(const VpCommands *commands, const VpJsonNode *type, const char *path,
        const GPtrArray *arguments, guint depth, GPtrArray *out)
{
    const char *tag = vp_json_get_string(type, "tag");
    const char *chosen = tag ? value_of(arguments, path, tag) : NULL;
    const VpJsonNode *variants = vp_json_get(type, "variants");
    const VpJsonNode *members = vp_json_get(type, "members");

    if (depth > DEPTH_MAX)
        return;
    if (is_meta(type, "object"))
        add_members(out, type);
    for (guint i = 0; is_meta(type, "alternate") && i < vp_json_length(members); i++)
        collect(commands,
                vp_commands_type(commands, vp_json_get_string(vp_json_at(members, i), "type")),
                path, arguments, depth + 1, out);
    for (guint i = 0; i < vp_json_length(variants); i++) {
        const VpJsonNode *variant = vp_json_at(variants, i);

        if (!chosen || g_strcmp0(vp_json_get_string(variant, "case"), chosen) == 0)
            collect(commands, vp_commands_type(commands, vp_json_get_string(variant, "type")),
                    path, arguments, depth + 1, out);
    }
}

GPtrArray *
vp_commands_members(const VpCommands *commands, const VpJsonNode *type, const char *path,
                    const GPtrArray *arguments)
{
    GPtrArray *out = g_ptr_array_new();

    collect(commands, type, path, arguments, 0, out);
    return out;
}

/* One step: the type of the member, or of the element, @name. */
static const VpJsonNode *
step(const VpCommands *commands, const VpJsonNode *type, const char *path, const char *name,
     const GPtrArray *arguments)
{
    g_autoptr(GPtrArray) members = NULL;

    if (is_meta(type, "array"))
        return name[strspn(name, "0123456789")] == '\0'
                   ? vp_commands_type(commands, vp_json_get_string(type, "element-type"))
                   : NULL;
    members = vp_commands_members(commands, type, path, arguments);
    for (guint i = 0; i < members->len; i++) {
        const VpJsonNode *member = g_ptr_array_index(members, i);

        if (g_strcmp0(vp_json_get_string(member, "name"), name) == 0)
            return vp_commands_type(commands, vp_json_get_string(member, "type"));
    }
    return NULL;
}

const VpJsonNode *
vp_commands_resolve(const VpCommands *commands, const VpJsonNode *root, const char *path,
                    const GPtrArray *arguments)
{
    g_auto(GStrv) names = g_strsplit(path, ".", -1);
    g_autoptr(GString) before = g_string_new(NULL);
    const VpJsonNode *type = root;

    for (guint i = 0; type && names[i] && i < DEPTH_MAX; i++) {
        type = step(commands, type, before->str, names[i], arguments);
        g_string_append_printf(before, "%s.", names[i]);
    }
    return type;
}
