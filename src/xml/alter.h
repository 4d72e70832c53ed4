/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plan/plan.h"
#include "xml/index.h"

/* Appends what <alter> says to @plan. false: VP_ERROR_XML or _LIMIT, @plan has half of it. */
bool vp_xml_alter_read(const VpXmlIndex *index, const VpXmlNode *node, VpPlan *plan,
                       GError **error);
