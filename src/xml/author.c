/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The elements that authors may write and stock libvirt does not know: a table of them, each
 * with the function that reads it. Reading is checking; what is wrong is an error that names
 * element, line and expectation, since libvirt would drop the element without a word.
 *
 * Elements are read where the author wrote them and where we keep them, by the same code.
 */

#include "xml/author.h"

#include <string.h>

const char *const vp_xml_session_names[] = { "dedicated", "shared", "none", NULL };
const char *const vp_xml_policy_names[] = { "all", "requested", NULL };

#define SESSION_VALUES "session='dedicated|shared|none'"

typedef bool (*ReadFunc)(const VpXmlIndex *index, const VpXmlNode *node, VpXmlWishes *wishes,
                         GError **error);

/* --- checks that elements share ------------------------------------------ */

static bool
check_single(const VpXmlIndex *index, const VpXmlNode *node, const VpXmlNode *before,
             GError **error)
{
    if (!before)
        return true;
    vp_xml_set_error(error, VP_ERROR_XML, index, node,
                     "stands twice in the domain (first in line %u), expected once",
                     vp_xml_line(index->text.bytes, before->start));
    return false;
}

static bool
check_empty(const VpXmlIndex *index, const VpXmlNode *node, GError **error)
{
    if (!node->first && !node->has_text)
        return true;
    vp_xml_set_error(error, VP_ERROR_XML, index, node, "has content, expected an empty element");
    return false;
}

/* @expected: the attributes that there may be, as the error shows them. */
static bool
check_attributes(const VpXmlIndex *index, const VpXmlNode *node, const char *const *known,
                 const char *expected, GError **error)
{
    for (guint i = 0; i < node->n_attributes; i++) {
        const VpXmlAttribute *attribute = &node->attributes[i];

        if (*attribute->prefix || !g_strv_contains(known, attribute->local)) {
            vp_xml_set_error(error, VP_ERROR_XML, index, node,
                             "unknown attribute '%s%s%s', expected %s", attribute->prefix,
                             *attribute->prefix ? ":" : "", attribute->local, expected);
            return false;
        }
    }
    return true;
}

/* --- the elements -------------------------------------------------------- */

static bool
read_monitorpassthrough(const VpXmlIndex *index, const VpXmlNode *node, VpXmlWishes *wishes,
                        GError **error)
{
    static const char *const known[] = { "session", NULL };
    const char *value = vp_xml_node_attribute(node, "session");
    guint kind = VP_SESSION_DEDICATED;

    if (!check_single(index, node, wishes->monitorpassthrough, error) ||
        !check_attributes(index, node, known, "at most " SESSION_VALUES, error) ||
        !check_empty(index, node, error))
        return false;
    while (value && vp_xml_session_names[kind] && !g_str_equal(value, vp_xml_session_names[kind]))
        kind++;
    if (!vp_xml_session_names[kind]) {
        vp_xml_set_error(error, VP_ERROR_XML, index, node,
                         "session='%s' is not known, expected " SESSION_VALUES, value);
        return false;
    }
    wishes->monitorpassthrough = node;
    wishes->session = kind;
    return true;
}

static const struct {
    const char *local;
    ReadFunc read;
} elements[] = {
    { "monitorpassthrough", read_monitorpassthrough },
};

/* NULL: it is none of ours. */
static ReadFunc
find_reader(const VpXmlNode *node)
{
    for (gsize i = 0; i < G_N_ELEMENTS(elements); i++) {
        if (vp_xml_node_is(node, VP_XML_QEMU_NS, elements[i].local))
            return elements[i].read;
    }
    return NULL;
}

bool
vp_xml_author_knows(const VpXmlNode *node)
{
    return find_reader(node) != NULL;
}

bool
vp_xml_author_may_be_in(const char *bytes)
{
    for (gsize i = 0; i < G_N_ELEMENTS(elements); i++) {
        if (strstr(bytes, elements[i].local))
            return true;
    }
    return false;
}

bool
vp_xml_author_read(const VpXmlIndex *index, const VpXmlNode *node, VpXmlWishes *wishes,
                   GError **error)
{
    ReadFunc read = find_reader(node);

    if (read)
        return read(index, node, wishes, error);
    vp_xml_set_error(error, VP_ERROR_UNSUPPORTED, index, node,
                     "is kept in <metadata> but not known to this version, expected an element "
                     "that it knows");
    return false;
}
