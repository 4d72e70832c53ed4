/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * query-available-devices: the device types of the guest's QEMU.
 *
 * The guest is not asked: two types of a stock Debian end the process that looks into them, and
 * looking for them loads every module. src/probe knows the answer for the guest's binary, from a
 * process of its own.
 */

#include "added/rows.h"
#include "probe/probe.h"

#include <string.h>

typedef struct Query {
    VpProbeWait *wait;     /* NULL: answered */
    const char *name;      /* filters; NULL: none. Of the call's arguments */
    const char *bus;
    const char *category;
    bool properties;
} Query;

static void
query_free(gpointer data)
{
    Query *query = data;

    if (query->wait)
        vp_probe_cancel(query->wait);
    g_free(query);
}

/* Whether @text is what @pattern says, where '*' is any text and '?' any byte. The time is bounded
 * by the product of the lengths: only the last '*' is ever tried again. */
static bool
matches(const char *pattern, const char *text)
{
    const char *star = NULL, *from = NULL;

    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            from = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++from;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

static bool
is_wanted(const Query *query, const VpDeviceType *device)
{
    if (query->name && !matches(query->name, device->name) &&
        !(device->alias && matches(query->name, device->alias)))
        return false;
    if (query->bus && (!device->bus || g_ascii_strcasecmp(query->bus, device->bus) != 0))
        return false;
    return !query->category ||
           (device->category && g_ascii_strcasecmp(query->category, device->category) == 0);
}

static void
add_property(VpJsonWriter *writer, const VpDeviceProperty *property)
{
    vp_json_begin_object(writer, NULL);
    vp_json_add_string(writer, "name", property->name);
    vp_json_add_string(writer, "type", property->type);
    if (property->default_value)
        vp_json_add_raw(writer, "default-value", property->default_value,
                        strlen(property->default_value));
    vp_json_add_given(writer, "description", property->description);
    vp_json_end(writer);
}

static void
add_device(VpJsonWriter *writer, const VpDeviceType *device, bool properties)
{
    vp_json_begin_object(writer, NULL);
    vp_json_add_string(writer, "name", device->name);
    vp_json_add_given(writer, "bus", device->bus);
    vp_json_add_given(writer, "alias", device->alias);
    vp_json_add_given(writer, "description", device->description);
    vp_json_add_given(writer, "category", device->category);
    vp_json_add_bool(writer, "creatable", device->creatable);
    vp_json_add_given(writer, "broken", device->broken);
    if (properties && !device->broken) {
        vp_json_begin_array(writer, "props");
        for (guint i = 0; i < device->n_properties; i++)
            add_property(writer, device->properties[i]);
        vp_json_end(writer);
    }
    vp_json_end(writer);
}

static void
on_facts(VpQemuFacts *facts, const GError *error, gpointer data)
{
    VpCall *call = data;
    Query *query = vp_call_state(call);
    g_auto(VpJsonWriter) writer = vp_json_writer();
    g_autofree char *json = NULL;
    const VpDeviceType *devices = NULL;
    guint n = 0;

    query->wait = NULL;
    if (!facts) {
        vp_call_fail(call, "GenericError", "%s", error->message);
        return;
    }
    devices = vp_qemu_facts_devices(facts, &n);
    vp_json_begin_array(&writer, NULL);
    for (guint i = 0; i < n; i++) {
        if (is_wanted(query, &devices[i]))
            add_device(&writer, &devices[i], query->properties);
    }
    vp_json_end(&writer);
    json = vp_json_writer_steal(&writer);
    vp_call_return(call, json);
}

static void
query_available_devices(VpCall *call)
{
    const VpJsonNode *arguments = vp_call_arguments(call);
    const char *emulator = vp_call_emulator(call);
    Query *query = g_new0(Query, 1);

    vp_call_set_state(call, query, query_free);
    query->name = vp_json_get_string(arguments, "name");
    query->bus = vp_json_get_string(arguments, "bus");
    query->category = vp_json_get_string(arguments, "category");
    query->properties = vp_json_get(arguments, "properties")
        ? vp_json_get_bool(arguments, "properties") : query->name != NULL;
    if (emulator && vp_call_probe(call))
        query->wait = vp_probe_get(vp_call_probe(call), emulator, vp_call_owner(call), on_facts,
                                   call);
    else
        vp_call_fail(call, "GenericError", "it is not known which program runs domain '%s'",
                     vp_call_domain_name(call));
}

static const VpField arguments[] = {
    { "name", "str", true, "Only types with this name or alias; '*' in it is any text, '?' any "
      "character." },
    { "bus", "str", true, "Only types that sit on a bus of this type." },
    { "category", "str", true, "Only types of this category." },
    { "properties", "bool", true, "Whether properties are told too; default is yes with 'name', "
      "else no: those of all types are 3 MB, with QEMU 11.1 5 MB, which a QMP socket carries and "
      "libvirt's protocol does not." },
    { NULL, NULL, false, NULL },
};

static const VpField result[] = {
    { "name", "str", false, "What -device and device_add take for 'driver'." },
    { "bus", "str", true, "Type of the bus it sits on; absent where it needs none." },
    { "alias", "str", true, "Second name that 'driver' may have." },
    { "description", "str", true, "What QEMU says of it." },
    { "category", "str", true, "QEMU's heading for it: Network, Storage, Display ..." },
    { "creatable", "bool", false, "Whether -device can create it; else only machines do." },
    { "broken", "str", true, "Why its properties are not known: what QEMU says when it ends "
      "because they were asked for. As a rule a module of QEMU's is not installed." },
    { "props", "any", true, "Its properties: objects with 'name', 'type' (QEMU's name of it), and "
      "'default-value' and 'description' where QEMU tells them." },
    { NULL, NULL, false, NULL },
};

const VpCommandRow vp_row_query_available_devices = {
    .name = "query-available-devices",
    .text = "The device types that the guest's QEMU has, with their properties. The guest is not "
            "touched: another process of its binary tells. QEMU 7.2 to 11.1.",
    .arguments = arguments,
    .result = result,
    .result_is_array = true,
    .handler = query_available_devices,
};
