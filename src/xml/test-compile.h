/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A compiler for tests of src/xml, which knows no QEMU: added words stay as they are but for the
 * value of -device in key=value form, which becomes an object with one member; a [device] group
 * becomes such words too; alterations and all other groups are the shim's. A word "-fail" fails.
 */

#include "base/error.h"
#include "plan/shim.h"
#include "xml/passthrough.h"

#include <string.h>

#define SHIM "/opt/bin/" VP_SHIM_NAME
#define DEFAULT_EMULATOR "/usr/bin/qemu-system-x86_64"

static inline void
compile_device(GPtrArray *words, const char *value)
{
    g_autofree char *escaped = g_strescape(value, NULL);

    g_ptr_array_add(words, g_strdup_printf("{\"driver\":\"%s\"}", escaped));
}

static inline bool
compile_words(GPtrArray *words, char **added, GError **error)
{
    for (; *added; added++) {
        const char *last = words->len > 0 ? words->pdata[words->len - 1] : "";

        if (g_str_equal(*added, "-fail")) {
            g_set_error_literal(error, VP_ERROR, VP_ERROR_UNSUPPORTED, "no compiler does that");
            return false;
        }
        if (g_str_equal(last, "-device") && **added != '{')
            compile_device(words, *added);
        else
            g_ptr_array_add(words, g_strdup(*added));
    }
    return true;
}

static inline void
free_words(gpointer data)
{
    g_free(data);
}

static inline bool
test_compile(const VpPlan *wishes, char ***ret_words, char **ret_plan, gpointer data,
             GError **error)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(free_words);
    bool plan = false;

    g_assert_nonnull(wishes->emulator);
    for (guint i = 0; i < wishes->steps->len; i++) {
        const VpStep *step = wishes->steps->pdata[i];

        if (step->kind == VP_STEP_WORDS) {
            if (!compile_words(words, step->words->words, error))
                return false;
        } else if (step->kind == VP_STEP_GROUP && g_str_equal(step->group->name, "device")) {
            g_ptr_array_add(words, g_strdup("-device"));
            compile_device(words, step->group->id ? step->group->id : "");
        } else {
            plan = true;
        }
    }
    g_ptr_array_add(words, NULL);
    if (data)
        (*(guint *)data)++;
    *ret_plan = plan ? vp_plan_to_json(wishes, error) : NULL;
    if (plan && !*ret_plan)
        return false;
    *ret_words = (char **)g_ptr_array_steal(words, NULL);
    return true;
}

/* Knows no machine "unknown". */
static inline char *
test_default_emulator(const VpXmlMachine *machine, gpointer data G_GNUC_UNUSED, GError **error)
{
    if (g_strcmp0(machine->machine, "unknown") != 0)
        return g_strdup(DEFAULT_EMULATOR);
    g_set_error_literal(error, VP_ERROR, VP_ERROR_UNSUPPORTED, "no emulator has that machine");
    return NULL;
}

/* One for all; what the tests say is elsewhere is there. */
static inline char *
test_one_shim(const char *emulator G_GNUC_UNUSED, gpointer data, GError **error G_GNUC_UNUSED)
{
    if (data)
        (*(guint *)data)++;
    return g_strdup(SHIM);
}

/* .policy and .session_dir are for the user to add. */
#define COMPILING                                                                                  \
    .shim = test_one_shim, .compile = test_compile, .default_emulator = test_default_emulator
