/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "added/call.h"

/* What handlers do with texts of the human monitor. */

/* The text in a reply to human-monitor-command; NULL: it is an error. Borrowed. */
const char *vp_human_text(const VpJsonNode *reply);

/* Ends the call: @line of the answer to @command is not what this program knows. */
void vp_human_fail(VpCall *call, const char *command, const char *line);

/* Ends the call with what @writer holds. */
void vp_human_return(VpCall *call, VpJsonWriter *writer);

/* A command whose answer is that of one line of the human monitor's, made data. */
typedef struct VpHumanQuery {
    const char *line;
    /* The value to return, JSON; g_free(). NULL: *ret_line is not understood; g_free(). */
    char *(*convert)(const char *text, char **ret_line);
} VpHumanQuery;

void vp_human_query(VpCall *call, const VpHumanQuery *query);
