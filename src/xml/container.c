/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Elements that may hold things of ours beside the author's: <metadata>, <qemu:commandline>,
 * <devices>.
 *
 * One that holds nothing but ours goes with it when it is taken out: we have made it, or
 * libvirt has printed it only because of us. The one exception is an element that the author
 * wrote empty. It gets a mark before our content, <?virtpass empty?>, or <?virtpass closed?>
 * when it was self-closing, and becomes again what it was. libvirt drops processing
 * instructions, and an empty <qemu:commandline> as well, so the mark lives exactly as long as
 * what it describes.
 *
 * A mark that the author wrote would make us restore something else than his text: it is
 * refused where it could do that.
 */

#include "xml/container.h"

#include "base/error.h"

#include <string.h>

static const VpXmlNode *
find_mark(const VpXmlNode *container)
{
    const VpXmlNode *child = container->first;

    while (child && child->role != VP_XML_MARKED)
        child = child->next;
    return child;
}

bool
vp_xml_refuse_marks(const VpXmlIndex *index, const VpXmlNode *node, GError **error)
{
    const VpXmlNode *mark = find_mark(node);

    if (!mark)
        return true;
    vp_xml_set_error(error, VP_ERROR_XML, index, mark,
                     "this processing instruction is reserved, expected none in a document that "
                     "is handed in");
    return false;
}

bool
vp_xml_container_put_in(VpXmlEdits *edits, const VpXmlIndex *index, const VpXmlNode *container,
                        const VpXmlBlock *block, GError **error)
{
    g_autofree char *content = NULL;
    g_autofree char *name = NULL;
    g_autofree char *whole = NULL;

    if (!vp_xml_refuse_marks(index, container, error))
        return false;
    if (container->first || container->has_text || container->has_other ||
        container->has_skipped) {
        vp_xml_edits_insert(edits, container->close, 1, block);
        return true;
    }
    content = vp_xml_block_join(block);
    if (!vp_xml_node_is_self_closing(container)) {
        whole = g_strconcat(VP_XML_MARK(VP_XML_MARK_EMPTY), content, NULL);
        vp_xml_edits_replace(edits, container->open_end, container->open_end, whole);
        return true;
    }
    name = vp_xml_node_name(container);
    whole = g_strconcat(">" VP_XML_MARK(VP_XML_MARK_CLOSED), content, "</", name, ">", NULL);
    vp_xml_edits_replace(edits, container->end - strlen("/>"), container->end, whole);
    return true;
}

static bool
holds_only(const VpXmlNode *container, GHashTable *ours)
{
    if (container->has_text || container->has_other || container->has_skipped)
        return false;
    for (const VpXmlNode *child = container->first; child; child = child->next) {
        if (child->role != VP_XML_MARKED && !g_hash_table_contains(ours, child))
            return false;
    }
    return true;
}

bool
vp_xml_container_take_out(VpXmlEdits *edits, const VpXmlNode *container, GHashTable *ours)
{
    const VpXmlNode *mark = find_mark(container);
    bool only_ours = holds_only(container, ours);

    if (only_ours && !mark) {
        vp_xml_edits_remove(edits, container);
        return true;
    }
    if (only_ours && g_str_equal(mark->local, VP_XML_MARK_CLOSED)) {
        vp_xml_edits_replace(edits, container->open_end - 1, container->end, "/>");
        return false;
    }
    for (const VpXmlNode *child = container->first; child; child = child->next) {
        if (child->role == VP_XML_MARKED || g_hash_table_contains(ours, child))
            vp_xml_edits_remove(edits, child);
    }
    return false;
}
