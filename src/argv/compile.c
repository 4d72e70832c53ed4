/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What of the author's wishes stock libvirt can carry by itself, and what the shim has to do.
 *
 * Least machinery: words are only words, and a domain that has nothing else needs no shim. What is
 * wrong is found here, when the domain is defined, as far as it can be seen without a command line;
 * so each step is looked at the way the shim will look at it. What the shim will have to know of
 * types is put into its plan, for it must not ask a QEMU anything when a guest starts.
 *
 * Words are one list, whatever elements they came from: an option may be in one <qemu:arg> and its
 * value in the next.
 */

#include "argv/compile.h"

#include "argv/config_file.h"
#include "argv/cpudef.h"
#include "argv/device.h"
#include "argv/expand.h"
#include "argv/groups.h"
#include "argv/order.h"
#include "argv/pairs.h"
#include "argv/place.h"
#include "argv/prepare.h"
#include "argv/setting.h"
#include "argv/value.h"
#include "base/error.h"
#include "plan/budget.h"

#include <string.h>

/* What it costs to look through all types of a QEMU for a key. */
#define COLLECT_STEPS 20000

/* One compilation. */
typedef struct Compiler {
    const VpPlan *wishes;
    const VpTypeSource *types;
    GPtrArray *words;   /* of char *, owned: the result */
    GPtrArray *pending; /* of char *, borrowed: the author's words since the last group */
    GArray *lines;      /* of guint: where each pending word stands */
    VpPlan *shim;
    VpBudget budget;
    VpExpander *expander;
    GHashTable *known;  /* set of "OPTION KEY" whose types have been collected */
    GArray *added;      /* of Added */
    GPtrArray *warnings; /* of char * */
    const char *element; /* what is being compiled, for messages */
    guint line;
} Compiler;

/* A device or network back end of the author's, which a -set may be for. */
typedef struct Added {
    const VpOptionRow *row;
    GPtrArray *words; /* in which it is */
    guint at;         /* its value */
    char *text;       /* as the author wrote it */
} Added;

void
vp_compiled_clear(VpCompiled *compiled)
{
    g_clear_pointer(&compiled->words, g_strfreev);
    g_clear_pointer(&compiled->shim, vp_plan_free);
    g_clear_pointer(&compiled->warnings, g_ptr_array_unref);
}

static void
clear_added(gpointer data)
{
    g_free(((Added *)data)->text);
}

static bool
prefix_line(const char *element, guint line, GError **error)
{
    if (line > 0)
        g_prefix_error(error, "<qemu:%s> in line %u: ", element, line);
    else
        g_prefix_error(error, "<qemu:%s>: ", element);
    return false;
}

/* --- words -------------------------------------------------------------------- */

/* Ends the list and hands it over. */
static char **
to_strv(GPtrArray *words)
{
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_steal(words, NULL);
}

static void
warn(Compiler *compiler, const char *note)
{
    g_ptr_array_add(compiler->warnings,
                    g_strdup_printf("<qemu:%s> in line %u: %s", compiler->element, compiler->line,
                                    note));
}

/* What a value of the author's is given to QEMU as. */
static char *
final_value(Compiler *compiler, const VpOptionRow *row, const char *text, GError **error)
{
    g_autoptr(VpOption) option = vp_option_new(row->name, text);
    g_autofree char *note = NULL;
    char *value = NULL;

    if (vp_order_is_first(option))
        return vp_order_text(option);
    if (strcmp(row->name, "device") != 0 || vp_value_syntax(row, text) == VP_SYNTAX_JSON)
        return g_strdup(text);
    value = vp_device_from_text(text, compiler->types, &compiler->budget, &note, error);
    if (note)
        warn(compiler, note);
    return value;
}

/* The author's own option that the setting is for; *ret_added NULL: none is. */
static bool
find_added(Compiler *compiler, const VpSetting *setting, Added **ret_added, GError **error)
{
    *ret_added = NULL;
    for (guint i = 0; i < compiler->added->len; i++) {
        Added *added = &g_array_index(compiler->added, Added, i);
        g_autofree char *id = NULL;

        if (strcmp(added->row->name, setting->group) != 0)
            continue;
        if (!vp_budget_spend_on(&compiler->budget, added->text, error))
            return false;
        id = vp_value_get(added->row, added->text, "id");
        if (g_strcmp0(id, setting->id) != 0)
            continue;
        *ret_added = added;
        return true;
    }
    return true;
}

static bool
change_added(Compiler *compiler, Added *added, const VpSetting *setting, GError **error)
{
    g_autofree char *driver = vp_value_driver(added->row, added->text);
    VpValueType type = VP_TYPE_UNKNOWN;
    char *text = NULL, *value = NULL;

    if (compiler->types)
        type = compiler->types->lookup(compiler->types, added->row->name, driver, setting->key);
    if (!vp_budget_spend_on(&compiler->budget, added->text, error))
        return false;
    text = vp_value_set(added->row, added->text, setting->key, setting->value, type, error);
    if (!text)
        return false;
    g_free(added->text);
    added->text = text;
    value = final_value(compiler, added->row, text, error);
    if (!value)
        return false;
    g_free(added->words->pdata[added->at]);
    added->words->pdata[added->at] = value;
    return true;
}

static bool compile_alter(Compiler *compiler, const VpAlter *alter, GError **error);

/* Whether QEMU finds the option by itself. */
static bool
is_left_to_qemu(const Added *added)
{
    return strcmp(added->row->name, "netdev") == 0
           && vp_value_syntax(added->row, added->text) != VP_SYNTAX_JSON;
}

/* *ret_done: the setting is carried out, and QEMU must not see it. */
static bool
carry_out(Compiler *compiler, const char *text, bool *ret_done, GError **error)
{
    g_autoptr(VpPlan) plan = vp_plan_new();
    g_auto(VpSetting) setting = { 0 };
    Added *added = NULL;

    *ret_done = false;
    if (!vp_setting_read(&setting, text) || !vp_setting_needs_help(&setting))
        return true;
    if (!find_added(compiler, &setting, &added, error))
        return false;
    if (added) {
        *ret_done = !is_left_to_qemu(added);
        if (!*ret_done || change_added(compiler, added, &setting, error))
            return true;
        g_prefix_error(error, "-set '%s': ", text);
        return false;
    }
    *ret_done = compiler->types && vp_setting_add_alter(&setting, compiler->line, plan);
    return !*ret_done || compile_alter(compiler, ((VpStep *)plan->steps->pdata[0])->alter, error);
}

/* Appends the words of an option that makes nothing by itself. */
static bool
add_spelled(Compiler *compiler, const VpOption *option, GPtrArray *words, GError **error)
{
    Added added = { .row = option->row, .words = words, .at = words->len + 1 };
    const char *name = option->row ? option->row->name : "";
    char *value = NULL;
    bool done = false;

    if (strcmp(name, "set") == 0 && !carry_out(compiler, option->value, &done, error))
        return false;
    if (done)
        return true;
    if (option->value)
        value = option->row ? final_value(compiler, option->row, option->value, error)
                            : g_strdup(option->value);
    if (option->value && !value)
        return false;
    g_ptr_array_add(words, g_strdup(option->word));
    if (!value)
        return true;
    g_ptr_array_add(words, value);
    if (strcmp(name, "device") == 0 || strcmp(name, "netdev") == 0) {
        added.text = g_strdup(option->value);
        g_array_append_val(compiler->added, added);
    }
    return true;
}

static bool
add_all_spelled(Compiler *compiler, char *const *spelled, GPtrArray *words, GError **error)
{
    g_autoptr(VpCmdline) options = vp_added_parse(spelled, error);

    for (guint i = 0; options && i < options->options->len; i++) {
        if (!add_spelled(compiler, options->options->pdata[i], words, error))
            return false;
    }
    return options != NULL;
}

/* Appends the option's words to @words, of char *. */
static bool
add_option(Compiler *compiler, const VpOption *option, GPtrArray *words, GError **error)
{
    g_autoptr(GError) refused = NULL;
    g_auto(GStrv) spelled = NULL;

    if (!vp_budget_spend_on(&compiler->budget, option->value, error))
        return false;
    spelled = vp_expand(compiler->expander, option, &refused);
    if (refused) {
        g_propagate_error(error, g_steal_pointer(&refused));
        return false;
    }
    return spelled ? add_all_spelled(compiler, spelled, words, error)
                   : add_spelled(compiler, option, words, error);
}

/* Compiles the words that came together since the last time. */
static bool
flush_words(Compiler *compiler, GError **error)
{
    g_autoptr(GPtrArray) pending = g_steal_pointer(&compiler->pending);
    g_autoptr(GArray) lines = g_steal_pointer(&compiler->lines);
    g_autoptr(VpCmdline) added = NULL;
    guint at = 0;

    compiler->pending = g_ptr_array_new();
    compiler->lines = g_array_new(FALSE, FALSE, sizeof(guint));
    if (pending->len == 0)
        return true;
    g_ptr_array_add(pending, NULL);
    added = vp_added_parse((char *const *)pending->pdata, error);
    if (!added)
        return prefix_line("arg", g_array_index(lines, guint, lines->len - 1), error);
    for (guint i = 0; i < added->options->len; i++) {
        const VpOption *option = added->options->pdata[i];

        compiler->element = "arg";
        compiler->line = g_array_index(lines, guint, at);
        if (!add_option(compiler, option, compiler->words, error))
            return prefix_line("arg", g_array_index(lines, guint, at), error);
        at += option->value ? 2 : 1;
    }
    return true;
}

static bool
compile_words(Compiler *compiler, const VpWords *words, GError **error)
{
    for (char **word = words->words; *word; word++) {
        g_ptr_array_add(compiler->pending, *word);
        g_array_append_val(compiler->lines, words->line);
    }
    return true;
}

/* --- groups ------------------------------------------------------------------- */

static bool
compile_device(Compiler *compiler, const VpGroup *group, GError **error)
{
    g_autofree char *text = NULL;
    VpOption *option = NULL;
    bool done = false;

    if (!flush_words(compiler, error))
        return false;
    compiler->element = group->name;
    compiler->line = group->line;
    text = vp_device_group_text(group, error);
    if (!text)
        return prefix_line(group->name, group->line, error);
    option = vp_option_new("device", text);
    done = add_spelled(compiler, option, compiler->words, error);
    vp_option_free(option);
    return done || prefix_line(group->name, group->line, error);
}

static bool
compile_cpudef(Compiler *compiler, const VpGroup *group, GError **error)
{
    if (!flush_words(compiler, error))
        return false;
    return vp_cpudef_append(compiler->words, group, compiler->wishes->emulator, error)
           || prefix_line(group->name, group->line, error);
}

/* A group that makes devices by itself; *ret_done: false: it makes none. */
static bool
expand_group(Compiler *compiler, const VpGroup *group, bool *ret_done, GError **error)
{
    g_autoptr(VpOption) option = vp_expand_group(group);
    g_autoptr(GError) refused = NULL;
    g_auto(GStrv) spelled = option ? vp_expand(compiler->expander, option, &refused) : NULL;

    *ret_done = spelled != NULL;
    if (refused)
        g_propagate_error(error, g_steal_pointer(&refused));
    else if (!spelled)
        return true;
    else if (!flush_words(compiler, error))
        return false;
    else if (add_all_spelled(compiler, spelled, compiler->words, error))
        return true;
    return prefix_line(group->name, group->line, error);
}

static bool
compile_config(Compiler *compiler, const VpGroup *group, GError **error)
{
    g_autoptr(GString) scratch = g_string_new(NULL);
    bool expanded = false;
    VpGroup *copy = NULL;

    if (!vp_config_append_group(scratch, group, error)
        || !expand_group(compiler, group, &expanded, error))
        return false;
    if (expanded)
        return true;
    copy = vp_plan_add_group(compiler->shim, group->line);
    copy->name = g_strdup(group->name);
    copy->id = g_strdup(group->id);
    for (guint i = 0; i < group->keys->len; i++)
        vp_group_add(copy, group->keys->pdata[i], group->values->pdata[i]);
    return true;
}

static bool
compile_group(Compiler *compiler, const VpGroup *group, GError **error)
{
    VpGroupWay way = vp_group_way(group->name);

    if (way == VP_GROUP_DEVICE)
        return compile_device(compiler, group, error);
    if (way == VP_GROUP_CPUDEF)
        return compile_cpudef(compiler, group, error);
    return compile_config(compiler, group, error);
}

/* --- alters ------------------------------------------------------------------- */

/* What there is to know of the key's type, once for each option and key. */
static bool
collect_type(Compiler *compiler, const VpOptionRow *row, const char *key, GError **error)
{
    g_autofree char *name = g_strdup_printf("%s %s", row->name, key);

    if (!compiler->types) {
        g_set_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED,
                    "modify: the type of '%s' is not known without the domain's QEMU; say it with "
                    "type=''", key);
        return false;
    }
    if (!g_hash_table_add(compiler->known, g_steal_pointer(&name)))
        return true;
    if (!vp_budget_spend(&compiler->budget, COLLECT_STEPS, error))
        return false;
    compiler->types->collect(compiler->types, row->name, key, compiler->shim->types);
    return true;
}

static bool
collect_types(Compiler *compiler, const VpOptionRow *row, const VpAction *action, GError **error)
{
    g_autoptr(GArray) pairs = vp_pairs_split(action->text);

    if (!row->json || action->type != VP_TYPE_UNKNOWN)
        return true;
    for (guint i = 0; i < pairs->len; i++) {
        if (!collect_type(compiler, row, g_array_index(pairs, VpPair, i).key, error))
            return false;
    }
    return true;
}

/* The words of an `extra`, devices as JSON; NULL and @error. */
static char **
compile_extra(Compiler *compiler, const VpCmdline *extra, GError **error)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    guint known = compiler->added->len;
    bool good = true;

    for (guint i = 0; i < extra->options->len && good; i++)
        good = add_option(compiler, extra->options->pdata[i], words, error);
    g_array_set_size(compiler->added, known); /* those in @words go with them */
    if (good)
        return to_strv(words);
    g_prefix_error(error, "extra: ");
    return NULL;
}

static VpAction *
copy_action(VpAlter *alter, const VpAction *action)
{
    VpAction *copy = vp_alter_add(alter, action->kind);

    copy->key = g_strdup(action->key);
    copy->regex = g_strdup(action->regex);
    copy->text = g_strdup(action->text);
    copy->type = action->type;
    copy->before = action->before;
    return copy;
}

static bool
compile_actions(Compiler *compiler, const VpPrepared *prepared, VpAlter *copy, GError **error)
{
    const GPtrArray *actions = prepared->alter->actions;
    const VpOptionRow *row = prepared->row;

    for (guint i = 0; i < actions->len; i++) {
        const VpAction *action = actions->pdata[i];
        VpAction *copied = copy_action(copy, action);

        if (action->kind == VP_ACTION_RENAME)
            row = vp_option_find(vp_option_bare_name(action->text));
        if (action->kind == VP_ACTION_MODIFY && !collect_types(compiler, row, action, error))
            return false;
        if (action->kind != VP_ACTION_EXTRA)
            continue;
        copied->words = compile_extra(compiler, prepared->extras->pdata[i], error);
        if (!copied->words)
            return false;
        if (!copied->words[0]) /* there were settings only */
            g_ptr_array_remove(copy->actions, copied);
    }
    return true;
}

static bool
compile_alter(Compiler *compiler, const VpAlter *alter, GError **error)
{
    g_autoptr(VpPrepared) prepared = vp_prepared_new(alter, &compiler->budget, error);
    g_autofree char *label = NULL;
    VpAlter *copy = NULL;

    if (!prepared)
        return false;
    copy = vp_plan_add_alter(compiler->shim, alter->line);
    copy->number = alter->number;
    copy->option = g_strdup(vp_option_bare_name(alter->option));
    copy->occurs = alter->occurs;
    copy->nth = alter->nth;
    copy->required = alter->required;
    compiler->element = "alter";
    compiler->line = alter->line;
    if (compile_actions(compiler, prepared, copy, error))
        return true;
    label = vp_alter_label(alter);
    g_prefix_error(error, "%s, ", label);
    return false;
}

/* --- places ------------------------------------------------------------------- */

/* Where the value of an added -device stands, one that is JSON or is created first. */
typedef struct Spot {
    char **value;
    VpOption *option; /* the same as an option, owned */
} Spot;

static void
clear_spot(gpointer data)
{
    vp_option_free(((Spot *)data)->option);
}

static void
find_spots(char **words, GArray *spots)
{
    for (; words[0] && words[1]; words++) {
        const VpOptionRow *row = vp_option_find(vp_option_bare_name(words[0]));
        Spot spot = { .value = &words[1] };

        if (*words[0] != '-' || !row || row->syntax == VP_SYNTAX_NONE)
            continue;
        if (strcmp(row->name, "device") == 0) {
            spot.option = vp_option_new("device", words[1]);
            g_array_append_val(spots, spot);
        }
        words++;
    }
}

static void
find_spots_in_plan(const VpPlan *plan, GArray *spots)
{
    for (guint i = 0; i < plan->steps->len; i++) {
        const VpStep *step = plan->steps->pdata[i];

        if (step->kind == VP_STEP_WORDS)
            find_spots(step->words->words, spots);
        for (guint j = 0; step->kind == VP_STEP_ALTER && j < step->alter->actions->len; j++) {
            const VpAction *action = step->alter->actions->pdata[j];

            if (action->kind == VP_ACTION_EXTRA)
                find_spots(action->words, spots);
        }
    }
}

static GArray *
all_spots(char **words, const VpPlan *shim)
{
    GArray *spots = g_array_new(FALSE, FALSE, sizeof(Spot));

    g_array_set_clear_func(spots, clear_spot);
    find_spots(words, spots);
    if (shim)
        find_spots_in_plan(shim, spots);
    return spots;
}

GPtrArray *
vp_compiled_devices(char *const *words, const VpPlan *shim)
{
    GPtrArray *devices = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GArray) spots = all_spots((char **)words, shim);

    for (guint i = 0; i < spots->len; i++)
        g_ptr_array_add(devices, g_strdup(*g_array_index(spots, Spot, i).value));
    return devices;
}

static bool
has_alters(const VpPlan *shim)
{
    for (guint i = 0; shim && i < shim->steps->len; i++) {
        if (((const VpStep *)shim->steps->pdata[i])->kind == VP_STEP_ALTER)
            return true;
    }
    return false;
}

static bool
place_devices(Compiler *compiler, const VpCmdline *generated, VpCompiled *compiled, GError **error)
{
    g_autoptr(GArray) spots = all_spots(compiled->words, compiled->shim);
    g_autoptr(GPtrArray) added = g_ptr_array_new();
    const VpPlan *wishes = compiler->wishes;
    VpPlacing placing = { generated, wishes->apart, has_alters(compiled->shim), wishes->running,
                          wishes->previous, compiler->types };

    if (!compiler->types || !compiler->types->device_bus || spots->len == 0)
        return true;
    for (guint i = 0; i < spots->len; i++)
        g_ptr_array_add(added, g_array_index(spots, Spot, i).option);
    if (!vp_place(&placing, added, &compiler->budget, error))
        return false;
    for (guint i = 0; i < spots->len; i++) {
        const Spot *spot = &g_array_index(spots, Spot, i);

        g_free(*spot->value);
        *spot->value = g_strdup(spot->option->value);
    }
    return true;
}

/* --- the whole ---------------------------------------------------------------- */

static bool
compile_step(Compiler *compiler, const VpStep *step, GError **error)
{
    switch (step->kind) {
    case VP_STEP_WORDS:
        return compile_words(compiler, step->words, error);
    case VP_STEP_ALTER:
        return compile_alter(compiler, step->alter, error);
    case VP_STEP_GROUP:
        return compile_group(compiler, step->group, error);
    }
    g_assert_not_reached();
}

static bool
compile_steps(Compiler *compiler, GError **error)
{
    for (guint i = 0; i < compiler->wishes->steps->len; i++) {
        if (!compile_step(compiler, compiler->wishes->steps->pdata[i], error))
            return false;
    }
    return flush_words(compiler, error);
}

/* Leaves added devices, from the first without an address on, to the shim. */
static bool
defer_devices(VpCompiled *compiled, GError **error)
{
    g_autoptr(VpCmdline) added = vp_added_parse(compiled->words, error);
    g_autoptr(GPtrArray) now = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) later = g_ptr_array_new_with_free_func(g_free);

    if (!added)
        return false;
    for (guint i = 0; i < added->options->len; i++) {
        const VpOption *option = added->options->pdata[i];
        bool defer = !vp_order_is_first(option)
                     && (vp_device_has_no_address(option)
                         || (later->len > 0 && vp_option_is_device(option)));
        GPtrArray *words = defer ? later : now;

        g_ptr_array_add(words, g_strdup(option->word));
        if (option->value)
            g_ptr_array_add(words, g_strdup(option->value));
    }
    if (later->len == 0)
        return true;
    if (!compiled->shim)
        compiled->shim = vp_plan_new();
    vp_plan_add_words(compiled->shim, 0)->words = to_strv(later);
    g_strfreev(compiled->words);
    compiled->words = to_strv(now);
    return true;
}

bool
vp_compile(const VpPlan *wishes, const VpTypeSource *types, const VpCmdline *generated,
           VpCompiled *ret, GError **error)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(VpPlan) shim = vp_plan_new();
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GArray) added = g_array_new(FALSE, FALSE, sizeof(Added));
    Compiler compiler = { .wishes = wishes, .types = types, .words = words, .shim = shim,
                          .budget = vp_budget_new(), .known = known, .added = added,
                          .warnings = warnings };
    g_autoptr(VpExpander) expander = vp_expander_new(wishes->machine, generated, types,
                                                     &compiler.budget);
    bool done = false;

    g_array_set_clear_func(added, clear_added);
    compiler.expander = expander;
    compiler.pending = g_ptr_array_new();
    compiler.lines = g_array_new(FALSE, FALSE, sizeof(guint));
    done = compile_steps(&compiler, error);
    g_ptr_array_unref(compiler.pending);
    g_array_unref(compiler.lines);
    if (!done)
        return false;
    ret->words = to_strv(words);
    ret->warnings = g_steal_pointer(&warnings);
    ret->shim = vp_plan_is_empty(shim) ? NULL : g_steal_pointer(&shim);
    if (!place_devices(&compiler, generated, ret, error))
        return false;
    if ((ret->shim || wishes->late_devices) && !defer_devices(ret, error))
        return false;
    if (ret->shim) {
        ret->shim->emulator = g_strdup(wishes->emulator);
        ret->shim->session = wishes->session;
    }
    return true;
}
