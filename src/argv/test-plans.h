/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Plans and command lines as short texts, for tests: plans are steps in their JSON form with ' for
 * " and ` for \", command lines are words with blanks between, ' for " too.
 */

#include "argv/alter.h"

#include "base/error.h"

#include <string.h>

static inline char *
test_quotes(const char *text)
{
    return g_strdelimit(g_strdup(text), "'", '"');
}

static inline VpPlan *
test_plan(const char *steps)
{
    g_auto(GStrv) inner = g_strsplit(steps, "`", -1);
    g_autofree char *escaped = g_strjoinv("\\\"", inner), *quoted = test_quotes(escaped);
    g_autofree char *json =
        g_strdup_printf("{\"version\":1,\"emulator\":\"/real/qemu\",\"steps\":[%s],"
                        "\"types\":[[\"device\",\"mrg_rxbuf\",\"bool\"],"
                        "[\"device\",\"disable-legacy\",\"string\"],"
                        "[\"device\",\"rombar\",\"int\"]]}", quoted);
    g_autoptr(GError) error = NULL;
    VpPlan *plan = vp_plan_from_json(json, &error);

    g_assert_no_error(error);
    return plan;
}

static inline VpCmdline *
test_cmdline(const char *words)
{
    g_autofree char *quoted = test_quotes(words);
    g_autofree char *all = g_strconcat("/shim", *quoted ? " " : "", quoted, NULL);
    g_auto(GStrv) split = g_strsplit(all, " ", -1);
    g_autoptr(GError) error = NULL;
    VpCmdline *cmdline = vp_cmdline_parse((const char *const *)split, &error);

    g_assert_no_error(error);
    return cmdline;
}

/* The words behind the program, with ' for ". */
static inline char *
test_words(const VpCmdline *cmdline)
{
    g_auto(GStrv) words = vp_cmdline_words(cmdline);
    g_autofree char *text = g_strjoinv(" ", words + 1);

    return g_strdelimit(g_steal_pointer(&text), "\"", '\'');
}
