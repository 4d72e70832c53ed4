/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * libvirt's text form of a command line.
 *
 * Writing does what libvirt does, so that its own text comes out again byte for byte: a word is
 * put between single quotes if it is empty or has one of the characters below, and a single quote
 * in it becomes '\''. In the broken form a word begins a line unless it is the first word without
 * a dash behind one that has a dash. Assignments stand one a line.
 *
 * Reading understands more than libvirt writes, double quotes and backslashes as people use them,
 * but nothing that a shell would replace by something else: that has no meaning here, and taken as
 * plain text it would be another command line than the one that was meant.
 */

#include "argv/text.h"

#include "base/error.h"

#include <string.h>

/* Blanks and what libvirt takes for special to a shell. */
#define QUOTED "\r\t\n !\"#$&'()*;<>?[\\]^`{|}~"

/* What makes more than words of a text when it is not quoted. */
#define ACTIVE "$`|&;<>()"

/* What a backslash takes the meaning of between double quotes. */
#define ESCAPED "$`\"\\"

typedef struct Reader {
    const char *start;
    const char *at;
    GString *word;  /* the one that is read */
    bool joined;    /* a line ended in front of it */
    GError **error;
} Reader;

void
vp_command_text_clear(VpCommandText *text)
{
    g_clear_pointer(&text->environment, g_strfreev);
    g_clear_pointer(&text->words, g_strfreev);
}

static bool
refuse(const Reader *reader, const char *where, const char *what)
{
    guint line = 1;

    for (const char *at = reader->start; at < where; at++)
        line += *at == '\n';
    g_set_error(reader->error, VP_ERROR, VP_ERROR_FAILED, "line %u of the command line: %s", line,
                what);
    return false;
}

static bool
read_single_quoted(Reader *reader)
{
    const char *end = strchr(reader->at + 1, '\'');

    if (!end)
        return refuse(reader, reader->at, "the quote ' has no end");
    g_string_append_len(reader->word, reader->at + 1, end - reader->at - 1);
    reader->at = end + 1;
    return true;
}

static bool
read_double_quoted(Reader *reader)
{
    const char *quote = reader->at++;

    for (; *reader->at && *reader->at != '"'; reader->at++) {
        if (*reader->at == '$' || *reader->at == '`')
            return refuse(reader, reader->at, "between double quotes a shell replaces $ and `; "
                                              "single quotes keep them");
        if (reader->at[0] == '\\' && reader->at[1] == '\n') {
            reader->at++;
            continue;
        }
        if (reader->at[0] == '\\' && reader->at[1] && strchr(ESCAPED, reader->at[1]))
            reader->at++;
        g_string_append_c(reader->word, *reader->at);
    }
    if (!*reader->at)
        return refuse(reader, quote, "the quote \" has no end");
    reader->at++;
    return true;
}

static bool
read_backslash(Reader *reader)
{
    if (!reader->at[1])
        return refuse(reader, reader->at, "it ends in a backslash, so more should follow");
    if (reader->at[1] != '\n')
        g_string_append_c(reader->word, reader->at[1]);
    reader->at += 2;
    return true;
}

static bool
read_piece(Reader *reader)
{
    switch (*reader->at) {
    case '\'':
        return read_single_quoted(reader);
    case '"':
        return read_double_quoted(reader);
    case '\\':
        return read_backslash(reader);
    default:
        if (strchr(ACTIVE, *reader->at))
            return refuse(reader, reader->at, "one of the characters " ACTIVE " is not quoted");
        g_string_append_c(reader->word, *reader->at++);
        return true;
    }
}

/* Reads a word; there has to be one. */
static bool
read_word(Reader *reader)
{
    g_string_truncate(reader->word, 0);
    if (*reader->at == '#')
        return refuse(reader, reader->at, "a comment cannot be read; quote the # if it is none");
    while (*reader->at && !strchr(" \t\n", *reader->at)) {
        if (!read_piece(reader))
            return false;
    }
    return true;
}

/* Goes over blanks and joined lines; false at the end of the line or text. */
static bool
find_word(Reader *reader)
{
    reader->joined = false;
    for (;;) {
        bool join = reader->at[0] == '\\' && reader->at[1] == '\n';

        reader->joined |= join;
        if (join)
            reader->at += 2;
        else if (*reader->at == ' ' || *reader->at == '\t')
            reader->at++;
        else
            return *reader->at && *reader->at != '\n';
    }
}

static const char *
skip_blank_lines(const char *at)
{
    return at + strspn(at, " \t\n");
}

/* Whether an assignment stands at @at: a name and '=', neither of them quoted. */
static bool
is_assignment(const char *at)
{
    gsize size = strspn(at, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_");

    return size > 0 && !g_ascii_isdigit(*at) && at[size] == '=';
}

/* Whether both the word @i and the one before it are without a dash; the program is. */
static bool
is_second_plain(char *const *words, guint i)
{
    return i > 0 && words[i][0] != '-' && (i == 1 || words[i - 1][0] != '-');
}

/* Reads the words of a command into the two lists. */
static bool
read_command(Reader *reader, GPtrArray *environment, GPtrArray *words, bool *ret_alone)
{
    *ret_alone = false;
    reader->at = skip_blank_lines(reader->at);
    while (find_word(reader)) {
        bool assignment = words->len == 0 && is_assignment(reader->at);

        if (!read_word(reader))
            return false;
        g_ptr_array_add(assignment ? environment : words, g_strdup(reader->word->str));
        if (!assignment && reader->joined && is_second_plain((char **)words->pdata, words->len - 1))
            *ret_alone = true;
    }
    reader->at = skip_blank_lines(reader->at);
    if (*reader->at)
        return refuse(reader, reader->at, "something follows the command; a line that goes on has "
                                          "to end in a backslash");
    return words->len > 0 || refuse(reader, reader->at, "there is no program in it");
}

static char **
take_list(GPtrArray **list)
{
    g_ptr_array_add(*list, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(list), FALSE);
}

bool
vp_command_text_read(const char *text, VpCommandText *ret_text, GError **error)
{
    g_autoptr(GPtrArray) environment = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) word = g_string_new(NULL);
    Reader reader = { .start = text, .at = text, .word = word, .error = error };
    bool alone = false;

    if (!read_command(&reader, environment, words, &alone))
        return false;
    ret_text->environment = take_list(&environment);
    ret_text->words = take_list(&words);
    ret_text->alone = alone;
    return true;
}

static void
append_in_quotes(GString *out, const char *word)
{
    g_string_append_c(out, '\'');
    for (; *word; word++) {
        if (*word == '\'')
            g_string_append(out, "'\\'");
        g_string_append_c(out, *word);
    }
    g_string_append_c(out, '\'');
}

static void
append_quoted(GString *out, const char *word)
{
    if (*word && !strpbrk(word, QUOTED))
        g_string_append(out, word);
    else
        append_in_quotes(out, word);
}

/* A program whose name looks like an assignment would be read as one. */
static void
append_program(GString *out, const char *word)
{
    if (is_assignment(word))
        append_in_quotes(out, word);
    else
        append_quoted(out, word);
}

static void
append_assignment(GString *out, const char *assignment)
{
    gsize name = strcspn(assignment, "=");

    name += assignment[name] == '=';
    g_string_append_len(out, assignment, name);
    append_quoted(out, assignment + name);
}

char *
vp_command_text_write(const VpCommandText *text, bool broken)
{
    const char *newline = broken ? " \\\n" : " ";
    g_autoptr(GString) out = g_string_new(NULL);

    for (char **at = text->environment; *at; at++) {
        append_assignment(out, *at);
        g_string_append(out, newline);
    }
    for (guint i = 0; text->words[i]; i++) {
        bool begins = text->words[i][0] == '-' || (text->alone && is_second_plain(text->words, i));

        if (i > 0)
            g_string_append(out, begins ? newline : " ");
        if (i == 0)
            append_program(out, text->words[i]);
        else
            append_quoted(out, text->words[i]);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}
