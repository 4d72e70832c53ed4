/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A regular expression can keep PCRE busy for hours. Three limits together keep that from
 * happening: the steps of one run (PCRE's own match limit, set by words that PCRE reads in front
 * of the pattern), the length of what is searched (some expressions take time that is quadratic in
 * it without a step that PCRE counts), and the number of runs.
 *
 * PCRE obeys such words only at the very beginning of a pattern, and the last of them wins. The
 * empty group behind ours ends that beginning, so that an author cannot lift the limit.
 *
 * Patterns are not optimized: compiling them to machine code costs more than the few short
 * values that one is matched against. But most are a name, with or without ^ and $, and these are
 * compared without PCRE; and most of the others hold a name that whatever they match has in it, so
 * that most options are ruled out before anything is read out of their value.
 */

#include "argv/regex.h"

#include "base/error.h"
#include "base/limits.h"

#include <string.h>

#define HEAD "(*LIMIT_MATCH=" G_STRINGIFY(VP_REGEX_STEPS_MAX) ")(?:)"

struct VpRegex {
    char *pattern;    /* as the author wrote it */
    GRegex *compiled; /* of a literal not before it is needed, for that is seldom */
    char *literal;    /* what it is without ^ and $ if no character in it is special, else NULL */
    bool starts;   /* literal: with ^ */
    bool ends;     /* literal: with $ */
    char *needed;  /* text that is in all that it matches, NULL if none is known */
};

/* No JSON string and no comma-separated text spells these in another way. */
#define PLAIN_CHARACTERS G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-_:/"

/* With one of these the text between others may be an alternative, a set or a setting. */
#define STRUCTURE "\\()[]{}|"

/* So short a text may stand for something that is written otherwise: true is "on". */
#define AMBIGUOUS_MAX 3

static void
find_literal(VpRegex *regex)
{
    const char *begin = regex->pattern;
    gsize size = 0;

    regex->starts = *begin == '^';
    begin += regex->starts;
    size = strspn(begin, PLAIN_CHARACTERS);
    regex->ends = begin[size] == '$';
    if (begin[size + regex->ends] == '\0')
        regex->literal = g_strndup(begin, size);
}

/* The longest run of plain characters, without a last one that may also be missing. Of equals the
 * last: libvirt's names begin alike more often than they end so. */
static char *
find_needed(const char *pattern)
{
    const char *longest = NULL;
    gsize longest_size = AMBIGUOUS_MAX + 1;

    if (strpbrk(pattern, STRUCTURE))
        return NULL;
    for (const char *at = pattern; *at; at++) {
        gsize size = strspn(at, PLAIN_CHARACTERS);
        bool last_is_optional = size > 0 && (at[size] == '*' || at[size] == '?');

        if (size - last_is_optional >= longest_size) {
            longest = at;
            longest_size = size - last_is_optional;
        }
        at += size > 0 ? size - 1 : 0;
    }
    return longest ? g_strndup(longest, longest_size) : NULL;
}

static bool
match_literal(const VpRegex *regex, const char *subject)
{
    if (regex->starts && regex->ends)
        return strcmp(subject, regex->literal) == 0;
    if (regex->starts)
        return g_str_has_prefix(subject, regex->literal);
    if (regex->ends)
        return g_str_has_suffix(subject, regex->literal);
    return strstr(subject, regex->literal) != NULL;
}

bool
vp_regex_rules_out(const VpRegex *regex, const char *written)
{
    return regex->needed && !strstr(written, regex->needed) && !strchr(written, '\\');
}

/* GLib's message quotes the whole pattern and counts from its beginning; ours does not. */
static void
set_compile_error(const char *pattern, GError **error)
{
    g_autoptr(GError) reason = NULL;
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, &reason);

    g_set_error(error, VP_ERROR, VP_ERROR_XML, "%s", reason ? reason->message :
                "a regular expression may not begin with settings of PCRE's, (*...)");
}

/* NULL: it is no regular expression. */
static GRegex *
get_compiled(VpRegex *regex)
{
    if (!regex->compiled) {
        g_autofree char *limited = g_strconcat(HEAD, regex->pattern, NULL);

        regex->compiled = g_regex_new(limited, 0, 0, NULL);
    }
    return regex->compiled;
}

VpRegex *
vp_regex_new(const char *pattern, GError **error)
{
    g_autoptr(VpRegex) regex = g_new0(VpRegex, 1);

    if (strlen(pattern) > VP_REGEX_MAX) {
        g_set_error(error, VP_ERROR, VP_ERROR_LIMIT,
                    "a regular expression of %zu bytes is longer than the %u that are allowed",
                    strlen(pattern), VP_REGEX_MAX);
        return NULL;
    }
    if (!g_utf8_validate(pattern, -1, NULL)) {
        g_set_error(error, VP_ERROR, VP_ERROR_XML, "a regular expression is not in UTF-8");
        return NULL;
    }
    regex->pattern = g_strdup(pattern);
    find_literal(regex);
    regex->needed = find_needed(pattern);
    if (!regex->literal && !get_compiled(regex)) {
        set_compile_error(pattern, error);
        return NULL;
    }
    return g_steal_pointer(&regex);
}

void
vp_regex_free(VpRegex *regex)
{
    if (!regex)
        return;
    if (regex->compiled)
        g_regex_unref(regex->compiled);
    g_free(regex->pattern);
    g_free(regex->literal);
    g_free(regex->needed);
    g_free(regex);
}

/* One more run on @subject may begin. */
static bool
begin_run(const char *subject, guint *runs, GError **error)
{
    if (strlen(subject) > VP_REGEX_SUBJECT_MAX) {
        g_set_error(error, VP_ERROR, VP_ERROR_LIMIT,
                    "a value of %zu bytes is longer than the %u that are searched",
                    strlen(subject), VP_REGEX_SUBJECT_MAX);
        return false;
    }
    if (*runs >= VP_REGEX_RUNS_MAX) {
        g_set_error(error, VP_ERROR, VP_ERROR_LIMIT,
                    "the regular expressions of this domain have been tried %u times, which is "
                    "the most that is allowed; name fewer options or write them together",
                    VP_REGEX_RUNS_MAX);
        return false;
    }
    ++*runs;
    return true;
}

static void
set_steps_error(const VpRegex *regex, const char *subject, GError **error)
{
    g_set_error(error, VP_ERROR, VP_ERROR_LIMIT,
                "the regular expression '%s' needs more than %u steps to be tried on '%.60s%s'; "
                "avoid repetitions of repetitions", regex->pattern, VP_REGEX_STEPS_MAX,
                subject, strlen(subject) > 60 ? "..." : "");
}

/* What is a line's end to PCRE lets $ match before it, and may be a control character or not even
 * ASCII. */
static bool
has_no_line_end(const char *subject)
{
    while (*subject >= ' ' && *subject <= '~')
        subject++;
    return *subject == '\0';
}

VpMatch
vp_regex_match(VpRegex *regex, const char *subject, guint *runs, GError **error)
{
    g_autoptr(GError) reason = NULL;
    bool matches = false;

    if (!begin_run(subject, runs, error))
        return VP_MATCH_FAILED;
    if (regex->literal && has_no_line_end(subject))
        return match_literal(regex, subject) ? VP_MATCH_YES : VP_MATCH_NO;
    if (!g_utf8_validate(subject, -1, NULL))
        return VP_MATCH_NO;
    matches = g_regex_match_full(get_compiled(regex), subject, -1, 0, 0, NULL, &reason);
    if (reason) {
        set_steps_error(regex, subject, error);
        return VP_MATCH_FAILED;
    }
    return matches ? VP_MATCH_YES : VP_MATCH_NO;
}

bool
vp_regex_check_replacement(const char *text, GError **error)
{
    g_autoptr(GError) reason = NULL;

    if (g_utf8_validate(text, -1, NULL) && g_regex_check_replacement(text, NULL, &reason))
        return true;
    g_set_error(error, VP_ERROR, VP_ERROR_XML, "%s",
                reason ? reason->message : "a replacement is not in UTF-8");
    return false;
}

typedef struct Replacing {
    const char *subject;
    const char *replacement;
    guint *runs;    /* of the domain's, so far */
    GError **error;
    guint n;        /* matches that were replaced */
    bool failed;    /* *error is set */
} Replacing;

static gboolean
replace_one(const GMatchInfo *info, GString *result, gpointer data)
{
    Replacing *replacing = data;
    g_autofree char *text = g_match_info_expand_references(info, replacing->replacement, NULL);

    replacing->n++;
    g_string_append(result, text ? text : "");
    if (result->len > VP_ARGV_WORD_MAX) {
        g_set_error(replacing->error, VP_ERROR, VP_ERROR_LIMIT,
                    "the value gets longer than the %u bytes that a word may have",
                    VP_ARGV_WORD_MAX);
        replacing->failed = true;
    } else if (!begin_run(replacing->subject, replacing->runs, replacing->error)) {
        replacing->failed = true;
    }
    return replacing->failed;
}

char *
vp_regex_replace(VpRegex *regex, const char *subject, const char *replacement, guint *runs,
                 GError **error)
{
    Replacing replacing = { .subject = subject, .replacement = replacement, .runs = runs,
                            .error = error };
    g_autoptr(GError) reason = NULL;
    g_autofree char *result = NULL;

    if (!begin_run(subject, runs, error) || !g_utf8_validate(subject, -1, NULL))
        return NULL;
    result = g_regex_replace_eval(get_compiled(regex), subject, -1, 0, 0, replace_one, &replacing,
                                  &reason);
    if (reason && !replacing.failed)
        set_steps_error(regex, subject, error);
    if (reason || replacing.failed || replacing.n == 0)
        return NULL;
    return g_steal_pointer(&result);
}
