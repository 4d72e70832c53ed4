/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/domain.h"

/* Each key has a namespace of its own below this one. */
#define VP_XML_STATE_NAMESPACES "http://virtpass.org/schemas/state/"

/* Adds what virtpassd keeps in the domain's <metadata> to the set @domain->ours. Whether there is
 * any. */
bool vp_xml_state_mark(const VpXmlDomain *domain);
