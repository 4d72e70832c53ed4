/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * <GROUP id='ID'><KEY>VALUE</KEY>...</GROUP>: a group of QEMU's configuration file. Any name may be
 * one, so that a group which only a later QEMU has can be written; src/argv knows which there
 * are, and what of a value the file format can carry.
 */

#include "xml/group.h"

#include "base/limits.h"
#include "xml/check.h"

#include <string.h>

/* QEMU's rule for ids, and the length at which its parser of files cuts them. */
static bool
is_id(const char *text)
{
    return g_ascii_isalpha(*text) && strlen(text) <= VP_CONFIG_NAME_MAX &&
           !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")];
}

static bool
read_id(const VpXmlIndex *index, const VpXmlNode *node, VpGroup *group, GError **error)
{
    static const char *const known[] = { "id", NULL };
    const char *id = vp_xml_node_attribute(node, "id");

    if (!vp_xml_check_attributes(index, node, known, "at most id='...'", error))
        return false;
    if (id && !is_id(id))
        return vp_xml_refuse(error, index, node, "id='%s' is no id, expected a letter, then at "
                             "most %u letters, digits, '-', '.' and '_'", id,
                             VP_CONFIG_NAME_MAX - 1);
    group->id = g_strdup(id);
    return true;
}

static bool
read_key(const VpXmlIndex *index, const VpXmlNode *node, VpGroup *group, GError **error)
{
    static const char *const none[] = { NULL };
    g_autofree char *value = NULL;

    if (!vp_xml_is_inner(node))
        return vp_xml_refuse(error, index, node, "is in a namespace of its own, expected the keys "
                             "of a group in none");
    if (!vp_xml_check_attributes(index, node, none, "none", error) ||
        !vp_xml_check_text(index, node, &value, error))
        return false;
    vp_group_add(group, node->local, value);
    return true;
}

bool
vp_xml_group_read(const VpXmlIndex *index, const VpXmlNode *node, VpPlan *plan, GError **error)
{
    VpGroup *group = vp_plan_add_group(plan, node->line);

    group->name = g_strdup(node->local);
    if (!read_id(index, node, group, error) ||
        !vp_xml_check_no_text(index, node, "<KEY>VALUE</KEY> elements only", error))
        return false;
    for (const VpXmlNode *child = node->first; child; child = child->next) {
        if (child->role != VP_XML_MARKED && !read_key(index, child, group, error))
            return false;
    }
    return true;
}
