/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any text as a plan. What is read must be written as a text that is read as the same plan, and
 * everything that is refused must come with a reason.
 */

#include "plan/plan.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void
check_plan(const VpPlan *plan)
{
    g_autofree char *once = vp_plan_to_json(plan, NULL), *twice = NULL;
    g_autoptr(VpPlan) again = NULL;

    if (!once)
        return; /* escapes are written in a longer form than they may be read in */
    again = vp_plan_from_json(once, NULL);
    g_assert_nonnull(again);
    twice = vp_plan_to_json(again, NULL);
    g_assert_cmpstr(once, ==, twice);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autofree char *json = g_strndup((const char *)data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(VpPlan) plan = vp_plan_from_json(json, &error);

    g_assert_true((plan == NULL) == (error != NULL));
    if (plan)
        check_plan(plan);
    return 0;
}
