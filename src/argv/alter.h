/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/cmdline.h"
#include "plan/plan.h"

/* What applying a plan gave besides the command line. */
typedef struct VpApplied {
    char *config;        /* text for -readconfig, NULL: no group. Its option with the value
                          * @config_path is already among the words */
    GPtrArray *warnings; /* of char *: alters with required='no' that matched nothing ... */
} VpApplied;

void vp_applied_clear(VpApplied *applied);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpApplied, vp_applied_clear)

/*
 * Carries out the plan's ALTER steps in order on @cmdline, then its GROUP steps, then looks whether
 * ids and addresses of what was added clash with what was there. The words of the dedicated session
 * (chardev and mon "virtpass-qmp") are never seen by an alter. argv[0] becomes plan->emulator.
 *
 * false: @cmdline is not to be used any more; @error says which alter (number, option), what it
 * looked for and the nearest candidates, or which two elements clash.
 */
bool vp_plan_apply(const VpPlan *plan, VpCmdline *cmdline, const char *config_path,
                   VpApplied *ret_applied, GError **error);
