/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Upstream form -> what a reader sees.
 *
 * Where somebody changed what was made of the author's elements, these do not say what the domain
 * is any more. Then they stay in <metadata> for everybody to see, and so does what runs.
 *
 * A document that we have nothing in does not contain the word "virtpass": our namespace, the
 * session's id and our marks all do. Most documents are done with one look for it.
 */

#include "xml/container.h"
#include "xml/domain.h"
#include "xml/emulator.h"
#include "xml/kept.h"
#include "xml/made.h"
#include "xml/passthrough.h"
#include "xml/session_shim.h"
#include "xml/state.h"

#include <string.h>

/* Takes our elements out of each <metadata> that has some; returns the names in them. */
static guint
take_passthrough_out(const VpXmlDomain *domain, VpXmlEdits *edits)
{
    const VpXmlNode *done = NULL;
    guint qemu_uses = 0;

    for (guint i = 0; i < domain->passthrough->len; i++) {
        const VpXmlNode *passthrough = domain->passthrough->pdata[i];

        if (passthrough->parent != done)
            vp_xml_container_take_out(edits, passthrough->parent, domain->ours);
        done = passthrough->parent;
        qemu_uses += passthrough->qemu_uses;
    }
    return qemu_uses;
}

/* Whether take_passthrough_out() had to do with it. */
static bool
is_taken_out(const VpXmlDomain *domain, const VpXmlNode *metadata)
{
    for (guint i = 0; i < domain->passthrough->len; i++) {
        if (((const VpXmlNode *)domain->passthrough->pdata[i])->parent == metadata)
            return domain->made != VP_XML_MADE_CHANGED;
    }
    return false;
}

static bool
restore_domain(const VpXmlDomain *domain, gconstpointer data G_GNUC_UNUSED, VpXmlEdits *edits,
               GError **error G_GNUC_UNUSED)
{
    guint qemu_uses = domain->node->qemu_uses;
    bool has_state = vp_xml_state_mark(domain);

    if (domain->made != VP_XML_MADE_CHANGED) {
        qemu_uses += vp_xml_kept_put_back(domain, edits);
        qemu_uses -= take_passthrough_out(domain, edits);
    }
    if (has_state && !is_taken_out(domain, domain->metadata))
        vp_xml_container_take_out(edits, domain->metadata, domain->ours);
    if (domain->made == VP_XML_MADE_INTACT && vp_xml_made_emulator(domain))
        vp_xml_emulator_put_back(domain, vp_xml_made_emulator(domain), domain->kept_emulator,
                                 edits);
    if (vp_xml_session_shim_is(domain))
        vp_xml_session_shim_take_out(domain, edits);
    vp_xml_domain_take_words_out(domain, domain->ours, qemu_uses, edits);
    return true;
}

bool
vp_xml_restore(const char *xml, char **ret_xml, GError **error)
{
    if (!strstr(xml, "virtpass")) {
        *ret_xml = NULL;
        return true;
    }
    return vp_xml_rewrite(xml, restore_domain, NULL, ret_xml, error);
}
