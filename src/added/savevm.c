/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * savevm: a snapshot of the guest's state and of all its disks, or none at all.
 *
 * QEMU's own snapshot-save notices some obstacles only when it has stopped the guest and written
 * its memory, and cleans up after a failure by deleting the first snapshot of the name on each
 * disk, which may be an old one. So all obstacles are looked for first, and no name is used twice.
 * Whatever a failure leaves behind is deleted by id.
 *
 * Replacing: no snapshot can be renamed, and one name cannot be there twice. The state is therefore
 * saved under a spare name first; then the old snapshot is deleted, the state is saved under the
 * name, and the spare one is deleted. The guest stops twice. What can fail, fails while the old
 * one is still there, and at each moment one of the three can be loaded.
 */

#include "added/rows.h"
#include "added/snapshot_checks.h"
#include "added/vmstate.h"

#include <string.h>

static bool
wants_overwrite(const VpVmState *state)
{
    return vp_json_get_bool(vp_call_arguments(state->call), "overwrite");
}

static bool
check(VpVmState *state, const VpVmSurvey *survey, GError **error)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();

    if (!state->name) {
        state->name = vp_snapshot_default_name(now, state->before);
        vp_job_set_name(&state->job, state->name);
    }
    return vp_check_snapshot_name(state->name, error) &&
           vp_vmstate_check(state, survey, false, error) &&
           (wants_overwrite(state) || vp_check_name_free(state->before, state->name, error));
}

static bool
is_there(const VpDisks *disks, const char *name)
{
    g_autoptr(GArray) found = vp_vmstate_find(disks, name, NULL);

    return found->len > 0;
}

/* The snapshots that go when @state->name is replaced are known no more, and the new one is. */
static void
remember(VpVmState *state, const VpSnapshotKey *saved)
{
    bool undisturbed = !state->job.stopped_before && !state->job.stopped_after;
    g_autofree char *epoch = state->job.stopped_after ? g_strdup("") : vp_call_epoch(state->call);
    gint64 resumed = state->job.resumed_ns ?: g_get_real_time() * 1000;

    if (!state->lineage)
        return;
    for (guint i = 0; i < vp_snapshots_count(state->snapshots); i++) {
        const VpSnapshot *old = vp_snapshots_at(state->snapshots, i);

        if (strcmp(old->key.tag, state->name) == 0)
            vp_lineage_deleted(state->lineage, old->uuid);
    }
    vp_lineage_saved(state->lineage, saved, undisturbed, resumed, epoch);
}

/* The key of @name as it is on the disks now; NULL: it is not there, or not whole. */
static const VpSnapshotKey *
find_saved(const VpVmState *state, const char *name)
{
    g_autoptr(VpSnapshots) snapshots = vp_snapshots_new(state->after);
    const VpSnapshot *found = vp_snapshots_find(snapshots, name);

    if (!found || !vp_snapshot_loadable(found))
        return NULL;
    return &((const VpImageSnapshot *)g_ptr_array_index(found->images, 0))->key;
}

/* --- saving, and what follows from how it went ----------------------------- */

static void save(VpVmState *state, const char *name, VpVmStep step);

/* Deletes all that is called so, but for what was there before. */
static void
delete_named(VpVmState *state, const char *name, const VpDisks *except, VpVmStep step)
{
    g_autoptr(GArray) deletions = vp_vmstate_find(state->after, name, except);

    vp_job_set_phase(&state->job, "deleting");
    vp_vmstate_delete(state, deletions, step);
}

static void
report_failure(VpVmState *state)
{
    g_autofree char *now = vp_vmstate_describe(state);

    vp_vmstate_fail(state, g_strdup_printf("the snapshot '%s' was not saved: %s; %s", state->name,
                                           state->error, now));
}

/* QEMU lets the guest go on by itself after a failure; if it has not, nothing speaks against it. */
static void
end_failure(VpVmState *state)
{
    if (state->ran && g_strcmp0(state->status, "save-vm") == 0)
        vp_vmstate_resume(state, report_failure);
    else
        report_failure(state);
}

/* Of the snapshot that was to be replaced: "is gone", or where it is left. */
static char *
describe_old(const VpVmState *state)
{
    g_autoptr(GArray) found = vp_vmstate_find(state->after, state->name, NULL);
    g_autoptr(GPtrArray) disks = g_ptr_array_new();
    g_autofree char *names = NULL;

    for (guint i = 0; i < found->len; i++)
        g_ptr_array_add(disks, (gpointer)g_array_index(found, VpVmDeletion, i).disk);
    names = vp_disk_names(disks);
    return found->len > 0 ? g_strdup_printf("is left on %s", names) : g_strdup("is gone");
}

static void
report_half_replaced(VpVmState *state)
{
    const VpSnapshotKey *spare = find_saved(state, state->spare);
    g_autofree char *old = describe_old(state);

    if (spare)
        remember(state, spare);
    vp_vmstate_fail(state, g_strdup_printf(
        "the snapshot '%s' was not replaced: %s; the old one %s. The state of the guest was saved "
        "as '%s', which %s be loaded, and the guest %s (%s)", state->name, state->error, old,
        state->spare, spare ? "can" : "cannot", state->runs ? "runs" : "does not run",
        state->status));
}

static void
finish(VpVmState *state)
{
    const VpSnapshotKey *saved = find_saved(state, state->name);

    if (!saved) {
        vp_vmstate_fail(state, g_strdup_printf("the snapshot '%s' was saved, but somebody else has "
                                               "deleted it since", state->name));
        return;
    }
    if (state->spare && state->failures->len == 0)
        g_clear_pointer(&state->spare, g_free);
    remember(state, saved);
    vp_vmstate_return_snapshot(state, saved);
}

/* Saved under its own name, or not. */
static void
judge(VpVmState *state)
{
    VpVmStep failed = state->spare ? report_half_replaced : end_failure;

    if (!state->error && find_saved(state, state->name)) {
        if (state->spare)
            delete_named(state, state->spare, NULL, finish);
        else
            finish(state);
        return;
    }
    if (!state->error)
        state->error = g_strdup("QEMU says that it was, but it is not on all disks");
    delete_named(state, state->name, state->before, failed);
}

static void
replace(VpVmState *state)
{
    g_autofree char *failures = vp_vmstate_failures(state);

    if (!*failures && !is_there(state->after, state->name)) {
        save(state, state->name, judge);
        return;
    }
    g_free(state->error);
    state->error = g_strdup_printf("the old one cannot be deleted: %s", failures);
    report_half_replaced(state);
}

/* Saved under the spare name, or not. */
static void
judge_spare(VpVmState *state)
{
    if (!state->error && find_saved(state, state->spare)) {
        delete_named(state, state->name, NULL, replace);
        return;
    }
    if (!state->error)
        state->error = g_strdup("QEMU says that it was, but it is not on all disks");
    delete_named(state, state->spare, state->before, end_failure);
}

static void
on_saved(VpCall *call G_GNUC_UNUSED, const char *error, gpointer data)
{
    VpVmState *state = data;

    g_free(state->error);
    state->error = g_strdup(error);
    vp_job_set_phase(&state->job, "verifying");
    vp_vmstate_look(state, state->judge);
}

static void
save(VpVmState *state, const char *name, VpVmStep step)
{
    state->judge = step;
    vp_job_set_phase(&state->job, "saving");
    vp_job_run(&state->job, "snapshot-save", name, state->before,
               vp_disks_state_holder(state->before), on_saved, state);
}

static void
begin(VpVmState *state)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();

    if (!is_there(state->before, state->name)) {
        save(state, state->name, judge);
        return;
    }
    state->spare = vp_snapshot_default_name(now, state->before);
    save(state, state->spare, judge_spare);
}

static void
savevm(VpCall *call)
{
    vp_vmstate_start(call, "savevm", check, begin);
}

static const VpField arguments[] = {
    { "name", "str", true, "Name of the snapshot, up to 255 bytes, not digits only; default: "
      "vm-YYYYmmddHHMMSS." },
    { "overwrite", "bool", true, "Whether to replace a snapshot of that name; the guest is then "
      "saved twice, so that one can be loaded at each moment." },
    { "timeout", "int", true, "Seconds to wait, 0 for ever; default 3600. What QEMU does then "
      "goes on all the same." },
    { NULL, NULL, false, NULL },
};

static const VpField result[] = {
    { "snapshot", "any", false, "The snapshot, as query-snapshots shows it." },
    { "running", "bool", false, "Whether the guest runs now." },
    { "left", "str", true, "A second snapshot of the same state that could not be deleted." },
    { NULL, NULL, false, NULL },
};

const VpCommandRow vp_row_savevm = {
    .name = "savevm",
    .text = "Saves the state of the guest and of all its disks, or nothing: what stands in the way "
            "is found before the guest is stopped.",
    .arguments = arguments,
    .result = result,
    .handler = savevm,
};
