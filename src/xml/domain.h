/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/edit.h"
#include "xml/session_words.h"

/* What has become of the words that were made of the author's elements; see made.c. */
typedef enum VpXmlMadeState {
    VP_XML_MADE_NONE,    /* none were made */
    VP_XML_MADE_INTACT,
    VP_XML_MADE_CHANGED, /* somebody changed them, or the elements, without us */
} VpXmlMadeState;

/* One domain of a document, sorted by what we look for. Nodes are the index'. */
typedef struct VpXmlDomain {
    const VpXmlIndex *index;
    const VpXmlNode *node;
    const VpXmlNode *name;        /* the first of its kind, which is the one that libvirt reads */
    const VpXmlNode *uuid;        /* likewise */
    const VpXmlNode *metadata;    /* likewise */
    const VpXmlNode *os_type;     /* likewise: <type> of <os> */
    const VpXmlNode *devices;     /* likewise */
    const VpXmlNode *emulator;    /* likewise: <emulator> of <devices> */
    bool own_user;                /* QEMU runs as a user that the domain names */
    GPtrArray *commandlines;      /* in libvirt's namespace; libvirt reads all of them */
    GPtrArray *passthrough;       /* our elements in <metadata> */
    GPtrArray *kept;              /* elements in those: the author's, in upstream form */
    const VpXmlNode *kept_emulator; /* the one in those that is not for the domain itself */
    GPtrArray *authored;          /* children of the domain that stock libvirt does not know */
    GArray *words;                /* VpXmlSessionWords */
    GHashTable *session;          /* set of nodes: those words */
    VpXmlMadeState made;
    GHashTable *ours;             /* set of nodes: what restoring takes out. The session's words;
                                   * if it was not changed, what was made and our elements */
} VpXmlDomain;

void vp_xml_domain_init(VpXmlDomain *domain, const VpXmlIndex *index, const VpXmlNode *node);
void vp_xml_domain_clear(VpXmlDomain *domain);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpXmlDomain, vp_xml_domain_clear)

/*
 * Takes the words that are in @which out of all <commandline>s, and what stood there only for
 * them. @qemu_uses: names in the domain, as it becomes but for the words, that have the prefix of
 * the domain's own xmlns:qemu.
 */
void vp_xml_domain_take_words_out(const VpXmlDomain *domain, GHashTable *which, guint qemu_uses,
                                  VpXmlEdits *edits);

/* Finds the changes of one domain. */
typedef bool (*VpXmlRewriteFunc)(const VpXmlDomain *domain, gconstpointer data, VpXmlEdits *edits,
                                 GError **error);

/* Calls @func for each QEMU domain of the document; *ret_xml as for vp_xml_translate(). */
bool vp_xml_rewrite(const char *xml, VpXmlRewriteFunc func, gconstpointer data, char **ret_xml,
                    GError **error);
