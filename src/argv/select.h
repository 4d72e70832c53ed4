/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/prepare.h"

/*
 * Appends to @found (borrowed VpOption) the options that the alter means: of its name, with all its
 * matches holding, of these those that `occurs` says; none of the dedicated session's own. false
 * and @error: a limit was passed, or nothing is left of @budget.
 */
bool vp_select(const VpPrepared *prepared, const VpCmdline *cmdline, VpBudget *budget,
               GPtrArray *found, GError **error);

/* Why vp_select() found nothing: what was looked for, what there is instead, the nearest first as
 * far as @budget lets them be compared. */
char *vp_select_nothing(const VpPrepared *prepared, const VpCmdline *cmdline, VpBudget *budget);

/* An option in so few words that a sentence can hold it: "-device virtio-net-pci,id=net0,...". */
char *vp_option_brief(const VpOption *option);
