/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * The work that one document may make: one budget for all that is compiled of it or carried out on
 * a command line. It is counted in steps and not in time, so that the same document on the same
 * command line is refused always or never, whatever else the machine does.
 */

typedef struct VpBudget {
    guint64 left; /* steps */
} VpBudget;

/* All of VP_BUDGET_STEPS_MAX. */
VpBudget vp_budget_new(void);

/* How much of it is used up. */
guint64 vp_budget_used(const VpBudget *budget);

/* Takes @steps. false and @error (VP_ERROR_LIMIT): there are not so many left; from then on there
 * are none. @error names no element, the callers put it in front. */
bool vp_budget_spend(VpBudget *budget, guint64 steps, GError **error);

/* Takes what reading or rewriting an option's value once costs. NULL: there is no value. */
bool vp_budget_spend_on(VpBudget *budget, const char *value, GError **error);
