/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* What the process has to become. */
typedef struct VpLaunch {
    char *program;
    char **words;
} VpLaunch;

void vp_launch_clear(VpLaunch *launch);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpLaunch, vp_launch_clear)

/*
 * From how the shim was started to what to execute. @plan: the text of the plan, NULL when there is
 * none. @cache_dir: XDG_CACHE_HOME, or NULL. Writes the files of shim.h. false and @error: one
 * sentence for a person.
 */
bool vp_shim_prepare(char *const *argv, const char *plan, const char *cache_dir,
                     VpLaunch *ret_launch, GError **error);
