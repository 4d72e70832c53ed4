/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Stories about snapshots: what happened when (seconds), who knew of it, and what may then be
 * said. The guest of these stories started at T0 and its clock runs with the date but for what a
 * story says.
 */

#include "added/lineage.h"

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
static inline gint64
at(double seconds)
{
    return (T0 * G_GINT64_CONSTANT(1000) + (gint64)(seconds * 1000)) * MS;
}

static inline VpSnapshotKey
key_of(const Taken *taken)
{
    gint64 date = taken->date * 1000, clock = taken->clock * 1000;

    return (VpSnapshotKey){ taken->tag, T0 + date / 1000, date % 1000 * MS, clock / 1000,
                            clock % 1000 * MS };
}

/* The list of a guest with one disk that holds these; ends with a tag of NULL. */
static inline VpSnapshots *
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
static inline VpLineage *
again(VpLineage *lineage, const VpSnapshots *snapshots)
{
    g_autofree char *text = vp_lineage_to_text(lineage, snapshots);

    vp_lineage_free(lineage);
    return vp_lineage_parse(text);
}

/* We save, with @before there; nobody has stopped the guest if @seen has not changed. */
static inline VpLineage *
save(VpLineage *lineage, const Taken *before, const Taken *taken, const char *seen,
     const char *seen_after)
{
    g_autoptr(VpSnapshots) snapshots = list(before);
    VpSnapshotKey key = key_of(taken);

    vp_lineage_adopt(lineage, snapshots, NULL, seen);
    vp_lineage_saved(lineage, &key, true, at(taken->date), seen_after);
    return again(lineage, snapshots);
}

static inline VpLineage *
load(VpLineage *lineage, const Taken *before, const Taken *taken, double date, const char *seen,
     const char *seen_after)
{
    g_autoptr(VpSnapshots) snapshots = list(before);
    VpSnapshotKey key = key_of(taken);

    vp_lineage_adopt(lineage, snapshots, NULL, seen);
    vp_lineage_loaded(lineage, &key, at(date), seen_after);
    return again(lineage, snapshots);
}

/* One of libvirt's account. */
typedef struct Told {
    const char *name;
    const char *parent;
    double created;     /* seconds after T0 */
    const char *kept;   /* what we kept then */
    bool external;
} Told;

/* As libvirt would tell it; ends with a name of NULL. */
static inline GPtrArray *
tell(const Told *told)
{
    GPtrArray *heard = g_ptr_array_new_with_free_func((GDestroyNotify)vp_libvirt_snapshot_free);

    for (guint i = 0; told[i].name; i++) {
        VpLibvirtSnapshot *snapshot = g_new0(VpLibvirtSnapshot, 1);

        snapshot->name = g_strdup(told[i].name);
        snapshot->parent = g_strdup(told[i].parent);
        snapshot->created = T0 + (gint64)told[i].created;
        snapshot->internal = !told[i].external;
        snapshot->kept = g_strdup(told[i].kept);
        g_ptr_array_add(heard, snapshot);
    }
    return heard;
}

/* "a<- b<a c<?": each snapshot with its parent; "-" for none, "?" for unknown, "*" behind the
 * current one. @told: what libvirt says of them; NULL: nothing. */
static inline void
assert_heard(VpLineage *lineage, const Taken *there, const Told *told, const char *seen,
             const char *expected)
{
    g_autoptr(VpSnapshots) snapshots = list(there);
    g_autoptr(GPtrArray) heard = told ? tell(told) : NULL;
    g_autoptr(VpHearsay) hearsay = heard ? vp_hearsay_new(heard, snapshots) : NULL;
    g_autoptr(GString) text = g_string_new(NULL);

    vp_lineage_adopt(lineage, snapshots, hearsay, seen);
    g_assert_true(vp_lineage_knows_all(lineage, snapshots));
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

static inline void
assert_tree(VpLineage *lineage, const Taken *there, const char *seen, const char *expected)
{
    assert_heard(lineage, there, NULL, seen, expected);
}

#define THERE(...) ((const Taken[]){ __VA_ARGS__ { NULL, 0, 0, false } })
#define TOLD(...) ((const Told[]){ __VA_ARGS__ { NULL, NULL, 0, NULL, false } })

static const Taken a = { "a", 10, 10, false };
static const Taken b = { "b", 20, 20, false };
static const Taken c = { "c", 30, 30, false };

static inline VpLineage *
chain(void)
{
    VpLineage *lineage = vp_lineage_parse(NULL);

    lineage = save(lineage, THERE(), &a, "0", "1");
    lineage = save(lineage, THERE(a, ), &b, "1", "2");
    return save(lineage, THERE(a, b, ), &c, "2", "3");
}
