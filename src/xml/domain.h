/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/edit.h"
#include "xml/session_words.h"

/* One domain of a document, sorted by what we look for. Nodes are the index'. */
typedef struct VpXmlDomain {
    const VpXmlIndex *index;
    const VpXmlNode *node;
    const VpXmlNode *name;        /* the first of its kind, which is the one that libvirt reads */
    const VpXmlNode *uuid;        /* likewise */
    const VpXmlNode *metadata;    /* likewise */
    GPtrArray *commandlines;      /* libvirt reads all of them */
    GPtrArray *passthrough;       /* our elements in <metadata> */
    GPtrArray *kept;              /* elements in those: the author's, in upstream form */
    GPtrArray *authored;          /* children of the domain that stock libvirt does not know */
    GArray *words;                /* VpXmlSessionWords */
    GHashTable *ours;             /* set of nodes: passthrough and words */
} VpXmlDomain;

/* Whether the domain is run by QEMU. */
bool vp_xml_domain_is_qemu(const VpXmlNode *domain);

void vp_xml_domain_init(VpXmlDomain *domain, const VpXmlIndex *index, const VpXmlNode *node);
void vp_xml_domain_clear(VpXmlDomain *domain);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpXmlDomain, vp_xml_domain_clear)

/*
 * Takes the words of all sessions out, and what stood there only for them. @qemu_uses: names
 * outside of the words that have the prefix of the domain's own xmlns:qemu.
 */
void vp_xml_domain_take_words_out(const VpXmlDomain *domain, guint qemu_uses, VpXmlEdits *edits);

/* Finds the changes of one domain. */
typedef bool (*VpXmlRewriteFunc)(const VpXmlDomain *domain, gconstpointer data, VpXmlEdits *edits,
                                 GError **error);

/* Calls @func for each QEMU domain of the document; *ret_xml as for vp_xml_translate(). */
bool vp_xml_rewrite(const char *xml, VpXmlRewriteFunc func, gconstpointer data, char **ret_xml,
                    GError **error);
