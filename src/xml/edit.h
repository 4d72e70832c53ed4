/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/index.h"

/* Lines of XML to be inserted, each with its depth below the first. */
typedef struct VpXmlBlock VpXmlBlock;

VpXmlBlock *vp_xml_block_new(void);
void vp_xml_block_free(VpXmlBlock *block);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpXmlBlock, vp_xml_block_free)

void vp_xml_block_add(VpXmlBlock *block, guint depth, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/*
 * An element of maybe several lines that was taken from where it stood @indent spaces in. When it
 * is inserted as lines, those that begin with a tag move with the first.
 */
void vp_xml_block_add_element(VpXmlBlock *block, guint depth, const char *element, gsize indent);

/* The lines without white space between them. */
char *vp_xml_block_join(const VpXmlBlock *block);

typedef struct VpXmlEdits VpXmlEdits;

/* @bytes has to live as long as the edits. */
VpXmlEdits *vp_xml_edits_new(const char *bytes);
void vp_xml_edits_free(VpXmlEdits *edits);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpXmlEdits, vp_xml_edits_free)

/* Puts @with where the bytes [from, to) are. */
void vp_xml_edits_replace(VpXmlEdits *edits, gsize from, gsize to, const char *with);

/* Takes the element or mark out, with its line when it has one to itself. */
void vp_xml_edits_remove(VpXmlEdits *edits, const VpXmlNode *node);

/*
 * Inserts the block before the tag that starts at @tag: as lines when the tag begins a line,
 * @depth steps further in than it, else without any white space. vp_xml_edits_remove() of what
 * was inserted gives the old text.
 */
void vp_xml_edits_insert(VpXmlEdits *edits, gsize tag, guint depth, const VpXmlBlock *block);

/* Inserts @text behind the element, on a line of its own when the element begins one. */
void vp_xml_edits_append(VpXmlEdits *edits, const VpXmlNode *node, const char *text);

/* How many spaces stand before the tag that starts at @tag, when it begins a line; else 0. */
gsize vp_xml_indent_of(const char *bytes, gsize tag);

/* *ret_text is NULL when there are no edits. false: the text gets too long. */
bool vp_xml_edits_apply(VpXmlEdits *edits, char **ret_text, GError **error);
