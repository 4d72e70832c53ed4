/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "colour.h"

#include "json/tree.h"

/* A value for people: on one line what fits into @width characters, else a member or an element in
 * each. Without an end of line. */
char *vp_pretty(const VpJsonNode *node, VpColour colour, guint width);
