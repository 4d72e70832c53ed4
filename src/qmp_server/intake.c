/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where does a command end?
 *
 * QMP has no frames. QEMU cuts its input into tokens as the bytes come, collects tokens until as
 * many brackets are closed as were opened, and only then looks whether that is a command. It counts
 * braces and brackets apart and does not mind their order; outside of brackets each token is a
 * unit. A byte that can be part of no token makes an error of everything before it; what follows is
 * skipped up to the next structural or control character. All of this decides how many answers
 * there are and which bytes belong to the next command, so it is done here in the same way: one
 * unit is what QEMU gives one answer.
 *
 * Whether a unit means something is QEMU's to say, who gets its very bytes. The limits are ours,
 * each no larger than QEMU's, and are answered in its words.
 *
 * A unit that lies in one read is handed out where it is; only an unfinished one is copied.
 */

#include "qmp_server/intake.h"

#include "base/limits.h"

#include <string.h>

/* Bytes that no rule tells apart. */
typedef enum Class {
    OTHER, /* printable, or part of a UTF-8 sequence */
    CONTROL,
    HIGH, /* 0xfe, 0xff: never part of a text */
    SPACE,
    LINE, /* white space that is a control character too */
    QUOTE,
    APOSTROPHE,
    BACKSLASH,
    ZERO,
    DIGIT,
    MINUS,
    PLUS,
    DOT,
    SMALL_E,
    BIG_E,
    LETTER, /* small, not e */
    BRACKET,
    SEPARATOR,
    CLASSES,
} Class;

static const guint8 classes[256] = {
    [0x00 ... 0x08] = CONTROL, ['\t' ... '\n'] = LINE, [0x0b ... 0x0c] = CONTROL, ['\r'] = LINE,
    [0x0e ... 0x1f] = CONTROL, [' '] = SPACE, [0xfe ... 0xff] = HIGH,
    ['"'] = QUOTE, ['\''] = APOSTROPHE, ['\\'] = BACKSLASH,
    ['0'] = ZERO, ['1' ... '9'] = DIGIT, ['-'] = MINUS, ['+'] = PLUS, ['.'] = DOT,
    ['a' ... 'd'] = LETTER, ['e'] = SMALL_E, ['f' ... 'z'] = LETTER, ['E'] = BIG_E,
    ['{'] = BRACKET, ['}'] = BRACKET, ['['] = BRACKET, [']'] = BRACKET,
    [','] = SEPARATOR, [':'] = SEPARATOR,
};

typedef enum State {
    START, /* between tokens; must be first */
    STRING,
    STRING_ESCAPE,
    SINGLE,
    SINGLE_ESCAPE,
    SIGN,
    LEADING_ZERO,
    INTEGER,
    POINT,
    FRACTION,
    EXPONENT,
    EXPONENT_SIGN,
    EXPONENT_DIGITS,
    WORD,
    RECOVERY, /* after a byte that was part of no token */
    STATES,
    /* No states: what else a byte can bring about. */
    ERROR = STATES,
    TOKEN,        /* a token ends with it */
    TOKEN_BEFORE, /* a token ended before it */
    RESUME,       /* recovery ends before it; between units only */
} State;

/* A rule that says nothing about a class says START, which is 0: then others[] decides. */
static const guint8 rules[STATES][CLASSES] = {
    [START] = { [QUOTE] = STRING, [APOSTROPHE] = SINGLE, [ZERO] = LEADING_ZERO, [DIGIT] = INTEGER,
                [MINUS] = SIGN, [SMALL_E] = WORD, [LETTER] = WORD, [BRACKET] = TOKEN,
                [SEPARATOR] = TOKEN, [OTHER] = ERROR, [CONTROL] = ERROR, [HIGH] = ERROR,
                [BACKSLASH] = ERROR, [PLUS] = ERROR, [DOT] = ERROR, [BIG_E] = ERROR },
    [STRING] = { [QUOTE] = TOKEN, [BACKSLASH] = STRING_ESCAPE, [CONTROL] = ERROR, [LINE] = ERROR,
                 [HIGH] = ERROR },
    [STRING_ESCAPE] = { [CONTROL] = ERROR, [LINE] = ERROR, [HIGH] = ERROR },
    [SINGLE] = { [APOSTROPHE] = TOKEN, [BACKSLASH] = SINGLE_ESCAPE, [CONTROL] = ERROR,
                 [LINE] = ERROR, [HIGH] = ERROR },
    [SINGLE_ESCAPE] = { [CONTROL] = ERROR, [LINE] = ERROR, [HIGH] = ERROR },
    [SIGN] = { [ZERO] = LEADING_ZERO, [DIGIT] = INTEGER },
    [LEADING_ZERO] = { [ZERO] = ERROR, [DIGIT] = ERROR, [DOT] = POINT },
    [INTEGER] = { [ZERO] = INTEGER, [DIGIT] = INTEGER, [DOT] = POINT, [SMALL_E] = EXPONENT,
                  [BIG_E] = EXPONENT },
    [POINT] = { [ZERO] = FRACTION, [DIGIT] = FRACTION },
    [FRACTION] = { [ZERO] = FRACTION, [DIGIT] = FRACTION, [SMALL_E] = EXPONENT,
                   [BIG_E] = EXPONENT },
    [EXPONENT] = { [ZERO] = EXPONENT_DIGITS, [DIGIT] = EXPONENT_DIGITS, [MINUS] = EXPONENT_SIGN,
                   [PLUS] = EXPONENT_SIGN },
    [EXPONENT_SIGN] = { [ZERO] = EXPONENT_DIGITS, [DIGIT] = EXPONENT_DIGITS },
    [EXPONENT_DIGITS] = { [ZERO] = EXPONENT_DIGITS, [DIGIT] = EXPONENT_DIGITS },
    [WORD] = { [SMALL_E] = WORD, [LETTER] = WORD },
    [RECOVERY] = { [CONTROL] = RESUME, [LINE] = RESUME, [HIGH] = RESUME, [BRACKET] = RESUME,
                   [SEPARATOR] = RESUME },
};

/* What becomes of the bytes that the rules of a state do not name. */
static const guint8 others[STATES] = {
    [START] = START, /* white space */
    [STRING] = STRING,
    [STRING_ESCAPE] = STRING,
    [SINGLE] = SINGLE,
    [SINGLE_ESCAPE] = SINGLE,
    [SIGN] = ERROR,
    [LEADING_ZERO] = TOKEN_BEFORE,
    [INTEGER] = TOKEN_BEFORE,
    [POINT] = ERROR,
    [FRACTION] = TOKEN_BEFORE,
    [EXPONENT] = ERROR,
    [EXPONENT_SIGN] = ERROR,
    [EXPONENT_DIGITS] = TOKEN_BEFORE,
    [WORD] = TOKEN_BEFORE,
    [RECOVERY] = RECOVERY,
};

/* The two bytes of overlong U+0000. */
#define NUL_HEAD '\xc0'
#define NUL_TAIL '\x80'

void
vp_qmp_place_pass(VpQmpPlace *place, const char *bytes, gsize n)
{
    const char *end = bytes + n, *line = NULL;

    while (bytes < end && (line = memchr(bytes, '\n', end - bytes))) {
        place->lines++;
        place->columns = 0;
        bytes = line + 1;
    }
    place->columns += end - bytes;
}

static State
next_state(guint8 state, char byte)
{
    return rules[state][classes[(guint8)byte]] ?: others[state];
}

static void
begin_unit(VpQmpIntake *intake, guint8 state)
{
    intake->state = state;
    intake->braces = intake->brackets = 0;
    intake->tokens = 0;
    intake->dialect = false;
}

void
vp_qmp_intake_clear(VpQmpIntake *intake)
{
    vp_buffer_clear(&intake->partial);
    *intake = (VpQmpIntake)VP_QMP_INTAKE_INIT;
}

/* A token is complete; @last is its last byte. */
static VpQmpIntakeVerdict
count_token(VpQmpIntake *intake, char last)
{
    intake->braces += (last == '{') - (last == '}');
    intake->brackets += (last == '[') - (last == ']');
    if (++intake->tokens > VP_QMP_TOKENS_MAX)
        return VP_QMP_UNIT_TOO_MANY;
    if (intake->braces + intake->brackets > (gint)VP_QMP_NESTING_MAX)
        return VP_QMP_UNIT_TOO_DEEP;
    if (intake->braces < 0 || intake->brackets < 0 || intake->braces + intake->brackets == 0)
        return VP_QMP_UNIT_VALUE;
    return VP_QMP_UNIT_MORE;
}

/* Looks at one byte. *ret_used: whether it belongs to what came before. */
static VpQmpIntakeVerdict
feed(VpQmpIntake *intake, char byte, bool *ret_used)
{
    guint8 before = intake->state;
    State next = next_state(before, byte);

    *ret_used = next != TOKEN_BEFORE;
    intake->dialect |= byte == '\'' || byte == NUL_HEAD;
    if (next < STATES) {
        intake->state = next;
        return VP_QMP_UNIT_MORE;
    }
    intake->state = START;
    if (next == ERROR)
        return VP_QMP_UNIT_BROKEN;
    return count_token(intake, before == START ? byte : '\0');
}

/* Nothing of a unit is there yet: what comes is between units. */
static bool
is_between(const VpQmpIntake *intake)
{
    return intake->tokens == 0 && (intake->state == START || intake->state == RECOVERY);
}

/* Leaves out what is between units. */
static void
skip_between(VpQmpIntake *intake, const char **bytes, gsize *n)
{
    while (*n > 0) {
        State next = next_state(intake->state, **bytes);

        if (next == RESUME) {
            intake->state = START;
            continue;
        }
        if (next != intake->state)
            return;
        (*bytes)++;
        (*n)--;
    }
}

/* The unit at hand has ended with the @size bytes at @text. */
static void
hand_out(VpQmpIntake *intake, const char *text, gsize size, VpQmpIntakeVerdict verdict,
         VpQmpUnit *ret_unit)
{
    VpQmpUnit unit = {
        .text = text,
        .size = size,
        .dialect = intake->dialect,
        .place = intake->begin,
    };

    if (intake->partial.len > 0) {
        vp_buffer_append(&intake->partial, text, size);
        unit.text = (const char *)vp_buffer_bytes(&intake->partial);
        unit.size = intake->partial.len;
        intake->returned = true;
    }
    begin_unit(intake, verdict == VP_QMP_UNIT_BROKEN ? RECOVERY : START);
    *ret_unit = unit;
}

VpQmpIntakeVerdict
vp_qmp_intake_next(VpQmpIntake *intake, const char **bytes, gsize *n, VpQmpUnit *ret_unit)
{
    VpQmpIntakeVerdict verdict = VP_QMP_UNIT_MORE;
    const char *start = *bytes;
    gsize room = 0;

    if (intake->returned)
        vp_buffer_clear(&intake->partial);
    intake->returned = false;
    if (is_between(intake)) {
        skip_between(intake, bytes, n);
        vp_qmp_place_pass(&intake->at, start, *bytes - start);
        intake->begin = intake->at;
    }
    start = *bytes;
    room = VP_QMP_COMMAND_MAX - intake->partial.len;
    while (*n > 0 && verdict == VP_QMP_UNIT_MORE) {
        bool used = false;

        verdict = feed(intake, **bytes, &used);
        *bytes += used;
        *n -= used;
        if ((gsize)(*bytes - start) > room)
            verdict = VP_QMP_UNIT_TOO_LONG;
    }
    vp_qmp_place_pass(&intake->at, start, *bytes - start);
    if (verdict != VP_QMP_UNIT_MORE)
        hand_out(intake, start, *bytes - start, verdict, ret_unit);
    else
        vp_buffer_append(&intake->partial, start, *bytes - start);
    return verdict;
}

/* Appends the byte or the two at @at as it has to be in double quotes; how many these are. */
static gsize
append_one(GString *out, const char *at, const char *end, State state)
{
    bool pair = at + 1 < end;

    if (*at == '\\' && pair && at[1] == '\'') {
        g_string_append_c(out, '\'');
        return 2;
    }
    if (*at == '\\' && pair) {
        g_string_append_len(out, at, 2);
        return 2;
    }
    if (*at == NUL_HEAD && pair && at[1] == NUL_TAIL) {
        g_string_append(out, "\\u0000");
        return 2;
    }
    if (state == SINGLE && *at == '"')
        g_string_append_c(out, '\\');
    g_string_append_c(out, *at);
    return 1;
}

GString *
vp_qmp_unit_to_json(const VpQmpUnit *unit)
{
    GString *out = g_string_sized_new(unit->size + 16);
    const char *at = unit->text, *end = unit->text + unit->size;
    State state = START; /* or STRING, or SINGLE */

    while (at < end) {
        char quote = state == STRING ? '"' : '\'';

        if (state == START && (*at == '"' || *at == '\''))
            state = *at == '"' ? STRING : SINGLE;
        else if (state != START && *at == quote)
            state = START;
        else {
            at += append_one(out, at, end, state);
            continue;
        }
        g_string_append_c(out, '"');
        at++;
    }
    return out;
}
