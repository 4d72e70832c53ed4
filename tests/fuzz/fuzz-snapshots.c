/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What QEMU tells of its disks (the first line), what has been kept about their snapshots (the
 * second) and what libvirt says of them (the third: [name, parent, created, kept]). Whatever it is:
 * the lists are valid JSON, a snapshot that can be loaded is on every disk that counts, and what is
 * kept in the end is understood again.
 */

#include "added/lineage.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

/* By their nodes, which a QEMU gives each. */
static void
check_disks(const VpDisks *disks)
{
    for (guint i = 0; i < vp_disks_count(disks); i++) {
        if (*vp_disks_at(disks, i)->node == '\0') {
            g_assert_nonnull(vp_disks_at(disks, i)->unable);
            return;
        }
    }
    g_assert_true(vp_disks_equal(disks, disks));
}

static guint
count_writable(const VpDisks *disks)
{
    guint count = 0;

    for (guint i = 0; i < vp_disks_count(disks); i++)
        count += !vp_disks_at(disks, i)->read_only;
    return count;
}

static void
check_snapshot(const VpSnapshots *snapshots, const VpSnapshot *snapshot)
{
    g_autofree char *why = vp_snapshot_explain(snapshot);

    g_assert_true(vp_snapshot_loadable(snapshot) == (*why == '\0'));
    g_assert_true(vp_snapshots_find(snapshots, snapshot->key.tag));
    g_assert_true(vp_snapshots_find_uuid(snapshots, snapshot->uuid));
    if (!vp_snapshot_loadable(snapshot))
        return;
    g_assert_nonnull(snapshot->state_holder);
    g_assert_cmpuint(snapshot->disks->len, ==, count_writable(vp_snapshots_disks(snapshots)));
}

static void
check_json(char *json)
{
    g_autofree char *text = json;
    g_autoptr(VpJsonTree) tree = vp_json_tree_parse(text, -1, NULL);

    g_assert_nonnull(tree);
}

static GPtrArray *
read_account(const char *text)
{
    g_autoptr(VpJsonTree) tree = text ? vp_json_tree_parse(text, -1, NULL) : NULL;
    const VpJsonNode *root = vp_json_root(tree);
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)vp_libvirt_snapshot_free);

    for (guint i = 0; i < vp_json_length(root); i++) {
        const VpJsonNode *item = vp_json_at(root, i);
        const char *created = vp_json_number_text(vp_json_at(item, 2));
        VpLibvirtSnapshot *snapshot = g_new0(VpLibvirtSnapshot, 1);

        snapshot->name = g_strdup(vp_json_string(vp_json_at(item, 0)) ?: "");
        snapshot->parent = g_strdup(vp_json_string(vp_json_at(item, 1)));
        snapshot->created = created ? g_ascii_strtoll(created, NULL, 10) : 0;
        snapshot->internal = true;
        snapshot->kept = g_strdup(vp_json_string(vp_json_at(item, 3)));
        g_ptr_array_add(list, snapshot);
    }
    return list;
}

static void
check_lineage(VpSnapshots *snapshots, const char *kept, const char *account)
{
    g_autoptr(GPtrArray) heard = read_account(account);
    g_autoptr(VpHearsay) hearsay = vp_hearsay_new(heard, snapshots);
    g_autoptr(VpLineage) lineage = vp_lineage_parse(kept);
    g_autoptr(VpLineage) again = NULL;
    g_autofree char *text = NULL;
    g_autofree char *second = NULL;

    vp_lineage_adopt(lineage, snapshots, hearsay, "seen");
    g_assert_true(vp_lineage_knows_all(lineage, snapshots));
    if (vp_snapshots_count(snapshots) > 1) {
        vp_lineage_loaded(lineage, &vp_snapshots_at(snapshots, 0)->key, 1, "seen");
        vp_lineage_saved(lineage, &vp_snapshots_at(snapshots, 1)->key, false, 2, "seen");
        vp_lineage_deleted(lineage, vp_snapshots_at(snapshots, 0)->uuid);
    }
    vp_lineage_fill(lineage, snapshots);
    text = vp_lineage_to_text(lineage, snapshots);
    again = vp_lineage_parse(text);
    second = vp_lineage_to_text(again, snapshots);
    g_assert_cmpstr(text, ==, second);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autofree char *bytes = g_strndup((const char *)data, size);
    g_autofree char *text = g_utf8_make_valid(bytes, -1);
    char *kept = strchr(text, '\n');
    char *account = kept ? strchr(kept + 1, '\n') : NULL;
    g_autoptr(VpJsonTree) tree = NULL;
    g_autoptr(VpDisks) disks = NULL;
    g_autoptr(VpSnapshots) snapshots = NULL;

    if (kept)
        *kept++ = '\0';
    if (account)
        *account++ = '\0';
    tree = vp_json_tree_parse(text, -1, NULL);
    disks = vp_disks_read(vp_json_root(tree), NULL);
    if (!disks)
        return 0;
    check_disks(disks);
    snapshots = vp_snapshots_new(disks);
    for (guint i = 0; i < vp_snapshots_count(snapshots); i++)
        check_snapshot(snapshots, vp_snapshots_at(snapshots, i));
    check_lineage(snapshots, kept, account);
    check_json(vp_snapshots_to_json(snapshots));
    check_json(vp_snapshots_to_json_per_device(snapshots));
    return 0;
}
