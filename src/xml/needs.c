/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What has to be known before a document can be translated. It is found by the code that reads the
 * wishes for the translation itself, so that the two cannot disagree; only compiling is left out.
 */

#include "plan/makers.h"
#include "plan/shim.h"
#include "xml/author.h"
#include "xml/commandline.h"
#include "xml/emulator.h"
#include "xml/made.h"
#include "xml/pass.h"
#include "xml/session_shim.h"
#include "xml/stock.h"

void
vp_xml_needs_free(VpXmlNeeds *needs)
{
    if (!needs)
        return;
    vp_plan_free(needs->wishes);
    g_free(needs->type);
    g_free(needs->arch);
    g_free(needs->machine);
    g_free(needs);
}

static bool
adds_device(char **words)
{
    while (*words && !vp_xml_commandline_adds_device(*words) && !vp_xml_commandline_sets(*words))
        words++;
    return *words != NULL;
}

static bool
action_adds_device(const VpAction *action)
{
    return action->kind == VP_ACTION_EXTRA && adds_device(action->words);
}

static bool
action_sets(const VpAction *action)
{
    return action->kind == VP_ACTION_MODIFY;
}

static bool
any_action(const VpAlter *alter, bool (*is)(const VpAction *action))
{
    for (guint i = 0; i < alter->actions->len; i++) {
        if (is(alter->actions->pdata[i]))
            return true;
    }
    return false;
}

static bool
step_adds_device(const VpStep *step)
{
    switch (step->kind) {
    case VP_STEP_WORDS:
        return adds_device(step->words->words);
    case VP_STEP_GROUP:
        return vp_group_makes_devices(step->group->name);
    case VP_STEP_ALTER:
        return any_action(step->alter, action_adds_device);
    }
    g_assert_not_reached();
}

static bool
step_sets(const VpStep *step)
{
    return step->kind == VP_STEP_ALTER && any_action(step->alter, action_sets);
}

static bool
any_step(const VpPlan *wishes, bool (*is)(const VpStep *step))
{
    for (guint i = 0; i < wishes->steps->len; i++) {
        if (is(wishes->steps->pdata[i]))
            return true;
    }
    return false;
}

bool
vp_xml_needs_stock(const VpPlan *wishes)
{
    return any_step(wishes, step_adds_device);
}

static bool
may_get_session(const VpXmlWishes *wishes, const VpXmlRules *rules)
{
    return wishes->monitorpassthrough ? wishes->session == VP_SESSION_DEDICATED
                                      : rules->policy == VP_POLICY_ALL;
}

/* A domain without anything to compile for which a link of the shim's is made all the same: the
 * client has to be judged for its emulator too. NULL: there is none. */
static VpPlan *
find_shim(const VpXmlDomain *domain, const VpXmlRules *rules, const VpXmlWishes *wishes)
{
    const char *made = domain->made == VP_XML_MADE_INTACT ? vp_xml_made_emulator(domain) : NULL;
    g_autofree char *emulator = NULL;
    VpPlan *plan = NULL;

    if (made && rules->shim)
        emulator = g_strdup(made);
    else if (vp_xml_session_shim_is(domain) && rules->session_shim)
        emulator = vp_shim_emulator(domain->emulator->text);
    else if (may_get_session(wishes, rules) && vp_xml_session_shim_fits(domain, rules))
        emulator = domain->emulator ? g_strdup(domain->emulator->text) : NULL;
    else
        return NULL;
    plan = vp_plan_new();
    plan->emulator = g_steal_pointer(&emulator);
    return plan;
}

static void
add(const VpXmlDomain *domain, VpPlan *wishes, GPtrArray *list)
{
    VpXmlMachine machine = vp_xml_emulator_machine(domain);
    VpXmlNeeds *needs = g_new0(VpXmlNeeds, 1);

    needs->wishes = wishes;
    needs->type = g_strdup(machine.type);
    needs->arch = g_strdup(machine.arch);
    needs->machine = g_strdup(machine.machine);
    needs->facts = any_step(wishes, step_adds_device) || any_step(wishes, step_sets);
    if (vp_xml_needs_stock(wishes))
        vp_xml_stock(domain, wishes);
    needs->upstream = vp_xml_emulator_is_shim(domain);
    g_ptr_array_add(list, needs);
}

static bool
add_needs(const VpXmlDomain *domain, const VpXmlRules *rules, GPtrArray *list,
          VpXmlEdits *edits G_GNUC_UNUSED, GError **error)
{
    g_auto(VpXmlWishes) wishes = { 0 };

    if (!vp_xml_author_read_session(domain, &wishes, error))
        return false;
    if (domain->passthrough->len == 0 &&
        !vp_xml_author_read_plan(domain, rules, &wishes, error))
        return false;
    if (!wishes.plan)
        wishes.plan = find_shim(domain, rules, &wishes);
    if (wishes.plan)
        add(domain, g_steal_pointer(&wishes.plan), list);
    return true;
}

/* Rules without a compiler would refuse what there is nothing wrong with. */
static bool
never_compile(const VpPlan *wishes G_GNUC_UNUSED, char ***ret_words G_GNUC_UNUSED,
              char **ret_plan G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED,
              GError **error G_GNUC_UNUSED)
{
    g_assert_not_reached();
}

bool
vp_xml_validate(const char *xml, GError **error)
{
    static const VpXmlRules rules = { .session_dir = "/", .compile = never_compile };
    g_autoptr(VpXmlIndex) index = vp_xml_index_new(xml, error);
    g_autoptr(GPtrArray) needs = NULL;

    if (!index)
        return false;
    if (!index->root && !index->doctype) {
        g_set_error_literal(error, VP_ERROR, VP_ERROR_XML,
                            "this is no domain document, or it is not well-formed");
        return false;
    }
    needs = vp_xml_needs(&rules, xml, error);
    return needs != NULL;
}

GPtrArray *
vp_xml_needs(const VpXmlRules *rules, const char *xml, GError **error)
{
    g_autoptr(GPtrArray) needs = g_ptr_array_new_with_free_func((GDestroyNotify)vp_xml_needs_free);
    g_autofree char *changed = NULL;

    if (!vp_xml_pass(rules, xml, add_needs, needs, &changed, error))
        return NULL;
    return g_steal_pointer(&needs);
}
