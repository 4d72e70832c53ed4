/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A job of QEMU's that saves or loads a snapshot, from its start to its dismissal.
 *
 * QEMU does all of the work at one go in its main loop: no monitor answers meanwhile, and the
 * command's reply may come after the events that tell of its end. Whether it failed is told by
 * query-jobs only. So query-jobs is asked when the reply or the event of the end is there,
 * whichever is later, and the job is dismissed when its outcome is known. It cannot be cancelled.
 * Who does not want to wait any longer is told that it goes on.
 *
 * The guest's STOP and RESUME are watched because a stop that is not ours may be that of somebody
 * who loads another snapshot.
 */

#include "added/job.h"

#include "added/rows.h"
#include "json/members.h"

#include <string.h>

/* --- progress ------------------------------------------------------------- */

static const VpField event_data[] = {
    { "command", "str", false, "savevm, loadvm or delvm." },
    { "name", "str", true, "Name of the snapshot; absent while it has none." },
    { "phase", "str", false, "checking, saving, loading, deleting or verifying." },
    { "elapsed", "int", false, "Milliseconds since the command began." },
    { "job", "str", true, "Id of QEMU's job, while there is one." },
    { "bytes", "int", true, "What QEMU's process has written since the phase began (read, while it "
      "loads), if that can be known." },
    { "total", "int", true, "Bytes of the guest's memory: what it will be at most." },
    { NULL, NULL, false, NULL },
};

const VpEventRow vp_event_job_progress = {
    .name = "VIRTPASS_JOB_PROGRESS",
    .text = "Sent at each step of a savevm, loadvm or delvm, and twice a second while it lasts. "
            "While QEMU saves or loads it answers nothing itself.",
    .data = event_data,
};

/* How much the process has read or written since its start; -1: not known. */
static gint64
process_bytes(const VpJob *job)
{
    pid_t pid = vp_call_pid(job->call);
    g_autofree char *path = g_strdup_printf("/proc/%d/io", (int)pid);
    const char *key = g_strcmp0(job->phase, "loading") == 0 ? "rchar: " : "wchar: ";
    g_autofree char *text = NULL;
    const char *found = NULL;

    if (pid <= 0 || !g_file_get_contents(path, &text, NULL, NULL))
        return -1;
    found = strstr(text, key);
    return found ? g_ascii_strtoll(found + strlen(key), NULL, 10) : -1;
}

static gint64
elapsed_ms(const VpJob *job)
{
    return (g_get_monotonic_time() - job->began) / 1000;
}

static void
emit(const VpJob *job)
{
    gint64 bytes = process_bytes(job);
    g_auto(VpJsonWriter) writer = vp_json_writer();
    g_autofree char *text = NULL;

    vp_json_begin_object(&writer, NULL);
    vp_json_add_string(&writer, "command", job->command);
    vp_json_add_given(&writer, "name", job->name);
    vp_json_add_string(&writer, "phase", job->phase);
    vp_json_add_int(&writer, "elapsed", elapsed_ms(job));
    vp_json_add_given(&writer, "job", job->id);
    if (bytes >= 0 && job->bytes_before >= 0)
        vp_json_add_int(&writer, "bytes", bytes - job->bytes_before);
    if (job->total > 0)
        vp_json_add_int(&writer, "total", job->total);
    vp_json_end(&writer);
    text = vp_json_writer_steal(&writer);
    vp_call_emit(job->call, vp_event_job_progress.name, text);
}

void
vp_job_set_phase(VpJob *job, const char *phase)
{
    job->phase = phase;
    job->bytes_before = process_bytes(job);
    emit(job);
}

static void
give_up(const VpJob *job)
{
    g_autofree char *what = job->name ? g_strdup_printf("%s of '%s'", job->command, job->name)
                                      : g_strdup(job->command);
    g_autofree char *where = job->id ? g_strdup_printf(
        "QEMU's job '%s' cannot be interrupted and goes on, with the guest stopped; query-jobs "
        "shows when it has ended", job->id) : g_strdup("there is no answer");

    vp_call_fail(job->call, "GenericError", "%s has not ended within %u seconds (%s): %s, and "
                 "query-snapshots what there is then", what, job->timeout, job->phase, where);
}

static gboolean
on_tick(gpointer data)
{
    VpJob *job = data;

    if (job->timeout > 0 && elapsed_ms(job) >= (gint64)job->timeout * 1000) {
        give_up(job);
        return G_SOURCE_REMOVE;
    }
    emit(job);
    return G_SOURCE_CONTINUE;
}

/* --- QEMU's job ----------------------------------------------------------- */

static void
on_dismissed(VpCall *call, const VpJsonNode *reply G_GNUC_UNUSED, gpointer data)
{
    VpJob *job = data;
    g_autofree char *error = g_steal_pointer(&job->error);

    g_clear_pointer(&job->id, g_free);
    job->asking = false;
    job->func(call, error, job->data);
}

static void
dismiss(VpCall *call, const char *id, VpAnswerFunc func, gpointer data)
{
    g_autofree char *command = g_strdup_printf(
        "{\"execute\":\"job-dismiss\",\"arguments\":{\"id\":\"%s\"}}", id);

    vp_call_ask(call, command, func, data);
}

static const VpJsonNode *
find_job(const VpJsonNode *jobs, const char *id)
{
    for (guint i = 0; i < vp_json_length(jobs); i++) {
        if (g_strcmp0(vp_json_get_string(vp_json_at(jobs, i), "id"), id) == 0)
            return vp_json_at(jobs, i);
    }
    return NULL;
}

static void
on_jobs(VpCall *call, const VpJsonNode *reply, gpointer data)
{
    VpJob *job = data;
    const VpJsonNode *found = find_job(vp_json_get(reply, "return"), job->id);
    const char *status = vp_json_get_string(found, "status");

    if (found && g_strcmp0(status, "concluded") != 0) {
        job->asking = false;
        return;
    }
    job->error = g_strdup(found ? vp_json_get_string(found, "error") : VP_JOB_UNKNOWN);
    dismiss(call, job->id, on_dismissed, job);
}

static void
look(VpJob *job)
{
    if (job->asking)
        return;
    job->asking = true;
    vp_call_ask(job->call, "{\"execute\":\"query-jobs\"}", on_jobs, job);
}

static void
on_started(VpCall *call, const VpJsonNode *reply, gpointer data)
{
    VpJob *job = data;
    const VpJsonNode *error = vp_json_get(reply, "error");

    job->asking = false;
    if (!error) {
        look(job);
        return;
    }
    g_clear_pointer(&job->id, g_free);
    job->func(call, vp_json_get_string(error, "desc") ?: "QEMU gives no reason", job->data);
}

static void
take_status(VpJob *job, const VpQmpEvent *event)
{
    VpJsonSlice data = { event->data, event->data_size };
    VpJsonSlice status = { 0 };

    if (!job->id || !vp_json_string_is(vp_json_member(data, "id"), job->id))
        return;
    status = vp_json_member(data, "status");
    job->running = vp_json_string_is(status, "running");
    job->worked |= job->running;
    if (vp_json_string_is(status, "concluded"))
        look(job);
}

static void
on_event(VpCall *call G_GNUC_UNUSED, const VpQmpEvent *event, gpointer data)
{
    VpJob *job = data;

    if (strcmp(event->name, "JOB_STATUS_CHANGE") == 0) {
        take_status(job, event);
    } else if (strcmp(event->name, "STOP") == 0 && !job->running) {
        job->stopped_before |= !job->worked;
        job->stopped_after |= job->worked;
    } else if (strcmp(event->name, "RESUME") == 0 && job->running) {
        job->resumed_ns = (event->seconds * G_USEC_PER_SEC + event->microseconds) * 1000;
    }
}

void
vp_job_begin(VpJob *job, VpCall *call, const char *command, const char *name, guint timeout)
{
    *job = (VpJob){
        .call = call,
        .command = command,
        .name = g_strdup(name),
        .timeout = timeout,
        .began = g_get_monotonic_time(),
        .ticker = vp_loop_timer(vp_call_loop(call), VP_JOB_TICK_MS, on_tick, job),
    };
    vp_call_watch(call, on_event, job);
}

void
vp_job_clear(VpJob *job)
{
    vp_loop_cancel(&job->ticker);
    g_free(job->name);
    g_free(job->id);
    g_free(job->error);
}

void
vp_job_set_name(VpJob *job, const char *name)
{
    g_free(job->name);
    job->name = g_strdup(name);
}

static char *
print_command(const VpJob *job, const char *type, const char *tag, const VpDisks *disks,
              const VpDisk *holder)
{
    g_auto(VpJsonWriter) writer = vp_json_writer_compact();

    vp_json_begin_object(&writer, NULL);
    vp_json_add_string(&writer, "execute", type);
    vp_json_begin_object(&writer, "arguments");
    vp_json_add_string(&writer, "job-id", job->id);
    vp_json_add_string(&writer, "tag", tag);
    vp_json_add_string(&writer, "vmstate", holder->node);
    vp_json_begin_array(&writer, "devices");
    for (guint i = 0; i < vp_disks_count(disks); i++) {
        if (!vp_disks_at(disks, i)->read_only)
            vp_json_add_string(&writer, NULL, vp_disks_at(disks, i)->node);
    }
    vp_json_end(&writer);
    vp_json_end(&writer);
    vp_json_end(&writer);
    return vp_json_writer_steal(&writer);
}

void
vp_job_run(VpJob *job, const char *type, const char *tag, const VpDisks *disks,
           const VpDisk *holder, VpJobFunc func, gpointer data)
{
    g_autofree char *unique = g_uuid_string_random();
    g_autofree char *command = NULL;

    job->id = g_strdup_printf(VP_JOB_PREFIX "%s-%.8s", job->command, unique);
    job->func = func;
    job->data = data;
    job->asking = true;
    command = print_command(job, type, tag, disks, holder);
    vp_call_ask(job->call, command, on_started, job);
}

static void
on_swept(VpCall *call G_GNUC_UNUSED, const VpJsonNode *reply G_GNUC_UNUSED,
         gpointer data G_GNUC_UNUSED)
{
    /* Gone, or somebody else was faster. */
}

void
vp_job_sweep(VpCall *call, const VpJsonNode *jobs)
{
    for (guint i = 0; i < vp_json_length(jobs); i++) {
        const VpJsonNode *job = vp_json_at(jobs, i);
        const char *id = vp_json_get_string(job, "id");

        if (id && g_str_has_prefix(id, VP_JOB_PREFIX) && !strpbrk(id, "\"\\") &&
            g_strcmp0(vp_json_get_string(job, "status"), "concluded") == 0)
            dismiss(call, id, on_swept, NULL);
    }
}
