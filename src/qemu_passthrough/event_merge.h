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
    GArray *seen;           /* a ring once it is full; NULL before the first event */
    guint oldest;           /* of the ring */
} VpEventMerge;

#define VP_EVENT_MERGE_INIT { .primary = VP_EVENT_FROM_LIBVIRTD }

/* @primary has every event from now on; the other one may lack some. */
void vp_event_merge_switch(VpEventMerge *merge, VpEventSource primary);

/* Is this the copy of the event that goes to clients? */
bool vp_event_merge_accept(VpEventMerge *merge, VpEventSource source, const VpQmpEvent *event);

/* Is this an event that is libvirtd's to show? Then the session's copy does not count, as long as
 * libvirtd passes events on to us. */
bool vp_event_is_libvirtds(const VpQmpEvent *event);

void vp_event_merge_clear(VpEventMerge *merge);
