/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/value_items.h"
#include "plan/types.h"

/* The functions of value.h for values in JSON; there is more on them there. */

bool vp_json_value_check(const VpOptionRow *row, const char *value, GError **error);
char *vp_json_value_get(const char *value, const char *key);
char *vp_json_value_set(const VpOptionRow *row, const char *value, const char *key,
                        const char *text, VpValueType type, GError **error);
char *vp_json_value_remove(const char *value, const char *key);

/* All that is no list and no object, and empty ones, as items with dotted keys. false: it is no
 * JSON, or a key is empty or longer than VP_ARGV_KEY_MAX; the items are to be cleared even so. */
bool vp_json_value_flatten(VpItems *ret_items, const VpOptionRow *row, const char *value);
