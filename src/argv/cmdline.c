/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A command line as options, and back.
 *
 * It is read the way QEMU reads it: an option is a word with one or two dashes in front whose name
 * is in the table, and if the table says so the next word is its argument, whatever it looks like.
 * Each word is kept as it was written, so that what is written back differs only where somebody
 * changed an option. A word that QEMU would not take for an option (a disk image, an option of a
 * newer QEMU and its argument) is an entry by itself without row, and stays where it is.
 */

#include "argv/cmdline.h"

#include "base/error.h"
#include "base/limits.h"

#include <string.h>

/* The name in an option's word, or NULL when it has no dash. */
static const char *
name_in(const char *word)
{
    if (word[0] != '-')
        return NULL;
    return word[1] == '-' ? word + 2 : word + 1;
}

static bool
check_limits(const char *const *words, GError **error)
{
    gsize n = 0, bytes = 0;

    for (; words[n]; n++) {
        gsize size = strlen(words[n]);

        if (size > VP_ARGV_WORD_MAX) {
            g_set_error(error, VP_ERROR, VP_ERROR_LIMIT,
                        "a word of the command line has %" G_GSIZE_FORMAT " bytes, more than the "
                        "%u that can be (VP_ARGV_WORD_MAX): %.40s...", size, VP_ARGV_WORD_MAX,
                        words[n]);
            return false;
        }
        if (n == VP_ARGV_WORDS_MAX) {
            g_set_error(error, VP_ERROR, VP_ERROR_LIMIT,
                        "the command line has more than %u words (VP_ARGV_WORDS_MAX)",
                        VP_ARGV_WORDS_MAX);
            return false;
        }
        bytes += size + 1;
    }
    if (bytes <= VP_ARGV_BYTES_MAX)
        return true;
    g_set_error(error, VP_ERROR, VP_ERROR_LIMIT,
                "the command line has %" G_GSIZE_FORMAT " bytes, more than the %u that can be "
                "(VP_ARGV_BYTES_MAX)", bytes, VP_ARGV_BYTES_MAX);
    return false;
}

/* The option that begins at *@at, which is moved behind it. */
static VpOption *
read_option(const char *const **at, GError **error)
{
    const char *word = *(*at)++;
    const char *name = name_in(word);
    const VpOptionRow *row = name ? vp_option_find(name) : NULL;
    VpOption *option = NULL;

    if (row && row->syntax != VP_SYNTAX_NONE && !**at) {
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED,
                    "the option %s is the last word of the command line, but it needs a value "
                    "behind it", word);
        return NULL;
    }
    option = g_new0(VpOption, 1);
    option->row = row;
    option->name = row ? g_strdup(name) : NULL;
    option->word = g_strdup(word);
    if (row && row->syntax != VP_SYNTAX_NONE)
        option->value = g_strdup(*(*at)++);
    return option;
}

VpCmdline *
vp_cmdline_parse(const char *const *words, GError **error)
{
    g_autoptr(VpCmdline) cmdline = g_new0(VpCmdline, 1);
    const char *const *at = words;

    cmdline->options = g_ptr_array_new_with_free_func((GDestroyNotify)vp_option_free);
    if (!*words) {
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED,
                    "the command line is empty; its first word has to be the program");
        return NULL;
    }
    if (!check_limits(words, error))
        return NULL;
    cmdline->program = g_strdup(*at++);
    while (*at) {
        VpOption *option = read_option(&at, error);

        if (!option)
            return NULL;
        g_ptr_array_add(cmdline->options, option);
    }
    return g_steal_pointer(&cmdline);
}

char **
vp_cmdline_words(const VpCmdline *cmdline)
{
    g_autoptr(GStrvBuilder) words = g_strv_builder_new();

    g_strv_builder_add(words, cmdline->program);
    for (guint i = 0; i < cmdline->options->len; i++) {
        const VpOption *option = cmdline->options->pdata[i];

        g_strv_builder_add(words, option->word);
        if (option->value)
            g_strv_builder_add(words, option->value);
    }
    return g_strv_builder_end(words);
}

void
vp_cmdline_free(VpCmdline *cmdline)
{
    if (!cmdline)
        return;
    g_free(cmdline->program);
    g_ptr_array_unref(cmdline->options);
    g_free(cmdline);
}

VpOption *
vp_option_new(const char *name, const char *value)
{
    VpOption *option = g_new0(VpOption, 1);

    option->row = vp_option_find(name);
    option->name = g_strdup(name);
    option->word = g_strconcat("-", name, NULL);
    option->value = g_strdup(value);
    return option;
}

void
vp_option_free(VpOption *option)
{
    if (!option)
        return;
    g_free(option->name);
    g_free(option->word);
    g_free(option->value);
    g_free(option);
}
