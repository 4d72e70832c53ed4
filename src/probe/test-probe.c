/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who is answered when, and how many processes that takes. */

#include "probe/probe.h"

#include "base/error.h"
#include "base/limits.h"
#include "probe/test-stage.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

typedef struct Scene {
    VpTestStage stage;
    VpProbe *probe;
} Scene;

/* A caller. */
typedef struct Asker {
    Scene *scene;
    VpProbeWait *wait;      /* NULL: answered */
    guint answers;
    VpQemuFacts *facts;
    GError *error;
    struct Asker *cancels;  /* whom it cancels when it is answered */
    const char *asks;       /* and what it asks then */
    bool frees;             /* the probe */
    const char *owner;      /* NULL: all who have none are the same */
} Asker;

static void
scene_start(Scene *scene)
{
    vp_test_stage_start(&scene->stage);
    scene->probe = vp_probe_new(scene->stage.loop, NULL);
}

static void
scene_stop(Scene *scene)
{
    vp_probe_free(scene->probe);
    vp_test_stage_stop(&scene->stage);
}

static void
asker_clear(Asker *asker)
{
    g_clear_pointer(&asker->facts, vp_qemu_facts_unref);
    g_clear_error(&asker->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Asker, asker_clear)

static void ask(Asker *asker, Scene *scene, const char *emulator);

static void
on_facts(VpQemuFacts *facts, const GError *error, gpointer data)
{
    Asker *asker = data;
    const char *asks = g_steal_pointer(&asker->asks);

    g_assert_true(!facts != !error);
    asker->wait = NULL;
    asker->answers++;
    asker_clear(asker);
    asker->facts = facts ? vp_qemu_facts_ref(facts) : NULL;
    asker->error = error ? g_error_copy(error) : NULL;
    if (asker->cancels)
        vp_probe_cancel(g_steal_pointer(&asker->cancels->wait));
    if (asks)
        ask(asker, asker->scene, asks);
    if (asker->frees)
        g_clear_pointer(&asker->scene->probe, vp_probe_free);
}

static void
ask(Asker *asker, Scene *scene, const char *emulator)
{
    guint before = asker->answers;

    asker->scene = scene;
    asker->wait = vp_probe_get(scene->probe, emulator, asker->owner ?: "", on_facts, asker);
    g_assert_cmpuint(asker->answers, ==, before); /* never inside of the call */
}

static void
settle(void)
{
    for (guint i = 0; i < 50; i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(200);
    }
}

/* NULL: there is no such binary. */
static VpQemuFacts *
find_facts(Scene *scene, const char *emulator)
{
    g_auto(Asker) asker = { 0 };

    ask(&asker, scene, emulator);
    vp_test_until(asker.answers);
    return g_steal_pointer(&asker.facts);
}

static void
test_shared(void)
{
    Scene scene;
    g_autofree char *path = NULL;
    g_auto(Asker) first = { 0 };
    g_auto(Asker) second = { 0 };
    g_auto(Asker) third = { 0 };

    scene_start(&scene);
    path = vp_test_fake(&scene.stage, "good");
    ask(&first, &scene, path);
    ask(&second, &scene, path);
    vp_test_until(first.answers && second.answers);
    g_assert_no_error(first.error);
    g_assert_true(first.facts == second.facts);
    ask(&third, &scene, path);
    vp_test_until(third.answers);
    g_assert_true(first.facts == third.facts);
    scene_stop(&scene);
}

/* Who cancels is not called; the others are. */
static void
test_cancelled(void)
{
    Scene scene;
    g_autofree char *path = NULL;
    g_auto(Asker) first = { 0 };
    g_auto(Asker) second = { 0 };
    g_auto(Asker) third = { 0 };

    scene_start(&scene);
    path = vp_test_fake(&scene.stage, "good");
    ask(&first, &scene, path);
    ask(&second, &scene, path);
    ask(&third, &scene, path);
    vp_probe_cancel(first.wait);
    second.cancels = &third;
    vp_test_until(second.answers);
    settle();
    g_assert_cmpuint(first.answers, ==, 0);
    g_assert_cmpuint(third.answers, ==, 0);
    scene_stop(&scene);
}

static void
test_asks_again(void)
{
    Scene scene;
    g_autofree char *path = NULL, *other = NULL;
    g_auto(Asker) asker = { 0 };

    scene_start(&scene);
    path = vp_test_fake(&scene.stage, "good");
    other = vp_test_fake(&scene.stage, "good-2");
    asker.asks = other;
    ask(&asker, &scene, path);
    vp_test_until(asker.answers == 2);
    g_assert_no_error(asker.error);
    asker.asks = path;
    ask(&asker, &scene, path);
    vp_test_until(asker.answers == 4);
    scene_stop(&scene);
}

/* Freed by one of several that wait; processes under way end. */
static void
test_freed(void)
{
    Scene scene;
    g_autofree char *path = NULL, *silent = NULL;
    g_auto(Asker) first = { .frees = true };
    g_auto(Asker) second = { 0 };
    g_auto(Asker) third = { .owner = "another" };

    scene_start(&scene);
    path = vp_test_fake(&scene.stage, "good");
    silent = vp_test_fake(&scene.stage, "silent");
    ask(&third, &scene, silent);
    ask(&first, &scene, path);
    ask(&second, &scene, path);
    vp_test_until(first.answers);
    settle();
    g_assert_cmpuint(second.answers + third.answers, ==, 0);
    scene_stop(&scene);
}

/* A new binary is asked anew, also while the old one is. A failure is remembered, not for it. */
static void
test_changed(void)
{
    Scene scene;
    g_autofree char *path = NULL;
    g_auto(Asker) first = { 0 };
    g_auto(Asker) second = { 0 };

    scene_start(&scene);
    path = g_build_filename(scene.stage.directory, "good", NULL);
    ask(&first, &scene, path);
    vp_test_until(first.answers);
    g_assert_error(first.error, VP_ERROR, VP_ERROR_FAILED);
    g_assert_nonnull(strstr(first.error->message, path));
    g_file_set_contents(path, "", 0, NULL);
    ask(&first, &scene, path);
    vp_test_until(first.answers == 2);
    g_assert_nonnull(strstr(first.error->message, "cannot execute it"));
    ask(&second, &scene, path);
    vp_test_until(second.answers == 1);
    g_unlink(path);
    ask(&second, &scene, path);
    g_free(vp_test_fake(&scene.stage, "good"));
    ask(&first, &scene, path);
    vp_test_until(first.answers == 3 && second.answers == 2);
    g_assert_no_error(first.error);
    scene_stop(&scene);
}

/* What the first one's look has seen, which is over and has not been told, is not for the second:
 * the binary is another one since. */
static void
test_changed_behind_a_look(void)
{
    Scene scene;
    g_autofree char *path = NULL;
    g_auto(Asker) first = { 0 };
    g_auto(Asker) second = { 0 };

    scene_start(&scene);
    path = g_build_filename(scene.stage.directory, "good", NULL);
    ask(&first, &scene, path);
    g_usleep(100000);
    g_free(vp_test_fake(&scene.stage, "good"));
    ask(&second, &scene, path);
    vp_test_until(first.answers && second.answers);
    g_assert_no_error(second.error);
    scene_stop(&scene);
}

static void
test_running_limit(void)
{
    Scene scene;
    Asker askers[VP_PROBE_RUNNING_MAX + 1] = { 0 };
    char owners[VP_PROBE_RUNNING_MAX + 1][16];
    g_auto(Asker) asker = { 0 };
    g_autofree char *good = NULL;

    scene_start(&scene);
    for (guint i = 0; i < G_N_ELEMENTS(askers); i++) {
        g_autofree char *behaviour = g_strdup_printf("silent-%u", i);
        g_autofree char *path = vp_test_fake(&scene.stage, behaviour);

        g_snprintf(owners[i], sizeof(owners[i]), "uid %u", i);
        askers[i].owner = owners[i];
        ask(&askers[i], &scene, path);
        vp_test_until(vp_test_children() == MIN(i + 1, VP_PROBE_RUNNING_MAX));
    }
    good = vp_test_fake(&scene.stage, "good");
    ask(&asker, &scene, good);
    g_assert_null(find_facts(&scene, "/nonexistent")); /* that takes a look, no process */
    settle();
    g_assert_cmpuint(vp_test_children(), ==, VP_PROBE_RUNNING_MAX);
    g_assert_cmpuint(asker.answers, ==, 0);
    scene_stop(&scene);
}

/* Twenty endless programs of one owner, in the order of coming: no more than one of them runs, and
 * another owner's is asked at once. */
static void
test_owner_running_limit(void)
{
    Scene scene;
    Asker askers[20] = { 0 };
    g_auto(Asker) other = { .owner = "uid 2" };
    g_autofree char *good = NULL;
    gint64 start = 0;

    scene_start(&scene);
    for (guint i = 0; i < G_N_ELEMENTS(askers); i++) {
        g_autofree char *behaviour = g_strdup_printf("silent-%u", i);
        g_autofree char *path = vp_test_fake(&scene.stage, behaviour);

        askers[i].owner = "uid 1";
        ask(&askers[i], &scene, path);
    }
    vp_test_until(vp_test_children() > 0);
    settle();
    g_assert_cmpuint(vp_test_children(), ==, VP_PROBE_OWNER_RUNNING_MAX);
    good = vp_test_fake(&scene.stage, "good");
    start = g_get_monotonic_time();
    ask(&other, &scene, good);
    vp_test_until(other.answers);
    g_assert_no_error(other.error);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 5 * G_USEC_PER_SEC);
    for (guint i = 0; i < G_N_ELEMENTS(askers); i++)
        g_assert_cmpuint(askers[i].answers, ==, 0);
    scene_stop(&scene);
}

/* A binary that an owner with an endless program waits for is asked in the name of another one who
 * wants it too; then both have it. */
static void
test_shared_between_owners(void)
{
    Scene scene;
    g_auto(Asker) stuck = { .owner = "uid 1" };
    g_auto(Asker) first = { .owner = "uid 1" };
    g_auto(Asker) second = { .owner = "uid 2" };
    g_autofree char *good = NULL, *silent = NULL;

    scene_start(&scene);
    silent = vp_test_fake(&scene.stage, "silent");
    good = vp_test_fake(&scene.stage, "good");
    ask(&stuck, &scene, silent);
    vp_test_until(vp_test_children() == 1);
    ask(&first, &scene, good);
    settle();
    g_assert_cmpuint(first.answers, ==, 0);
    ask(&second, &scene, good);
    vp_test_until(first.answers && second.answers);
    g_assert_true(first.facts && first.facts == second.facts);
    g_assert_cmpuint(stuck.answers, ==, 0);
    scene_stop(&scene);
}

/* As many binaries as an owner may wait for do wait, one more is refused, and an owner of one's own
 * is not. What he waits for already may be asked for again. */
static void
test_owner_waiting_limit(void)
{
    Scene scene;
    Asker askers[VP_PROBE_OWNER_WAITING_MAX] = { 0 };
    g_auto(Asker) again = { 0 };
    g_auto(Asker) more = { 0 };
    g_auto(Asker) other = { .owner = "uid 2" };
    g_autofree char *good = NULL, *first = NULL;

    scene_start(&scene);
    for (guint i = 0; i < G_N_ELEMENTS(askers); i++) {
        g_autofree char *behaviour = g_strdup_printf("silent-%u", i);
        g_autofree char *path = vp_test_fake(&scene.stage, behaviour);

        ask(&askers[i], &scene, path);
        first = first ?: g_strdup(path);
    }
    good = vp_test_fake(&scene.stage, "good");
    ask(&again, &scene, first);
    ask(&more, &scene, good);
    ask(&other, &scene, good);
    vp_test_until(more.answers && other.answers);
    g_assert_error(more.error, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_no_error(other.error);
    for (guint i = 0; i < G_N_ELEMENTS(askers); i++)
        g_assert_cmpuint(askers[i].answers, ==, 0);
    g_assert_cmpuint(again.answers, ==, 0);
    vp_probe_cancel(askers[1].wait);
    ask(&more, &scene, good);
    vp_test_until(more.answers == 2);
    g_assert_no_error(more.error);
    scene_stop(&scene);
}

static void
check_same(Scene *scene, const char *emulator, const VpQemuFacts *facts, bool same)
{
    g_autoptr(VpQemuFacts) found = find_facts(scene, emulator);

    g_assert_nonnull(found);
    g_assert_true((found == facts) == same);
}

/* The least recently used go when there are too many: what has gone has to be asked anew. */
static void
test_kept_limit(void)
{
    Scene scene;
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) facts =
        g_ptr_array_new_with_free_func((GDestroyNotify)vp_qemu_facts_unref);

    scene_start(&scene);
    for (guint i = 0; i < VP_PROBE_KEPT_MAX; i++) {
        g_autofree char *behaviour = g_strdup_printf("good-%u", i);

        g_ptr_array_add(paths, vp_test_fake(&scene.stage, behaviour));
        g_ptr_array_add(facts, find_facts(&scene, paths->pdata[i]));
    }
    check_same(&scene, paths->pdata[1], facts->pdata[1], true);
    check_same(&scene, paths->pdata[0], facts->pdata[0], true);
    g_assert_null(find_facts(&scene, "/nonexistent")); /* one more */
    check_same(&scene, paths->pdata[0], facts->pdata[0], true);
    check_same(&scene, paths->pdata[1], facts->pdata[1], true);
    check_same(&scene, paths->pdata[2], facts->pdata[2], false); /* it was used before these */
    scene_stop(&scene);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/probe/probe/shared", test_shared);
    g_test_add_func("/probe/probe/cancelled", test_cancelled);
    g_test_add_func("/probe/probe/asks-again", test_asks_again);
    g_test_add_func("/probe/probe/freed", test_freed);
    g_test_add_func("/probe/probe/changed", test_changed);
    g_test_add_func("/probe/probe/changed-behind-a-look", test_changed_behind_a_look);
    g_test_add_func("/probe/probe/running-limit", test_running_limit);
    g_test_add_func("/probe/probe/owner-running-limit", test_owner_running_limit);
    g_test_add_func("/probe/probe/shared-between-owners", test_shared_between_owners);
    g_test_add_func("/probe/probe/owner-waiting-limit", test_owner_waiting_limit);
    g_test_add_func("/probe/probe/kept-limit", test_kept_limit);
    return g_test_run();
}
