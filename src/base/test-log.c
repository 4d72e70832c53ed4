/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What reaches stderr: levels, prefixes, and that a line stays one line. */

#include "base/log.h"

#include "base/fd.h"

#include <stdlib.h>
#include <string.h>

typedef void (*VpSpeak)(void);

/* What @speak writes to stderr; at most what a pipe holds. */
static char *
stderr_of(VpSpeak speak)
{
    char text[65536];
    int ends[2] = { -1, -1 };
    vp_autofd int kept = dup(STDERR_FILENO);
    gssize n = 0;

    g_assert_no_errno(pipe(ends));
    g_assert_no_errno(dup2(ends[1], STDERR_FILENO));
    close(ends[1]);
    speak();
    g_assert_no_errno(dup2(kept, STDERR_FILENO));
    n = read(ends[0], text, sizeof(text));
    close(ends[0]);
    g_assert_cmpint(n, >=, 0);
    return g_strndup(text, n);
}

static void
say_all(void)
{
    vp_log_error("an error");
    vp_log_warning("a warning");
    vp_log_info("a %s", "notice");
    vp_log_debug("a detail");
}

static guint
count_lines(const char *text)
{
    guint n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void
test_levels(void)
{
    for (VpLogLevel level = VP_LOG_ERROR; level <= VP_LOG_DEBUG; level++) {
        g_autofree char *text = NULL;

        vp_log_set_level(level);
        text = stderr_of(say_all);
        g_assert_cmpuint(count_lines(text), ==, level + 1);
        g_assert_nonnull(strstr(text, "error: an error\n"));
        g_assert_cmpint(strstr(text, "warning: a warning\n") != NULL, ==, level >= VP_LOG_WARNING);
        g_assert_cmpint(strstr(text, "info: a notice\n") != NULL, ==, level >= VP_LOG_INFO);
        g_assert_cmpint(strstr(text, "debug: a detail\n") != NULL, ==, level >= VP_LOG_DEBUG);
        g_assert_cmpint(vp_log_enabled(VP_LOG_DEBUG), ==, level == VP_LOG_DEBUG);
    }
}

static void
test_prefix_for_people(void)
{
    g_autofree char *text = NULL;

    vp_log_set_level(VP_LOG_INFO);
    text = stderr_of(say_all);
    g_assert_true(g_regex_match_simple("^[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{3} virtpassd\\["
                                       "[0-9]+\\] error: an error\n", text, 0, 0));
}

/* Priorities of syslog(3): 3 error, 4 warning, 6 info, 7 debug. */
static void
test_prefix_for_the_journal(void)
{
    g_autofree char *text = NULL;

    vp_log_set_level(VP_LOG_DEBUG);
    setenv("JOURNAL_STREAM", "8:12345", 1);
    text = stderr_of(say_all);
    unsetenv("JOURNAL_STREAM");
    g_assert_cmpstr(text, ==, "<3>an error\n<4>a warning\n<6>a notice\n<7>a detail\n");
}

static void
say_controls(void)
{
    vp_log_error("one\ntwo\r\x1b[31mthree\tfour\x7f");
}

/* Who can have his own words logged cannot forge a line with them, nor paint the terminal. */
static void
test_controls(void)
{
    g_autofree char *text = NULL;

    vp_log_set_level(VP_LOG_ERROR);
    text = stderr_of(say_controls);
    g_assert_cmpuint(count_lines(text), ==, 1);
    g_assert_nonnull(strstr(text, "error: one two  [31mthree four \n"));
}

static char *long_word;

static void
say_long(void)
{
    vp_log_error("%s", long_word);
}

static void
test_long_line(void)
{
    g_autofree char *word = g_strnfill(20000, 'w');
    g_autofree char *text = NULL;

    long_word = word;
    text = stderr_of(say_long);
    g_assert_cmpuint(count_lines(text), ==, 1);
    g_assert_nonnull(strstr(text, word));
}

static guint evaluated;

static const char *
evaluate(void)
{
    evaluated++;
    return "";
}

static void
say_debug(void)
{
    vp_log_debug("%s", evaluate());
}

static void
test_debug_is_lazy(void)
{
    g_autofree char *quiet = NULL, *loud = NULL;

    vp_log_set_level(VP_LOG_INFO);
    quiet = stderr_of(say_debug);
    g_assert_cmpstr(quiet, ==, "");
    g_assert_cmpuint(evaluated, ==, 0);
    vp_log_set_level(VP_LOG_DEBUG);
    loud = stderr_of(say_debug);
    g_assert_cmpuint(count_lines(loud), ==, 1);
    g_assert_cmpuint(evaluated, ==, 1);
}

static void
test_names(void)
{
    g_assert_cmpstr(vp_log_level_names[VP_LOG_ERROR], ==, "error");
    g_assert_cmpstr(vp_log_level_names[VP_LOG_WARNING], ==, "warning");
    g_assert_cmpstr(vp_log_level_names[VP_LOG_INFO], ==, "info");
    g_assert_cmpstr(vp_log_level_names[VP_LOG_DEBUG], ==, "debug");
    g_assert_null(vp_log_level_names[VP_LOG_DEBUG + 1]);
}

int
main(int argc, char **argv)
{
    unsetenv("JOURNAL_STREAM");
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/log/levels", test_levels);
    g_test_add_func("/base/log/prefix-for-people", test_prefix_for_people);
    g_test_add_func("/base/log/prefix-for-the-journal", test_prefix_for_the_journal);
    g_test_add_func("/base/log/controls", test_controls);
    g_test_add_func("/base/log/long-line", test_long_line);
    g_test_add_func("/base/log/debug-is-lazy", test_debug_is_lazy);
    g_test_add_func("/base/log/names", test_names);
    return g_test_run();
}
