/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How a line may go on, by the schema: commands, then keys, level by level, then the values that a
 * key can have if these are few. What is JSON or for the human monitor is left alone.
 */

#include "complete.h"

#include "line.h"

#include <string.h>

typedef struct Completion {
    const VpCommands *commands;
    const char *word;     /* what is there already */
    GHashTable *found;    /* char *, as a set */
} Completion;

static void
offer(Completion *completion, const char *before, const char *text, const char *after)
{
    g_autofree char *whole = g_strconcat(before, text, after, NULL);

    if (g_str_has_prefix(whole, completion->word))
        g_hash_table_add(completion->found, g_steal_pointer(&whole));
}

static void
offer_commands(Completion *completion, bool with_own)
{
    const char *const *names = vp_commands_names(completion->commands);

    for (guint i = 0; names[i]; i++)
        offer(completion, "", names[i], " ");
    for (guint i = 0; with_own && vp_line_words[i]; i++)
        offer(completion, "", vp_line_words[i], " ");
}

/* Whether a member of this type is written with members of its own. */
static bool
has_members(const VpCommands *commands, const VpJsonNode *type, bool *ret_only)
{
    g_autoptr(GPtrArray) members = vp_commands_members(commands, type, "", NULL);

    *ret_only = g_strcmp0(vp_json_get_string(type, "meta-type"), "object") == 0;
    return members->len > 0;
}

static bool
is_given(const GPtrArray *arguments, const char *key)
{
    for (guint i = 0; arguments && i < arguments->len; i++) {
        if (strcmp(((const VpArgument *)g_ptr_array_index(arguments, i))->key, key) == 0)
            return true;
    }
    return false;
}

static void
offer_keys(Completion *completion, const VpJsonNode *root, const GPtrArray *arguments)
{
    const char *dot = strrchr(completion->word, '.');
    g_autofree char *prefix = g_strndup(completion->word, dot ? dot + 1 - completion->word : 0);
    g_autofree char *path = g_strndup(prefix, dot ? strlen(prefix) - 1 : 0);
    const VpJsonNode *type = dot ? vp_commands_resolve(completion->commands, root, path, arguments)
                                 : root;
    g_autoptr(GPtrArray) members = vp_commands_members(completion->commands, type, prefix,
                                                       arguments);

    for (guint i = 0; i < members->len; i++) {
        const VpJsonNode *member = g_ptr_array_index(members, i);
        const char *name = vp_json_get_string(member, "name");
        g_autofree char *key = g_strconcat(prefix, name, NULL);
        bool only = false;

        if (is_given(arguments, key))
            continue;
        type = vp_commands_type(completion->commands, vp_json_get_string(member, "type"));
        if (has_members(completion->commands, type, &only))
            offer(completion, prefix, name, ".");
        if (!only)
            offer(completion, prefix, name, "=");
    }
}

static void
offer_values(Completion *completion, const char *before, const VpJsonNode *type, guint depth)
{
    const VpJsonNode *values = vp_json_get(type, "values");
    const VpJsonNode *members = vp_json_get(type, "members");
    const char *meta = vp_json_get_string(type, "meta-type");

    for (guint i = 0; i < vp_json_length(values); i++)
        offer(completion, before, vp_json_string(vp_json_at(values, i)), " ");
    if (g_strcmp0(vp_json_get_string(type, "json-type"), "boolean") == 0) {
        offer(completion, before, "true", " ");
        offer(completion, before, "false", " ");
    }
    for (guint i = 0; depth == 0 && g_strcmp0(meta, "alternate") == 0 &&
                      i < vp_json_length(members); i++)
        offer_values(completion, before,
                     vp_commands_type(completion->commands,
                                      vp_json_get_string(vp_json_at(members, i), "type")),
                     depth + 1);
}

/* @rest: what stands behind the command. */
static void
offer_arguments(Completion *completion, const char *command, const char *rest)
{
    const VpJsonNode *entity = vp_commands_find(completion->commands, command);
    const VpJsonNode *root = vp_commands_type(completion->commands,
                                              vp_json_get_string(entity, "arg-type"));
    g_autofree char *before = g_strndup(rest, completion->word - rest);
    g_autoptr(GPtrArray) arguments = vp_line_arguments(before, NULL);
    const char *equals = strchr(completion->word, '=');
    g_autofree char *key = equals ? g_strndup(completion->word, equals - completion->word) : NULL;
    g_autofree char *start = equals ? g_strndup(completion->word, equals + 1 - completion->word)
                                    : NULL;

    if (!root || !arguments || *rest == '{')
        return;
    if (equals)
        offer_values(completion, start,
                     vp_commands_resolve(completion->commands, root, key, arguments), 0);
    else
        offer_keys(completion, root, arguments);
}

static int
compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *
sorted(GHashTable *set)
{
    GPtrArray *out = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer text = NULL;

    g_hash_table_iter_init(&iter, set);
    while (g_hash_table_iter_next(&iter, &text, NULL))
        g_ptr_array_add(out, g_strdup(text));
    g_ptr_array_sort(out, compare_texts);
    return out;
}

GPtrArray *
vp_complete(const VpCommands *commands, const char *line, gsize *ret_start)
{
    g_autoptr(GHashTable) found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    gsize space = strspn(line, " \t");
    const char *first = line + space;
    gsize length = strcspn(first, " \t");
    g_autofree char *command = g_strndup(first, length);
    Completion completion = { .commands = commands, .word = line + strlen(line), .found = found };

    while (completion.word > first && completion.word[-1] != ' ' && completion.word[-1] != '\t')
        completion.word--;
    *ret_start = completion.word - line;
    if (completion.word == first)
        offer_commands(&completion, true);
    else if (strcmp(command, "help") == 0)
        offer_commands(&completion, false);
    else if (strcmp(command, "hmp") != 0 && *command != '!' && *command != '{')
        offer_arguments(&completion, command, first + length + strspn(first + length, " \t"));
    return sorted(found);
}
