/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Times and what is made of them. Medians and percentiles, for means follow what else the machine
 * does meanwhile.
 */

#include "times.h"

#include <time.h>

GArray *
vp_bench_times(void)
{
    return g_array_new(FALSE, FALSE, sizeof(gint64));
}

gint64
vp_bench_now(void)
{
    struct timespec time = { 0 };

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * G_GINT64_CONSTANT(1000000000) + time.tv_nsec;
}

static gint
compare(gconstpointer a, gconstpointer b)
{
    gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

    return (x > y) - (x < y);
}

void
vp_bench_sort(GArray *times)
{
    g_array_sort(times, compare);
}

double
vp_bench_percentile(const GArray *sorted, guint percent)
{
    return g_array_index(sorted, gint64, (sorted->len - 1) * percent / 100) / 1000.0;
}

double
vp_bench_burst(void (*once)(gconstpointer data), gconstpointer data, int milliseconds)
{
    g_autoptr(GArray) times = vp_bench_times();
    gint64 begin = vp_bench_now();
    gint64 end = begin + milliseconds * G_GINT64_CONSTANT(1000000);

    while (times->len < 3 || begin < end) {
        gint64 time = 0;

        begin = vp_bench_now();
        once(data);
        time = vp_bench_now() - begin;
        g_array_append_val(times, time);
    }
    vp_bench_sort(times);
    return vp_bench_percentile(times, 50);
}
