/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plan/plan.h"

/*
 * Appends to @words (of char *, owned) the -cpu and -global words that give the CPU which a cpudef
 * group describes. @emulator: the QEMU it is for, by which the family of CPUs is known; NULL: that
 * of x86_64. false and @error (VP_ERROR_XML: wrong; _UNSUPPORTED: no QEMU of today can do it) name
 * the key and what is wrong with it.
 */
bool vp_cpudef_append(GPtrArray *words, const VpGroup *group, const char *emulator,
                      GError **error);
