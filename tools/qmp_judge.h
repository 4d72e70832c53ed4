/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmp_server/intake.h"

/* What QEMU's JSON parser says against a unit that vp_qmp_intake_next() has cut (VALUE or BROKEN),
 * the text behind "JSON parse error, "; g_free(). NULL: it is JSON to QEMU. */
char *vp_qmp_judge(const VpQmpUnit *unit, bool broken);
