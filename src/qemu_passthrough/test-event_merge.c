/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each event of QEMU's comes in two copies; clients get one, whichever way and whenever it came. */

#include "qemu_passthrough/event_merge.h"

#include "base/limits.h"

#include <string.h>

#define HOST_SIGNAL "{\"guest\": false, \"reason\": \"host-signal\"}"

static const VpQmpEvent stop = { .name = "STOP", .seconds = 1000, .microseconds = 5 };
static const VpQmpEvent resume = { .name = "RESUME", .seconds = 1000, .microseconds = 5 };
static const VpQmpEvent later_stop = { .name = "STOP", .seconds = 1000, .microseconds = 6 };
static const VpQmpEvent next_stop = { .name = "STOP", .seconds = 1001, .microseconds = 5 };

static bool
from_session(VpEventMerge *merge, const VpQmpEvent *event)
{
    return vp_event_merge_accept(merge, VP_EVENT_FROM_SESSION, event);
}

static bool
from_libvirtd(VpEventMerge *merge, const VpQmpEvent *event)
{
    return vp_event_merge_accept(merge, VP_EVENT_FROM_LIBVIRTD, event);
}

/* Without a session libvirtd delivers, and it does so twice when QEMU does. */
static void
test_from_libvirtd_only(void)
{
    VpEventMerge merge = VP_EVENT_MERGE_INIT;

    g_assert_true(from_libvirtd(&merge, &stop));
    g_assert_true(from_libvirtd(&merge, &stop));
    vp_event_merge_clear(&merge);
}

/* Both copies: the first one counts, whichever that is, whichever source is the primary one before
 * and after. Events that differ in name or time are different. */
static void
test_either_first(void)
{
    static const VpQmpEvent *const events[] = { &stop, &resume, &later_stop, &next_stop };

    for (guint i = 0; i < 8; i++) {
        VpEventSource first = i & 1 ? VP_EVENT_FROM_SESSION : VP_EVENT_FROM_LIBVIRTD;
        VpEventMerge merge = VP_EVENT_MERGE_INIT;

        vp_event_merge_switch(&merge, i & 2 ? VP_EVENT_FROM_SESSION : VP_EVENT_FROM_LIBVIRTD);
        for (gsize k = 0; k < G_N_ELEMENTS(events); k++)
            g_assert_true(vp_event_merge_accept(&merge, first, events[k]));
        vp_event_merge_switch(&merge, i & 4 ? VP_EVENT_FROM_SESSION : VP_EVENT_FROM_LIBVIRTD);
        for (gsize k = 0; k < G_N_ELEMENTS(events); k++)
            g_assert_false(vp_event_merge_accept(&merge, !first, events[k]));
        vp_event_merge_clear(&merge);
    }
}

/* The guest ends: the session has brought the event long after it got ready, is lost, and then
 * libvirtd's copy comes. */
static void
test_end_of_the_session(void)
{
    VpEventMerge merge = VP_EVENT_MERGE_INIT;

    vp_event_merge_switch(&merge, VP_EVENT_FROM_SESSION);
    g_assert_true(from_session(&merge, &stop));
    vp_event_merge_switch(&merge, VP_EVENT_FROM_LIBVIRTD);
    g_assert_false(from_libvirtd(&merge, &stop));
    g_assert_true(from_libvirtd(&merge, &next_stop));
    vp_event_merge_clear(&merge);
}

/* What libvirtd alone has, from before the session was ready, comes late. */
static void
test_older_than_the_session(void)
{
    VpEventMerge merge = VP_EVENT_MERGE_INIT;

    vp_event_merge_switch(&merge, VP_EVENT_FROM_SESSION);
    g_assert_true(from_session(&merge, &next_stop));
    g_assert_true(from_libvirtd(&merge, &stop));
    g_assert_false(from_libvirtd(&merge, &next_stop));
    vp_event_merge_clear(&merge);
}

/* Events that one source brings twice are two events, each with its copy from the other source. */
static void
test_twins(void)
{
    VpEventMerge merge = VP_EVENT_MERGE_INIT;

    vp_event_merge_switch(&merge, VP_EVENT_FROM_SESSION);
    g_assert_true(from_session(&merge, &stop));
    g_assert_true(from_session(&merge, &stop));
    g_assert_false(from_libvirtd(&merge, &stop));
    g_assert_false(from_libvirtd(&merge, &stop));
    g_assert_true(from_libvirtd(&merge, &stop)); /* a third one */
    g_assert_false(from_session(&merge, &stop));
    vp_event_merge_clear(&merge);
}

/* @n events of the session, a microsecond apart. */
static void
fill(VpEventMerge *merge, guint n)
{
    VpQmpEvent event = { .name = "STOP", .seconds = 1000 };

    vp_event_merge_switch(merge, VP_EVENT_FROM_SESSION);
    for (; event.microseconds < n; event.microseconds++)
        g_assert_true(from_session(merge, &event));
}

/* libvirtd is later by as many events as are remembered, and by one more. */
static void
test_flood(void)
{
    VpQmpEvent event = { .name = "STOP", .seconds = 1000 };

    for (guint more = 0; more < 2; more++) {
        VpEventMerge merge = VP_EVENT_MERGE_INIT;

        fill(&merge, VP_EVENTS_SEEN_MAX + more);
        g_assert_cmpuint(merge.seen->len, ==, VP_EVENTS_SEEN_MAX);
        for (event.microseconds = 0; event.microseconds < VP_EVENTS_SEEN_MAX + more;
             event.microseconds++)
            g_assert_false(from_libvirtd(&merge, &event));
        g_assert_true(from_libvirtd(&merge, &event));
        vp_event_merge_clear(&merge);
    }
}

/* At the limit all copies are known even when the session is gone; one past it the first is not. */
static void
test_flood_at_the_end(void)
{
    const VpQmpEvent first = { .name = "STOP", .seconds = 1000, .microseconds = 0 };
    const VpQmpEvent second = { .name = "STOP", .seconds = 1000, .microseconds = 1 };

    for (guint more = 0; more < 2; more++) {
        VpEventMerge merge = VP_EVENT_MERGE_INIT;

        fill(&merge, VP_EVENTS_SEEN_MAX + more);
        vp_event_merge_switch(&merge, VP_EVENT_FROM_LIBVIRTD);
        g_assert_false(from_libvirtd(&merge, &second));
        g_assert_cmpint(from_libvirtd(&merge, &first), ==, more);
        vp_event_merge_clear(&merge);
    }
}

/* The host's clock is set back by an hour, with a full memory. */
static void
test_clock_set_back(void)
{
    static const VpQmpEvent before = { .name = "STOP", .seconds = -1 };

    for (guint i = 0; i < 2; i++) {
        VpEventMerge merge = VP_EVENT_MERGE_INIT;

        fill(&merge, VP_EVENTS_SEEN_MAX + 1);
        vp_event_merge_switch(&merge, i ? VP_EVENT_FROM_SESSION : VP_EVENT_FROM_LIBVIRTD);
        g_assert_true(vp_event_merge_accept(&merge, merge.primary, &before));
        g_assert_false(vp_event_merge_accept(&merge, !merge.primary, &before));
        vp_event_merge_clear(&merge);
    }
}

static void
test_which_are_libvirtds(void)
{
    static const struct {
        const char *name;
        const char *data;
        bool libvirtds;
    } rows[] = {
        { "SHUTDOWN", HOST_SIGNAL, true },
        { "SHUTDOWN", "{\"reason\":\"host-\\u0073ignal\"}", true },
        { "SHUTDOWN", "{\"guest\": true, \"reason\": \"guest-shutdown\"}", false },
        { "SHUTDOWN", "{\"guest\": false, \"reason\": \"host-qmp-quit\"}", false },
        { "SHUTDOWN", "{\"guest\": false}", false },
        { "SHUTDOWN", "{\"reason\":", false },
        { "SHUTDOWN", NULL, false },
        { "RESET", HOST_SIGNAL, false },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const VpQmpEvent event = {
            .name = rows[i].name, .data = rows[i].data,
            .data_size = rows[i].data ? strlen(rows[i].data) : 0,
        };

        g_assert_cmpint(vp_event_is_libvirtds(&event), ==, rows[i].libvirtds);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu_passthrough/event_merge/from-libvirtd-only", test_from_libvirtd_only);
    g_test_add_func("/qemu_passthrough/event_merge/either-first", test_either_first);
    g_test_add_func("/qemu_passthrough/event_merge/end-of-the-session", test_end_of_the_session);
    g_test_add_func("/qemu_passthrough/event_merge/older-than-the-session",
                    test_older_than_the_session);
    g_test_add_func("/qemu_passthrough/event_merge/twins", test_twins);
    g_test_add_func("/qemu_passthrough/event_merge/flood", test_flood);
    g_test_add_func("/qemu_passthrough/event_merge/flood-at-the-end", test_flood_at_the_end);
    g_test_add_func("/qemu_passthrough/event_merge/clock-set-back", test_clock_set_back);
    g_test_add_func("/qemu_passthrough/event_merge/which-are-libvirtds", test_which_are_libvirtds);
    return g_test_run();
}
