/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * <commandline>: libvirt's own words and variables, and what we accept besides. The namespace of
 * 2010 means the same, and below <commandline> so does none at all.
 */

#include "xml/commandline.h"

#include "base/limits.h"
#include "plan/makers.h"
#include "xml/alter.h"
#include "xml/check.h"
#include "xml/passthrough.h"

#include <string.h>

typedef bool (*ReadFunc)(const VpXmlIndex *index, const VpXmlNode *node, VpPlan *plan,
                         GPtrArray *env, GError **error);

bool
vp_xml_commandline_is_arg(const VpXmlNode *node)
{
    return vp_xml_node_is(node, VP_XML_QEMU_NS, "arg");
}

bool
vp_xml_commandline_is_env(const VpXmlNode *node)
{
    return vp_xml_node_is(node, VP_XML_QEMU_NS, "env");
}

bool
vp_xml_commandline_adds_device(const char *word)
{
    return vp_makes_devices(word);
}

bool
vp_xml_commandline_sets(const char *word)
{
    return g_str_equal(word, "-set") || g_str_equal(word, "--set");
}

bool
vp_xml_commandline_can_store(const char *word)
{
    return strlen(word) <= VP_ARGV_WORD_MAX && !word[strcspn(word, "\t\n\r")];
}

static VpXmlCommandlineKind
kind_of_child(const VpXmlNode *child)
{
    const char *value = vp_xml_node_attribute(child, "value");

    if (child->role == VP_XML_MARKED || !vp_xml_is_inner(child) ||
        vp_xml_commandline_is_env(child))
        return VP_XML_STOCK;
    if (!vp_xml_commandline_is_arg(child) || !value || child->first || child->has_text)
        return VP_XML_EXTENDED;
    if (vp_xml_commandline_adds_device(value) || vp_xml_commandline_sets(value))
        return VP_XML_STOCK_DEVICES;
    return VP_XML_STOCK;
}

VpXmlCommandlineKind
vp_xml_commandline_kind(const VpXmlNode *commandline)
{
    VpXmlCommandlineKind kind = VP_XML_STOCK;

    if (!g_str_equal(commandline->uri, VP_XML_QEMU_NS))
        return VP_XML_EXTENDED;
    for (const VpXmlNode *child = commandline->first; child; child = child->next)
        kind = MAX(kind, kind_of_child(child));
    return kind;
}

/* --- the children -------------------------------------------------------- */

static void
add_word(const VpXmlIndex *index, const VpXmlNode *node, VpPlan *plan, const char *word)
{
    VpWords *words = vp_plan_add_words(plan, node->line);

    words->words = g_new0(char *, 2);
    words->words[0] = g_strdup(word);
}

static bool
read_arg(const VpXmlIndex *index, const VpXmlNode *node, VpPlan *plan,
         GPtrArray *env G_GNUC_UNUSED, GError **error)
{
    static const char *const known[] = { "value", NULL };
    const char *value = vp_xml_node_attribute(node, "value");
    g_autofree char *text = NULL;

    if (!vp_xml_check_attributes(index, node, known, "at most value='...'", error) ||
        !vp_xml_check_text(index, node, &text, error))
        return false;
    if (value && *text)
        return vp_xml_refuse(error, index, node, "has value='%s' and the text '%s', expected one "
                             "of the two", value, text);
    if (!value && !*text)
        return vp_xml_refuse(error, index, node, "is empty, expected value='...' or text");
    add_word(index, node, plan, value ? value : text);
    return true;
}

static bool
is_variable(const char *name)
{
    return name && (g_ascii_isalpha(*name) || *name == '_') &&
           !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")];
}

static bool
read_env(const VpXmlIndex *index, const VpXmlNode *node, VpPlan *plan G_GNUC_UNUSED,
         GPtrArray *env, GError **error)
{
    static const char *const known[] = { "name", "value", NULL };
    const char *name = vp_xml_node_attribute(node, "name");
    const char *value = vp_xml_node_attribute(node, "value");

    if (!vp_xml_check_attributes(index, node, known, "name='...' and at most value='...'", error) ||
        !vp_xml_check_empty(index, node, error))
        return false;
    if (!is_variable(name))
        return vp_xml_refuse(error, index, node, "name='%s' is no name of a variable, expected "
                             "letters, digits and '_', no digit first", name ? name : "");
    if (g_str_equal(name, VP_PLAN_VARIABLE))
        return vp_xml_refuse(error, index, node, "the variable '%s' belongs to "
                             "libvirt-qemu-passthrough, expected another one", name);
    if (value && !vp_xml_commandline_can_store(value))
        return vp_xml_refuse(error, index, node, "the value has a line break or tab in it, or more "
                             "than %u bytes, which cannot be stored, expected it without",
                             VP_ARGV_WORD_MAX);
    g_ptr_array_add(env, (gpointer)node);
    return true;
}

static bool
read_extra(const VpXmlIndex *index, const VpXmlNode *node, VpPlan *plan,
           GPtrArray *env G_GNUC_UNUSED, GError **error)
{
    static const char *const none[] = { NULL };
    VpWords *words = vp_plan_add_words(plan, node->line);

    return vp_xml_check_attributes(index, node, none, "none", error) &&
           vp_xml_check_words(index, node, &words->words, error);
}

static bool
read_alter(const VpXmlIndex *index, const VpXmlNode *node, VpPlan *plan,
           GPtrArray *env G_GNUC_UNUSED, GError **error)
{
    return vp_xml_alter_read(index, node, plan, error);
}

static const struct {
    const char *local;
    ReadFunc read;
} children[] = {
    { "arg", read_arg },
    { "env", read_env },
    { "extra", read_extra },
    { "alter", read_alter },
};

static bool
read_child(const VpXmlIndex *index, const VpXmlNode *node, VpPlan *plan, GPtrArray *env,
           GError **error)
{
    for (gsize i = 0; vp_xml_is_inner(node) && i < G_N_ELEMENTS(children); i++) {
        if (g_str_equal(node->local, children[i].local))
            return children[i].read(index, node, plan, env, error);
    }
    return vp_xml_refuse(error, index, node, "unknown element in <commandline>, expected arg, env, "
                         "extra or alter");
}

bool
vp_xml_commandline_read(const VpXmlIndex *index, const VpXmlNode *commandline, GHashTable *skip,
                        VpPlan *plan, GPtrArray *env, GError **error)
{
    static const char *const none[] = { NULL };

    if (!vp_xml_check_attributes(index, commandline, none, "none", error) ||
        !vp_xml_check_no_text(index, commandline, "elements only", error))
        return false;
    for (const VpXmlNode *child = commandline->first; child; child = child->next) {
        if (child->role == VP_XML_MARKED || (skip && g_hash_table_contains(skip, child)))
            continue;
        if (!read_child(index, child, plan, env, error))
            return false;
    }
    return true;
}
