/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virtpass devices: the device types of a running domain's QEMU, by virtpassd's
 * query-available-devices. Of a single one all there is to know, else a line each.
 */

#include "ask.h"
#include "command.h"
#include "table.h"

#include "json/write.h"

#include <stdio.h>
#include <string.h>

static char *name;
static char *bus;
static char *category;
static gboolean json;

static const GOptionEntry options[] = {
    { "name", 0, 0, G_OPTION_ARG_STRING, &name,
      "Only types of this name or alias, '*' and '?' as in a shell", "NAME" },
    { "bus", 0, 0, G_OPTION_ARG_STRING, &bus, "Only types that sit on a bus of this type", "BUS" },
    { "category", 0, 0, G_OPTION_ARG_STRING, &category, "Only types of this category", "CATEGORY" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print a JSON array for programs", NULL },
    { NULL },
};

/* The list; NULL: an error has been printed. @only: a name instead of the options' filters. */
static const VpJsonNode *
ask(virDomainPtr domain, const char *only, bool properties, VpJsonTree **ret_tree)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();
    g_autofree char *command = NULL;

    vp_json_begin_object(&writer, NULL);
    vp_json_add_string(&writer, "execute", "query-available-devices");
    vp_json_begin_object(&writer, "arguments");
    vp_json_add_given(&writer, "name", only ?: name);
    vp_json_add_given(&writer, "bus", only ? NULL : bus);
    vp_json_add_given(&writer, "category", only ? NULL : category);
    vp_json_add_bool(&writer, "properties", properties);
    vp_json_end(&writer);
    vp_json_end(&writer);
    command = vp_json_writer_steal(&writer);
    return vp_ask(domain, command, ret_tree);
}

static void
print_table(const VpJsonNode *list)
{
    g_autoptr(VpTable) table = vp_table_new("DEVICE", "ALIAS", "BUS", "CATEGORY", "CREATABLE",
                                            "DESCRIPTION", NULL);

    for (guint i = 0; i < vp_json_length(list); i++) {
        const VpJsonNode *device = vp_json_at(list, i);
        const char *creatable = vp_json_get_bool(device, "creatable") ? "yes" : "no";

        vp_table_add(table, vp_json_get_string(device, "name"),
                     vp_json_get_string(device, "alias"), vp_json_get_string(device, "bus"),
                     vp_json_get_string(device, "category"),
                     vp_json_get(device, "broken") ? "broken" : creatable,
                     vp_json_get_string(device, "description"));
    }
    vp_table_print(table);
}

static char *
default_text(const VpJsonNode *property)
{
    const VpJsonNode *value = vp_json_get(property, "default-value");
    gsize size = 0;
    const char *text = vp_json_text(value, &size);

    if (!value)
        return NULL;
    return vp_json_string(value) ? g_strdup(vp_json_string(value)) : g_strndup(text, size);
}

static void
print_properties(const VpJsonNode *list)
{
    g_autoptr(VpTable) table = vp_table_new("PROPERTY", "TYPE", "DEFAULT", "DESCRIPTION", NULL);

    for (guint i = 0; i < vp_json_length(list); i++) {
        const VpJsonNode *property = vp_json_at(list, i);
        g_autofree char *value = default_text(property);

        vp_table_add(table, vp_json_get_string(property, "name"),
                     vp_json_get_string(property, "type"), value,
                     vp_json_get_string(property, "description"));
    }
    vp_table_print(table);
}

static void
print_device(const VpJsonNode *device)
{
    static const char *const members[] = { "name", "alias", "bus", "category", "description",
                                           "broken" };

    for (gsize i = 0; i < G_N_ELEMENTS(members); i++) {
        if (vp_json_get(device, members[i]))
            printf("%-12s %s\n", members[i], vp_json_get_string(device, members[i]));
    }
    printf("%-12s %s\n", "creatable", vp_json_get_bool(device, "creatable") ? "yes" : "no");
    if (vp_json_length(vp_json_get(device, "props")) > 0) {
        putchar('\n');
        print_properties(vp_json_get(device, "props"));
    }
}

/* A single one once more, with its properties. */
static int
show_single(virDomainPtr domain, const VpJsonNode *device)
{
    g_autoptr(VpJsonTree) tree = NULL;
    const VpJsonNode *list = ask(domain, vp_json_get_string(device, "name"), true, &tree);

    if (!list)
        return VP_EXIT_FAILED;
    for (guint i = 0; i < vp_json_length(list); i++) /* its name may be another one's alias */
        if (g_strcmp0(vp_json_get_string(vp_json_at(list, i), "name"),
                      vp_json_get_string(device, "name")) == 0)
            print_device(vp_json_at(list, i));
    return VP_EXIT_OK;
}

static int
run(char **arguments)
{
    g_autoptr(VpDomainRef) domain = vp_find_domain(arguments[0]);
    g_autoptr(VpJsonTree) tree = NULL;
    const VpJsonNode *list = domain ? ask(domain, NULL, json && name, &tree) : NULL;

    if (!list)
        return VP_EXIT_FAILED;
    if (json) {
        vp_print_json(list);
    } else if (vp_json_length(list) == 0) {
        fputs("error: no device type is like that\n", stderr);
        return VP_EXIT_FAILED;
    } else if (vp_json_length(list) == 1) {
        return show_single(domain, vp_json_at(list, 0));
    } else {
        print_table(list);
    }
    return VP_EXIT_OK;
}

const VpCommand vp_command_devices = {
    .name = "devices",
    .arguments = "DOMAIN",
    .summary = "Show the device types that a running domain's QEMU has",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
