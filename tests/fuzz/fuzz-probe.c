/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What calls itself QEMU through src/probe: its answers become facts, whatever they are, and all
 * that can be asked of facts is asked. An input is lines, the first byte says what the rest is:
 *
 *     g t q o s   answers, JSON: greeting, types, "info qdm", groups, schema
 *     p           properties of the next type
 *     l           a key to look up: OPTION TAB DRIVER TAB KEY
 *
 * or, if it begins with 'V', the bytes of a cache file's facts behind that.
 */

#include "probe/facts.h"
#include "probe/facts_build.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void
check_device(const VpQemuFacts *facts, const VpDeviceType *device)
{
    const VpDeviceType *found = vp_qemu_facts_device(facts, device->name);

    g_assert_nonnull(found);
    g_assert_cmpstr(found->name, ==, device->name);
    for (guint i = 0; i < device->n_properties; i++)
        g_assert_nonnull(device->properties[i]->name);
}

/* What is collected over all drivers is what each of them says. */
static void
check_key(const VpTypeSource *source, const char *option, const char *driver, const char *key)
{
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)vp_key_type_free);

    source->lookup(source, option, *driver ? driver : NULL, key);
    source->has_device(source, driver);
    source->collect(source, option, key, rows);
    for (guint i = 0; i < rows->len; i++) {
        const VpKeyType *row = rows->pdata[i];

        g_assert_cmpint(row->type, !=, VP_TYPE_UNKNOWN);
        g_assert_true((i == 0) == (row->driver == NULL));
    }
}

static void
check_facts(GVariant *variant, char **lines, bool ours)
{
    g_autoptr(VpQemuFacts) facts = vp_qemu_facts_new(variant);
    const VpDeviceType *devices = NULL;
    guint n = 0;

    g_assert_true(facts || !ours);
    if (!facts)
        return;
    devices = vp_qemu_facts_devices(facts, &n);
    for (guint i = 0; i < n; i++) {
        check_device(facts, &devices[i]);
        if (devices[i].n_properties > 0 && ours)
            g_assert_nonnull(vp_device_property(&devices[i], devices[i].properties[0]->name));
        check_key(vp_qemu_facts_types(facts), "device", devices[i].name, "id");
    }
    for (; lines && *lines; lines++) {
        g_auto(GStrv) words = g_strsplit(*lines, "\t", 3);

        if (**lines == 'l' && g_strv_length(words) == 3)
            check_key(vp_qemu_facts_types(facts), words[0] + 1, words[1], words[2]);
    }
}

/* @type: which one gets the next properties. */
static void
take_line(VpFactsBuilder *builder, char kind, const VpJsonNode *answer, guint *type)
{
    static const struct {
        char kind;
        bool (*add)(VpFactsBuilder *builder, const VpJsonNode *answer);
    } kinds[] = {
        { 'g', vp_facts_add_greeting }, { 't', vp_facts_add_types },  { 'q', vp_facts_add_qdm },
        { 'o', vp_facts_add_groups },   { 's', vp_facts_add_schema },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (kinds[i].kind == kind)
            kinds[i].add(builder, answer);
    }
    if (kind == 'p' && *type < vp_facts_n_types(builder) &&
        vp_facts_add_properties(builder, *type, answer))
        (*type)++;
}

static void
try_answers(const char *text)
{
    g_autoptr(VpFactsBuilder) builder = vp_facts_builder_new();
    g_autoptr(VpJsonTree) none = vp_json_tree_parse("[]", -1, NULL);
    g_autoptr(GVariant) variant = NULL;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    guint type = 0;

    for (char **line = lines; *line; line++) {
        g_autoptr(VpJsonTree) tree = **line && **line != 'l'
            ? vp_json_tree_parse(*line + 1, -1, NULL) : NULL;

        if (tree)
            take_line(builder, **line, vp_json_root(tree), &type);
    }
    for (; type < vp_facts_n_types(builder); type++)
        vp_facts_set_broken(builder, type, "no answer");
    vp_facts_add_groups(builder, vp_json_root(none)); /* an inquiry ends without these two */
    vp_facts_add_schema(builder, vp_json_root(none));
    variant = vp_facts_builder_end(builder);
    g_assert_true(g_variant_is_normal_form(variant));
    check_facts(variant, lines, true);
}

static void
try_file(const guint8 *data, gsize size)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(GVariant) variant = g_variant_ref_sink(
        g_variant_new_from_bytes(G_VARIANT_TYPE(VP_FACTS_TYPE), bytes, FALSE));

    if (g_variant_is_normal_form(variant))
        check_facts(variant, NULL, false);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autofree char *text = g_strndup((const char *)data, size);

    if (size > 0 && data[0] == 'V')
        try_file(data + 1, size - 1);
    else
        try_answers(text);
    return 0;
}
