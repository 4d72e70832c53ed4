/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which JSON a dotted key of an option stands for.
 *
 * Each component of the key goes one step down: to the member of that name, of the base or of the
 * variant, to the element of an array by its number, through alternates without a step. Only the
 * outermost union's variant is known; further down ("file.filename" of a blockdev, where the
 * driver of "file" is another key) the first variant that has the rest of the key decides. No two
 * variants of QEMU's write one key in two ways, but for lists and objects.
 *
 * The schema has one integer type, so that what is a number of bytes shows in the name only.
 */

#include "probe/schema.h"

#include "base/limits.h"

#include <string.h>

typedef struct Part {
    const char *name;
    guint type;
} Part;

typedef struct Type {
    VpSchemaKind kind;
    const char *tag;
    const Part *members;
    guint n_members;
    const Part *variants;
    guint n_variants;
} Type;

struct VpSchema {
    GVariant *variant;
    GArray *parts;      /* of Part: of all types and of the roots */
    const Part *roots;
    guint n_roots;
    GArray *types;      /* of Type */
};

/* Keys that are numbers of bytes: the whole last component, or what is behind its last dash. */
static const char *const byte_keys[] = { "size", "align", "offset", "sndbuf" };

static bool
is_bytes(const char *key)
{
    const char *dot = strrchr(key, '.');
    const char *name = dot ? dot + 1 : key;
    const char *dash = strrchr(name, '-');

    for (gsize i = 0; i < G_N_ELEMENTS(byte_keys); i++) {
        if (strcmp(name, byte_keys[i]) == 0 || (dash && strcmp(dash + 1, byte_keys[i]) == 0))
            return true;
    }
    return false;
}

/* --- from the variant ------------------------------------------------------- */

static gsize
count_parts(GVariant *types)
{
    gsize n = 0;

    for (gsize i = 0; i < g_variant_n_children(types); i++) {
        g_autoptr(GVariant) type = g_variant_get_child_value(types, i);
        g_autoptr(GVariant) members = g_variant_get_child_value(type, 2);
        g_autoptr(GVariant) variants = g_variant_get_child_value(type, 3);

        n += g_variant_n_children(members) + g_variant_n_children(variants);
    }
    return n;
}

/* Adds the parts of @list; false when one's type does not exist. */
static bool
read_parts(VpSchema *schema, GVariant *list, guint n_types, const Part **ret_parts, guint *ret_n)
{
    GVariantIter iter;
    Part part = { 0 };
    guint start = schema->parts->len;

    g_variant_iter_init(&iter, list);
    while (g_variant_iter_next(&iter, "(&su)", &part.name, &part.type)) {
        if (part.type >= VP_SCHEMA_FIRST + n_types)
            return false;
        g_array_append_val(schema->parts, part);
    }
    *ret_parts = &g_array_index(schema->parts, Part, start);
    *ret_n = schema->parts->len - start;
    return true;
}

static bool
read_type(VpSchema *schema, GVariant *variant, guint n_types)
{
    g_autoptr(GVariant) members = NULL;
    g_autoptr(GVariant) variants = NULL;
    guchar kind = 0;
    Type type = { 0 };

    g_variant_get(variant, "(y&s@a(su)@a(su))", &kind, &type.tag, &members, &variants);
    type.kind = kind;
    if (!read_parts(schema, members, n_types, &type.members, &type.n_members) ||
        !read_parts(schema, variants, n_types, &type.variants, &type.n_variants))
        return false;
    g_array_append_val(schema->types, type);
    return true;
}

VpSchema *
vp_schema_new(GVariant *variant)
{
    g_autoptr(VpSchema) schema = g_new0(VpSchema, 1);
    g_autoptr(GVariant) roots = g_variant_get_child_value(variant, 0);
    g_autoptr(GVariant) types = g_variant_get_child_value(variant, 1);
    guint n_types = g_variant_n_children(types);

    schema->variant = g_variant_ref(variant);
    /* As large as it will be, for types point into it. */
    schema->parts = g_array_sized_new(FALSE, FALSE, sizeof(Part),
                                      count_parts(types) + g_variant_n_children(roots) + 1);
    schema->types = g_array_sized_new(FALSE, FALSE, sizeof(Type), n_types);
    if (!read_parts(schema, roots, n_types, &schema->roots, &schema->n_roots))
        return NULL;
    for (guint i = 0; i < n_types; i++) {
        g_autoptr(GVariant) type = g_variant_get_child_value(types, i);

        if (!read_type(schema, type, n_types))
            return NULL;
    }
    return g_steal_pointer(&schema);
}

void
vp_schema_free(VpSchema *schema)
{
    if (!schema)
        return;
    g_array_unref(schema->parts);
    if (schema->types)
        g_array_unref(schema->types);
    g_variant_unref(schema->variant);
    g_free(schema);
}

/* --- looking up ------------------------------------------------------------- */

/* NULL: it has no parts. */
static const Type *
composite(const VpSchema *schema, guint type)
{
    return type < VP_SCHEMA_FIRST ? NULL
                                  : &g_array_index(schema->types, Type, type - VP_SCHEMA_FIRST);
}

/* Whether @key begins with the component @name; *ret_rest is what follows the dot, or "". */
static bool
steps_to(const char *key, const char *name, const char **ret_rest)
{
    gsize size = strlen(name);

    if (strncmp(key, name, size) != 0 || (key[size] != '\0' && key[size] != '.'))
        return false;
    *ret_rest = key[size] ? key + size + 1 : key + size;
    return true;
}

/* One lookup. The schema need not be QEMU's, and then unions may contain themselves. */
typedef struct Search {
    const VpSchema *schema;
    const char *whole;  /* the key */
    guint depth;        /* calls of descend() that are open */
    guint steps;        /* and that there were */
} Search;

static VpValueType descend(Search *search, guint type, const char *driver, const char *key);

static VpValueType
simple_type(VpSchemaKind kind, const char *whole)
{
    static const VpValueType types[] = {
        [VP_SCHEMA_STRING] = VP_TYPE_STRING, [VP_SCHEMA_BOOL] = VP_TYPE_BOOL,
        [VP_SCHEMA_INT] = VP_TYPE_INT,       [VP_SCHEMA_NUMBER] = VP_TYPE_NUMBER,
        [VP_SCHEMA_ANY] = VP_TYPE_OTHER,
    };

    return kind == VP_SCHEMA_INT && is_bytes(whole) ? VP_TYPE_SIZE : types[kind];
}

static VpValueType
descend_object(Search *search, const Type *type, const char *driver, const char *key)
{
    VpValueType found = VP_TYPE_UNKNOWN;
    const char *rest = NULL;

    for (guint i = 0; i < type->n_members && found == VP_TYPE_UNKNOWN; i++) {
        if (steps_to(key, type->members[i].name, &rest))
            found = descend(search, type->members[i].type, NULL, rest);
    }
    for (guint i = 0; i < type->n_variants && found == VP_TYPE_UNKNOWN; i++) {
        if (!driver || strcmp(driver, type->variants[i].name) == 0)
            found = descend(search, type->variants[i].type, NULL, key);
    }
    return found;
}

/* A number goes to the element. */
static VpValueType
descend_array(Search *search, const Type *type, const char *key)
{
    gsize digits = strspn(key, "0123456789");

    if (*key == '\0')
        return VP_TYPE_OTHER;
    if (digits == 0 || type->n_members == 0 || (key[digits] != '\0' && key[digits] != '.'))
        return VP_TYPE_UNKNOWN;
    return descend(search, type->members[0].type, NULL, key + digits + (key[digits] == '.'));
}

/* Where a text is one of several ways to write it the text is meant: a person has written one. */
static VpValueType
descend_alternate(Search *search, const Type *type, const char *key)
{
    VpValueType best = VP_TYPE_UNKNOWN;

    for (guint i = 0; i < type->n_members && best != VP_TYPE_STRING; i++) {
        VpValueType found = descend(search, type->members[i].type, NULL, key);

        if (found == VP_TYPE_STRING || best == VP_TYPE_UNKNOWN ||
            (best == VP_TYPE_OTHER && found != VP_TYPE_UNKNOWN))
            best = found;
    }
    return best;
}

static VpValueType
descend_composite(Search *search, const Type *type, const char *driver, const char *key)
{
    switch (type->kind) {
    case VP_SCHEMA_OBJECT:
        return *key ? descend_object(search, type, driver, key) : VP_TYPE_OTHER;
    case VP_SCHEMA_ARRAY:
        return descend_array(search, type, key);
    case VP_SCHEMA_ALTERNATE:
        return descend_alternate(search, type, key);
    default:
        return VP_TYPE_UNKNOWN;
    }
}

/* @key: what is left of it at @type. */
static VpValueType
descend(Search *search, guint type, const char *driver, const char *key)
{
    const Type *parts = composite(search->schema, type);
    VpValueType found = VP_TYPE_UNKNOWN;

    if (!parts)
        return *key ? VP_TYPE_UNKNOWN : simple_type(type, search->whole);
    if (search->depth >= VP_SCHEMA_DEPTH_MAX || search->steps >= VP_SCHEMA_STEPS_MAX)
        return VP_TYPE_UNKNOWN;
    search->depth++;
    search->steps++;
    found = descend_composite(search, parts, driver, key);
    search->depth--;
    return found;
}

static const Part *
find_root(const VpSchema *schema, const char *option)
{
    for (guint i = 0; i < schema->n_roots; i++) {
        if (strcmp(schema->roots[i].name, option) == 0)
            return &schema->roots[i];
    }
    return NULL;
}

/* The type that the option's value is; of a list (query-audiodevs) the elements'. */
static guint
root_type(const VpSchema *schema, const Part *root)
{
    const Type *type = composite(schema, root->type);

    return type && type->kind == VP_SCHEMA_ARRAY && type->n_members > 0 ? type->members[0].type
                                                                        : root->type;
}

bool
vp_schema_has(const VpSchema *schema, const char *option)
{
    return find_root(schema, option) != NULL;
}

VpValueType
vp_schema_lookup(const VpSchema *schema, const char *option, const char *driver, const char *key)
{
    const Part *root = find_root(schema, option);
    Search search = { .schema = schema, .whole = key };

    return root && *key ? descend(&search, root_type(schema, root), driver, key) : VP_TYPE_UNKNOWN;
}

void
vp_schema_each(const VpSchema *schema, const char *option, const char *key, VpSchemaFunc func,
               gpointer data)
{
    const Part *root = find_root(schema, option);
    const Type *type = root && *key ? composite(schema, root_type(schema, root)) : NULL;
    Search search = { .schema = schema, .whole = key };
    VpValueType found = VP_TYPE_UNKNOWN;

    if (!type || type->kind != VP_SCHEMA_OBJECT)
        return;
    found = descend_object(&search, type, "", key);
    if (found != VP_TYPE_UNKNOWN)
        func(NULL, found, data);
    for (guint i = 0; i < type->n_variants && found == VP_TYPE_UNKNOWN; i++) {
        VpValueType own = descend(&search, type->variants[i].type, NULL, key);

        if (own != VP_TYPE_UNKNOWN)
            func(type->variants[i].name, own, data);
    }
}
