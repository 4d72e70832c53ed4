/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json/scan.h"
#include "plan/types.h"

/*
 * Appends @text, which a person wrote for the property @key, as the JSON value that a property of
 * @type takes. UNKNOWN: as what @there is (a JSON value; text NULL: nothing), else bool for on and
 * off, int for digits, else string. false and @error: it is not of that type; the message says
 * key, text and what is expected. @out is then as it was.
 */
bool vp_value_append_typed(GString *out, const char *key, const char *text, VpValueType type,
                           VpJsonSlice there, GError **error);
