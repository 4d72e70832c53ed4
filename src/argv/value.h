/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/options.h"
#include "plan/types.h"

/*
 * The value of one option, edited in the syntax it is written in. What is not touched keeps its
 * bytes, white space of JSON included. Keys of what is nested are dotted: "driver.file.0.path".
 *
 * Everywhere @row may be NULL (an option that is not known: PLAIN) and @value too (no value).
 * Where an option has a key that needs no name ("driver" of -device, see VpOptionRow.implied), it
 * goes by its name here; the CPU model of -cpu is "type". A -global has the keys "driver",
 * "property" and "value", and the last is also called "DRIVER.PROPERTY".
 */

/* Which syntax this very value is in; OPTS for a -global that is not in its short form. */
VpSyntax vp_value_syntax(const VpOptionRow *row, const char *value);

/* false and @error: not what its syntax says (broken JSON, a key without end ...), so that QEMU
 * would refuse it too. Whether the option has such a key is not looked at. */
bool vp_value_check(const VpOptionRow *row, const char *value, GError **error);

/* What a person calls the property's value, NULL if it is not there: strings without quotes and
 * with ",," undone, bools on/off, numbers as written, null "", lists and objects as their JSON. Of
 * equal keys the one that counts for QEMU: the last, but the first "id", and of -cpu's -KEY, +KEY
 * and KEY=VALUE the first that there is. g_free(). */
char *vp_value_get(const VpOptionRow *row, const char *value, const char *key);

/* The "driver,key=value" form of any value, the implied key first and without its name, JSON
 * flattened to dotted keys, bools on/off, null "", flags of OPTS and CPU as KEY=on or KEY=off, a
 * -global as DRIVER.PROPERTY=VALUE; else in the order that it has. Equal for JSON and key=value
 * that mean the same in the same order. Where there are no keys, or they cannot be read, the value
 * as it is; "" for none. g_free(). */
char *vp_value_canonical(const VpOptionRow *row, const char *value);

/*
 * The value with @key set to @text. What is there already keeps its place (of equal keys the one
 * that counts), else it is added at the end; in JSON also the objects and lists that it is to be
 * in, a list element only right behind the last.
 *
 * In JSON @text is written as @type (see types.h; UNKNOWN: as the member that is replaced, else
 * bool for on/off, int for digits, else string); elsewhere as it is.
 *
 * NULL and @error: the syntax has no keys, or not this one; the text is not of that type, or the
 * syntax cannot carry it; or the value was none before (vp_value_check()). The message says key,
 * text and what is expected. g_free().
 */
char *vp_value_set(const VpOptionRow *row, const char *value, const char *key, const char *text,
                   VpValueType type, GError **error);

/* The value without @key, all of them if there are several, and without what is in it ("a.b" for
 * "a"; not in OPTS, where a dot is a letter); list elements behind it move up. NULL when it is not
 * there, and for what cannot be without it: the model of -cpu, parts of a short -global. g_free().
 */
char *vp_value_remove(const VpOptionRow *row, const char *value, const char *key);

/* "driver=..." of -device, "qom-type" of -object, "type" of -netdev and -display, "driver" of
 * -blockdev and -audiodev: what a type is looked up by, wherever JSON can be. NULL: none. g_free()
 */
char *vp_value_driver(const VpOptionRow *row, const char *value);
