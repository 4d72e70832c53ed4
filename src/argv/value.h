/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/options.h"
#include "plan/types.h"

/*
 * The value of one option, edited in the syntax it is written in. What is not touched keeps its
 * bytes, white space of JSON included. Keys of what is nested are dotted: "driver.file.0.path".
 */

/* Which syntax this very value is in. @row may be NULL: PLAIN. */
VpSyntax vp_value_syntax(const VpOptionRow *row, const char *value);

/* false and @error: not what its syntax says (broken JSON, a key without end ...). */
bool vp_value_check(const VpOptionRow *row, const char *value, GError **error);

/* What a person calls the property's value, NULL if it is not there: strings without quotes and
 * with ",," undone, bools on/off, the implied key by its name. The last of equal keys, as QEMU. */
char *vp_value_get(const VpOptionRow *row, const char *value, const char *key);

/* The "driver,key=value" form of any value, the implied key first and without its name, JSON
 * flattened to dotted keys, bools on/off; equal for JSON and key=value that mean the same. */
char *vp_value_canonical(const VpOptionRow *row, const char *value);

/* The value with @key set to @text; in JSON as @type (see types.h; UNKNOWN: as the member that is
 * replaced, else bool for on/off, int for digits, else string). NULL and @error: the syntax has no
 * keys, or the text is not of that type; the message says key, text and what is expected. */
char *vp_value_set(const VpOptionRow *row, const char *value, const char *key, const char *text,
                   VpValueType type, GError **error);

/* The value without @key, NULL when it is not there. */
char *vp_value_remove(const VpOptionRow *row, const char *value, const char *key);

/* "driver=..." of -device, "qom-type" of -object, "type" of -netdev, "driver" of -blockdev: what a
 * type is looked up by. NULL: none. */
char *vp_value_driver(const VpOptionRow *row, const char *value);
