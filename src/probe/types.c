/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which JSON an option takes for a key, from what QEMU says of itself.
 *
 * -device: device-list-properties gives each property the name of its QOM type. Integers go by a
 * dozen names, numbers of bytes by two, and all others that a person can give are texts: enums,
 * links, names of back ends. (tests/daemon/json_types.py has QEMU judge all of them.) What is no
 * text, number or truth value is read-only, an object or a list; the type of a list is called after
 * what is in it, as in "strList" or "IOThreadVirtQueueMappingList".
 *
 * -object, -netdev, -blockdev, -display, from 8.0 on -audiodev: the schema knows. Before that
 * -audiodev's keys are in a table here, from QEMU's qapi/audio.json.
 *
 * Everything else is a key of a group of QEMU's configuration file, whose type
 * query-command-line-options tells.
 */

#include "probe/types.h"

#include <string.h>

typedef struct NamedType {
    const char *name;
    VpValueType type;
} NamedType;

/* Names of QOM types that are no texts. */
static const NamedType qom_types[] = {
    { "bool", VP_TYPE_BOOL },     { "int", VP_TYPE_INT },       { "int8", VP_TYPE_INT },
    { "int16", VP_TYPE_INT },     { "int32", VP_TYPE_INT },     { "int64", VP_TYPE_INT },
    { "uint8", VP_TYPE_INT },     { "uint16", VP_TYPE_INT },    { "uint32", VP_TYPE_INT },
    { "uint64", VP_TYPE_INT },    { "uint4", VP_TYPE_INT },     { "size", VP_TYPE_SIZE },
    { "size32", VP_TYPE_SIZE },   { "number", VP_TYPE_NUMBER }, { "double", VP_TYPE_NUMBER },
    { "list", VP_TYPE_OTHER },    { "struct tm", VP_TYPE_OTHER },
    { "X86CPUFeatureWordInfo", VP_TYPE_OTHER },
    { "GuestPanicInformation", VP_TYPE_OTHER },
    { "guest statistics", VP_TYPE_OTHER }, { "SocketAddress", VP_TYPE_OTHER },
};

/* Properties whose type has another name than what they take. */
static const struct {
    const char *name;
    const char *qom_type;
    const char *description; /* how it begins */
    VpValueType type;
} special_properties[] = {
    /* "5" and "5.1" are a slot and its function, in hexadecimal. A number is taken as well, but
     * for eight times the slot: 5 would be function 5 of slot 0. */
    { "addr", "int32", "Slot and optional function number", VP_TYPE_STRING },
};

/* How the names of types of lists end. */
#define LIST_SUFFIX "List"

/* What every -device takes besides its properties. */
static const char *const device_keys[] = { "driver", "id", "bus" };

/* -audiodev before 8.0, by the last component of the key: what it is does not depend on the back
 * end or the direction. */
static const NamedType audio_keys[] = {
    { "id", VP_TYPE_STRING },            { "driver", VP_TYPE_STRING },
    { "timer-period", VP_TYPE_INT },     { "mixing-engine", VP_TYPE_BOOL },
    { "fixed-settings", VP_TYPE_BOOL },  { "frequency", VP_TYPE_INT },
    { "channels", VP_TYPE_INT },         { "voices", VP_TYPE_INT },
    { "format", VP_TYPE_STRING },        { "buffer-length", VP_TYPE_INT },
    { "buffer-count", VP_TYPE_INT },     { "dev", VP_TYPE_STRING },
    { "period-length", VP_TYPE_INT },    { "try-poll", VP_TYPE_BOOL },
    { "threshold", VP_TYPE_INT },        { "latency", VP_TYPE_INT },
    { "server-name", VP_TYPE_STRING },   { "client-name", VP_TYPE_STRING },
    { "connect-ports", VP_TYPE_STRING }, { "start-server", VP_TYPE_BOOL },
    { "exact-name", VP_TYPE_BOOL },      { "try-mmap", VP_TYPE_BOOL },
    { "exclusive", VP_TYPE_BOOL },       { "dsp-policy", VP_TYPE_INT },
    { "server", VP_TYPE_STRING },        { "name", VP_TYPE_STRING },
    { "stream-name", VP_TYPE_STRING },   { "path", VP_TYPE_STRING },
};

/* Of query-command-line-options. */
static const NamedType group_types[] = {
    { "string", VP_TYPE_STRING },
    { "boolean", VP_TYPE_BOOL },
    { "number", VP_TYPE_INT },
    { "size", VP_TYPE_SIZE },
};

static VpValueType
find_named(const NamedType *table, gsize n, const char *name, VpValueType otherwise)
{
    for (gsize i = 0; i < n; i++) {
        if (strcmp(table[i].name, name) == 0)
            return table[i].type;
    }
    return otherwise;
}

/* Which JSON -device takes for a property. */
static VpValueType
property_type(const VpDeviceProperty *property)
{
    for (gsize i = 0; i < G_N_ELEMENTS(special_properties); i++) {
        if (strcmp(property->name, special_properties[i].name) == 0 &&
            strcmp(property->type, special_properties[i].qom_type) == 0 &&
            g_str_has_prefix(property->description ?: "", special_properties[i].description))
            return special_properties[i].type;
    }
    if (g_str_has_suffix(property->type, LIST_SUFFIX))
        return VP_TYPE_OTHER;
    return find_named(qom_types, G_N_ELEMENTS(qom_types), property->type, VP_TYPE_STRING);
}

static bool
is_device_key(const char *key)
{
    for (gsize i = 0; i < G_N_ELEMENTS(device_keys); i++) {
        if (strcmp(key, device_keys[i]) == 0)
            return true;
    }
    return false;
}

static VpValueType
device_key_type(const VpDeviceType *device, const char *key)
{
    const VpDeviceProperty *property = vp_device_property(device, key);

    if (property)
        return property_type(property);
    return is_device_key(key) ? VP_TYPE_STRING : VP_TYPE_UNKNOWN;
}

static VpValueType
audio_key_type(const char *key)
{
    const char *dot = strrchr(key, '.');

    return find_named(audio_keys, G_N_ELEMENTS(audio_keys), dot ? dot + 1 : key, VP_TYPE_UNKNOWN);
}

static VpValueType
group_key_type(const VpQemuFacts *facts, const char *option, const char *key)
{
    const VpOptionGroup *group = vp_qemu_facts_group(facts, option);

    for (guint i = 0; group && i < group->n_keys; i++) {
        if (strcmp(group->keys[i].name, key) == 0)
            return find_named(group_types, G_N_ELEMENTS(group_types), group->keys[i].type,
                              VP_TYPE_UNKNOWN);
    }
    return VP_TYPE_UNKNOWN;
}

/* The type of a key of an option that has no drivers, or none that matter. */
static VpValueType
plain_type(const VpFactsTypes *types, const char *option, const char *key)
{
    if (strcmp(option, "audiodev") == 0)
        return audio_key_type(key);
    return group_key_type(types->facts, option, key);
}

/* --- over all drivers ------------------------------------------------------- */

/* One driver that has the key. */
typedef struct Found {
    const char *driver;
    VpValueType type;
} Found;

static void
add_key_type(GPtrArray *types, const char *option, const char *driver, const char *key,
             VpValueType type)
{
    VpKeyType *row = g_new0(VpKeyType, 1);

    row->option = g_strdup(option);
    row->driver = g_strdup(driver);
    row->key = g_strdup(key);
    row->type = type;
    g_ptr_array_add(types, row);
}

static VpValueType
most_frequent(const GArray *found)
{
    guint counts[VP_TYPE_OTHER + 1] = { 0 };
    VpValueType best = VP_TYPE_UNKNOWN;

    for (guint i = 0; i < found->len; i++) {
        VpValueType type = g_array_index(found, Found, i).type;

        if (++counts[type] > counts[best])
            best = type;
    }
    return best;
}

/* What is most frequent, then what is not like that. */
static void
add_found(GPtrArray *types, const char *option, const char *key, const GArray *found)
{
    VpValueType frequent = most_frequent(found);

    if (frequent == VP_TYPE_UNKNOWN)
        return;
    add_key_type(types, option, NULL, key, frequent);
    for (guint i = 0; i < found->len; i++) {
        const Found *one = &g_array_index(found, Found, i);

        if (one->type != frequent)
            add_key_type(types, option, one->driver, key, one->type);
    }
}

static void
add_one(const char *driver, VpValueType type, gpointer data)
{
    Found found = { driver, type };

    g_array_append_val(data, found);
}

static void
each_device(const VpQemuFacts *facts, const char *key, GArray *found)
{
    guint n = 0;
    const VpDeviceType *devices = vp_qemu_facts_devices(facts, &n);

    for (guint i = 0; i < n; i++) {
        VpValueType type = device_key_type(&devices[i], key);

        if (type == VP_TYPE_UNKNOWN)
            continue;
        add_one(devices[i].name, type, found);
        if (devices[i].alias)
            add_one(devices[i].alias, type, found);
    }
}

/* --- the source --------------------------------------------------------------- */

static VpValueType
lookup(const VpTypeSource *source, const char *option, const char *driver, const char *key)
{
    const VpFactsTypes *types = (const VpFactsTypes *)source;

    if (strcmp(option, "device") == 0) {
        const VpDeviceType *device = driver ? vp_qemu_facts_device(types->facts, driver) : NULL;

        return device ? device_key_type(device, key) : VP_TYPE_UNKNOWN;
    }
    if (vp_schema_has(types->schema, option))
        return vp_schema_lookup(types->schema, option, driver, key);
    return plain_type(types, option, key);
}

static void
collect(const VpTypeSource *source, const char *option, const char *key, GPtrArray *rows)
{
    const VpFactsTypes *types = (const VpFactsTypes *)source;
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(Found));

    if (strcmp(option, "device") == 0)
        each_device(types->facts, key, found);
    else if (vp_schema_has(types->schema, option))
        vp_schema_each(types->schema, option, key, add_one, found);
    else
        add_one(NULL, plain_type(types, option, key), found);
    add_found(rows, option, key, found);
}

static bool
has_device(const VpTypeSource *source, const char *driver)
{
    return vp_qemu_facts_device(((const VpFactsTypes *)source)->facts, driver) != NULL;
}

static const char *
device_bus(const VpTypeSource *source, const char *driver)
{
    const VpDeviceType *device =
        vp_qemu_facts_device(((const VpFactsTypes *)source)->facts, driver);

    return device ? device->bus : NULL;
}

void
vp_facts_types_init(VpFactsTypes *types, const VpQemuFacts *facts, const VpSchema *schema)
{
    *types = (VpFactsTypes){
        .source = { .lookup = lookup, .collect = collect, .has_device = has_device,
                    .device_bus = device_bus },
        .facts = facts,
        .schema = schema,
    };
}
