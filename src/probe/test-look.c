/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looks that never end, and those of others behind them. */

#include "probe/look.h"

#include "base/limits.h"
#include "probe/test-stage.h"

#include <unistd.h>

typedef struct Asker {
    VpLook *look;
    guint answers;
    bool there;
} Asker;

static void
on_looked(VpLookResult *result, gpointer data)
{
    Asker *asker = data;

    asker->look = NULL;
    asker->answers++;
    asker->there = result->there;
}

static void
ask(Asker *asker, const char *owner, const char *path)
{
    asker->look = vp_look_for_change(owner, path, on_looked, asker);
}

/* Many of one owner are all answered. */
static void
test_many(void)
{
    Asker askers[4 * VP_LOOK_RUNNING_MAX] = { 0 };

    for (guint i = 0; i < G_N_ELEMENTS(askers); i++)
        ask(&askers[i], "uid 1", i % 2 ? "/nonexistent" : "/bin/sh");
    for (guint i = 0; i < G_N_ELEMENTS(askers); i++) {
        vp_test_until(askers[i].answers);
        g_assert_cmpuint(askers[i].answers, ==, 1);
        g_assert_true(askers[i].there == (i % 2 == 0));
    }
}

/* Those that have not begun leave at once, those that have are not told. */
static void
test_cancelled(void)
{
    Asker askers[10] = { 0 };
    Asker next = { 0 };

    for (guint i = 0; i < G_N_ELEMENTS(askers); i++)
        ask(&askers[i], "uid 1", "/bin/sh");
    for (guint i = G_N_ELEMENTS(askers); i > 0; i--)
        vp_look_cancel(askers[i - 1].look);
    ask(&next, "uid 1", "/bin/sh");
    vp_test_until(next.answers);
    for (guint i = 0; i < G_N_ELEMENTS(askers); i++)
        g_assert_cmpuint(askers[i].answers, ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/probe/look/many", test_many);
    g_test_add_func("/probe/look/cancelled", test_cancelled);
    return g_test_run();
}
