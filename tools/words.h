/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Command lines for people and for programs. Words end with NULL; words[0] is the program. */

/* As libvirt's logs write it: environment, then an option with its value in each line. */
void vp_print_words(const char *const *environment, const char *const *words);

/* What @to has that @from has not, and the other way round, option by option, in the manner of
 * diff -u; coloured on a terminal. false: there is no difference, and a line says so. */
bool vp_print_diff(const char *const *from, const char *const *to);
