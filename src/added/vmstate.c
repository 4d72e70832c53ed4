/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What savevm, loadvm and delvm have in common: they look before they touch anything, look again
 * afterwards, and say what they have found.
 *
 * One of them at a time may be at work for a domain. Its state belongs to the call and goes with
 * it. A look is a copy: `before` stays what it was, and how things stand at the end is told by
 * holding `after` against it, not by what QEMU has claimed.
 *
 * Single images are deleted by id and name, for QEMU's own job deletes the first of a name, which
 * need not be the right one, and takes one that is not there for deleted.
 */

#include "added/vmstate.h"

#include "added/snapshot_checks.h"
#include "base/log.h"

#include <string.h>

#define CLAIM "snapshots"

#define QUERY(name) "{\"execute\":\"" name "\"}"
#define QOM_LIST(path) "{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"" path "\"}}"

static void
state_free(gpointer data)
{
    VpVmState *state = data;

    vp_job_clear(&state->job);
    vp_disks_unref(state->before);
    vp_disks_unref(state->after);
    vp_snapshots_free(state->snapshots);
    vp_lineage_load_clear(&state->loading);
    vp_lineage_free(state->lineage);
    g_ptr_array_unref(state->failures);
    g_ptr_array_unref(state->deleting);
    g_free(state->name);
    g_free(state->status);
    g_free(state->result);
    g_free(state->error);
    g_free(state->spare);
    g_free(state);
}

/* --- before --------------------------------------------------------------- */

/* In the order of VpVmSurvey. */
static const char *const survey_commands[] = {
    QUERY("query-block"),
    QUERY("query-jobs"),
    QUERY("query-migrate"),
    QUERY("query-status"),
    QOM_LIST("/machine/peripheral"),
    QOM_LIST("/machine/peripheral-anon"),
    "{\"execute\":\"query-named-block-nodes\",\"arguments\":{\"flat\":true}}",
    QUERY("query-memory-size-summary"),
    NULL,
};

static const VpJsonNode *
returned(const GPtrArray *replies, guint i)
{
    return vp_json_get(g_ptr_array_index(replies, i), "return");
}

bool
vp_vmstate_check(VpVmState *state, const VpVmSurvey *survey, bool loading, GError **error)
{
    return vp_check_run_state(survey->status, loading, error) &&
           vp_check_migration(survey->migration, error) &&
           vp_check_jobs(survey->jobs, error) &&
           vp_check_devices(survey->devices, error) &&
           vp_check_devices(survey->more_devices, error) &&
           vp_check_disks(state->before, error);
}

static void
on_lineage(VpCall *call G_GNUC_UNUSED, VpLineage *lineage, gpointer data)
{
    VpVmState *state = data;

    state->lineage = lineage;
    state->step(state);
}

static bool
take_survey(VpVmState *state, const VpVmSurvey *survey, GError **error)
{
    state->before = vp_disks_read(survey->blocks, error);
    if (!state->before)
        return false;
    state->snapshots = vp_snapshots_new(state->before);
    state->ran = vp_json_get_bool(survey->status, "running");
    state->job.total = vp_json_get_int(survey->memory, "base-memory", 0) +
                       vp_json_get_int(survey->memory, "plugged-memory", 0);
    return state->check(state, survey, error);
}

static void
on_survey(VpCall *call, const GPtrArray *replies, gpointer data)
{
    VpVmState *state = data;
    g_autoptr(GError) error = NULL;
    VpVmSurvey survey = {
        .blocks = returned(replies, 0),
        .jobs = returned(replies, 1),
        .migration = returned(replies, 2),
        .status = returned(replies, 3),
        .devices = returned(replies, 4),
        .more_devices = returned(replies, 5),
        .nodes = returned(replies, 6),
        .memory = returned(replies, 7),
    };

    vp_job_sweep(call, survey.jobs);
    if (take_survey(state, &survey, &error))
        vp_lineage_load(&state->loading, call, state->snapshots, on_lineage, state);
    else
        vp_call_fail(call, "GenericError", "%s", error->message);
}

/* The argument "timeout"; -1: it is no sensible one. */
static gint64
read_timeout(const VpCall *call)
{
    gint64 timeout = vp_json_get_int(vp_call_arguments(call), "timeout", VP_JOB_TIMEOUT_S);

    return timeout >= 0 && timeout <= G_MAXINT32 ? timeout : -1;
}

void
vp_vmstate_start(VpCall *call, const char *command, VpVmCheck check, VpVmStep step)
{
    const char *name = vp_json_get_string(vp_call_arguments(call), "name");
    gint64 timeout = read_timeout(call);
    VpVmState *state = NULL;

    if (timeout < 0) {
        vp_call_fail(call, "GenericError", "\"timeout\" is a number of seconds, 0 for none");
        return;
    }
    if (!vp_call_claim(call, CLAIM)) {
        vp_call_fail(call, "GenericError", "a snapshot of '%s' is being saved, loaded or deleted "
                     "already; try again when that has ended", vp_call_domain_name(call));
        return;
    }
    state = g_new0(VpVmState, 1);
    state->call = call;
    state->name = g_strdup(name);
    state->check = check;
    state->step = step;
    state->failures = g_ptr_array_new_with_free_func(g_free);
    state->deleting = g_ptr_array_new_with_free_func(g_free);
    vp_call_set_state(call, state, state_free);
    vp_job_begin(&state->job, call, command, name, timeout);
    vp_job_set_phase(&state->job, "checking");
    vp_call_ask_all(call, survey_commands, false, on_survey, state);
}

/* --- after ---------------------------------------------------------------- */

static void
on_look(VpCall *call, const GPtrArray *replies, gpointer data)
{
    VpVmState *state = data;
    const VpJsonNode *status = returned(replies, 1);
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&state->after, vp_disks_unref);
    state->after = vp_disks_read(returned(replies, 0), &error);
    if (!state->after) {
        vp_call_fail(call, "GenericError", "%s", error->message);
        return;
    }
    g_free(state->status);
    state->status = g_strdup(vp_json_get_string(status, "status"));
    state->runs = vp_json_get_bool(status, "running");
    state->step(state);
}

void
vp_vmstate_look(VpVmState *state, VpVmStep step)
{
    static const char *const commands[] = { QUERY("query-block"), QUERY("query-status"), NULL };

    state->step = step;
    vp_call_ask_all(state->call, commands, false, on_look, state);
}

static void
on_resumed(VpCall *call G_GNUC_UNUSED, const VpJsonNode *reply G_GNUC_UNUSED, gpointer data)
{
    VpVmState *state = data;

    vp_vmstate_look(state, state->step);
}

void
vp_vmstate_resume(VpVmState *state, VpVmStep step)
{
    state->step = step;
    vp_call_ask(state->call, QUERY("cont"), on_resumed, state);
}

char *
vp_vmstate_failures(const VpVmState *state)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < state->failures->len; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? "; " : "",
                               (const char *)g_ptr_array_index(state->failures, i));
    return g_string_free(text, FALSE);
}

char *
vp_vmstate_describe(const VpVmState *state)
{
    g_autofree char *change = NULL;
    g_autofree char *guest = NULL;
    g_autofree char *failures = vp_vmstate_failures(state);

    if (!vp_disks_equal(state->before, state->after))
        change = g_strdup("the disks do not hold the snapshots that they held; see "
                          "query-snapshots");
    if (state->runs == state->ran)
        guest = g_strdup(state->runs ? "the guest runs" : "the guest stands still, as it did");
    else
        guest = g_strdup_printf("the guest %s (%s)", state->runs ? "runs now" : "has been stopped",
                                state->status);
    return g_strdup_printf("%s, and %s%s%s", change ?: "the disks hold what they held", guest,
                           *failures ? "; what had been written could not be removed from " : "",
                           failures);
}

/* --- deleting ------------------------------------------------------------- */

GArray *
vp_vmstate_find(const VpDisks *disks, const char *tag, const VpDisks *except)
{
    GArray *found = g_array_new(FALSE, FALSE, sizeof(VpVmDeletion));

    for (guint i = 0; i < vp_disks_count(disks); i++) {
        const VpDisk *disk = vp_disks_at(disks, i);
        const VpDisk *old = except ? vp_disks_find(except, disk->node) : NULL;
        const VpImageSnapshot *image = NULL;

        while (!disk->read_only && (image = vp_disk_next(disk, tag, image))) {
            VpVmDeletion deletion = { disk, image };

            if (!old || !vp_disk_holds(old, image))
                g_array_append_val(found, deletion);
        }
    }
    return found;
}

static char *
print_deletion(const VpVmDeletion *deletion)
{
    g_auto(VpJsonWriter) writer = vp_json_writer_compact();

    vp_json_begin_object(&writer, NULL);
    vp_json_add_string(&writer, "execute", "blockdev-snapshot-delete-internal-sync");
    vp_json_begin_object(&writer, "arguments");
    vp_json_add_string(&writer, "device", deletion->disk->node);
    vp_json_add_string(&writer, "id", deletion->image->id);
    vp_json_add_string(&writer, "name", deletion->image->key.tag);
    vp_json_end(&writer);
    vp_json_end(&writer);
    return vp_json_writer_steal(&writer);
}

static void
on_deleted(VpCall *call G_GNUC_UNUSED, const GPtrArray *replies, gpointer data)
{
    VpVmState *state = data;

    for (guint i = 0; i < replies->len; i++) {
        const char *error = vp_json_get_string(
            vp_json_get(g_ptr_array_index(replies, i), "error"), "desc");
        const char *disk = g_ptr_array_index(state->deleting, i);

        if (error)
            g_ptr_array_add(state->failures, g_strdup_printf("%s: %s", disk, error));
    }
    vp_vmstate_look(state, state->step);
}

void
vp_vmstate_delete(VpVmState *state, const GArray *deletions, VpVmStep step)
{
    g_auto(GStrv) commands = g_new0(char *, deletions->len + 1);

    g_ptr_array_set_size(state->deleting, 0);
    g_ptr_array_set_size(state->failures, 0);
    for (guint i = 0; i < deletions->len; i++) {
        const VpVmDeletion *deletion = &g_array_index(deletions, VpVmDeletion, i);

        commands[i] = print_deletion(deletion);
        g_ptr_array_add(state->deleting, g_strdup(deletion->disk->name));
    }
    state->step = step;
    vp_call_ask_all(state->call, (const char *const *)commands, true, on_deleted, state);
}

/* --- the end -------------------------------------------------------------- */

static void
end(VpVmState *state)
{
    g_autofree char *result = g_steal_pointer(&state->result);
    g_autofree char *error = g_steal_pointer(&state->error);

    if (result)
        vp_call_return(state->call, result);
    else
        vp_call_fail(state->call, "GenericError", "%s", error);
}

static void
on_stored(VpCall *call, const char *text G_GNUC_UNUSED, const GError *error, gpointer data)
{
    if (error)
        vp_log_warning("domain '%s': the parents of its snapshots cannot be kept: %s",
                       vp_call_domain_name(call), error->message);
    end(data);
}

static void
store(VpVmState *state)
{
    g_autoptr(VpSnapshots) snapshots = NULL;
    g_autofree char *text = NULL;

    if (!state->lineage) {
        end(state);
        return;
    }
    snapshots = vp_snapshots_new(state->after ?: state->before);
    text = vp_lineage_to_text(state->lineage, snapshots);
    vp_call_store(state->call, VP_LINEAGE_KEY, text, on_stored, state);
}

void
vp_vmstate_return_snapshot(VpVmState *state, const VpSnapshotKey *key)
{
    g_autoptr(VpSnapshots) snapshots = vp_snapshots_new(state->after);
    g_auto(VpJsonWriter) writer = vp_json_writer();
    char uuid[VP_UUID_SIZE] = "";
    const VpSnapshot *found = NULL;

    vp_snapshot_uuid(key, uuid);
    if (state->lineage)
        vp_lineage_fill(state->lineage, snapshots);
    found = vp_snapshots_find_uuid(snapshots, uuid);
    if (!found) /* somebody was fast: it is gone again */
        found = vp_snapshots_find_uuid(state->snapshots, uuid);
    vp_json_begin_object(&writer, NULL);
    vp_snapshot_write(found, &writer, "snapshot");
    vp_json_add_bool(&writer, "running", state->runs);
    if (state->spare)
        vp_json_add_string(&writer, "left", state->spare);
    vp_json_end(&writer);
    vp_vmstate_return(state, vp_json_writer_steal(&writer));
}

void
vp_vmstate_return(VpVmState *state, char *result)
{
    state->result = result;
    store(state);
}

void
vp_vmstate_fail(VpVmState *state, char *error)
{
    g_free(state->error);
    state->error = error;
    store(state);
}
