/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A session by way of <emulator>: the shim, started without a plan, adds the words itself, and
 * nothing else of ours is in the domain. Its path says which emulator it stands for (plan/shim.c),
 * so that nothing has to be kept in <metadata>: what a reader gets is made of the path. A domain
 * whose command line is altered has a plan, which says that the session is to be added.
 *
 * That is done where the administrator wants it, and wherever QEMU runs as a user of the domain's
 * own, who can make a socket in the guest's directory, but not in that of the sessions.
 *
 * Where the author wrote his <emulator> in another way than libvirt prints it, or where no shim can
 * stand for what he names, the session's words stand on the command line as they otherwise do. What
 * describes a guest that runs keeps what it was started with.
 */

#include "xml/session_shim.h"

#include "plan/plan.h"
#include "plan/shim.h"
#include "xml/emulator.h"

#include <string.h>

bool
vp_xml_session_shim_is(const VpXmlDomain *domain)
{
    return domain->emulator && vp_shim_adds_session(domain->emulator->text);
}

bool
vp_xml_session_shim_is_wanted(const VpXmlDomain *domain, const VpXmlRules *rules)
{
    return rules->session_shim && !rules->running && domain->made != VP_XML_MADE_CHANGED &&
           (rules->words == VP_WORDS_EMULATOR || domain->own_user);
}

static const char *
find_plan(const VpXmlDomain *domain)
{
    for (guint i = 0; i < domain->commandlines->len; i++) {
        const VpXmlNode *commandline = domain->commandlines->pdata[i];

        for (const VpXmlNode *child = commandline->first; child; child = child->next) {
            if (g_strcmp0(vp_xml_node_attribute(child, "name"), VP_PLAN_VARIABLE) == 0)
                return vp_xml_node_attribute(child, "value");
        }
    }
    return NULL;
}

bool
vp_xml_session_shim_is_planned(const VpXmlDomain *domain)
{
    const char *json = vp_xml_emulator_is_shim(domain) ? find_plan(domain) : NULL;
    g_autoptr(VpPlan) plan = json ? vp_plan_from_json(json, NULL) : NULL;

    return plan && plan->session;
}

static bool
names_emulator(const VpXmlDomain *domain)
{
    return domain->emulator && *domain->emulator->text;
}

bool
vp_xml_session_shim_fits(const VpXmlDomain *domain, const VpXmlRules *rules)
{
    g_autofree char *normal = NULL;

    if (!vp_xml_session_shim_is_wanted(domain, rules))
        return false;
    if (!names_emulator(domain))
        return !domain->emulator && rules->default_emulator;
    normal = vp_shim_normal(domain->emulator->text, NULL);
    return g_strcmp0(normal, domain->emulator->text) == 0 &&
           vp_xml_emulator_is_plain(domain, normal);
}

bool
vp_xml_session_shim_put(const VpXmlDomain *domain, const VpXmlRules *rules, bool *ret_put,
                        VpXmlEdits *edits, GError **error)
{
    VpXmlMachine machine = vp_xml_emulator_machine(domain);
    g_autofree char *real = names_emulator(domain)
                          ? g_strdup(domain->emulator->text)
                          : rules->default_emulator(&machine, rules->data, NULL);
    g_autofree char *shim = NULL;
    const VpXmlNode *keep = NULL;

    *ret_put = false;
    if (!real) /* libvirtd says so itself */
        return true;
    shim = rules->session_shim(real, rules->data, error);
    if (!shim)
        return false;
    *ret_put = true;
    return vp_xml_emulator_put_shim(domain, shim, real, edits, &keep, error);
}

bool
vp_xml_session_shim_move(const VpXmlDomain *domain, const VpXmlRules *rules, VpXmlEdits *edits,
                         GError **error)
{
    g_autofree char *real = vp_shim_emulator(domain->emulator->text);
    g_autofree char *shim = NULL;

    if (!rules->session_shim)
        return true;
    shim = rules->session_shim(real, rules->data, error);
    if (shim)
        vp_xml_emulator_set_shim(domain, shim, edits);
    return shim != NULL;
}

void
vp_xml_session_shim_take_out(const VpXmlDomain *domain, VpXmlEdits *edits)
{
    g_autofree char *real = vp_shim_emulator(domain->emulator->text);

    vp_xml_emulator_put_back(domain, real, NULL, edits);
}
