/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * query-snapshots: all snapshots in the disks of the guest, which of them can be loaded, and who
 * descends from whom. A look only: what it finds is not kept.
 */

#include "added/lineage_load.h"
#include "added/rows.h"

typedef struct Look {
    VpSnapshots *snapshots;
    VpLineageLoad loading;
} Look;

static void
look_free(gpointer data)
{
    Look *look = data;

    vp_lineage_load_clear(&look->loading);
    vp_snapshots_free(look->snapshots);
    g_free(look);
}

static void
on_lineage(VpCall *call, VpLineage *loaded, gpointer data)
{
    Look *look = data;
    g_autoptr(VpLineage) lineage = loaded;
    g_autofree char *json = NULL;

    if (lineage)
        vp_lineage_fill(lineage, look->snapshots);
    json = vp_json_get_bool(vp_call_arguments(call), "per-device")
               ? vp_snapshots_to_json_per_device(look->snapshots)
               : vp_snapshots_to_json(look->snapshots);
    vp_call_return(call, json);
}

static void
on_blocks(VpCall *call, const VpJsonNode *reply, gpointer data)
{
    Look *look = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(VpDisks) disks = NULL;

    if (vp_json_get(reply, "error")) {
        vp_call_fail_reply(call, NULL, reply);
        return;
    }
    disks = vp_disks_read(vp_json_get(reply, "return"), &error);
    if (!disks) {
        vp_call_fail(call, "GenericError", "%s", error->message);
        return;
    }
    look->snapshots = vp_snapshots_new(disks);
    vp_lineage_load(&look->loading, call, look->snapshots, on_lineage, look);
}

static void
query_snapshots(VpCall *call)
{
    Look *look = g_new0(Look, 1);

    vp_call_set_state(call, look, look_free);
    vp_call_ask(call, "{\"execute\":\"query-block\"}", on_blocks, look);
}

static const VpField arguments[] = {
    { "per-device", "bool", true, "A list for each disk instead, in the form that was proposed for "
      "QEMU in 2010: device, state, snapshots." },
    { NULL, NULL, false, NULL },
};

/* Of the merged list, but for what is said. */
static const VpField result[] = {
    { "name", "str", true, "The snapshot's name, which QEMU goes by." },
    { "uuid", "str", true, "What identifies it: made of its name, date and clock." },
    { "parent", "str", true, "Uuid of the snapshot that it descends from; all zeros: of none; "
      "null: unknown." },
    { "current", "bool", true, "Whether it is certain that the guest goes on from this one." },
    { "loadable", "bool", true, "Whether loadvm can load it." },
    { "problems", "[any]", true, "Why not: of each \"problem\" (missing-on, mismatched, "
      "duplicate-on, disk-only, no-snapshot-support) and the \"disks\" that have it." },
    { "explanation", "str", true, "The same in words." },
    { "date-sec", "int", true, "When it was saved, seconds since 1970." },
    { "date-nsec", "int", true, "And nanoseconds." },
    { "vm-clock-sec", "int", true, "For how long the guest had run, seconds." },
    { "vm-clock-nsec", "int", true, "And nanoseconds." },
    { "icount", "int", true, "Instructions executed, where they are counted." },
    { "vm-state-size", "int", true, "Bytes of the guest's state, 0 if it was not saved." },
    { "vmstate", "str", true, "The disk that holds the guest's state." },
    { "images", "[any]", true, "Who holds it: of each \"disk\", \"node-name\", \"file\", \"id\" "
      "and \"vm-state-size\" in that image." },
    { "device", "str", true, "Per device: the disk." },
    { "state", "bool", true, "Per device: whether the next savevm would put the guest's state "
      "there." },
    { "snapshots", "[any]", true, "Per device: \"uuid\", \"parent_uuid\", \"tag\" and \"date\" "
      "(YYYYMMDDHHMMSS in UTC, an integer) of each." },
    { NULL, NULL, false, NULL },
};

const VpCommandRow vp_row_query_snapshots = {
    .name = "query-snapshots",
    .text = "Lists the snapshots in all disks of the guest, the oldest first.",
    .arguments = arguments,
    .result = result,
    .result_is_array = true,
    .handler = query_snapshots,
};
