/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The daemon: puts the parts together, and starts and ends them in order.
 *
 * What lasts is owned by libvirtd and QEMU, so there is nothing to save at the end and
 * nothing to repair at the start: sessions are found again from libvirtd's list of
 * running domains. Two ends do something to guests: that of a private libvirtd (--embed),
 * whose guests are ended with it unless --keep-guests says no, and an ordinary one where
 * sessions were added to running guests, which are removed.
 */

#include "qemu_passthrough/daemon.h"

#include "base/fd.h"
#include "base/socket.h"
#include "qemu_passthrough/added_host.h"
#include "qemu_passthrough/client.h"
#include "qemu_passthrough/dead_sockets.h"
#include "qemu_passthrough/embed.h"
#include "qemu_passthrough/events.h"
#include "qemu_passthrough/listener.h"
#include "qemu_passthrough/monitor.h"
#include "qemu_passthrough/notify.h"
#include "qemu_passthrough/places.h"
#include "qemu_passthrough/qmp_sockets.h"
#include "qemu_passthrough/shims.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* What the path of a session's socket leaves for its directory. */
#define SESSION_DIR_MAX                                                                            \
    (VP_SOCKET_PATH_MAX - strlen("/virtpass-libvirt-") - (VP_UUID_TEXT_SIZE - 1))

/* Guests of a private libvirtd are ended within this time, or left behind with a warning. */
#define END_GUESTS_MS 10000

/* libvirtd passes on a command within milliseconds, unless QEMU is stopped or busy. What is not
 * removed in this time is found by the next virtpassd. */
#define REMOVE_SESSIONS_MS 3000

/* Documents that are worked on at a time: one user's take all but one. */
#define DOCUMENT_THREADS 3

/* The same for looks at files; those that hang hold no processor. */
#define FILE_THREADS 8

/* The daemon with what only the beginning and the end need. */
typedef struct VpRun {
    VpDaemon daemon;
    VpListener *listener;
    VpEmbed *embed;         /* NULL without --embed */
    bool stopping;
    GSource *deadline;      /* of ending the guests */
    VpDeadSockets *dead_sockets;
    guint ending;           /* guests that are being ended */
    int status;             /* of the process */
} VpRun;

/* --- clients -------------------------------------------------------------- */

/* A TLS session says farewell while its descriptor is open. */
static void
refuse(int fd, VpTls *tls)
{
    vp_tls_free(tls);
    vp_clear_fd(&fd);
}

static void
on_client(int fd, VpTls *tls, bool read_only, gpointer data)
{
    VpRun *run = data;
    VpDaemon *daemon = &run->daemon;
    VpPlace *place = vp_places_take(daemon->places, fd, tls ? vp_tls_peer_name(tls) : NULL);
    VpClient *client = NULL;

    if (place)
        client = vp_client_new(daemon, fd, tls, read_only);
    else
        refuse(fd, tls);
    if (!client) {
        vp_place_free(place);
        return;
    }
    client->place = place;
    vp_place_set_owner(place, client);
    g_ptr_array_add(daemon->clients, client);
    daemon->full = daemon->clients->len >= daemon->config.max_clients;
    if (daemon->full) {
        vp_log_warning("%u clients, as many as max_clients allows: further ones wait",
                       daemon->clients->len);
        vp_listener_set_accepting(run->listener, false);
    }
}

void
vp_daemon_drop_client(VpDaemon *daemon, VpClient *client)
{
    VpRun *run = (VpRun *)daemon;

    g_ptr_array_remove_fast(daemon->clients, client);
    vp_client_free(client);
    if (daemon->full && !run->stopping) {
        daemon->full = false;
        vp_listener_set_accepting(run->listener, true);
    }
}

static void
drop_for_place(gpointer owner, const char *reason, gpointer data)
{
    VpRun *run = data;
    VpClient *client = owner;

    vp_log_debug("client %" G_GUINT64_FORMAT ": dropped: %s", client->number, reason);
    vp_daemon_drop_client(&run->daemon, client);
}

static void
on_room(gpointer data)
{
    VpRun *run = data;

    if (!run->daemon.full && !run->stopping)
        vp_listener_set_accepting(run->listener, true);
}

static const VpPlacesOps places_ops = { .drop = drop_for_place, .room = on_room };

static bool
may_come(gpointer data)
{
    VpRun *run = data;

    return vp_places_may_come(run->daemon.places);
}

/* --- domains and their events --------------------------------------------- */

static void
on_domain_event(VpDomain *domain, const VpQmpEvent *event, gpointer data)
{
    vp_events_deliver(data, domain, event);
}

static void
on_session_ready(VpDomain *domain, bool ready, gpointer data)
{
    VpDaemon *daemon = data;

    if (ready)
        vp_qmp_sockets_ready(daemon->qmp_sockets, domain);
    else
        vp_qmp_sockets_ended(daemon->qmp_sockets, domain);
}

static void
on_session_event(VpDomain *domain, const VpQmpEvent *event, gpointer data)
{
    VpDaemon *daemon = data;

    vp_qmp_sockets_event(daemon->qmp_sockets, domain, event);
}

static void
on_session_closed(VpDomain *domain, gpointer data)
{
    VpDaemon *daemon = data;

    vp_qmp_sockets_ended(daemon->qmp_sockets, domain);
    for (guint i = 0; i < daemon->clients->len; i++)
        vp_monitor_forget_session(g_ptr_array_index(daemon->clients, i), domain);
}

static const VpDomainsOps domains_ops = {
    .event = on_domain_event, .added = vp_added_host_new, .ready = on_session_ready,
    .session_event = on_session_event, .closed = on_session_closed,
};

static void
on_events_registered(const VpCallReply *reply, gpointer data)
{
    VpDaemon *daemon = data;

    if (reply->outcome == VP_CALL_OK)
        vp_domains_upstream_has_events(daemon->domains);
    else if (reply->outcome == VP_CALL_ERROR)
        vp_log_warning("libvirtd does not pass on QEMU's events, so there are none of domains "
                       "without a dedicated session: %s",
                       reply->error->message ? *reply->error->message : "no reason given");
}

static void
register_for_events(VpDaemon *daemon)
{
    vp_monitor_event_register_args args = { 0 };

    vp_upstream_call(daemon->upstream, VP_QEMU_PROGRAM, VP_QEMU_EVENT_REGISTER,
                     xdr_vp_monitor_event_register_args, &args, on_events_registered, daemon);
}

void
vp_daemon_want_events(VpDaemon *daemon)
{
    if (daemon->wants_events)
        return;
    daemon->wants_events = true;
    register_for_events(daemon);
}

static void
set_rules(VpDaemon *daemon)
{
    const VpDomainsRules rules = {
        .policy = daemon->config.policy, .when = daemon->config.attach,
        .session_dir = daemon->config.session_dir, .state_dir = daemon->config.state_dir,
        .guests_dir = daemon->config.guests_dir,
    };

    vp_domains_set_rules(daemon->domains, &rules);
}

/* --- our own connection to libvirtd --------------------------------------- */

static void
on_lifecycle_registered(const VpCallReply *reply, gpointer data G_GNUC_UNUSED)
{
    if (reply->outcome == VP_CALL_ERROR)
        vp_log_error("libvirtd does not report its domains to us: %s",
                     reply->error->message ? *reply->error->message : "no reason given");
}

/* Events first, then the listing: nothing falls in between. */
static void
on_upstream_opened(VpUpstream *upstream, gpointer data)
{
    VpDaemon *daemon = data;
    vp_event_register_args args = { .event_id = VP_EVENT_LIFECYCLE };

    vp_upstream_call(upstream, VP_REMOTE_PROGRAM,
                     VP_REMOTE_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY,
                     xdr_vp_event_register_args, &args, on_lifecycle_registered, NULL);
    if (daemon->wants_events)
        register_for_events(daemon);
    vp_domains_upstream_opened(daemon->domains);
    vp_shims_upstream_opened(daemon->shims);
}

static void
on_upstream_lost(VpUpstream *upstream G_GNUC_UNUSED, gpointer data)
{
    VpDaemon *daemon = data;

    vp_domains_upstream_lost(daemon->domains);
}

static void
take_lifecycle(VpDaemon *daemon, const VpFrame *frame)
{
    vp_event_lifecycle_msg message = { 0 };

    if (!vp_xdr_decode(frame->payload, frame->payload_size, xdr_vp_event_lifecycle_msg, &message))
        return;
    vp_domains_lifecycle(daemon->domains, &message);
    vp_xdr_clear(xdr_vp_event_lifecycle_msg, &message);
}

static void
take_monitor_event(VpDaemon *daemon, const VpFrame *frame)
{
    vp_monitor_event_msg message = { 0 };
    VpQmpEvent event = { 0 };

    if (!vp_xdr_decode(frame->payload, frame->payload_size, xdr_vp_monitor_event_msg, &message))
        return;
    event.name = message.event;
    event.seconds = message.seconds;
    event.microseconds = message.micros;
    event.data = message.details ? *message.details : NULL;
    event.data_size = event.data ? strlen(event.data) : 0;
    vp_domains_upstream_event(daemon->domains, &message.dom, &event);
    vp_xdr_clear(xdr_vp_monitor_event_msg, &message);
}

static void
on_upstream_message(VpUpstream *upstream G_GNUC_UNUSED, const VpFrame *frame, gpointer data)
{
    const VpHeader *header = &frame->header;

    if (header->program == VP_REMOTE_PROGRAM &&
        header->procedure == VP_REMOTE_DOMAIN_EVENT_CALLBACK_LIFECYCLE)
        take_lifecycle(data, frame);
    else if (header->program == VP_QEMU_PROGRAM && header->procedure == VP_QEMU_EVENT)
        take_monitor_event(data, frame);
}

static const VpUpstreamOps upstream_ops = {
    .opened = on_upstream_opened, .message = on_upstream_message, .lost = on_upstream_lost,
};

/* --- the end -------------------------------------------------------------- */

static gboolean
quit(gpointer data)
{
    VpRun *run = data;

    vp_loop_quit(run->daemon.loop);
    return G_SOURCE_REMOVE;
}

static void
on_sessions_removed(gpointer data)
{
    quit(data);
}

static gboolean
on_sessions_too_slow(gpointer data)
{
    vp_log_warning("not all sessions that were added to running guests could be removed in time");
    return quit(data);
}

static gboolean
on_guests_too_slow(gpointer data)
{
    VpRun *run = data;

    vp_log_warning("%u guests did not end in time and are left running", run->ending);
    return quit(run);
}

static void
on_guest_ended(const VpCallReply *reply G_GNUC_UNUSED, gpointer data)
{
    VpRun *run = data;

    if (--run->ending == 0)
        quit(run);
}

static void
end_guest(VpDomain *domain, gpointer data)
{
    VpRun *run = data;
    vp_destroy_args args = { .dom = { .name = domain->name, .id = domain->id } };

    memcpy(args.dom.uuid, domain->uuid, sizeof(domain->uuid));
    if (vp_upstream_call(run->daemon.upstream, VP_REMOTE_PROGRAM, VP_REMOTE_DOMAIN_DESTROY,
                         xdr_vp_destroy_args, &args, on_guest_ended, run))
        run->ending++;
}

static gboolean
on_stop_signal(gpointer data)
{
    VpRun *run = data;

    if (run->stopping)
        return G_SOURCE_CONTINUE;
    run->stopping = true;
    vp_notify("STOPPING=1");
    vp_log_info("stopping");
    vp_listener_set_accepting(run->listener, false);
    if (run->embed && !run->daemon.config.keep_guests)
        vp_domains_foreach(run->daemon.domains, end_guest, run);
    if (run->ending > 0)
        run->deadline = vp_loop_timer(run->daemon.loop, END_GUESTS_MS, on_guests_too_slow, run);
    else if (vp_domains_remove_added(run->daemon.domains, on_sessions_removed, run))
        run->deadline = vp_loop_timer(run->daemon.loop, REMOVE_SESSIONS_MS, on_sessions_too_slow,
                                      run);
    else
        quit(run);
    return G_SOURCE_CONTINUE;
}

static void
on_embed_failed(const char *reason, gpointer data)
{
    VpRun *run = data;

    vp_log_error("no private libvirtd: %s", reason);
    run->status = EXIT_FAILURE;
    quit(run);
}

/* --- reload --------------------------------------------------------------- */

static bool
listens_alike(const VpTlsConfig *a, const VpTlsConfig *b)
{
    return a->listen == b->listen && a->port == b->port &&
           g_strcmp0(a->address, b->address) == 0;
}

/* What can be changed while clients are connected. */
static void
apply_reloaded(VpConfig *config, VpConfig *fresh)
{
    if (!listens_alike(&config->tls, &fresh->tls) ||
        g_strcmp0(config->listen_dir, fresh->listen_dir) != 0 ||
        g_strcmp0(config->group, fresh->group) != 0 || config->rw_perms != fresh->rw_perms ||
        config->ro_perms != fresh->ro_perms || config->qmp_sockets != fresh->qmp_sockets ||
        g_strcmp0(config->upstream, fresh->upstream) != 0)
        vp_log_warning("[listen] and [upstream] take effect at the next start, but for certificates"
                       " and who may show them");
    config->policy = fresh->policy;
    config->words = fresh->words;
    config->attach = fresh->attach;
    config->max_clients = fresh->max_clients;
    config->max_anonymous_clients = fresh->max_anonymous_clients;
    config->max_clients_per_user = fresh->max_clients_per_user;
    config->log_level = fresh->log_level;
    g_free(config->session_dir);
    config->session_dir = g_steal_pointer(&fresh->session_dir);
    vp_log_set_level(config->log_level);
}

static gboolean
on_reload_signal(gpointer data)
{
    VpRun *run = data;
    g_auto(VpConfig) fresh = { 0 };
    g_autoptr(GError) error = NULL;

    vp_notify("RELOADING=1");
    if (vp_config_reload(&fresh, &error) && vp_listener_reload(run->listener, &fresh, &error)) {
        apply_reloaded(&run->daemon.config, &fresh);
        set_rules(&run->daemon);
        vp_log_info("configuration reloaded");
    } else {
        vp_log_error("configuration not reloaded: %s", error->message);
    }
    vp_notify("READY=1");
    return G_SOURCE_CONTINUE;
}

/* --- the beginning -------------------------------------------------------- */

/* QEMU makes its sockets there, and does not start when it cannot. A user's directory is made;
 * the system's is libvirt's own, with owner and mode that are not ours to choose. */
static void
prepare_session_dir(const VpConfig *config)
{
    if (config->policy == VP_POLICY_ALL && strlen(config->session_dir) > SESSION_DIR_MAX)
        vp_log_warning("sockets in '%s' would have too long a path: no domain gets a dedicated "
                       "session", config->session_dir);
    if (g_file_test(config->session_dir, G_FILE_TEST_IS_DIR))
        return;
    if (!config->session || g_mkdir_with_parents(config->session_dir, 0700) < 0)
        vp_log_warning("the directory for session sockets, '%s', does not exist: domains with a "
                       "dedicated session will not start", config->session_dir);
}

static bool
start(VpRun *run, GError **error)
{
    VpDaemon *daemon = &run->daemon;
    VpConfig *config = &daemon->config;
    g_autofree char *upstream_path = NULL;

    daemon->loop = vp_loop_new(NULL, error);
    if (!daemon->loop)
        return false;
    daemon->workers = vp_workers_new(daemon->loop, DOCUMENT_THREADS, error);
    daemon->file_workers = vp_workers_new(daemon->loop, FILE_THREADS, error);
    if (!daemon->workers || !daemon->file_workers)
        return false;
    daemon->address = (VpUpstreamAddress){ config->session, config->upstream };
    upstream_path = vp_upstream_path(&daemon->address, false);
    run->listener = vp_listener_new(daemon->loop, config, upstream_path, on_client, run, error);
    if (!run->listener)
        return false;
    daemon->places = vp_places_new(daemon->loop, config, &places_ops, run);
    vp_listener_ask_before(run->listener, may_come);
    if (config->embed_dir) {
        run->embed = vp_embed_start(daemon->loop, config, on_embed_failed, run, error);
        if (!run->embed)
            return false;
    }
    prepare_session_dir(config);
    daemon->probe = vp_probe_new(daemon->loop, config->cache_dir);
    if (vp_probe_shortfall(daemon->probe))
        vp_log_warning("%s", vp_probe_shortfall(daemon->probe));
    daemon->upstream = vp_upstream_new(daemon->loop, &daemon->address, &upstream_ops, daemon);
    daemon->shims = vp_shims_new(daemon->loop, daemon->workers, daemon->upstream, config);
    run->dead_sockets = vp_dead_sockets_new(daemon->loop, daemon->file_workers, config);
    daemon->qmp_sockets = vp_qmp_sockets_new(daemon, vp_listener_path(run->listener));
    daemon->domains = vp_domains_new(daemon->loop, daemon->workers, daemon->file_workers,
                                     daemon->upstream, &domains_ops, daemon);
    set_rules(daemon);
    vp_log_info("serving %s in front of %s", vp_listener_path(run->listener), upstream_path);
    return true;
}

static void
finish(VpRun *run)
{
    VpDaemon *daemon = &run->daemon;

    vp_loop_cancel(&run->deadline);
    g_clear_pointer(&run->dead_sockets, vp_dead_sockets_free);
    g_clear_pointer(&run->listener, vp_listener_free);
    while (daemon->clients->len > 0)
        vp_daemon_drop_client(daemon, g_ptr_array_index(daemon->clients, 0));
    g_clear_pointer(&daemon->upstream, vp_upstream_free);
    g_clear_pointer(&daemon->shims, vp_shims_free);
    g_clear_pointer(&daemon->domains, vp_domains_free);
    g_clear_pointer(&daemon->qmp_sockets, vp_qmp_sockets_free);
    g_clear_pointer(&daemon->places, vp_places_free);
    g_clear_pointer(&daemon->probe, vp_probe_free);
    g_clear_pointer(&run->embed, vp_embed_stop);
    g_clear_pointer(&daemon->workers, vp_workers_free);
    g_clear_pointer(&daemon->file_workers, vp_workers_free);
    g_clear_pointer(&daemon->loop, vp_loop_free);
    g_ptr_array_unref(daemon->clients);
    vp_config_clear(&daemon->config);
}

int
vp_daemon_run(VpConfig *config)
{
    VpRun run = { .status = EXIT_SUCCESS };
    g_autoptr(GError) error = NULL;

    run.daemon.config = *config;
    *config = (VpConfig){ 0 };
    run.daemon.clients = g_ptr_array_new();
    vp_log_set_level(run.daemon.config.log_level);
    vp_raise_fd_limit();
    signal(SIGPIPE, SIG_IGN);
    if (start(&run, &error)) {
        g_unix_signal_add(SIGTERM, on_stop_signal, &run);
        g_unix_signal_add(SIGINT, on_stop_signal, &run);
        g_unix_signal_add(SIGHUP, on_reload_signal, &run);
        vp_notify("READY=1");
        vp_loop_run(run.daemon.loop);
    } else {
        vp_log_error("%s", error->message);
        run.status = EXIT_FAILURE;
    }
    run.stopping = true;
    finish(&run);
    return run.status;
}
