/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * <emulator>, where the shim stands in upstream form and the real QEMU in the author's.
 *
 * The path of the real one is an attribute of our element in <metadata>. What the author wrote
 * around it lives as long as his text does, and a mark in our <emulator> tells:
 *
 *     no mark   he wrote <emulator>PATH</emulator>, or libvirt has printed the element anew
 *     kept      he wrote the path in another way; his element is kept beside his others
 *     added     he wrote none
 *
 * libvirt drops marks. Then the path itself is shown, also where he wrote none: so libvirt does by
 * itself with the default that it chose.
 */

#include "xml/emulator.h"

#include "plan/shim.h"
#include "xml/check.h"
#include "xml/container.h"
#include "xml/passthrough.h"

#include <string.h>

#define OPEN_TAG "<emulator>"
#define CLOSE_TAG "</emulator>"

static bool
is_shim_path(const char *path)
{
    g_autofree char *trimmed = g_strstrip(g_strdup(path));

    return g_str_has_suffix(trimmed, "/" VP_SHIM_NAME);
}

bool
vp_xml_emulator_is_shim(const VpXmlDomain *domain)
{
    return domain->emulator && is_shim_path(domain->emulator->text);
}

/* What becomes a part of the shim's path has to be fit for it. */
static bool
check_path(const VpXmlDomain *domain, GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autofree char *normal = vp_shim_normal(domain->emulator->text, &why);

    return normal || vp_xml_refuse(error, domain->index, domain->emulator, "%s", why->message);
}

bool
vp_xml_emulator_read(const VpXmlDomain *domain, char **ret_path, GError **error)
{
    const VpXmlNode *node = domain->emulator;

    *ret_path = NULL;
    if (!node)
        return true;
    if (node->n_attributes > 0 || node->n_bindings > 0 || node->has_skipped)
        return vp_xml_refuse(error, domain->index, node, "has attributes or elements, expected the "
                             "path of an emulator only");
    if (vp_xml_emulator_is_shim(domain))
        return vp_xml_refuse(error, domain->index, node, "'%s' only stands in for an emulator, "
                             "expected the path of QEMU itself", node->text);
    if (!*node->text)
        return true;
    if (!check_path(domain, error))
        return false;
    *ret_path = g_strdup(node->text);
    return true;
}

char *
vp_xml_read_emulator(const char *xml)
{
    g_autoptr(VpXmlIndex) index = vp_xml_index_new(xml, NULL);
    g_auto(VpXmlDomain) domain = { 0 };

    if (!index || !index->root || index->root->role != VP_XML_DOMAIN)
        return NULL;
    vp_xml_domain_init(&domain, index, index->root);
    return domain.emulator ? g_strdup(domain.emulator->text) : NULL;
}

VpXmlMachine
vp_xml_emulator_machine(const VpXmlDomain *domain)
{
    const VpXmlNode *type = domain->os_type;

    return (VpXmlMachine){
        .type = vp_xml_node_attribute(domain->node, "type"),
        .arch = type ? vp_xml_node_attribute(type, "arch") : NULL,
        .machine = type ? vp_xml_node_attribute(type, "machine") : NULL,
    };
}

/* --- into upstream form -------------------------------------------------- */

bool
vp_xml_emulator_is_plain(const VpXmlDomain *domain, const char *real)
{
    const VpXmlNode *node = domain->emulator;
    const char *bytes = domain->index->text.bytes + node->start;
    g_autofree char *escaped = vp_xml_escape(real);
    g_autofree char *plain = g_strconcat(OPEN_TAG, escaped, CLOSE_TAG, NULL);

    return strlen(plain) == node->end - node->start && strncmp(bytes, plain, strlen(plain)) == 0;
}

static bool
add_element(const VpXmlDomain *domain, const char *element, VpXmlEdits *edits, GError **error)
{
    g_autoptr(VpXmlBlock) block = vp_xml_block_new();

    if (domain->devices) {
        vp_xml_block_add(block, 0, "%s", element);
        return vp_xml_container_put_in(edits, domain->index, domain->devices, block, error);
    }
    vp_xml_block_add(block, 0, "<devices>");
    vp_xml_block_add(block, 1, "%s", element);
    vp_xml_block_add(block, 0, "</devices>");
    vp_xml_edits_insert(edits, domain->node->close, 1, block);
    return true;
}

bool
vp_xml_emulator_put_shim(const VpXmlDomain *domain, const char *shim, const char *real,
                         VpXmlEdits *edits, const VpXmlNode **ret_keep, GError **error)
{
    const VpXmlNode *node = domain->emulator;
    bool plain = node && vp_xml_emulator_is_plain(domain, real);
    const char *mark = !node ? VP_XML_MARK(VP_XML_MARK_ADDED)
                       : plain ? "" : VP_XML_MARK(VP_XML_MARK_KEPT);
    g_autofree char *escaped = vp_xml_escape(shim);
    g_autofree char *element = g_strconcat(OPEN_TAG, escaped, mark, CLOSE_TAG, NULL);

    *ret_keep = NULL;
    if (!node)
        return add_element(domain, element, edits, error);
    if (!vp_xml_refuse_marks(domain->index, node, error))
        return false;
    vp_xml_edits_replace(edits, node->start, node->end, element);
    if (!plain)
        *ret_keep = node;
    return true;
}

/* The content of the element but for a mark at its end. */
static void
set_text(const VpXmlDomain *domain, const char *text, VpXmlEdits *edits)
{
    const VpXmlNode *node = domain->emulator;
    bool marked = node->last && node->last->end == node->close;
    g_autofree char *escaped = vp_xml_escape(text);

    vp_xml_edits_replace(edits, node->open_end, marked ? node->last->start : node->close, escaped);
}

void
vp_xml_emulator_set_shim(const VpXmlDomain *domain, const char *shim, VpXmlEdits *edits)
{
    if (!g_str_equal(domain->emulator->text, shim))
        set_text(domain, shim, edits);
}

/* --- back ---------------------------------------------------------------- */

static bool
is_marked(const VpXmlNode *node, const char *word)
{
    return node->first && g_str_equal(node->first->local, word);
}

void
vp_xml_emulator_put_back(const VpXmlDomain *domain, const char *real, const VpXmlNode *kept,
                         VpXmlEdits *edits)
{
    const VpXmlNode *node = domain->emulator;
    g_autofree char *text = NULL;
    g_autoptr(GHashTable) ours = NULL;

    if (is_marked(node, VP_XML_MARK_ADDED)) {
        ours = g_hash_table_new(NULL, NULL);
        g_hash_table_add(ours, (gpointer)node);
        vp_xml_container_take_out(edits, node->parent, ours);
    } else if (is_marked(node, VP_XML_MARK_KEPT) && kept) {
        text = g_strndup(domain->index->text.bytes + kept->start, kept->end - kept->start);
        vp_xml_edits_replace(edits, node->start, node->end, text);
    } else {
        set_text(domain, real, edits);
    }
}
