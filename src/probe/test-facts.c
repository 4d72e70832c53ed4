/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Facts made of small answers: what comes out, which types keys have, and what a damaged cache
 * could claim. */

#include "probe/facts_build.h"

#include "base/limits.h"
#include "probe/facts.h"

#include <string.h>

/* The answers of a QEMU with five device types. */
#define GREETING "{\"version\":{\"qemu\":{\"major\":7,\"minor\":2,\"micro\":22},\"package\":\"P\"}}"
#define TYPES                                                                                      \
    "[{\"name\":\"net\",\"parent\":\"x\"},{\"name\":\"blk\"},{\"name\":\"odd\"},"                  \
    "{\"name\":\"gl\"},{\"name\":\"nic\"}]"
#define QDM                                                                                        \
    "\"Network devices:\\r\\n"                                                                    \
    "name \\\"net\\\", bus PCI, alias \\\"nic\\\", desc \\\"Card\\\"\\r\\n" \
    "Storage devices:\\r\\nname \\\"blk\\\", bus PCI, alias \\\"disk\\\", no-user\\r\\n\""
#define ADDR                                                                                       \
    "{\"name\":\"addr\",\"type\":\"int32\",\"default-value\":-1,"                                  \
    "\"description\":\"Slot and optional function number, example: 06.0 or 06\"}"
#define NET                                                                                        \
    "[{\"name\":\"mac\",\"type\":\"str\"}," ADDR ",{\"name\":\"x\",\"type\":\"bool\"},"            \
    "{\"name\":\"part[0]\",\"type\":\"child<irq>\"}]"
#define BLK                                                                                        \
    "[{\"name\":\"x\",\"type\":\"uint16\"}," ADDR ",{\"name\":\"bytes\",\"type\":\"size\"},"       \
    "{\"name\":\"io\",\"type\":\"link<iothread>\"},{\"name\":\"onoff\",\"type\":\"OnOffAuto\","    \
    "\"default-value\":\"auto\"},{\"name\":\"list\",\"type\":\"IOThreadMappingList\"}]"
#define ODD "[{\"name\":\"addr\",\"type\":\"int32\"},{\"name\":\"x\",\"type\":\"bool\"}]"
#define NIC "[{\"name\":\"x\",\"type\":\"bool\"}]"
#define GROUPS                                                                                     \
    "[{\"option\":\"chardev\",\"parameters\":[{\"name\":\"path\",\"type\":\"string\"},"            \
    "{\"name\":\"wait\",\"type\":\"boolean\"},{\"name\":\"cols\",\"type\":\"number\"},"            \
    "{\"name\":\"size\",\"type\":\"size\"}]},{\"option\":\"machine\",\"parameters\":[]},"          \
    "{\"option\":\"\",\"parameters\":[]}]"
/* object: a union with a nested one, an alternate, a list, an enum, a circle. */
#define SCHEMA                                                                                     \
    "[{\"name\":\"object-add\",\"meta-type\":\"command\",\"arg-type\":\"1\",\"ret-type\":\"0\"},"  \
    "{\"name\":\"object-add\",\"meta-type\":\"event\",\"arg-type\":\"0\"},"                        \
    "{\"name\":\"query-display-options\",\"meta-type\":\"command\",\"ret-type\":\"[2]\"},"         \
    "{\"name\":\"0\",\"meta-type\":\"object\",\"members\":[]},"                                    \
    "{\"name\":\"1\",\"meta-type\":\"object\",\"tag\":\"kind\",\"members\":["                      \
    "{\"name\":\"kind\",\"type\":\"E\"},{\"name\":\"id\",\"type\":\"str\"}],\"variants\":["        \
    "{\"case\":\"ram\",\"type\":\"2\"},{\"case\":\"file\",\"type\":\"3\"},"                        \
    "{\"case\":\"none\",\"type\":\"0\"}]},"                                                        \
    "{\"name\":\"2\",\"meta-type\":\"object\",\"members\":[{\"name\":\"size\",\"type\":\"int\"},"  \
    "{\"name\":\"share\",\"type\":\"bool\"},{\"name\":\"nodes\",\"type\":\"[int]\"},"              \
    "{\"name\":\"any\",\"type\":\"any\"},{\"name\":\"x\",\"type\":\"number\"}]},"                  \
    "{\"name\":\"3\",\"meta-type\":\"object\",\"members\":[{\"name\":\"x\",\"type\":\"number\"},"  \
    "{\"name\":\"file\",\"type\":\"A\"},{\"name\":\"share\",\"type\":\"str\"}]},"                  \
    "{\"name\":\"A\",\"meta-type\":\"alternate\",\"members\":[{\"type\":\"1\"},"                \
    "{\"type\":\"str\"}]},"                                                                        \
    "{\"name\":\"[int]\",\"meta-type\":\"array\",\"element-type\":\"int\"},"                       \
    "{\"name\":\"[2]\",\"meta-type\":\"array\",\"element-type\":\"2\"},"                           \
    "{\"name\":\"E\",\"meta-type\":\"enum\",\"values\":[\"ram\"]},"                                \
    "{\"name\":\"int\",\"meta-type\":\"builtin\",\"json-type\":\"int\"},"                          \
    "{\"name\":\"str\",\"meta-type\":\"builtin\",\"json-type\":\"string\"},"                       \
    "{\"name\":\"bool\",\"meta-type\":\"builtin\",\"json-type\":\"boolean\"},"                     \
    "{\"name\":\"any\",\"meta-type\":\"builtin\",\"json-type\":\"value\"},"                        \
    "{\"name\":\"number\",\"meta-type\":\"builtin\",\"json-type\":\"number\"}]"

typedef bool (*AddFunc)(VpFactsBuilder *builder, const VpJsonNode *answer);

static bool
add(VpFactsBuilder *builder, AddFunc func, const char *json)
{
    g_autoptr(VpJsonTree) tree = vp_json_tree_parse(json, -1, NULL);

    g_assert_nonnull(tree);
    return func(builder, vp_json_root(tree));
}

static guint
type_number(const VpFactsBuilder *builder, const char *name)
{
    guint i = 0;

    while (strcmp(vp_facts_type_name(builder, i), name) != 0)
        i++;
    return i;
}

static bool
add_properties(VpFactsBuilder *builder, const char *name, const char *json)
{
    g_autoptr(VpJsonTree) tree = vp_json_tree_parse(json, -1, NULL);

    g_assert_nonnull(tree);
    return vp_facts_add_properties(builder, type_number(builder, name), vp_json_root(tree));
}

static GVariant *
build(void)
{
    g_autoptr(VpFactsBuilder) builder = vp_facts_builder_new();

    g_assert_true(add(builder, vp_facts_add_greeting, GREETING));
    g_assert_true(add(builder, vp_facts_add_types, TYPES));
    g_assert_true(add(builder, vp_facts_add_qdm, QDM));
    g_assert_true(add(builder, vp_facts_add_groups, GROUPS));
    g_assert_true(add(builder, vp_facts_add_schema, SCHEMA));
    g_assert_cmpuint(vp_facts_n_types(builder), ==, 5);
    g_assert_true(add_properties(builder, "net", NET));
    g_assert_true(add_properties(builder, "blk", BLK));
    g_assert_true(add_properties(builder, "odd", ODD));
    g_assert_true(add_properties(builder, "nic", NIC));
    vp_facts_set_broken(builder, type_number(builder, "gl"), "it ends");
    return vp_facts_builder_end(builder);
}

static VpQemuFacts *
facts_new(void)
{
    g_autoptr(GVariant) variant = build();
    VpQemuFacts *facts = vp_qemu_facts_new(variant);

    g_assert_nonnull(facts);
    return facts;
}

static void
test_devices(void)
{
    g_autoptr(VpQemuFacts) facts = facts_new();
    guint n = 0;
    const VpDeviceType *devices = vp_qemu_facts_devices(facts, &n);
    const VpDeviceType *net = vp_qemu_facts_device(facts, "net");

    g_assert_cmpstr(vp_qemu_facts_version(facts), ==, "7.2.22 (P)");
    g_assert_cmpuint(n, ==, 5);
    g_assert_cmpstr(devices[0].name, ==, "blk");
    g_assert_cmpstr(devices[4].name, ==, "odd");
    g_assert_false(devices[0].creatable);
    g_assert_cmpstr(net->bus, ==, "PCI");
    g_assert_cmpstr(net->alias, ==, "nic");
    g_assert_cmpstr(net->category, ==, "Network");
    g_assert_cmpstr(net->description, ==, "Card");
    g_assert_true(net->creatable);
    g_assert_null(net->broken);
    g_assert_cmpuint(net->n_properties, ==, 3);
    g_assert_cmpstr(net->properties[0]->name, ==, "addr");
    g_assert_cmpstr(net->properties[0]->default_value, ==, "-1");
    g_assert_cmpstr(net->properties[1]->name, ==, "mac");
    g_assert_null(net->properties[1]->default_value);
    g_assert_null(vp_device_property(net, "part[0]"));
    g_assert_cmpstr(vp_device_property(&devices[0], "onoff")->default_value, ==, "\"auto\"");
    /* What "info qdm" does not tell of is not invented. */
    g_assert_null(vp_qemu_facts_device(facts, "odd")->bus);
    g_assert_null(vp_qemu_facts_device(facts, "odd")->category);
    g_assert_cmpstr(vp_qemu_facts_device(facts, "gl")->broken, ==, "it ends");
    g_assert_cmpuint(vp_qemu_facts_device(facts, "gl")->n_properties, ==, 0);
    g_assert_null(vp_device_property(vp_qemu_facts_device(facts, "gl"), "x"));
}

/* A name goes before another type's alias. */
static void
test_names(void)
{
    g_autoptr(VpQemuFacts) facts = facts_new();

    g_assert_cmpstr(vp_qemu_facts_device(facts, "disk")->name, ==, "blk");
    g_assert_cmpstr(vp_qemu_facts_device(facts, "nic")->name, ==, "nic");
    g_assert_null(vp_qemu_facts_device(facts, "none"));
}

/* Equal properties are one, whoever has them. */
static void
test_shared(void)
{
    g_autoptr(VpQemuFacts) facts = facts_new();
    const VpDeviceType *net = vp_qemu_facts_device(facts, "net");
    const VpDeviceType *blk = vp_qemu_facts_device(facts, "blk");
    const VpDeviceType *odd = vp_qemu_facts_device(facts, "odd");

    g_assert_true(vp_device_property(net, "addr") == vp_device_property(blk, "addr"));
    g_assert_true(vp_device_property(net, "x") == vp_device_property(odd, "x"));
    g_assert_false(vp_device_property(net, "x") == vp_device_property(blk, "x"));
}

static void
test_groups(void)
{
    g_autoptr(VpQemuFacts) facts = facts_new();

    g_assert_cmpuint(vp_qemu_facts_group(facts, "chardev")->n_keys, ==, 4);
    g_assert_cmpstr(vp_qemu_facts_group(facts, "chardev")->keys[1].name, ==, "wait");
    g_assert_cmpuint(vp_qemu_facts_group(facts, "machine")->n_keys, ==, 0);
    g_assert_null(vp_qemu_facts_group(facts, "cpudef"));
    g_assert_null(vp_qemu_facts_group(facts, ""));
}

static void
test_lookup(void)
{
    static const struct {
        const char *option, *driver, *key;
        VpValueType type;
    } cases[] = {
        { "device", "net", "mac", VP_TYPE_STRING },
        { "device", "net", "addr", VP_TYPE_STRING },
        { "device", "odd", "addr", VP_TYPE_INT }, /* of another kind */
        { "device", "net", "x", VP_TYPE_BOOL },
        { "device", "disk", "x", VP_TYPE_INT },
        { "device", "disk", "bytes", VP_TYPE_SIZE },
        { "device", "disk", "io", VP_TYPE_STRING },
        { "device", "disk", "onoff", VP_TYPE_STRING },
        { "device", "disk", "list", VP_TYPE_OTHER },
        { "device", "net", "driver", VP_TYPE_STRING },
        { "device", "net", "id", VP_TYPE_STRING },
        { "device", "net", "bus", VP_TYPE_STRING },
        { "device", "net", "none", VP_TYPE_UNKNOWN },
        { "device", "net", "part[0]", VP_TYPE_UNKNOWN },
        { "device", "none", "id", VP_TYPE_UNKNOWN },
        { "device", NULL, "mac", VP_TYPE_UNKNOWN },
        { "object", "ram", "kind", VP_TYPE_STRING },
        { "object", NULL, "id", VP_TYPE_STRING },
        { "object", "ram", "size", VP_TYPE_SIZE },
        { "object", "ram", "share", VP_TYPE_BOOL },
        { "object", "file", "share", VP_TYPE_STRING },
        { "object", "file", "size", VP_TYPE_UNKNOWN },
        { "object", "none", "share", VP_TYPE_UNKNOWN },
        { "object", "other", "share", VP_TYPE_UNKNOWN },
        { "object", "other", "id", VP_TYPE_STRING },
        { "object", "ram", "x", VP_TYPE_NUMBER },
        { "object", "ram", "any", VP_TYPE_OTHER },
        { "object", "ram", "nodes", VP_TYPE_OTHER },
        { "object", "ram", "nodes.0", VP_TYPE_INT },
        { "object", "ram", "nodes.17", VP_TYPE_INT },
        { "object", "ram", "nodes.x", VP_TYPE_UNKNOWN },
        { "object", "ram", "nodes.1x", VP_TYPE_UNKNOWN },
        { "object", "ram", "nodes.0.y", VP_TYPE_UNKNOWN },
        { "object", "ram", "share.y", VP_TYPE_UNKNOWN },
        { "object", "ram", "sharey", VP_TYPE_UNKNOWN },
        { "object", "ram", "", VP_TYPE_UNKNOWN },
        { "object", "ram", ".", VP_TYPE_UNKNOWN },
        { "object", "file", "file", VP_TYPE_STRING },
        { "object", "file", "file.size", VP_TYPE_SIZE },
        { "object", "file", "file.file.file.nodes.3", VP_TYPE_INT },
        { "object", "file", "file.share", VP_TYPE_BOOL }, /* of the first that has it */
        { "display", NULL, "size", VP_TYPE_SIZE },        /* what the list holds */
        { "netdev", "user", "id", VP_TYPE_UNKNOWN },      /* no such root */
        { "audiodev", "none", "in.try-poll", VP_TYPE_BOOL },
        { "audiodev", NULL, "timer-period", VP_TYPE_INT },
        { "audiodev", NULL, "bogus", VP_TYPE_UNKNOWN },
        { "chardev", "socket", "wait", VP_TYPE_BOOL },
        { "chardev", NULL, "path", VP_TYPE_STRING },
        { "chardev", NULL, "cols", VP_TYPE_INT },
        { "chardev", NULL, "size", VP_TYPE_SIZE },
        { "chardev", NULL, "bogus", VP_TYPE_UNKNOWN },
        { "bogus", NULL, "path", VP_TYPE_UNKNOWN },
    };
    g_autoptr(VpQemuFacts) facts = facts_new();
    const VpTypeSource *source = vp_qemu_facts_types(facts);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s %s %s", cases[i].option, cases[i].driver ?: "-", cases[i].key);
        g_assert_cmpint(source->lookup(source, cases[i].option, cases[i].driver, cases[i].key), ==,
                        cases[i].type);
    }
    g_assert_true(source->has_device(source, "net"));
    g_assert_true(source->has_device(source, "disk"));
    g_assert_true(source->has_device(source, "gl"));
    g_assert_false(source->has_device(source, "none"));
}

static char *
collected(const VpTypeSource *source, const char *option, const char *key)
{
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)vp_key_type_free);
    g_autoptr(GString) text = g_string_new(NULL);

    source->collect(source, option, key, rows);
    for (guint i = 0; i < rows->len; i++) {
        const VpKeyType *row = rows->pdata[i];

        g_assert_cmpstr(row->option, ==, option);
        g_assert_cmpstr(row->key, ==, key);
        g_string_append_printf(text, "%s=%s ", row->driver ?: "*", vp_value_type_names[row->type]);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void
test_collect(void)
{
    static const struct {
        const char *option, *key, *rows;
    } cases[] = {
        { "device", "x", "*=bool blk=int disk=int " },
        { "device", "mac", "*=string " },
        { "device", "addr", "*=string odd=int " },
        { "device", "id", "*=string " },
        { "device", "none", "" },
        { "object", "id", "*=string " },
        { "object", "size", "*=size " },
        { "object", "share", "*=bool file=string " },
        { "object", "none", "" },
        { "chardev", "wait", "*=bool " },
        { "chardev", "none", "" },
        { "audiodev", "in.channels", "*=int " },
        { "bogus", "x", "" },
    };
    g_autoptr(VpQemuFacts) facts = facts_new();
    const VpTypeSource *source = vp_qemu_facts_types(facts);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *rows = collected(source, cases[i].option, cases[i].key);

        g_assert_cmpstr(rows, ==, cases[i].rows);
    }
}

/* Each answer that is none, and then a good one. */
static void
test_bad_answers(void)
{
    static const struct {
        AddFunc func;
        const char *bad[4];
        const char *good;
    } cases[] = {
        { vp_facts_add_greeting, { "{}", "[]", "{\"version\":{}}", "null" }, GREETING },
        { vp_facts_add_types, { "{}", "[{}]", "[{\"name\":\"\"}]", "[{\"name\":1}]" }, TYPES },
        { vp_facts_add_qdm, { "{}", "[]", "null", "1" }, QDM },
        { vp_facts_add_groups, { "{}", "\"\"", "null", "1" }, GROUPS },
        { vp_facts_add_schema, { "{}", "\"\"", "null", "1" }, SCHEMA },
    };
    g_autoptr(VpFactsBuilder) builder = vp_facts_builder_new();

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (gsize j = 0; j < G_N_ELEMENTS(cases[i].bad); j++)
            g_assert_false(add(builder, cases[i].func, cases[i].bad[j]));
        g_assert_true(add(builder, cases[i].func, cases[i].good));
    }
    g_assert_false(add_properties(builder, "net", "{}"));
    g_assert_false(add_properties(builder, "net", "[{\"name\":\"x\"}]"));
    g_assert_false(add_properties(builder, "net", "[{\"type\":\"x\"}]"));
    g_assert_true(add_properties(builder, "net", NET));
}

static char *
n_types(guint n)
{
    g_autoptr(GString) json = g_string_new("[");

    for (guint i = 0; i < n; i++)
        g_string_append_printf(json, "%s{\"name\":\"t%u\"}", i ? "," : "", i);
    g_string_append_c(json, ']');
    return g_string_free(g_steal_pointer(&json), FALSE);
}

static void
test_types_limit(void)
{
    g_autoptr(VpFactsBuilder) builder = vp_facts_builder_new();
    g_autofree char *most = n_types(VP_PROBE_TYPES_MAX);
    g_autofree char *more = n_types(VP_PROBE_TYPES_MAX + 1);

    g_assert_false(add(builder, vp_facts_add_types, more));
    g_assert_cmpuint(vp_facts_n_types(builder), ==, 0);
    g_assert_true(add(builder, vp_facts_add_types, most));
    g_assert_cmpuint(vp_facts_n_types(builder), ==, VP_PROBE_TYPES_MAX);
}

/* Half a pair of UTF-16, as bytes: no UTF-8, which JSON's parser lets pass. */
#define SURROGATE "\xed\xa0\x80"

static void
test_no_utf8(void)
{
    g_autoptr(VpFactsBuilder) builder = vp_facts_builder_new();

    g_assert_false(add(builder, vp_facts_add_types, "[{\"name\":\"" SURROGATE "\"}]"));
    g_assert_true(add(builder, vp_facts_add_types, TYPES));
    g_assert_true(add_properties(builder, "net",
                                 "[{\"name\":\"" SURROGATE "\",\"type\":\"" SURROGATE "\","
                                 "\"default-value\":\"" SURROGATE "\","
                                 "\"description\":\"" SURROGATE "\"}]"));
}

/* A union that contains itself, twice, would take for ever. */
static void
test_endless_schema(void)
{
    static const char schema[] =
        "[{\"name\":\"object-add\",\"meta-type\":\"command\",\"arg-type\":\"U\"},"
        "{\"name\":\"U\",\"meta-type\":\"object\",\"members\":[],\"tag\":\"t\",\"variants\":["
        "{\"case\":\"a\",\"type\":\"U\"},{\"case\":\"b\",\"type\":\"A\"}]},"
        "{\"name\":\"A\",\"meta-type\":\"alternate\",\"members\":[{\"type\":\"A\"},"
        "{\"type\":\"U\"},{\"type\":\"U\"}]}]";
    g_autoptr(VpJsonTree) tree = vp_json_tree_parse(schema, -1, NULL);
    g_autoptr(GVariant) digest = g_variant_ref_sink(vp_schema_digest(vp_json_root(tree)));
    g_autoptr(VpSchema) made = vp_schema_new(digest);

    g_assert_cmpint(vp_schema_lookup(made, "object", NULL, "x"), ==, VP_TYPE_UNKNOWN);
    g_assert_cmpint(vp_schema_lookup(made, "object", "b", "x.y"), ==, VP_TYPE_UNKNOWN);
}

/* An object of depth @n around a text: "a.a.a" for 3. */
static VpValueType
lookup_nested(guint n)
{
    g_autoptr(GString) json = g_string_new("[{\"name\":\"object-add\",\"meta-type\":\"command\","
                                           "\"arg-type\":\"0\"}");
    g_autoptr(GString) key = g_string_new("a");
    g_autoptr(VpJsonTree) tree = NULL;
    g_autoptr(GVariant) digest = NULL;
    g_autoptr(VpSchema) schema = NULL;

    for (guint i = 0; i < n; i++)
        g_string_append_printf(json, ",{\"name\":\"%u\",\"meta-type\":\"object\",\"members\":["
                               "{\"name\":\"a\",\"type\":\"%u\"}]}", i, i + 1);
    for (guint i = 1; i < n; i++)
        g_string_append(key, ".a");
    g_string_append_printf(json, ",{\"name\":\"%u\",\"meta-type\":\"enum\"}]", n);
    tree = vp_json_tree_parse(json->str, -1, NULL);
    digest = g_variant_ref_sink(vp_schema_digest(vp_json_root(tree)));
    schema = vp_schema_new(digest);
    return vp_schema_lookup(schema, "object", NULL, key->str);
}

static void
test_schema_depth(void)
{
    g_assert_cmpint(lookup_nested(VP_SCHEMA_DEPTH_MAX), ==, VP_TYPE_STRING);
    g_assert_cmpint(lookup_nested(VP_SCHEMA_DEPTH_MAX + 1), ==, VP_TYPE_UNKNOWN);
}

/* The key is in the last of @n variants, each of which is a step. */
static VpValueType
lookup_wide(guint n)
{
    g_autoptr(GString) json = g_string_new("[{\"name\":\"object-add\",\"meta-type\":\"command\","
                                           "\"arg-type\":\"0\"},{\"name\":\"s\",\"meta-type\":"
                                           "\"enum\"},{\"name\":\"e\",\"meta-type\":\"object\"},"
                                           "{\"name\":\"l\",\"meta-type\":\"object\",\"members\":["
                                           "{\"name\":\"a\",\"type\":\"s\"}]},{\"name\":\"0\","
                                           "\"meta-type\":\"object\",\"variants\":[");
    g_autoptr(VpJsonTree) tree = NULL;
    g_autoptr(GVariant) digest = NULL;
    g_autoptr(VpSchema) schema = NULL;

    for (guint i = 1; i < n; i++)
        g_string_append_printf(json, "{\"case\":\"%u\",\"type\":\"e\"},", i);
    g_string_append(json, "{\"case\":\"l\",\"type\":\"l\"}]}]");
    tree = vp_json_tree_parse(json->str, -1, NULL);
    digest = g_variant_ref_sink(vp_schema_digest(vp_json_root(tree)));
    schema = vp_schema_new(digest);
    return vp_schema_lookup(schema, "object", NULL, "a");
}

static void
test_schema_steps(void)
{
    g_assert_cmpint(lookup_wide(VP_SCHEMA_STEPS_MAX - 1), ==, VP_TYPE_STRING);
    g_assert_cmpint(lookup_wide(VP_SCHEMA_STEPS_MAX), ==, VP_TYPE_UNKNOWN);
}

/* Numbers that point to nothing, which only a damaged file has. */
static void
test_bad_numbers(void)
{
#define EMPTY_SCHEMA "([], [])"
    static const char *const bad[] = {
        "('7', [], [[0]], [], [], " EMPTY_SCHEMA ")",
        "('7', [], [], [('a', '', '', '', '', true, '', 0)], [], " EMPTY_SCHEMA ")",
        "('7', [('a', 'b', '', '')], [[0, 1]], [], [], " EMPTY_SCHEMA ")",
        "('7', [], [], [], [], ([('object', 5)], []))",
        "('7', [], [], [], [], ([], [(5, '', [('a', 6)], [])]))",
        "('7', [], [], [], [], ([], [(5, '', [], [('a', 4294967295)])]))",
    };
    static const char good[] = "('7', [('a', 'b', '', '')], [[0]], [('d', '', '', '', '', true, "
                               "'', 0)], [], ([('object', 5)], [(5, '', [('a', 0)], [])]))";

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GVariant) variant = g_variant_parse(G_VARIANT_TYPE(VP_FACTS_TYPE), bad[i], NULL,
                                                      NULL, NULL);

        g_assert_nonnull(variant);
        g_assert_null(vp_qemu_facts_new(variant));
    }
    {
        g_autoptr(GVariant) variant = g_variant_parse(G_VARIANT_TYPE(VP_FACTS_TYPE), good, NULL,
                                                      NULL, NULL);
        g_autoptr(GVariant) other = g_variant_ref_sink(g_variant_new_string(""));
        g_autoptr(VpQemuFacts) facts = vp_qemu_facts_new(variant);

        g_assert_nonnull(facts);
        g_assert_null(vp_qemu_facts_new(other));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/probe/facts/devices", test_devices);
    g_test_add_func("/probe/facts/names", test_names);
    g_test_add_func("/probe/facts/shared", test_shared);
    g_test_add_func("/probe/facts/groups", test_groups);
    g_test_add_func("/probe/facts/lookup", test_lookup);
    g_test_add_func("/probe/facts/collect", test_collect);
    g_test_add_func("/probe/facts/bad-answers", test_bad_answers);
    g_test_add_func("/probe/facts/types-limit", test_types_limit);
    g_test_add_func("/probe/facts/no-utf8", test_no_utf8);
    g_test_add_func("/probe/facts/endless-schema", test_endless_schema);
    g_test_add_func("/probe/facts/schema-depth", test_schema_depth);
    g_test_add_func("/probe/facts/schema-steps", test_schema_steps);
    g_test_add_func("/probe/facts/bad-numbers", test_bad_numbers);
    return g_test_run();
}
