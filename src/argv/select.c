/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which options an alter means, and what to say when it means none.
 *
 * An expression without a key is tried on the value as written and then on its canonical form, so
 * that one expression works whether libvirt wrote JSON or key=value. The words of the dedicated
 * session are not there for alterations: they are no part of what the author sees of the domain.
 */

#include "argv/select.h"

#include "argv/session.h"
#include "argv/value.h"
#include "plan/regex.h"

#include <string.h>

/* How many candidates a message names, and of how much of each it quotes. */
#define CANDIDATES 3
#define BRIEF_MAX 80

/* What it costs to compare two texts of that length. */
#define COMPARE_STEPS 500

/* Names of options that have so many characters in common are alike. */
#define SIMILAR_MIN 3

static bool
is_session_word(const VpOption *option)
{
    bool chardev = strcmp(option->row->name, "chardev") == 0;
    g_autofree char *id = NULL;

    if ((!chardev && strcmp(option->row->name, "mon") != 0)
        || !strstr(option->value, VP_SESSION_ID))
        return false;
    id = vp_value_get(option->row, option->value, chardev ? "id" : "chardev");
    return g_strcmp0(id, VP_SESSION_ID) == 0;
}

static bool
is_of_name(const VpPrepared *prepared, const VpOption *option)
{
    return option->row == prepared->row && !is_session_word(option);
}

static VpMatch
match_whole(VpRegex *regex, const VpOption *option, VpBudget *budget, GError **error)
{
    g_autofree char *canonical = NULL;
    const char *written = option->value ? option->value : "";
    VpMatch match = VP_MATCH_NO;

    if (vp_regex_rules_out(regex, written))
        return VP_MATCH_NO;
    match = vp_regex_match(regex, written, budget, error);
    if (match != VP_MATCH_NO || !option->value)
        return match;
    if (!vp_budget_spend_on(budget, written, error))
        return VP_MATCH_FAILED;
    canonical = vp_value_canonical(option->row, option->value);
    if (!canonical || strcmp(canonical, written) == 0)
        return VP_MATCH_NO;
    return vp_regex_match(regex, canonical, budget, error);
}

static VpMatch
match_key(VpRegex *regex, const VpOption *option, const char *key, VpBudget *budget,
          GError **error)
{
    g_autofree char *text = NULL;

    if (!option->value || vp_regex_rules_out(regex, option->value))
        return VP_MATCH_NO;
    if (!vp_budget_spend_on(budget, option->value, error))
        return VP_MATCH_FAILED;
    text = vp_value_get(option->row, option->value, key);
    return text ? vp_regex_match(regex, text, budget, error) : VP_MATCH_NO;
}

/* What it costs to find that an option is not of the session, or is ruled out. */
static bool
pay_for_look(VpBudget *budget, const VpOption *option, GError **error)
{
    return vp_budget_spend(budget, 4 + (option->value ? strlen(option->value) / 16 : 0), error);
}

static VpMatch
match_all(const VpPrepared *prepared, const VpOption *option, VpBudget *budget, GError **error)
{
    VpMatch match = VP_MATCH_YES;

    for (guint i = 0; match == VP_MATCH_YES && i < prepared->alter->actions->len; i++) {
        const VpAction *action = prepared->alter->actions->pdata[i];
        VpRegex *regex = prepared->regexes->pdata[i];

        if (action->kind != VP_ACTION_MATCH)
            continue;
        if (!pay_for_look(budget, option, error))
            return VP_MATCH_FAILED;
        if (action->key)
            match = match_key(regex, option, action->key, budget, error);
        else
            match = match_whole(regex, option, budget, error);
    }
    return match;
}

/* Leaves of the options those that `occurs` names. */
static void
keep_occurrence(const VpAlter *alter, GPtrArray *found)
{
    guint at = 0;

    if (alter->occurs == VP_OCCURS_ALL || found->len == 0)
        return;
    if (alter->occurs == VP_OCCURS_LAST)
        at = found->len - 1;
    else if (alter->occurs == VP_OCCURS_NTH)
        at = alter->nth - 1;
    if (at >= found->len) {
        g_ptr_array_set_size(found, 0);
        return;
    }
    found->pdata[0] = found->pdata[at];
    g_ptr_array_set_size(found, 1);
}

bool
vp_select(const VpPrepared *prepared, const VpCmdline *cmdline, VpBudget *budget, GPtrArray *found,
          GError **error)
{
    if (!vp_budget_spend(budget, cmdline->options->len / 2, error))
        return false;
    for (guint i = 0; i < cmdline->options->len; i++) {
        VpOption *option = cmdline->options->pdata[i];
        VpMatch match = VP_MATCH_NO;

        if (!is_of_name(prepared, option))
            continue;
        if (!pay_for_look(budget, option, error))
            return false;
        match = match_all(prepared, option, budget, error);
        if (match == VP_MATCH_FAILED)
            return false;
        if (match == VP_MATCH_YES)
            g_ptr_array_add(found, option);
    }
    keep_occurrence(prepared->alter, found);
    return true;
}

/* --- when there is none ------------------------------------------------------ */

/* At most @max bytes, and no half character at the end. */
static int
whole_characters(const char *text, int max)
{
    while (max > 0 && ((guchar)text[max] & 0xc0) == 0x80)
        max--;
    return max;
}

char *
vp_option_brief(const VpOption *option)
{
    g_autofree char *canonical = NULL;
    const char *value = option->value;

    if (value && option->row)
        canonical = vp_value_canonical(option->row, value);
    if (canonical)
        value = canonical;
    if (!value)
        return g_strdup(option->word);
    if (strlen(value) <= BRIEF_MAX)
        return g_strdup_printf("%s %s", option->word, value);
    return g_strdup_printf("%s %.*s...", option->word, whole_characters(value, BRIEF_MAX), value);
}

/* The length of the longest piece of text that both have near their beginnings. */
static guint
common_length(const char *a, const char *b)
{
    guchar length[BRIEF_MAX + 1] = { 0 }; /* of the piece that ends at a[i] and b[j - 1] */
    guint best = 0;

    for (guint i = 0; a[i] && i < BRIEF_MAX; i++) {
        guchar before = 0;

        for (guint j = 0; b[j] && j < BRIEF_MAX; j++) {
            guchar last = length[j + 1];

            length[j + 1] = a[i] == b[j] ? before + 1 : 0;
            before = last;
            best = MAX(best, length[j + 1]);
        }
    }
    return best;
}

/* How near an option comes to what was looked for; 0 when nothing is left of the budget. */
static guint
nearness(const VpPrepared *prepared, const VpOption *option, VpBudget *budget)
{
    guint sum = 0;

    for (guint i = 0; i < prepared->alter->actions->len; i++) {
        const VpAction *action = prepared->alter->actions->pdata[i];
        g_autofree char *text = NULL;

        if (action->kind != VP_ACTION_MATCH || !option->value
            || !vp_budget_spend(budget, COMPARE_STEPS, NULL)
            || !vp_budget_spend_on(budget, option->value, NULL))
            continue;
        text = action->key ? vp_value_get(option->row, option->value, action->key)
                           : vp_value_canonical(option->row, option->value);
        sum += text ? common_length(action->regex, text) : 0;
    }
    return sum;
}

typedef struct Candidate {
    const VpOption *option;
    guint nearness;
    guint place;
} Candidate;

static int
compare_candidates(gconstpointer a, gconstpointer b)
{
    const Candidate *left = a, *right = b;

    if (left->nearness != right->nearness)
        return left->nearness > right->nearness ? -1 : 1;
    return left->place < right->place ? -1 : 1;
}

static GArray *
collect_candidates(const VpPrepared *prepared, const VpCmdline *cmdline, VpBudget *budget)
{
    GArray *candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));

    for (guint i = 0; i < cmdline->options->len; i++) {
        const VpOption *option = cmdline->options->pdata[i];
        Candidate candidate = { .option = option, .place = i };

        if (!is_of_name(prepared, option))
            continue;
        candidate.nearness = nearness(prepared, option, budget);
        g_array_append_val(candidates, candidate);
    }
    g_array_sort(candidates, compare_candidates);
    return candidates;
}

/* " with id matching '^net0$' and a value matching 'virtio'"; empty when there is no match. */
static char *
describe_matches(const VpAlter *alter)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < alter->actions->len; i++) {
        const VpAction *action = alter->actions->pdata[i];

        if (action->kind == VP_ACTION_MATCH)
            g_string_append_printf(text, " %s %s matching '%s'", text->len > 0 ? "and" : "with",
                                   action->key ? action->key : "a value", action->regex);
    }
    return g_string_free(text, FALSE);
}

/* The option is not there at all: the names of others that are much like it. */
static void
append_similar_names(GString *text, const VpPrepared *prepared, const VpCmdline *cmdline)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    guint n = 0;

    for (guint i = 0; i < cmdline->options->len; i++) {
        const VpOption *option = cmdline->options->pdata[i];

        if (!option->row || !g_hash_table_add(seen, (gpointer)option->row)
            || option->row == prepared->row
            || common_length(option->row->name, prepared->row->name) < SIMILAR_MIN)
            continue;
        g_string_append_printf(text, "%s -%s", n++ > 0 ? "," : "; there is", option->row->name);
    }
}

static void
append_candidates(GString *text, const GArray *candidates)
{
    g_string_append(text, candidates->len > 1 ? "; the nearest are" : "; there is only");
    for (guint i = 0; i < candidates->len && i < CANDIDATES; i++) {
        g_autofree char *brief = vp_option_brief(g_array_index(candidates, Candidate, i).option);

        g_string_append_printf(text, "%s '%s'", i > 0 ? "," : "", brief);
    }
    if (candidates->len > CANDIDATES)
        g_string_append_printf(text, " of %u", candidates->len);
}

char *
vp_select_nothing(const VpPrepared *prepared, const VpCmdline *cmdline, VpBudget *budget)
{
    const VpAlter *alter = prepared->alter;
    g_autoptr(GArray) candidates = collect_candidates(prepared, cmdline, budget);
    g_autofree char *matches = describe_matches(alter);
    g_autofree char *which = NULL;
    GString *text = g_string_new(NULL);

    if (alter->occurs == VP_OCCURS_NTH && alter->nth > 1)
        which = g_strdup_printf(" number %u", alter->nth);
    g_string_printf(text, "there is no -%s%s%s", prepared->row->name, which ? which : "", matches);
    if (candidates->len == 0)
        append_similar_names(text, prepared, cmdline);
    else
        append_candidates(text, candidates);
    return g_string_free(text, FALSE);
}
