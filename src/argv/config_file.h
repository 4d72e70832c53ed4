/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plan/plan.h"

/*
 * Appends the group as text for -readconfig. false and @error (VP_ERROR_UNSUPPORTED, names group
 * and line): the file cannot carry it; @out is as it was.
 */
bool vp_config_append_group(GString *out, const VpGroup *group, GError **error);

/* "<qemu:drive> in line 17" */
char *vp_group_label(const VpGroup *group);
