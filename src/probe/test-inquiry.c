/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Inquiries with a QEMU that behaves, and with those that do not. */

#include "probe/inquiry.h"

#include "base/error.h"
#include "base/limits.h"
#include "probe/facts.h"
#include "probe/test-stage.h"

#include <string.h>
#include <unistd.h>

typedef struct Outcome {
    bool there;
    VpQemuFacts *facts;
    char *program;
    GError *error;
} Outcome;

static void
on_inquired(GVariant *facts, const char *program, const GError *error, gpointer data)
{
    Outcome *outcome = data;

    g_assert_false(outcome->there);
    g_assert_true(!facts != !error);
    outcome->there = true;
    outcome->facts = facts ? vp_qemu_facts_new(facts) : NULL;
    outcome->program = g_strdup(program);
    outcome->error = error ? g_error_copy(error) : NULL;
}

static void
outcome_clear(Outcome *outcome)
{
    g_clear_pointer(&outcome->facts, vp_qemu_facts_unref);
    g_clear_pointer(&outcome->program, g_free);
    g_clear_error(&outcome->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Outcome, outcome_clear)

static Outcome
inquire(VpTestStage *stage, const char *behaviour, const VpInquiryTimes *times)
{
    g_autofree char *path = vp_test_fake(stage, behaviour);
    Outcome outcome = { 0 };
    g_autoptr(VpInquiry) inquiry = vp_inquiry_new(stage->loop, stage->sandbox, path, times,
                                                  on_inquired, &outcome);

    vp_test_until(outcome.there);
    return outcome;
}

static const VpInquiryTimes impatient = { .silence_ms = 1000, .total_ms = 20000 };
static const VpInquiryTimes hurried = { .silence_ms = 20000, .total_ms = 200 };

/* Facts of the usual three types, with "b" broken for @reason if that is given. */
static void
assert_facts(const Outcome *outcome, const char *reason)
{
    guint n = 0;
    const VpDeviceType *devices = NULL;

    g_assert_no_error(outcome->error);
    g_assert_nonnull(outcome->facts);
    devices = vp_qemu_facts_devices(outcome->facts, &n);
    g_assert_cmpuint(n, ==, 3);
    g_assert_cmpstr(devices[1].broken, ==, reason);
    g_assert_cmpuint(devices[1].n_properties, ==, reason ? 0 : 1);
    for (guint i = 0; i < n; i += 2) {
        g_assert_null(devices[i].broken);
        g_assert_cmpuint(devices[i].n_properties, ==, 1);
    }
}

static void
test_survived(void)
{
    static const struct {
        const char *behaviour, *reason;
    } cases[] = {
        { "good", NULL },
        { "dies", "missing 'b'" },
        { "chatters", "missing 'b'" },
        { "hangs", "it does not answer" },
        { "odd", "its properties are not what they should be" },
    };
    VpTestStage stage;

    vp_test_stage_start(&stage);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Outcome) outcome = inquire(&stage, cases[i].behaviour, &impatient);

        assert_facts(&outcome, cases[i].reason);
        g_assert_cmpstr(outcome.program, ==, g_getenv("VIRTPASS_TEST_FAKE"));
    }
    vp_test_stage_stop(&stage);
}

/* Each fails in its way, and the next inquiry is a good one. */
static void
test_failures(void)
{
    static const struct {
        const char *behaviour, *said;
    } cases[] = {
        { "silent", "it does not answer" },
        { "exits", "the process ended" },
        { "closes", "the process ended" },
        { "garbage", "it does not speak as QEMU does" },
        { "refuses", "it has no useful answer to {\"execute\":\"qom-list-types\"" },
    };
    VpTestStage stage;

    vp_test_stage_start(&stage);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Outcome) outcome = inquire(&stage, cases[i].behaviour, &impatient);
        g_autofree char *good = g_strdup_printf("good-%u", (guint)i);
        g_auto(Outcome) next = inquire(&stage, good, &vp_inquiry_times);

        g_assert_error(outcome.error, VP_ERROR, VP_ERROR_FAILED);
        g_test_message("%s", outcome.error->message);
        g_assert_nonnull(strstr(outcome.error->message, cases[i].said));
        g_assert_nonnull(strstr(outcome.error->message, cases[i].behaviour));
        assert_facts(&next, NULL);
    }
    vp_test_stage_stop(&stage);
}

static void
test_no_program(void)
{
    static const char *const paths[] = { "/nonexistent", "/etc/passwd", "/etc" };
    VpTestStage stage;

    vp_test_stage_start(&stage);
    for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_auto(Outcome) outcome = { 0 };
        g_autoptr(VpInquiry) inquiry = vp_inquiry_new(stage.loop, stage.sandbox, paths[i],
                                                      &vp_inquiry_times, on_inquired, &outcome);

        vp_test_until(outcome.there);
        g_assert_error(outcome.error, VP_ERROR, VP_ERROR_FAILED);
        g_assert_nonnull(strstr(outcome.error->message, "cannot execute it as user"));
    }
    vp_test_stage_stop(&stage);
}

/* An answer too many is not taken for one that was asked for. */
static void
test_stray_answer(void)
{
    VpTestStage stage;
    g_auto(Outcome) outcome = { 0 };

    vp_test_stage_start(&stage);
    outcome = inquire(&stage, "stray", &vp_inquiry_times);
    assert_facts(&outcome, NULL);
    vp_test_stage_stop(&stage);
}

static void
test_total_time(void)
{
    VpTestStage stage;
    g_auto(Outcome) outcome = { 0 };

    vp_test_stage_start(&stage);
    outcome = inquire(&stage, "hangs", &hurried);
    g_assert_error(outcome.error, VP_ERROR, VP_ERROR_FAILED);
    g_assert_nonnull(strstr(outcome.error->message, "it takes too long"));
    vp_test_stage_stop(&stage);
}

/* How many of @n types, which all end the process, were not asked for. */
static guint
not_asked(VpTestStage *stage, guint n_types)
{
    g_autofree char *behaviour = g_strdup_printf("dies-all-%u", n_types);
    g_auto(Outcome) outcome = inquire(stage, behaviour, &vp_inquiry_times);
    const VpDeviceType *devices = NULL;
    guint n = 0, count = 0;

    g_assert_no_error(outcome.error);
    devices = vp_qemu_facts_devices(outcome.facts, &n);
    g_assert_cmpuint(n, ==, n_types);
    for (guint i = 0; i < n; i++) {
        if (strcmp(devices[i].broken, "missing 'b'") != 0)
            count++;
    }
    return count;
}

static void
test_deaths_limit(void)
{
    VpTestStage stage;

    vp_test_stage_start(&stage);
    g_assert_cmpuint(not_asked(&stage, VP_PROBE_DEATHS_MAX), ==, 0);
    g_assert_cmpuint(not_asked(&stage, VP_PROBE_DEATHS_MAX + 1), ==, 1);
    vp_test_stage_stop(&stage);
}

static void
test_bytes_limit(void)
{
    g_autofree char *most = g_strdup_printf("says-%u", VP_PROBE_BYTES_MAX);
    g_autofree char *more = g_strdup_printf("says-%u", VP_PROBE_BYTES_MAX + 1);
    VpTestStage stage;
    g_auto(Outcome) good = { 0 };
    g_auto(Outcome) bad = { 0 };

    vp_test_stage_start(&stage);
    good = inquire(&stage, most, &vp_inquiry_times);
    assert_facts(&good, NULL);
    bad = inquire(&stage, more, &vp_inquiry_times);
    /* It is as if "c" had ended the process. */
    g_assert_no_error(bad.error);
    g_assert_cmpstr(vp_qemu_facts_device(bad.facts, "c")->broken, ==,
                    "it says more than QEMU would");
    vp_test_stage_stop(&stage);
}

static void
test_message_limit(void)
{
    g_autofree char *most = g_strdup_printf("message-%u", VP_PROBE_MESSAGE_MAX);
    g_autofree char *more = g_strdup_printf("message-%u", VP_PROBE_MESSAGE_MAX + 1);
    VpTestStage stage;
    g_auto(Outcome) good = { 0 };
    g_auto(Outcome) bad = { 0 };

    vp_test_stage_start(&stage);
    good = inquire(&stage, most, &vp_inquiry_times);
    assert_facts(&good, NULL);
    bad = inquire(&stage, more, &vp_inquiry_times);
    g_assert_error(bad.error, VP_ERROR, VP_ERROR_FAILED);
    g_assert_nonnull(strstr(bad.error->message, "it says more at a time than QEMU would"));
    vp_test_stage_stop(&stage);
}

static void
test_rights(void)
{
    VpTestStage stage;
    g_auto(Outcome) outcome = { 0 };
    g_autofree char *expected = NULL;
    uid_t uid = geteuid() ? geteuid() : 65534;
    gid_t gid = geteuid() ? getegid() : 65534;

    vp_test_stage_start(&stage);
    outcome = inquire(&stage, "rights", &vp_inquiry_times);
    assert_facts(&outcome, NULL);
    expected = g_strdup_printf("7.2.1 (uid %u %u gains 0 cwd / env PATH HOME LC_ALL fds 0 1 2 3)",
                               uid, gid);
    g_assert_cmpstr(vp_qemu_facts_version(outcome.facts), ==, expected);
    vp_test_stage_stop(&stage);
}

/* Freed at any time: the process ends and no call comes. */
static void
test_freed_early(void)
{
    VpTestStage stage;
    g_autofree char *path = NULL;

    vp_test_stage_start(&stage);
    path = vp_test_fake(&stage, "hangs");
    for (guint turns = 0; turns < 12; turns++) {
        Outcome outcome = { .there = true };
        g_autoptr(VpInquiry) inquiry = vp_inquiry_new(stage.loop, stage.sandbox, path,
                                                      &vp_inquiry_times, on_inquired, &outcome);

        for (guint i = 0; i < turns; i++) {
            g_main_context_iteration(NULL, FALSE);
            g_usleep(500);
        }
    }
    vp_test_stage_stop(&stage);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/probe/inquiry/survived", test_survived);
    g_test_add_func("/probe/inquiry/failures", test_failures);
    g_test_add_func("/probe/inquiry/no-program", test_no_program);
    g_test_add_func("/probe/inquiry/stray-answer", test_stray_answer);
    g_test_add_func("/probe/inquiry/total-time", test_total_time);
    g_test_add_func("/probe/inquiry/deaths-limit", test_deaths_limit);
    g_test_add_func("/probe/inquiry/bytes-limit", test_bytes_limit);
    g_test_add_func("/probe/inquiry/message-limit", test_message_limit);
    g_test_add_func("/probe/inquiry/rights", test_rights);
    g_test_add_func("/probe/inquiry/freed-early", test_freed_early);
    return g_test_run();
}
