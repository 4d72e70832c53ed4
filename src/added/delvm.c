/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * delvm: a snapshot gone from all disks.
 *
 * Also one that is on some disks only, or on one twice: that is how what others have left is
 * cleaned up. All that has the name goes, or with "uuid" only the one of these.
 */

#include "added/rows.h"
#include "added/snapshot_checks.h"
#include "added/vmstate.h"
#include "base/error.h"

#include <string.h>

static bool
is_wanted(const VpVmState *state, const VpSnapshot *snapshot)
{
    const char *uuid = vp_json_get_string(vp_call_arguments(state->call), "uuid");

    return strcmp(snapshot->key.tag, state->name) == 0 &&
           (!uuid || g_ascii_strcasecmp(uuid, snapshot->uuid) == 0);
}

static VpSnapshot *
next_wanted(const VpVmState *state, guint *at)
{
    while (*at < vp_snapshots_count(state->snapshots)) {
        VpSnapshot *snapshot = vp_snapshots_at(state->snapshots, (*at)++);

        if (is_wanted(state, snapshot))
            return snapshot;
    }
    return NULL;
}

static bool
check(VpVmState *state, const VpVmSurvey *survey, GError **error)
{
    guint at = 0;

    if (!next_wanted(state, &at)) {
        g_set_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED, "there is no such snapshot '%s' on a "
                    "disk that may be written; query-snapshots lists those that there are",
                    state->name);
        return false;
    }
    return vp_check_run_state(survey->status, true, error) && vp_check_jobs(survey->jobs, error);
}

static char *
print_result(const VpVmState *state)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();
    const VpSnapshot *snapshot = NULL;
    guint at = 0;

    vp_json_begin_array(&writer, NULL);
    while ((snapshot = next_wanted(state, &at))) {
        vp_json_begin_object(&writer, NULL);
        vp_json_add_string(&writer, "name", snapshot->key.tag);
        vp_json_add_string(&writer, "uuid", snapshot->uuid);
        vp_json_begin_array(&writer, "disks");
        for (guint i = 0; i < snapshot->disks->len; i++)
            vp_json_add_string(&writer, NULL,
                               ((const VpDisk *)g_ptr_array_index(snapshot->disks, i))->name);
        vp_json_end(&writer);
        vp_json_end(&writer);
    }
    vp_json_end(&writer);
    return vp_json_writer_steal(&writer);
}

/* The disks that still hold it. */
static char *
names_left(const VpVmState *state, const VpSnapshot *snapshot)
{
    g_autoptr(GPtrArray) left = g_ptr_array_new();

    for (guint i = 0; i < snapshot->disks->len; i++) {
        const VpDisk *disk = g_ptr_array_index(snapshot->disks, i);
        const VpDisk *now = vp_disks_find(state->after, disk->node);

        if (now && vp_disk_holds(now, g_ptr_array_index(snapshot->images, i)))
            g_ptr_array_add(left, (gpointer)disk);
    }
    return vp_disk_names(left);
}

/* @left: of all that were to go; "" for none. */
static void
report_failure(VpVmState *state, const char *left)
{
    g_autofree char *failures = vp_vmstate_failures(state);
    g_autofree char *where = *left ? g_strdup_printf("it is left on %s", left)
                                   : g_strdup("QEMU lists it no more, but the image may hold it "
                                              "still; end the guest and see 'qemu-img snapshot "
                                              "-l'");

    vp_vmstate_fail(state, g_strdup_printf("the snapshot '%s' could not be deleted: %s; %s",
                                           state->name,
                                           *failures ? failures : "QEMU gives no reason", where));
}

static void
judge(VpVmState *state)
{
    g_autoptr(GString) all_left = g_string_new(NULL);
    VpSnapshot *snapshot = NULL;
    guint at = 0;

    while ((snapshot = next_wanted(state, &at))) {
        g_autofree char *left = names_left(state, snapshot);

        g_string_append_printf(all_left, "%s%s", *left && all_left->len > 0 ? ", " : "", left);
        if (!*left && state->lineage)
            vp_lineage_deleted(state->lineage, snapshot->uuid);
    }
    if (all_left->len > 0 || state->failures->len > 0)
        report_failure(state, all_left->str);
    else
        vp_vmstate_return(state, print_result(state));
}

static void
begin(VpVmState *state)
{
    g_autoptr(GArray) deletions = g_array_new(FALSE, FALSE, sizeof(VpVmDeletion));
    const VpSnapshot *snapshot = NULL;
    guint at = 0;

    while ((snapshot = next_wanted(state, &at))) {
        for (guint i = 0; i < snapshot->disks->len; i++) {
            VpVmDeletion deletion = { g_ptr_array_index(snapshot->disks, i),
                                      g_ptr_array_index(snapshot->images, i) };

            g_array_append_val(deletions, deletion);
        }
    }
    vp_job_set_phase(&state->job, "deleting");
    vp_vmstate_delete(state, deletions, judge);
}

static void
delvm(VpCall *call)
{
    vp_vmstate_start(call, "delvm", check, begin);
}

static const VpField arguments[] = {
    { "name", "str", false, "Name of the snapshot." },
    { "uuid", "str", true, "Which one, where several have the name; default: all of them." },
    { "timeout", "int", true, "Seconds to wait, 0 for ever; default 3600. What QEMU does then "
      "goes on all the same." },
    { NULL, NULL, false, NULL },
};

static const VpField result[] = {
    { "name", "str", false, "Of a snapshot that is gone now." },
    { "uuid", "str", false, "Its uuid." },
    { "disks", "[str]", false, "The disks that held it." },
    { NULL, NULL, false, NULL },
};

const VpCommandRow vp_row_delvm = {
    .name = "delvm",
    .text = "Deletes a snapshot on all disks, also one that is not on all of them; its children "
            "become its parent's.",
    .arguments = arguments,
    .result = result,
    .result_is_array = true,
    .handler = delvm,
};
