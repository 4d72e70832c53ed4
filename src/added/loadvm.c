/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * loadvm: the guest and all its disks as they were.
 *
 * QEMU stops the guest before it looks whether the snapshot is there, puts the disks back one after
 * the other, and reads the guest's state last. Where it fails in between, the disks are what they
 * were in the snapshot and the machine is neither. A guest that goes on then destroys its file
 * systems; QEMU would let it. We only do so if no disk can have been touched, which is when QEMU's
 * words are those of a check that it makes before.
 */

#include "added/rows.h"
#include "added/snapshot_checks.h"
#include "added/vmstate.h"

#include <string.h>

/* What QEMU says when it has found something before it touched a disk. */
static const char *const harmless[] = {
    "does not exist in one or more devices",
    "This is a disk-only snapshot",
    "is writable but does not support snapshots",
    "No block device node",
    "vmstate block device",
    "At least one device is required",
    "already in use", /* the id of the job */
};

static bool
is_harmless(const char *error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(harmless); i++) {
        if (strstr(error, harmless[i]))
            return true;
    }
    return g_str_has_prefix(error, "The command snapshot-load has not been found");
}

static bool
check(VpVmState *state, const VpVmSurvey *survey, GError **error)
{
    return vp_check_loadable(state->snapshots, state->name, error) &&
           vp_vmstate_check(state, survey, true, error) &&
           vp_check_bitmaps(survey->nodes, state->before, error);
}

static void
report_nothing_loaded(VpVmState *state)
{
    g_autofree char *now = vp_vmstate_describe(state);

    vp_vmstate_fail(state, g_strdup_printf("the snapshot '%s' was not loaded: %s; no disk was "
                                           "touched, %s", state->name, state->error, now));
}

/* Disks from @first up to, but not including, @end that may be written; "" for none. */
static char *
names_between(const VpDisks *disks, guint first, guint end)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    for (guint i = first; i < end; i++) {
        if (!vp_disks_at(disks, i)->read_only)
            g_ptr_array_add(found, (gpointer)vp_disks_at(disks, i));
    }
    return vp_disk_names(found);
}

/* Which disks are what now: QEMU takes them in the order in which it was told of them. */
static char *
describe_disks(const VpVmState *state)
{
    guint count = vp_disks_count(state->before);

    for (guint i = 0; i < count; i++) {
        const VpDisk *disk = vp_disks_at(state->before, i);
        g_autofree char *words = g_strdup_printf("on '%s'", disk->node);
        g_autofree char *done = names_between(state->before, 0, i);
        g_autofree char *rest = names_between(state->before, i + 1, count);

        if (strstr(state->error, words))
            return g_strdup_printf("the disk %s may have been put back in part%s%s%s%s%s",
                                   disk->name, *done ? ", put back were: " : "", done,
                                   *rest ? ", not touched were: " : "", rest,
                                   *done || *rest ? "" : ", there is no other");
    }
    return g_strdup("all disks have been put back to what they were in the snapshot");
}

static void
report_half_loaded(VpVmState *state)
{
    g_autofree char *disks = describe_disks(state);

    if (state->lineage)
        vp_lineage_lost(state->lineage);
    vp_vmstate_fail(state, g_strdup_printf(
        "the snapshot '%s' was loaded in part only: %s; %s. What the guest was doing is lost; it "
        "stands still (%s) and must not be continued. Load a snapshot that fits this machine, or "
        "end it ('virsh destroy') and start it anew from its disks", state->name, state->error,
        disks, state->status));
}

static void
report_unknown(VpVmState *state)
{
    if (state->lineage)
        vp_lineage_lost(state->lineage);
    vp_vmstate_fail(state, g_strdup_printf(
        "whether the snapshot '%s' was loaded is not known: %s; the guest %s (%s). If it does not "
        "run it must not be continued, for the disks may have been put back", state->name,
        state->error, state->runs ? "runs" : "does not run", state->status));
}

static void
judge(VpVmState *state)
{
    const VpSnapshot *loaded = vp_snapshots_find(state->snapshots, state->name);
    g_autofree char *epoch = state->job.stopped_after ? g_strdup("") : vp_call_epoch(state->call);

    if (g_strcmp0(state->error, VP_JOB_UNKNOWN) == 0) {
        report_unknown(state);
    } else if (state->error && !is_harmless(state->error)) {
        report_half_loaded(state);
    } else if (state->error && state->ran && g_strcmp0(state->status, "restore-vm") == 0) {
        vp_vmstate_resume(state, report_nothing_loaded);
    } else if (state->error) {
        report_nothing_loaded(state);
    } else {
        if (state->lineage)
            vp_lineage_loaded(state->lineage, &loaded->key,
                              state->job.resumed_ns ?: g_get_real_time() * 1000, epoch);
        vp_vmstate_return_snapshot(state, &loaded->key);
    }
}

static void
on_loaded(VpCall *call G_GNUC_UNUSED, const char *error, gpointer data)
{
    VpVmState *state = data;

    state->error = g_strdup(error);
    vp_job_set_phase(&state->job, "verifying");
    vp_vmstate_look(state, judge);
}

static void
begin(VpVmState *state)
{
    const VpSnapshot *snapshot = vp_snapshots_find(state->snapshots, state->name);

    vp_job_set_phase(&state->job, "loading");
    vp_job_run(&state->job, "snapshot-load", state->name, state->before, snapshot->state_holder,
               on_loaded, state);
}

static void
loadvm(VpCall *call)
{
    vp_vmstate_start(call, "loadvm", check, begin);
}

static const VpField arguments[] = {
    { "name", "str", false, "Name of the snapshot." },
    { "timeout", "int", true, "Seconds to wait, 0 for ever; default 3600. What QEMU does then "
      "goes on all the same." },
    { NULL, NULL, false, NULL },
};

static const VpField result[] = {
    { "snapshot", "any", false, "The snapshot, as query-snapshots shows it." },
    { "running", "bool", false, "Whether the guest runs now: it does if it ran before." },
    { NULL, NULL, false, NULL },
};

const VpCommandRow vp_row_loadvm = {
    .name = "loadvm",
    .text = "Puts the guest and all its disks back to a snapshot; one that cannot be loaded on "
            "every disk is refused before the guest is stopped.",
    .arguments = arguments,
    .result = result,
    .handler = loadvm,
};
