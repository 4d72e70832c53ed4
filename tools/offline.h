/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plan/plan.h"
#include "probe/facts.h"

/*
 * What virtpassd finds out before it translates a document, found out here without it: the
 * emulator is looked for in PATH as libvirt does, what it can do is asked of a throw-away process.
 */

/* qemu-system-ARCH, or what @named says. NULL: @error. g_free(). */
char *vp_offline_emulator(const char *named, const char *arch, GError **error);

/* Turns wishes whose emulator is set into words and a plan (NULL: none is needed). @facts: whether
 * they need to know what the emulator can do. */
bool vp_offline_compile(const VpPlan *wishes, bool facts, char ***ret_words, VpPlan **ret_shim,
                        GError **error);
