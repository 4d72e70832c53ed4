/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Adding a session to a running guest: what is said, in which order, and what answers mean. */

#include "qemu_passthrough/attach_steps.h"

#include "json/tree.h"

#include <string.h>

#define PATH "/run/x, \"y\"/virtpass-1"

/* What QEMU 11.1 answers. */
#define VERSION "{\"return\":{\"qemu\":{\"micro\":3,\"minor\":1,\"major\":11},\"package\":\"\"}}"
#define GOOD "{\"return\":{},\"id\":\"libvirt-7\"}"
#define BAD \
    "{\"id\":\"libvirt-8\",\"error\":{\"class\":\"GenericError\",\"desc\":\"no \\\"way\\\"\"}}"

/* An answer that is none of QEMU's: libvirtd did not pass the command on. */
#define NOT_PASSED_ON NULL

static void
answer(VpAttachSteps *steps, const char *reply)
{
    if (reply)
        vp_attach_steps_answer(steps, reply);
    else
        vp_attach_steps_refused(steps, "it is busy");
}

/* The commands' names, one after the other, as @replies are given to them. */
static char *
play(VpAttachSteps *steps, const char *const *replies, guint n_replies)
{
    g_autoptr(GString) said = g_string_new(NULL);

    for (guint i = 0; steps->step != VP_ATTACH_DONE; i++) {
        g_autofree char *command = vp_attach_steps_command(steps);
        g_autoptr(VpJsonTree) tree = vp_json_tree_parse(command, -1, NULL);

        g_assert_nonnull(tree);
        g_assert_cmpuint(i, <, n_replies);
        g_string_append_printf(said, "%s%s", i ? " " : "",
                               vp_json_string(vp_json_get(vp_json_root(tree), "execute")));
        answer(steps, replies[i]);
    }
    g_assert_null(vp_attach_steps_command(steps));
    return g_string_free(g_steal_pointer(&said), FALSE);
}

/* To the byte: QEMU 11.1 has been seen to take these. */
static void
test_commands(void)
{
    static const char *const expected[] = {
        [VP_ATTACH_QUERY_VERSION] = "{\"execute\":\"query-version\"}",
        [VP_ATTACH_ADD_CHARDEV] =
            "{\"execute\":\"chardev-add\",\"arguments\":{\"id\":\"ID\",\"backend\":{\"type\":"
            "\"socket\",\"data\":{\"addr\":{\"type\":\"unix\",\"data\":{\"path\":"
            "\"/run/x, \\\"y\\\"/virtpass-1\"}},\"server\":true,\"wait\":false}}}}",
        [VP_ATTACH_ADD_MONITOR] =
            "{\"execute\":\"object-add\",\"arguments\":{\"qom-type\":\"monitor-qmp\",\"id\":\"ID\","
            "\"chardev\":\"ID\"}}",
        [VP_ATTACH_REMOVE_MONITOR] =
            "{\"execute\":\"object-del\",\"arguments\":{\"id\":\"ID\"}}",
        [VP_ATTACH_REMOVE_CHARDEV] =
            "{\"execute\":\"chardev-remove\",\"arguments\":{\"id\":\"ID\"}}",
    };
    g_auto(VpAttachSteps) steps = vp_attach_steps_adding(PATH);

    g_free(steps.id);
    steps.id = g_strdup("ID");
    for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_autofree char *command = NULL;

        steps.step = i;
        command = vp_attach_steps_command(&steps);
        g_assert_cmpstr(command, ==, expected[i]);
    }
}

/* Known again after a restart, and nobody else's. */
static void
test_ids(void)
{
    g_auto(VpAttachSteps) one = vp_attach_steps_adding("/a/virtpass-1");
    g_auto(VpAttachSteps) same = vp_attach_steps_removing("/a/virtpass-1");
    g_auto(VpAttachSteps) other = vp_attach_steps_adding("/b/virtpass-1");

    g_assert_cmpstr(one.id, ==, same.id);
    g_assert_cmpstr(one.id, !=, other.id);
    g_assert_true(g_str_has_prefix(one.id, "virtpass-added-"));
    g_assert_cmpuint(strlen(one.id), ==, strlen("virtpass-added-") + 8);
}

static void
test_adding(void)
{
    static const struct {
        const char *replies[10];
        const char *said;
        const char *problem;    /* part of it; NULL: it is there */
        bool put_off;
    } cases[] = {
        { { VERSION, GOOD, GOOD }, "query-version chardev-add object-add", NULL, false },
        /* something of an earlier one was left */
        { { VERSION, BAD, GOOD, GOOD, GOOD, GOOD },
          "query-version chardev-add object-del chardev-remove chardev-add object-add", NULL,
          false },
        { { VERSION, BAD, BAD, GOOD, GOOD, GOOD },
          "query-version chardev-add object-del chardev-remove chardev-add object-add", NULL,
          false },
        /* it may not make the socket */
        { { VERSION, BAD, BAD, BAD, BAD },
          "query-version chardev-add object-del chardev-remove chardev-add", "no \"way\"", false },
        /* the chardev does not stay behind without a monitor */
        { { VERSION, GOOD, BAD, GOOD }, "query-version chardev-add object-add chardev-remove",
          "no \"way\"", false },
        { { VERSION, GOOD, BAD, BAD }, "query-version chardev-add object-add chardev-remove",
          "no \"way\"", false },
        { { VERSION, BAD, BAD, BAD, GOOD, BAD, GOOD },
          "query-version chardev-add object-del chardev-remove chardev-add object-add "
          "chardev-remove", "no \"way\"", false },
        /* libvirtd is in the way */
        { { NOT_PASSED_ON }, "query-version", "it is busy", true },
        { { VERSION, NOT_PASSED_ON }, "query-version chardev-add", "it is busy", true },
        { { VERSION, GOOD, NOT_PASSED_ON, GOOD },
          "query-version chardev-add object-add chardev-remove", "it is busy", true },
        { { VERSION, GOOD, NOT_PASSED_ON, NOT_PASSED_ON },
          "query-version chardev-add object-add chardev-remove", "it is busy", true },
        { { BAD }, "query-version", "no \"way\"", false },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(VpAttachSteps) steps = vp_attach_steps_adding(PATH);
        g_autofree char *said = play(&steps, cases[i].replies, G_N_ELEMENTS(cases[i].replies));

        g_assert_cmpstr(said, ==, cases[i].said);
        g_assert_cmpint(steps.put_off, ==, cases[i].put_off);
        if (cases[i].problem)
            g_assert_nonnull(strstr(steps.problem, cases[i].problem));
        else
            g_assert_null(steps.problem);
    }
}

static void
test_removing(void)
{
    static const char *const replies[][2] = {
        { GOOD, GOOD }, { BAD, BAD }, { NOT_PASSED_ON, NOT_PASSED_ON }, { BAD, GOOD },
    };

    for (guint i = 0; i < G_N_ELEMENTS(replies); i++) {
        g_auto(VpAttachSteps) steps = vp_attach_steps_removing(PATH);
        g_autofree char *said = play(&steps, replies[i], 2);

        g_assert_cmpstr(said, ==, "object-del chardev-remove");
    }
}

static void
test_versions(void)
{
    static const struct {
        const char *returned;
        const char *problem;    /* part of it; NULL: it will do */
    } cases[] = {
        { "{\"qemu\":{\"major\":11,\"minor\":1,\"micro\":0}}", NULL },
        { "{\"qemu\":{\"major\":11,\"minor\":10,\"micro\":0}}", NULL },
        { "{\"qemu\":{\"major\":12,\"minor\":0,\"micro\":0}}", NULL },
        { "{\"qemu\":{\"micro\":50,\"minor\":0,\"major\":11},\"package\":\"v11.1\"}", "11.0" },
        { "{\"qemu\":{\"major\":10,\"minor\":9}}", "10.9" },
        { "{\"qemu\":{\"major\":7,\"minor\":2,\"micro\":22}}", "7.2" },
        { "{\"qemu\":{\"major\":12}}", "which version" },
        { "{\"qemu\":{\"minor\":1}}", "which version" },
        { "{\"qemu\":{\"major\":\"11\",\"minor\":1}}", "which version" },
        { "{\"qemu\":{\"major\":-11,\"minor\":1}}", "which version" },
        { "{\"qemu\":11.1}", "which version" },
        { "{}", "which version" },
        { "\"11.1\"", "which version" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(VpAttachSteps) steps = vp_attach_steps_adding(PATH);
        g_autofree char *reply = g_strdup_printf("{\"return\":%s}", cases[i].returned);

        vp_attach_steps_answer(&steps, reply);
        if (cases[i].problem) {
            g_assert_nonnull(strstr(steps.problem, cases[i].problem));
            g_assert_cmpint(steps.step, ==, VP_ATTACH_DONE);
        } else {
            g_assert_null(steps.problem);
            g_assert_cmpint(steps.step, ==, VP_ATTACH_ADD_CHARDEV);
        }
    }
}

/* Answers that are none: an error like any other. */
static void
test_nonsense(void)
{
    static const char *const replies[] = {
        "", "{}", "[]", "null", "{\"error\":{}}", "{\"error\":{\"desc\":7}}", "{\"return\"", "x",
    };

    for (guint i = 0; i < G_N_ELEMENTS(replies); i++) {
        g_auto(VpAttachSteps) steps = vp_attach_steps_adding(PATH);

        vp_attach_steps_answer(&steps, replies[i]);
        g_assert_cmpint(steps.step, ==, VP_ATTACH_DONE);
        g_assert_nonnull(strstr(steps.problem, "no reason given"));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/attach_steps/commands", test_commands);
    g_test_add_func("/attach_steps/ids", test_ids);
    g_test_add_func("/attach_steps/adding", test_adding);
    g_test_add_func("/attach_steps/removing", test_removing);
    g_test_add_func("/attach_steps/versions", test_versions);
    g_test_add_func("/attach_steps/nonsense", test_nonsense);
    return g_test_run();
}
