/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Regular expressions of authors, each limit on both of its sides, and "a=b,c=d". */

#include "argv/regex.h"

#include "argv/pairs.h"
#include "base/error.h"
#include "base/limits.h"

#include <string.h>

static VpRegex *
compile(const char *pattern)
{
    g_autoptr(GError) error = NULL;
    VpRegex *regex = vp_regex_new(pattern, &error);

    g_assert_no_error(error);
    return regex;
}

static VpMatch
match(const char *pattern, const char *subject, GError **error)
{
    g_autoptr(VpRegex) regex = compile(pattern);
    guint runs = 0;

    return vp_regex_match(regex, subject, &runs, error);
}

static void
test_match(void)
{
    g_assert_cmpint(match("^net\\d$", "net0", NULL), ==, VP_MATCH_YES);
    g_assert_cmpint(match("et", "net0", NULL), ==, VP_MATCH_YES);
    g_assert_cmpint(match("^et", "net0", NULL), ==, VP_MATCH_NO);
    g_assert_cmpint(match("(a)\\1", "xaa", NULL), ==, VP_MATCH_YES);
    g_assert_cmpint(match("", "", NULL), ==, VP_MATCH_YES);
    g_assert_cmpint(match("", "\xff", NULL), ==, VP_MATCH_NO);
    g_assert_cmpint(match("^.$", "\xc3\xa4", NULL), ==, VP_MATCH_YES);
    g_assert_cmpint(match("(?x) a b # comment)", "ab", NULL), ==, VP_MATCH_YES);
}

/* Patterns that are compared without PCRE must mean the same as with it. */
static void
test_literals(void)
{
    static const char *const names[] = {
        "net0", "", "a-b_c:d/e", "net0\n", "xnet0", "net0x", "net0\r", "net0\xc2\x85",
        "net0\xe2\x80\xa8", "\x7f" "net0",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        for (gsize k = 0; k < 4 * G_N_ELEMENTS(names); k++) {
            gsize size = strcspn(names[k / 4], "\n\r\xc2\xe2");
            g_autofree char *name = g_strndup(names[k / 4], size);
            g_autofree char *pattern =
                g_strconcat(k & 1 ? "^" : "", name, k & 2 ? "$" : "", NULL);
            g_autofree char *slow = g_strconcat("(?:)", pattern, NULL);

            g_assert_cmpint(match(pattern, names[i], NULL), ==, match(slow, names[i], NULL));
        }
    }
}

static void
check_rules_out(const char *pattern, const char *written, bool expected)
{
    g_autoptr(VpRegex) regex = compile(pattern);

    g_assert_true(vp_regex_rules_out(regex, written) == expected);
}

static void
test_rules_out(void)
{
    check_rules_out("^net0$", "{\"id\":\"net1\"}", true);
    check_rules_out("net0", "{\"id\":\"net0\"}", false);
    check_rules_out("net0", "{\"id\":\"\\u006eet0\"}", false);
    check_rules_out("^on$", "{\"id\":true}", false);
    check_rules_out("net.", "", false);
    check_rules_out("", "", false);
    check_rules_out("libvirt-.-storage", "{\"node-name\":\"libvirt-pflash0-format\"}", true);
    check_rules_out("^virtio-net-pci,.*id=net1", "{\"driver\":\"virtio-net-pci\"}", false);
}

/* What is ruled out is not matched, whatever the pattern is made of. */
static void
test_rules_out_nothing_that_matches(void)
{
    static const char *const patterns[] = {
        "abcd*", "abcd?", "abcd+e", "abcde{0}", "abcd|efgh", "(abcd)?", "[abcd]", "[^abcd]efgh",
        "abc\\x64", "ab.*cdef", "^abcd.efgh$", "\\Qabcd\\E", "(?i)ABCD", "(?!abcd)", "abcde*?f",
        "abcd.?", "abcd**?", "a*bcde", "efgh,abcd", "abcd$", "^^abcd",
    };
    static const char *const subjects[] = {
        "abc", "abcd", "abcde", "abcdf", "efgh", "abcd\n", "abcd,efgh", "xabcdef", "", "abxcdef",
        "bcde", "efgh,abcd", "ABCD", "abcdde",
    };
    guint ruled_out = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(patterns); i++) {
        g_autoptr(VpRegex) regex = vp_regex_new(patterns[i], NULL);

        for (gsize k = 0; regex && k < G_N_ELEMENTS(subjects); k++) {
            guint runs = 0;

            if (!vp_regex_rules_out(regex, subjects[k]))
                continue;
            ruled_out++;
            g_assert_cmpint(vp_regex_match(regex, subjects[k], &runs, NULL), ==, VP_MATCH_NO);
        }
    }
    g_assert_cmpuint(ruled_out, >, 50);
}

static void
check_no_regex(const char *pattern, int code, const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(vp_regex_new(pattern, &error));
    g_assert_error(error, VP_ERROR, code);
    g_assert_nonnull(strstr(error->message, message));
}

static void
test_no_regex(void)
{
    check_no_regex("(ab", VP_ERROR_XML, "(ab");
    check_no_regex("a\xff", VP_ERROR_XML, "not in UTF-8");
    check_no_regex("(*LIMIT_MATCH=4000000000)a", VP_ERROR_XML, "settings of PCRE");
    check_no_regex("(*UTF)a", VP_ERROR_XML, "settings of PCRE");
}

static char *
repeat(char c, gsize n)
{
    char *text = g_malloc(n + 1);

    memset(text, c, n);
    text[n] = '\0';
    return text;
}

static void
test_length(void)
{
    g_autofree char *longest = repeat('a', VP_REGEX_MAX), *longer = repeat('a', VP_REGEX_MAX + 1);
    g_autoptr(VpRegex) regex = compile(longest);

    check_no_regex(longer, VP_ERROR_LIMIT, "longer than the 4096");
}

static void
test_subject(void)
{
    g_autofree char *longest = repeat('a', VP_REGEX_SUBJECT_MAX);
    g_autofree char *longer = repeat('a', VP_REGEX_SUBJECT_MAX + 1);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(match("a$", longest, NULL), ==, VP_MATCH_YES);
    g_assert_cmpint(match("a$", longer, &error), ==, VP_MATCH_FAILED);
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
}

/* The same expression on a text that is short enough, and on one that is not. */
static void
test_steps(void)
{
    g_autoptr(VpRegex) regex = compile("^(a|aa)+$");
    g_autoptr(GError) error = NULL;
    guint runs = 0;

    g_assert_cmpint(vp_regex_match(regex, "aaaaaaaaaab", &runs, NULL), ==, VP_MATCH_NO);
    g_assert_cmpint(vp_regex_match(regex, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", &runs,
                                   &error), ==, VP_MATCH_FAILED);
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_nonnull(strstr(error->message, "'^(a|aa)+$' needs more than 100000 steps"));
    g_assert_cmpint(vp_regex_match(regex, "aaa", &runs, NULL), ==, VP_MATCH_YES);
}

static void
test_runs(void)
{
    g_autoptr(VpRegex) regex = compile("a");
    g_autoptr(GError) error = NULL;
    guint runs = VP_REGEX_RUNS_MAX - 1;

    g_assert_cmpint(vp_regex_match(regex, "a", &runs, NULL), ==, VP_MATCH_YES);
    g_assert_cmpint(vp_regex_match(regex, "a", &runs, &error), ==, VP_MATCH_FAILED);
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
}

static char *
replace(const char *pattern, const char *subject, const char *replacement, guint *runs,
        GError **error)
{
    g_autoptr(VpRegex) regex = compile(pattern);

    g_assert_true(vp_regex_check_replacement(replacement, NULL));
    return vp_regex_replace(regex, subject, replacement, runs, error);
}

static void
test_replace(void)
{
    guint runs = 0;
    g_autofree char *all = replace("(.)=(?<x>.)", "a=b,c=d", "\\g<x>=\\1", &runs, NULL);
    g_autofree char *empty = replace("^", "abc", "x", &runs, NULL);
    g_autofree char *none = replace("x", "abc", "y", &runs, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpstr(all, ==, "b=a,d=c");
    g_assert_cmpstr(empty, ==, "xabc");
    g_assert_null(none);
    g_assert_false(vp_regex_check_replacement("\\g<", &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_XML);
}

/* Each match is a run. */
static void
test_replace_runs(void)
{
    guint runs = VP_REGEX_RUNS_MAX - 4;
    g_autofree char *enough = replace("a", "aaa", "b", &runs, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpstr(enough, ==, "bbb");
    runs = VP_REGEX_RUNS_MAX - 3;
    g_assert_null(replace("a", "aaa", "b", &runs, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
}

static void
test_replace_length(void)
{
    g_autofree char *subject = repeat('a', 32), *part = repeat('b', 4096), *result = NULL;
    g_autofree char *fits = g_strconcat(subject + 1, "c", NULL);
    g_autoptr(GError) error = NULL;
    guint runs = 0;

    result = replace("a", fits, part, &runs, NULL);
    g_assert_cmpuint(strlen(result), ==, VP_ARGV_WORD_MAX - 4095 + 1);
    g_assert_null(replace("a", subject, part, &runs, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
}

/* --- pairs -------------------------------------------------------------------- */

static void
check_pairs(const char *text, const char *expected)
{
    g_autoptr(GArray) pairs = vp_pairs_split(text);
    g_autoptr(GString) found = g_string_new(NULL);

    for (guint i = 0; i < pairs->len; i++) {
        const VpPair *pair = &g_array_index(pairs, VpPair, i);

        g_string_append_printf(found, "[%s|%s]", pair->key, pair->value ? pair->value : "-");
    }
    g_assert_cmpstr(found->str, ==, expected);
}

static void
test_pairs(void)
{
    check_pairs("", "");
    check_pairs("a", "[a|-]");
    check_pairs("a=b", "[a|b]");
    check_pairs("a=b,c=d=e,f=", "[a|b][c|d=e][f|]");
    check_pairs("a=b,,c,d=,,,e", "[a|b,c][d|,][e|-]");
    check_pairs("a,", "[a|-][|-]");
    check_pairs(",,", "[,|-]");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/regex/match", test_match);
    g_test_add_func("/regex/literals", test_literals);
    g_test_add_func("/regex/rules out", test_rules_out);
    g_test_add_func("/regex/rules out nothing that matches", test_rules_out_nothing_that_matches);
    g_test_add_func("/regex/no regex", test_no_regex);
    g_test_add_func("/regex/length of the expression", test_length);
    g_test_add_func("/regex/length of the subject", test_subject);
    g_test_add_func("/regex/steps", test_steps);
    g_test_add_func("/regex/runs", test_runs);
    g_test_add_func("/regex/replace", test_replace);
    g_test_add_func("/regex/runs of a replacement", test_replace_runs);
    g_test_add_func("/regex/length of a replacement", test_replace_length);
    g_test_add_func("/pairs", test_pairs);
    return g_test_run();
}
