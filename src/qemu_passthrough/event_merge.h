/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmp/session.h"

/* Where an event of a domain came from. */
typedef enum VpEventSource {
    VP_EVENT_FROM_SESSION,  /* our own QMP session */
    VP_EVENT_FROM_LIBVIRTD,
} VpEventSource;

/* Two sources of the same events; all fields are event_merge.c's. */
typedef struct VpEventMerge {
    VpEventSource primary;
    gint64 handover_until;  /* monotonic; both sources count till then */
    GArray *seen;           /* what came during the handover; NULL outside */
} VpEventMerge;

#define VP_EVENT_MERGE_INIT { .primary = VP_EVENT_FROM_LIBVIRTD }

/* @primary delivers from now on. */
void vp_event_merge_switch(VpEventMerge *merge, VpEventSource primary, gint64 now);

/* Is this the copy of the event that goes to clients? */
bool vp_event_merge_accept(VpEventMerge *merge, VpEventSource source, const VpQmpEvent *event,
                           gint64 now);

void vp_event_merge_clear(VpEventMerge *merge);
