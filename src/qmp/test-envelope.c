/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What QEMU's messages are taken for, and replies with their id exchanged. */

#include "qmp/envelope.h"

#include "base/limits.h"

#include <string.h>

static void
assert_slice(VpJsonSlice slice, const char *expected)
{
    g_autofree char *text = slice.text ? g_strndup(slice.text, slice.size) : NULL;

    g_assert_cmpstr(text, ==, expected);
}

static void
test_kinds(void)
{
    static const struct {
        const char *message;
        VpQmpKind kind;
        const char *body;
        const char *id;
    } cases[] = {
        { "{\"QMP\": {\"version\": {}, \"capabilities\": []}}", VP_QMP_GREETING,
          "{\"version\": {}, \"capabilities\": []}", NULL },
        { "{\"return\": {}, \"id\": 3}", VP_QMP_RETURN, "{}", "3" },
        { "{\"return\": []}", VP_QMP_RETURN, "[]", NULL },
        { "{\"id\": 12, \"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}",
          VP_QMP_FAILURE, "{\"class\": \"GenericError\", \"desc\": \"x\"}", "12" },
        { "{\"timestamp\": {\"seconds\": 1}, \"event\": \"STOP\"}", VP_QMP_EVENT, "\"STOP\"",
          NULL },
        { "{\"return\": {\"error\": 1, \"event\": 2, \"id\": 7}}", VP_QMP_RETURN,
          "{\"error\": 1, \"event\": 2, \"id\": 7}", NULL },
        { "{\"new\": 1, \"return\": 2}", VP_QMP_RETURN, "2", NULL },
        { "{\"r\\u0065turn\": 2}", VP_QMP_RETURN, "2", NULL },
        { "{}", VP_QMP_GARBAGE, NULL, NULL },
        { "{\"id\": 1}", VP_QMP_GARBAGE, NULL, NULL },
        { "[]", VP_QMP_GARBAGE, NULL, NULL },
        { "[1, {\"return\": 1}]", VP_QMP_GARBAGE, NULL, NULL },
        { "", VP_QMP_GARBAGE, NULL, NULL },
        { "hello", VP_QMP_GARBAGE, NULL, NULL },
        { "{\"return\": {}", VP_QMP_GARBAGE, NULL, NULL },
        { "{\"return\": {}} {}", VP_QMP_GARBAGE, NULL, NULL },
        { "{\"return\": 1, \"return\": 2}", VP_QMP_GARBAGE, NULL, NULL },
        { "{\"return\": 1, \"error\": 2}", VP_QMP_GARBAGE, NULL, NULL },
        { "{\"return\": 1, \"event\": \"X\"}", VP_QMP_GARBAGE, NULL, NULL },
        { "{\"return\": 1, \"id\": 1, \"id\": 2}", VP_QMP_GARBAGE, NULL, NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        VpQmpEnvelope envelope;

        vp_qmp_envelope_read(cases[i].message, strlen(cases[i].message), &envelope);
        g_assert_cmpint(envelope.kind, ==, cases[i].kind);
        assert_slice(envelope.body, cases[i].body);
        assert_slice(envelope.id, cases[i].id);
    }
}

static void
test_event(void)
{
    const char *message = "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, "
                          "\"event\": \"SHUTDOWN\", \"data\": {\"guest\": false}}";
    VpQmpEnvelope envelope;

    vp_qmp_envelope_read(message, strlen(message), &envelope);
    g_assert_cmpint(envelope.kind, ==, VP_QMP_EVENT);
    assert_slice(envelope.body, "\"SHUTDOWN\"");
    assert_slice(envelope.data, "{\"guest\": false}");
    assert_slice(envelope.timestamp, "{\"seconds\": 1, \"microseconds\": 2}");
}

static void
test_own_id(void)
{
    static const struct {
        const char *message;
        int id;
    } cases[] = {
        { "{\"return\": 1, \"id\": 0}", 0 },      { "{\"return\": 1, \"id\": 9}", 9 },
        { "{\"return\": 1, \"id\": 42}", 42 },    { "{\"return\": 1, \"id\": 123}", -1 },
        { "{\"return\": 1, \"id\": -1}", -1 },    { "{\"return\": 1, \"id\": \"1\"}", -1 },
        { "{\"return\": 1, \"id\": 1.5}", -1 },   { "{\"return\": 1, \"id\": [1]}", -1 },
        { "{\"return\": 1, \"id\": null}", -1 },  { "{\"return\": 1}", -1 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        VpQmpEnvelope envelope;

        vp_qmp_envelope_read(cases[i].message, strlen(cases[i].message), &envelope);
        g_assert_cmpint(vp_qmp_envelope_own_id(&envelope), ==, cases[i].id);
    }
}

static void
assert_restored(const char *message, const char *id, const char *expected)
{
    gsize size = strlen(message);
    g_autofree char *block = g_memdup2(message, size + 1); /* one byte behind is ours */
    char *result = block;
    g_autofree char *copy = NULL;
    VpJsonSlice slice = { .text = id, .size = id ? strlen(id) : 0 };
    VpQmpEnvelope envelope;

    block[size] = '\r';
    vp_qmp_envelope_read(block, size, &envelope);
    vp_qmp_envelope_restore_id(&envelope, slice, &result, &size, &copy);
    g_assert_cmpstr(result, ==, expected);
    g_assert_cmpuint(size, ==, strlen(expected));
}

static void
test_restore_id(void)
{
    static const struct {
        const char *message;
        const char *id;
        const char *expected;
    } cases[] = {
        /* as QEMU writes a return */
        { "{\"return\": {\"a\": [1]}, \"id\": 3}", NULL, "{\"return\": {\"a\": [1]}}" },
        { "{\"return\": {}, \"id\": 3}", "7", "{\"return\": {}, \"id\": 7}" },
        { "{\"return\": {}, \"id\": 33}", "7", "{\"return\": {}, \"id\": 7}" },
        { "{\"return\": {}, \"id\": 3}", "\"libvirt-415\"",
          "{\"return\": {}, \"id\": \"libvirt-415\"}" },
        { "{\"return\": {}, \"id\": 3}", "{ \"a\" : [ null ] }",
          "{\"return\": {}, \"id\": { \"a\" : [ null ] }}" },
        /* an error */
        { "{\"id\": 3, \"error\": {\"class\": \"C\"}}", NULL, "{\"error\": {\"class\": \"C\"}}" },
        { "{\"id\": 13, \"error\": {}}", "\"\"", "{\"id\": \"\", \"error\": {}}" },
        { "{\"id\": 13, \"error\": {}}", "5", "{\"id\": 5, \"error\": {}}" },
        { "{\"id\": 3, \"error\": {}}", "true", "{\"id\": true, \"error\": {}}" },
        /* and what it does not write, but may */
        { "{\"a\": 1, \"id\": 3, \"return\": 1}", NULL, "{\"a\": 1, \"return\": 1}" },
        { "{ \"return\" : 1 , \"id\" : 3 }", NULL, "{ \"return\" : 1 }" },
        { "{\"return\": 1}", NULL, "{\"return\": 1}" },
        { "{\"error\": {}}", "5", "{\"error\": {}}" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_restored(cases[i].message, cases[i].id, cases[i].expected);
}

/* With @n members, the last of which says what it is. */
static VpQmpKind
kind_of_members(guint n)
{
    g_autoptr(GString) text = g_string_new("{");
    VpQmpEnvelope envelope;

    for (guint i = 1; i < n; i++)
        g_string_append_printf(text, "\"new%u\": 1, ", i);
    g_string_append(text, "\"return\": 1}");
    vp_qmp_envelope_read(text->str, text->len, &envelope);
    return envelope.kind;
}

static void
test_members_limit(void)
{
    g_assert_cmpint(kind_of_members(VP_QMP_MEMBERS_MAX), ==, VP_QMP_RETURN);
    g_assert_cmpint(kind_of_members(VP_QMP_MEMBERS_MAX + 1), ==, VP_QMP_GARBAGE);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/envelope/kinds", test_kinds);
    g_test_add_func("/qmp/envelope/event", test_event);
    g_test_add_func("/qmp/envelope/own-id", test_own_id);
    g_test_add_func("/qmp/envelope/restore-id", test_restore_id);
    g_test_add_func("/qmp/envelope/members-limit", test_members_limit);
    return g_test_run();
}
