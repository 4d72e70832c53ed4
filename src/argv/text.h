/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * A command line as libvirt writes it for people: environment assignments, then words, shell
 * quoting, lines joined by backslash-newline. That is what its logs, its .args test files and
 * domxml-to-native print; reading and writing gives the same text when nothing was changed.
 */
typedef struct VpCommandText {
    char **environment; /* "NAME=VALUE", NULL-terminated */
    char **words;       /* words[0] is the program; NULL-terminated */
    bool alone;         /* in the broken form a word without a dash begins a line if the one before
                         * it has none either; newer libvirts do that, older ones do not */
} VpCommandText;

void vp_command_text_clear(VpCommandText *text);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpCommandText, vp_command_text_clear)

/*
 * Reads one command, as a shell would, blank lines around it allowed. NULL-terminated @text in any
 * encoding. false and @error (VP_ERROR_FAILED, names the line): a quote or the command has no end,
 * something follows it, there is no program, or an unquoted character asks the shell for more than
 * words ("$", "|", ";" ...).
 */
bool vp_command_text_read(const char *text, VpCommandText *ret_text, GError **error);

/* @broken: one option a line, joined by " \\\n", as logs and .args files have it. No newline at the
 * end. g_free(). */
char *vp_command_text_write(const VpCommandText *text, bool broken);
