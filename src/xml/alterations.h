/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* What is done to the alterations of a domain. */
typedef enum VpXmlChange {
    VP_XML_CHANGE_ADD,     /* put the new ones behind those there are */
    VP_XML_CHANGE_REPLACE, /* in place of them */
    VP_XML_CHANGE_CLEAR,   /* take those there are out */
} VpXmlChange;

/*
 * @xml: a domain in its author's form. @commandline: one <qemu:commandline> element with its
 * namespace declared, which may hold all that such an element may (NULL with CLEAR). *ret_xml: the
 * domain, in which only the <qemu:alter> elements are others; g_free(). Whether the new ones make
 * sense is for vp_xml_translate() to say.
 */
bool vp_xml_change_alterations(const char *xml, VpXmlChange change, const char *commandline,
                               char **ret_xml, GError **error);
