/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A line that a person has typed, as a QMP command.
 *
 * Words are cut first, then written as JSON level by level: those that share the next component of
 * their keys belong into one object, or one list where the schema has a list. The schema only says
 * how a value is written; whether it is allowed is QEMU's to say, in its own words.
 */

#include "line.h"

#include "base/limits.h"
#include "json/scan.h"
#include "json/write.h"

#include <errno.h>
#include <string.h>

const char *const vp_line_words[] = { "exit", "help", "hmp", NULL };

void
vp_line_clear(VpLine *line)
{
    g_clear_pointer(&line->text, g_free);
}

/* --- words ----------------------------------------------------------------- */

static void
argument_free(gpointer data)
{
    VpArgument *argument = data;

    g_free(argument->key);
    g_free(argument->value);
    g_free(argument);
}

static const char *
skip_space(const char *at)
{
    while (g_ascii_isspace(*at))
        at++;
    return at;
}

/* A value up to the next space outside of quotes; NULL: a quote is not closed. */
static const char *
cut_value(const char *at, VpArgument *argument)
{
    g_autoptr(GString) out = g_string_new(NULL);
    char quote = '\0';

    for (; *at && (quote || !g_ascii_isspace(*at)); at++) {
        if (*at == quote) {
            quote = '\0';
        } else if (!quote && (*at == '"' || *at == '\'')) {
            quote = *at;
            argument->quoted = true;
        } else {
            if (*at == '\\' && quote != '\'' && at[1])
                at++;
            g_string_append_c(out, *at);
        }
    }
    argument->value = g_string_free(g_steal_pointer(&out), FALSE);
    return quote ? NULL : at;
}

/* The argument at @at; behind it, or NULL. */
static const char *
cut_argument(const char *at, VpArgument *argument, char **ret_message)
{
    gsize length = strcspn(at, "= \t\r\n");
    const char *value = at + length + 1, *end = NULL;

    argument->key = g_strndup(at, length);
    if (length == 0 || at[length] != '=') {
        *ret_message = g_strdup_printf("'%s': expected key=value", argument->key);
        return NULL;
    }
    argument->json = *value == '{' || *value == '[';
    if (!argument->json) {
        end = cut_value(value, argument);
        if (!end)
            *ret_message = g_strdup_printf("'%s': a quote is not closed", argument->key);
        return end;
    }
    end = vp_json_skip_value(value, value + strlen(value), VP_JSON_DEPTH_MAX);
    if (!end || (*end && !g_ascii_isspace(*end))) {
        *ret_message = g_strdup_printf("'%s': what begins with '%c' has to be JSON", argument->key,
                                       *value);
        return NULL;
    }
    argument->value = g_strndup(value, end - value);
    return end;
}

GPtrArray *
vp_line_arguments(const char *text, char **ret_message)
{
    g_autoptr(GPtrArray) out = g_ptr_array_new_with_free_func(argument_free);
    g_autofree char *message = NULL;
    const char *at = skip_space(text);

    while (at && *at) {
        VpArgument *argument = g_new0(VpArgument, 1);

        g_ptr_array_add(out, argument);
        at = cut_argument(at, argument, &message);
        at = at ? skip_space(at) : NULL;
    }
    if (at)
        return g_steal_pointer(&out);
    if (ret_message)
        *ret_message = g_steal_pointer(&message);
    return NULL;
}

/* --- values ---------------------------------------------------------------- */

/* What is needed while a command is written. */
typedef struct Draft {
    const VpCommands *commands;
    const VpJsonNode *root;        /* type of the arguments; NULL: not known */
    const GPtrArray *arguments;
    VpJsonWriter writer;
    char *message;                 /* what is wrong; NULL: nothing yet */
} Draft;

static bool
is_plain_json(const char *text)
{
    g_autoptr(VpJsonTree) tree = vp_json_tree_parse(text, -1, NULL);
    VpJsonKind kind = vp_json_kind(vp_json_root(tree));

    return tree && kind != VP_JSON_NODE_STRING && kind != VP_JSON_NODE_ARRAY &&
           kind != VP_JSON_NODE_OBJECT;
}

static void
add_guess(Draft *draft, const char *key, const VpArgument *argument)
{
    if (!argument->quoted && is_plain_json(argument->value))
        vp_json_add_raw(&draft->writer, key, argument->value, strlen(argument->value));
    else
        vp_json_add_string(&draft->writer, key, argument->value);
}

static void
complain(Draft *draft, const VpArgument *argument, const char *expected)
{
    if (!draft->message)
        draft->message = g_strdup_printf("'%s': '%s' is no %s", argument->key, argument->value,
                                         expected);
}

static void
add_bool(Draft *draft, const char *key, const VpArgument *argument)
{
    static const char *const words[] = { "off", "false", "no", "on", "true", "yes" };

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        if (strcmp(argument->value, words[i]) == 0) {
            vp_json_add_bool(&draft->writer, key, i >= G_N_ELEMENTS(words) / 2);
            return;
        }
    }
    complain(draft, argument, "boolean: expected true or false");
}

/* 12, -1, 0x10, and 512M in powers of 1024. */
static void
add_int(Draft *draft, const char *key, const VpArgument *argument)
{
    static const char suffixes[] = "kMGTPE";
    const char *text = argument->value, *suffix = NULL;
    bool negative = *text == '-';
    bool hex = g_str_has_prefix(text + negative, "0x");
    char *end = NULL;
    guint64 magnitude = 0;
    guint shift = 0;

    errno = 0;
    magnitude = g_ascii_strtoull(text + negative, &end, hex ? 16 : 10);
    suffix = *end && !end[1] ? strchr(suffixes, *end == 'K' ? 'k' : *end) : NULL;
    shift = suffix ? (suffix - suffixes + 1) * 10 : 0;
    if (!g_ascii_isdigit(text[negative]) || (*end && !suffix) || errno != 0 ||
        magnitude > (negative ? (guint64)G_MAXINT64 : G_MAXUINT64) >> shift)
        complain(draft, argument, "integer");
    else if (negative)
        vp_json_add_int(&draft->writer, key, -(gint64)(magnitude << shift));
    else
        vp_json_add_uint(&draft->writer, key, magnitude << shift);
}

static void
add_number(Draft *draft, const char *key, const VpArgument *argument)
{
    g_autoptr(VpJsonTree) tree = vp_json_tree_parse(argument->value, -1, NULL);

    if (vp_json_is(vp_json_root(tree), VP_JSON_NODE_NUMBER))
        vp_json_add_raw(&draft->writer, key, argument->value, strlen(argument->value));
    else
        complain(draft, argument, "number");
}

static void add_value(Draft *draft, const char *key, const VpJsonNode *type,
                      const VpArgument *argument);

static void
add_list(Draft *draft, const char *key, const VpJsonNode *type, const VpArgument *argument)
{
    const VpJsonNode *element = vp_commands_type(draft->commands,
                                                 vp_json_get_string(type, "element-type"));
    g_auto(GStrv) values = g_strsplit(argument->value, ",", -1);

    vp_json_begin_array(&draft->writer, key);
    for (guint i = 0; values[i]; i++)
        add_value(draft, NULL, element, &(VpArgument){ .key = argument->key, .value = values[i] });
    vp_json_end(&draft->writer);
}

/* Whether an unquoted value can only be meant as this type. */
static bool
looks_like(const char *value, const VpJsonNode *type)
{
    const char *json = vp_json_get_string(type, "json-type");
    g_autoptr(VpJsonTree) tree = vp_json_tree_parse(value, -1, NULL);
    const VpJsonNode *root = vp_json_root(tree);

    if (g_strcmp0(json, "int") == 0 || g_strcmp0(json, "number") == 0)
        return vp_json_is(root, VP_JSON_NODE_NUMBER);
    return g_strcmp0(json, "boolean") == 0 && vp_json_is(root, VP_JSON_NODE_BOOL);
}

/* Of what an alternate may be, what the value looks like; else text. */
static void
add_alternate(Draft *draft, const char *key, const VpJsonNode *type, const VpArgument *argument)
{
    const VpJsonNode *members = vp_json_get(type, "members");

    for (guint i = 0; i < vp_json_length(members) && !argument->quoted; i++) {
        const VpJsonNode *member = vp_commands_type(
            draft->commands, vp_json_get_string(vp_json_at(members, i), "type"));

        if (looks_like(argument->value, member)) {
            add_value(draft, key, member, argument);
            return;
        }
    }
    vp_json_add_string(&draft->writer, key, argument->value);
}

static void
add_value(Draft *draft, const char *key, const VpJsonNode *type, const VpArgument *argument)
{
    static const struct {
        const char *name; /* of a meta-type, or of a builtin's JSON type */
        void (*add)(Draft *draft, const char *key, const VpArgument *argument);
    } plain[] = {
        { "boolean", add_bool }, { "int", add_int }, { "number", add_number },
        { "value", add_guess },
    };
    const char *meta = vp_json_get_string(type, "meta-type");
    const char *json = vp_json_get_string(type, "json-type");

    if (argument->json || (json && strcmp(json, "null") == 0)) {
        vp_json_add_raw(&draft->writer, key, argument->value, strlen(argument->value));
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(plain); i++) {
        if (g_strcmp0(json, plain[i].name) == 0) {
            plain[i].add(draft, key, argument);
            return;
        }
    }
    if (!type)
        add_guess(draft, key, argument);
    else if (strcmp(meta, "array") == 0)
        add_list(draft, key, type, argument);
    else if (strcmp(meta, "alternate") == 0)
        add_alternate(draft, key, type, argument);
    else if (strcmp(meta, "object") == 0)
        complain(draft, argument, "object: write its members as key.member=value, or as JSON");
    else
        vp_json_add_string(&draft->writer, key, argument->value);
}

/* --- objects --------------------------------------------------------------- */

/* Whether an argument before @at has the same @size bytes of key, up to its end or a dot. */
static bool
is_written(const Draft *draft, guint at, const char *key, gsize size)
{
    for (guint i = 0; i < at; i++) {
        const VpArgument *other = g_ptr_array_index(draft->arguments, i);

        if (strncmp(other->key, key, size) == 0 && (!other->key[size] || other->key[size] == '.'))
            return true;
    }
    return false;
}

/* The members of the object or list whose keys begin with @prefix. */
static void
add_members(Draft *draft, const char *prefix, bool list)
{
    gsize before = strlen(prefix);

    for (guint i = 0; i < draft->arguments->len && !draft->message; i++) {
        const VpArgument *argument = g_ptr_array_index(draft->arguments, i);
        gsize size = before + strcspn(argument->key + MIN(before, strlen(argument->key)), ".");
        g_autofree char *path = g_strndup(argument->key, size);
        g_autofree char *inner = g_strconcat(path, ".", NULL);
        const char *name = list ? NULL : path + before;
        const VpJsonNode *type = NULL;

        if (!g_str_has_prefix(argument->key, prefix) || is_written(draft, i, path, size))
            continue;
        type = draft->root ? vp_commands_resolve(draft->commands, draft->root, path,
                                                 draft->arguments) : NULL;
        if (!argument->key[size]) {
            add_value(draft, name, type, argument);
        } else if (g_strcmp0(vp_json_get_string(type, "meta-type"), "array") == 0) {
            vp_json_begin_array(&draft->writer, name);
            add_members(draft, inner, true);
            vp_json_end(&draft->writer);
        } else {
            vp_json_begin_object(&draft->writer, name);
            add_members(draft, inner, false);
            vp_json_end(&draft->writer);
        }
    }
}

/* Two arguments that cannot both be: the same key, or a value with members. */
static void
check_keys(Draft *draft)
{
    for (guint i = 0; i < draft->arguments->len && !draft->message; i++) {
        const VpArgument *argument = g_ptr_array_index(draft->arguments, i);
        gsize size = strlen(argument->key);

        for (guint k = 0; k < draft->arguments->len; k++) {
            const VpArgument *other = g_ptr_array_index(draft->arguments, k);

            if (k != i && strncmp(other->key, argument->key, size) == 0 &&
                (!other->key[size] || other->key[size] == '.')) {
                draft->message = g_strdup_printf("'%s' is given twice", argument->key);
                return;
            }
        }
    }
}

/* --- lines ----------------------------------------------------------------- */

/* "key=value ..." as a JSON object. NULL: *ret_message. */
static char *
write_arguments(const VpCommands *commands, const char *command, const char *text,
                char **ret_message)
{
    g_autoptr(GPtrArray) arguments = vp_line_arguments(text, ret_message);
    const VpJsonNode *entity = vp_commands_find(commands, command);
    Draft draft = { .commands = commands, .arguments = arguments };
    g_autofree char *out = NULL;

    if (!arguments)
        return NULL;
    draft.root = vp_commands_type(commands, vp_json_get_string(entity, "arg-type"));
    draft.writer = vp_json_writer();
    check_keys(&draft);
    vp_json_begin_object(&draft.writer, NULL);
    add_members(&draft, "", false);
    vp_json_end(&draft.writer);
    out = vp_json_writer_steal(&draft.writer);
    vp_json_writer_clear(&draft.writer);
    if (!draft.message)
        return g_steal_pointer(&out);
    *ret_message = draft.message;
    return NULL;
}

/* @text, if it is a JSON object. */
static char *
take_object(const char *text, char **ret_message)
{
    g_autofree char *message = NULL;
    g_autoptr(VpJsonTree) tree = vp_json_tree_parse(text, -1, &message);
    gsize size = 0;
    const char *value = vp_json_text(vp_json_root(tree), &size);

    if (vp_json_is(vp_json_root(tree), VP_JSON_NODE_OBJECT))
        return g_strndup(value, size);
    *ret_message = g_strdup_printf("no JSON object: %s", message ?: "it is something else");
    return NULL;
}

static bool
parse_command(const VpCommands *commands, const char *text, VpLine *line, char **ret_message)
{
    gsize length = strcspn(text, " \t\r\n");
    g_autofree char *name = g_strndup(text, length);
    const char *rest = skip_space(text + length);
    g_autofree char *arguments = NULL;
    g_auto(VpJsonWriter) writer = vp_json_writer();

    if (*rest)
        arguments = *rest == '{' ? take_object(rest, ret_message)
                                 : write_arguments(commands, name, rest, ret_message);
    if (*rest && !arguments)
        return false;
    vp_json_begin_object(&writer, NULL);
    vp_json_add_string(&writer, "execute", name);
    if (arguments)
        vp_json_add_raw(&writer, "arguments", arguments, strlen(arguments));
    vp_json_end(&writer);
    *line = (VpLine){ VP_LINE_QMP, vp_json_writer_steal(&writer) };
    return true;
}

/* What stands behind @word, if the line begins with it; else NULL. */
static const char *
behind(const char *text, const char *word)
{
    gsize length = strlen(word);

    if (strncmp(text, word, length) != 0 || (text[length] && !g_ascii_isspace(text[length])))
        return NULL;
    return skip_space(text + length);
}

bool
vp_line_parse(const VpCommands *commands, const char *text, VpLine *ret_line, char **ret_message)
{
    const char *start = skip_space(text), *rest = NULL;
    g_autofree char *clean = g_strchomp(g_strdup(start));

    *ret_line = (VpLine){ VP_LINE_EMPTY, NULL };
    if (*clean == '\0' || *clean == '#')
        return true;
    if (*clean == '{') {
        *ret_line = (VpLine){ VP_LINE_QMP, take_object(clean, ret_message) };
        return ret_line->text != NULL;
    }
    if (*clean == '!' || (rest = behind(clean, "hmp")))
        *ret_line = (VpLine){ VP_LINE_HUMAN, g_strdup(rest ?: skip_space(clean + 1)) };
    else if ((rest = behind(clean, "help")))
        *ret_line = (VpLine){ VP_LINE_HELP, *rest ? g_strdup(rest) : NULL };
    else if (strcmp(clean, "exit") == 0)
        *ret_line = (VpLine){ VP_LINE_EXIT, NULL };
    else
        return parse_command(commands, clean, ret_line, ret_message);
    return true;
}
