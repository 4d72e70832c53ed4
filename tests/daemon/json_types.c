/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What json_types.py and devices_both.py need of us: which JSON we say that a property takes, and
 * what a text becomes.
 *
 *     json_types EMULATOR CACHE list
 *         a line for each property: device, creatable, bus, property, QEMU's type, JSON type, with
 *         tabs between; a line with an empty property for each device
 *     json_types EMULATOR CACHE set
 *         for each line "device TAB property TAB text" of stdin the value of -device that results
 *         from setting it, or "!" and why not
 *     json_types EMULATOR CACHE device
 *         for each line of stdin, a -device in key=value form, what it is given to QEMU as, or "!"
 *         and why not
 */

#include "argv/device.h"
#include "argv/value.h"
#include "probe/probe.h"

#include <stdio.h>
#include <string.h>

static void
print_property(const VpTypeSource *types, const VpDeviceType *device,
               const VpDeviceProperty *property)
{
    VpValueType type = types->lookup(types, "device", device->name, property->name);

    printf("%s\t%d\t%s\t%s\t%s\t%s\n", device->name, device->creatable, device->bus ?: "",
           property->name, property->type, vp_value_type_names[type]);
}

static void
list(const VpQemuFacts *facts)
{
    guint n = 0;
    const VpDeviceType *devices = vp_qemu_facts_devices(facts, &n);

    for (guint i = 0; i < n; i++) {
        printf("%s\t%d\t%s\t\t%s\t\n", devices[i].name, devices[i].creatable,
               devices[i].bus ?: "", devices[i].broken ?: "");
        for (guint j = 0; j < devices[i].n_properties; j++)
            print_property(vp_qemu_facts_types(facts), &devices[i], devices[i].properties[j]);
    }
}

static void
set_one(const VpTypeSource *types, const char *device, const char *key, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *before = g_strdup_printf("{\"driver\":\"%s\"}", device);
    g_autofree char *after = vp_value_set(vp_option_find("device"), before, key, text,
                                          types->lookup(types, "device", device, key), &error);

    if (after)
        puts(after);
    else
        printf("!%s\n", error->message);
}

static void
set(const VpQemuFacts *facts)
{
    char line[1024];

    while (fgets(line, sizeof(line), stdin)) {
        g_auto(GStrv) words = g_strsplit(g_strchomp(line), "\t", 3);

        if (g_strv_length(words) == 3)
            set_one(vp_qemu_facts_types(facts), words[0], words[1], words[2]);
        else
            puts("!not three words");
    }
}

static void
convert_one(const VpTypeSource *types, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *note = NULL;
    VpBudget budget = vp_budget_new();
    g_autofree char *value = vp_device_from_text(text, types, &budget, &note, &error);

    if (value)
        puts(value);
    else
        printf("!%s\n", error->message);
}

static void
convert(const VpQemuFacts *facts)
{
    char line[65536];

    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        convert_one(vp_qemu_facts_types(facts), line);
    }
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VpQemuFacts) facts = NULL;

    if (argc != 4)
        return 2;
    facts = vp_probe_get_blocking(argv[1], argv[2], &error);
    if (!facts) {
        fprintf(stderr, "%s\n", error->message);
        return 1;
    }
    if (strcmp(argv[3], "list") == 0)
        list(facts);
    else if (strcmp(argv[3], "device") == 0)
        convert(facts);
    else
        set(facts);
    return 0;
}
