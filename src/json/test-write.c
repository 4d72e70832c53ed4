/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Written JSON: spacing, commas, every kind of value, and that misuse does not go unnoticed.
 */

#include "json/write.h"

#include <string.h>

static void
write_all(VpJsonWriter *writer)
{
    vp_json_begin_object(writer, NULL);
    vp_json_add_string(writer, "device", "net\"0\n");
    vp_json_begin_array(writer, "fds");
    vp_json_add_int(writer, NULL, G_MININT64);
    vp_json_add_uint(writer, NULL, G_MAXUINT64);
    vp_json_begin_object(writer, NULL);
    vp_json_end(writer);
    vp_json_begin_array(writer, NULL);
    vp_json_end(writer);
    vp_json_end(writer);
    vp_json_add_bool(writer, "on", true);
    vp_json_add_bool(writer, "off", false);
    vp_json_add_null(writer, "nothing");
    vp_json_add_string(writer, "neither", NULL);
    vp_json_add_given(writer, "given", "");
    vp_json_add_given(writer, "not", NULL);
    vp_json_add_raw(writer, "k\\ey", "[1e3]...", 5);
    vp_json_end(writer);
}

static void
test_spaced(void)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();
    g_autofree char *text = NULL;

    write_all(&writer);
    text = vp_json_writer_steal(&writer);
    g_assert_cmpstr(text, ==,
                    "{\"device\": \"net\\\"0\\n\", \"fds\": [-9223372036854775808, "
                    "18446744073709551615, {}, []], \"on\": true, \"off\": false, "
                    "\"nothing\": null, \"neither\": null, \"given\": \"\", \"k\\\\ey\": [1e3]}");
}

static void
test_compact(void)
{
    g_auto(VpJsonWriter) writer = vp_json_writer_compact();
    g_autofree char *text = NULL;

    write_all(&writer);
    text = vp_json_writer_steal(&writer);
    g_assert_cmpstr(text, ==,
                    "{\"device\":\"net\\\"0\\n\",\"fds\":[-9223372036854775808,"
                    "18446744073709551615,{},[]],\"on\":true,\"off\":false,"
                    "\"nothing\":null,\"neither\":null,\"given\":\"\",\"k\\\\ey\":[1e3]}");
}

/* Counted or up to a NULL. */
static void
test_strings(void)
{
    static const char *const strings[] = { "a", "\"", NULL };
    g_auto(VpJsonWriter) writer = vp_json_writer();
    g_autofree char *text = NULL;

    vp_json_begin_object(&writer, NULL);
    vp_json_add_strings(&writer, "all", strings, -1);
    vp_json_add_strings(&writer, "one", strings, 1);
    vp_json_add_strings(&writer, "none", strings, 0);
    vp_json_add_strings(&writer, "nothing", NULL, -1);
    vp_json_add_strings(&writer, "empty", NULL, 0);
    vp_json_end(&writer);
    text = vp_json_writer_steal(&writer);
    g_assert_cmpstr(text, ==, "{\"all\": [\"a\", \"\\\"\"], \"one\": [\"a\"], \"none\": [], "
                    "\"nothing\": [], \"empty\": []}");
}

/* After one text the writer takes another. */
static void
test_again(void)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();

    for (guint i = 0; i < 2; i++) {
        g_autofree char *text = NULL;

        vp_json_add_string(&writer, NULL, "x");
        text = vp_json_writer_steal(&writer);
        g_assert_cmpstr(text, ==, "\"x\"");
    }
}

static void
misuse(const char *what)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();
    g_autofree char *text = NULL;

    if (strcmp(what, "key-outside") == 0)
        vp_json_add_null(&writer, "a");
    vp_json_begin_array(&writer, NULL);
    if (strcmp(what, "key-in-array") == 0)
        vp_json_add_null(&writer, "a");
    if (strcmp(what, "left-open") == 0)
        text = vp_json_writer_steal(&writer);
    vp_json_end(&writer);
    if (strcmp(what, "two-values") == 0)
        vp_json_add_null(&writer, NULL);
    if (strcmp(what, "closed-twice") == 0)
        vp_json_end(&writer);
    text = vp_json_writer_steal(&writer);
    if (strcmp(what, "empty") == 0)
        text = vp_json_writer_steal(&writer);
    vp_json_begin_object(&writer, NULL);
    if (strcmp(what, "no-key") == 0)
        vp_json_add_null(&writer, NULL);
}

static void
test_misuse(gconstpointer what)
{
    if (g_test_subprocess()) {
        misuse(what);
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*assertion failed*");
}

int
main(int argc, char **argv)
{
    static const char *const wrong[] = { "key-outside", "key-in-array", "left-open", "two-values",
                                         "closed-twice", "empty", "no-key" };

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/write/spaced", test_spaced);
    g_test_add_func("/json/write/compact", test_compact);
    g_test_add_func("/json/write/strings", test_strings);
    g_test_add_func("/json/write/again", test_again);
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *path = g_strconcat("/json/write/misuse/", wrong[i], NULL);

        g_test_add_data_func(path, wrong[i], test_misuse);
    }
    return g_test_run();
}
