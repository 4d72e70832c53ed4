/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/domain.h"

/* Moves the author's elements into <metadata>. */
bool vp_xml_kept_store(const VpXmlDomain *domain, VpXmlEdits *edits, GError **error);

/*
 * Puts what <metadata> keeps back into the domain. Returns how many names in it have the prefix
 * of the domain's own xmlns:qemu.
 */
guint vp_xml_kept_put_back(const VpXmlDomain *domain, VpXmlEdits *edits);
