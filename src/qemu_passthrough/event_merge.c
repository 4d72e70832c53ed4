/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One stream of events out of two that carry the same.
 *
 * QEMU gives every event to every monitor, with one timestamp. While a domain's session
 * is ready its events come from there, else from libvirtd; the other copy is dropped.
 * When the source changes, copies overtake each other: an event may come by one path
 * before the change and by the other after it. For HANDOVER_US both paths therefore
 * count, and what has already come by the other one, by timestamp and name, is dropped: each
 * copy once, for two events of one name may have one timestamp. So an event reaches a client
 * once, also across the change.
 */

#include "qemu_passthrough/event_merge.h"

#include "base/limits.h"

/* libvirtd passes an event on within milliseconds; a loaded machine may need longer. */
#define HANDOVER_US (2 * G_USEC_PER_SEC)

typedef struct VpSeenEvent {
    gint64 seconds;
    guint32 microseconds;
    guint name_hash;
    VpEventSource source;
    bool matched;           /* its copy has come as well */
} VpSeenEvent;

void
vp_event_merge_switch(VpEventMerge *merge, VpEventSource primary, gint64 now)
{
    if (merge->primary == primary)
        return;
    merge->primary = primary;
    merge->handover_until = now + HANDOVER_US;
}

static bool
is_copy(const VpSeenEvent *a, const VpSeenEvent *b)
{
    return a->seconds == b->seconds && a->microseconds == b->microseconds &&
           a->name_hash == b->name_hash && a->source != b->source;
}

/* Has the other source brought it already? If not, it is remembered. */
static bool
seen_before(VpEventMerge *merge, VpEventSource source, const VpQmpEvent *event)
{
    VpSeenEvent seen = {
        .seconds = event->seconds,
        .microseconds = event->microseconds,
        .name_hash = g_str_hash(event->name),
        .source = source,
    };

    for (guint i = 0; merge->seen && i < merge->seen->len; i++) {
        VpSeenEvent *old = &g_array_index(merge->seen, VpSeenEvent, i);

        if (!old->matched && is_copy(old, &seen)) {
            old->matched = true;
            return true;
        }
    }
    if (!merge->seen)
        merge->seen = g_array_new(FALSE, FALSE, sizeof(VpSeenEvent));
    g_array_append_val(merge->seen, seen);
    return false;
}

bool
vp_event_merge_accept(VpEventMerge *merge, VpEventSource source, const VpQmpEvent *event,
                      gint64 now)
{
    if (merge->seen && merge->seen->len >= VP_EVENTS_SEEN_MAX)
        merge->handover_until = 0;
    if (now < merge->handover_until)
        return !seen_before(merge, source, event);
    g_clear_pointer(&merge->seen, g_array_unref);
    return source == merge->primary;
}

void
vp_event_merge_clear(VpEventMerge *merge)
{
    g_clear_pointer(&merge->seen, g_array_unref);
}
