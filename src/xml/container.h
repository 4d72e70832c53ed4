/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/edit.h"

/*
 * Adds the block as last children of @container, an element that may be empty.
 * false: the author's text has a mark where ours would have to be.
 */
bool vp_xml_container_put_in(VpXmlEdits *edits, const VpXmlIndex *index,
                             const VpXmlNode *container, const VpXmlBlock *block, GError **error);

/* Takes out the children in @ours. true: and @container, which had no others, with them. */
bool vp_xml_container_take_out(VpXmlEdits *edits, const VpXmlNode *container, GHashTable *ours);

/* false with @error when a mark stands among the children of @node. */
bool vp_xml_refuse_marks(const VpXmlIndex *index, const VpXmlNode *node, GError **error);
