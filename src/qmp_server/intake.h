/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"
#include "json/scan.h"

#include <stdbool.h>

/* A place in all that a client has sent, as QEMU counts it; both from 0 here. */
typedef struct VpQmpPlace {
    guint lines;   /* ends of lines before it */
    guint columns; /* bytes between the last of these and it */
} VpQmpPlace;

/* Moves the place over the bytes. */
void vp_qmp_place_pass(VpQmpPlace *place, const char *bytes, gsize n);

/* Cuts the bytes of a QMP client into what QEMU answers one by one. An empty one owns no memory
 * but for that of an unfinished unit. */
typedef struct VpQmpIntake {
    guint8 state;      /* of the lexer */
    gint braces;       /* open minus closed, of the unit at hand */
    gint brackets;
    guint tokens;      /* of the unit at hand */
    bool dialect;      /* the unit has what is JSON for QEMU only: see vp_qmp_unit_to_json() */
    VpQmpPlace at;     /* behind the last byte that was used up */
    VpQmpPlace begin;  /* of the unit at hand */
    bool returned;     /* @partial was handed out; the next call drops it */
    VpBuffer partial;  /* the unit at hand, as far as it came with earlier calls */
} VpQmpIntake;

#define VP_QMP_INTAKE_INIT { 0 }

typedef enum VpQmpIntakeVerdict {
    VP_QMP_UNIT_VALUE,    /* tokens whose brackets are even: QEMU parses them */
    VP_QMP_UNIT_BROKEN,   /* ends with a byte that is part of no token; QEMU answers that */
    VP_QMP_UNIT_TOO_LONG, /* more than VP_QMP_COMMAND_MAX bytes */
    VP_QMP_UNIT_TOO_DEEP, /* more than VP_QMP_NESTING_MAX brackets are open */
    VP_QMP_UNIT_TOO_MANY, /* more than VP_QMP_TOKENS_MAX tokens */
    VP_QMP_UNIT_MORE,     /* all bytes are used up, more are needed */
} VpQmpIntakeVerdict;

typedef struct VpQmpUnit {
    const char *text; /* for VALUE and BROKEN; valid until the next call for the same intake */
    gsize size;
    bool dialect;     /* vp_qmp_unit_to_json() has something to do */
    VpQmpPlace place; /* of its first byte */
} VpQmpUnit;

/* The next unit of *bytes, which is moved forward over what was used. */
VpQmpIntakeVerdict vp_qmp_intake_next(VpQmpIntake *intake, const char **bytes, gsize *n,
                                      VpQmpUnit *ret_unit);

void vp_qmp_intake_clear(VpQmpIntake *intake);

/* The same value as the JSON of the standard: strings in single quotes, \' and the two bytes that
 * QEMU takes for U+0000 are written as everybody understands them. */
GString *vp_qmp_unit_to_json(const VpQmpUnit *unit);
