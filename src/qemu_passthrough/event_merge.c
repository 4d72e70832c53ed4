/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One stream of events out of two that carry the same.
 *
 * QEMU gives every event to every monitor, with one timestamp. The domain's session brings one
 * copy, libvirtd the other, in either order and with any delay; each path also has events that the
 * other lacks, from when only one of them was there. The first copy goes to clients. It is
 * remembered, and the event of that name and time from the other source is dropped: each copy once,
 * for two events of one name may have one timestamp. The last VP_EVENTS_SEEN_MAX events are
 * remembered for as long as the domain runs, for nothing tells how late libvirtd is. Only where it
 * is later than that, the order decides: while the session is ready it has brought all that is
 * older than what is remembered of it. Timestamps are compared for nothing else, so that a clock
 * that is set back does no harm.
 *
 * One event may contradict what libvirtd shows. To end a QEMU after a save, a migration or a revert
 * libvirtd closes its monitor and then sends it a signal; QEMU's SHUTDOWN, which says so, is no
 * part of that guest's life to libvirt's clients. The same event of a guest that is destroyed
 * libvirtd does pass on. What tells them apart is libvirtd's copy, so for this event it alone
 * counts. (Should libvirtd end before it has passed it on: so do the connections of all clients.)
 */

#include "qemu_passthrough/event_merge.h"

#include "base/limits.h"
#include "json/members.h"

#include <string.h>

typedef struct VpSeenEvent {
    guint64 time;           /* microseconds */
    guint name_hash;
    guint8 source;          /* VpEventSource */
    bool matched;           /* its copy has come as well */
} VpSeenEvent;

void
vp_event_merge_switch(VpEventMerge *merge, VpEventSource primary)
{
    merge->primary = primary;
}

static bool
is_copy(const VpSeenEvent *a, const VpSeenEvent *b)
{
    return a->time == b->time && a->name_hash == b->name_hash && a->source != b->source;
}

/* Has the other source brought it already? */
static bool
take_copy(VpEventMerge *merge, const VpSeenEvent *event)
{
    for (guint i = 0; i < merge->seen->len; i++) {
        VpSeenEvent *old = &g_array_index(merge->seen, VpSeenEvent, i);

        if (!old->matched && is_copy(old, event)) {
            old->matched = true;
            return true;
        }
    }
    return false;
}

/* Is it a copy of something that has been forgotten? */
static bool
is_too_late(const VpEventMerge *merge, const VpSeenEvent *event)
{
    const VpSeenEvent *oldest = NULL;

    if (event->source == merge->primary || merge->primary != VP_EVENT_FROM_SESSION ||
        merge->seen->len < VP_EVENTS_SEEN_MAX)
        return false;
    oldest = &g_array_index(merge->seen, VpSeenEvent, merge->oldest);
    return oldest->source == VP_EVENT_FROM_SESSION && event->time < oldest->time;
}

static void
remember(VpEventMerge *merge, const VpSeenEvent *event)
{
    if (merge->seen->len < VP_EVENTS_SEEN_MAX) {
        g_array_append_vals(merge->seen, event, 1);
        return;
    }
    g_array_index(merge->seen, VpSeenEvent, merge->oldest) = *event;
    merge->oldest = (merge->oldest + 1) % VP_EVENTS_SEEN_MAX;
}

bool
vp_event_merge_accept(VpEventMerge *merge, VpEventSource source, const VpQmpEvent *event)
{
    const VpSeenEvent seen = {
        .time = (guint64)event->seconds * G_USEC_PER_SEC + event->microseconds, /* may wrap */
        .name_hash = g_str_hash(event->name),
        .source = source,
    };

    if (!merge->seen)
        merge->seen = g_array_new(FALSE, FALSE, sizeof(VpSeenEvent));
    if (take_copy(merge, &seen) || is_too_late(merge, &seen))
        return false;
    remember(merge, &seen);
    return true;
}

bool
vp_event_is_libvirtds(const VpQmpEvent *event)
{
    VpJsonSlice data = { .text = event->data, .size = event->data_size };

    return strcmp(event->name, "SHUTDOWN") == 0 &&
           vp_json_string_is(vp_json_member(data, "reason"), "host-signal");
}

void
vp_event_merge_clear(VpEventMerge *merge)
{
    g_clear_pointer(&merge->seen, g_array_unref);
}
