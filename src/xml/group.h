/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plan/plan.h"
#include "xml/index.h"

/* Appends the configuration-file group that the element is to @plan. false: VP_ERROR_XML. */
bool vp_xml_group_read(const VpXmlIndex *index, const VpXmlNode *node, VpPlan *plan,
                       GError **error);
