/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A plan carried out on a command line.
 *
 * Alters apply in document order, each to what the one before it left. Which options an alter means
 * is settled before the first of its actions; then each of them goes through all actions before the
 * next one does. An action that changes none of them is an error like an alter that finds none:
 * nothing that an author wrote is without effect in silence, unless required='no'.
 *
 * Every edit is of one value, and a value is one word of the command line whatever is in it. Words
 * come in by `extra` only, and as many as the author wrote.
 *
 * A device without an address takes the first that is free when QEMU comes to it. So that it does
 * not take one that libvirt has planned for a later device, an added one goes to the end of the
 * command line, and the devices added together with it follow: they may sit on it.
 */

#include "argv/alter.h"

#include "argv/clash.h"
#include "argv/config_file.h"
#include "argv/device.h"
#include "argv/groups.h"
#include "argv/pairs.h"
#include "argv/place.h"
#include "argv/prepare.h"
#include "argv/select.h"
#include "argv/value.h"
#include "argv/vital.h"
#include "base/error.h"
#include "base/limits.h"
#include "plan/regex.h"

#include <string.h>

/* One application of a plan. */
typedef struct Work {
    const VpPlan *plan;
    VpCmdline *cmdline;
    VpKeyTypes types;
    VpBudget budget;
    gsize bytes;         /* of all words that were made */
    GHashTable *touched; /* set of VpOption that may have come to clash with others */
    GHashTable *lost;    /* devices whose place was taken from them: VpOption -> VpBusKind */
    GPtrArray *late;     /* of VpOption: to be appended at the end; owns them */
    GPtrArray *warnings; /* of char * */
    GString *config;     /* text for -readconfig */
} Work;

/* One option on its way through the actions of an alter. */
typedef struct Edit {
    Work *work;
    const VpPrepared *prepared;
    guint i;          /* the action */
    const VpAction *action;
    VpOption *option; /* NULL once it is removed */
    guint place;      /* where it is, or was, among the options */
    guint behind;     /* how many options were added behind it so far */
} Edit;

/* What an action did to one option. */
typedef enum Outcome {
    DONE,
    NO_EFFECT,
    FAILED,
} Outcome;

void
vp_applied_clear(VpApplied *applied)
{
    g_clear_pointer(&applied->config, g_free);
    g_clear_pointer(&applied->warnings, g_ptr_array_unref);
}

/* --- changing one option ------------------------------------------------------ */

/* Gives the option a value that somebody has made. @key: what of it is different; NULL: not known,
 * and whether it is well written neither. Takes @value. */
static Outcome
set_value(Edit *edit, const char *key, char *value, GError **error)
{
    VpOption *option = edit->option;
    g_autofree char *made = value;

    if (strlen(made) > VP_ARGV_WORD_MAX) {
        g_set_error(error, VP_ERROR, VP_ERROR_LIMIT,
                    "the value gets %zu bytes long, but a word may have %u", strlen(made),
                    VP_ARGV_WORD_MAX);
        return FAILED;
    }
    edit->work->bytes += strlen(made);
    if (edit->work->bytes > VP_ARGV_BYTES_MAX) {
        g_set_error(error, VP_ERROR, VP_ERROR_LIMIT,
                    "all values that are altered have more than %u bytes together",
                    VP_ARGV_BYTES_MAX);
        return FAILED;
    }
    if (vp_has_control_characters(made) && !vp_has_control_characters(option->value)) {
        g_set_error(error, VP_ERROR, VP_ERROR_XML, "the value gets control characters");
        return FAILED;
    }
    if (!key && !vp_value_check(option->row, made, error))
        return FAILED;
    g_free(option->value);
    option->value = g_steal_pointer(&made);
    if (!key || vp_clash_depends_on(option->row, key))
        g_hash_table_add(edit->work->touched, option);
    return DONE;
}

static VpValueType
type_of(const Edit *edit, const char *key)
{
    const VpTypeSource *source = &edit->work->types.source;
    const VpOption *option = edit->option;
    g_autofree char *driver = NULL;

    if (edit->action->type != VP_TYPE_UNKNOWN)
        return edit->action->type;
    driver = vp_value_driver(option->row, option->value);
    return source->lookup(source, option->row->name, driver, key);
}

/* A change of one property, with @size more bytes; the types of a plan are looked up one by one. */
static bool
pay_for_change(Edit *edit, gsize size, GError **error)
{
    VpBudget *budget = &edit->work->budget;

    return vp_budget_spend_on(budget, edit->option->value, error)
           && vp_budget_spend(budget, 20 + size + edit->work->plan->types->len, error);
}

static Outcome
modify(Edit *edit, GError **error)
{
    g_autoptr(GArray) pairs = vp_modify_pairs(edit->option->row, edit->action->text);

    for (guint i = 0; i < pairs->len; i++) {
        const VpPair *pair = &g_array_index(pairs, VpPair, i);
        char *value = NULL;

        if (!pay_for_change(edit, strlen(pair->key) + strlen(pair->value), error))
            return FAILED;
        value = vp_value_set(edit->option->row, edit->option->value, pair->key, pair->value,
                             type_of(edit, pair->key), error);
        if (!value || set_value(edit, pair->key, value, error) == FAILED)
            return FAILED;
    }
    return DONE;
}

static Outcome
remove_key(Edit *edit, GError **error)
{
    VpBusKind kind = VP_BUS_PCI;
    char *value = NULL;

    if (!vp_budget_spend_on(&edit->work->budget, edit->option->value, error))
        return FAILED;
    value = vp_value_remove(edit->option->row, edit->option->value, edit->action->key);
    if (!value)
        return NO_EFFECT;
    if (vp_option_is_device(edit->option) && vp_place_key_find(edit->action->key, &kind))
        g_hash_table_insert(edit->work->lost, edit->option, GUINT_TO_POINTER(kind));
    return set_value(edit, edit->action->key, value, error);
}

/* Options are inserted and removed in an array: the others move. */
static bool
pay_for_moves(Work *work, guint n, GError **error)
{
    return vp_budget_spend(&work->budget, n * (10 + work->cmdline->options->len / 64), error);
}

static Outcome
remove_whole(Edit *edit, GError **error)
{
    if (!pay_for_moves(edit->work, 1, error))
        return FAILED;
    g_hash_table_remove(edit->work->touched, edit->option);
    g_hash_table_remove(edit->work->lost, edit->option);
    g_ptr_array_remove_index(edit->work->cmdline->options, edit->place);
    edit->option = NULL;
    return DONE;
}

static Outcome
rename_option(Edit *edit, GError **error)
{
    VpOption *option = edit->option;
    VpOption *renamed = vp_option_new(vp_option_bare_name(edit->action->text), NULL);
    VpOption old = *option;

    *option = *renamed;
    *renamed = old;
    option->value = g_steal_pointer(&renamed->value);
    vp_option_free(renamed);
    g_hash_table_add(edit->work->touched, option);
    if (!option->value)
        return DONE;
    if (vp_value_syntax(old.row, option->value) == VP_SYNTAX_JSON && !option->row->json) {
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED, "the value is JSON, which -%s does not take",
                    option->row->name);
        return FAILED;
    }
    return vp_value_check(option->row, option->value, error) ? DONE : FAILED;
}

static Outcome
replace(Edit *edit, GError **error)
{
    GError *reason = NULL;
    char *value = vp_regex_replace(edit->prepared->regexes->pdata[edit->i], edit->option->value,
                                   edit->action->text, &edit->work->budget, &reason);

    if (value)
        return set_value(edit, NULL, value, error);
    if (!reason)
        return NO_EFFECT;
    g_propagate_error(error, reason);
    return FAILED;
}

/* --- adding options ----------------------------------------------------------- */

static VpOption *
copy_option(const VpOption *option)
{
    VpOption *copy = g_new0(VpOption, 1);

    copy->row = option->row;
    copy->name = g_strdup(option->name);
    copy->word = g_strdup(option->word);
    copy->value = g_strdup(option->value);
    return copy;
}

/* Words are copied, and count as made. */
static bool
pay_for_words(Work *work, const VpCmdline *added, GError **error)
{
    for (guint i = 0; i < added->options->len; i++) {
        const VpOption *option = added->options->pdata[i];

        work->bytes += strlen(option->word) + (option->value ? strlen(option->value) : 0);
        if (!vp_budget_spend_on(&work->budget, option->value, error))
            return false;
    }
    if (work->bytes > VP_ARGV_BYTES_MAX)
        return vp_refuse(error, VP_ERROR_LIMIT, "all words that are altered and added have more "
                         "than %u bytes together", VP_ARGV_BYTES_MAX);
    return pay_for_moves(work, added->options->len, error);
}

static bool
may_add(Work *work, const VpCmdline *added, GError **error)
{
    if (work->cmdline->options->len + work->late->len + added->options->len <= VP_ARGV_WORDS_MAX)
        return pay_for_words(work, added, error);
    g_set_error(error, VP_ERROR, VP_ERROR_LIMIT, "the command line gets more than %u words",
                VP_ARGV_WORDS_MAX);
    return false;
}

/* Inserts copies of @added at @place, or keeps them for the end; returns how many were inserted. */
static guint
insert_options(Work *work, const VpCmdline *added, guint place)
{
    bool late = false;
    guint n = 0;

    for (guint i = 0; i < added->options->len; i++) {
        VpOption *option = copy_option(added->options->pdata[i]);

        g_hash_table_add(work->touched, option);
        late |= vp_device_has_no_address(option);
        if (late && vp_option_is_device(option))
            g_ptr_array_add(work->late, option);
        else
            g_ptr_array_insert(work->cmdline->options, place + n++, option);
    }
    return n;
}

static Outcome
add_extra(Edit *edit, GError **error)
{
    const VpCmdline *added = edit->prepared->extras->pdata[edit->i];
    guint next = edit->place + (edit->option ? 1 : 0) + edit->behind;

    if (!may_add(edit->work, added, error))
        return FAILED;
    if (edit->action->before)
        edit->place += insert_options(edit->work, added, edit->place);
    else
        edit->behind += insert_options(edit->work, added, next);
    return DONE;
}

/* --- one alter ---------------------------------------------------------------- */

/* `does` NULL: nothing to be done. The others' elements are named in messages. */
static const struct {
    const char *element;
    Outcome (*act)(Edit *edit, GError **error);
} acts[] = {
    [VP_ACTION_MATCH] = { "match", NULL },
    [VP_ACTION_MODIFY] = { "modify", modify },
    [VP_ACTION_REMOVE_KEY] = { "remove", remove_key },
    [VP_ACTION_REMOVE] = { "remove", remove_whole },
    [VP_ACTION_RENAME] = { "rename", rename_option },
    [VP_ACTION_REPLACE] = { "replace", replace },
    [VP_ACTION_EXTRA] = { "extra", add_extra },
};

static Outcome
act(Edit *edit, GError **error)
{
    if (!vp_budget_spend(&edit->work->budget, 2, error))
        return FAILED;
    if (vp_action_changes_option(edit->action) && !vp_vital_check(edit->option, error))
        return FAILED;
    return acts[edit->action->kind].act ? acts[edit->action->kind].act(edit, error) : DONE;
}

/* Takes one option through all actions; @effects[i] is set where action i had an effect. *place is
 * where it is to be looked for, and where the next one is. */
static bool
edit_option(Work *work, const VpPrepared *prepared, VpOption *option, guint *place, bool *effects,
            GError **error)
{
    const GPtrArray *actions = prepared->alter->actions;
    Edit edit = { .work = work, .prepared = prepared, .option = option, .place = *place };

    while (work->cmdline->options->pdata[edit.place] != option)
        edit.place++;
    for (edit.i = 0; edit.i < actions->len; edit.i++) {
        Outcome outcome = DONE;

        edit.action = actions->pdata[edit.i];
        outcome = act(&edit, error);
        if (outcome == FAILED) {
            g_prefix_error(error, "%s: ", acts[edit.action->kind].element);
            return false;
        }
        effects[edit.i] |= outcome == DONE;
    }
    *place = edit.place;
    return true;
}

/* What an alter did not find: an error, or a warning when the author does not require it. Takes
 * @text. */
static bool
not_found(Work *work, const VpAlter *alter, char *text, GError **error)
{
    g_autofree char *owned = text;

    if (alter->required) {
        g_set_error_literal(error, VP_ERROR, VP_ERROR_FAILED, owned);
        return false;
    }
    g_ptr_array_add(work->warnings, g_steal_pointer(&owned));
    return true;
}

static char *
describe_no_effect(const VpAlter *alter, const VpAction *action, guint n)
{
    g_autofree char *label = vp_alter_label(alter);
    const char *them = n == 1 ? "the option it applies to has" : "none of its options has";

    if (action->kind == VP_ACTION_REMOVE_KEY)
        return g_strdup_printf("%s, remove: %s %s'%s'", label, them, n == 1 ? "no " : "",
                               action->key);
    return g_strdup_printf("%s, replace: %s %s match for '%s'", label, them, n == 1 ? "no" : "a",
                           action->regex);
}

static bool
check_effects(Work *work, const VpAlter *alter, const bool *effects, guint n, GError **error)
{
    for (guint i = 0; i < alter->actions->len; i++) {
        if (effects[i])
            continue;
        if (!not_found(work, alter, describe_no_effect(alter, alter->actions->pdata[i], n), error))
            return false;
    }
    return true;
}

static bool
edit_options(Work *work, const VpPrepared *prepared, const GPtrArray *options, GError **error)
{
    g_autofree bool *effects = g_new0(bool, prepared->alter->actions->len + 1);
    guint place = 0;

    for (guint i = 0; i < options->len; i++) {
        g_autofree char *label = NULL;

        if (edit_option(work, prepared, options->pdata[i], &place, effects, error))
            continue;
        label = vp_alter_label(prepared->alter);
        g_prefix_error(error, "%s, ", label);
        return false;
    }
    return check_effects(work, prepared->alter, effects, options->len, error);
}

static bool
apply_alter(Work *work, const VpAlter *alter, GError **error)
{
    g_autoptr(VpPrepared) prepared = vp_prepared_new(alter, &work->budget, error);
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    g_autofree char *label = NULL, *nothing = NULL;

    if (!prepared)
        return false;
    if (vp_select(prepared, work->cmdline, &work->budget, found, error)) {
        if (found->len > 0)
            return edit_options(work, prepared, found, error);
        label = vp_alter_label(alter);
        nothing = vp_select_nothing(prepared, work->cmdline, &work->budget);
        return not_found(work, alter, g_strdup_printf("%s: %s", label, nothing), error);
    }
    label = vp_alter_label(alter);
    g_prefix_error(error, "%s, match: ", label);
    return false;
}

/* --- the whole plan ----------------------------------------------------------- */

/* The author's words that could not be at the end of what libvirt wrote: there they go before any
 * alter is carried out, for alters apply to them like to others. */
static bool
append_words(Work *work, const VpWords *words, GError **error)
{
    g_autoptr(VpCmdline) added = vp_added_parse(words->words, error);

    if (!added || !may_add(work, added, error))
        return false;
    while (added->options->len > 0) {
        VpOption *option = g_ptr_array_steal_index(added->options, 0);

        g_hash_table_add(work->touched, option);
        g_ptr_array_add(work->cmdline->options, option);
    }
    return true;
}

/* A group that would have no effect is in definitions only that are older than its refusal, whose
 * guests have always started. */
static bool
append_group(Work *work, const VpGroup *group, GError **error)
{
    g_autoptr(GError) reason = NULL;

    if (vp_group_way(group->name) != VP_GROUP_WRITTEN)
        return vp_config_append_group(work->config, group, error);
    vp_config_append_group(work->config, group, &reason);
    g_ptr_array_add(work->warnings, g_strdup(reason->message));
    return true;
}

static bool
apply_step(Work *work, const VpStep *step, GError **error)
{
    if (step->kind == VP_STEP_ALTER)
        return apply_alter(work, step->alter, error);
    if (step->kind == VP_STEP_GROUP)
        return append_group(work, step->group, error);
    return true;
}

static bool
apply_steps(Work *work, GError **error)
{
    const GPtrArray *steps = work->plan->steps;

    for (guint i = 0; i < steps->len; i++) {
        const VpStep *step = steps->pdata[i];

        if (step->kind == VP_STEP_WORDS && !append_words(work, step->words, error))
            return false;
    }
    for (guint i = 0; i < steps->len; i++) {
        if (!apply_step(work, steps->pdata[i], error))
            return false;
    }
    return true;
}

static bool
check_clashes(const Work *work, GError **error)
{
    return vp_check_group_clashes(work->cmdline, work->plan, error)
           && vp_check_clashes(work->cmdline, work->touched, error);
}

static void
append_late(Work *work)
{
    g_ptr_array_set_free_func(work->late, NULL);
    g_ptr_array_extend(work->cmdline->options, work->late, NULL, NULL);
    g_ptr_array_set_size(work->late, 0);
}

bool
vp_plan_apply(const VpPlan *plan, VpCmdline *cmdline, const char *config_path,
              VpApplied *ret_applied, GError **error)
{
    g_autoptr(GHashTable) touched = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) lost = g_hash_table_new(NULL, NULL);
    g_autoptr(GPtrArray) late = g_ptr_array_new_with_free_func((GDestroyNotify)vp_option_free);
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) config = g_string_new(NULL);
    Work work = { .plan = plan, .cmdline = cmdline, .types = vp_key_types(plan->types),
                  .budget = vp_budget_new(), .touched = touched, .lost = lost, .late = late,
                  .warnings = warnings, .config = config };

    if (!apply_steps(&work, error))
        return false;
    if (config->len > 0)
        g_ptr_array_add(cmdline->options, vp_option_new("readconfig", config_path));
    append_late(&work);
    if (!vp_place_again(cmdline, lost, error) || !check_clashes(&work, error))
        return false;
    if (plan->emulator) {
        g_free(cmdline->program);
        cmdline->program = g_strdup(plan->emulator);
    }
    ret_applied->config = config->len > 0 ? g_string_free(g_steal_pointer(&config), FALSE) : NULL;
    ret_applied->warnings = g_steal_pointer(&warnings);
    return true;
}
