/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Percentiles of known latencies come out within the error that the buckets allow. */

#include "qmp/stats.h"

static void
test_empty(void)
{
    VpQmpStats stats = { 0 };

    g_assert_cmpint(vp_qmp_stats_percentile(&stats, 50), ==, -1);
}

static void
test_one_value(void)
{
    for (gint64 value = 0; value < G_GINT64_CONSTANT(1) << 33; value = value * 9 / 8 + 1) {
        VpQmpStats stats = { 0 };
        gint64 found = 0;

        vp_qmp_stats_add_latency(&stats, value);
        found = vp_qmp_stats_percentile(&stats, 50);
        g_assert_cmpint(ABS(found - value), <=, value / 16 + (value >= 16));
        g_assert_cmpint(vp_qmp_stats_percentile(&stats, 0.1), ==, found);
        g_assert_cmpint(vp_qmp_stats_percentile(&stats, 99.9), ==, found);
        if (value < 16)
            g_assert_cmpint(found, ==, value);
    }
}

static void
test_percentiles(void)
{
    VpQmpStats stats = { 0 };

    for (guint i = 1; i <= 1000; i++)
        vp_qmp_stats_add_latency(&stats, i);
    g_assert_cmpint(ABS(vp_qmp_stats_percentile(&stats, 50) - 500), <=, 32);
    g_assert_cmpint(ABS(vp_qmp_stats_percentile(&stats, 99) - 990), <=, 62);
    g_assert_cmpint(vp_qmp_stats_percentile(&stats, 0.5), ==, 5);
    for (guint i = 0; i < 9000; i++)
        vp_qmp_stats_add_latency(&stats, 3);
    g_assert_cmpint(vp_qmp_stats_percentile(&stats, 90), ==, 3);
    g_assert_cmpint(vp_qmp_stats_percentile(&stats, 99.95), >, 900);
}

/* What no clock should give, and what no command should take. */
static void
test_extremes(void)
{
    VpQmpStats stats = { 0 };

    vp_qmp_stats_add_latency(&stats, -5);
    g_assert_cmpint(vp_qmp_stats_percentile(&stats, 50), ==, 0);
    vp_qmp_stats_add_latency(&stats, G_MAXINT64);
    vp_qmp_stats_add_latency(&stats, G_MAXINT64);
    g_assert_cmpint(vp_qmp_stats_percentile(&stats, 50), >, G_GINT64_CONSTANT(7200) * 1000000);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/stats/empty", test_empty);
    g_test_add_func("/qmp/stats/one-value", test_one_value);
    g_test_add_func("/qmp/stats/percentiles", test_percentiles);
    g_test_add_func("/qmp/stats/extremes", test_extremes);
    return g_test_run();
}
