/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* One part of "a=b,c=d", in which ",," is a comma. */
typedef struct VpPair {
    char *key;   /* up to the first '='; the whole part when there is none */
    char *value; /* NULL: the part has no '=' */
} VpPair;

void vp_pair_clear(VpPair *pair);

/* The parts in order, as a GArray of VpPair that frees what is in it. */
GArray *vp_pairs_split(const char *text);
