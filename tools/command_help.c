/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The schema as text. It has no descriptions, only names and types; types are numbers to QEMU, so
 * they are written by what they consist of. An object's members follow indented, to a depth at
 * which one still sees the whole.
 */

#include "command_help.h"

#include <string.h>

#define DEPTH_MAX 3
#define COLUMN_GAP 2

static const char usage[] =
    "COMMAND [KEY=VALUE ...]    keys below others with dots; values of { or [ are JSON\n"
    "COMMAND {\"KEY\": VALUE, ...}\n"
    "{\"execute\": ...}           QMP as it is\n"
    "!LINE, hmp LINE            human monitor, as in '!info status'\n"
    "help [COMMAND]             the commands, or the arguments of one\n"
    "exit                       leave; Ctrl-D does, too. 'quit' is QEMU's, and ends the guest\n";

static void
append_values(GString *out, const VpJsonNode *values)
{
    for (guint i = 0; i < vp_json_length(values); i++)
        g_string_append_printf(out, "%s%s", i > 0 ? "|" : "",
                               vp_json_string(vp_json_at(values, i)));
}

static void
append_type(GString *out, const VpCommands *commands, const VpJsonNode *type, guint depth)
{
    const char *meta = vp_json_get_string(type, "meta-type");
    const VpJsonNode *members = vp_json_get(type, "members");

    if (g_strcmp0(meta, "builtin") == 0) {
        g_string_append(out, vp_json_get_string(type, "name"));
    } else if (g_strcmp0(meta, "enum") == 0) {
        append_values(out, vp_json_get(type, "values"));
    } else if (g_strcmp0(meta, "array") == 0 && depth < DEPTH_MAX) {
        g_string_append_c(out, '[');
        append_type(out, commands,
                    vp_commands_type(commands, vp_json_get_string(type, "element-type")),
                    depth + 1);
        g_string_append_c(out, ']');
    } else if (g_strcmp0(meta, "alternate") == 0 && depth < DEPTH_MAX) {
        for (guint i = 0; i < vp_json_length(members); i++) {
            g_string_append(out, i > 0 ? " or " : "");
            append_type(out, commands,
                        vp_commands_type(commands,
                                         vp_json_get_string(vp_json_at(members, i), "type")),
                        depth + 1);
        }
    } else {
        g_string_append(out, "object");
    }
}

/* What is inside of a list, or the type itself. */
static const VpJsonNode *
innermost(const VpCommands *commands, const VpJsonNode *type)
{
    for (guint i = 0; i < DEPTH_MAX && vp_json_get(type, "element-type"); i++)
        type = vp_commands_type(commands, vp_json_get_string(type, "element-type"));
    return type;
}

static void append_object(GString *out, const VpCommands *commands, const VpJsonNode *type,
                          guint depth);

static void
append_members(GString *out, const VpCommands *commands, const VpJsonNode *members, guint depth)
{
    for (guint i = 0; i < vp_json_length(members); i++) {
        const VpJsonNode *member = vp_json_at(members, i);
        const VpJsonNode *type = vp_commands_type(commands, vp_json_get_string(member, "type"));

        g_string_append_printf(out, "%*s%s: ", (int)(2 * depth), "",
                               vp_json_get_string(member, "name"));
        append_type(out, commands, type, 0);
        g_string_append(out, vp_json_get(member, "default") ? " (optional)\n" : "\n");
        append_object(out, commands, innermost(commands, type), depth + 1);
    }
}

static void
append_object(GString *out, const VpCommands *commands, const VpJsonNode *type, guint depth)
{
    const VpJsonNode *variants = vp_json_get(type, "variants");

    if (depth > DEPTH_MAX || g_strcmp0(vp_json_get_string(type, "meta-type"), "object") != 0)
        return;
    append_members(out, commands, vp_json_get(type, "members"), depth);
    for (guint i = 0; i < vp_json_length(variants); i++) {
        const VpJsonNode *variant = vp_json_at(variants, i);
        const VpJsonNode *inner = vp_commands_type(commands, vp_json_get_string(variant, "type"));

        if (vp_json_length(vp_json_get(inner, "members")) == 0)
            continue;
        g_string_append_printf(out, "%*swith %s=%s:\n", (int)(2 * depth), "",
                               vp_json_get_string(type, "tag"),
                               vp_json_get_string(variant, "case"));
        append_object(out, commands, inner, depth + 1);
    }
}

char *
vp_command_help(const VpCommands *commands, const char *command)
{
    const VpJsonNode *entity = vp_commands_find(commands, command);
    const VpJsonNode *features = vp_json_get(entity, "features");
    const VpJsonNode *returned = vp_commands_type(commands,
                                                  vp_json_get_string(entity, "ret-type"));
    g_autoptr(GString) out = g_string_new(command);

    if (!entity)
        return NULL;
    for (guint i = 0; i < vp_json_length(features); i++)
        g_string_append_printf(out, " (%s)", vp_json_string(vp_json_at(features, i)));
    if (vp_json_get_bool(entity, "allow-oob"))
        g_string_append(out, " (out of band)");
    g_string_append_c(out, '\n');
    append_object(out, commands, vp_commands_type(commands, vp_json_get_string(entity, "arg-type")),
                  1);
    if (vp_json_length(vp_json_get(returned, "members")) == 0 &&
        g_strcmp0(vp_json_get_string(returned, "meta-type"), "object") == 0)
        return g_string_free(g_steal_pointer(&out), FALSE);
    g_string_append(out, "returns ");
    append_type(out, commands, returned, 0);
    g_string_append_c(out, '\n');
    append_object(out, commands, innermost(commands, returned), DEPTH_MAX);
    return g_string_free(g_steal_pointer(&out), FALSE);
}

void
vp_append_columns(GString *out, const GPtrArray *words, guint width)
{
    guint widest = 0, columns = 0, rows = 0;

    for (guint i = 0; i < words->len; i++)
        widest = MAX(widest, (guint)strlen(g_ptr_array_index(words, i)));
    columns = MAX(1, (width + COLUMN_GAP) / (widest + COLUMN_GAP));
    rows = (words->len + columns - 1) / columns;
    for (guint row = 0; row < rows; row++) {
        for (guint i = row; i < words->len; i += rows)
            g_string_append_printf(out, "%-*s",
                                   i + rows < words->len ? (int)(widest + COLUMN_GAP) : 0,
                                   (const char *)g_ptr_array_index(words, i));
        g_string_append_c(out, '\n');
    }
}

char *
vp_commands_help(const VpCommands *commands, guint width)
{
    const char *const *names = vp_commands_names(commands);
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    g_autoptr(GString) out = g_string_new(NULL);

    for (guint i = 0; names[i]; i++)
        g_ptr_array_add(words, (gpointer)names[i]);
    vp_append_columns(out, words, width);
    g_string_append_printf(out, "\n%s", usage);
    return g_string_free(g_steal_pointer(&out), FALSE);
}
