/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any words as a command line, and any text as libvirt's form of one. What is read is written back
 * as the same words; the text form of any words reads as these words, and is written the same
 * again. Words are the bytes between NULs.
 */

#include "argv/cmdline.h"
#include "argv/text.h"
#include "argv/value.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void
assert_same(char **a, char **b)
{
    guint n = g_strv_length(a);

    g_assert_cmpuint(n, ==, g_strv_length(b));
    for (guint i = 0; i < n; i++)
        g_assert_cmpstr(a[i], ==, b[i]);
}

static void
look_at_values(const VpCmdline *cmdline)
{
    for (guint i = 0; i < cmdline->options->len; i++) {
        const VpOption *option = cmdline->options->pdata[i];
        g_autofree char *canonical = vp_value_canonical(option->row, option->value);
        g_autofree char *driver G_GNUC_UNUSED = vp_value_driver(option->row, option->value);

        g_assert_nonnull(canonical);
        g_assert_true((option->row == NULL) == (option->name == NULL));
        vp_value_check(option->row, option->value, NULL);
    }
}

static void
check_words(char **words)
{
    g_autoptr(VpCmdline) cmdline = vp_cmdline_parse((const char *const *)words, NULL);
    g_auto(GStrv) again = NULL;

    if (!cmdline)
        return;
    again = vp_cmdline_words(cmdline);
    assert_same(again, words);
    look_at_values(cmdline);
}

/* Writes @text and reads it again. */
static void
check_written(const VpCommandText *text, bool broken)
{
    g_autofree char *written = vp_command_text_write(text, broken), *again = NULL;
    g_auto(VpCommandText) back = { 0 };

    g_assert_true(vp_command_text_read(written, &back, NULL));
    assert_same(back.words, text->words);
    assert_same(back.environment, text->environment);
    again = vp_command_text_write(&back, broken);
    g_assert_cmpstr(again, ==, written);
}

static void
check_text(const char *bytes)
{
    g_auto(VpCommandText) text = { 0 };

    if (!vp_command_text_read(bytes, &text, NULL))
        return;
    check_words(text.words);
    check_written(&text, false);
    check_written(&text, true);
}

static char **
split_words(const guint8 *data, gsize size)
{
    g_autoptr(GStrvBuilder) words = g_strv_builder_new();
    const guint8 *at = data, *end = data + size;

    g_strv_builder_add(words, "/usr/bin/qemu-system-x86_64");
    while (at < end) {
        const guint8 *nul = memchr(at, 0, end - at) ?: end;
        g_autofree char *word = g_strndup((const char *)at, nul - at);

        g_strv_builder_add(words, word);
        at = nul + 1;
    }
    return g_strv_builder_end(words);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_auto(GStrv) words = split_words(data, size);
    g_autofree char *bytes = g_strndup((const char *)data, size);
    char *environment[] = { "LC_ALL=C", NULL };

    check_words(words);
    for (guint i = 0; i < 4; i++) {
        VpCommandText text = { .environment = environment, .words = words, .alone = i & 1 };

        check_written(&text, i & 2);
    }
    check_text(bytes);
    return 0;
}
