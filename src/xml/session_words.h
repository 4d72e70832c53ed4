/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/edit.h"

/* -chardev, its value, -mon, its value */
#define VP_XML_SESSION_WORDS 4

/* The words of one dedicated session, as they stand in a <qemu:commandline>. */
typedef struct VpXmlSessionWords {
    const VpXmlNode *commandline;
    const VpXmlNode *args[VP_XML_SESSION_WORDS];
} VpXmlSessionWords;

/* Appends the sessions of a <qemu:commandline> to @found (VpXmlSessionWords). */
void vp_xml_session_words_find(const VpXmlNode *commandline, GArray *found);

/* Socket of the session; g_free() it. */
char *vp_xml_session_words_path(const VpXmlSessionWords *words);

/* Socket of the domain's session in @dir; g_free() it. */
char *vp_xml_session_path(const char *dir, const char *uuid);

/* Whether the last part of @path is what vp_xml_session_path() makes, or made once. */
bool vp_xml_is_session_path(const char *path);

/* Adds the words to @block as <qemu:arg> elements. @prefix: what stands for "qemu:". */
void vp_xml_session_words_print(VpXmlBlock *block, guint depth, const char *prefix,
                                const char *path);

/* Gives the session another socket. */
void vp_xml_session_words_set_path(const VpXmlSessionWords *words, const char *path,
                                   const char *bytes, VpXmlEdits *edits);

/* The first word that is not in @ours and uses our chardev id; NULL if there is none. */
const VpXmlNode *vp_xml_session_words_clash(const VpXmlNode *commandline, GHashTable *ours);

/* Whether a value for an option names our chardev as its own id. */
bool vp_xml_session_words_use_id(const char *value);

/* @text in canonical form, as libvirt reads it. false: that is no uuid. */
bool vp_xml_uuid_canonical(const char *text, char ret_uuid[37]);
