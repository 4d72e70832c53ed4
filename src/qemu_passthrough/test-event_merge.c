/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each event of QEMU's comes in two copies; clients get one, whichever way and whenever it came. */

#include "qemu_passthrough/event_merge.h"

#include "base/limits.h"

#define SECOND G_USEC_PER_SEC

static const VpQmpEvent stop = { .name = "STOP", .seconds = 1000, .microseconds = 5 };
static const VpQmpEvent resume = { .name = "RESUME", .seconds = 1000, .microseconds = 5 };
static const VpQmpEvent later_stop = { .name = "STOP", .seconds = 1000, .microseconds = 6 };
static const VpQmpEvent next_stop = { .name = "STOP", .seconds = 1001, .microseconds = 5 };

static bool
from_session(VpEventMerge *merge, const VpQmpEvent *event, gint64 now)
{
    return vp_event_merge_accept(merge, VP_EVENT_FROM_SESSION, event, now);
}

static bool
from_libvirtd(VpEventMerge *merge, const VpQmpEvent *event, gint64 now)
{
    return vp_event_merge_accept(merge, VP_EVENT_FROM_LIBVIRTD, event, now);
}

/* Without a session libvirtd delivers, and it does so twice when QEMU does. */
static void
test_from_libvirtd_only(void)
{
    VpEventMerge merge = VP_EVENT_MERGE_INIT;

    g_assert_true(from_libvirtd(&merge, &stop, SECOND));
    g_assert_true(from_libvirtd(&merge, &stop, SECOND));
    g_assert_false(from_session(&merge, &stop, SECOND));
    vp_event_merge_clear(&merge);
}

static void
test_after_handover(void)
{
    VpEventMerge merge = VP_EVENT_MERGE_INIT;
    gint64 start = 100 * SECOND;

    vp_event_merge_switch(&merge, VP_EVENT_FROM_SESSION, start);
    for (guint i = 0; i < 2; i++) {
        g_assert_true(from_session(&merge, &stop, start + 60 * SECOND));
        g_assert_false(from_libvirtd(&merge, &stop, start + 60 * SECOND));
        g_assert_false(from_libvirtd(&merge, &resume, start + 60 * SECOND));
    }
    vp_event_merge_switch(&merge, VP_EVENT_FROM_LIBVIRTD, start + 100 * SECOND);
    g_assert_true(from_libvirtd(&merge, &next_stop, start + 160 * SECOND));
    g_assert_false(from_session(&merge, &next_stop, start + 160 * SECOND));
    g_assert_null(merge.seen);
    vp_event_merge_clear(&merge);
}

/* Both copies within the handover: the first one counts, whichever that is and wherever the change
 * goes. Events that differ in name or time are different. */
static void
test_handover(void)
{
    static const VpQmpEvent *const events[] = { &stop, &resume, &later_stop, &next_stop };

    for (guint i = 0; i < 4; i++) {
        VpEventSource primary = i & 1 ? VP_EVENT_FROM_SESSION : VP_EVENT_FROM_LIBVIRTD;
        VpEventSource first = i & 2 ? VP_EVENT_FROM_SESSION : VP_EVENT_FROM_LIBVIRTD;
        VpEventMerge merge = { .primary = !primary };

        vp_event_merge_switch(&merge, primary, SECOND);
        for (gsize k = 0; k < G_N_ELEMENTS(events); k++)
            g_assert_true(vp_event_merge_accept(&merge, first, events[k], SECOND + SECOND / 2));
        for (gsize k = 0; k < G_N_ELEMENTS(events); k++)
            g_assert_false(vp_event_merge_accept(&merge, !first, events[k], SECOND + SECOND));
        vp_event_merge_clear(&merge);
        g_assert_null(merge.seen);
    }
}

/* The copies are on both sides of the change: each comes by the path that is too late or too early
 * for its source alone. */
static void
test_copies_across_the_change(void)
{
    VpEventMerge merge = VP_EVENT_MERGE_INIT;

    /* Before the change the session's copy does not count; libvirtd's, which is slower, does. */
    g_assert_false(from_session(&merge, &stop, SECOND));
    vp_event_merge_switch(&merge, VP_EVENT_FROM_SESSION, SECOND + 1);
    g_assert_true(from_libvirtd(&merge, &stop, SECOND + 2));
    /* From then on the session's is first, and libvirtd's the second copy. */
    g_assert_true(from_session(&merge, &later_stop, SECOND + 3));
    g_assert_false(from_libvirtd(&merge, &later_stop, SECOND + 4));
    vp_event_merge_clear(&merge);
}

/* Events that one source brings twice are two events, each with its copy from the other source. */
static void
test_twins(void)
{
    VpEventMerge merge = VP_EVENT_MERGE_INIT;

    vp_event_merge_switch(&merge, VP_EVENT_FROM_SESSION, SECOND);
    g_assert_true(from_session(&merge, &stop, SECOND));
    g_assert_true(from_session(&merge, &stop, SECOND));
    g_assert_false(from_libvirtd(&merge, &stop, SECOND));
    g_assert_false(from_libvirtd(&merge, &stop, SECOND));
    g_assert_true(from_libvirtd(&merge, &stop, SECOND)); /* a third one */
    g_assert_false(from_session(&merge, &stop, SECOND));
    vp_event_merge_clear(&merge);
}

/* More events than are remembered end the handover: from then on only the new source counts. */
static void
test_flood(void)
{
    VpEventMerge merge = VP_EVENT_MERGE_INIT;
    VpQmpEvent event = { .name = "STOP", .seconds = 1000 };

    vp_event_merge_switch(&merge, VP_EVENT_FROM_SESSION, SECOND);
    for (guint i = 0; i <= VP_EVENTS_SEEN_MAX; i++) {
        event.microseconds = i;
        g_assert_true(from_session(&merge, &event, SECOND));
        if (i < VP_EVENTS_SEEN_MAX - 1)
            g_assert_nonnull(merge.seen);
    }
    for (guint i = 0; i <= VP_EVENTS_SEEN_MAX; i++) {
        event.microseconds = i;
        g_assert_false(from_libvirtd(&merge, &event, SECOND));
    }
    vp_event_merge_clear(&merge);
}

/* To what is so already nothing changes: no handover begins. */
static void
test_switch_to_the_same(void)
{
    VpEventMerge merge = VP_EVENT_MERGE_INIT;

    vp_event_merge_switch(&merge, VP_EVENT_FROM_LIBVIRTD, SECOND);
    g_assert_false(from_session(&merge, &stop, SECOND));
    g_assert_true(from_libvirtd(&merge, &stop, SECOND));
    vp_event_merge_clear(&merge);
}

/* A session that comes and goes at once: what was seen since the first change is still known. */
static void
test_there_and_back(void)
{
    VpEventMerge merge = VP_EVENT_MERGE_INIT;

    vp_event_merge_switch(&merge, VP_EVENT_FROM_SESSION, SECOND);
    g_assert_true(from_session(&merge, &stop, SECOND + 1));
    vp_event_merge_switch(&merge, VP_EVENT_FROM_LIBVIRTD, SECOND + 2);
    g_assert_false(from_libvirtd(&merge, &stop, SECOND + 3));
    g_assert_true(from_libvirtd(&merge, &resume, SECOND + 3));
    vp_event_merge_clear(&merge);
}

/* What was seen in one handover is forgotten after it: the guest's clock may be set back. */
static void
test_forgotten(void)
{
    VpEventMerge merge = VP_EVENT_MERGE_INIT;

    vp_event_merge_switch(&merge, VP_EVENT_FROM_SESSION, SECOND);
    g_assert_true(from_session(&merge, &stop, SECOND));
    g_assert_nonnull(merge.seen);
    g_assert_true(from_session(&merge, &stop, 60 * SECOND));
    g_assert_null(merge.seen);
    vp_event_merge_switch(&merge, VP_EVENT_FROM_LIBVIRTD, 61 * SECOND);
    g_assert_true(from_libvirtd(&merge, &stop, 61 * SECOND));
    vp_event_merge_clear(&merge);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu_passthrough/event_merge/from-libvirtd-only", test_from_libvirtd_only);
    g_test_add_func("/qemu_passthrough/event_merge/after-handover", test_after_handover);
    g_test_add_func("/qemu_passthrough/event_merge/handover", test_handover);
    g_test_add_func("/qemu_passthrough/event_merge/copies-across-the-change",
                    test_copies_across_the_change);
    g_test_add_func("/qemu_passthrough/event_merge/twins", test_twins);
    g_test_add_func("/qemu_passthrough/event_merge/flood", test_flood);
    g_test_add_func("/qemu_passthrough/event_merge/switch-to-the-same", test_switch_to_the_same);
    g_test_add_func("/qemu_passthrough/event_merge/there-and-back", test_there_and_back);
    g_test_add_func("/qemu_passthrough/event_merge/forgotten", test_forgotten);
    return g_test_run();
}
