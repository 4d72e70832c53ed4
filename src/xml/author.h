/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/domain.h"
#include "xml/passthrough.h"

/* What the author of a domain asks of us. Nodes are the index'. */
typedef struct VpXmlWishes {
    const VpXmlNode *monitorpassthrough; /* NULL: he leaves it to the policy */
    VpSessionKind session;               /* what it says */
    VpPlan *plan;   /* all else, to be compiled, `emulator` as named; NULL: nothing that needs it */
    GPtrArray *env; /* with @plan: his variables, VpXmlNode */
} VpXmlWishes;

void vp_xml_wishes_clear(VpXmlWishes *wishes);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpXmlWishes, vp_xml_wishes_clear)

/* Whether a child of a domain is ours and not libvirt's: all that libvirt would drop. */
bool vp_xml_author_knows(const VpXmlNode *node);

/* false: VP_ERROR_UNSUPPORTED, an element is kept in <metadata> that is not known. */
bool vp_xml_author_check_kept(const VpXmlDomain *domain, GError **error);

/* Reads what says which session the domain has, in the domain or where we keep it. false:
 * VP_ERROR_XML. */
bool vp_xml_author_read_session(const VpXmlDomain *domain, VpXmlWishes *wishes, GError **error);

/*
 * Reads the rest, when there is something that has to be compiled under these rules. Not for a
 * domain in upstream form. false: VP_ERROR_XML, _UNSUPPORTED, _LIMIT.
 */
bool vp_xml_author_read_plan(const VpXmlDomain *domain, const VpXmlRules *rules,
                             VpXmlWishes *wishes, GError **error);

/* Whether the domain has something in author's form. */
bool vp_xml_author_is_in(const VpXmlDomain *domain);

/* Whether there is something in it that has to be compiled under these rules. */
bool vp_xml_author_needs_compiling(const VpXmlDomain *domain, const VpXmlRules *rules);

/* Whether one of the elements (VpXmlNode) says something about the command line. */
bool vp_xml_author_has_words(const GPtrArray *elements);
