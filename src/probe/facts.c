/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Facts are read in place: every text belongs to the variant, every property is one structure that
 * all device types share which have it. What is made here is a list of pointers a set of
 * properties, and an index of the devices by name and alias.
 *
 * The variant may come from a file that somebody has damaged. Its texts are what they are, but
 * every number in it is checked here, so that nothing that is asked later can go astray.
 */

#include "probe/facts.h"

#include "probe/facts_build.h"
#include "probe/schema.h"
#include "probe/types.h"

#include <stdlib.h>
#include <string.h>

/* One set of properties, which devices share. */
typedef struct Set {
    const VpDeviceProperty **properties;
    guint n;
} Set;

struct VpQemuFacts {
    gatomicrefcount references;
    GVariant *variant;
    const char *version;
    GArray *properties;   /* of VpDeviceProperty */
    GArray *sets;         /* of Set */
    GArray *devices;      /* of VpDeviceType, sorted */
    GHashTable *by_name;  /* VpDeviceType by name and alias */
    GArray *groups;       /* of VpOptionGroup */
    VpSchema *schema;
    VpFactsTypes types;
};

/* Children of the variant, in the order of VP_FACTS_TYPE. */
enum { VERSION, PROPERTIES, SETS, DEVICES, GROUPS, SCHEMA };

static const char *
or_null(const char *text)
{
    return *text ? text : NULL;
}

static void
read_properties(VpQemuFacts *facts)
{
    g_autoptr(GVariant) list = g_variant_get_child_value(facts->variant, PROPERTIES);
    VpDeviceProperty property = { 0 };
    GVariantIter iter;

    facts->properties = g_array_sized_new(FALSE, FALSE, sizeof(property),
                                          g_variant_iter_init(&iter, list));
    while (g_variant_iter_next(&iter, "(&s&s&s&s)", &property.name, &property.type,
                               &property.default_value, &property.description)) {
        property.default_value = or_null(property.default_value);
        property.description = or_null(property.description);
        g_array_append_val(facts->properties, property);
    }
}

static bool
read_set(VpQemuFacts *facts, GVariant *numbers)
{
    gsize n = 0;
    const guint32 *places = g_variant_get_fixed_array(numbers, &n, sizeof(*places));
    Set set = { .properties = g_new(const VpDeviceProperty *, n) };

    for (; set.n < n && places[set.n] < facts->properties->len; set.n++)
        set.properties[set.n] = &g_array_index(facts->properties, VpDeviceProperty, places[set.n]);
    g_array_append_val(facts->sets, set);
    return set.n == n;
}

static void
clear_set(gpointer data)
{
    g_free(((Set *)data)->properties);
}

static bool
read_sets(VpQemuFacts *facts)
{
    g_autoptr(GVariant) list = g_variant_get_child_value(facts->variant, SETS);
    gsize n = g_variant_n_children(list);

    facts->sets = g_array_sized_new(FALSE, FALSE, sizeof(Set), n);
    g_array_set_clear_func(facts->sets, clear_set);
    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) numbers = g_variant_get_child_value(list, i);

        if (!read_set(facts, numbers))
            return false;
    }
    return true;
}

static void
index_device(VpQemuFacts *facts, const char *name, const VpDeviceType *device)
{
    if (name && !g_hash_table_contains(facts->by_name, name))
        g_hash_table_insert(facts->by_name, (gpointer)name, (gpointer)device);
}

/* Names first: what is one device's alias may be another's name. */
static void
index_devices(VpQemuFacts *facts)
{
    facts->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < facts->devices->len; i++) {
        const VpDeviceType *device = &g_array_index(facts->devices, VpDeviceType, i);

        index_device(facts, device->name, device);
    }
    for (guint i = 0; i < facts->devices->len; i++) {
        const VpDeviceType *device = &g_array_index(facts->devices, VpDeviceType, i);

        index_device(facts, device->alias, device);
    }
}

static bool
read_devices(VpQemuFacts *facts)
{
    g_autoptr(GVariant) list = g_variant_get_child_value(facts->variant, DEVICES);
    VpDeviceType device = { 0 };
    gboolean creatable = FALSE;
    guint set = 0;
    GVariantIter iter;

    facts->devices = g_array_sized_new(FALSE, FALSE, sizeof(device),
                                       g_variant_iter_init(&iter, list));
    while (g_variant_iter_next(&iter, "(&s&s&s&s&sb&su)", &device.name, &device.bus, &device.alias,
                               &device.description, &device.category, &creatable, &device.broken,
                               &set)) {
        if (set >= facts->sets->len)
            return false;
        device.bus = or_null(device.bus);
        device.alias = or_null(device.alias);
        device.description = or_null(device.description);
        device.category = or_null(device.category);
        device.broken = or_null(device.broken);
        device.creatable = creatable;
        device.properties = g_array_index(facts->sets, Set, set).properties;
        device.n_properties = g_array_index(facts->sets, Set, set).n;
        g_array_append_val(facts->devices, device);
    }
    index_devices(facts);
    return true;
}

static void
clear_group(gpointer data)
{
    g_free((gpointer)((VpOptionGroup *)data)->keys);
}

static void
read_groups(VpQemuFacts *facts)
{
    g_autoptr(GVariant) list = g_variant_get_child_value(facts->variant, GROUPS);
    VpOptionGroup group = { 0 };
    GVariantIter iter;
    GVariantIter *pairs = NULL;

    facts->groups = g_array_sized_new(FALSE, FALSE, sizeof(group),
                                      g_variant_iter_init(&iter, list));
    g_array_set_clear_func(facts->groups, clear_group);
    while (g_variant_iter_next(&iter, "(&sa(ss))", &group.name, &pairs)) {
        VpGroupKey *keys = g_new0(VpGroupKey, g_variant_iter_n_children(pairs) + 1);

        group.n_keys = 0;
        while (g_variant_iter_next(pairs, "(&s&s)", &keys[group.n_keys].name,
                                   &keys[group.n_keys].type))
            group.n_keys++;
        group.keys = keys;
        g_variant_iter_free(pairs);
        g_array_append_val(facts->groups, group);
    }
}

static bool
read_schema(VpQemuFacts *facts)
{
    g_autoptr(GVariant) variant = g_variant_get_child_value(facts->variant, SCHEMA);

    facts->schema = vp_schema_new(variant);
    return facts->schema != NULL;
}

VpQemuFacts *
vp_qemu_facts_new(GVariant *variant)
{
    g_autoptr(VpQemuFacts) facts = NULL;

    if (!g_variant_is_of_type(variant, G_VARIANT_TYPE(VP_FACTS_TYPE)))
        return NULL;
    facts = g_new0(VpQemuFacts, 1);
    g_atomic_ref_count_init(&facts->references);
    facts->variant = g_variant_ref(variant);
    g_variant_get_child(variant, VERSION, "&s", &facts->version);
    read_properties(facts);
    read_groups(facts);
    if (!read_sets(facts) || !read_devices(facts) || !read_schema(facts))
        return NULL;
    vp_facts_types_init(&facts->types, facts, facts->schema);
    return g_steal_pointer(&facts);
}

VpQemuFacts *
vp_qemu_facts_ref(VpQemuFacts *facts)
{
    g_atomic_ref_count_inc(&facts->references);
    return facts;
}

void
vp_qemu_facts_unref(VpQemuFacts *facts)
{
    if (!facts || !g_atomic_ref_count_dec(&facts->references))
        return;
    g_clear_pointer(&facts->properties, g_array_unref);
    g_clear_pointer(&facts->sets, g_array_unref);
    g_clear_pointer(&facts->devices, g_array_unref);
    g_clear_pointer(&facts->by_name, g_hash_table_unref);
    g_clear_pointer(&facts->groups, g_array_unref);
    vp_schema_free(facts->schema);
    g_variant_unref(facts->variant);
    g_free(facts);
}

const char *
vp_qemu_facts_version(const VpQemuFacts *facts)
{
    return facts->version;
}

const VpDeviceType *
vp_qemu_facts_devices(const VpQemuFacts *facts, guint *ret_n)
{
    *ret_n = facts->devices->len;
    return (const VpDeviceType *)(gpointer)facts->devices->data;
}

const VpDeviceType *
vp_qemu_facts_device(const VpQemuFacts *facts, const char *name)
{
    return g_hash_table_lookup(facts->by_name, name);
}

static int
compare_name(gconstpointer name, gconstpointer member)
{
    const VpDeviceProperty *const *property = member;

    return strcmp(name, (*property)->name);
}

const VpDeviceProperty *
vp_device_property(const VpDeviceType *device, const char *name)
{
    const VpDeviceProperty *const *found = NULL;

    if (device->n_properties > 0)
        found = bsearch(name, device->properties, device->n_properties,
                        sizeof(device->properties[0]), compare_name);
    return found ? *found : NULL;
}

const VpOptionGroup *
vp_qemu_facts_group(const VpQemuFacts *facts, const char *name)
{
    for (guint i = 0; i < facts->groups->len; i++) {
        const VpOptionGroup *group = &g_array_index(facts->groups, VpOptionGroup, i);

        if (strcmp(group->name, name) == 0)
            return group;
    }
    return NULL;
}

const VpTypeSource *
vp_qemu_facts_types(const VpQemuFacts *facts)
{
    return &facts->types.source;
}
