/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/prepare.h"

/*
 * Appends to @found (borrowed VpOption) the options that the alter means: of its name, with all its
 * matches holding, of these those that `occurs` says; none of the dedicated session's own. *runs:
 * see regex.h. false and @error: a limit was passed.
 */
bool vp_select(const VpPrepared *prepared, const VpCmdline *cmdline, guint *runs, GPtrArray *found,
               GError **error);

/* Why vp_select() found nothing: what was looked for, what there is instead, the nearest first. */
char *vp_select_nothing(const VpPrepared *prepared, const VpCmdline *cmdline);

/* An option in so few words that a sentence can hold it: "-device virtio-net-pci,id=net0,...". */
char *vp_option_brief(const VpOption *option);
