/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A regular expression can keep PCRE busy for hours, and PCRE's own limit does not prevent it: it
 * is for each place of the text where a match may begin, and steps within the repetition of one
 * character are not counted at all. So PCRE is made to call us before every item of the pattern,
 * and what it does is paid for from a budget (plan/budget.h) that all expressions of a domain
 * share. When nothing is left the match is ended there and then.
 *
 * An item costs one step, the characters that PCRE has moved over since the last one, and those
 * that it may look at without calling again (a count in braces, a reference back). It costs more
 * the longer it is written, for a set is searched from its start, and the more groups the pattern
 * has, for PCRE copies what they hold. The memory of a match has a limit of its own.
 *
 * GLib expands the references of a replacement, and knows no such calls. So each match is found in
 * the way that is paid for, and then again by GLib, whose way is shorter.
 *
 * PCRE obeys settings only at the very beginning of a pattern. The empty group in front ends that
 * beginning, so that an author cannot change how his pattern is read, nor its limits.
 *
 * Patterns are not optimized: compiling them to machine code costs more than the few short
 * values that one is matched against. But most are a name, with or without ^ and $, and these are
 * compared without PCRE; and most of the others hold a name that whatever they match has in it, so
 * that most options are ruled out before anything is read out of their value.
 */

#include "plan/regex.h"

#include "base/error.h"
#include "base/limits.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "(?:)"

/* What is charged for compiling: for the call, for each byte, for each range of which PCRE looks
 * up the other case of every character; and for the result, which is longer than its pattern where
 * groups are repeated. */
#define COMPILE_STEPS 200u
#define COMPILE_STEPS_PER_BYTE 50u
#define COMPILE_STEPS_PER_RANGE 400000u
#define COMPILED_BYTES_PER_STEP 8u

/* Bytes of an item, and of what PCRE keeps for each place that it may go back to, in which the
 * price of a step is contained. */
#define ITEM_BYTES 4u
#define FRAME_BYTES 512u

/* Memory is free up to so many bytes in one piece, what a usual match needs; above that it costs
 * what the kernel takes to give it. */
#define MEMORY_BYTES_FREE 65536u
#define MEMORY_BYTES_PER_STEP 8u

/* Characters that an item of the least price goes over in the time of one step. */
#define CHARACTERS_PER_STEP 4u

struct VpRegex {
    char *pattern;    /* as the author wrote it */
    char *limited;    /* with HEAD in front */
    pcre2_code *compiled; /* of a literal not before it is needed, for that is seldom */
    GRegex *replacer; /* the same for GLib, once it was needed */
    pcre2_general_context *general; /* memory that is paid for */
    pcre2_match_context *context;
    pcre2_match_data *found; /* of the last match; PCRE keeps its memory there for the next */
    VpBudget *payer;  /* whoever compiles or matches now */
    guint frame;      /* what a step costs, by the size of PCRE's frames */
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
set_compile_error(const char *pattern, int code, GError **error)
{
    g_autoptr(GError) reason = NULL;
    g_autoptr(GRegex) regex G_GNUC_UNUSED = g_regex_new(pattern, 0, 0, &reason);
    char message[256] = "";

    if (reason) {
        g_set_error_literal(error, VP_ERROR, VP_ERROR_XML, reason->message);
    } else if (g_str_has_prefix(pattern, "(*")) {
        vp_refuse(error, VP_ERROR_XML,
                  "a regular expression may not begin with settings of PCRE's, (*...)");
    } else {
        pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof(message));
        vp_refuse(error, VP_ERROR_XML, "the regular expression '%s': %s", pattern, message);
    }
}

static void *
pay_for_memory(gsize size, void *data)
{
    VpRegex *regex = data;

    if (size > MEMORY_BYTES_FREE
        && !vp_budget_spend(regex->payer, size / MEMORY_BYTES_PER_STEP, NULL))
        return NULL;
    return malloc(size);
}

static void
free_memory(void *block, void *data)
{
    free(block);
}

/* As GLib has it compiled, with our calls. false and @ret_code: it is no regular expression. */
static bool
compile(VpRegex *regex, int *ret_code)
{
    pcre2_compile_context *context = NULL;
    PCRE2_SIZE offset = 0;

    regex->general = pcre2_general_context_create(pay_for_memory, free_memory, regex);
    context = pcre2_compile_context_create(regex->general);
    pcre2_set_newline(context, PCRE2_NEWLINE_ANY);
    pcre2_set_bsr(context, PCRE2_BSR_UNICODE);
    regex->compiled = pcre2_compile((PCRE2_SPTR)regex->limited, PCRE2_ZERO_TERMINATED, PCRE2_UTF
                                    | PCRE2_UCP | PCRE2_NO_UTF_CHECK | PCRE2_AUTO_CALLOUT,
                                    ret_code, &offset, context);
    pcre2_compile_context_free(context);
    return regex->compiled != NULL;
}

/* It has, or may have, a setting that makes case not matter. */
static bool
ignores_case(const char *pattern)
{
    for (const char *at = strstr(pattern, "(?"); at; at = strstr(at + 2, "(?")) {
        gsize size = strspn(at + 2, G_CSET_a_2_z G_CSET_A_2_Z "^-");

        if (memchr(at + 2, 'i', size))
            return true;
    }
    return false;
}

/* A character that is not ASCII may be meant. */
static bool
is_wide(const char *pattern)
{
    for (; *pattern; pattern++) {
        if (*pattern & 0x80 || (*pattern == '\\' && pattern[1] && strchr("xoN", pattern[1])))
            return true;
    }
    return false;
}

static bool
pay_for_compiling(const char *pattern, VpBudget *budget, GError **error)
{
    guint64 steps = COMPILE_STEPS + COMPILE_STEPS_PER_BYTE * strlen(pattern);

    if (strchr(pattern, '[') && ignores_case(pattern) && is_wide(pattern)) {
        for (const char *at = strchr(pattern, '-'); at; at = strchr(at + 1, '-'))
            steps += COMPILE_STEPS_PER_RANGE;
    }
    return vp_budget_spend(budget, steps, error);
}

/* false and @error: it is no regular expression, or the budget is used up. */
static bool
ensure_compiled(VpRegex *regex, VpBudget *budget, GError **error)
{
    gsize frame = 0, size = 0;
    int code = 0;

    regex->payer = budget;
    if (regex->compiled)
        return true;
    if (!pay_for_compiling(regex->pattern, budget, error))
        return false;
    regex->limited = g_strconcat(HEAD, regex->pattern, NULL);
    if (!compile(regex, &code)) {
        set_compile_error(regex->pattern, code, error);
        return false;
    }
    regex->context = pcre2_match_context_create(regex->general);
    regex->found = pcre2_match_data_create_from_pattern(regex->compiled, regex->general);
    pcre2_pattern_info(regex->compiled, PCRE2_INFO_FRAMESIZE, &frame);
    regex->frame = 1 + frame / FRAME_BYTES;
    pcre2_pattern_info(regex->compiled, PCRE2_INFO_SIZE, &size);
    return vp_budget_spend(budget, size / COMPILED_BYTES_PER_STEP, error);
}

VpRegex *
vp_regex_new(const char *pattern, VpBudget *budget, GError **error)
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
    if (!regex->literal && !ensure_compiled(regex, budget, error))
        return NULL;
    return g_steal_pointer(&regex);
}

void
vp_regex_free(VpRegex *regex)
{
    if (!regex)
        return;
    pcre2_match_data_free(regex->found);
    pcre2_match_context_free(regex->context);
    pcre2_code_free(regex->compiled);
    pcre2_general_context_free(regex->general);
    g_clear_pointer(&regex->replacer, g_regex_unref);
    g_free(regex->limited);
    g_free(regex->pattern);
    g_free(regex->literal);
    g_free(regex->needed);
    g_free(regex);
}

/* --- matching ----------------------------------------------------------------- */

/* One search, on its way through the pattern. */
typedef struct Run {
    const VpRegex *regex;
    VpBudget *budget;
    gsize position; /* in the subject, when PCRE called last */
    guint64 weight; /* of the item that it went on with then */
} Run;

/* A search of @subject may begin; what is done once for each byte of it is paid. */
static bool
begin_run(const char *subject, VpBudget *budget, GError **error)
{
    gsize size = strlen(subject);

    if (size <= VP_REGEX_SUBJECT_MAX)
        return vp_budget_spend(budget, 10 + size / 8, error);
    return vp_refuse(error, VP_ERROR_LIMIT,
                     "a value of %zu bytes is longer than the %u that are searched", size,
                     VP_REGEX_SUBJECT_MAX);
}

/* The longest that any group holds now: what a reference back may compare. */
static gsize
longest_capture(const pcre2_callout_block *block)
{
    gsize longest = 0;

    for (guint i = 1; i < block->capture_top; i++) {
        gsize from = block->offset_vector[2 * i], to = block->offset_vector[2 * i + 1];

        if (from != PCRE2_UNSET && to > from)
            longest = MAX(longest, to - from);
    }
    return longest;
}

/* How many characters the item may look at without moving on or calling again, at most. */
static gsize
hidden_characters(const pcre2_callout_block *block, const char *item)
{
    gsize size = block->next_item_length, left = block->subject_length - block->current_position;
    const char *brace = NULL;

    if (size >= 2 && item[0] == '\\' && (g_ascii_isdigit(item[1]) || strchr("gk", item[1])))
        return block->capture_top + MIN(left, longest_capture(block));
    if (size >= 3 && strncmp(item, "(?P", 3) == 0)
        return block->capture_top + MIN(left, longest_capture(block));
    if (size >= 3 && memchr(item + size - 2, '}', 2))
        brace = memrchr(item, '{', size);
    return brace ? MIN(left, strtoul(brace + 1, NULL, 10)) : 0;
}

static int
pay_for_item(pcre2_callout_block *block, void *data)
{
    Run *run = data;
    const char *item = run->regex->limited + block->pattern_position;
    gsize position = block->current_position;
    gsize moved = MAX(position, run->position) - MIN(position, run->position);
    guint64 weight = 1 + block->next_item_length / ITEM_BYTES;
    guint64 characters = moved * run->weight + hidden_characters(block, item) * weight;

    run->position = position;
    run->weight = weight;
    return vp_budget_spend(run->budget, run->regex->frame
                           + (weight + characters) / CHARACTERS_PER_STEP, NULL)
               ? 0 : PCRE2_ERROR_CALLOUT;
}

/* PCRE's number: of what was found, or negative. @not_empty: what is found at @start is not. */
static int
search(Run *run, const char *subject, gsize start, bool not_empty)
{
    const VpRegex *regex = run->regex;

    run->position = start;
    run->weight = 1;
    pcre2_set_callout(regex->context, pay_for_item, run);
    pcre2_set_heap_limit(regex->context, VP_REGEX_HEAP_KIB_MAX);
    pcre2_set_match_limit(regex->context, G_MAXUINT32);
    return pcre2_match(regex->compiled, (PCRE2_SPTR)subject, strlen(subject), start,
                       PCRE2_NO_UTF_CHECK | (not_empty ? PCRE2_NOTEMPTY_ATSTART : 0),
                       regex->found, regex->context);
}

static void
set_search_error(const Run *run, int code, const char *subject, guint64 before, GError **error)
{
    const char *dots = strlen(subject) > 60 ? "..." : "";

    if (run->budget->left > 0)
        vp_refuse(error, VP_ERROR_LIMIT, "the regular expression '%s' needs more memory "
                  "than is allowed to be tried on '%.60s%s' (PCRE: %d)", run->regex->pattern,
                  subject, dots, code);
    else
        vp_refuse(error, VP_ERROR_LIMIT, "the regular expression '%s' was ended after %"
                  G_GUINT64_FORMAT " steps on '%.60s%s': with them all alterations of the domain "
                  "have taken the %u that are allowed; avoid repetitions of repetitions, begin "
                  "with ^, name fewer options", run->regex->pattern, before, subject, dots,
                  VP_BUDGET_STEPS_MAX);
}

/* The first match at or behind @start, there not an empty one if @not_empty. */
static VpMatch
search_once(const VpRegex *regex, const char *subject, gsize start, bool not_empty,
            VpBudget *budget, GError **error)
{
    Run run = { .regex = regex, .budget = budget };
    guint64 before = budget->left;
    int n = search(&run, subject, start, not_empty);

    if (n >= 0)
        return VP_MATCH_YES;
    if (n == PCRE2_ERROR_NOMATCH)
        return VP_MATCH_NO;
    set_search_error(&run, n, subject, before, error);
    return VP_MATCH_FAILED;
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
vp_regex_match(VpRegex *regex, const char *subject, VpBudget *budget, GError **error)
{
    if (!begin_run(subject, budget, error))
        return VP_MATCH_FAILED;
    if (regex->literal && has_no_line_end(subject))
        return match_literal(regex, subject) ? VP_MATCH_YES : VP_MATCH_NO;
    if (!g_utf8_validate(subject, -1, NULL))
        return VP_MATCH_NO;
    if (!ensure_compiled(regex, budget, error))
        return VP_MATCH_FAILED;
    return search_once(regex, subject, 0, false, budget, error);
}

/* --- replacing ---------------------------------------------------------------- */

bool
vp_regex_check_replacement(const char *text, GError **error)
{
    g_autoptr(GError) reason = NULL;
    guint references = 0;

    for (const char *at = strchr(text, '\\'); at; at = strchr(at + 1, '\\'))
        references++;
    if (references > VP_REGEX_REFERENCES_MAX)
        return vp_refuse(error, VP_ERROR_LIMIT, "a replacement has %u backslashes, more than the "
                         "%u that are allowed", references, VP_REGEX_REFERENCES_MAX);
    if (g_utf8_validate(text, -1, NULL) && g_regex_check_replacement(text, NULL, &reason))
        return true;
    g_set_error(error, VP_ERROR, VP_ERROR_XML, "%s",
                reason ? reason->message : "a replacement is not in UTF-8");
    return false;
}

/* A replacement on its way through the subject. */
typedef struct Replacing {
    VpRegex *regex;
    const char *subject;
    const char *replacement;
    VpBudget *budget;
    GString *result;
    gsize copied; /* of the subject: what is in the result, as it was or replaced */
} Replacing;

/* GLib's copy of the expression, which knows what references stand for. */
static bool
ensure_replacer(VpRegex *regex, VpBudget *budget, GError **error)
{
    if (regex->replacer)
        return true;
    if (!pay_for_compiling(regex->pattern, budget, error))
        return false;
    regex->replacer = g_regex_new(regex->limited, 0, 0, NULL);
    return true;
}

/* What stands for the match that was found from @start on. NULL and @error. */
static char *
expand(const Replacing *replacing, gsize start, bool not_empty, GError **error)
{
    g_autoptr(GMatchInfo) info = NULL;
    GRegexMatchFlags flags = not_empty ? G_REGEX_MATCH_NOTEMPTY_ATSTART : 0;
    GError *reason = NULL;
    char *text = NULL;

    if (g_regex_match_full(replacing->regex->replacer, replacing->subject, -1, start, flags, &info,
                           &reason))
        text = g_match_info_expand_references(info, replacing->replacement, &reason);
    if (text)
        return text;
    vp_refuse(error, VP_ERROR_LIMIT, "%s", reason ? reason->message : "it is not found again");
    g_clear_error(&reason);
    return NULL;
}

/* Puts @text for the match, of the bytes from @from up to @to. */
static bool
put(Replacing *replacing, gsize from, gsize to, const char *text, GError **error)
{
    GString *result = replacing->result;

    g_string_append_len(result, replacing->subject + replacing->copied, from - replacing->copied);
    g_string_append(result, text);
    replacing->copied = to;
    if (result->len > VP_ARGV_WORD_MAX)
        return vp_refuse(error, VP_ERROR_LIMIT, "the value gets longer than the %u bytes that a "
                         "word may have", VP_ARGV_WORD_MAX);
    return vp_budget_spend(replacing->budget, 10 + strlen(replacing->replacement)
                           + strlen(text) / 8, error);
}

/*
 * As sed does: no place is replaced twice. Where a match has ended no empty one may begin, and what
 * follows an empty match stays as it is.
 */
static VpMatch
replace_all(Replacing *replacing, GError **error)
{
    const PCRE2_SIZE *range = pcre2_get_ovector_pointer(replacing->regex->found);
    const char *subject = replacing->subject;
    gsize size = strlen(subject), start = 0;
    bool not_empty = false;
    VpMatch match = VP_MATCH_YES, any = VP_MATCH_NO;

    while (match == VP_MATCH_YES && start <= size) {
        g_autofree char *text = NULL;

        match = search_once(replacing->regex, subject, start, not_empty, replacing->budget, error);
        if (match != VP_MATCH_YES)
            break;
        any = VP_MATCH_YES;
        text = expand(replacing, start, not_empty, error);
        if (!text || !put(replacing, range[0], range[1], text, error))
            return VP_MATCH_FAILED;
        not_empty = range[1] > range[0];
        start = range[1];
        if (!not_empty)
            start = start < size ? (gsize)(g_utf8_next_char(subject + start) - subject) : size + 1;
    }
    return match == VP_MATCH_FAILED ? match : any;
}

char *
vp_regex_replace(VpRegex *regex, const char *subject, const char *replacement, VpBudget *budget,
                 GError **error)
{
    g_autoptr(GString) result = g_string_new(NULL);
    Replacing replacing = { .regex = regex, .subject = subject, .replacement = replacement,
                            .budget = budget, .result = result };

    if (!begin_run(subject, budget, error) || !g_utf8_validate(subject, -1, NULL)
        || !ensure_compiled(regex, budget, error) || !ensure_replacer(regex, budget, error)
        || replace_all(&replacing, error) != VP_MATCH_YES)
        return NULL;
    g_string_append(result, subject + replacing.copied);
    if (result->len <= VP_ARGV_WORD_MAX)
        return g_string_free(g_steal_pointer(&result), FALSE);
    vp_refuse(error, VP_ERROR_LIMIT, "the value gets longer than the %u bytes that a word may have",
              VP_ARGV_WORD_MAX);
    return NULL;
}
