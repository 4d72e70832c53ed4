/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json/write.h"

/*
 * A text whose indentation, two blanks for each step, says what belongs to what, as "info mtree"
 * and "info qtree" are.
 */
typedef struct VpOutline {
    char *text;          /* the line without its indentation; "" of the whole */
    GPtrArray *children; /* of VpOutline: lines one step further in */
} VpOutline;

/* Steps deeper than this are not understood; QEMU's go to a dozen. */
#define VP_OUTLINE_DEPTH_MAX 64u

/* The whole text. NULL: a line is indented by more than a step, by half of one, or too far;
 * *ret_line is that line; g_free(). */
VpOutline *vp_outline_parse(const char *text, char **ret_line);
void vp_outline_free(VpOutline *outline);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpOutline, vp_outline_free)

/* Writes the entry of an array that begins with the line *@at, and puts *@at behind it. NULL when
 * all is well, else the line that is not understood. */
typedef const char *(*VpOutlineWrite)(VpJsonWriter *writer, const GPtrArray *lines, guint *at);

/* The text as a JSON array; g_free(). NULL: it is not understood from *ret_line on; g_free(). */
char *vp_outline_convert(const char *text, VpOutlineWrite write, char **ret_line);
