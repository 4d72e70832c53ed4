/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "commands.h"

/* What may stand in the place of the last word of @line, whole words (char *) in alphabetical order
 * and without doubles: commands and keys, each with the " ", "=" or "." that follows it, and
 * values. *ret_start: where in @line they begin. */
GPtrArray *vp_complete(const VpCommands *commands, const char *line, gsize *ret_start);
