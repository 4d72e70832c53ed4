/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/index.h"

/*
 * What the readers of the author's elements ask of them. All return false with an error that names
 * the element, its line and what is expected (VP_ERROR_XML).
 */

/* Whether an error may be set: a shorthand for what most readers end with. */
bool vp_xml_refuse(GError **error, const VpXmlIndex *index, const VpXmlNode *node,
                   const char *format, ...) G_GNUC_PRINTF(4, 5);

/* @known: NULL-terminated. @expected: the attributes that there may be, as the error shows them. */
bool vp_xml_check_attributes(const VpXmlIndex *index, const VpXmlNode *node,
                             const char *const *known, const char *expected, GError **error);

/* Neither text nor elements. */
bool vp_xml_check_empty(const VpXmlIndex *index, const VpXmlNode *node, GError **error);

/* No text between the elements in it. */
bool vp_xml_check_no_text(const VpXmlIndex *index, const VpXmlNode *node, const char *expected,
                          GError **error);

/* The text of an element without elements in it, without the white space around it; may be "". */
bool vp_xml_check_text(const VpXmlIndex *index, const VpXmlNode *node, char **ret_text,
                       GError **error);

/* The same, refused when it is empty. @expected: what has to be there. */
bool vp_xml_check_some_text(const VpXmlIndex *index, const VpXmlNode *node, const char *expected,
                            char **ret_text, GError **error);

/* The words of the text as a shell would split it, at least one; g_strfreev(). */
bool vp_xml_check_words(const VpXmlIndex *index, const VpXmlNode *node, char ***ret_words,
                        GError **error);

/* Whether the element may stand below an element of ours: in no namespace or in one of QEMU's. */
bool vp_xml_is_inner(const VpXmlNode *node);
