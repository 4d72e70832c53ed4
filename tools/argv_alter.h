/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Carries out the alterations and configuration groups of the domain document @xml_file on the
 * command line in @args_file ("-": standard input), and prints it in the same form. The exit
 * status. */
int vp_argv_alter(const char *xml_file, const char *args_file, bool diff, bool json);
