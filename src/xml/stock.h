/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plan/plan.h"
#include "xml/domain.h"

/* Sets what of the domain, which is in author's form, is libvirt's: `stock` and `apart` of
 * @wishes. */
void vp_xml_stock(const VpXmlDomain *domain, VpPlan *wishes);
