/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A command that takes its time, and a bar that tells how far it has come.
 *
 * The command is sent by a thread of its own, for the call returns only with the answer; this one
 * runs libvirt's event loop meanwhile and draws. All that is printed is printed here, after the bar
 * has been wiped away. Without a terminal there is neither bar nor thread.
 */

#include "progress.h"

#include "ask.h"
#include "command.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EVENT "VIRTPASS_JOB_PROGRESS"
#define BAR_WIDTH 30
#define DRAW_MS 100

typedef struct Progress {
    virDomainPtr domain;
    const char *command;
    char *reply;           /* libvirt's, free() */
    char *error;           /* libvirt's text where there is no reply; g_free() */
    gint done;             /* the thread has ended; atomic */
    gint64 began;
    VpJsonTree *told;      /* data of the last event; NULL: none has come */
} Progress;

static bool
has_terminal(void)
{
    return isatty(STDERR_FILENO);
}

void
vp_progress_prepare(void)
{
    if (has_terminal())
        virEventRegisterDefaultImpl();
}

static gpointer
send_command(gpointer data)
{
    Progress *progress = data;

    if (virDomainQemuMonitorCommand(progress->domain, progress->command, &progress->reply, 0) < 0)
        progress->error = g_strdup(virGetLastErrorMessage());
    g_atomic_int_set(&progress->done, 1);
    return NULL;
}

static void
on_event(virConnectPtr conn G_GNUC_UNUSED, virDomainPtr domain G_GNUC_UNUSED,
         const char *event G_GNUC_UNUSED, long long seconds G_GNUC_UNUSED,
         unsigned int micros G_GNUC_UNUSED, const char *details, void *opaque)
{
    Progress *progress = opaque;
    VpJsonTree *told = details ? vp_json_tree_parse(details, -1, NULL) : NULL;

    if (!told)
        return;
    vp_json_tree_free(progress->told);
    progress->told = told;
}

/* "[#######-----] 12.0 MiB of at most 32.0 MiB", as far as it is known. */
static void
draw_bytes(gint64 bytes, gint64 total)
{
    g_autofree char *so_far = g_format_size_full(bytes, G_FORMAT_SIZE_IEC_UNITS);
    g_autofree char *most = g_format_size_full(MAX(total, 0), G_FORMAT_SIZE_IEC_UNITS);
    int filled = total > 0 ? MIN(bytes, total) * BAR_WIDTH / total : 0;

    if (total <= 0) {
        fprintf(stderr, "  %s", so_far);
        return;
    }
    fputs("  [", stderr);
    for (int i = 0; i < BAR_WIDTH; i++)
        fputc(i < filled ? '#' : '-', stderr);
    fprintf(stderr, "]  %s of at most %s", so_far, most);
}

/* The terminal's line, from its start; the cursor stays behind it. */
static void
draw(const Progress *progress)
{
    const VpJsonNode *told = vp_json_root(progress->told);
    gint64 bytes = vp_json_get_int(told, "bytes", -1);
    gint64 elapsed = (g_get_monotonic_time() - progress->began) / G_USEC_PER_SEC;

    if (!told)
        return;
    fprintf(stderr, "\r\033[K%s %s", vp_json_get_string(told, "phase") ?: "",
            vp_json_get_string(told, "name") ?: "");
    if (bytes >= 0)
        draw_bytes(bytes, vp_json_get_int(told, "total", 0));
    fprintf(stderr, "  %" G_GINT64_FORMAT " s", elapsed);
    fflush(stderr);
}

static void
on_draw(int timer G_GNUC_UNUSED, void *opaque)
{
    draw(opaque);
}

static void
wait_and_draw(Progress *progress)
{
    virConnectPtr conn = virDomainGetConnect(progress->domain);
    int timer = virEventAddTimeout(DRAW_MS, on_draw, progress, NULL);
    int callback = virConnectDomainQemuMonitorEventRegister(conn, progress->domain, EVENT, on_event,
                                                            progress, NULL, 0);
    GThread *thread = g_thread_new("command", send_command, progress);

    while (!g_atomic_int_get(&progress->done) && virEventRunDefaultImpl() == 0)
        continue;
    g_thread_join(thread);
    if (callback >= 0)
        virConnectDomainQemuMonitorEventDeregister(conn, callback);
    if (timer >= 0)
        virEventRemoveTimeout(timer);
    fputs("\r\033[K", stderr);
}

const VpJsonNode *
vp_progress_ask(virDomainPtr domain, const char *command, VpJsonTree **ret_tree)
{
    Progress progress = { .domain = domain, .command = command, .began = g_get_monotonic_time() };
    const VpJsonNode *value = NULL;

    if (!has_terminal())
        return vp_ask(domain, command, ret_tree);
    wait_and_draw(&progress);
    if (progress.reply)
        value = vp_take_reply(domain, progress.reply, ret_tree);
    else
        fprintf(stderr, "error: monitor command: %s\n", progress.error);
    vp_json_tree_free(progress.told);
    g_free(progress.error);
    free(progress.reply);
    return value;
}
