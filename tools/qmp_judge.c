/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * QEMU's verdict on text that is no JSON.
 *
 * libvirt refuses to pass such text on, so QEMU cannot be asked. Its parser reports the first thing
 * that it stumbles over while it goes down the grammar, and nothing after it; this goes the same
 * way. It is given whole units (qmp_server/intake.h), so every token is one to QEMU's lexer, but
 * for the last of a broken unit.
 *
 * Until 11.0 QEMU parses a unit when it is whole, so a broken one is not looked at any further.
 * From 11.1 on it parses each token as it comes: what is wrong ahead of the broken one is told
 * instead, with other words in some places, and with the place. (There QEMU counts a byte twice
 * that ends a number or a word and is a token itself; here it counts once.)
 */

#include "qmp_judge.h"

#include "json/text.h"

#include <string.h>

typedef struct Judge {
    const char *at;     /* behind @token */
    const char *end;
    const char *token;  /* the next one; NULL: there is none */
    gsize size;
    GPtrArray *keys;    /* char *: of all objects that are open, NULL between two */
    bool newer;         /* it is QEMU 11.1's */
    const char *last;   /* the token before @token */
    const char *broken; /* the token that is none, and what there is to say of it; NULL: none */
    char *stray;
    char *complaint;    /* the first one */
    const char *where;  /* the token that it is about */
} Judge;

static bool
complain(Judge *judge, const char *what)
{
    if (!judge->complaint) {
        judge->complaint = g_strdup(what);
        judge->where = judge->token ?: judge->end;
    }
    return false;
}

/* One of the two, by the age of QEMU. */
static const char *
by_age(const Judge *judge, const char *older, const char *newer)
{
    return judge->newer ? newer : older;
}

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The end of a string whose quote is at @at; @end if it has none. */
static const char *
skip_string(const char *at, const char *end)
{
    char quote = *at++;

    while (at < end && *at != quote)
        at += *at == '\\' && at + 1 < end ? 2 : 1;
    return at < end ? at + 1 : end;
}

static const char *
skip_digits(const char *at, const char *end)
{
    while (at < end && g_ascii_isdigit(*at))
        at++;
    return at;
}

/* The end of a number; @end where it is broken. */
static const char *
skip_number(const char *at, const char *end)
{
    const char *from = at += *at == '-';

    at = at < end && *at == '0' ? at + 1 : skip_digits(at, end);
    if (at == from || (*from == '0' && at < end && g_ascii_isdigit(*at)))
        return end;
    if (at < end && *at == '.') {
        from = ++at;
        at = skip_digits(at, end);
    }
    if (at > from && at < end && *from != '0' && (*at == 'e' || *at == 'E')) {
        at += at + 1 < end && (at[1] == '-' || at[1] == '+') ? 2 : 1;
        from = at;
        at = skip_digits(at, end);
    }
    return at == from ? end : at;
}

static void
next(Judge *judge)
{
    const char *at = judge->at, *end = judge->end;

    while (at < end && is_space(*at))
        at++;
    judge->last = judge->token;
    judge->token = at < end ? at : NULL;
    if (at < end && (*at == '"' || *at == '\''))
        at = skip_string(at, end);
    else if (at < end && (*at == '-' || g_ascii_isdigit(*at)))
        at = skip_number(at, end);
    else if (at < end && !g_ascii_islower(*at))
        at++;
    else
        while (at < end && g_ascii_islower(*at))
            at++;
    judge->size = judge->token ? at - judge->token : 0;
    judge->at = at;
}

/* Whether a token is next that may be looked at. */
static bool
has_next(Judge *judge)
{
    if (judge->broken && judge->token == judge->broken)
        return complain(judge, judge->stray);
    return judge->token || complain(judge, "premature EOI");
}

static bool
is_next(Judge *judge, char c)
{
    return has_next(judge) && *judge->token == c;
}

static bool
is_string_next(Judge *judge)
{
    return is_next(judge, '"') || is_next(judge, '\'');
}

/* --- strings -------------------------------------------------------------- */

/* QEMU takes no noncharacters, and no half of a surrogate pair. */
static bool
is_valid(guint32 code)
{
    return code <= 0x10ffff && (code & 0xfffe) != 0xfffe && (code < 0xd800 || code > 0xdfff) &&
           (code < 0xfdd0 || code > 0xfdef);
}

/* An escape at @at; *ret_size: its length. @end: the string's closing quote, which QEMU shows where
 * digits are missing. */
static bool
check_escape(Judge *judge, const char *at, const char *end, gsize *ret_size)
{
    g_autofree char *message = NULL;
    gsize size = 0;
    guint32 code = 0;

    *ret_size = 2;
    if (at[1] != 'u')
        return strchr("\"'\\/bfnrt", at[1]) ||
               complain(judge, "invalid escape sequence in string");
    code = vp_json_read_unicode_escape(at, end, &size);
    *ret_size = size;
    if (size > 0 && is_valid(code))
        return true;
    message = g_strdup_printf("%.*s is not a valid Unicode character",
                              (int)MIN(size > 0 ? size : 6, (gsize)(end + 1 - at)), at);
    return complain(judge, message);
}

/* QEMU writes U+0000 as two bytes. */
static bool
check_character(Judge *judge, const char *at, const char *end, gsize *ret_size)
{
    gunichar code = g_utf8_get_char_validated(at, end - at);

    *ret_size = 2;
    if (end - at >= 2 && memcmp(at, "\xc0\x80", 2) == 0)
        return true;
    if (!is_valid(code))
        return complain(judge, "invalid UTF-8 sequence in string");
    *ret_size = g_utf8_skip[(guint8)*at];
    return true;
}

static bool
check_string(Judge *judge)
{
    const char *at = judge->token + 1, *end = judge->token + judge->size - 1;
    gsize size = 0;

    for (; at < end; at += size) {
        if (*at == '\\' ? !check_escape(judge, at, end, &size)
                        : !check_character(judge, at, end, &size))
            return false;
    }
    return true;
}

/* --- values ---------------------------------------------------------------- */

static bool
check_word(Judge *judge)
{
    static const char *const words[] = { "true", "false", "null" };
    g_autofree char *word = g_strndup(judge->token, judge->size);
    g_autofree char *message = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        if (strcmp(word, words[i]) == 0)
            return true;
    }
    message = g_strdup_printf("invalid keyword '%s'", word);
    return complain(judge, message);
}

static bool parse_value(Judge *judge);

/* The key at hand, as it is written once it has double quotes. */
static bool
remember_key(Judge *judge, const char *token, gsize size)
{
    VpQmpUnit unit = { .text = token, .size = size };
    g_autoptr(GString) json = vp_qmp_unit_to_json(&unit);
    g_autofree char *key = vp_json_decode_string(json->str, json->len);

    for (guint i = judge->keys->len; i-- > 0 && g_ptr_array_index(judge->keys, i);) {
        if (g_strcmp0(g_ptr_array_index(judge->keys, i), key) == 0)
            return false;
    }
    g_ptr_array_add(judge->keys, g_steal_pointer(&key));
    return true;
}

/* Of the token that has just been taken. */
static bool
complain_of_last(Judge *judge, const char *what)
{
    complain(judge, what);
    judge->where = judge->last;
    return false;
}

static bool
parse_pair(Judge *judge)
{
    const char *key = judge->token;
    gsize size = judge->size;

    if (judge->newer && !is_string_next(judge))
        return complain(judge, "expecting key");
    if (!parse_value(judge) || (*key != '"' && *key != '\''))
        return complain(judge, "key is not a string in object");
    if (!is_next(judge, ':'))
        return complain(judge, by_age(judge, "missing : in object pair", "expecting ':'"));
    next(judge);
    if (!parse_value(judge))
        return complain(judge, "Missing value in dict");
    return remember_key(judge, key, size) || complain_of_last(judge, "duplicate key");
}

static bool
parse_element(Judge *judge)
{
    return parse_value(judge) || complain(judge, "expecting value");
}

/* What stands between brackets, @parse by @parse. */
static bool
parse_list(Judge *judge, char closer, bool (*parse)(Judge *judge), const char *complaint)
{
    next(judge);
    if (is_next(judge, closer)) {
        next(judge);
        return true;
    }
    while (has_next(judge) && parse(judge)) {
        if (is_next(judge, closer)) {
            next(judge);
            return true;
        }
        if (!is_next(judge, ','))
            return complain(judge, complaint);
        next(judge);
    }
    return false;
}

static bool
parse_object(Judge *judge)
{
    guint before = judge->keys->len;
    bool good = false;

    g_ptr_array_add(judge->keys, NULL);
    good = parse_list(judge, '}', parse_pair,
                      by_age(judge, "expected separator in dict", "expected ',' or '}'"));
    g_ptr_array_set_size(judge->keys, before);
    return good;
}

static bool
parse_value(Judge *judge)
{
    bool good = true;

    if (!has_next(judge))
        return false;
    if (*judge->token == '{')
        return parse_object(judge);
    if (*judge->token == '[')
        return parse_list(judge, ']', parse_element,
                          by_age(judge, "expected separator in list", "expected ',' or ']'"));
    if (strchr("}],:", *judge->token))
        return complain(judge, "expecting value");
    if (*judge->token == '"' || *judge->token == '\'')
        good = check_string(judge);
    else if (g_ascii_islower(*judge->token))
        good = check_word(judge);
    next(judge);
    return good;
}

/* Finds the token that the last byte has broken. QEMU shows it up to a NUL. */
static void
find_broken(Judge *judge)
{
    Judge ahead = *judge;
    g_autofree char *text = NULL;
    g_autofree char *valid = NULL;

    while (ahead.token)
        next(&ahead);
    judge->broken = ahead.last ?: judge->at;
    text = g_strndup(judge->broken, judge->end - judge->broken);
    valid = g_utf8_make_valid(text, -1);
    judge->stray = g_strdup_printf("stray '%s'", valid);
}

static void
parse_unit(Judge *judge)
{
    judge->keys = g_ptr_array_new_with_free_func(g_free);
    parse_value(judge);
    g_ptr_array_unref(judge->keys);
}

/* The text of the error. */
static char *
say(const Judge *judge, const VpQmpUnit *unit)
{
    VpQmpPlace place = unit->place;

    if (!judge->newer)
        return g_strdup_printf("JSON parse error, %s", judge->complaint);
    vp_qmp_place_pass(&place, unit->text, judge->where - unit->text);
    return g_strdup_printf("%u:%u: JSON parse error, %s", place.lines + 1, place.columns + 1,
                           judge->complaint);
}

char *
vp_qmp_judge(const VpQmpUnit *unit, bool broken, bool newer)
{
    Judge judge = { .at = unit->text, .end = unit->text + unit->size, .newer = newer };
    char *text = NULL;

    next(&judge);
    if (broken)
        find_broken(&judge);
    if (newer || !broken)
        parse_unit(&judge);
    else
        complain(&judge, judge.stray);
    if (judge.complaint)
        text = say(&judge, unit);
    g_free(judge.stray);
    g_free(judge.complaint);
    return text;
}
