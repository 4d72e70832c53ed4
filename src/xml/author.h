/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/index.h"
#include "xml/passthrough.h"

/* What the author of a domain asks of us. */
typedef struct VpXmlWishes {
    const VpXmlNode *monitorpassthrough; /* NULL: he leaves it to the policy */
    VpSessionKind session;               /* what it says */
} VpXmlWishes;

/* Whether the element, in libvirt's namespace for QEMU, is ours and not libvirt's. */
bool vp_xml_author_knows(const VpXmlNode *node);

/* Whether the name of such an element is anywhere in the bytes. */
bool vp_xml_author_may_be_in(const char *bytes);

/* Reads one element into @wishes. false: VP_ERROR_XML, or _UNSUPPORTED for an unknown one. */
bool vp_xml_author_read(const VpXmlIndex *index, const VpXmlNode *node, VpXmlWishes *wishes,
                        GError **error);
