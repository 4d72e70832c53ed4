/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which snapshot descends from which.
 *
 * The images do not tell; it has to be remembered: the parent of each snapshot, and the one from
 * which the guest goes on now. The latter ends being true when somebody loads another one without
 * us, and QEMU has no event for that. So a parent is taken for known only if nobody can have done
 * it. That is certain while the guest has not been stopped at all, for a load stops it (`seen`).
 * Else the clocks have a say. A snapshot tells its date and for how long the guest had run, and a
 * load sets the latter back to what it was. With
 *
 *     D    time that has passed since the guest went on from the current snapshot
 *     lag  by how much less the guest's clock has advanced in that time (pauses, loads)
 *
 * a snapshot whose clock was b behind the current one's (negative: ahead) can have been loaded in
 * between, followed by any pauses, only if 0 <= lag - b <= D. If that excludes all others, the
 * guest still goes on from the current one. A guest that may have been started anew (its clock
 * begins at 0) may have been given any snapshot while it was off.
 *
 * Where neither tells, libvirt's own account may (hearsay.c): it is heard when a snapshot is seen
 * for the first time.
 *
 * What does not follow from this is unknown, never guessed. A parent that is gone hands its
 * children to its own parent.
 */

#include "added/lineage.h"

#include "base/limits.h"

#include <string.h>

#define VERSION 1
#define NS_PER_SEC G_GINT64_CONSTANT(1000000000)

/* Nothing here can be more, see disks.c: differences of differences do not overflow. */
#define DATE_MAX_NS ((G_MAXUINT32 + G_GINT64_CONSTANT(1)) * NS_PER_SEC)
#define CLOCK_MAX_NS ((G_MAXINT32 + G_GINT64_CONSTANT(1)) * NS_PER_SEC)

/* How far date and clock may be apart although the guest ran all the time: what QEMU does between
 * reading the two, and a date that is being adjusted by up to 0.1 %. */
#define SLACK_NS (NS_PER_SEC / 10)
#define SLACK_SHARE 1000

typedef struct Entry {
    char *uuid;
    char *parent;     /* VP_SNAPSHOT_NO_PARENT: has none; NULL: unknown */
    gint64 clock_ns;
} Entry;

struct VpLineage {
    GPtrArray *entries; /* of Entry, in the order in which they became known */
    bool fresh;         /* nothing had been kept */
    bool started;       /* what there was at the first look is among the entries */
    char *current;      /* the same as Entry.parent */
    gint64 since_ns;    /* when the guest went on from it; 0: not known */
    gint64 clock_ns;    /* and the guest's clock then */
    char *seen;         /* see vp_lineage_adopt(); "" is never equal */
    bool certain;       /* that it still goes on from there */
};

static void
entry_free(gpointer data)
{
    Entry *entry = data;

    g_free(entry->uuid);
    g_free(entry->parent);
    g_free(entry);
}

static Entry *
find(const VpLineage *lineage, const char *uuid)
{
    for (guint i = 0; i < lineage->entries->len; i++) {
        Entry *entry = g_ptr_array_index(lineage->entries, i);

        if (strcmp(entry->uuid, uuid) == 0)
            return entry;
    }
    return NULL;
}

static void
add(VpLineage *lineage, const char *uuid, const char *parent, gint64 clock_ns)
{
    Entry *entry = NULL;

    if (find(lineage, uuid))
        return;
    entry = g_new0(Entry, 1);
    entry->uuid = g_strdup(uuid);
    entry->parent = g_strdup(parent);
    entry->clock_ns = clock_ns;
    g_ptr_array_add(lineage->entries, entry);
}

static const char *
valid_uuid(const char *text)
{
    return text && g_uuid_string_is_valid(text) ? text : NULL;
}

/* An element is [uuid, parent, clock]. One that is something else would be a snapshot of which we
 * do not know that it could have been loaded; then nothing counts. */
static bool
parse_entries(VpLineage *lineage, const VpJsonNode *list)
{
    for (guint i = 0; i < MIN(vp_json_length(list), VP_LINEAGE_MAX); i++) {
        const VpJsonNode *item = vp_json_at(list, i);
        const char *uuid = valid_uuid(vp_json_string(vp_json_at(item, 0)));
        const char *clock = vp_json_number_text(vp_json_at(item, 2));

        if (!uuid || !clock)
            return false;
        add(lineage, uuid, valid_uuid(vp_json_string(vp_json_at(item, 1))),
            CLAMP(g_ascii_strtoll(clock, NULL, 10), 0, CLOCK_MAX_NS));
    }
    return vp_json_is(list, VP_JSON_NODE_ARRAY);
}

VpLineage *
vp_lineage_parse(const char *text)
{
    g_autoptr(VpJsonTree) tree = text ? vp_json_tree_parse(text, -1, NULL) : NULL;
    const VpJsonNode *root = vp_json_root(tree);
    VpLineage *lineage = g_new0(VpLineage, 1);

    lineage->entries = g_ptr_array_new_with_free_func(entry_free);
    lineage->fresh = !text;
    lineage->started = vp_json_get_int(root, "version", 0) == VERSION &&
                       parse_entries(lineage, vp_json_get(root, "snapshots"));
    if (!lineage->started) {
        g_ptr_array_set_size(lineage->entries, 0);
        lineage->seen = g_strdup("");
        return lineage;
    }
    lineage->current = g_strdup(valid_uuid(vp_json_get_string(root, "current")));
    lineage->since_ns = CLAMP(vp_json_get_int(root, "since", 0), 0, DATE_MAX_NS);
    lineage->clock_ns = CLAMP(vp_json_get_int(root, "clock", 0), 0, CLOCK_MAX_NS);
    lineage->seen = g_strdup(vp_json_get_string(root, "seen") ?: "");
    return lineage;
}

void
vp_lineage_free(VpLineage *lineage)
{
    if (!lineage)
        return;
    g_ptr_array_unref(lineage->entries);
    g_free(lineage->current);
    g_free(lineage->seen);
    g_free(lineage);
}

static void
drop_oldest(VpLineage *lineage, const VpSnapshots *kept)
{
    guint excess = lineage->entries->len > VP_LINEAGE_MAX ? lineage->entries->len - VP_LINEAGE_MAX
                                                          : 0;

    for (guint i = 0; excess > 0 && i < lineage->entries->len;) {
        const Entry *entry = g_ptr_array_index(lineage->entries, i);

        if (kept && vp_snapshots_find_uuid(kept, entry->uuid)) {
            i++;
            continue;
        }
        g_ptr_array_remove_index(lineage->entries, i);
        excess--;
    }
}

char *
vp_lineage_to_text(VpLineage *lineage, const VpSnapshots *snapshots)
{
    g_auto(VpJsonWriter) writer = vp_json_writer_compact();

    drop_oldest(lineage, snapshots);
    drop_oldest(lineage, NULL);
    vp_json_begin_object(&writer, NULL);
    vp_json_add_int(&writer, "version", VERSION);
    vp_json_add_string(&writer, "current", lineage->current);
    vp_json_add_int(&writer, "since", lineage->since_ns);
    vp_json_add_int(&writer, "clock", lineage->clock_ns);
    vp_json_add_string(&writer, "seen", lineage->seen);
    vp_json_begin_array(&writer, "snapshots");
    for (guint i = 0; i < lineage->entries->len; i++) {
        const Entry *entry = g_ptr_array_index(lineage->entries, i);

        vp_json_begin_array(&writer, NULL);
        vp_json_add_string(&writer, NULL, entry->uuid);
        vp_json_add_string(&writer, NULL, entry->parent);
        vp_json_add_int(&writer, NULL, entry->clock_ns);
        vp_json_end(&writer);
    }
    vp_json_end(&writer);
    vp_json_end(&writer);
    return vp_json_writer_steal(&writer);
}

gint64
vp_lineage_slack(gint64 passed_ns)
{
    return SLACK_NS + passed_ns / SLACK_SHARE;
}

/* Whether one with this clock can have been loaded before the guest came to this date and clock;
 * see the top of the file. */
static bool
may_have_been_loaded(const VpLineage *lineage, gint64 clock_ns, gint64 date_now, gint64 clock_now)
{
    gint64 passed = date_now - lineage->since_ns;
    gint64 slack = vp_lineage_slack(passed);
    gint64 lag = passed - (clock_now - lineage->clock_ns);
    gint64 behind = lineage->clock_ns - clock_ns;

    if (lineage->since_ns == 0 || passed < 0 || lag < -slack)
        return true; /* dates that cannot be relied upon */
    if (lag >= lineage->clock_ns - slack)
        return true; /* started anew */
    return lag - behind >= -slack && lag - behind <= passed + slack;
}

/* The parent of what has this date and clock. Whatever is older has to be known already. */
static const char *
parent_of(const VpLineage *lineage, const VpSnapshotKey *key)
{
    for (guint i = 0; lineage->current && i < lineage->entries->len; i++) {
        const Entry *entry = g_ptr_array_index(lineage->entries, i);

        if (strcmp(entry->uuid, lineage->current) != 0 &&
            may_have_been_loaded(lineage, entry->clock_ns, vp_snapshot_date(key),
                                 vp_snapshot_clock(key)))
            return NULL;
    }
    return lineage->current;
}

static void
set_current(VpLineage *lineage, const char *uuid, gint64 since_ns, gint64 clock_ns,
            const char *seen)
{
    g_free(lineage->current);
    g_free(lineage->seen);
    lineage->current = g_strdup(uuid);
    lineage->since_ns = since_ns;
    lineage->clock_ns = clock_ns;
    lineage->seen = g_strdup(seen);
    lineage->certain = *seen;
}

/* Nobody knows what has been loaded up to now. */
static void
lose_current(VpLineage *lineage)
{
    set_current(lineage, NULL, g_get_real_time() * 1000, 0, "");
}

/* The last one that was saved from a running guest. */
static const VpSnapshot *
find_newest(const VpSnapshots *snapshots)
{
    for (guint i = vp_snapshots_count(snapshots); i > 0; i--) {
        if (vp_snapshots_at(snapshots, i - 1)->state_holder)
            return vp_snapshots_at(snapshots, i - 1);
    }
    return NULL;
}

/* What was there before we looked for the first time has no history but libvirt's. */
static void
start(VpLineage *lineage, const VpSnapshots *snapshots, const VpHearsay *hearsay)
{
    const VpSnapshot *newest = find_newest(snapshots);

    for (guint i = 0; i < vp_snapshots_count(snapshots); i++) {
        const VpSnapshot *snapshot = vp_snapshots_at(snapshots, i);

        add(lineage, snapshot->uuid, vp_hearsay_parent(hearsay, snapshot),
            vp_snapshot_clock(&snapshot->key));
    }
    if (!lineage->fresh)
        lose_current(lineage);
    else if (vp_snapshots_count(snapshots) == 0)
        lineage->current = g_strdup(VP_SNAPSHOT_NO_PARENT);
    else if (newest && vp_hearsay_knows(hearsay, newest))
        set_current(lineage, newest->uuid, vp_snapshot_date(&newest->key),
                    vp_snapshot_clock(&newest->key), "");
    lineage->started = true;
}

/* Saved by somebody else. What has no state of a guest was made offline, and what is older than
 * what we know came with a disk. */
static void
adopt_one(VpLineage *lineage, const VpSnapshot *snapshot, const VpHearsay *hearsay)
{
    const VpSnapshotKey *key = &snapshot->key;
    bool live = snapshot->state_holder && vp_snapshot_date(key) >= lineage->since_ns;
    const char *parent = live ? parent_of(lineage, key) : NULL;

    add(lineage, snapshot->uuid, parent ?: vp_hearsay_parent(hearsay, snapshot),
        vp_snapshot_clock(key));
    if (live)
        set_current(lineage, snapshot->uuid, vp_snapshot_date(key), vp_snapshot_clock(key), "");
}

bool
vp_lineage_knows_all(const VpLineage *lineage, const VpSnapshots *snapshots)
{
    for (guint i = 0; i < vp_snapshots_count(snapshots); i++) {
        if (!find(lineage, vp_snapshots_at(snapshots, i)->uuid))
            return false;
    }
    return true;
}

void
vp_lineage_adopt(VpLineage *lineage, const VpSnapshots *snapshots, const VpHearsay *hearsay,
                 const char *seen)
{
    lineage->certain = *seen && strcmp(seen, lineage->seen) == 0;
    if (!lineage->started)
        start(lineage, snapshots, hearsay);
    for (guint i = 0; i < vp_snapshots_count(snapshots); i++) {
        if (!find(lineage, vp_snapshots_at(snapshots, i)->uuid))
            adopt_one(lineage, vp_snapshots_at(snapshots, i), hearsay);
    }
}

void
vp_lineage_recorded(const VpLineage *lineage, GHashTable *parents)
{
    for (guint i = 0; i < lineage->entries->len; i++) {
        const Entry *entry = g_ptr_array_index(lineage->entries, i);

        if (entry->parent)
            g_hash_table_insert(parents, entry->uuid, entry->parent);
    }
}

bool
vp_lineage_allows(const VpLineage *lineage, const VpSnapshot *parent)
{
    if (!lineage->started)
        return false; /* a text that is none of ours */
    return g_strcmp0(lineage->current, parent ? parent->uuid : VP_SNAPSHOT_NO_PARENT) == 0 ||
           (parent && lineage->since_ns <= vp_snapshot_date(&parent->key));
}

void
vp_lineage_saved(VpLineage *lineage, const VpSnapshotKey *key, bool undisturbed,
                 gint64 resumed_ns, const char *seen)
{
    char uuid[VP_UUID_SIZE] = "";
    const char *parent = lineage->certain && undisturbed
                             ? lineage->current
                             : parent_of(lineage, key);

    vp_snapshot_uuid(key, uuid);
    add(lineage, uuid, parent, vp_snapshot_clock(key));
    set_current(lineage, uuid, resumed_ns, vp_snapshot_clock(key), seen);
}

void
vp_lineage_loaded(VpLineage *lineage, const VpSnapshotKey *key, gint64 resumed_ns,
                  const char *seen)
{
    char uuid[VP_UUID_SIZE] = "";

    vp_snapshot_uuid(key, uuid);
    set_current(lineage, uuid, resumed_ns, vp_snapshot_clock(key), seen);
}

void
vp_lineage_lost(VpLineage *lineage)
{
    lose_current(lineage);
}

void
vp_lineage_deleted(VpLineage *lineage, const char *uuid)
{
    Entry *gone = find(lineage, uuid);
    g_autofree char *parent = g_strdup(gone ? gone->parent : NULL);

    for (guint i = 0; i < lineage->entries->len; i++) {
        Entry *entry = g_ptr_array_index(lineage->entries, i);

        if (g_strcmp0(entry->parent, uuid) == 0) {
            g_free(entry->parent);
            entry->parent = g_strdup(parent);
        }
    }
    if (g_strcmp0(lineage->current, uuid) == 0) {
        g_free(lineage->current);
        lineage->current = g_steal_pointer(&parent);
    }
    if (gone)
        g_ptr_array_remove(lineage->entries, gone);
}

/* The nearest that is still there. What was kept may be wrong, so it may also go round. */
static const char *
living_parent(const VpLineage *lineage, const VpSnapshots *snapshots, const char *uuid)
{
    const Entry *entry = find(lineage, uuid);

    for (guint steps = 0; entry && steps <= lineage->entries->len; steps++) {
        const char *parent = entry->parent;

        if (!parent || strcmp(parent, VP_SNAPSHOT_NO_PARENT) == 0 ||
            vp_snapshots_find_uuid(snapshots, parent))
            return parent;
        entry = find(lineage, parent);
    }
    return NULL;
}

void
vp_lineage_fill(const VpLineage *lineage, VpSnapshots *snapshots)
{
    for (guint i = 0; i < vp_snapshots_count(snapshots); i++) {
        VpSnapshot *snapshot = vp_snapshots_at(snapshots, i);

        g_free(snapshot->parent);
        snapshot->parent = g_strdup(living_parent(lineage, snapshots, snapshot->uuid));
        snapshot->current = lineage->certain && g_strcmp0(lineage->current, snapshot->uuid) == 0;
    }
}
