/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Bytes of a JSON text. text is NULL where there is nothing. */
typedef struct VpJsonSlice {
    const char *text;
    gsize size;
} VpJsonSlice;

/* First byte from @at that is no white space, or @end. What yajl takes for white space. */
const char *vp_json_skip_space(const char *at, const char *end);

/*
 * First byte behind the JSON value that starts at @at, NULL when it is broken, unfinished or
 * nested deeper than @depth_max (1: a flat object). Strings are checked for control characters
 * and their end, brackets for balance, numbers and words for what they are made of; separators
 * inside of nested values are not looked at.
 */
const char *vp_json_skip_value(const char *at, const char *end, guint depth_max);

/* First byte behind the string whose opening quote is at @at, or NULL. */
const char *vp_json_skip_string(const char *at, const char *end);

/*
 * 64 bytes as bit masks, bit 0 for the first byte. Two ways to the same result, so that the
 * tests can hold one against the other; the scanner takes the fast one.
 */
#define VP_JSON_BLOCK 64

typedef struct VpJsonBlock {
    guint64 quotes;      /* " */
    guint64 backslashes; /* \ */
    guint64 brackets;    /* [ ] { } */
    guint64 controls;    /* below 0x20 */
} VpJsonBlock;

void vp_json_block_portable(const char *bytes, VpJsonBlock *ret_block);
void vp_json_block_fast(const char *bytes, VpJsonBlock *ret_block);
