/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the added commands (src/added) learn of a domain, and what they leave with it.
 *
 * QEMU's process is known from the socket of its session, whose peer has been found to be the one
 * that libvirt has started (guest_socket.c). Its binary is what the kernel says that it runs: of a
 * domain with altered arguments <emulator> is not QEMU, and after an upgrade the file of that name
 * is another one.
 */

#include "qemu_passthrough/added_host.h"

#include "json/text.h"
#include "qemu_passthrough/daemon.h"
#include "qemu_passthrough/libvirt_snapshots.h"
#include "qemu_passthrough/metadata.h"

#include <string.h>

static const char *
domain_name(gpointer data)
{
    return ((VpDomain *)data)->name;
}

static pid_t
pid(gpointer data)
{
    const VpDomain *domain = data;

    return domain->session ? vp_qmp_session_pid(domain->session) : 0;
}

/* A binary that was deleted or replaced since is still there under /proc. */
static const char *
emulator(gpointer data)
{
    VpDomain *domain = data;
    g_autofree char *link = g_strdup_printf("/proc/%d/exe", (int)pid(domain));

    if (!domain->binary)
        domain->binary = g_file_read_link(link, NULL);
    if (domain->binary && g_str_has_suffix(domain->binary, " (deleted)")) {
        g_free(domain->binary);
        domain->binary = g_steal_pointer(&link);
    }
    return domain->binary;
}

static void
load(const char *key, VpAddedKeepFunc func, gpointer func_data, gpointer data)
{
    VpDaemon *daemon = vp_domain_owner_data(data);

    vp_metadata_load(daemon->upstream, daemon->loop, data, key, func, func_data);
}

static void
store(const char *key, const char *text, VpAddedKeepFunc func, gpointer func_data, gpointer data)
{
    VpDaemon *daemon = vp_domain_owner_data(data);

    vp_metadata_store(daemon->upstream, daemon->loop, data, key, text, func, func_data);
}

static void
libvirt_snapshots(VpAddedSnapshotsFunc func, gpointer func_data, gpointer data)
{
    VpDaemon *daemon = vp_domain_owner_data(data);

    vp_libvirt_snapshots_list(daemon->upstream, daemon->loop, data, func, func_data);
}

static void
emit(const char *name, const char *json, gpointer data)
{
    gint64 now = g_get_real_time();
    g_autoptr(GString) message = g_string_new(NULL);
    VpQmpEvent event = {
        .name = name, .seconds = now / G_USEC_PER_SEC, .microseconds = now % G_USEC_PER_SEC,
        .data = json, .data_size = strlen(json),
    };

    g_string_printf(message, "{\"timestamp\": {\"seconds\": %" G_GINT64_FORMAT
                    ", \"microseconds\": %u}, \"event\": ", event.seconds, event.microseconds);
    vp_json_append_quoted(message, name);
    g_string_append_printf(message, ", \"data\": %s}", json);
    event.message = message->str;
    event.message_size = message->len;
    vp_domain_emit(data, &event);
}

static const VpAddedHost host = {
    .domain_name = domain_name, .emulator = emulator, .pid = pid, .load = load, .store = store,
    .libvirt_snapshots = libvirt_snapshots, .emit = emit,
};

VpAdded *
vp_added_host_new(VpDomain *domain, gpointer data)
{
    VpDaemon *daemon = data;

    return vp_added_new(daemon->loop, domain->session, daemon->probe, &host, domain);
}
