/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Whether @line, which is not empty, is what it has to be. */
typedef bool (*VpLineFunc)(gpointer data, const char *line);

/* Gives the lines of a text of the human monitor to @func, without their ends; empty ones are left
 * out. false: @func was not content, *ret_line is that line; or the text is longer than
 * VP_ADDED_TEXT_MAX, and *ret_line says so. g_free(). */
bool vp_lines_read(const char *text, VpLineFunc func, gpointer data, char **ret_line);
