/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reads what libvirt knows of a snapshot. Nothing is changed here, so a tree of the document will
 * do; it is libvirtd's own, and printed by it.
 */

#include "xml/passthrough.h"
#include "xml/index.h"
#include "xml/state.h"

#include <libxml/parser.h>
#include <string.h>

typedef xmlDoc Document;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Document, xmlFreeDoc)

static bool
is_named(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

/* The first of that name; @node NULL is fine. */
static xmlNode *
child(const xmlNode *node, const char *name)
{
    xmlNode *at = node ? node->children : NULL;

    while (at && !is_named(at, name))
        at = at->next;
    return at;
}

/* g_free(); NULL: there is no such element. */
static char *
text_of(xmlNode *node)
{
    xmlChar *content = node ? xmlNodeGetContent(node) : NULL;
    char *text = g_strdup((const char *)content);

    xmlFree(content);
    return text;
}

static bool
says(xmlNode *node, const char *attribute, const char *value)
{
    xmlChar *is = node ? xmlGetNoNsProp(node, (const xmlChar *)attribute) : NULL;
    bool same = is && strcmp((const char *)is, value) == 0;

    xmlFree(is);
    return same;
}

/* Neither the guest's memory nor a disk has a file of its own, and something was saved. */
static bool
is_internal(xmlNode *root)
{
    xmlNode *memory = child(root, "memory");
    xmlNode *disks = child(root, "disks");
    bool some = says(memory, "snapshot", "internal");

    for (xmlNode *disk = disks ? disks->children : NULL; disk; disk = disk->next) {
        if (disk->type != XML_ELEMENT_NODE || says(disk, "snapshot", "no"))
            continue;
        if (!says(disk, "snapshot", "internal"))
            return false;
        some = true;
    }
    return some && !says(memory, "snapshot", "external");
}

static char *
find_kept(xmlNode *root, const char *key)
{
    xmlNode *metadata = child(child(root, "domain"), "metadata");
    g_autofree char *uri = g_strconcat(VP_XML_STATE_NAMESPACES, key, "/1.0", NULL);

    for (xmlNode *at = metadata ? metadata->children : NULL; at; at = at->next) {
        if (is_named(at, key) && at->ns && strcmp((const char *)at->ns->href, uri) == 0)
            return text_of(at);
    }
    return NULL;
}

void
vp_xml_snapshot_clear(VpXmlSnapshot *snapshot)
{
    g_clear_pointer(&snapshot->name, g_free);
    g_clear_pointer(&snapshot->parent, g_free);
    g_clear_pointer(&snapshot->kept, g_free);
}

/* NULL: it is not well-formed, or would take libxml2 too long; the index has limits for that. */
static xmlDoc *
read_document(const char *xml)
{
    g_autoptr(VpXmlIndex) index = vp_xml_index_new(xml, NULL);

    if (!index || !index->root || index->root->role != VP_XML_SET)
        return NULL;
    return xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
                         XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
}

bool
vp_xml_read_snapshot(const char *xml, const char *key, VpXmlSnapshot *ret_snapshot)
{
    g_autoptr(Document) document = read_document(xml);
    xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
    g_autofree char *created = NULL;

    *ret_snapshot = (VpXmlSnapshot){ 0 };
    if (!root || !is_named(root, "domainsnapshot") || !child(root, "name"))
        return false;
    created = text_of(child(root, "creationTime"));
    ret_snapshot->name = text_of(child(root, "name"));
    ret_snapshot->parent = text_of(child(child(root, "parent"), "name"));
    ret_snapshot->created = created ? g_ascii_strtoll(created, NULL, 10) : 0;
    ret_snapshot->internal = is_internal(root);
    ret_snapshot->kept = find_kept(root, key);
    return true;
}
