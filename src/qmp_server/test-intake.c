/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What QEMU gives one answer, cut at every byte. The expectations were taken from QEMU 7.2; the
 * tests with the real one (tests/daemon/qmp_sockets.py) hold whichever is installed against this.
 */

#include "qmp_server/intake.h"

#include "base/limits.h"

#include <string.h>

static const char marks[] = {
    [VP_QMP_UNIT_VALUE] = '=',    [VP_QMP_UNIT_BROKEN] = '!',   [VP_QMP_UNIT_TOO_LONG] = 'L',
    [VP_QMP_UNIT_TOO_DEEP] = 'D', [VP_QMP_UNIT_TOO_MANY] = 'M',
};

/* The units of @bytes, fed @piece at a time: a mark, the text where there is one, and "|". */
static GString *
cut(VpQmpIntake *intake, const char *bytes, gsize size, gsize piece)
{
    GString *out = g_string_new(NULL);

    for (gsize start = 0; start < size; start += piece) {
        gsize n = MIN(piece, size - start);
        g_autofree char *block = g_memdup2(bytes + start, n); /* so that what is behind is caught */
        const char *at = block;
        VpQmpUnit unit;
        VpQmpIntakeVerdict verdict;

        while ((verdict = vp_qmp_intake_next(intake, &at, &n, &unit)) != VP_QMP_UNIT_MORE) {
            g_string_append_c(out, marks[verdict]);
            if (verdict <= VP_QMP_UNIT_BROKEN)
                g_string_append_len(out, unit.text, unit.size);
            g_string_append_c(out, '|');
        }
        g_assert_cmpuint(n, ==, 0);
    }
    for (gsize i = 0; i < out->len; i++)
        out->str[i] = out->str[i] ?: '@'; /* a NUL would end the text */
    return out;
}

static void
assert_units(const char *bytes, gsize size, const char *expected)
{
    for (gsize piece = 1; piece <= size; piece++) {
        VpQmpIntake intake = VP_QMP_INTAKE_INIT;
        g_autoptr(GString) found = cut(&intake, bytes, size, piece);

        g_assert_cmpstr(found->str, ==, expected);
        vp_qmp_intake_clear(&intake);
    }
}

static void
test_units(void)
{
    static const struct {
        const char *bytes;
        const char *units;
    } cases[] = {
        { "{}", "={}|" },
        { " \r\n\t{} \n", "={}|" },
        { "{\"a\": {\"b\": [1, {}]}}{}", "={\"a\": {\"b\": [1, {}]}}|={}|" },
        { "{\"a\":\n\"}{\\\"]\"}\n", "={\"a\":\n\"}{\\\"]\"}|" },
        { "{'a\"}': 'x\\'}'}", "={'a\"}': 'x\\'}'}|" },
        { "1 2\n-3.5e+10,", "=1|=2|=-3.5e+10|=,|" },
        { "null truefalse:", "=null|=truefalse|=:|" },
        { "\"x\"'y'", "=\"x\"|='y'|" },
        { "[1 2]", "=[1 2]|" },
        /* Braces and brackets are counted apart. */
        { "{\"a\":1]", "={\"a\":1]|" },
        { "{]}", "={]|=}|" },
        { "[}{]", "=[}|={]|" },
        { "]]", "=]|=]|" },
        { "{[}] {}", "={[}]|={}|" },
        /* What is no token, and where it goes on. */
        { "0123 \"x\" {}", "!01|={}|" },
        { "\xff{}", "!\xff|={}|" },
        { "\xff\xfe{}", "!\xff|!\xfe|={}|" },
        { "-x{}", "!-x|={}|" },
        { "-{}{}", "!-{|=}|={}|" },
        { "\"a\nb\"{}", "!\"a\n|={}|" },
        { "1\x80 2\n3\n", "=1|!\x80|=3|" },
        { "abc\x80,", "=abc|!\x80|=,|" },
        { "%p [1,2]", "!%|=[1,2]|" },
        { "{\"execute\":\v\"x\"}", "!{\"execute\":\v|=}|" },
        { "{\"a\": \"\t\"} 1\n", "!{\"a\": \"\t|=}|=1|" },
        { "/**/ x\ny\n", "!/|=y|" },
        { "1.5e+\n{}", "!1.5e+\n|={}|" },
        { "0.e 1.\n1E5\n", "!0.e|=1E5|" },
        { "+1\nA\n", "!+|!A|" },
        { "\"\\\x01\"\n{}", "!\"\\\x01|={}|" },
        /* Nothing is ever ready. */
        { "{\"execute\": \"stop\"", "" },
        { "123", "" },
        { "\"", "" },
        { "", "" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_units(cases[i].bytes, strlen(cases[i].bytes), cases[i].units);
    assert_units("{\"a\0\"}{}", 8, "!{\"a@|=}|={}|");
}

static void
assert_limit(const char *head, const char *filling, gsize n, const char *tail, const char *expected)
{
    g_autoptr(GString) text = g_string_new(head);
    VpQmpIntake intake = VP_QMP_INTAKE_INIT;
    g_autoptr(GString) found = NULL;

    for (gsize i = 0; i < n; i++)
        g_string_append(text, filling);
    g_string_append(text, tail);
    found = cut(&intake, text->str, text->len, 70000);
    if (*expected == '=') /* whole, and what follows too */
        g_assert_true(g_str_has_suffix(found->str, "|={}|"));
    else
        g_assert_cmpstr(found->str, ==, expected);
    g_assert_true(*found->str == *expected);
    vp_qmp_intake_clear(&intake);
}

static void
test_limits(void)
{
    gsize deep = VP_QMP_NESTING_MAX;
    g_autofree char *closers = g_strnfill(deep, ']');
    g_autofree char *closed = g_strconcat(closers, "{}", NULL);
    /* Two of the bytes are quotes. */
    gsize letters = VP_QMP_COMMAND_MAX - 2;

    assert_limit("", "[", deep, closed, "=");
    assert_limit("", "[", deep + 1, "{}", "D|={}|");
    assert_limit("\"", "a", letters, "\"{}", "=");
    assert_limit("\"", "a", letters + 1, "\"{}", "L|={}|");
    assert_limit("\"", "a", letters + 3, "{}", "L|=a|={}|");
    /* The brackets are tokens too. */
    assert_limit("[", ",", VP_QMP_TOKENS_MAX - 2, "]{}", "=");
    assert_limit("[", ",", VP_QMP_TOKENS_MAX, "{}", "M|={}|");
}

static void
test_nothing_kept(void)
{
    VpQmpIntake intake = VP_QMP_INTAKE_INIT;
    const char *bytes = "{\"a\": 1} 2 ";
    gsize n = strlen(bytes);
    VpQmpUnit unit;

    g_assert_cmpint(vp_qmp_intake_next(&intake, &bytes, &n, &unit), ==, VP_QMP_UNIT_VALUE);
    g_assert_cmpint(vp_qmp_intake_next(&intake, &bytes, &n, &unit), ==, VP_QMP_UNIT_VALUE);
    g_assert_cmpint(vp_qmp_intake_next(&intake, &bytes, &n, &unit), ==, VP_QMP_UNIT_MORE);
    g_assert_null(intake.partial.block);
}

static void
test_dialect(void)
{
    static const struct {
        const char *unit;
        const char *json; /* NULL: nothing to do */
    } cases[] = {
        { "{\"a\": 1}", NULL },
        { "{'execute': 'stop'}", "{\"execute\": \"stop\"}" },
        { "['a\"b', 'c\\'d', 'e\\\"f', 'g\\\\', \"h'i\", \"j\\'k\"]",
          "[\"a\\\"b\", \"c'd\", \"e\\\"f\", \"g\\\\\", \"h'i\", \"j'k\"]" },
        { "\"\xc0\x80\xc3\xa9\"", "\"\\u0000\xc3\xa9\"" },
        { "\"\xc0\xaf\"", "\"\xc0\xaf\"" }, /* QEMU refuses it, as it was sent */
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        VpQmpIntake intake = VP_QMP_INTAKE_INIT;
        const char *bytes = cases[i].unit;
        gsize n = strlen(bytes);
        g_autoptr(GString) json = NULL;
        VpQmpUnit unit;

        g_assert_cmpint(vp_qmp_intake_next(&intake, &bytes, &n, &unit), ==, VP_QMP_UNIT_VALUE);
        g_assert_cmpint(unit.dialect, ==, cases[i].json != NULL);
        json = vp_qmp_unit_to_json(&unit);
        g_assert_cmpstr(json->str, ==, cases[i].json ?: cases[i].unit);
        vp_qmp_intake_clear(&intake);
    }
}

/* Where units begin, whatever comes in one read. */
static void
test_places(void)
{
    static const char bytes[] = "{} [1,\n2]\n\n  \"x\" %skipped\nA\xff\xff\n{\n}7 ";
    static const VpQmpPlace places[] = { { 0, 0 }, { 0, 3 }, { 3, 2 }, { 3, 6 },
                                         { 4, 0 }, { 4, 1 }, { 4, 2 }, { 5, 0 }, { 6, 1 } };

    for (gsize step = 1; step < sizeof(bytes); step++) {
        VpQmpIntake intake = VP_QMP_INTAKE_INIT;
        gsize found = 0;

        for (gsize done = 0; done < strlen(bytes); done += step) {
            const char *at = bytes + done;
            gsize left = MIN(step, strlen(bytes) - done);
            VpQmpUnit unit = { 0 };

            while (vp_qmp_intake_next(&intake, &at, &left, &unit) != VP_QMP_UNIT_MORE) {
                g_assert_cmpuint(found, <, G_N_ELEMENTS(places));
                g_assert_cmpuint(unit.place.lines, ==, places[found].lines);
                g_assert_cmpuint(unit.place.columns, ==, places[found].columns);
                found++;
            }
        }
        g_assert_cmpuint(found, ==, G_N_ELEMENTS(places));
        vp_qmp_intake_clear(&intake);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp_server/intake/units", test_units);
    g_test_add_func("/qmp_server/intake/limits", test_limits);
    g_test_add_func("/qmp_server/intake/nothing-kept", test_nothing_kept);
    g_test_add_func("/qmp_server/intake/dialect", test_dialect);
    g_test_add_func("/qmp_server/intake/places", test_places);
    return g_test_run();
}
