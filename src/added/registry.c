/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The list of all added commands. Each is declared in rows.h and described where its handler is;
 * a name must be here once. Looked through for every command that is sent, so by a hash.
 */

#include "added/registry.h"

#include "added/rows.h"

static const VpCommandRow *const rows[] = {
    &vp_row_delvm,
    &vp_row_loadvm,
    &vp_row_query_available_devices,
    &vp_row_query_mtree,
    &vp_row_query_netdev,
    &vp_row_query_qtree,
    &vp_row_query_snapshots,
    &vp_row_query_usernet,
    &vp_row_savevm,
    NULL,
};

static const VpEventRow *const events[] = {
    &vp_event_job_progress,
    NULL,
};

static GHashTable *
make_table(void)
{
    GHashTable *table = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; rows[i]; i++)
        g_hash_table_insert(table, (gpointer)rows[i]->name, (gpointer)rows[i]);
    return table;
}

const VpCommandRow *
vp_registry_find(const char *name)
{
    static GHashTable *table;

    if (!table)
        table = make_table();
    return g_hash_table_lookup(table, name);
}

const VpCommandRow *const *
vp_registry_rows(void)
{
    return rows;
}

const VpEventRow *const *
vp_registry_events(void)
{
    return events;
}
