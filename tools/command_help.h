/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "commands.h"

/* For people, lines with their ends: a command's arguments and what it returns. NULL: there is no
 * such command. */
char *vp_command_help(const VpCommands *commands, const char *command);

/* All commands in columns of at most @width characters, and how to use the monitor. */
char *vp_commands_help(const VpCommands *commands, guint width);

/* @words (char *) in columns. */
void vp_append_columns(GString *out, const GPtrArray *words, guint width);
