/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From a user's text to what QEMU gets. */

#include "qmp/command.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static VpQmpCommand *
parse(const char *json)
{
    gsize size = strlen(json);
    g_autofree char *exact = g_memdup2(json, size);
    VpQmpCommand *command = NULL;
    g_autofree char *message = NULL;

    g_assert_cmpint(vp_qmp_command_parse(exact, size, NULL, 0, &command, &message), ==,
                    VP_QMP_ACCEPTED);
    return command;
}

static void
test_text(void)
{
    static const struct {
        const char *json;
        const char *text;
        const char *id;
        bool object;
    } cases[] = {
        { "{\"execute\":\"stop\"}", "\"execute\":\"stop\"}\n", NULL, true },
        { " {\n \"execute\" : \"x y\" }\r\n", "\"execute\":\"x y\"}\n", NULL, true },
        { "{\"execute\":\v\"stop\"\f}", "\"execute\":\"stop\"}\n", NULL, true },
        { "{}", "}\n", NULL, true },
        { "{ \"id\" : 1 }", "}\n", "1", true },
        { "{\"id\": \"a\", \"execute\": \"stop\"}", "\"execute\":\"stop\"}\n", "\"a\"", true },
        { "{\"execute\": \"stop\", \"id\": { \"a\" : [ 1 ] }}", "\"execute\":\"stop\"}\n",
          "{ \"a\" : [ 1 ] }", true },
        { "{\"execute\": \"stop\", \"i\\u0064\": null, \"arguments\": {\"id\": 4}}",
          "\"execute\":\"stop\",\"arguments\":{\"id\":4}}\n", "null", true },
        { "{\"execute\": \"stop\"} \"no end", "\"execute\":\"stop\"}\n", NULL, true },
        { " [1, 2] ", "[1,2]\n", NULL, false },
        { "\"a b\"", "\"a b\"\n", NULL, false },
        { "12", "12\n", NULL, false },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VpQmpCommand) command = parse(cases[i].json);

        g_assert_cmpstr(command->text->str, ==, cases[i].text);
        g_assert_cmpstr(command->client_id, ==, cases[i].id);
        g_assert_cmpuint(command->client_id_size, ==, cases[i].id ? strlen(cases[i].id) : 0);
        g_assert_true(command->object == cases[i].object);
    }
}

static void
test_kind(void)
{
    static const struct {
        const char *json;
        bool oob;
        bool claims;
        bool plain;
    } cases[] = {
        { "{\"exec-oob\": \"query-yank\"}", true, false, false },
        { "{\"exec-oob\": \"getfd\"}", true, false, false },
        { "{\"ex\\u0065c-oob\": 5}", true, false, false },
        { "{\"exec-oob\": \"a\", \"execute\": \"b\"}", false, false, false },
        { "{\"exec-oob\": \"yank\", \"arguments\": {\"x\": \"\\ud800\"}}", false, false, false },
        { "{\"exec-oob\": \"yank\", \"id\": \"\xc0\x80\"}", false, false, false },
        { "{\"arguments\": {\"exec-oob\": 1}}", false, false, true },
        { "[{\"exec-oob\": 1}]", false, false, false },
        { "{\"execute\": \"getfd\"}", false, true, true },
        { "{\"execute\": \"\\u0061dd-fd\"}", false, true, true },
        { "{\"execute\": \"stop\", \"id\": 1}", false, false, false },
        { "{}", false, false, true },
        { "{\"execute\": \"closefd\"}", false, false, true },
        { "{\"execute\": \"stop\", \"arguments\": {\"execute\": \"getfd\"}}", false, false, true },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VpQmpCommand) command = parse(cases[i].json);

        g_assert_true(command->oob_wanted == cases[i].oob);
        g_assert_true(command->claims_fd == cases[i].claims);
        g_assert_true(command->plain == cases[i].plain);
    }
}

static VpQmpVerdict
parse_with_fds(guint n)
{
    int fds[VP_QMP_FDS_MAX + 1];
    g_autoptr(VpQmpCommand) command = NULL;
    g_autofree char *message = NULL;
    VpQmpVerdict verdict;

    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        fds[i] = STDERR_FILENO;
    verdict = vp_qmp_command_parse("{}", 2, fds, n, &command, &message);
    if (verdict == VP_QMP_ACCEPTED) {
        g_assert_cmpuint(command->n_fds, ==, n);
        for (guint i = 0; i < n; i++) {
            g_assert_cmpint(command->fds[i], !=, STDERR_FILENO);
            g_assert_cmpint(fcntl(command->fds[i], F_GETFD), ==, FD_CLOEXEC);
        }
    }
    return verdict;
}

static void
test_fds(void)
{
    int lowest = dup(STDERR_FILENO), again = -1;

    close(lowest);
    g_assert_cmpint(parse_with_fds(0), ==, VP_QMP_ACCEPTED);
    g_assert_cmpint(parse_with_fds(1), ==, VP_QMP_ACCEPTED);
    g_assert_cmpint(parse_with_fds(VP_QMP_FDS_MAX), ==, VP_QMP_ACCEPTED);
    g_assert_cmpint(parse_with_fds(VP_QMP_FDS_MAX + 1), ==, VP_QMP_TOO_MANY_FDS);
    again = dup(STDERR_FILENO);
    g_assert_cmpint(again, ==, lowest); /* none was left open */
    close(again);
}

/* When this process may not have more open, what was duplicated already goes away again. */
static void
test_fds_exhausted(void)
{
    int lowest = dup(STDERR_FILENO), again = -1;
    struct rlimit old, low;

    close(lowest);
    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &old), ==, 0);
    low = (struct rlimit){ .rlim_cur = lowest + 3, .rlim_max = old.rlim_max };
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &low), ==, 0);
    g_assert_cmpint(parse_with_fds(3), ==, VP_QMP_ACCEPTED);
    g_assert_cmpint(parse_with_fds(4), ==, VP_QMP_TOO_MANY_FDS);
    again = dup(STDERR_FILENO);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &old), ==, 0);
    g_assert_cmpint(again, ==, lowest);
    close(again);
}

static void
test_invalid(void)
{
    VpQmpCommand *command = NULL;
    g_autofree char *message = NULL;

    g_assert_cmpint(vp_qmp_command_parse("{\"id\":1,\"id\":2}", 15, NULL, 0, &command, &message),
                    ==, VP_QMP_INVALID);
    g_assert_null(command);
    g_assert_true(g_str_has_prefix(message, "parse error: client cancelled"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/command/text", test_text);
    g_test_add_func("/qmp/command/kind", test_kind);
    g_test_add_func("/qmp/command/fds", test_fds);
    g_test_add_func("/qmp/command/fds-exhausted", test_fds_exhausted);
    g_test_add_func("/qmp/command/invalid", test_invalid);
    return g_test_run();
}
