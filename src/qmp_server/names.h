/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json/scan.h"

#include <stdbool.h>

/* Replace @where, a part of a text, by @text. */
typedef struct VpQmpEdit {
    VpJsonSlice where;
    char *text; /* owned */
} VpQmpEdit;

/* Appends to *edits, an array of VpQmpEdit; NULL: it is made, as most commands need none. Takes
 * @text. */
void vp_qmp_edits_add(GArray **edits, VpJsonSlice where, char *text);

/* @text with @edits, which must not overlap; they get sorted. */
GString *vp_qmp_edits_apply(GArray *edits, VpJsonSlice text);

/*
 * The names of descriptors (those that getfd gives) in @arguments of the command @command, a JSON
 * string: appends to *edits what puts @prefix in front of each, and to *names (char *, owned) the
 * names with it; each may be NULL, and is made when there is something to append. A name that
 * begins with a digit is none for QEMU and stays as it is.
 */
void vp_qmp_names_find(VpJsonSlice command, VpJsonSlice arguments, const char *prefix,
                       GArray **edits, GPtrArray **names);
