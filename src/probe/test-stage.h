/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/loop.h"
#include "probe/sandbox.h"

#include <glib.h>
#include <stdbool.h>

/* What tests of processes have in common. */

/* Turns the default context until @condition holds; fails after 20 seconds. */
#define vp_test_until(condition)                                                                   \
    do {                                                                                           \
        gint64 vp_test_end = g_get_monotonic_time() + 120 * G_USEC_PER_SEC;                        \
        while (!(condition)) {                                                                     \
            g_assert_cmpint(g_get_monotonic_time(), <, vp_test_end);                               \
            if (!g_main_context_iteration(NULL, FALSE))                                            \
                g_usleep(200);                                                                     \
        }                                                                                          \
    } while (0)

/* A directory of the test's own, and a loop in the default context. */
typedef struct VpTestStage {
    VpLoop *loop;
    VpSandbox *sandbox; /* with a user that is there everywhere */
    char *directory;
} VpTestStage;

void vp_test_stage_start(VpTestStage *stage);
/* Waits until all processes have been reaped, and removes the directory. */
void vp_test_stage_stop(VpTestStage *stage);

/* A path to the fake QEMU by which it behaves as test-fake.c says. g_free(). */
char *vp_test_fake(const VpTestStage *stage, const char *behaviour);

/* How many processes of ours there are that have not ended. */
guint vp_test_children(void);
