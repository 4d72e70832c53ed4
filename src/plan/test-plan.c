/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Plans as structures: what a new one of each thing holds, order, numbers, freeing of half-filled
 * ones.
 */

#include "plan/plan.h"

static void
test_empty(void)
{
    g_autoptr(VpPlan) plan = vp_plan_new();

    vp_plan_free(NULL);
    g_assert_true(vp_plan_is_empty(plan));
    g_assert_null(plan->emulator);
    g_assert_cmpuint(plan->types->len, ==, 0);
    vp_plan_add_words(plan, 0);
    g_assert_false(vp_plan_is_empty(plan));
}

/* Nothing is set but what is said; the sanitizer sees whether all of it is freed. */
static void
test_new_ones(void)
{
    g_autoptr(VpPlan) plan = vp_plan_new();
    VpWords *words = vp_plan_add_words(plan, 3);
    VpAlter *alter = vp_plan_add_alter(plan, 4);
    VpGroup *group = vp_plan_add_group(plan, 5);
    VpAction *action = vp_alter_add(alter, VP_ACTION_EXTRA);

    g_assert_cmpuint(words->line, ==, 3);
    g_assert_null(words->words);
    g_assert_cmpuint(alter->line, ==, 4);
    g_assert_null(alter->option);
    g_assert_cmpint(alter->occurs, ==, VP_OCCURS_ALL);
    g_assert_true(alter->required);
    g_assert_cmpuint(group->line, ==, 5);
    g_assert_null(group->name);
    g_assert_null(group->id);
    g_assert_cmpint(action->kind, ==, VP_ACTION_EXTRA);
    g_assert_null(action->words);
    g_assert_false(action->before);
    g_assert_cmpint(action->type, ==, VP_TYPE_UNKNOWN);
}

static void
test_order(void)
{
    static const VpStepKind kinds[] = { VP_STEP_GROUP, VP_STEP_ALTER, VP_STEP_WORDS,
                                        VP_STEP_WORDS, VP_STEP_ALTER };
    g_autoptr(VpPlan) plan = vp_plan_new();
    VpGroup *group = vp_plan_add_group(plan, 0);
    VpAlter *first = vp_plan_add_alter(plan, 0), *second = NULL;

    vp_plan_add_words(plan, 0)->words = g_strsplit("a b", " ", 0);
    vp_plan_add_words(plan, 0);
    second = vp_plan_add_alter(plan, 0);
    vp_group_add(group, "driver", "lsi");
    vp_group_add(group, "id", "x");
    g_assert_cmpuint(plan->steps->len, ==, G_N_ELEMENTS(kinds));
    for (guint i = 0; i < plan->steps->len; i++)
        g_assert_cmpint(((VpStep *)plan->steps->pdata[i])->kind, ==, kinds[i]);
    g_assert_cmpuint(first->number, ==, 1);
    g_assert_cmpuint(second->number, ==, 2);
    g_assert_cmpstr(group->keys->pdata[0], ==, "driver");
    g_assert_cmpstr(group->values->pdata[0], ==, "lsi");
    g_assert_cmpstr(group->values->pdata[1], ==, "x");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/plan/empty", test_empty);
    g_test_add_func("/plan/new-ones", test_new_ones);
    g_test_add_func("/plan/order", test_order);
    return g_test_run();
}
