/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A plan's JSON in the first line, words of a command line in the others. What is accepted must
 * give what the plan says and nothing else: the program is the plan's, each option is one that was
 * there or that the plan names, only options that an alter names have other values, the words of
 * the dedicated session are untouched, and QEMU would read the words as the options that we mean.
 */

#include "argv/alter.h"
#include "argv/prepare.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

#define CONFIG_PATH "/run/virtpass.conf"
#define MON "chardev=virtpass-qmp,mode=control"

/* What the plan and the command line allow. */
typedef struct Allowed {
    GHashTable *words; /* set of char *: may be in the result as they are */
    GHashTable *names; /* set of char *: options whose values may be anything */
} Allowed;

static void
allow_words(Allowed *allowed, char *const *words)
{
    for (; *words; words++)
        g_hash_table_add(allowed->words, g_strdup(*words));
}

static void
allow_action(Allowed *allowed, const VpAction *action)
{
    const char *name = NULL;

    if (action->kind == VP_ACTION_EXTRA)
        allow_words(allowed, action->words);
    if (action->kind != VP_ACTION_RENAME)
        return;
    name = vp_option_bare_name(action->text);
    g_hash_table_add(allowed->words, g_strconcat("-", name, NULL));
    g_hash_table_add(allowed->names, g_strdup(vp_option_find(name)->name));
}

static void
allow_step(Allowed *allowed, const VpStep *step)
{
    if (step->kind == VP_STEP_WORDS)
        allow_words(allowed, step->words->words);
    if (step->kind != VP_STEP_ALTER)
        return;
    g_hash_table_add(allowed->names, g_strdup(vp_option_bare_name(step->alter->option)));
    for (guint i = 0; i < step->alter->actions->len; i++)
        allow_action(allowed, step->alter->actions->pdata[i]);
}

/* Options are known to the table by one name, whatever an author or libvirt called them. */
static bool
may_have_any_value(const Allowed *allowed, const VpOption *option)
{
    GHashTableIter iter;
    gpointer name = NULL;

    g_hash_table_iter_init(&iter, allowed->names);
    while (option->row && g_hash_table_iter_next(&iter, &name, NULL)) {
        if (vp_option_find(name) == option->row)
            return true;
    }
    return false;
}

static void
check_options(const Allowed *allowed, const VpCmdline *cmdline)
{
    for (guint i = 0; i < cmdline->options->len; i++) {
        const VpOption *option = cmdline->options->pdata[i];

        g_assert_true(g_hash_table_contains(allowed->words, option->word));
        if (option->value && !may_have_any_value(allowed, option))
            g_assert_true(g_hash_table_contains(allowed->words, option->value));
    }
}

/* Read again, the words must be the same options. */
static void
check_structure(const VpCmdline *cmdline, char *const *words)
{
    g_autoptr(VpCmdline) again = vp_cmdline_parse((const char *const *)words, NULL);

    g_assert_nonnull(again);
    g_assert_cmpuint(again->options->len, ==, cmdline->options->len);
    for (guint i = 0; i < again->options->len; i++) {
        const VpOption *a = again->options->pdata[i], *b = cmdline->options->pdata[i];

        g_assert_cmpstr(a->word, ==, b->word);
        g_assert_cmpstr(a->value, ==, b->value);
        g_assert_true(a->row == b->row);
    }
}

static guint
count_sessions(const VpCmdline *cmdline)
{
    guint n = 0;

    for (guint i = 0; i < cmdline->options->len; i++) {
        const VpOption *option = cmdline->options->pdata[i];

        n += g_strcmp0(option->name, "mon") == 0 && strcmp(option->value, MON) == 0;
    }
    return n;
}

static void
check(const VpPlan *plan, VpCmdline *cmdline, char *const *before)
{
    Allowed allowed = {
        .words = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
        .names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
    };
    g_auto(VpApplied) applied = { 0 };
    guint sessions = count_sessions(cmdline);

    if (vp_plan_apply(plan, cmdline, CONFIG_PATH, &applied, NULL)) {
        g_auto(GStrv) after = vp_cmdline_words(cmdline);

        allow_words(&allowed, before + 1);
        for (guint i = 0; i < plan->steps->len; i++)
            allow_step(&allowed, plan->steps->pdata[i]);
        if (applied.config)
            allow_words(&allowed, (char *[]){ (char *)"-readconfig", (char *)CONFIG_PATH, NULL });
        g_assert_cmpstr(after[0], ==, plan->emulator ? plan->emulator : before[0]);
        check_options(&allowed, cmdline);
        check_structure(cmdline, after);
        g_assert_cmpuint(count_sessions(cmdline), >=, sessions);
    }
    g_hash_table_unref(allowed.words);
    g_hash_table_unref(allowed.names);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    char *words = strchr(text, '\n');
    g_auto(GStrv) before = NULL;
    g_autoptr(VpPlan) plan = NULL;
    g_autoptr(VpCmdline) cmdline = NULL;

    if (!words)
        return 0;
    *words = '\0';
    before = g_strsplit(words + 1, "\n", -1);
    plan = vp_plan_from_json(text, NULL);
    cmdline = vp_cmdline_parse((const char *const *)before, NULL);
    if (plan && cmdline)
        check(plan, cmdline, before);
    return 0;
}
