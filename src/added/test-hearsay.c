/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Parents of snapshots from libvirt's account, and when it is not believed. */

#include "added/test-stories.h"

static const Told told_a = { "a", NULL, 10, NULL, false };
static const Told told_b = { "b", "a", 20, NULL, false };
static const Told told_c = { "c", "b", 30, NULL, false };

/* At our first look at a domain, in which libvirt took the last one after a revert to the first. */
static void
test_first(void)
{
    const Taken d = { "d", 40, 15, false };
    const Told told_d = { "d", "a", 40, NULL, false };
    g_autoptr(VpLineage) lineage = vp_lineage_parse(NULL);
    g_autoptr(VpLineage) deaf = vp_lineage_parse(NULL);

    assert_heard(lineage, THERE(a, b, c, d, ), TOLD(told_d, told_a, told_c, told_b, ), "1",
                 "a<- b<a c<b d<a");
    assert_heard(deaf, THERE(a, b, c, d, ), TOLD(), "1", "a<? b<? c<? d<?");
}

/* Ours goes on from there. */
static void
test_then_ours(void)
{
    const Taken d = { "d", 40, 39.9, false };
    g_autoptr(VpLineage) lineage = vp_lineage_parse(NULL);
    VpSnapshotKey key = key_of(&d);

    assert_heard(lineage, THERE(a, b, ), TOLD(told_a, told_b, ), "1", "a<- b<a");
    vp_lineage_saved(lineage, &key, false, at(40), "2");
    assert_tree(lineage, THERE(a, b, d, ), "2", "a<- b<a d<b*");
}

/* Name and time have to be the same, and it has to be in the images. */
static void
test_of_another(void)
{
    const Told late = { "b", "a", 14.9, NULL, false }, early = { "b", "a", 21, NULL, false };
    const Told edge = { "b", "a", 15, NULL, false }, external = { "b", "a", 20, NULL, true };
    const Told named = { "B", "a", 20, NULL, false };
    const Told *const others[] = { &late, &early, &external, &named };
    g_autoptr(VpLineage) fine = vp_lineage_parse(NULL);

    assert_heard(fine, THERE(a, b, ), TOLD(told_a, edge, ), "1", "a<- b<a");
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autoptr(VpLineage) lineage = vp_lineage_parse(NULL);

        assert_heard(lineage, THERE(a, b, ), TOLD(told_a, *others[i], ), "1", "a<- b<?");
    }
}

/* Two of that name and time, on one disk or on two: nobody knows which is meant. */
static void
test_of_two(void)
{
    const Taken twin = { "b", 21, 21, false };
    g_autoptr(VpLineage) lineage = vp_lineage_parse(NULL);

    assert_heard(lineage, THERE(a, b, twin, ), TOLD(told_a, told_b, ), "1", "a<- b<? b<?");
}

/* Somebody saved another between the two, without libvirt. */
static void
test_between(void)
{
    const Taken x = { "x", 15, 15, false }, offline = { "q", 15, 0, true };
    g_autoptr(VpLineage) lineage = vp_lineage_parse(NULL);
    g_autoptr(VpLineage) fine = vp_lineage_parse(NULL);

    assert_heard(lineage, THERE(a, x, b, c, ), TOLD(told_a, told_b, told_c, ), "1",
                 "a<- x<? b<? c<b");
    assert_heard(fine, THERE(a, offline, b, ), TOLD(told_a, told_b, ), "1", "a<- q<? b<a");
}

/* Somebody loaded an older one; the clock of the next tells. */
static void
test_clocks(void)
{
    const Taken back = { "c", 30, 15, false }, fast = { "c", 30, 31, false };
    g_autoptr(VpLineage) one = vp_lineage_parse(NULL);
    g_autoptr(VpLineage) two = vp_lineage_parse(NULL);

    assert_heard(one, THERE(a, b, back, ), TOLD(told_a, told_b, told_c, ), "1", "a<- b<a c<?");
    assert_heard(two, THERE(a, b, fast, ), TOLD(told_a, told_b, told_c, ), "1", "a<- b<a c<?");
}

/* Taken while the guest was off, and after it was started from there. */
static void
test_offline(void)
{
    const Taken off = { "b", 20, 0, true }, on = { "c", 30, 9, false };
    g_autoptr(VpLineage) lineage = vp_lineage_parse(NULL);

    assert_heard(lineage, THERE(a, off, on, ), TOLD(told_a, told_b, told_c, ), "1",
                 "a<- b<a c<b");
}

/* None, while there are older ones: somebody has had libvirt forget. A parent that it does not
 * describe, or that is its own, leads nowhere. */
static void
test_nonsense(void)
{
    const Told orphan = { "b", NULL, 20, NULL, false }, round = { "b", "b", 20, NULL, false };
    const Told lost = { "b", "x", 20, NULL, false };
    const Told *const others[] = { &orphan, &round, &lost };

    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autoptr(VpLineage) lineage = vp_lineage_parse(NULL);

        assert_heard(lineage, THERE(a, b, ), TOLD(told_a, *others[i], ), "1", "a<- b<?");
    }
}

/* libvirt still knows of one that is in no image any more, or outside of the images. */
static void
test_of_the_dead(void)
{
    const Told outside = { "b", "a", 20, NULL, true };
    g_autoptr(VpLineage) one = vp_lineage_parse(NULL);
    g_autoptr(VpLineage) two = vp_lineage_parse(NULL);

    assert_heard(one, THERE(a, c, ), TOLD(told_a, told_b, told_c, ), "1", "a<- c<a");
    assert_heard(two, THERE(a, c, ), TOLD(told_a, outside, told_c, ), "1", "a<- c<a");
}

static char *
text_of(VpLineage *lineage, const Taken *there)
{
    g_autoptr(VpSnapshots) snapshots = list(there);

    return vp_lineage_to_text(lineage, snapshots);
}

/* We load the first, of which libvirt knows nothing; what it then saves has not the parent that it
 * thinks, as our account tells that it has put by. */
static void
test_after_our_load(void)
{
    const Taken d = { "d", 90, 75, false };
    g_autoptr(VpLineage) lineage = load(vp_lineage_parse(NULL), THERE(a, b, ), &a, 25, "3", "4");
    g_autofree char *text = text_of(lineage, THERE(a, b, ));
    const Told wrong = { "d", "b", 90, text, false }, right = { "d", "a", 90, text, false };
    const Told unaware = { "d", "b", 90, NULL, false };
    g_autoptr(VpLineage) one = vp_lineage_parse(text);
    g_autoptr(VpLineage) two = vp_lineage_parse(text);
    g_autoptr(VpLineage) reverted = vp_lineage_parse(NULL);

    assert_heard(one, THERE(a, b, d, ), TOLD(told_a, told_b, wrong, ), "9", "a<? b<? d<?");
    assert_heard(two, THERE(a, b, d, ), TOLD(told_a, told_b, right, ), "9", "a<? b<? d<a");
    /* A revert to b has taken our account back to a time when there was none. */
    assert_heard(reverted, THERE(a, b, d, ), TOLD(told_a, told_b, unaware, ), "9",
                 "a<- b<a d<b");
}

/* Ours is between two of libvirt's. The clock may tell, libvirt must not. */
static void
test_after_our_save(void)
{
    const Taken x = { "x", 15, 15, false }, soon = { "b", 20, 20, false };
    const Taken late = { "b", 90, 70, false };
    g_autoptr(VpLineage) lineage = save(vp_lineage_parse(NULL), THERE(a, ), &x, "1", "2");
    g_autofree char *text = text_of(lineage, THERE(a, x, ));
    const Told told_soon = { "b", "a", 20, text, false }, told_late = { "b", "a", 90, text, false };
    g_autoptr(VpLineage) one = vp_lineage_parse(text);
    g_autoptr(VpLineage) two = vp_lineage_parse(text);
    g_autoptr(VpLineage) deleted = vp_lineage_parse(NULL);

    assert_heard(one, THERE(a, x, soon, ), TOLD(told_a, told_soon, ), "9", "a<? x<? b<x");
    assert_heard(two, THERE(a, x, late, ), TOLD(told_a, told_late, ), "9", "a<? x<? b<?");
    assert_heard(deleted, THERE(a, late, ), TOLD(told_a, told_late, ), "9", "a<- b<?");
}

/* libvirt took the parent after all that we know of. */
static void
test_after_us(void)
{
    const Taken d = { "d", 90, 35, false };
    g_autoptr(VpLineage) lineage = load(vp_lineage_parse(NULL), THERE(a, ), &a, 15, "3", "4");
    g_autofree char *text = text_of(lineage, THERE(a, ));
    const Told with_b = { "b", "a", 20, text, false }, with_c = { "c", "b", 30, text, false };
    const Told with_d = { "d", "b", 90, text, false };

    assert_heard(lineage, THERE(a, b, c, d, ), TOLD(told_a, with_b, with_c, with_d, ), "9",
                 "a<? b<a c<b d<b");
}

/* A load of ours went wrong: nobody knows from where the guest went on, libvirt neither. */
static void
test_after_loss(void)
{
    g_autoptr(VpLineage) lineage = chain();
    g_autofree char *lost = NULL;
    const Taken d = { "d", 90, 75, false };
    const Told with_lost[] = { { "d", "c", 90, NULL, false }, { "d", "c", 90, "x", false } };
    Told story[] = { told_a, told_b, told_c, with_lost[0], { NULL, NULL, 0, NULL, false } };

    vp_lineage_lost(lineage);
    lost = text_of(lineage, THERE(a, b, c, ));
    story[3].kept = lost;
    assert_heard(lineage, THERE(a, b, c, d, ), story, "9", "a<- b<a c<b d<?");
    g_clear_pointer(&lineage, vp_lineage_free);
    lineage = vp_lineage_parse(NULL);
    story[3] = with_lost[1];
    assert_heard(lineage, THERE(a, b, c, d, ), story, "9", "a<- b<a c<b d<?");
}

/* What a revert has taken out of our account is in one that came later. */
static void
test_our_own_words(void)
{
    g_autoptr(VpLineage) lineage = chain();
    g_autofree char *text = text_of(lineage, THERE(a, b, c, ));
    const Taken d = { "d", 40, 39.9, false };
    const Told with_text = { "d", NULL, 40, text, false };
    g_autoptr(VpLineage) reverted = vp_lineage_parse(NULL);

    assert_heard(reverted, THERE(a, b, c, d, ), TOLD(with_text, ), "9", "a<- b<a c<b d<?");
}

/* What we know already libvirt is not asked about. */
static void
test_too_late(void)
{
    const Told other = { "c", "a", 30, NULL, false };
    g_autoptr(VpLineage) lineage = chain();

    assert_heard(lineage, THERE(a, b, c, ), TOLD(told_a, told_b, other, ), "3", "a<- b<a c<b*");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/first", test_first);
    g_test_add_func("/then-ours", test_then_ours);
    g_test_add_func("/of-another", test_of_another);
    g_test_add_func("/of-two", test_of_two);
    g_test_add_func("/between", test_between);
    g_test_add_func("/clocks", test_clocks);
    g_test_add_func("/offline", test_offline);
    g_test_add_func("/nonsense", test_nonsense);
    g_test_add_func("/of-the-dead", test_of_the_dead);
    g_test_add_func("/after-our-load", test_after_our_load);
    g_test_add_func("/after-our-save", test_after_our_save);
    g_test_add_func("/after-us", test_after_us);
    g_test_add_func("/after-loss", test_after_loss);
    g_test_add_func("/our-own-words", test_our_own_words);
    g_test_add_func("/too-late", test_too_late);
    return g_test_run();
}
