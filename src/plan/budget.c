/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Steps are those that a regular expression makes (regex.c), some 10 ns each; other work is charged
 * at what it was measured to cost, rather more than less. What is charged where follows one rule:
 * whatever a document can repeat (an alter, an action, a key) times whatever a command line can be
 * long of (options, bytes) is paid for; what is done once for each byte of the document is not, for
 * the document has a limit of its own.
 */

#include "plan/budget.h"

#include "base/error.h"
#include "base/limits.h"

#include <string.h>

/* Bytes of a value that are read, checked as JSON and written anew in the time of one step. */
#define BYTES_PER_STEP 1

VpBudget
vp_budget_new(void)
{
    return (VpBudget){ .left = VP_BUDGET_STEPS_MAX };
}

guint64
vp_budget_used(const VpBudget *budget)
{
    return VP_BUDGET_STEPS_MAX - budget->left;
}

bool
vp_budget_spend(VpBudget *budget, guint64 steps, GError **error)
{
    if (steps <= budget->left) {
        budget->left -= steps;
        return true;
    }
    budget->left = 0;
    return vp_refuse(error, VP_ERROR_LIMIT, "with this the alterations of the domain take more "
                     "than the %u steps of work that are allowed in all; write fewer of them, or "
                     "have them apply to fewer options", VP_BUDGET_STEPS_MAX);
}

bool
vp_budget_spend_on(VpBudget *budget, const char *value, GError **error)
{
    return vp_budget_spend(budget, 1 + (value ? strlen(value) : 0) / BYTES_PER_STEP, error);
}
