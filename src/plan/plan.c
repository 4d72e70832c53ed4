/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Plans: making and freeing. A plan owns all that hangs on it, in arrays that free what is in them,
 * so that a half-filled one can be freed at any time. Nothing is checked here: who fills in a plan
 * knows the author's text and says what is wrong with it.
 */

#include "plan/plan.h"

static void
free_action(void *data)
{
    VpAction *action = data;

    g_free(action->key);
    g_free(action->regex);
    g_free(action->text);
    g_strfreev(action->words);
    g_free(action);
}

static void
free_words(VpWords *words)
{
    g_strfreev(words->words);
    g_free(words);
}

static void
free_alter(VpAlter *alter)
{
    g_free(alter->option);
    g_ptr_array_unref(alter->actions);
    g_free(alter);
}

static void
free_group(VpGroup *group)
{
    g_free(group->name);
    g_free(group->id);
    g_ptr_array_unref(group->keys);
    g_ptr_array_unref(group->values);
    g_free(group);
}

static void
free_step(void *data)
{
    VpStep *step = data;

    switch (step->kind) {
    case VP_STEP_WORDS:
        free_words(step->words);
        break;
    case VP_STEP_ALTER:
        free_alter(step->alter);
        break;
    case VP_STEP_GROUP:
        free_group(step->group);
        break;
    }
    g_free(step);
}

VpPlan *
vp_plan_new(void)
{
    VpPlan *plan = g_new0(VpPlan, 1);

    plan->steps = g_ptr_array_new_with_free_func(free_step);
    plan->budget = vp_budget_new();
    plan->types = g_ptr_array_new_with_free_func((GDestroyNotify)vp_key_type_free);
    return plan;
}

void
vp_plan_free(VpPlan *plan)
{
    if (!plan)
        return;
    g_free(plan->emulator);
    g_free(plan->stock);
    g_free(plan->machine);
    g_clear_pointer(&plan->apart, g_ptr_array_unref);
    g_free(plan->domain);
    g_ptr_array_unref(plan->steps);
    g_ptr_array_unref(plan->types);
    g_free(plan);
}

static void
apart_free(gpointer data)
{
    VpApart *apart = data;

    g_free(apart->label);
    g_free(apart);
}

VpApart *
vp_plan_add_apart(VpPlan *plan, char *label)
{
    VpApart *apart = g_new0(VpApart, 1);

    if (!plan->apart)
        plan->apart = g_ptr_array_new_with_free_func(apart_free);
    apart->label = label;
    g_ptr_array_add(plan->apart, apart);
    return apart;
}

static VpStep *
add_step(VpPlan *plan, VpStepKind kind)
{
    VpStep *step = g_new0(VpStep, 1);

    step->kind = kind;
    g_ptr_array_add(plan->steps, step);
    return step;
}

VpWords *
vp_plan_add_words(VpPlan *plan, guint line)
{
    VpWords *words = g_new0(VpWords, 1);

    words->line = line;
    add_step(plan, VP_STEP_WORDS)->words = words;
    return words;
}

/* The number of the next alter. */
static guint
next_number(const VpPlan *plan)
{
    for (guint i = plan->steps->len; i > 0; i--) {
        const VpStep *step = plan->steps->pdata[i - 1];

        if (step->kind == VP_STEP_ALTER)
            return step->alter->number + 1;
    }
    return 1;
}

VpAlter *
vp_plan_add_alter(VpPlan *plan, guint line)
{
    VpAlter *alter = g_new0(VpAlter, 1);

    alter->number = next_number(plan);
    alter->line = line;
    alter->required = true;
    alter->budget = &plan->budget;
    alter->actions = g_ptr_array_new_with_free_func(free_action);
    add_step(plan, VP_STEP_ALTER)->alter = alter;
    return alter;
}

VpGroup *
vp_plan_add_group(VpPlan *plan, guint line)
{
    VpGroup *group = g_new0(VpGroup, 1);

    group->line = line;
    group->keys = g_ptr_array_new_with_free_func(g_free);
    group->values = g_ptr_array_new_with_free_func(g_free);
    add_step(plan, VP_STEP_GROUP)->group = group;
    return group;
}

VpAction *
vp_alter_add(VpAlter *alter, VpActionKind kind)
{
    VpAction *action = g_new0(VpAction, 1);

    action->kind = kind;
    g_ptr_array_add(alter->actions, action);
    return action;
}

void
vp_group_add(VpGroup *group, const char *key, const char *value)
{
    g_ptr_array_add(group->keys, g_strdup(key));
    g_ptr_array_add(group->values, g_strdup(value));
}

bool
vp_plan_is_empty(const VpPlan *plan)
{
    return plan->steps->len == 0;
}
