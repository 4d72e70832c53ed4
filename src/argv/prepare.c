/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What can be said of an alter before there is a command line: that QEMU has the option, that each
 * action is well written and fits the syntax of the option as the actions before it left it. So
 * that an author learns of it when the domain is defined, and not when it is started.
 *
 * The rows of one table say what an action does to the option and what it needs.
 */

#include "argv/prepare.h"

#include "argv/pairs.h"
#include "argv/vital.h"
#include "base/error.h"
#include "plan/regex.h"

#include <string.h>

/* Where the looking through has come to. */
typedef struct Look {
    VpPrepared *prepared;
    VpBudget *budget;
    const VpAction *action;
    const VpOptionRow *row; /* of the option under its present name */
    bool removed;
    VpRegex **ret_regex;
    VpCmdline **ret_extra;
} Look;

char *
vp_alter_label(const VpAlter *alter)
{
    if (alter->number == 0)
        return g_strdup_printf("-set (-%s, line %u)", vp_option_bare_name(alter->option),
                               alter->line);
    if (alter->line > 0)
        return g_strdup_printf("alter %u (-%s, line %u)", alter->number,
                               vp_option_bare_name(alter->option), alter->line);
    return g_strdup_printf("alter %u (-%s)", alter->number, vp_option_bare_name(alter->option));
}

const char *
vp_option_bare_name(const char *name)
{
    return name + strspn(name, "-");
}

bool
vp_has_control_characters(const char *text)
{
    for (const char *p = text; *p; p++) {
        if (g_ascii_iscntrl(*p))
            return true;
    }
    return false;
}

VpCmdline *
vp_added_parse(char *const *words, GError **error)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();

    g_ptr_array_add(all, (gpointer)"qemu");
    for (; *words; words++)
        g_ptr_array_add(all, *words);
    g_ptr_array_add(all, NULL);
    return vp_cmdline_parse((const char *const *)all->pdata, error);
}

static bool
compile_regex(Look *look, GError **error)
{
    *look->ret_regex = vp_regex_new(look->action->regex, look->budget, error);
    return *look->ret_regex != NULL;
}

static bool
look_at_match(Look *look, GError **error)
{
    if (look->action->key && !*look->action->key)
        return vp_refuse(error, VP_ERROR_XML, "key='' names no property");
    return compile_regex(look, error);
}

/* "+KEY" or "-KEY", nothing else. */
static bool
is_signed(const char *key)
{
    return (*key == '+' || *key == '-') && key[1] && !strchr("+-", key[1]) && !strchr(key, ',');
}

GArray *
vp_modify_pairs(const VpOptionRow *row, const char *text)
{
    GArray *pairs = vp_pairs_split(text);

    for (guint i = 0; row->syntax == VP_SYNTAX_CPU && i < pairs->len; i++) {
        VpPair *pair = &g_array_index(pairs, VpPair, i);
        g_autofree char *word = NULL;

        if (pair->value || !is_signed(pair->key))
            continue;
        word = g_steal_pointer(&pair->key);
        pair->key = g_strdup(word + 1);
        pair->value = g_strdup(*word == '+' ? "on" : "off");
    }
    return pairs;
}

static bool
check_pair(const VpOptionRow *row, const VpPair *pair, GError **error)
{
    bool cpu = row->syntax == VP_SYNTAX_CPU;

    if (!*pair->key || !pair->value || (cpu && strchr("+-", *pair->key)))
        return vp_refuse(error, VP_ERROR_XML, "'%s%s%s' is not KEY=VALUE%s", pair->key,
                         pair->value ? "=" : "", pair->value ? pair->value : "",
                         cpu ? ", +KEY or -KEY" : "");
    if (vp_has_control_characters(pair->key) || vp_has_control_characters(pair->value))
        return vp_refuse(error, VP_ERROR_XML, "the %s '%s' contains control characters",
                         vp_has_control_characters(pair->key) ? "key" : "value of", pair->key);
    return true;
}

static bool
look_at_modify(Look *look, GError **error)
{
    g_autoptr(GArray) pairs = vp_modify_pairs(look->row, look->action->text);

    for (guint i = 0; i < pairs->len; i++) {
        if (!check_pair(look->row, &g_array_index(pairs, VpPair, i), error))
            return false;
    }
    return pairs->len > 0 || vp_refuse(error, VP_ERROR_XML, "there is no KEY=VALUE in it");
}

static bool
look_at_remove_key(Look *look, GError **error)
{
    return *look->action->key || vp_refuse(error, VP_ERROR_XML, "key='' names no property");
}

static bool
look_at_remove(Look *look, GError **error)
{
    look->removed = true;
    return true;
}

static bool
look_at_rename(Look *look, GError **error)
{
    const char *name = vp_option_bare_name(look->action->text);
    const VpOptionRow *row = vp_option_find(name);

    if (!row)
        return vp_refuse(error, VP_ERROR_XML, "QEMU has no option -%s", name);
    if ((row->syntax == VP_SYNTAX_NONE) != (look->row->syntax == VP_SYNTAX_NONE))
        return vp_refuse(error, VP_ERROR_XML, "-%s takes %s value, but -%s takes %s",
                         look->row->name, look->row->syntax == VP_SYNTAX_NONE ? "no" : "a",
                         row->name, row->syntax == VP_SYNTAX_NONE ? "none" : "one");
    look->row = row;
    return true;
}

static bool
look_at_replace(Look *look, GError **error)
{
    return compile_regex(look, error) && vp_regex_check_replacement(look->action->text, error);
}

static bool
look_at_extra(Look *look, GError **error)
{
    if (!look->action->words[0])
        return vp_refuse(error, VP_ERROR_XML, "there is no word in it");
    *look->ret_extra = vp_added_parse(look->action->words, error);
    return *look->ret_extra != NULL;
}

/* What of an option's syntax an action works on. */
typedef enum Needs {
    NEEDS_NOTHING, /* works on an option that is removed already, too */
    NEEDS_OPTION,
    NEEDS_VALUE,
    NEEDS_KEYS,
} Needs;

static const struct {
    const char *element;
    Needs needs;
    bool (*look)(Look *look, GError **error);
} kinds[] = {
    [VP_ACTION_MATCH] = { "match", NEEDS_NOTHING, look_at_match },
    [VP_ACTION_MODIFY] = { "modify", NEEDS_KEYS, look_at_modify },
    [VP_ACTION_REMOVE_KEY] = { "remove", NEEDS_KEYS, look_at_remove_key },
    [VP_ACTION_REMOVE] = { "remove", NEEDS_OPTION, look_at_remove },
    [VP_ACTION_RENAME] = { "rename", NEEDS_OPTION, look_at_rename },
    [VP_ACTION_REPLACE] = { "replace", NEEDS_VALUE, look_at_replace },
    [VP_ACTION_EXTRA] = { "extra", NEEDS_NOTHING, look_at_extra },
};

static bool
check_needs(const Look *look, GError **error)
{
    Needs needs = kinds[look->action->kind].needs;
    VpSyntax syntax = look->row->syntax;

    if (needs >= NEEDS_OPTION && look->removed)
        return vp_refuse(error, VP_ERROR_XML, "the option has been removed before");
    if (needs >= NEEDS_VALUE && syntax == VP_SYNTAX_NONE)
        return vp_refuse(error, VP_ERROR_XML, "-%s takes no value", look->row->name);
    if (needs >= NEEDS_KEYS && syntax == VP_SYNTAX_PLAIN && !look->row->json)
        return vp_refuse(error, VP_ERROR_XML, "the value of -%s has no properties; use replace",
                         look->row->name);
    return true;
}

static bool
prefix_action(const VpAlter *alter, const VpAction *action, GError **error)
{
    g_autofree char *label = vp_alter_label(alter);

    g_prefix_error(error, "%s, %s: ", label, kinds[action->kind].element);
    return false;
}

static bool
look_at_action(Look *look, GError **error)
{
    if (check_needs(look, error) && kinds[look->action->kind].look(look, error))
        return true;
    return prefix_action(look->prepared->alter, look->action, error);
}

static bool
look_at_actions(Look *look, GError **error)
{
    const VpAlter *alter = look->prepared->alter;
    VpPrepared *prepared = look->prepared;

    g_ptr_array_set_size(prepared->regexes, alter->actions->len);
    g_ptr_array_set_size(prepared->extras, alter->actions->len);
    for (guint i = 0; i < alter->actions->len; i++) {
        look->action = alter->actions->pdata[i];
        look->ret_regex = (VpRegex **)&prepared->regexes->pdata[i];
        look->ret_extra = (VpCmdline **)&prepared->extras->pdata[i];
        if (!look_at_action(look, error))
            return false;
    }
    return true;
}

bool
vp_action_changes_option(const VpAction *action)
{
    return kinds[action->kind].needs > NEEDS_NOTHING;
}

/* The first action that would change an option which libvirt cannot do without is the culprit. */
static bool
check_vital(const VpPrepared *prepared, VpBudget *budget, GError **error)
{
    const GPtrArray *actions = prepared->alter->actions;

    for (guint i = 0; i < actions->len; i++) {
        if (!vp_action_changes_option(actions->pdata[i]))
            continue;
        return vp_vital_check_prepared(prepared, budget, error)
               || prefix_action(prepared->alter, actions->pdata[i], error);
    }
    return true;
}

VpPrepared *
vp_prepared_new(const VpAlter *alter, VpBudget *budget, GError **error)
{
    g_autoptr(VpPrepared) prepared = g_new0(VpPrepared, 1);
    const char *name = vp_option_bare_name(alter->option);
    Look look = { .prepared = prepared, .budget = budget };

    prepared->alter = alter;
    prepared->row = look.row = vp_option_find(name);
    prepared->regexes = g_ptr_array_new_with_free_func((GDestroyNotify)vp_regex_free);
    prepared->extras = g_ptr_array_new_with_free_func((GDestroyNotify)vp_cmdline_free);
    if (!look.row) {
        g_autofree char *label = vp_alter_label(alter);

        vp_refuse(error, VP_ERROR_XML, "%s: QEMU has no option -%s", label, name);
        return NULL;
    }
    if (!look_at_actions(&look, error) || !check_vital(prepared, budget, error))
        return NULL;
    return g_steal_pointer(&prepared);
}

void
vp_prepared_free(VpPrepared *prepared)
{
    if (!prepared)
        return;
    g_ptr_array_unref(prepared->regexes);
    g_ptr_array_unref(prepared->extras);
    g_free(prepared);
}
