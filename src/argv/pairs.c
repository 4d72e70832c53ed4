/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * "key=value,key=value" taken apart and written: QEMU's oldest syntax, in which authors write what
 * to modify and devices to add. A comma that belongs to a value is doubled; a key cannot hold one.
 */

#include "argv/pairs.h"

#include <string.h>

void
vp_pair_clear(VpPair *pair)
{
    g_clear_pointer(&pair->key, g_free);
    g_clear_pointer(&pair->value, g_free);
}

/* The text up to a single comma or the end; *at is set behind it, NULL at the end. */
static char *
next_part(const char **at)
{
    g_autoptr(GString) part = g_string_new(NULL);
    const char *p = *at;

    while (*p) {
        gsize run = strcspn(p, ",");

        g_string_append_len(part, p, run);
        p += run;
        if (*p != ',')
            break;
        if (p[1] != ',') {
            *at = p + 1;
            return g_string_free(g_steal_pointer(&part), FALSE);
        }
        g_string_append_c(part, ',');
        p += 2;
    }
    *at = NULL;
    return g_string_free(g_steal_pointer(&part), FALSE);
}

GArray *
vp_pairs_split(const char *text)
{
    GArray *pairs = g_array_new(FALSE, FALSE, sizeof(VpPair));
    const char *at = *text ? text : NULL;

    g_array_set_clear_func(pairs, (GDestroyNotify)vp_pair_clear);
    while (at) {
        g_autofree char *part = next_part(&at);
        char *equals = strchr(part, '=');
        VpPair pair = { .value = equals ? g_strdup(equals + 1) : NULL };

        if (equals)
            *equals = '\0';
        pair.key = g_steal_pointer(&part);
        g_array_append_val(pairs, pair);
    }
    return pairs;
}
