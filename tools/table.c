/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Widths are counted in characters, and the last column is not padded. */

#include "table.h"

#include <stdio.h>

struct VpTable {
    guint columns;
    GPtrArray *cells; /* char *: the titles, then row after row */
};

VpTable *
vp_table_new(const char *title, ...)
{
    VpTable *table = g_new0(VpTable, 1);
    va_list args;

    table->cells = g_ptr_array_new_with_free_func(g_free);
    va_start(args, title);
    for (; title; title = va_arg(args, const char *))
        g_ptr_array_add(table->cells, g_strdup(title));
    va_end(args);
    table->columns = table->cells->len;
    return table;
}

void
vp_table_free(VpTable *table)
{
    if (!table)
        return;
    g_ptr_array_unref(table->cells);
    g_free(table);
}

void
vp_table_add(VpTable *table, ...)
{
    va_list args;

    va_start(args, table);
    for (guint i = 0; i < table->columns; i++) {
        const char *text = va_arg(args, const char *);

        g_ptr_array_add(table->cells, g_strdup(text ?: "-"));
    }
    va_end(args);
}

static glong
width_of(const VpTable *table, guint column)
{
    glong width = 0;

    for (guint i = column; i < table->cells->len; i += table->columns)
        width = MAX(width, g_utf8_strlen(g_ptr_array_index(table->cells, i), -1));
    return width;
}

void
vp_table_print(const VpTable *table)
{
    for (guint i = 0; i < table->cells->len; i++) {
        const char *text = g_ptr_array_index(table->cells, i);
        guint column = i % table->columns;

        if (column + 1 == table->columns)
            printf("%s\n", text);
        else
            printf("%s%*s  ", text, (int)(width_of(table, column) - g_utf8_strlen(text, -1)), "");
    }
}
