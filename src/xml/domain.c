/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A domain as both directions see it, and the frame around both: index the document, let each
 * domain that QEMU runs find its edits, apply them.
 *
 * A document with a DOCTYPE has no index, since entities could hide elements from us or make
 * them. libvirtd may have it as it is, unless it looks as if something of ours were in it: that
 * would then be lost without a word.
 */

#include "xml/domain.h"

#include "xml/author.h"
#include "xml/container.h"
#include "xml/made.h"
#include "xml/passthrough.h"

#include <string.h>

/* Whether the domain is run by QEMU. */
static bool
is_qemu(const VpXmlNode *domain)
{
    static const char *const types[] = { "qemu", "kvm", "kqemu", "hvf", NULL };
    const char *type = vp_xml_node_attribute(domain, "type");

    return type && g_strv_contains(types, type);
}

static void
set_first(const VpXmlNode **which, const VpXmlNode *node)
{
    if (!*which)
        *which = node;
}

static void
add_passthrough(VpXmlDomain *domain, const VpXmlNode *metadata)
{
    for (VpXmlNode *child = metadata->first; child; child = child->next) {
        if (child->role != VP_XML_PASSTHROUGH)
            continue;
        g_ptr_array_add(domain->passthrough, child);
        for (VpXmlNode *kept = child->first; kept; kept = kept->next) {
            if (vp_xml_node_is(kept, "", "emulator"))
                set_first(&domain->kept_emulator, kept);
            else
                g_ptr_array_add(domain->kept, kept);
        }
    }
}

static void
add_qemu_element(VpXmlDomain *domain, VpXmlNode *node)
{
    if (vp_xml_author_knows(node))
        g_ptr_array_add(domain->authored, node);
    if (!vp_xml_node_is(node, VP_XML_QEMU_NS, "commandline"))
        return;
    g_ptr_array_add(domain->commandlines, node);
    vp_xml_session_words_find(node, domain->words);
}

/* The first grandchild of that role. */
static void
set_first_below(const VpXmlNode **which, const VpXmlNode *node, VpXmlRole role)
{
    for (const VpXmlNode *child = node->first; child; child = child->next) {
        if (child->role == role)
            set_first(which, child);
    }
}

/* A label of the kind that is a user and a group. */
static bool
names_user(const VpXmlNode *seclabel)
{
    return g_strcmp0(vp_xml_node_attribute(seclabel, "model"), "dac") == 0 &&
           g_strcmp0(vp_xml_node_attribute(seclabel, "type"), "static") == 0;
}

static void
add_child(VpXmlDomain *domain, VpXmlNode *node)
{
    switch (node->role) {
    case VP_XML_NAME:
        set_first(&domain->name, node);
        break;
    case VP_XML_UUID:
        set_first(&domain->uuid, node);
        break;
    case VP_XML_METADATA:
        set_first(&domain->metadata, node);
        add_passthrough(domain, node);
        break;
    case VP_XML_OS:
        set_first_below(&domain->os_type, node, VP_XML_OS_TYPE);
        break;
    case VP_XML_SECLABEL:
        domain->own_user |= names_user(node);
        break;
    case VP_XML_DEVICES:
        set_first(&domain->devices, node);
        set_first_below(&domain->emulator, node, VP_XML_EMULATOR);
        break;
    case VP_XML_QEMU:
        add_qemu_element(domain, node);
        break;
    default:
        break;
    }
}

void
vp_xml_domain_init(VpXmlDomain *domain, const VpXmlIndex *index, const VpXmlNode *node)
{
    *domain = (VpXmlDomain){
        .index = index,
        .node = node,
        .commandlines = g_ptr_array_new(),
        .passthrough = g_ptr_array_new(),
        .kept = g_ptr_array_new(),
        .authored = g_ptr_array_new(),
        .words = g_array_new(FALSE, FALSE, sizeof(VpXmlSessionWords)),
        .session = g_hash_table_new(NULL, NULL),
        .ours = g_hash_table_new(NULL, NULL),
    };
    for (VpXmlNode *child = node->first; child; child = child->next)
        add_child(domain, child);
    for (guint i = 0; i < domain->words->len; i++) {
        const VpXmlSessionWords *words = &g_array_index(domain->words, VpXmlSessionWords, i);

        for (guint k = 0; k < VP_XML_SESSION_WORDS; k++) {
            g_hash_table_add(domain->session, (gpointer)words->args[k]);
            g_hash_table_add(domain->ours, (gpointer)words->args[k]);
        }
    }
    domain->made = vp_xml_made_find(domain);
    for (guint i = 0; domain->made != VP_XML_MADE_CHANGED && i < domain->passthrough->len; i++)
        g_hash_table_add(domain->ours, domain->passthrough->pdata[i]);
}

void
vp_xml_domain_clear(VpXmlDomain *domain)
{
    g_clear_pointer(&domain->commandlines, g_ptr_array_unref);
    g_clear_pointer(&domain->passthrough, g_ptr_array_unref);
    g_clear_pointer(&domain->kept, g_ptr_array_unref);
    g_clear_pointer(&domain->authored, g_ptr_array_unref);
    g_clear_pointer(&domain->words, g_array_unref);
    g_clear_pointer(&domain->session, g_hash_table_unref);
    g_clear_pointer(&domain->ours, g_hash_table_unref);
}

/* Whether a child of @node is in @which. */
static bool
has_some(const VpXmlNode *node, GHashTable *which)
{
    const VpXmlNode *child = node->first;

    while (child && !g_hash_table_contains(which, child))
        child = child->next;
    return child != NULL;
}

void
vp_xml_domain_take_words_out(const VpXmlDomain *domain, GHashTable *which, guint qemu_uses,
                             VpXmlEdits *edits)
{
    guint removed_uses = 0;
    VpXmlRange declaration = { 0 };
    VpXmlRange value = { 0 };

    for (guint i = 0; i < domain->commandlines->len; i++) {
        const VpXmlNode *commandline = domain->commandlines->pdata[i];

        if (has_some(commandline, which) &&
            vp_xml_container_take_out(edits, commandline, which))
            removed_uses += commandline->qemu_uses;
    }
    /* libvirt declares the prefix on the domain when it prints a command line */
    if (removed_uses > 0 && removed_uses == qemu_uses &&
        vp_xml_find_attribute(domain->index->text.bytes, domain->node->start, "xmlns:qemu",
                              &declaration, &value))
        vp_xml_edits_replace(edits, declaration.from, declaration.to, "");
}

static bool
rewrite_domain(const VpXmlIndex *index, const VpXmlNode *node, VpXmlRewriteFunc func,
               gconstpointer data, VpXmlEdits *edits, GError **error)
{
    g_auto(VpXmlDomain) domain = { 0 };

    if (node->role != VP_XML_DOMAIN || !is_qemu(node))
        return true;
    vp_xml_domain_init(&domain, index, node);
    return func(&domain, data, edits, error);
}

/* Whether elements of ours may be in a document that we do not look into. */
static bool
may_hold_ours(const char *bytes)
{
    return strstr(bytes, VP_XML_VIRTPASS_NS) || strstr(bytes, VP_XML_QEMU_NS) ||
           strstr(bytes, VP_XML_QEMU_2010_NS);
}

static bool
check_doctype(const VpXmlIndex *index, GError **error)
{
    if (!index->doctype || !may_hold_ours(index->text.bytes))
        return true;
    g_set_error_literal(error, VP_ERROR, VP_ERROR_UNSUPPORTED,
                        "a document with a DOCTYPE cannot hold elements of "
                        "libvirt-qemu-passthrough, expected it without");
    return false;
}

bool
vp_xml_rewrite(const char *xml, VpXmlRewriteFunc func, gconstpointer data, char **ret_xml,
               GError **error)
{
    g_autoptr(VpXmlIndex) index = vp_xml_index_new(xml, error);
    g_autoptr(VpXmlEdits) edits = NULL;
    const VpXmlNode *child = NULL;

    if (!index || !check_doctype(index, error))
        return false;
    edits = vp_xml_edits_new(index->text.bytes);
    if (index->root) {
        if (!rewrite_domain(index, index->root, func, data, edits, error))
            return false;
        child = index->root->first;
    }
    for (; child; child = child->next) {
        if (!rewrite_domain(index, child, func, data, edits, error))
            return false;
    }
    return vp_xml_edits_apply(edits, ret_xml, error);
}
