/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "commands.h"

/* One line of virtpass monitor. */
typedef enum VpLineKind {
    VP_LINE_EMPTY,   /* nothing, or a comment that begins with # */
    VP_LINE_QMP,     /* @text: the command as JSON */
    VP_LINE_HUMAN,   /* @text: for QEMU's human monitor */
    VP_LINE_HELP,    /* @text: the command, NULL: all */
    VP_LINE_EXIT,
} VpLineKind;

typedef struct VpLine {
    VpLineKind kind;
    char *text;
} VpLine;

void vp_line_clear(VpLine *line);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpLine, vp_line_clear)

/* The words of virtpass monitor's own, NULL-terminated. QMP has no commands of these names. */
extern const char *const vp_line_words[];

/*
 * What @text means:
 *
 *     {"execute": ...}                      QMP as it is
 *     command                               without arguments
 *     command {"key": value, ...}           arguments as JSON
 *     command key=value nested.key=value    by the types that @commands has for them; values that
 *                                           begin with { or [ are JSON, quotes keep spaces, and
 *                                           list=a,b or list.0=a list.1=b make lists
 *     !line, hmp line                       human monitor
 *     help [command], exit
 *
 * What has no type in the schema is a number, true, false or null if it looks so, else text.
 * false: *ret_message says what is wrong.
 */
bool vp_line_parse(const VpCommands *commands, const char *text, VpLine *ret_line,
                   char **ret_message);

/* The arguments (VpArgument) of "key=value ..."; NULL: *ret_message (may be NULL) says what is
 * wrong. */
GPtrArray *vp_line_arguments(const char *text, char **ret_message);
