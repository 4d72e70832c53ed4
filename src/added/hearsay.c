/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Parents of snapshots according to libvirt.
 *
 * libvirt keeps an account of the snapshots that were taken through it, and with each of them the
 * name of its parent: the one that was libvirt's current snapshot, i.e. that libvirt had taken or
 * reverted to last. Of what is saved and loaded without it libvirt knows nothing, and goes on
 * naming the same one. So its word is only asked for about a snapshot that we do not know, and only
 * believed where nothing tells that somebody else has been at work in between:
 *
 *   - Both accounts speak of the same snapshot: it is an internal one, the name is the same, and
 *     the image's date is the second of libvirt's account or shortly after it. A name can be given
 *     anew behind libvirt's back. The same goes for the parent. A parent that is in no image any
 *     more hands its children to its own, as everywhere.
 *
 *   - Neither savevm nor loadvm of ours came between. With each snapshot libvirt puts the domain's
 *     definition by, and with that our own account as it was at that moment (`kept`); and whoever
 *     reverts to a snapshot gets that definition back. So if our account that belongs to S says
 *     that the guest went on from something else than its parent P, and since a time after P was
 *     taken, then this was neither libvirt's doing nor undone by it, and libvirt is wrong about S.
 *
 *   - There is no snapshot with a guest's state in the images, between the dates of the two, that
 *     libvirt did not take.
 *
 *   - The guest's clock can have come from where it was in P to where it is in S, in the time that
 *     has passed. Also when it was set back to P once more, but not when the guest was started
 *     anew: it may have been given any snapshot while it was off.
 *
 *   - Of one that descends from none nothing older is in the images.
 *
 * A load that neither libvirt nor we know of, and that the clocks do not tell of, is not seen.
 *
 * The accounts that are kept with libvirt's snapshots are our own, and true. So they also tell the
 * parents of others of our snapshots, when a revert has taken the domain's own account back.
 */

#include "added/hearsay.h"

#include "added/lineage.h"

#include <string.h>

/* By how many seconds an image's date may be after libvirt's account of it. libvirt notes the time
 * when it reads the request, then waits for the domain, stops the guest and asks QEMU. */
#define DELAY_MAX_S 5

/* What libvirt says about one snapshot. */
typedef struct Account {
    const VpLibvirtSnapshot *heard;
    const VpSnapshot *meant;  /* the one in the images; NULL: there is none, or several may be */
    VpLineage *kept;          /* our own account at that time; NULL: there was none */
} Account;

struct VpHearsay {
    const VpSnapshots *snapshots;
    GPtrArray *accounts;      /* of Account */
    GHashTable *by_name;      /* libvirt's name -> Account */
    GHashTable *by_snapshot;  /* VpSnapshot -> Account */
    GHashTable *recorded;     /* uuid -> parent, of all that our own accounts know */
};

void
vp_libvirt_snapshot_free(VpLibvirtSnapshot *snapshot)
{
    g_free(snapshot->name);
    g_free(snapshot->parent);
    g_free(snapshot->kept);
    g_free(snapshot);
}

/* --- what was heard ------------------------------------------------------- */

static bool
is_same(const VpLibvirtSnapshot *heard, const VpSnapshot *snapshot)
{
    gint64 delay = snapshot->key.date_sec - heard->created;

    return heard->internal && strcmp(heard->name, snapshot->key.tag) == 0 && delay >= 0 &&
           delay <= DELAY_MAX_S;
}

static const VpSnapshot *
find_meant(const VpSnapshots *snapshots, const VpLibvirtSnapshot *heard)
{
    const VpSnapshot *found = NULL;

    for (guint i = 0; i < vp_snapshots_count(snapshots); i++) {
        const VpSnapshot *snapshot = vp_snapshots_at(snapshots, i);

        if (!is_same(heard, snapshot))
            continue;
        if (found)
            return NULL;
        found = snapshot;
    }
    return found;
}

static void
account_free(gpointer data)
{
    Account *account = data;

    vp_lineage_free(account->kept);
    g_free(account);
}

static void
add_account(VpHearsay *hearsay, const VpLibvirtSnapshot *heard)
{
    Account *account = g_new0(Account, 1);

    account->heard = heard;
    account->meant = find_meant(hearsay->snapshots, heard);
    g_ptr_array_add(hearsay->accounts, account);
    g_hash_table_insert(hearsay->by_name, heard->name, account);
    if (account->meant)
        g_hash_table_insert(hearsay->by_snapshot, (gpointer)account->meant, account);
    if (!heard->kept)
        return;
    account->kept = vp_lineage_parse(heard->kept);
    vp_lineage_recorded(account->kept, hearsay->recorded);
}

VpHearsay *
vp_hearsay_new(const GPtrArray *list, const VpSnapshots *snapshots)
{
    VpHearsay *hearsay = g_new0(VpHearsay, 1);

    hearsay->snapshots = snapshots;
    hearsay->accounts = g_ptr_array_new_with_free_func(account_free);
    hearsay->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    hearsay->by_snapshot = g_hash_table_new(NULL, NULL);
    hearsay->recorded = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < list->len; i++)
        add_account(hearsay, g_ptr_array_index(list, i));
    return hearsay;
}

void
vp_hearsay_free(VpHearsay *hearsay)
{
    if (!hearsay)
        return;
    g_hash_table_unref(hearsay->recorded);
    g_hash_table_unref(hearsay->by_snapshot);
    g_hash_table_unref(hearsay->by_name);
    g_ptr_array_unref(hearsay->accounts);
    g_free(hearsay);
}

static const Account *
find_account(const VpHearsay *hearsay, const VpSnapshot *snapshot)
{
    return g_hash_table_lookup(hearsay->by_snapshot, snapshot);
}

bool
vp_hearsay_knows(const VpHearsay *hearsay, const VpSnapshot *snapshot)
{
    return hearsay && find_account(hearsay, snapshot);
}

/* The nearest ancestor that is in the images, NULL if there is none. False: what libvirt says does
 * not lead anywhere. */
static bool
find_ancestor(const VpHearsay *hearsay, const Account *account, const VpSnapshot **ret_ancestor)
{
    *ret_ancestor = NULL;
    for (guint steps = 0; steps < hearsay->accounts->len; steps++) {
        if (!account->heard->parent)
            return true;
        account = g_hash_table_lookup(hearsay->by_name, account->heard->parent);
        if (!account)
            return false;
        *ret_ancestor = account->meant;
        if (*ret_ancestor)
            return true;
    }
    return false;
}

/* --- whether it may be believed -------------------------------------------- */

/* A guest that was off has a clock that has not begun. */
static gint64
clock_of(const VpSnapshot *snapshot)
{
    return snapshot->state_holder ? vp_snapshot_clock(&snapshot->key) : 0;
}

static bool
clocks_agree(const VpSnapshot *parent, const VpSnapshot *child)
{
    gint64 passed = vp_snapshot_date(&child->key) - vp_snapshot_date(&parent->key);
    gint64 ran = clock_of(child) - clock_of(parent);

    if (passed < 0)
        return false;
    return !child->state_holder || (ran >= 0 && ran <= passed + vp_lineage_slack(passed));
}

/* Whether one that libvirt did not take is between the two. */
static bool
is_interrupted(const VpHearsay *hearsay, const VpSnapshot *parent, const VpSnapshot *child)
{
    gint64 from = vp_snapshot_date(&parent->key), to = vp_snapshot_date(&child->key);

    for (guint i = 0; i < vp_snapshots_count(hearsay->snapshots); i++) {
        const VpSnapshot *other = vp_snapshots_at(hearsay->snapshots, i);
        gint64 date = vp_snapshot_date(&other->key);

        if (other->state_holder && date > from && date < to && !find_account(hearsay, other))
            return true;
    }
    return false;
}

static const char *
libvirts_word(const VpHearsay *hearsay, const VpSnapshot *snapshot)
{
    const Account *account = find_account(hearsay, snapshot);
    const VpSnapshot *parent = NULL;

    if (!account || !find_ancestor(hearsay, account, &parent))
        return NULL;
    if (account->kept && !vp_lineage_allows(account->kept, parent))
        return NULL;
    if (!parent)
        return vp_snapshots_at(hearsay->snapshots, 0) == snapshot ? VP_SNAPSHOT_NO_PARENT : NULL;
    if (parent == snapshot || !clocks_agree(parent, snapshot) ||
        is_interrupted(hearsay, parent, snapshot))
        return NULL;
    return parent->uuid;
}

const char *
vp_hearsay_parent(const VpHearsay *hearsay, const VpSnapshot *snapshot)
{
    if (!hearsay)
        return NULL;
    return g_hash_table_lookup(hearsay->recorded, snapshot->uuid) ?: libvirts_word(hearsay,
                                                                                  snapshot);
}
