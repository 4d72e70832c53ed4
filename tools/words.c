/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Command lines, printed. A line is an option with its value: that is what people look for, and
 * what a difference should show. The lines that differ are found by the longest common
 * subsequence, whose table has a cell for each pair of lines: a command line has hundreds.
 */

#include "words.h"

#include "argv/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Lines of what is the same that are shown around a difference. */
#define CONTEXT 1

void
vp_print_words(const char *const *environment, const char *const *words)
{
    static char *nothing[] = { NULL };
    const VpCommandText text = {
        .environment = environment ? (char **)environment : nothing,
        .words = (char **)words,
    };
    g_autofree char *lines = vp_command_text_write(&text, true);

    fputs(lines, stdout);
    if (!g_str_has_suffix(lines, "\n"))
        putchar('\n');
}

/* --- the difference ------------------------------------------------------- */

static char **
split_lines(const char *const *words)
{
    static char *nothing[] = { NULL };
    const VpCommandText text = { .environment = nothing, .words = (char **)words };
    g_autofree char *lines = vp_command_text_write(&text, true);

    return g_strsplit(g_strchomp(lines), " \\\n", -1);
}

/* The lengths of the longest common subsequences of what is left from line i of @a and line j of
 * @b: [i * (n_b + 1) + j]. */
static guint *
measure(char **a, guint n_a, char **b, guint n_b)
{
    guint width = n_b + 1;
    guint *lengths = g_new0(guint, (gsize)(n_a + 1) * width);

    for (guint i = n_a; i-- > 0;) {
        for (guint j = n_b; j-- > 0;)
            lengths[i * width + j] = g_str_equal(a[i], b[j])
                                         ? lengths[(i + 1) * width + j + 1] + 1
                                         : MAX(lengths[(i + 1) * width + j],
                                               lengths[i * width + j + 1]);
    }
    return lengths;
}

/* Lines with their sign: ' ', '-' or '+'. */
static GPtrArray *
compare(char **a, char **b)
{
    guint n_a = g_strv_length(a), n_b = g_strv_length(b);
    g_autofree guint *lengths = measure(a, n_a, b, n_b);
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    guint i = 0, j = 0;

    while (i < n_a || j < n_b) {
        if (i < n_a && j < n_b && g_str_equal(a[i], b[j])) {
            g_ptr_array_add(lines, g_strconcat(" ", a[i++], NULL));
            j++;
        } else if (i < n_a && (j == n_b || lengths[(i + 1) * (n_b + 1) + j] >=
                                               lengths[i * (n_b + 1) + j + 1])) {
            g_ptr_array_add(lines, g_strconcat("-", a[i++], NULL));
        } else {
            g_ptr_array_add(lines, g_strconcat("+", b[j++], NULL));
        }
    }
    return lines;
}

/* Whether the line is, or is near to, one that differs. */
static bool
is_shown(const GPtrArray *lines, guint at)
{
    guint from = at > CONTEXT ? at - CONTEXT : 0;

    for (guint i = from; i <= at + CONTEXT && i < lines->len; i++) {
        if (((const char *)g_ptr_array_index(lines, i))[0] != ' ')
            return true;
    }
    return false;
}

static void
print_line(const char *line, bool coloured)
{
    const char *colour = *line == '-' ? "\033[31m" : *line == '+' ? "\033[32m" : "";

    if (coloured && *colour)
        printf("%s%s\033[0m\n", colour, line);
    else
        puts(line);
}

bool
vp_print_diff(const char *const *from, const char *const *to)
{
    g_auto(GStrv) a = split_lines(from);
    g_auto(GStrv) b = split_lines(to);
    g_autoptr(GPtrArray) lines = compare(a, b);
    bool coloured = isatty(STDOUT_FILENO) && !g_getenv("NO_COLOR");
    bool skipped = false, different = false;

    for (guint i = 0; i < lines->len; i++) {
        if (!is_shown(lines, i)) {
            skipped = true;
            continue;
        }
        if (skipped && different)
            puts(" ...");
        print_line(g_ptr_array_index(lines, i), coloured);
        skipped = false;
        different = true;
    }
    if (!different)
        puts("The alterations change nothing.");
    return different;
}
