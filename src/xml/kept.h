/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/domain.h"

/* What is to be moved into <metadata>. */
typedef struct VpXmlKeep {
    const GPtrArray *elements; /* the author's (VpXmlNode), children of the domain in their order */
    const VpXmlNode *emulator; /* his <emulator>, whose place has been taken, or NULL */
    const char *attributes;    /* of our element, each with a space before it */
} VpXmlKeep;

/* false: a mark of ours is in the author's text. */
bool vp_xml_kept_store(const VpXmlDomain *domain, const VpXmlKeep *keep, VpXmlEdits *edits,
                       GError **error);

/*
 * Puts what <metadata> keeps back into the domain. Returns how many names in it have the prefix
 * of the domain's own xmlns:qemu.
 */
guint vp_xml_kept_put_back(const VpXmlDomain *domain, VpXmlEdits *edits);
