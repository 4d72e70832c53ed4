/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json/tree.h"

#include <glib.h>

/* The commands that one QEMU has, as its answer to query-qmp-schema describes them. All functions
 * take NULL for commands that are not known, and then know of nothing. */
typedef struct VpCommands VpCommands;

/* @schema: the answer's value, in @tree, which is taken over. */
VpCommands *vp_commands_new(VpJsonTree *tree, const VpJsonNode *schema);
void vp_commands_free(VpCommands *commands);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpCommands, vp_commands_free)

/* What the schema says of a command or a type; NULL: there is none of that name. */
const VpJsonNode *vp_commands_find(const VpCommands *commands, const char *command);
const VpJsonNode *vp_commands_type(const VpCommands *commands, const char *type);

/* Names of all commands in alphabetical order, NULL-terminated; borrowed. */
const char *const *vp_commands_names(const VpCommands *commands);

/* One argument as it is written, "file.driver" and "qcow2". */
typedef struct VpArgument {
    char *key;
    char *value;
    bool json;      /* the value is JSON */
    bool quoted;    /* it was written with quotes, so it is text */
} VpArgument;

/* The type of the dotted @path below the type @root; NULL: none is known. @arguments (of
 * VpArgument) say which variants apply. */
const VpJsonNode *vp_commands_resolve(const VpCommands *commands, const VpJsonNode *root,
                                      const char *path, const GPtrArray *arguments);

/* The members (VpJsonNode: "name", "type", "default") of the object type @type at @path ("" or with
 * a dot at its end), of its variants those that @arguments select, or all. Of an alternate those of
 * the objects in it. */
GPtrArray *vp_commands_members(const VpCommands *commands, const VpJsonNode *type, const char *path,
                               const GPtrArray *arguments);
