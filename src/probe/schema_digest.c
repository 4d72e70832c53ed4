/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From query-qmp-schema's answer to the few types that options take.
 *
 * The answer is a list of named types that refer to each other, in circles too. Those that can be
 * reached from the roots get numbers in the order in which they are first met; types that are
 * written in one way only in JSON (all integers, all enums) become one of a handful of kinds.
 */

#include "probe/schema.h"

#include <string.h>

/* Where an option's type is found: the argument of a command, or what a command returns. */
static const struct {
    const char *option;
    const char *command;
    const char *member;
} roots[] = {
    { "object", "object-add", "arg-type" },
    { "netdev", "netdev_add", "arg-type" },
    { "blockdev", "blockdev-add", "arg-type" },
    { "audiodev", "query-audiodevs", "ret-type" }, /* since 8.0 */
    { "display", "query-display-options", "ret-type" },
};

/* "json-type" of a builtin. */
static const struct {
    const char *name;
    VpSchemaKind kind;
} builtins[] = {
    { "string", VP_SCHEMA_STRING }, { "boolean", VP_SCHEMA_BOOL }, { "int", VP_SCHEMA_INT },
    { "number", VP_SCHEMA_NUMBER },
};

/* "meta-type" of what has parts, and where these are. */
static const struct {
    const char *name;
    VpSchemaKind kind;
} composites[] = {
    { "object", VP_SCHEMA_OBJECT },
    { "array", VP_SCHEMA_ARRAY },
    { "alternate", VP_SCHEMA_ALTERNATE },
};

typedef struct Digest {
    GHashTable *entries; /* of VpJsonNode by name; a command's behind COMMAND_PREFIX */
    GHashTable *numbers; /* of the entries met so far, by node */
    GPtrArray *found;    /* of VpJsonNode, the composite ones in order of their numbers */
} Digest;

/* Commands and types have names of their own each. */
#define COMMAND_PREFIX "command "

static GHashTable *
index_entries(const VpJsonNode *answer)
{
    GHashTable *entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < vp_json_length(answer); i++) {
        const VpJsonNode *entry = vp_json_at(answer, i);
        const char *name = vp_json_get_string(entry, "name");
        const char *meta = vp_json_get_string(entry, "meta-type");
        const char *prefix = g_strcmp0(meta, "command") == 0 ? COMMAND_PREFIX : "";

        if (name && meta && strcmp(meta, "event") != 0)
            g_hash_table_insert(entries, g_strconcat(prefix, name, NULL), (gpointer)entry);
    }
    return entries;
}

static VpSchemaKind
composite_kind(const VpJsonNode *entry)
{
    const char *meta = vp_json_get_string(entry, "meta-type");

    for (gsize i = 0; i < G_N_ELEMENTS(composites); i++) {
        if (g_strcmp0(meta, composites[i].name) == 0)
            return composites[i].kind;
    }
    return VP_SCHEMA_ANY;
}

static VpSchemaKind
simple_kind(const VpJsonNode *entry)
{
    const char *meta = vp_json_get_string(entry, "meta-type");
    const char *json = vp_json_get_string(entry, "json-type");

    if (g_strcmp0(meta, "enum") == 0)
        return VP_SCHEMA_STRING;
    for (gsize i = 0; i < G_N_ELEMENTS(builtins); i++) {
        if (g_strcmp0(json, builtins[i].name) == 0)
            return builtins[i].kind;
    }
    return VP_SCHEMA_ANY;
}

/* The number of the type @name, which is given one if it has none yet. */
static guint
type_number(Digest *digest, const char *name)
{
    const VpJsonNode *entry = name ? g_hash_table_lookup(digest->entries, name) : NULL;
    gpointer number = NULL;

    if (!entry || composite_kind(entry) == VP_SCHEMA_ANY)
        return entry ? simple_kind(entry) : VP_SCHEMA_ANY;
    if (g_hash_table_lookup_extended(digest->numbers, entry, NULL, &number))
        return GPOINTER_TO_UINT(number);
    g_ptr_array_add(digest->found, (gpointer)entry);
    g_hash_table_insert(digest->numbers, (gpointer)entry,
                        GUINT_TO_POINTER(VP_SCHEMA_FIRST + digest->found->len - 1));
    return VP_SCHEMA_FIRST + digest->found->len - 1;
}

static void
add_part(Digest *digest, GVariantBuilder *parts, const char *name, const char *type)
{
    g_autofree char *valid = g_utf8_make_valid(name, -1);

    g_variant_builder_add(parts, "(su)", valid, type_number(digest, type));
}

/* a(su) of the objects in @array. @name: which member is the name, NULL: they have none. */
static GVariant *
parts_variant(Digest *digest, const VpJsonNode *array, const char *name)
{
    GVariantBuilder parts;

    g_variant_builder_init(&parts, G_VARIANT_TYPE("a(su)"));
    for (guint i = 0; i < vp_json_length(array); i++) {
        const VpJsonNode *part = vp_json_at(array, i);

        add_part(digest, &parts, name ? vp_json_get_string(part, name) ?: "" : "",
                 vp_json_get_string(part, "type"));
    }
    return g_variant_builder_end(&parts);
}

static GVariant *
element_variant(Digest *digest, const VpJsonNode *array)
{
    GVariantBuilder parts;

    g_variant_builder_init(&parts, G_VARIANT_TYPE("a(su)"));
    add_part(digest, &parts, "", vp_json_get_string(array, "element-type"));
    return g_variant_builder_end(&parts);
}

static GVariant *
type_variant(Digest *digest, const VpJsonNode *entry)
{
    VpSchemaKind kind = composite_kind(entry);
    g_autofree char *tag = g_utf8_make_valid(vp_json_get_string(entry, "tag") ?: "", -1);
    GVariant *members = kind == VP_SCHEMA_ARRAY ? element_variant(digest, entry)
        : parts_variant(digest, vp_json_get(entry, "members"),
                        kind == VP_SCHEMA_OBJECT ? "name" : NULL);

    return g_variant_new("(ys@a(su)@a(su))", (guchar)kind, tag, members,
                         parts_variant(digest, vp_json_get(entry, "variants"), "case"));
}

static GVariant *
roots_variant(Digest *digest)
{
    GVariantBuilder out;

    g_variant_builder_init(&out, G_VARIANT_TYPE("a(su)"));
    for (gsize i = 0; i < G_N_ELEMENTS(roots); i++) {
        g_autofree char *key = g_strconcat(COMMAND_PREFIX, roots[i].command, NULL);
        const VpJsonNode *command = g_hash_table_lookup(digest->entries, key);

        if (command)
            add_part(digest, &out, roots[i].option,
                     vp_json_get_string(command, roots[i].member));
    }
    return g_variant_builder_end(&out);
}

GVariant *
vp_schema_digest(const VpJsonNode *answer)
{
    Digest digest = { 0 };
    GVariantBuilder types;
    GVariant *found_roots = NULL;

    if (!vp_json_is(answer, VP_JSON_NODE_ARRAY))
        return NULL;
    digest.entries = index_entries(answer);
    digest.numbers = g_hash_table_new(NULL, NULL);
    digest.found = g_ptr_array_new();
    found_roots = roots_variant(&digest);
    g_variant_builder_init(&types, G_VARIANT_TYPE("a(ysa(su)a(su))"));
    for (guint i = 0; i < digest.found->len; i++) /* which grows on the way */
        g_variant_builder_add_value(&types, type_variant(&digest, digest.found->pdata[i]));
    g_hash_table_unref(digest.entries);
    g_hash_table_unref(digest.numbers);
    g_ptr_array_unref(digest.found);
    return g_variant_new("(@a(su)@a(ysa(su)a(su)))", found_roots, g_variant_builder_end(&types));
}
