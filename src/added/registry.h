/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "added/call.h"

/* One argument of an added command, or one member of what it returns. */
typedef struct VpField {
    const char *name;
    const char *type;      /* as in QEMU's schema: "str", "int", "bool", "[str]", "any" ... */
    bool optional;
    const char *text;      /* what it is, units included; one sentence */
} VpField;

/* An added command: a row of the registry. Each handler file exports rows of its own; registry.c
 * lists them. */
typedef struct VpCommandRow {
    const char *name;
    const char *text;             /* what it does; one sentence */
    const VpField *arguments;     /* ends with a row of NULLs; NULL: none */
    const VpField *result;        /* members of the object (or of the objects in the array) */
    bool result_is_array;
    VpHandler handler;
    bool always;                  /* also where QEMU has a command of that name. Else QEMU's wins */
} VpCommandRow;

/* NULL: none of that name. */
const VpCommandRow *vp_registry_find(const char *name);
/* All, for query-commands, query-qmp-schema and the documentation's test. */
const VpCommandRow *const *vp_registry_rows(void); /* NULL-terminated */

/* An event of ours. */
typedef struct VpEventRow {
    const char *name;
    const char *text;
    const VpField *data;          /* members of its data; ends with a row of NULLs */
} VpEventRow;

const VpEventRow *const *vp_registry_events(void); /* NULL-terminated */
