/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Parents of snapshots, told as stories: what happened when (seconds), who knew of it, and what
 * may then be said. The guest of these stories started at T0 and its clock runs with the date but
 * for what a story says.
 */

#include "added/lineage.h"

#include "base/limits.h"

#include <string.h>

#define T0 1700000000
#define MS G_GINT64_CONSTANT(1000000)

/* A snapshot in a story. */
typedef struct Taken {
    const char *tag;
    double date;      /* seconds after T0 */
    double clock;
    bool data_only;   /* without the state of a guest */
} Taken;

/* Seconds after T0, as nanoseconds since 1970. */
static gint64
at(double seconds)
{
    return (T0 * G_GINT64_CONSTANT(1000) + (gint64)(seconds * 1000)) * MS;
}

static VpSnapshotKey
key_of(const Taken *taken)
{
    gint64 date = taken->date * 1000, clock = taken->clock * 1000;

    return (VpSnapshotKey){ taken->tag, T0 + date / 1000, date % 1000 * MS, clock / 1000,
                            clock % 1000 * MS };
}

/* The list of a guest with one disk that holds these; ends with a tag of NULL. */
static VpSnapshots *
list(const Taken *taken)
{
    g_autoptr(GString) text = g_string_new("[{\"inserted\": {\"node-name\": \"n\", \"image\": {"
                                           "\"format\": \"qcow2\", \"snapshots\": [");
    g_autoptr(VpJsonTree) tree = NULL;
    g_autoptr(VpDisks) disks = NULL;

    for (guint i = 0; taken[i].tag; i++) {
        VpSnapshotKey key = key_of(&taken[i]);

        g_string_append_printf(text, "%s{\"id\": \"%u\", \"name\": \"%s\", \"date-sec\": %"
                               G_GINT64_FORMAT ", \"date-nsec\": %" G_GINT64_FORMAT
                               ", \"vm-clock-sec\": %" G_GINT64_FORMAT ", \"vm-clock-nsec\": %"
                               G_GINT64_FORMAT ", \"vm-state-size\": %d}", i > 0 ? "," : "", i + 1,
                               key.tag, key.date_sec, key.date_nsec, key.clock_sec, key.clock_nsec,
                               taken[i].data_only ? 0 : 1000);
    }
    g_string_append(text, "]}}}]");
    tree = vp_json_tree_parse(text->str, -1, NULL);
    disks = vp_disks_read(vp_json_root(tree), NULL);
    return vp_snapshots_new(disks);
}

/* What is remembered goes through its text between any two events. */
static VpLineage *
again(VpLineage *lineage, const VpSnapshots *snapshots)
{
    g_autofree char *text = vp_lineage_to_text(lineage, snapshots);

    vp_lineage_free(lineage);
    return vp_lineage_parse(text);
}

/* We save, with @before there; nobody has stopped the guest if @seen has not changed. */
static VpLineage *
save(VpLineage *lineage, const Taken *before, const Taken *taken, const char *seen,
     const char *seen_after)
{
    g_autoptr(VpSnapshots) snapshots = list(before);
    VpSnapshotKey key = key_of(taken);

    vp_lineage_adopt(lineage, snapshots, seen);
    vp_lineage_saved(lineage, &key, true, at(taken->date), seen_after);
    return again(lineage, snapshots);
}

static VpLineage *
load(VpLineage *lineage, const Taken *before, const Taken *taken, double date, const char *seen,
     const char *seen_after)
{
    g_autoptr(VpSnapshots) snapshots = list(before);
    VpSnapshotKey key = key_of(taken);

    vp_lineage_adopt(lineage, snapshots, seen);
    vp_lineage_loaded(lineage, &key, at(date), seen_after);
    return again(lineage, snapshots);
}

/* "a<- b<a c<?": each snapshot with its parent; "-" for none, "?" for unknown, "*" behind the
 * current one. */
static void
assert_tree(VpLineage *lineage, const Taken *there, const char *seen, const char *expected)
{
    g_autoptr(VpSnapshots) snapshots = list(there);
    g_autoptr(GString) text = g_string_new(NULL);

    vp_lineage_adopt(lineage, snapshots, seen);
    vp_lineage_fill(lineage, snapshots);
    for (guint i = 0; i < vp_snapshots_count(snapshots); i++) {
        const VpSnapshot *snapshot = vp_snapshots_at(snapshots, i);
        const VpSnapshot *parent = vp_snapshots_find_uuid(snapshots, snapshot->parent);
        const char *none = snapshot->parent ? "-" : "?";

        g_string_append_printf(text, "%s%s<%s%s", i > 0 ? " " : "", snapshot->key.tag,
                               parent ? parent->key.tag : none, snapshot->current ? "*" : "");
    }
    g_assert_cmpstr(text->str, ==, expected);
}

#define THERE(...) ((const Taken[]){ __VA_ARGS__ { NULL, 0, 0, false } })

static const Taken a = { "a", 10, 10, false };
static const Taken b = { "b", 20, 20, false };
static const Taken c = { "c", 30, 30, false };

static VpLineage *
chain(void)
{
    VpLineage *lineage = vp_lineage_parse(NULL);

    lineage = save(lineage, THERE(), &a, "0", "1");
    lineage = save(lineage, THERE(a, ), &b, "1", "2");
    return save(lineage, THERE(a, b, ), &c, "2", "3");
}

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

    vp_lineage_adopt(lineage, snapshots, "3");
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

    vp_lineage_adopt(lineage, none, "1");
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
