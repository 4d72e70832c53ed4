/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/cmdline.h"
#include "plan/budget.h"
#include "plan/plan.h"

/*
 * Options that make devices by themselves, spelled out: the backend, and a -device that can be
 * given an address. One expander for all the words of a domain, in their order.
 */
typedef struct VpExpander VpExpander;

/* All borrowed. @machine: the type of the machine where @generated, the command line that libvirt
 * makes, does not name one; each may be NULL. @types: as in compile.h. @budget: what looking for
 * free places is paid from. */
VpExpander *vp_expander_new(const char *machine, const VpCmdline *generated,
                            const VpTypeSource *types, VpBudget *budget);
void vp_expander_free(VpExpander *expander);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpExpander, vp_expander_free)

/*
 * The words that mean the same, NULL-terminated, g_strfreev(); devices are in key=value form.
 * NULL: the option makes no device that takes a place, or nothing is known of the machine: it
 * stays as it is. NULL and @error (VP_ERROR_UNSUPPORTED, _XML; says what to write): it makes
 * devices that cannot be spelled out. VP_ERROR_LIMIT: the budget is used up.
 */
char **vp_expand(VpExpander *expander, const VpOption *option, GError **error);

/* The option that a group of QEMU's configuration file is, with a text as the command line has it;
 * NULL: that makes no device. vp_option_free(). */
VpOption *vp_expand_group(const VpGroup *group);

/* Names of the options that are looked at here, NULL-terminated. */
const char *const *vp_expand_options(void);
