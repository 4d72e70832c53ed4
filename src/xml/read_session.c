/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which session a running domain has.
 *
 * The words say it, since QEMU was started with them. The author's element can say that they
 * are not to be used; it cannot make a session where QEMU has none.
 */

#include "xml/author.h"
#include "xml/domain.h"
#include "xml/passthrough.h"
#include "xml/session_shim.h"

void
vp_xml_session_clear(VpXmlSession *session)
{
    g_free(session->path);
    *session = (VpXmlSession){ 0 };
}

/* What the elements ask for; DEDICATED when they say nothing that makes sense. */
static void
read_asked(const VpXmlDomain *domain, VpXmlSession *session)
{
    g_auto(VpXmlWishes) wishes = { .session = VP_SESSION_DEDICATED };

    vp_xml_author_read_session(domain, &wishes, NULL);
    session->asked = wishes.session;
    session->says = wishes.monitorpassthrough != NULL;
}

static void
read_domain(const VpXmlDomain *domain, VpXmlSession *session)
{
    bool shim = vp_xml_session_shim_is(domain) || vp_xml_session_shim_is_planned(domain);

    *session = (VpXmlSession){ .has_words = shim || domain->words->len > 0 };
    read_asked(domain, session);
    session->kind = session->asked;
    if (domain->uuid && !vp_xml_uuid_canonical(domain->uuid->text, session->uuid))
        session->uuid[0] = '\0';
    if (session->kind != VP_SESSION_DEDICATED)
        return;
    if (!session->has_words)
        session->kind = VP_SESSION_SHARED;
    else if (shim)
        session->in_run_dir = true;
    else
        session->path = vp_xml_session_words_path(
            &g_array_index(domain->words, VpXmlSessionWords, 0));
}

bool
vp_xml_read_session(const char *xml, VpXmlSession *ret_session, GError **error)
{
    g_autoptr(VpXmlIndex) index = vp_xml_index_new(xml, error);
    g_auto(VpXmlDomain) domain = { 0 };

    if (!index)
        return false;
    if (!index->root || index->root->role != VP_XML_DOMAIN) {
        g_set_error_literal(error, VP_ERROR, VP_ERROR_XML, "this is no domain document");
        return false;
    }
    vp_xml_domain_init(&domain, index, index->root);
    read_domain(&domain, ret_session);
    return true;
}
