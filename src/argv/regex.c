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
 * compared without PCRE, and most options are ruled out before anything is read out of their value.
 */

#include "argv/regex.h"

#include "base/error.h"
#include "base/limits.h"

#include <string.h>

#define HEAD "(*LIMIT_MATCH=" G_STRINGIFY(VP_REGEX_STEPS_MAX) ")(?:)"

struct VpRegex {
    GRegex *compiled;
    char *pattern; /* as the author wrote it */
    char *literal; /* what it is without ^ and $ when no character in it is special, else NULL */
    bool starts;   /* literal: with ^ */
    bool ends;     /* literal: with $ */
};

/* No JSON string and no comma-separated text spells these in another way. */
#define PLAIN_CHARACTERS G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-_:/"

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
    return regex->literal && strlen(regex->literal) > AMBIGUOUS_MAX && !strchr(written, '\\')
           && !strstr(written, regex->literal);
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

VpRegex *
vp_regex_new(const char *pattern, GError **error)
{
    g_autofree char *limited = NULL;
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
    limited = g_strconcat(HEAD, pattern, NULL);
    regex->compiled = g_regex_new(limited, 0, 0, NULL);
    if (!regex->compiled) {
        set_compile_error(pattern, error);
        return NULL;
    }
    regex->pattern = g_strdup(pattern);
    find_literal(regex);
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

VpMatch
vp_regex_match(const VpRegex *regex, const char *subject, guint *runs, GError **error)
{
    g_autoptr(GError) reason = NULL;
    bool matches = false;

    if (!begin_run(subject, runs, error))
        return VP_MATCH_FAILED;
    if (!g_utf8_validate(subject, -1, NULL))
        return VP_MATCH_NO;
    if (regex->literal && !strchr(subject, '\n'))
        return match_literal(regex, subject) ? VP_MATCH_YES : VP_MATCH_NO;
    matches = g_regex_match_full(regex->compiled, subject, -1, 0, 0, NULL, &reason);
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
vp_regex_replace(const VpRegex *regex, const char *subject, const char *replacement, guint *runs,
                 GError **error)
{
    Replacing replacing = { .subject = subject, .replacement = replacement, .runs = runs,
                            .error = error };
    g_autoptr(GError) reason = NULL;
    g_autofree char *result = NULL;

    if (!begin_run(subject, runs, error) || !g_utf8_validate(subject, -1, NULL))
        return NULL;
    result = g_regex_replace_eval(regex->compiled, subject, -1, 0, 0, replace_one, &replacing,
                                  &reason);
    if (reason && !replacing.failed)
        set_steps_error(regex, subject, error);
    if (reason || replacing.failed || replacing.n == 0)
        return NULL;
    return g_steal_pointer(&result);
}
