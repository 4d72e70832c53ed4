/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Regular expressions of authors, each limit on both of its sides. */

#include "plan/regex.h"

#include "base/error.h"
#include "base/limits.h"

#include <string.h>
#include <time.h>

static VpRegex *
compile(const char *pattern)
{
    g_autoptr(GError) error = NULL;
    VpBudget budget = vp_budget_new();
    VpRegex *regex = vp_regex_new(pattern, &budget, &error);

    g_assert_no_error(error);
    return regex;
}

static VpMatch
match(const char *pattern, const char *subject, GError **error)
{
    g_autoptr(VpRegex) regex = compile(pattern);
    VpBudget budget = vp_budget_new();

    return vp_regex_match(regex, subject, &budget, error);
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
        VpBudget budget = vp_budget_new();
        g_autoptr(VpRegex) regex = vp_regex_new(patterns[i], &budget, NULL);

        for (gsize k = 0; regex && k < G_N_ELEMENTS(subjects); k++) {
            if (!vp_regex_rules_out(regex, subjects[k]))
                continue;
            ruled_out++;
            g_assert_cmpint(vp_regex_match(regex, subjects[k], &budget, NULL), ==, VP_MATCH_NO);
        }
    }
    g_assert_cmpuint(ruled_out, >, 50);
}

static void
check_no_regex(const char *pattern, int code, const char *message)
{
    g_autoptr(GError) error = NULL;
    VpBudget budget = vp_budget_new();

    g_assert_null(vp_regex_new(pattern, &budget, &error));
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

/* --- the budget --------------------------------------------------------------- */

static guint64
steps_of(const char *pattern, const char *subject)
{
    g_autoptr(VpRegex) regex = compile(pattern);
    VpBudget budget = vp_budget_new();

    vp_regex_match(regex, subject, &budget, NULL);
    return vp_budget_used(&budget);
}

/* Exactly enough, and one step less; then nothing is left for anything else. */
static void
test_budget(void)
{
    g_autoptr(VpRegex) regex = compile("^(a|aa)+$");
    const char *subject = "aaaaaaaaaaaaaaaaab";
    guint64 steps = steps_of("^(a|aa)+$", subject);
    VpBudget enough = { .left = steps }, less = { .left = steps - 1 };
    g_autoptr(GError) error = NULL, next = NULL;

    g_assert_cmpint(vp_regex_match(regex, subject, &enough, NULL), ==, VP_MATCH_NO);
    g_assert_cmpuint(enough.left, ==, 0);
    g_assert_cmpint(vp_regex_match(regex, subject, &less, &error), ==, VP_MATCH_FAILED);
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_nonnull(strstr(error->message, "'^(a|aa)+$' was ended after "));
    g_assert_cmpint(vp_regex_match(regex, "aaa", &less, &next), ==, VP_MATCH_FAILED);
    g_assert_error(next, VP_ERROR, VP_ERROR_LIMIT);
}

static void
test_budget_of_compiling(void)
{
    VpBudget whole = vp_budget_new(), enough = { 0 }, less = { 0 };
    g_autoptr(GError) error = NULL;

    vp_regex_free(vp_regex_new("a.b", &whole, NULL));
    enough.left = vp_budget_used(&whole);
    less.left = enough.left - 1;
    g_assert_cmpuint(enough.left, >, 0);
    vp_regex_free(vp_regex_new("a.b", &enough, &error));
    g_assert_no_error(error);
    g_assert_null(vp_regex_new("a.b", &less, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
}

/* Expressions that PCRE's own limit does not stop, each of seconds or hours. They end, and after
 * the budget only. CPU time is held against a bound that is far above. */
static void
test_endless(void)
{
    static const char *const patterns[] = {
        "(?=(?:a|aa){14}[bc])", "(?=(?:a|aa){40}[bc])", "^(a|aa)+$", "(a*)*[bc]",
        "[^b]*[^c]*[de]", "(\\w*)\\1[bc]", "(?:(a*)\\1)*[bc]", "(a+)+(a+)+[bc]",
        "((a|b)*(a|c)*)*[de]", "(?:a?){60}a{60}[bc]", "(?R)?a*[bc]|(?R)a", "a{4000}a{4000}[bc]",
    };
    g_autofree char *subject = repeat('a', VP_REGEX_SUBJECT_MAX - 10);

    for (gsize i = 0; i < G_N_ELEMENTS(patterns); i++) {
        clock_t begin = clock();
        guint64 steps = steps_of(patterns[i], subject);
        double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;

        g_test_message("%s: %" G_GUINT64_FORMAT " steps, %.0f ms", patterns[i], steps,
                       1000 * seconds);
        g_assert_cmpfloat(seconds, <, 60);
    }
}

/* The memory of a match is limited too. */
static void
test_memory(void)
{
    g_autofree char *subject = repeat('a', VP_REGEX_SUBJECT_MAX);
    g_autoptr(GString) pattern = g_string_new("^(?:a|b)");
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < 1000; i++)
        g_string_append(pattern, "()");
    g_string_append(pattern, "*?(?:a|b)*$");
    g_assert_cmpint(match("^(?:a|b)*$", subject, NULL), ==, VP_MATCH_YES);
    g_assert_cmpint(match(pattern->str, subject, &error), ==, VP_MATCH_FAILED);
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_nonnull(strstr(error->message, "memory"));
}

/* Ours finds what GLib's finds: it is GLib's dialect that is documented. */
static void
test_dialect(void)
{
    static const char *const patterns[] = {
        "^\\d$", "^\\w$", "^.$", "a$", "^b", "a\\Rb", "(?m)^b", "(?i)\xc3\x84", "\\bx", "^\\s$",
        "\\N", "\\X$", "[[:alpha:]]", "(?s)a.b", "a.b", "(?<n>a)\\k<n>", "(?|(a)|(b))\\1",
        "(?x) a # b",
        "\\p{Lu}", "\\A\\z", "(?(?=a)ab|b)", "a++b", "(?>a+)b", "\\Qa.b\\E", "(a)?\\1b", "\\h",
    };
    static const char *const subjects[] = {
        "", "a", "1", "\xd9\xa3", "\xc3\xa4", "a\n", "a\r\nb", "a\xc2\x85", "a\xe2\x80\xa8" "b",
        "a\rb", "\xc3\xa4x", "\xc2\xa0", "aa", "b", "ab", "aab", "a.b", "e\xcc\x81", "\x0b", "bb",
        "A",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(patterns); i++) {
        g_autoptr(GRegex) glib = g_regex_new(patterns[i], 0, 0, NULL);

        g_assert_nonnull(glib);
        for (gsize k = 0; k < G_N_ELEMENTS(subjects); k++) {
            bool expected = g_regex_match(glib, subjects[k], 0, NULL);
            VpMatch found = match(patterns[i], subjects[k], NULL);

            if (found != (expected ? VP_MATCH_YES : VP_MATCH_NO))
                g_error("'%s' on '%s'", patterns[i], subjects[k]);
        }
    }
}

static char *
replace(const char *pattern, const char *subject, const char *replacement, VpBudget *budget,
        GError **error)
{
    g_autoptr(VpRegex) regex = compile(pattern);

    g_assert_true(vp_regex_check_replacement(replacement, NULL));
    return vp_regex_replace(regex, subject, replacement, budget, error);
}

static void
test_replace(void)
{
    VpBudget budget = vp_budget_new();
    g_autofree char *all = replace("(.)=(?<x>.)", "a=b,c=d", "\\g<x>=\\1", &budget, NULL);
    g_autofree char *empty = replace("^", "abc", "x", &budget, NULL);
    g_autofree char *between = replace("x*", "a\xc3\xa4x", "-", &budget, NULL);
    g_autofree char *none = replace("x", "abc", "y", &budget, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpstr(all, ==, "b=a,d=c");
    g_assert_cmpstr(empty, ==, "xabc");
    g_assert_nonnull(between);
    g_assert_null(none);
    g_assert_false(vp_regex_check_replacement("\\g<", &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_XML);
}

/* Each match is paid for, and each replacement. */
static void
test_replace_budget(void)
{
    VpBudget whole = vp_budget_new(), enough = { 0 }, less = { 0 };
    g_autofree char *first = replace("a", "aaa", "b", &whole, NULL), *second = NULL;
    g_autoptr(GError) error = NULL;

    enough.left = vp_budget_used(&whole);
    less.left = enough.left - 1;
    second = replace("a", "aaa", "b", &enough, NULL);
    g_assert_cmpstr(second, ==, "bbb");
    g_assert_null(replace("a", "aaa", "b", &less, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
}

static void
test_replace_references(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < VP_REGEX_REFERENCES_MAX; i++)
        g_string_append(text, "\\0");
    g_assert_true(vp_regex_check_replacement(text->str, NULL));
    g_string_append(text, "\\0");
    g_assert_false(vp_regex_check_replacement(text->str, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
}

static void
test_replace_length(void)
{
    g_autofree char *subject = repeat('a', 32), *part = repeat('b', 4096), *result = NULL;
    g_autofree char *fits = g_strconcat(subject + 1, "c", NULL);
    g_autoptr(GError) error = NULL;
    VpBudget budget = vp_budget_new();

    result = replace("a", fits, part, &budget, NULL);
    g_assert_cmpuint(strlen(result), ==, VP_ARGV_WORD_MAX - 4095 + 1);
    g_assert_null(replace("a", subject, part, &budget, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_LIMIT);
}

/* The budget is VP_BUDGET_STEPS_MAX, and what is taken from it is counted. */
static void
test_whole_budget(void)
{
    VpBudget budget = vp_budget_new();

    g_assert_cmpuint(vp_budget_used(&budget), ==, 0);
    g_assert_true(vp_budget_spend(&budget, VP_BUDGET_STEPS_MAX, NULL));
    g_assert_cmpuint(vp_budget_used(&budget), ==, VP_BUDGET_STEPS_MAX);
    g_assert_false(vp_budget_spend(&budget, 1, NULL));
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
    g_test_add_func("/regex/budget", test_budget);
    g_test_add_func("/regex/budget of compiling", test_budget_of_compiling);
    g_test_add_func("/regex/endless", test_endless);
    g_test_add_func("/regex/memory", test_memory);
    g_test_add_func("/regex/dialect", test_dialect);
    g_test_add_func("/regex/replace", test_replace);
    g_test_add_func("/regex/budget of a replacement", test_replace_budget);
    g_test_add_func("/regex/references of a replacement", test_replace_references);
    g_test_add_func("/regex/length of a replacement", test_replace_length);
    g_test_add_func("/regex/whole budget", test_whole_budget);
    return g_test_run();
}
