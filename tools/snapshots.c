/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virtpass snapshots: a running domain's snapshots, by virtpassd's query-snapshots. Each stands
 * below its parent; one whose parent is not known stands at the margin, behind a question mark.
 */

#include "ask.h"
#include "command.h"
#include "table.h"

#include <string.h>

#define NO_PARENT "00000000-0000-0000-0000-000000000000"

static gboolean json;

static const GOptionEntry options[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print a JSON array for programs", NULL },
    { NULL },
};

static char *
format_date(const VpJsonNode *snapshot)
{
    g_autoptr(GDateTime) date =
        g_date_time_new_from_unix_local(vp_json_get_int(snapshot, "date-sec", 0));

    return date ? g_date_time_format(date, "%Y-%m-%d %H:%M:%S") : NULL;
}

/* For how long the guest had run. */
static char *
format_clock(const VpJsonNode *snapshot)
{
    gint64 seconds = vp_json_get_int(snapshot, "vm-clock-sec", 0);

    return g_strdup_printf("%" G_GINT64_FORMAT ":%02d:%02d", seconds / 3600,
                           (int)(seconds / 60 % 60), (int)(seconds % 60));
}

static char *
format_disks(const VpJsonNode *snapshot)
{
    const VpJsonNode *images = vp_json_get(snapshot, "images");
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < vp_json_length(images); i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "",
                               vp_json_get_string(vp_json_at(images, i), "disk"));
    return g_string_free(text, FALSE);
}

static char *
format_note(const VpJsonNode *snapshot)
{
    if (!vp_json_get_bool(snapshot, "loadable"))
        return g_strdup_printf("cannot be loaded: %s",
                               vp_json_get_string(snapshot, "explanation"));
    return g_strdup(vp_json_get_bool(snapshot, "current") ? "current" : NULL);
}

static void
add_row(VpTable *table, const VpJsonNode *snapshot, const char *branch)
{
    g_autofree char *name = g_strconcat(branch, vp_json_get_string(snapshot, "name"), NULL);
    g_autofree char *date = format_date(snapshot);
    g_autofree char *clock = format_clock(snapshot);
    g_autofree char *size = g_format_size_full(vp_json_get_int(snapshot, "vm-state-size", 0),
                                               G_FORMAT_SIZE_IEC_UNITS);
    g_autofree char *disks = format_disks(snapshot);
    g_autofree char *note = format_note(snapshot);

    vp_table_add(table, name, date, clock, size, disks, note);
}

static const VpJsonNode *
next_child(const VpJsonNode *list, const char *uuid, guint *at)
{
    while (*at < vp_json_length(list)) {
        const VpJsonNode *snapshot = vp_json_at(list, (*at)++);

        if (g_strcmp0(vp_json_get_string(snapshot, "parent"), uuid) == 0)
            return snapshot;
    }
    return NULL;
}

/* @indent: what stands before the branches of these children. */
static void
add_children(VpTable *table, const VpJsonNode *list, const char *uuid, const char *indent)
{
    guint at = 0;
    const VpJsonNode *child = next_child(list, uuid, &at);

    while (child) {
        const VpJsonNode *next = next_child(list, uuid, &at);
        g_autofree char *branch = g_strconcat(indent, next ? "├─ " : "└─ ", NULL);
        g_autofree char *deeper = g_strconcat(indent, next ? "│  " : "   ", NULL);

        add_row(table, child, branch);
        add_children(table, list, vp_json_get_string(child, "uuid"), deeper);
        child = next;
    }
}

static void
print_tree(const VpJsonNode *list)
{
    g_autoptr(VpTable) table = vp_table_new("NAME", "DATE", "RAN", "STATE", "DISKS", "NOTE", NULL);

    for (guint i = 0; i < vp_json_length(list); i++) {
        const VpJsonNode *snapshot = vp_json_at(list, i);
        const char *parent = vp_json_get_string(snapshot, "parent");

        if (parent && strcmp(parent, NO_PARENT) != 0)
            continue;
        add_row(table, snapshot, parent ? "" : "? ");
        add_children(table, list, vp_json_get_string(snapshot, "uuid"), "");
    }
    vp_table_print(table);
}

static int
run(char **arguments)
{
    return vp_show_query(arguments[0], "query-snapshots", json, print_tree);
}

const VpCommand vp_command_snapshots = {
    .name = "snapshots",
    .arguments = "DOMAIN",
    .summary = "Show the snapshots of a running domain, each below its parent",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
