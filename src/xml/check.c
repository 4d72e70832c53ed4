/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Checks that the readers of the author's elements share.
 *
 * The readers are the only judges of what an author writes: libvirt would drop what it does not
 * know without a word, and a schema's errors do not say what is expected. The schema that is
 * installed says the same for editors and validators; test-schema.c holds the two together.
 *
 * White space around a text does not count, so that documents can be indented at will. Who means
 * it has value='' of <qemu:arg>, or quotes in <qemu:extra>.
 */

#include "xml/check.h"

#include "xml/passthrough.h"

bool
vp_xml_refuse(GError **error, const VpXmlIndex *index, const VpXmlNode *node, const char *format,
              ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    vp_xml_set_error(error, VP_ERROR_XML, index, node, "%s", text);
    return false;
}

bool
vp_xml_check_attributes(const VpXmlIndex *index, const VpXmlNode *node, const char *const *known,
                        const char *expected, GError **error)
{
    for (guint i = 0; i < node->n_attributes; i++) {
        const VpXmlAttribute *attribute = &node->attributes[i];

        if (*attribute->prefix || !g_strv_contains(known, attribute->local))
            return vp_xml_refuse(error, index, node, "unknown attribute '%s%s%s', expected %s",
                                 attribute->prefix, *attribute->prefix ? ":" : "",
                                 attribute->local, expected);
    }
    return true;
}

bool
vp_xml_check_empty(const VpXmlIndex *index, const VpXmlNode *node, GError **error)
{
    if (!node->first && !node->has_text)
        return true;
    return vp_xml_refuse(error, index, node, "has content, expected an empty element");
}

bool
vp_xml_check_no_text(const VpXmlIndex *index, const VpXmlNode *node, const char *expected,
                     GError **error)
{
    if (!node->has_text)
        return true;
    return vp_xml_refuse(error, index, node, "has text in it, expected %s", expected);
}

bool
vp_xml_check_text(const VpXmlIndex *index, const VpXmlNode *node, char **ret_text, GError **error)
{
    if (node->first) {
        g_autofree char *name = vp_xml_node_name(node->first);

        return vp_xml_refuse(error, index, node, "has the element <%s> in it, expected text only",
                             name);
    }
    *ret_text = g_strstrip(g_strdup(node->text));
    return true;
}

bool
vp_xml_check_some_text(const VpXmlIndex *index, const VpXmlNode *node, const char *expected,
                       char **ret_text, GError **error)
{
    g_autofree char *text = NULL;

    if (!vp_xml_check_text(index, node, &text, error))
        return false;
    if (!*text)
        return vp_xml_refuse(error, index, node, "is empty, expected %s", expected);
    *ret_text = g_steal_pointer(&text);
    return true;
}

bool
vp_xml_check_words(const VpXmlIndex *index, const VpXmlNode *node, char ***ret_words,
                   GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) reason = NULL;

    if (!vp_xml_check_some_text(index, node, "words in shell quoting", &text, error))
        return false;
    if (g_shell_parse_argv(text, NULL, ret_words, &reason))
        return true;
    /* A text of nothing but a comment has no words either. */
    return vp_xml_refuse(error, index, node, "'%s' cannot be split as a shell would, expected "
                         "words in shell quoting: %s", text, reason->message);
}

bool
vp_xml_is_inner(const VpXmlNode *node)
{
    return !*node->uri || g_str_equal(node->uri, VP_XML_QEMU_NS) ||
           g_str_equal(node->uri, VP_XML_QEMU_2010_NS);
}
