/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * QEMU's answers become one GVariant: that is read in place, from memory and from a file, and what
 * is wrong in such a file cannot lead anywhere. Most properties occur in many device types, and
 * whole sets of them too (a stock QEMU has 62000 properties but 1200 different ones in 230 sets),
 * so each is kept once and referred to by number.
 *
 * A GVariant takes only valid UTF-8; QEMU writes nothing else, but it need not be QEMU.
 */

#include "probe/facts_build.h"

#include "base/limits.h"
#include "base/log.h"
#include "probe/qdm.h"
#include "probe/schema.h"

#include <string.h>

typedef struct Type {
    char *name;
    char *broken;      /* NULL: fine */
    guint set;
} Type;

struct VpFactsBuilder {
    char *version;
    GPtrArray *types;        /* of Type */
    GHashTable *qdm;         /* of VpQdmDevice, NULL: not heard of yet */
    GHashTable *properties;  /* place in property_list by text of the variant */
    GPtrArray *property_list; /* of GVariant (ssss) */
    GHashTable *sets;        /* place in set_list by text of the variant */
    GPtrArray *set_list;     /* of GVariant au */
    GVariant *groups;
    GVariant *schema;
};

static void
free_type(gpointer data)
{
    Type *type = data;

    g_free(type->name);
    g_free(type->broken);
    g_free(type);
}

static guint
hash_variant(gconstpointer key)
{
    g_autoptr(GBytes) bytes = g_variant_get_data_as_bytes((GVariant *)key);

    return g_bytes_hash(bytes);
}

static GPtrArray *
variant_list(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
}

VpFactsBuilder *
vp_facts_builder_new(void)
{
    VpFactsBuilder *builder = g_new0(VpFactsBuilder, 1);

    builder->types = g_ptr_array_new_with_free_func(free_type);
    builder->property_list = variant_list();
    builder->properties = g_hash_table_new(hash_variant, g_variant_equal);
    builder->set_list = variant_list();
    builder->sets = g_hash_table_new(hash_variant, g_variant_equal);
    return builder;
}

void
vp_facts_builder_free(VpFactsBuilder *builder)
{
    if (!builder)
        return;
    g_free(builder->version);
    g_ptr_array_unref(builder->types);
    g_clear_pointer(&builder->qdm, g_hash_table_unref);
    g_hash_table_unref(builder->properties);
    g_ptr_array_unref(builder->property_list);
    g_hash_table_unref(builder->sets);
    g_ptr_array_unref(builder->set_list);
    g_clear_pointer(&builder->groups, g_variant_unref);
    g_clear_pointer(&builder->schema, g_variant_unref);
    g_free(builder);
}

/* @text as a variant takes it, "" for NULL. */
static GVariant *
text_variant(const char *text)
{
    if (!text)
        return g_variant_new_string("");
    return g_variant_new_take_string(g_utf8_make_valid(text, -1));
}

/* The place of @variant, which may be floating, among those in @list; equal ones share one. */
static guint
intern(GPtrArray *list, GHashTable *places, GVariant *variant)
{
    g_autoptr(GVariant) owned = g_variant_ref_sink(variant);
    gpointer place = NULL;

    if (g_hash_table_lookup_extended(places, owned, NULL, &place))
        return GPOINTER_TO_UINT(place);
    g_hash_table_insert(places, owned, GUINT_TO_POINTER(list->len));
    g_ptr_array_add(list, g_variant_ref(owned));
    return list->len - 1;
}

bool
vp_facts_add_greeting(VpFactsBuilder *builder, const VpJsonNode *greeting)
{
    const VpJsonNode *version = vp_json_get(greeting, "version");
    const VpJsonNode *numbers = vp_json_get(version, "qemu");
    const char *package = vp_json_get_string(version, "package");

    if (!numbers)
        return false;
    g_free(builder->version);
    builder->version = g_strdup_printf("%d.%d.%d", (int)vp_json_get_int(numbers, "major", 0),
                                       (int)vp_json_get_int(numbers, "minor", 0),
                                       (int)vp_json_get_int(numbers, "micro", 0));
    if (package && *package) {
        g_autofree char *bare = builder->version;

        builder->version = g_strdup_printf("%s (%s)", bare, package);
    }
    return true;
}

/* a(ss) of an array of objects. */
static GVariant *
pairs(const VpJsonNode *array, const char *first, const char *second)
{
    GVariantBuilder out;

    g_variant_builder_init(&out, G_VARIANT_TYPE("a(ss)"));
    for (guint i = 0; i < vp_json_length(array); i++) {
        const VpJsonNode *object = vp_json_at(array, i);

        g_variant_builder_add(&out, "(@s@s)", text_variant(vp_json_get_string(object, first)),
                              text_variant(vp_json_get_string(object, second)));
    }
    return g_variant_builder_end(&out);
}

bool
vp_facts_add_groups(VpFactsBuilder *builder, const VpJsonNode *groups)
{
    GVariantBuilder out;

    if (!vp_json_is(groups, VP_JSON_NODE_ARRAY) || builder->groups)
        return false;
    g_variant_builder_init(&out, G_VARIANT_TYPE("a(sa(ss))"));
    for (guint i = 0; i < vp_json_length(groups); i++) {
        const VpJsonNode *group = vp_json_at(groups, i);
        const char *name = vp_json_get_string(group, "option");

        if (name && *name)
            g_variant_builder_add(&out, "(@s@a(ss))", text_variant(name),
                                  pairs(vp_json_get(group, "parameters"), "name", "type"));
    }
    builder->groups = g_variant_ref_sink(g_variant_builder_end(&out));
    return true;
}

bool
vp_facts_add_schema(VpFactsBuilder *builder, const VpJsonNode *schema)
{
    GVariant *digest = builder->schema ? NULL : vp_schema_digest(schema);

    if (!digest)
        return false;
    builder->schema = g_variant_ref_sink(digest);
    return true;
}

static int
compare_types(gconstpointer a, gconstpointer b)
{
    const Type *const *left = a;
    const Type *const *right = b;

    return strcmp((*left)->name, (*right)->name);
}

bool
vp_facts_add_types(VpFactsBuilder *builder, const VpJsonNode *types)
{
    guint n = vp_json_length(types);

    if (!vp_json_is(types, VP_JSON_NODE_ARRAY) || n > VP_PROBE_TYPES_MAX || builder->types->len > 0)
        return false;
    for (guint i = 0; i < n; i++) {
        const char *name = vp_json_get_string(vp_json_at(types, i), "name");
        Type *type = NULL;

        if (!name || !*name || !g_utf8_validate(name, -1, NULL))
            return false;
        type = g_new0(Type, 1);
        type->name = g_strdup(name);
        g_ptr_array_add(builder->types, type);
    }
    g_ptr_array_sort(builder->types, compare_types);
    return true;
}

bool
vp_facts_add_qdm(VpFactsBuilder *builder, const VpJsonNode *text)
{
    g_autofree char *line = NULL;

    if (!vp_json_is(text, VP_JSON_NODE_STRING) || builder->qdm)
        return false;
    builder->qdm = vp_qdm_parse(vp_json_string(text), &line);
    if (line)
        vp_log_warning("QEMU's \"info qdm\" has a line that is not understood: %.200s", line);
    return true;
}

guint
vp_facts_n_types(const VpFactsBuilder *builder)
{
    return builder->types->len;
}

const char *
vp_facts_type_name(const VpFactsBuilder *builder, guint type)
{
    return ((const Type *)g_ptr_array_index(builder->types, type))->name;
}

/* Parts of the device, which are no options of -device. */
static bool
is_part(const char *type)
{
    return g_str_has_prefix(type, "child<");
}

static int
compare_properties(gconstpointer a, gconstpointer b)
{
    const VpJsonNode *const *left = a;
    const VpJsonNode *const *right = b;

    return strcmp(vp_json_get_string(*left, "name"), vp_json_get_string(*right, "name"));
}

/* The properties that can be given, sorted by name; NULL when something else is among them. */
static GPtrArray *
sort_properties(const VpJsonNode *properties)
{
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();

    if (!vp_json_is(properties, VP_JSON_NODE_ARRAY))
        return NULL;
    for (guint i = 0; i < vp_json_length(properties); i++) {
        const VpJsonNode *property = vp_json_at(properties, i);
        const char *type = vp_json_get_string(property, "type");

        if (!type || !vp_json_get_string(property, "name"))
            return NULL;
        if (!is_part(type))
            g_ptr_array_add(sorted, (gpointer)property);
    }
    g_ptr_array_sort(sorted, compare_properties);
    return g_steal_pointer(&sorted);
}

static GVariant *
property_variant(const VpJsonNode *property)
{
    const VpJsonNode *value = vp_json_get(property, "default-value");
    gsize size = 0;
    const char *text = value ? vp_json_text(value, &size) : NULL;
    g_autofree char *copy = text ? g_strndup(text, size) : NULL;

    return g_variant_new("(@s@s@s@s)", text_variant(vp_json_get_string(property, "name")),
                         text_variant(vp_json_get_string(property, "type")), text_variant(copy),
                         text_variant(vp_json_get_string(property, "description")));
}

bool
vp_facts_add_properties(VpFactsBuilder *builder, guint type, const VpJsonNode *properties)
{
    g_autoptr(GPtrArray) sorted = sort_properties(properties);
    GVariantBuilder out;

    if (!sorted)
        return false;
    g_variant_builder_init(&out, G_VARIANT_TYPE("au"));
    for (guint i = 0; i < sorted->len; i++)
        g_variant_builder_add(&out, "u", intern(builder->property_list, builder->properties,
                                                property_variant(sorted->pdata[i])));
    ((Type *)g_ptr_array_index(builder->types, type))->set =
        intern(builder->set_list, builder->sets, g_variant_builder_end(&out));
    return true;
}

void
vp_facts_set_broken(VpFactsBuilder *builder, guint type, const char *reason)
{
    Type *broken = g_ptr_array_index(builder->types, type);

    g_free(broken->broken);
    broken->broken = g_strdup(reason);
    broken->set = intern(builder->set_list, builder->sets, g_variant_new("au", NULL));
}

static GVariant *
device_variant(const VpFactsBuilder *builder, const Type *type)
{
    static const VpQdmDevice unknown = { .creatable = true };
    const VpQdmDevice *qdm = builder->qdm ? g_hash_table_lookup(builder->qdm, type->name) : NULL;

    if (!qdm)
        qdm = &unknown;
    return g_variant_new("(@s@s@s@s@sb@su)", text_variant(type->name), text_variant(qdm->bus),
                         text_variant(qdm->alias), text_variant(qdm->description),
                         text_variant(qdm->category), qdm->creatable, text_variant(type->broken),
                         type->set);
}

static GVariant *
list_variant(const char *type, const GPtrArray *list)
{
    return g_variant_new_array(G_VARIANT_TYPE(type), (GVariant **)list->pdata, list->len);
}

GVariant *
vp_facts_builder_end(VpFactsBuilder *builder)
{
    GVariantBuilder devices;

    g_variant_builder_init(&devices, G_VARIANT_TYPE("a(sssssbsu)"));
    for (guint i = 0; i < builder->types->len; i++)
        g_variant_builder_add_value(&devices, device_variant(builder, builder->types->pdata[i]));
    return g_variant_ref_sink(g_variant_new("(@s@a(ssss)@aau@a(sssssbsu)@a(sa(ss))@" VP_SCHEMA_TYPE
                                            ")",
                                            text_variant(builder->version),
                                            list_variant("(ssss)", builder->property_list),
                                            list_variant("au", builder->set_list),
                                            g_variant_builder_end(&devices), builder->groups,
                                            builder->schema));
}
