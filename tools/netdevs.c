/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virtpass netdevs: the network backends of a running domain, by virtpassd's query-netdev.
 */

#include "ask.h"
#include "command.h"
#include "table.h"

#include <string.h>

static gboolean json;

static const GOptionEntry options[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print a JSON array for programs", NULL },
    { NULL },
};

static void
append_forward(GString *out, const VpJsonNode *forward)
{
    g_string_append_printf(out, "%s %s:%" G_GINT64_FORMAT " to %s:%" G_GINT64_FORMAT,
                           vp_json_get_string(forward, "protocol"),
                           vp_json_get_string(forward, "host-address") ?: "*",
                           vp_json_get_int(forward, "host-port", 0),
                           vp_json_get_string(forward, "guest-address") ?: "*",
                           vp_json_get_int(forward, "guest-port", 0));
}

static void
append_value(GString *out, const char *key, const VpJsonNode *value)
{
    gsize size = 0;
    const char *text = vp_json_text(value, &size);

    g_string_append_printf(out, "%s ", key);
    if (vp_json_string(value))
        g_string_append(out, vp_json_string(value));
    else
        g_string_append_len(out, text, size);
}

/* What is known of its configuration, on one line. */
static char *
describe(const VpJsonNode *info)
{
    g_autoptr(GString) out = g_string_new(NULL);

    for (guint i = 0; i < vp_json_length(info); i++) {
        const char *key = vp_json_key_at(info, i);
        const VpJsonNode *value = vp_json_at(info, i);

        if (strcmp(key, "hostfwd") != 0) {
            g_string_append(out, out->len > 0 ? ", " : "");
            append_value(out, key, value);
            continue;
        }
        for (guint k = 0; k < vp_json_length(value); k++) {
            g_string_append(out, out->len > 0 ? ", " : "");
            append_forward(out, vp_json_at(value, k));
        }
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static void
print_table(const VpJsonNode *list)
{
    g_autoptr(VpTable) table = vp_table_new("NETDEV", "TYPE", "PEER", "QUEUES", "FILTERS", "INFO",
                                            NULL);

    for (guint i = 0; i < vp_json_length(list); i++) {
        const VpJsonNode *netdev = vp_json_at(list, i);
        g_autofree char *info = describe(vp_json_get(netdev, "info"));
        g_autofree char *queues = g_strdup_printf("%" G_GINT64_FORMAT,
                                                  vp_json_get_int(netdev, "queues", 0));
        g_autofree char *filters = g_strdup_printf("%u",
                                                   vp_json_length(vp_json_get(netdev, "filters")));

        vp_table_add(table, vp_json_get_string(netdev, "device"),
                     vp_json_get_string(netdev, "type"), vp_json_get_string(netdev, "peer"),
                     queues, filters, info);
    }
    vp_table_print(table);
}

static int
run(char **arguments)
{
    return vp_show_query(arguments[0], "query-netdev", json, print_table);
}

const VpCommand vp_command_netdevs = {
    .name = "netdevs",
    .arguments = "DOMAIN",
    .summary = "Show the network backends of a running domain",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
