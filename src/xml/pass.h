/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/domain.h"
#include "xml/passthrough.h"

/* Whether devices are added, for which libvirt's part of the command line has to be known. */
bool vp_xml_needs_stock(const VpPlan *wishes);

/* What is done with one domain that is in one of the two forms, not in some of both. @needs: as
 * given to vp_xml_pass(). */
typedef bool (*VpXmlPassFunc)(const VpXmlDomain *domain, const VpXmlRules *rules, GPtrArray *needs,
                              VpXmlEdits *edits, GError **error);

/* A pass over a document on its way to libvirtd; *ret_xml as for vp_xml_translate(). @needs:
 * emptied when the pass has to begin again; may be NULL. */
bool vp_xml_pass(const VpXmlRules *rules, const char *xml, VpXmlPassFunc func, GPtrArray *needs,
                 char **ret_xml, GError **error);
