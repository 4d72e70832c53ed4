/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "argv/options.h"

#include <glib.h>
#include <stdbool.h>

/*
 * QEMU's command line as data: options with their values, in order. Parsing and writing back gives
 * the same words, byte for byte, unless something was changed in between.
 */

typedef struct VpOption {
    const VpOptionRow *row; /* what QEMU's table knows of it; NULL: a word that is no option QEMU
                             * knows, kept as it is (then `name` is NULL too) */
    char *name;             /* without dashes: "device" of "-device" and "--device" */
    char *word;             /* the word itself, "-device" */
    char *value;            /* its argument, the next word; NULL: it has none */
} VpOption;

typedef struct VpCmdline {
    char *program;      /* argv[0] */
    GPtrArray *options; /* of VpOption */
} VpCmdline;

/* @words: NULL-terminated, words[0] is the program. NULL and @error: there is no program, an option
 * that needs a value is the last word (VP_ERROR_FAILED), or one of the limits VP_ARGV_WORDS_MAX,
 * VP_ARGV_WORD_MAX, VP_ARGV_BYTES_MAX is passed (VP_ERROR_LIMIT). */
VpCmdline *vp_cmdline_parse(const char *const *words, GError **error);

/* The words, NULL-terminated; g_strfreev(). */
char **vp_cmdline_words(const VpCmdline *cmdline);

void vp_cmdline_free(VpCmdline *cmdline);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpCmdline, vp_cmdline_free)

/* One option by itself. @value may be NULL. The row is looked up; there may be none, for an option
 * of a QEMU that is newer than the table. */
VpOption *vp_option_new(const char *name, const char *value);
void vp_option_free(VpOption *option);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpOption, vp_option_free)
