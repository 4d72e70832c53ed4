/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * "key=value,key=value" taken apart and written: QEMU's oldest syntax, in which authors write what
 * to modify and devices to add. It is read as QemuOpts does, part by part: a comma that belongs to
 * a value is doubled, and so is one in a first part without a key, which is the value of the key
 * that is implied there. A comma at the end ends nothing; elsewhere an empty part has an empty key.
 */

#include "argv/pairs.h"

#include <string.h>

void
vp_pair_clear(VpPair *pair)
{
    g_clear_pointer(&pair->key, g_free);
    g_clear_pointer(&pair->value, g_free);
}

/* The text up to a single comma or the end, where *at is set to. */
static char *
take_value(const char **at)
{
    g_autoptr(GString) value = g_string_new(NULL);
    const char *p = *at;

    while (*p) {
        gsize run = strcspn(p, ",");

        g_string_append_len(value, p, run);
        p += run;
        if (p[0] != ',' || p[1] != ',')
            break;
        g_string_append_c(value, ',');
        p += 2;
    }
    *at = p;
    return g_string_free(g_steal_pointer(&value), FALSE);
}

static char *
take_key(const char **at)
{
    gsize size = strcspn(*at, "=,");
    char *key = g_strndup(*at, size);

    *at += size;
    return key;
}

GArray *
vp_pairs_split(const char *text)
{
    GArray *pairs = g_array_new(FALSE, FALSE, sizeof(VpPair));
    const char *at = text;

    g_array_set_clear_func(pairs, (GDestroyNotify)vp_pair_clear);
    while (*at) {
        VpPair pair = { 0 };

        if (pairs->len == 0 && at[strcspn(at, "=,")] != '=') {
            pair.key = take_value(&at);
        } else {
            pair.key = take_key(&at);
            if (*at == '=') {
                at++;
                pair.value = take_value(&at);
            }
        }
        at += *at == ',';
        g_array_append_val(pairs, pair);
    }
    return pairs;
}
