/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/cmdline.h"
#include "plan/budget.h"
#include "plan/plan.h"

/* An alter that was looked through: what of it can be wrong without a command line is not. */
typedef struct VpPrepared {
    const VpAlter *alter;     /* borrowed */
    const VpOptionRow *row;   /* of its option */
    GPtrArray *regexes;       /* for each action its VpRegex, NULL where it has none */
    GPtrArray *extras;        /* for each action its words as a VpCmdline, NULL where it has none */
} VpPrepared;

/* NULL and @error: VP_ERROR_XML, names the alter and what is wrong with it, or VP_ERROR_LIMIT. */
VpPrepared *vp_prepared_new(const VpAlter *alter, VpBudget *budget, GError **error);
void vp_prepared_free(VpPrepared *prepared);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpPrepared, vp_prepared_free)

/* Whether it changes the option that is selected; else it selects, or adds others beside it. */
bool vp_action_changes_option(const VpAction *action);

/* "alter 2 (-device, line 17)" */
char *vp_alter_label(const VpAlter *alter);

/* What a `modify` of an option of this row sets, as a GArray of VpPair: of -cpu also +KEY and -KEY,
 * which are on and off. What is neither has no value. */
GArray *vp_modify_pairs(const VpOptionRow *row, const char *text);

/* Added words as a command line with some program or other. NULL and @error: the last of them is an
 * option that needs a value. */
VpCmdline *vp_added_parse(char *const *words, GError **error);

/* The name without its dashes. */
const char *vp_option_bare_name(const char *name);

/* A word may not have them where an alteration makes it. */
bool vp_has_control_characters(const char *text);
