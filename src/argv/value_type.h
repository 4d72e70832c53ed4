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

/* How QEMU reads a text behind KEY= of a property. */
typedef enum VpTextReading {
    VP_TEXT_CLEAR,    /* as the JSON that vp_value_append_typed() writes */
    VP_TEXT_DOUBTFUL, /* not known, in several ways, or as what JSON cannot say: QEMU's to read */
    VP_TEXT_WRONG,    /* not at all: vp_value_append_typed() says why */
} VpTextReading;

VpTextReading vp_value_read_text(const char *text, VpValueType type);
