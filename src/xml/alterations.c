/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Changing the <qemu:alter> elements of a definition and nothing else of it.
 *
 * New ones are put in as the <qemu:commandline> they came in, a second one beside the author's:
 * both libvirt and we read all that a domain has, and so the element keeps its own prefix and
 * declarations whatever the domain's are.
 */

#include "xml/alterations.h"

#include "xml/domain.h"
#include "xml/passthrough.h"

#include <string.h>

typedef struct Change {
    VpXmlChange kind;
    const char *commandline;
    bool *applied;           /* set when there was a domain to change */
} Change;

static bool
is_alter(const VpXmlNode *node)
{
    return g_str_equal(node->local, "alter") &&
           (g_str_equal(node->uri, VP_XML_QEMU_NS) || g_str_equal(node->uri, ""));
}

static void
take_alters_out(const VpXmlNode *commandline, VpXmlEdits *edits)
{
    bool all = !commandline->has_text && !commandline->has_other && !commandline->has_skipped;

    for (const VpXmlNode *node = commandline->first; node; node = node->next)
        all &= is_alter(node);
    if (all && commandline->first) { /* nothing else stands in it */
        vp_xml_edits_remove(edits, commandline);
        return;
    }
    for (const VpXmlNode *node = commandline->first; node; node = node->next) {
        if (is_alter(node))
            vp_xml_edits_remove(edits, node);
    }
}

static bool
change_domain(const VpXmlDomain *domain, gconstpointer data, VpXmlEdits *edits,
              GError **error G_GNUC_UNUSED)
{
    const Change *change = data;
    g_autoptr(VpXmlBlock) block = NULL;

    *change->applied = true;
    if (change->kind != VP_XML_CHANGE_ADD) {
        for (guint i = 0; i < domain->commandlines->len; i++)
            take_alters_out(g_ptr_array_index(domain->commandlines, i), edits);
    }
    if (change->commandline) {
        block = vp_xml_block_new();
        vp_xml_block_add(block, 0, "%s", change->commandline);
        vp_xml_edits_insert(edits, domain->node->close, 1, block);
    }
    return true;
}

/* What a file begins with and an element cannot. */
static const char *
skip_declaration(const char *text)
{
    const char *end = NULL;

    while (g_ascii_isspace(*text))
        text++;
    end = g_str_has_prefix(text, "<?xml") ? strstr(text, "?>") : NULL;
    return end ? end + 2 : text;
}

/* The one <commandline> of libvirt's namespace that stands in @text, without the comments around
 * it. NULL: there is something else. */
static char *
read_commandline(const char *text, GError **error)
{
    g_autofree char *document = g_strconcat("<domain type='qemu'>", skip_declaration(text),
                                            "</domain>", NULL);
    g_autoptr(VpXmlIndex) index = vp_xml_index_new(document, error);
    const VpXmlNode *root = index ? index->root : NULL;
    const VpXmlNode *child = root ? root->first : NULL;

    if (!index)
        return NULL;
    if (child && !child->next && !root->has_text && !root->has_skipped &&
        vp_xml_node_is(child, VP_XML_QEMU_NS, "commandline"))
        return g_strndup(index->text.bytes + child->start, child->end - child->start);
    g_set_error(error, VP_ERROR, VP_ERROR_XML,
                "what is to be added is %s, expected one <qemu:commandline xmlns:qemu='"
                VP_XML_QEMU_NS "'> element",
                root ? "something else" : "not well-formed XML");
    return NULL;
}

bool
vp_xml_change_alterations(const char *xml, VpXmlChange kind, const char *commandline,
                          char **ret_xml, GError **error)
{
    bool applied = false;
    g_autofree char *element = commandline ? read_commandline(commandline, error) : NULL;
    const Change change = { kind, element, &applied };
    char *changed = NULL;

    if (commandline && !element)
        return false;
    if (!vp_xml_rewrite(xml, change_domain, &change, &changed, error))
        return false;
    if (!applied) {
        g_set_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED, "this is no domain of QEMU's");
        return false;
    }
    *ret_xml = changed ?: g_strdup(xml);
    return true;
}
