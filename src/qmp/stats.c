/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Latency in buckets. Up to 8 microseconds each value has its own; from there on every power of
 * two is divided in 8. A bucket is therefore at most 1/8 of its value wide, and its middle, which
 * is what a percentile is given as, is off by 1/16 at most. The last bucket takes what is above
 * two hours.
 */

#include "qmp/stats.h"

#define STEPS 8 /* in each power of two */
#define STEP_BITS 3

static guint
bucket_of(guint64 value)
{
    guint power = 0, bucket = 0;

    if (value < STEPS)
        return value;
    power = 63 - __builtin_clzll(value);
    bucket = (power - STEP_BITS + 1) * STEPS + (value >> (power - STEP_BITS)) % STEPS;
    return MIN(bucket, VP_QMP_LATENCY_BUCKETS - 1);
}

static gint64
middle_of(guint bucket)
{
    guint shift = 0;

    if (bucket < STEPS)
        return bucket;
    shift = bucket / STEPS - 1;
    return ((gint64)(STEPS + bucket % STEPS) << shift) + ((1LL << shift) - 1) / 2;
}

void
vp_qmp_stats_add_latency(VpQmpStats *stats, gint64 microseconds)
{
    stats->latency[bucket_of(MAX(microseconds, 0))]++;
}

gint64
vp_qmp_stats_percentile(const VpQmpStats *stats, double percent)
{
    guint64 total = 0, seen = 0;

    for (guint i = 0; i < VP_QMP_LATENCY_BUCKETS; i++)
        total += stats->latency[i];
    for (guint i = 0; i < VP_QMP_LATENCY_BUCKETS; i++) {
        seen += stats->latency[i];
        if (stats->latency[i] > 0 && seen * 100.0 >= total * percent)
            return middle_of(i);
    }
    return -1;
}
