/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* One device of the human monitor's "info qdm". */
typedef struct VpQdmDevice {
    char *name;
    char *bus;         /* what may be NULL is absent */
    char *alias;
    char *description;
    char *category;
    bool creatable;
} VpQdmDevice;

/* The devices of @text (of VpQdmDevice) by name; g_hash_table_unref(). A device of several
 * categories is kept with the first. *ret_line: the first line that was not understood, g_free();
 * NULL if there was none. */
GHashTable *vp_qdm_parse(const char *text, char **ret_line);
