/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What QEMU 7.2 and 11.1 say of the same bytes; tests/client/monitor_tools.py asks the one that is
 * installed. */

#include "qmp_judge.h"

#include <string.h>

/* What is said of each unit of @text, "|" behind each; nothing of JSON. */
static char *
judge_all(const char *text, bool newer)
{
    g_autofree char *line = g_strconcat(text, "\n", NULL);
    const char *bytes = line;
    gsize left = strlen(line);
    VpQmpIntake intake = VP_QMP_INTAKE_INIT;
    GString *said = g_string_new(NULL);

    while (left > 0) {
        VpQmpUnit unit = { 0 };
        VpQmpIntakeVerdict verdict = vp_qmp_intake_next(&intake, &bytes, &left, &unit);
        g_autofree char *error = NULL;

        if (verdict == VP_QMP_UNIT_MORE)
            break;
        error = vp_qmp_judge(&unit, verdict == VP_QMP_UNIT_BROKEN, newer);
        g_string_append_printf(said, "%s|", error ?: "");
    }
    vp_qmp_intake_clear(&intake);
    return g_string_free(said, FALSE);
}

#define ERR "JSON parse error, "

static void
test_words(void)
{
    static const struct {
        const char *bytes;
        const char *older;
        const char *newer;
    } cases[] = {
        { "{\"a\": [1, 'x', null]} 7", "||", "||" },
        { "{\"execute\": nope}", ERR "invalid keyword 'nope'|",
          "1:13: " ERR "invalid keyword 'nope'|" },
        { "{\"a\":1,}", ERR "expecting value|", "1:8: " ERR "expecting key|" },
        { "{,}{1:2}", ERR "expecting value|" ERR "key is not a string in object|",
          "1:2: " ERR "expecting key|1:5: " ERR "expecting key|" },
        { "{\"a\"}", ERR "missing : in object pair|", "1:5: " ERR "expecting ':'|" },
        { "{\"a\":1 2}", ERR "expected separator in dict|", "1:8: " ERR "expected ',' or '}'|" },
        { "[1 2]", ERR "expected separator in list|", "1:4: " ERR "expected ',' or ']'|" },
        { "[1,]", ERR "expecting value|", "1:4: " ERR "expecting value|" },
        { "] {\"a\":}", ERR "expecting value|" ERR "expecting value|",
          "1:1: " ERR "expecting value|1:8: " ERR "expecting value|" },
        { "{]}", ERR "expecting value|" ERR "expecting value|",
          "1:2: " ERR "expecting key|1:3: " ERR "expecting value|" },
        { "[\"\\x\"]", ERR "invalid escape sequence in string|",
          "1:2: " ERR "invalid escape sequence in string|" },
        { "\"\\u12\"", ERR "\\u12\" is not a valid Unicode character|",
          "1:1: " ERR "\\u12\" is not a valid Unicode character|" },
        { "\"\xc0\xaf\"", ERR "invalid UTF-8 sequence in string|",
          "1:1: " ERR "invalid UTF-8 sequence in string|" },
        /* lines and columns of all there was, in bytes */
        { "\"\xc3\xa9\" nope", "|" ERR "invalid keyword 'nope'|",
          "|1:6: " ERR "invalid keyword 'nope'|" },
        { "{}\n\n {\"a\":\n1 :}", "|" ERR "expected separator in dict|",
          "|4:3: " ERR "expected ',' or '}'|" },
        { "{\"a\":\n1,\n\"\\u0061\"\n:\n2\n}", ERR "duplicate key|", "5:1: " ERR "duplicate key|" },
        { "{\"a\":1,\"a\":\"x\" , nope}", ERR "duplicate key|", "1:12: " ERR "duplicate key|" },
        { "{\"a\":1,\"a\":[2\n] , nope}", ERR "duplicate key|", "2:1: " ERR "duplicate key|" },
        /* broken units: what stands ahead of the break */
        { "%", ERR "stray '%'|", "1:1: " ERR "stray '%'|" },
        { "{\"a\": -s", ERR "stray '-s'|", "1:7: " ERR "stray '-s'|" },
        { "{\"a\":1,\"a\":-s", ERR "stray '-s'|", "1:12: " ERR "stray '-s'|" },
        { "{\"a\":1,\"a\":2 %", ERR "stray '%'|", "1:12: " ERR "duplicate key|" },
        { "{\"a\" %", ERR "stray '%'|", "1:6: " ERR "stray '%'|" },
        { "{%", ERR "stray '%'|", "1:2: " ERR "stray '%'|" },
        { "{1:%", ERR "stray '%'|", "1:2: " ERR "expecting key|" },
        { "[1 %", ERR "stray '%'|", "1:4: " ERR "stray '%'|" },
        { "[\"\\u12\", %", ERR "stray '%'|",
          "1:2: " ERR "\\u12\" is not a valid Unicode character|" },
        { "[\n\"a\x01", ERR "stray '\"a\x01'|", "2:1: " ERR "stray '\"a\x01'|" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *older = judge_all(cases[i].bytes, false);
        g_autofree char *newer = judge_all(cases[i].bytes, true);

        g_assert_cmpstr(older, ==, cases[i].older);
        g_assert_cmpstr(newer, ==, cases[i].newer);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tools/qmp_judge/words", test_words);
    return g_test_run();
}
