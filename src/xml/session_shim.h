/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/domain.h"
#include "xml/passthrough.h"

/* The shim that adds a session's words, as <emulator> of a domain. */

/* Whether it is the domain's. */
bool vp_xml_session_shim_is(const VpXmlDomain *domain);

/* Whether the shim is to add the words of a session that the domain is to have. */
bool vp_xml_session_shim_is_wanted(const VpXmlDomain *domain, const VpXmlRules *rules);

/* Whether the plan of a domain has the shim add them. */
bool vp_xml_session_shim_is_planned(const VpXmlDomain *domain);

/* May it become that of a domain that is to have a session, has no plan, and of which nothing is
 * in upstream form? */
bool vp_xml_session_shim_fits(const VpXmlDomain *domain, const VpXmlRules *rules);

/* Puts it there, in the place of what the domain names or libvirt would choose. *ret_put: false if
 * that is not known. */
bool vp_xml_session_shim_put(const VpXmlDomain *domain, const VpXmlRules *rules, bool *ret_put,
                             VpXmlEdits *edits, GError **error);

/* Gives it its path on this host. */
bool vp_xml_session_shim_move(const VpXmlDomain *domain, const VpXmlRules *rules,
                              VpXmlEdits *edits, GError **error);

/* Puts the emulator back for which it stands. */
void vp_xml_session_shim_take_out(const VpXmlDomain *domain, VpXmlEdits *edits);
