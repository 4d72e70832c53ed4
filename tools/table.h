/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Columns for people, each as wide as its widest cell.
 *
 *     g_autoptr(VpTable) table = vp_table_new("DEVICE", "TYPE", NULL);
 *
 *     vp_table_add(table, "net0", "user");
 *     vp_table_print(table);
 */
typedef struct VpTable VpTable;

/* @title: and the others, up to a NULL. */
VpTable *vp_table_new(const char *title, ...) G_GNUC_NULL_TERMINATED;
void vp_table_free(VpTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpTable, vp_table_free)

/* A row: as many texts as there are titles; NULL is shown as "-". */
void vp_table_add(VpTable *table, ...);

/* To standard output, the titles first. */
void vp_table_print(const VpTable *table);
