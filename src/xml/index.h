/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "xml/text.h"

/* What an element is to us. */
typedef enum VpXmlRole {
    VP_XML_NOTHING,     /* not in the index */
    VP_XML_SET,         /* <domainsnapshot>, <domaincheckpoint> */
    VP_XML_DOMAIN,      /* <domain>, <inactiveDomain> */
    VP_XML_NAME,        /* <name> of a domain */
    VP_XML_UUID,        /* <uuid> of a domain */
    VP_XML_OS,          /* <os> of a domain */
    VP_XML_OS_TYPE,     /* <type> in it */
    VP_XML_SECLABEL,    /* <seclabel> of a domain */
    VP_XML_DEVICES,     /* <devices> of a domain */
    VP_XML_EMULATOR,    /* <emulator> in it */
    VP_XML_APART,       /* <interface> and <hostdev> in it */
    VP_XML_ADDRESS,     /* <address> of those */
    VP_XML_MODEL,       /* <model> of those */
    VP_XML_METADATA,    /* <metadata> of a domain */
    VP_XML_FOREIGN,     /* somebody else's element in <metadata>; not looked into */
    VP_XML_PASSTHROUGH, /* our element in <metadata> */
    VP_XML_QEMU,        /* child of a domain in one of the namespaces for QEMU */
    VP_XML_INNER,       /* anything below PASSTHROUGH or QEMU */
    VP_XML_MARKED,      /* a processing instruction of ours; @local is its word */
} VpXmlRole;

/* Strings of the structures below are the index'; "" where there is none. */
typedef struct VpXmlAttribute {
    const char *prefix;
    const char *local;
    const char *value; /* decoded */
} VpXmlAttribute;

/* A namespace declaration. */
typedef struct VpXmlBinding {
    const char *prefix; /* "" for the default namespace */
    const char *uri;
} VpXmlBinding;

/*
 * Processing instructions of ours: they say what stood in the author's text where nothing else
 * tells. container.c, emulator.c and kept.c have the use of each word.
 */
#define VP_XML_MARK_TARGET "virtpass"
#define VP_XML_MARK_KEPT "kept"
#define VP_XML_MARK_EMPTY "empty"
#define VP_XML_MARK_CLOSED "closed"
#define VP_XML_MARK_ADDED "added"
#define VP_XML_MARK(word) "<?" VP_XML_MARK_TARGET " " word "?>"

typedef struct VpXmlNode VpXmlNode;
struct VpXmlNode {
    VpXmlRole role;
    VpXmlNode *parent;
    VpXmlNode *first;           /* children that are in the index, in document order */
    VpXmlNode *last;
    VpXmlNode *next;

    const char *prefix;
    const char *local;
    const char *uri;
    VpXmlAttribute *attributes; /* namespace declarations are not among them */
    guint n_attributes;
    VpXmlBinding *bindings;
    guint n_bindings;
    const char *text;           /* of NAME, UUID and EMULATOR: all character data, as libvirt reads
                                 * it; of an INNER without children: its own. "" for all others */

    guint line;                 /* of @start, counted from 1 */
    gsize start;                /* '<' of the start tag */
    gsize open_end;             /* behind the '>' of the start tag */
    gsize close;                /* '<' of the end tag; == end when there is none: <a/> */
    gsize end;                  /* behind the last '>' */

    bool has_text;              /* character data that is not blank stands in it */
    bool has_other;             /* comments, CDATA or processing instructions stand in it */
    bool has_skipped;           /* elements that are not in the index stand in it */
    bool has_late;              /* DEVICES: one of them libvirt writes behind the author's words */
    guint qemu_uses;            /* names in it with the prefix "qemu" as declared outside of it */
};

typedef struct VpXmlIndex {
    VpXmlText text;
    VpXmlNode *root;       /* NULL: no domain document, or not well-formed */
    bool doctype;          /* it has a DOCTYPE; then @root is NULL */
    bool undeclared;       /* a prefix is used somewhere that nothing declares */
    GStringChunk *strings;
} VpXmlIndex;

/* NULL: a limit is exceeded. @xml has to live as long as the index. */
VpXmlIndex *vp_xml_index_new(const char *xml, GError **error);
void vp_xml_index_free(VpXmlIndex *index);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpXmlIndex, vp_xml_index_free)

static inline bool
vp_xml_node_is(const VpXmlNode *node, const char *uri, const char *local)
{
    return g_str_equal(node->local, local) && g_str_equal(node->uri, uri);
}

/* <a/> */
static inline bool
vp_xml_node_is_self_closing(const VpXmlNode *node)
{
    return node->open_end == node->end;
}

/* "prefix:local" */
char *vp_xml_node_name(const VpXmlNode *node);

/* Value of the attribute in no namespace, NULL if it is not there. */
const char *vp_xml_node_attribute(const VpXmlNode *node, const char *local);

/* What @prefix means for the children of @node; NULL when nothing declares it. */
const char *vp_xml_node_lookup(const VpXmlNode *node, const char *prefix);

/* Sets an error of our domain: "line N: <NAME>: TEXT", cut when it gets long. */
void vp_xml_set_error(GError **error, VpError code, const VpXmlIndex *index, const VpXmlNode *node,
                      const char *format, ...) G_GNUC_PRINTF(5, 6);
