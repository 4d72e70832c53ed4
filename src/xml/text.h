/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Bytes [from, to) of a document. */
typedef struct VpXmlRange {
    gsize from;
    gsize to;
} VpXmlRange;

/* A document as UTF-8. Clear with g_free(converted). */
typedef struct VpXmlText {
    const char *bytes;  /* NUL-terminated: the caller's document, or @converted */
    gsize len;
    char *converted;    /* the document in UTF-8 when it declares another encoding, else NULL */
} VpXmlText;

/* false: cannot be read as text in the encoding that it declares. */
bool vp_xml_text_init(VpXmlText *text, const char *xml);
void vp_xml_text_clear(VpXmlText *text);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpXmlText, vp_xml_text_clear)

/* The most attributes that one start tag of the document can have, as far as a parser gets. */
guint vp_xml_text_attributes_max(const VpXmlText *text);

/*
 * Finds the attribute written as @name in the tag that starts at @tag ('<'), which must be
 * well-formed. @ret_whole begins with the white space before it, @ret_value is what stands
 * between the quotes.
 */
bool vp_xml_find_attribute(const char *bytes, gsize tag, const char *name, VpXmlRange *ret_whole,
                           VpXmlRange *ret_value);

/* Whether the bytes are nothing but XML's white space. */
bool vp_xml_is_blank(const char *bytes, gsize len);

/* @value as it can stand between quotes of either kind. */
char *vp_xml_escape(const char *value);
