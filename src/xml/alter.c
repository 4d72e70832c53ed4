/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * <alter>: what is to be done to options of the command line that libvirt generates.
 *
 * The children are rows of a table, each with the function that reads it into an action of the
 * plan. What can be seen to be wrong without QEMU is refused here, where line and element are
 * known; whether an option or property exists is found out later by who knows QEMU.
 */

#include "xml/alter.h"

#include "base/limits.h"
#include "plan/regex.h"
#include "xml/check.h"

#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* Reads one child of <alter>. */
typedef bool (*ReadFunc)(const VpXmlIndex *index, const VpXmlNode *node, VpAlter *alter,
                         GError **error);

/* --- pieces -------------------------------------------------------------- */

/* The name of an option without its dashes; NULL: that is none. */
static char *
option_name(const char *text)
{
    const char *name = text;

    for (guint dashes = 0; dashes < 2 && *name == '-'; dashes++)
        name++;
    if (!*name || strchr("-._", *name) || name[strspn(name, LETTERS DIGITS "-._")])
        return NULL;
    return g_strdup(name);
}

static bool
check_regex(const VpXmlIndex *index, const VpXmlNode *node, const char *regex, VpBudget *budget,
            GError **error)
{
    g_autoptr(VpRegex) compiled = NULL;
    g_autoptr(GError) reason = NULL;

    if (strlen(regex) > VP_REGEX_MAX) {
        vp_xml_set_error(error, VP_ERROR_LIMIT, index, node,
                         "the regular expression is %" G_GSIZE_FORMAT " bytes long, at most %u "
                         "are allowed", strlen(regex), VP_REGEX_MAX);
        return false;
    }
    compiled = vp_regex_new(regex, budget, &reason);
    if (compiled)
        return true;
    if (reason->code == VP_ERROR_LIMIT) {
        vp_xml_set_error(error, VP_ERROR_LIMIT, index, node, "%s", reason->message);
        return false;
    }
    return vp_xml_refuse(error, index, node, "'%s' is no regular expression: %s", regex,
                         reason->message);
}

/* Behind one KEY=VALUE of a list in which ",," stands for a comma, or behind +KEY or -KEY, which
 * -cpu knows, and behind the comma that follows; NULL: it is neither, or there is nothing behind
 * the comma. */
static const char *
skip_setting(const char *text)
{
    gsize key = strcspn(text, "=,");
    bool sign = *text == '+' || *text == '-';

    if (key == 0 || (text[key] != '=' && (!sign || key == 1)))
        return NULL;
    for (text += key; *text && (*text != ',' || text[1] == ','); text++)
        text += *text == ',';
    if (*text)
        return text[1] ? text + 1 : NULL;
    return text;
}

static bool
check_settings(const VpXmlIndex *index, const VpXmlNode *node, const char *text, GError **error)
{
    const char *rest = text;

    do
        rest = skip_setting(rest);
    while (rest && *rest);
    if (rest)
        return true;
    return vp_xml_refuse(error, index, node, "'%s' sets nothing, expected "
                         "KEY=VALUE[,KEY=VALUE...]", text);
}

/* The value of key='', which may be missing. */
static bool
read_key(const VpXmlIndex *index, const VpXmlNode *node, char **ret_key, GError **error)
{
    static const char *const known[] = { "key", NULL };
    const char *key = vp_xml_node_attribute(node, "key");

    if (!vp_xml_check_attributes(index, node, known, "at most key='...'", error))
        return false;
    if (key && !*key)
        return vp_xml_refuse(error, index, node, "key='' is empty, expected the name of a "
                             "property");
    *ret_key = g_strdup(key);
    return true;
}

static bool
check_no_attributes(const VpXmlIndex *index, const VpXmlNode *node, GError **error)
{
    static const char *const none[] = { NULL };

    return vp_xml_check_attributes(index, node, none, "none", error);
}

/* --- the children of <alter> --------------------------------------------- */

static bool
read_match(const VpXmlIndex *index, const VpXmlNode *node, VpAlter *alter, GError **error)
{
    VpAction *action = vp_alter_add(alter, VP_ACTION_MATCH);

    return read_key(index, node, &action->key, error) &&
           vp_xml_check_some_text(index, node, "a regular expression", &action->regex, error) &&
           check_regex(index, node, action->regex, alter->budget, error);
}

static bool
read_type(const VpXmlIndex *index, const VpXmlNode *node, VpValueType *ret_type, GError **error)
{
    const char *text = vp_xml_node_attribute(node, "type");
    g_autofree char *expected = NULL;

    if (!text)
        return true;
    for (guint i = VP_TYPE_UNKNOWN + 1; vp_value_type_names[i]; i++) {
        if (g_str_equal(text, vp_value_type_names[i])) {
            *ret_type = i;
            return true;
        }
    }
    expected = g_strjoinv("|", (char **)vp_value_type_names + VP_TYPE_UNKNOWN + 1);
    return vp_xml_refuse(error, index, node, "type='%s' is not known, expected type='%s'", text,
                         expected);
}

static bool
read_modify(const VpXmlIndex *index, const VpXmlNode *node, VpAlter *alter, GError **error)
{
    static const char *const known[] = { "type", NULL };
    VpAction *action = vp_alter_add(alter, VP_ACTION_MODIFY);

    return vp_xml_check_attributes(index, node, known, "at most type='...'", error) &&
           read_type(index, node, &action->type, error) &&
           vp_xml_check_some_text(index, node, "KEY=VALUE[,KEY=VALUE...]", &action->text, error) &&
           check_settings(index, node, action->text, error);
}

static bool
read_remove(const VpXmlIndex *index, const VpXmlNode *node, VpAlter *alter, GError **error)
{
    VpAction *action = vp_alter_add(alter, VP_ACTION_REMOVE);

    if (!read_key(index, node, &action->key, error) || !vp_xml_check_empty(index, node, error))
        return false;
    if (action->key)
        action->kind = VP_ACTION_REMOVE_KEY;
    return true;
}

static bool
read_rename(const VpXmlIndex *index, const VpXmlNode *node, VpAlter *alter, GError **error)
{
    VpAction *action = vp_alter_add(alter, VP_ACTION_RENAME);
    g_autofree char *text = NULL;

    if (!check_no_attributes(index, node, error) ||
        !vp_xml_check_some_text(index, node, "the new name of the option", &text, error))
        return false;
    action->text = option_name(text);
    if (action->text)
        return true;
    return vp_xml_refuse(error, index, node, "'%s' is no name of an option, expected one such as "
                         "'device'", text);
}

static bool
read_replace(const VpXmlIndex *index, const VpXmlNode *node, VpAlter *alter, GError **error)
{
    static const char *const known[] = { "match", NULL };
    VpAction *action = vp_alter_add(alter, VP_ACTION_REPLACE);
    g_autoptr(GError) reason = NULL;

    if (!vp_xml_check_attributes(index, node, known, "match='...'", error))
        return false;
    action->regex = g_strdup(vp_xml_node_attribute(node, "match"));
    if (!action->regex || !*action->regex)
        return vp_xml_refuse(error, index, node, "has no match='...', expected the regular "
                             "expression to be replaced");
    if (!check_regex(index, node, action->regex, alter->budget, error) ||
        !vp_xml_check_text(index, node, &action->text, error))
        return false;
    if (vp_regex_check_replacement(action->text, &reason))
        return true;
    return vp_xml_refuse(error, index, node, "'%s' is no replacement: %s", action->text,
                         reason->message);
}

static bool
read_extra(const VpXmlIndex *index, const VpXmlNode *node, VpAlter *alter, GError **error)
{
    static const char *const known[] = { "where", NULL };
    static const char *const places[] = { "after", "before", NULL };
    const char *where = vp_xml_node_attribute(node, "where");
    VpAction *action = vp_alter_add(alter, VP_ACTION_EXTRA);

    if (!vp_xml_check_attributes(index, node, known, "at most where='after|before'", error))
        return false;
    if (where && !g_strv_contains(places, where))
        return vp_xml_refuse(error, index, node, "where='%s' is not known, expected "
                             "where='after|before'", where);
    action->before = g_strcmp0(where, "before") == 0;
    return vp_xml_check_words(index, node, &action->words, error);
}

static const struct {
    const char *local;
    ReadFunc read;
} children[] = {
    { "match", read_match },     { "modify", read_modify },   { "remove", read_remove },
    { "rename", read_rename },   { "replace", read_replace }, { "extra", read_extra },
};

static bool
read_child(const VpXmlIndex *index, const VpXmlNode *node, VpAlter *alter, GError **error)
{
    for (gsize i = 0; vp_xml_is_inner(node) && i < G_N_ELEMENTS(children); i++) {
        if (g_str_equal(node->local, children[i].local))
            return children[i].read(index, node, alter, error);
    }
    return vp_xml_refuse(error, index, node, "unknown element in <alter>, expected match, modify, "
                         "remove, rename, replace or extra");
}

/* --- the element --------------------------------------------------------- */

static bool
read_option(const VpXmlIndex *index, const VpXmlNode *node, VpAlter *alter, GError **error)
{
    const char *option = vp_xml_node_attribute(node, "option");

    if (!option || !*option)
        return vp_xml_refuse(error, index, node, "has no option='...', expected the name of an "
                             "option such as option='device'");
    alter->option = option_name(option);
    if (alter->option)
        return true;
    return vp_xml_refuse(error, index, node, "option='%s' is no name of an option, expected one "
                         "such as option='device'", option);
}

static bool
read_occurs(const VpXmlIndex *index, const VpXmlNode *node, VpAlter *alter, GError **error)
{
    static const char *const names[] = { "all", "first", "last", NULL };
    const char *text = vp_xml_node_attribute(node, "occurs");
    guint64 nth = 0;

    for (guint i = 0; text && names[i]; i++) {
        if (g_str_equal(text, names[i]))
            alter->occurs = i;
    }
    if (!text || g_strv_contains(names, text))
        return true;
    if (*text == '0' || !g_ascii_string_to_unsigned(text, 10, 1, G_MAXINT, &nth, NULL))
        return vp_xml_refuse(error, index, node, "occurs='%s' is not known, expected "
                             "occurs='all|first|last' or a number from 1", text);
    alter->occurs = VP_OCCURS_NTH;
    alter->nth = nth;
    return true;
}

static bool
read_required(const VpXmlIndex *index, const VpXmlNode *node, VpAlter *alter, GError **error)
{
    const char *text = vp_xml_node_attribute(node, "required");

    alter->required = g_strcmp0(text, "no") != 0;
    if (!text || !alter->required || g_str_equal(text, "yes"))
        return true;
    return vp_xml_refuse(error, index, node, "required='%s' is not known, expected "
                         "required='yes|no'", text);
}

/* Something has to be done, and nothing to an option that is gone. */
static bool
check_actions(const VpXmlIndex *index, const VpXmlNode *node, const VpAlter *alter, GError **error)
{
    bool removed = false;
    guint n = 0;
    guint i = 0;

    for (const VpXmlNode *child = node->first; child; child = child->next, i++) {
        const VpAction *action = alter->actions->pdata[i];

        if (removed && action->kind != VP_ACTION_EXTRA)
            return vp_xml_refuse(error, index, child, "stands behind the <remove/> of the whole "
                                 "option, expected nothing but <extra> there");
        removed |= action->kind == VP_ACTION_REMOVE;
        n += action->kind != VP_ACTION_MATCH;
    }
    if (n > 0)
        return true;
    return vp_xml_refuse(error, index, node, "says nothing that is to be done, expected modify, "
                         "remove, rename, replace or extra");
}

bool
vp_xml_alter_read(const VpXmlIndex *index, const VpXmlNode *node, VpPlan *plan, GError **error)
{
    static const char *const known[] = { "option", "occurs", "required", NULL };
    VpAlter *alter = vp_plan_add_alter(plan, node->line);

    if (!vp_xml_check_attributes(index, node, known, "option, occurs and required", error) ||
        !read_option(index, node, alter, error) || !read_occurs(index, node, alter, error) ||
        !read_required(index, node, alter, error) ||
        !vp_xml_check_no_text(index, node, "elements only", error))
        return false;
    for (const VpXmlNode *child = node->first; child; child = child->next) {
        if (!read_child(index, child, alter, error))
            return false;
    }
    return check_actions(index, node, alter, error);
}
