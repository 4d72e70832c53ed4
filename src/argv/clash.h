/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/cmdline.h"
#include "plan/plan.h"

/*
 * Whether an option of @touched (a set of VpOption) has the id or the explicit address of another
 * one; false and @error name both. QEMU would refuse such a command line too, but names one of the
 * two only.
 */
bool vp_check_clashes(const VpCmdline *cmdline, GHashTable *touched, GError **error);

/* The same for the groups of the configuration file, and their ids only. */
bool vp_check_group_clashes(const VpCmdline *cmdline, const VpPlan *plan, GError **error);

/* Whether an option can come to clash when its @key changes. */
bool vp_clash_depends_on(const VpOptionRow *row, const char *key);
