/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * What a session has done, for people who look (virtpass sessions). Latency is counted in
 * buckets that grow by 1/8 of a power of two, so that any percentile is exact to about 12 %
 * and a session costs a fixed 1 KiB.
 */

#define VP_QMP_LATENCY_BUCKETS 256

typedef struct VpQmpStats {
    guint64 commands;      /* sent to QEMU for users */
    guint64 events;
    guint64 stray_replies; /* with an id that is not ours, or none that could be attributed */
    guint64 bytes_sent;
    guint64 bytes_received;
    guint32 in_flight;     /* in-band, now */
    guint32 waiting;       /* in the queues, now */
    guint32 users;         /* queues, now */
    guint32 connections;   /* times that READY was reached */
    guint32 latency[VP_QMP_LATENCY_BUCKETS]; /* microseconds from send to reply */
} VpQmpStats;

void vp_qmp_stats_add_latency(VpQmpStats *stats, gint64 microseconds);

/* The @percent-th percentile (0 < percent < 100) in microseconds; -1 without a sample. */
gint64 vp_qmp_stats_percentile(const VpQmpStats *stats, double percent);
