/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lets the Python tests look at command lines through src/argv. Prints JSON.
 *
 *     print options                          the table of options
 *     print command                          the command line on standard input: its words, both
 *                                            text forms, what the options and their values are
 *     print set OPTION VALUE KEY TEXT TYPE   the value after vp_value_set(), or the error
 *     print get OPTION VALUE KEY             what vp_value_get() finds
 *     print compile                          the words that the plan on standard input compiles
 *                                            to without knowing any types
 *     print replace REGEX TEXT               each line of standard input after vp_regex_replace();
 *                                            null where nothing matches
 */

#include "argv/cmdline.h"
#include "argv/compile.h"
#include "argv/text.h"
#include "argv/value.h"
#include "json/write.h"
#include "plan/regex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As VpSyntax has them. */
static const char *const syntaxes[] = {
    "none", "plain", "opts", "keyval", "cpu", "global", "json",
};

static void
print_row(VpJsonWriter *out, const VpOptionRow *row)
{
    vp_json_begin_object(out, NULL);
    vp_json_add_string(out, "name", row->name);
    vp_json_add_string(out, "syntax", syntaxes[row->syntax]);
    vp_json_add_string(out, "implied", row->implied);
    vp_json_add_bool(out, "json", row->json);
    vp_json_add_string(out, "group", row->group);
    vp_json_add_string(out, "id-key", row->id_key);
    vp_json_end(out);
}

static void
print_options(VpJsonWriter *out)
{
    gsize n = 0;
    const VpOptionRow *rows = vp_option_rows(&n);

    vp_json_begin_array(out, NULL);
    for (gsize i = 0; i < n; i++)
        print_row(out, &rows[i]);
    vp_json_end(out);
}

static void
print_strings(VpJsonWriter *out, const char *key, char **strings)
{
    vp_json_begin_array(out, key);
    for (; *strings; strings++)
        vp_json_add_string(out, NULL, *strings);
    vp_json_end(out);
}

static void
print_option(VpJsonWriter *out, const VpOption *option)
{
    g_autofree char *canonical = vp_value_canonical(option->row, option->value);
    g_autofree char *driver = vp_value_driver(option->row, option->value);
    g_autoptr(GError) error = NULL;

    vp_value_check(option->row, option->value, &error);
    vp_json_begin_object(out, NULL);
    vp_json_add_string(out, "name", option->name);
    vp_json_add_string(out, "word", option->word);
    vp_json_add_string(out, "value", option->value);
    vp_json_add_string(out, "syntax", syntaxes[vp_value_syntax(option->row, option->value)]);
    vp_json_add_string(out, "canonical", canonical);
    vp_json_add_string(out, "driver", driver);
    vp_json_add_string(out, "error", error ? error->message : NULL);
    vp_json_end(out);
}

static char *
read_input(void)
{
    g_autoptr(GString) input = g_string_new(NULL);
    char bytes[4096];
    gssize n = 0;

    while ((n = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0)
        g_string_append_len(input, bytes, n);
    return g_string_free(g_steal_pointer(&input), FALSE);
}

static bool
print_command(VpJsonWriter *out, GError **error)
{
    g_autofree char *input = read_input(), *line = NULL, *broken = NULL;
    g_auto(VpCommandText) text = { 0 };
    g_autoptr(VpCmdline) cmdline = NULL;

    if (!vp_command_text_read(input, &text, error))
        return false;
    cmdline = vp_cmdline_parse((const char *const *)text.words, error);
    if (!cmdline)
        return false;
    g_strfreev(text.words);
    text.words = vp_cmdline_words(cmdline);
    line = vp_command_text_write(&text, false);
    broken = vp_command_text_write(&text, true);
    vp_json_begin_object(out, NULL);
    print_strings(out, "environment", text.environment);
    print_strings(out, "words", text.words);
    vp_json_add_string(out, "line", line);
    vp_json_add_string(out, "broken", broken);
    vp_json_begin_array(out, "options");
    for (guint i = 0; i < cmdline->options->len; i++)
        print_option(out, cmdline->options->pdata[i]);
    vp_json_end(out);
    vp_json_end(out);
    return true;
}

static VpValueType
find_type(const char *name)
{
    VpValueType type = VP_TYPE_UNKNOWN;

    while (type < VP_TYPE_OTHER && strcmp(vp_value_type_names[type], name) != 0)
        type++;
    return type;
}

static bool
print_set(VpJsonWriter *out, char **args, GError **error)
{
    g_autofree char *value = vp_value_set(vp_option_find(args[0]), args[1], args[2], args[3],
                                          find_type(args[4]), error);

    if (!value)
        return false;
    vp_json_add_string(out, NULL, value);
    return true;
}

static void
print_get(VpJsonWriter *out, char **args)
{
    g_autofree char *text = vp_value_get(vp_option_find(args[0]), args[1], args[2]);

    vp_json_add_string(out, NULL, text);
}

static bool
print_compiled(VpJsonWriter *out, GError **error)
{
    g_autofree char *input = read_input();
    g_autoptr(VpPlan) wishes = vp_plan_from_json(input, error);
    g_auto(VpCompiled) compiled = { 0 };

    if (!wishes || !vp_compile(wishes, NULL, NULL, &compiled, error))
        return false;
    print_strings(out, NULL, compiled.words);
    return true;
}

static bool
print_replaced(VpJsonWriter *out, const char *pattern, const char *text, GError **error)
{
    g_autofree char *input = read_input();
    g_auto(GStrv) lines = g_strsplit(input, "\n", -1);
    VpBudget budget = vp_budget_new();
    g_autoptr(VpRegex) regex = vp_regex_new(pattern, &budget, error);
    GError *reason = NULL;

    if (!regex)
        return false;
    vp_json_begin_array(out, NULL);
    for (char **line = lines; *line && !reason; line++) {
        g_autofree char *replaced = vp_regex_replace(regex, *line, text, &budget, &reason);

        vp_json_add_string(out, NULL, replaced);
    }
    vp_json_end(out);
    if (reason)
        g_propagate_error(error, reason);
    return !reason;
}

static bool
run(int argc, char **argv, VpJsonWriter *out, GError **error)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (argc == 2 && g_str_equal(what, "command"))
        return print_command(out, error);
    if (argc == 2 && g_str_equal(what, "compile"))
        return print_compiled(out, error);
    if (argc == 7 && g_str_equal(what, "set"))
        return print_set(out, argv + 2, error);
    if (argc == 4 && g_str_equal(what, "replace"))
        return print_replaced(out, argv[2], argv[3], error);
    if (argc == 5 && g_str_equal(what, "get"))
        print_get(out, argv + 2);
    else if (argc == 2 && g_str_equal(what, "options"))
        print_options(out);
    else
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "wrong usage");
    return !*error;
}

int
main(int argc, char **argv)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    if (!run(argc, argv, &writer, &error)) {
        fprintf(stderr, "%s\n", error->message);
        return EXIT_FAILURE;
    }
    text = vp_json_writer_steal(&writer);
    puts(text);
    return EXIT_SUCCESS;
}
