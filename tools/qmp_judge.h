/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmp_server/intake.h"

/*
 * What QEMU's JSON parser says against a unit that vp_qmp_intake_next() has cut (VALUE or BROKEN):
 * the text of its error; g_free(). NULL: it is JSON to QEMU.
 * @newer: in the words of QEMU 11.1, which tells the place in all that the client has sent.
 */
char *vp_qmp_judge(const VpQmpUnit *unit, bool broken, bool newer);
