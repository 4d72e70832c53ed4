/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Times that were measured again and again: a GArray of gint64, in nanoseconds. */

GArray *vp_bench_times(void);

gint64 vp_bench_now(void);

/* Before percentiles can be read. */
void vp_bench_sort(GArray *times);

/* In microseconds; 0: the least. There has to be a time. */
double vp_bench_percentile(const GArray *sorted, guint percent);

/* The median of what @once takes, called over and over for so long, and at least three times; in
 * microseconds. */
double vp_bench_burst(void (*once)(gconstpointer data), gconstpointer data, int milliseconds);
