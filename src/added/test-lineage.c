/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Parents of snapshots from what we have done and what the clocks tell. */

#include "added/test-stories.h"
#include "base/limits.h"

static void
test_chain(void)
{
    g_autoptr(VpLineage) lineage = chain();

    assert_tree(lineage, THERE(a, b, c, ), "3", "a<- b<a c<b*");
}

/* The one that goes on is named only while that is sure. */
static void
test_current(void)
{
    g_autoptr(VpLineage) lineage = chain();

    assert_tree(lineage, THERE(a, b, c, ), "4", "a<- b<a c<b");
    assert_tree(lineage, THERE(a, b, c, ), "", "a<- b<a c<b");
    assert_tree(lineage, THERE(a, b, c, ), "3", "a<- b<a c<b*");
}

static void
test_branch(void)
{
    const Taken d = { "d", 40, 15, false };
    VpLineage *lineage = chain();

    lineage = load(lineage, THERE(a, b, c, ), &a, 35, "3", "4");
    assert_tree(lineage, THERE(a, b, c, ), "4", "a<-* b<a c<b");
    lineage = save(lineage, THERE(a, b, c, ), &d, "4", "5");
    assert_tree(lineage, THERE(a, b, c, d, ), "5", "a<- b<a c<b d<a*");
    vp_lineage_free(lineage);
}

/* Somebody else loads the first one; the clock then tells that it was not the last. */
static void
test_foreign_load(void)
{
    const Taken d = { "d", 40, 15, false };
    VpLineage *lineage = save(chain(), THERE(a, b, c, ), &d, "9", "10");

    assert_tree(lineage, THERE(a, b, c, d, ), "10", "a<- b<a c<b d<?*");
    vp_lineage_free(lineage);
}

/* The guest was stopped, but so shortly that its clock would show any load. */
static void
test_short_pause(void)
{
    const Taken d = { "d", 40, 38, false };
    VpLineage *lineage = save(chain(), THERE(a, b, c, ), &d, "9", "10");

    assert_tree(lineage, THERE(a, b, c, d, ), "10", "a<- b<a c<b d<c*");
    vp_lineage_free(lineage);
}

/* It was stopped for so long that a load may be hidden in it. */
static void
test_long_pause(void)
{
    const Taken d = { "d", 60, 45, false };
    VpLineage *lineage = save(chain(), THERE(a, b, c, ), &d, "9", "10");

    assert_tree(lineage, THERE(a, b, c, d, ), "10", "a<- b<a c<b d<?*");
    vp_lineage_free(lineage);
}

/* A guest that was started anew may have been given any of them while it was off. */
static void
test_restart(void)
{
    const Taken d = { "d", 40, 5, false }, e = { "e", 90, 45, false };
    VpLineage *young = save(chain(), THERE(a, b, c, ), &d, "9", "10");
    VpLineage *old = save(chain(), THERE(a, b, c, ), &e, "9", "10");

    assert_tree(young, THERE(a, b, c, d, ), "10", "a<- b<a c<b d<?*");
    assert_tree(old, THERE(a, b, c, e, ), "10", "a<- b<a c<b e<?*");
    vp_lineage_free(young);
    vp_lineage_free(old);
}

/* Ahead of the current one: to be excluded by how long the guest has run only. */
static void
test_after_going_back(void)
{
    const Taken soon = { "d", 43, 18, false }, late = { "e", 55, 30.5, false };
    VpLineage *one = load(chain(), THERE(a, b, c, ), &a, 35, "3", "4");
    VpLineage *two = load(chain(), THERE(a, b, c, ), &a, 35, "3", "4");

    one = save(one, THERE(a, b, c, ), &soon, "9", "10");
    two = save(two, THERE(a, b, c, ), &late, "9", "10");
    assert_tree(one, THERE(a, b, c, soon, ), "10", "a<- b<a c<b d<a*");
    assert_tree(two, THERE(a, b, c, late, ), "10", "a<- b<a c<b e<?*");
    vp_lineage_free(one);
    vp_lineage_free(two);
}

/* What others save takes its place when its clock allows it, and ours go on from it. */
static void
test_foreign_save(void)
{
    const Taken d = { "d", 40, 39.9, false }, e = { "e", 50, 49.8, false };
    VpLineage *lineage = chain();

    assert_tree(lineage, THERE(a, b, c, d, ), "5", "a<- b<a c<b d<c");
    lineage = save(lineage, THERE(a, b, c, d, ), &e, "5", "6");
    assert_tree(lineage, THERE(a, b, c, d, e, ), "6", "a<- b<a c<b d<c e<d*");
    vp_lineage_free(lineage);
}

/* Somebody loads the first, saves, and loads the last: unknown, and nothing after it is wrong. */
static void
test_foreign_branch(void)
{
    const Taken d = { "d", 40, 15, false }, e = { "e", 50, 35, false };
    VpLineage *lineage = save(chain(), THERE(a, b, c, d, ), &e, "8", "9");

    assert_tree(lineage, THERE(a, b, c, d, e, ), "9", "a<- b<a c<b d<? e<?*");
    vp_lineage_free(lineage);
}

/* Not all that appears was saved from the running guest. */
static void
test_not_from_the_guest(void)
{
    const Taken offline = { "q", 35, 0, true }, older = { "o", 5, 5, false };
    VpLineage *lineage = chain();

    assert_tree(lineage, THERE(a, b, c, offline, older, ), "3", "o<? a<- b<a c<b* q<?");
    vp_lineage_free(lineage);
}

/* Snapshots from before we were there. */
static void
test_first_look(void)
{
    VpLineage *lineage = save(vp_lineage_parse(NULL), THERE(a, b, ), &c, "1", "2");
    VpLineage *lost = save(vp_lineage_parse("{\"version\": 99}"), THERE(), &c, "1", "2");

    assert_tree(lineage, THERE(a, b, c, ), "2", "a<? b<? c<?*");
    assert_tree(lost, THERE(c, ), "2", "c<?*");
    vp_lineage_free(lineage);
    vp_lineage_free(lost);
}

static void
delete(VpLineage *lineage, const Taken *taken)
{
    VpSnapshotKey key = key_of(taken);
    char uuid[VP_UUID_SIZE] = "";

    vp_snapshot_uuid(&key, uuid);
    vp_lineage_deleted(lineage, uuid);
}

static void
test_delete(void)
{
    g_autoptr(VpLineage) middle = chain();
    g_autoptr(VpLineage) first = chain();
    g_autoptr(VpLineage) last = chain();

    delete(middle, &b);
    assert_tree(middle, THERE(a, c, ), "3", "a<- c<a*");
    delete(first, &a);
    assert_tree(first, THERE(b, c, ), "3", "b<- c<b*");
    delete(last, &c);
    assert_tree(last, THERE(a, b, ), "3", "a<- b<a*");
}

static void
test_delete_all(void)
{
    const Taken d = { "d", 40, 40, false };
    VpLineage *lineage = chain();

    delete(lineage, &a);
    delete(lineage, &b);
    delete(lineage, &c);
    lineage = save(lineage, THERE(), &d, "3", "4");
    assert_tree(lineage, THERE(d, ), "4", "d<-*");
    vp_lineage_free(lineage);
}

/* One whose own parent is not known leaves its children without one. */
static void
test_delete_unknown(void)
{
    g_autoptr(VpLineage) lineage = save(vp_lineage_parse(NULL), THERE(a, ), &b, "1", "2");

    lineage = save(g_steal_pointer(&lineage), THERE(a, b, ), &c, "2", "3");
    assert_tree(lineage, THERE(a, b, c, ), "3", "a<? b<? c<b*");
    delete(lineage, &b);
    assert_tree(lineage, THERE(a, c, ), "3", "a<? c<?*");
}

/* Deleted behind our back: its children are its parent's as well, and it comes back to life if
 * its disk was only away. */
static void
test_foreign_delete(void)
{
    g_autoptr(VpLineage) lineage = chain();

    assert_tree(lineage, THERE(a, c, ), "3", "a<- c<a*");
    assert_tree(lineage, THERE(c, ), "3", "c<-*");
    assert_tree(lineage, THERE(a, b, ), "3", "a<- b<a");
    assert_tree(lineage, THERE(a, b, c, ), "3", "a<- b<a c<b*");
}

/* The guest was stopped between our look and our save. */
static void
test_disturbed(void)
{
    const Taken d = { "d", 40, 15, false };
    g_autoptr(VpLineage) lineage = chain();
    g_autoptr(VpSnapshots) snapshots = list(THERE(a, b, c, ));
    VpSnapshotKey key = key_of(&d);

    vp_lineage_adopt(lineage, snapshots, NULL, "3");
    vp_lineage_saved(lineage, &key, false, 0, "4");
    assert_tree(lineage, THERE(a, b, c, d, ), "4", "a<- b<a c<b d<?*");
}

/* A date that was set back tells nothing. */
static void
test_date_set_back(void)
{
    const Taken d = { "d", 25, 40, false };
    VpLineage *lineage = save(chain(), THERE(a, b, c, ), &d, "9", "10");

    assert_tree(lineage, THERE(a, b, d, c, ), "10", "a<- b<a d<?* c<b");
    vp_lineage_free(lineage);
}

static void
test_broken_texts(void)
{
    static const char *const texts[] = {
        "", "x", "[]", "{}", "{\"version\": 1}", "{\"version\": 1, \"snapshots\": [1, [], [\"x\"], "
        "[\"00000000-0000-0000-0000-000000000001\", 5, \"x\"]], \"current\": \"no uuid\", "
        "\"since\": \"x\", \"seen\": 7}",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        VpLineage *lineage = save(vp_lineage_parse(texts[i]), THERE(a, ), &b, "1", "2");

        assert_tree(lineage, THERE(a, b, ), "2", "a<? b<?*");
        vp_lineage_free(lineage);
    }
}

/* Parents in a circle end somewhere. */
static void
test_circle(void)
{
    g_autoptr(VpSnapshots) snapshots = list(THERE(c, ));
    const char *uuid = vp_snapshots_at(snapshots, 0)->uuid;
    g_autofree char *text = g_strdup_printf(
        "{\"version\":1,\"snapshots\":[[\"%s\",\"00000000-0000-0000-0000-000000000001\",1],"
        "[\"00000000-0000-0000-0000-000000000001\",\"00000000-0000-0000-0000-000000000002\",1],"
        "[\"00000000-0000-0000-0000-000000000002\",\"00000000-0000-0000-0000-000000000001\",1]]}",
        uuid);
    g_autoptr(VpLineage) lineage = vp_lineage_parse(text);

    assert_tree(lineage, THERE(c, ), "1", "c<?");
}

static guint
kept(guint count)
{
    g_autoptr(VpLineage) lineage = vp_lineage_parse(NULL);
    g_autoptr(VpSnapshots) none = list(THERE());
    g_autofree char *text = NULL;
    g_autoptr(VpJsonTree) tree = NULL;

    vp_lineage_adopt(lineage, none, NULL, "1");
    for (guint i = 0; i < count; i++) {
        VpSnapshotKey key = { "s", T0 + i, 0, i, 0 };

        vp_lineage_saved(lineage, &key, true, 0, "1");
    }
    text = vp_lineage_to_text(lineage, none);
    g_assert_cmpuint(strlen(text), <, 100 * (VP_LINEAGE_MAX + 2));
    tree = vp_json_tree_parse(text, -1, NULL);
    return vp_json_length(vp_json_get(vp_json_root(tree), "snapshots"));
}

static void
test_limit(void)
{
    g_assert_cmpuint(kept(VP_LINEAGE_MAX), ==, VP_LINEAGE_MAX);
    g_assert_cmpuint(kept(VP_LINEAGE_MAX + 1), ==, VP_LINEAGE_MAX);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/chain", test_chain);
    g_test_add_func("/current", test_current);
    g_test_add_func("/branch", test_branch);
    g_test_add_func("/foreign-load", test_foreign_load);
    g_test_add_func("/short-pause", test_short_pause);
    g_test_add_func("/long-pause", test_long_pause);
    g_test_add_func("/restart", test_restart);
    g_test_add_func("/after-going-back", test_after_going_back);
    g_test_add_func("/foreign-save", test_foreign_save);
    g_test_add_func("/foreign-branch", test_foreign_branch);
    g_test_add_func("/not-from-the-guest", test_not_from_the_guest);
    g_test_add_func("/first-look", test_first_look);
    g_test_add_func("/delete", test_delete);
    g_test_add_func("/delete-all", test_delete_all);
    g_test_add_func("/delete-unknown", test_delete_unknown);
    g_test_add_func("/foreign-delete", test_foreign_delete);
    g_test_add_func("/disturbed", test_disturbed);
    g_test_add_func("/date-set-back", test_date_set_back);
    g_test_add_func("/broken-texts", test_broken_texts);
    g_test_add_func("/circle", test_circle);
    g_test_add_func("/limit", test_limit);
    return g_test_run();
}
