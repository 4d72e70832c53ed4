/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which monitor serves a running domain, and the session that it has.
 *
 * domains.c finds out what runs and what its XML says; here that is made a session: for the socket
 * that the words of the definition name, or, where QEMU was started without them, for the one that
 * attach.c finds there or has made. Without a session that is ready libvirtd's monitor serves.
 *
 * A session that is being set up, or added, counts as uncertain for PATIENCE_MS. Who needs the
 * answer waits (vp_domain_wait) and is told when the route is certain; after that time libvirtd's
 * monitor serves until the session is ready. It serves at once where a guest that has long been
 * running has no socket. What is waited for is thus always there while `patience` is.
 */

#include "qemu_passthrough/domains_impl.h"
#include "qemu_passthrough/local_dir.h"

#include "base/log.h"
#include "xml/session_words.h"

#include <string.h>

/* A session on a local socket is ready within milliseconds; QEMU at its start, while it opens
 * disks, can take seconds. Longer than the handshake's own limit. */
#define PATIENCE_MS 8000

typedef struct VpWaiter {
    VpDomainFunc func;
    gpointer data;
} VpWaiter;

void
vp_domain_close_session(VpDomain *domain)
{
    VpQmpSession *session = g_steal_pointer(&domain->session);

    vp_work_cancel(g_steal_pointer(&domain->looking));
    if (!session)
        return;
    vp_qmp_session_free(session); /* answers what is in flight */
    vp_guest_socket_clear(&domain->socket);
    g_clear_pointer(&domain->added, vp_added_free);
    domain->owner->ops->closed(domain, domain->owner->data);
}

/* Tells those who wait, if there is something to tell. Each may do anything, also wait again. */
void
vp_domain_wake(VpDomain *domain)
{
    vp_domain_ref(domain);
    while (domain->waiters->len > 0 && vp_domain_route(domain) != VP_ROUTE_WAIT) {
        g_autofree VpWaiter *waiter = g_ptr_array_steal_index(domain->waiters, 0);

        domain->waking = true;
        waiter->func(domain, waiter->data);
        domain->waking = false;
    }
    vp_domain_unref(domain);
}

VpRoute
vp_domain_route(const VpDomain *domain)
{
    if (domain->state == VP_DOMAIN_ASKING)
        return VP_ROUTE_WAIT;
    if (domain->state == VP_DOMAIN_GONE)
        return VP_ROUTE_SHARED;
    if (domain->xml.kind == VP_SESSION_NONE)
        return VP_ROUTE_REFUSED;
    if (domain->session && vp_qmp_session_state(domain->session) == VP_QMP_READY)
        return VP_ROUTE_DEDICATED;
    return domain->patience ? VP_ROUTE_WAIT : VP_ROUTE_SHARED;
}

const char *
vp_domain_session_name(const VpDomain *domain)
{
    if (domain->state == VP_DOMAIN_KNOWN && domain->xml.kind == VP_SESSION_NONE)
        return vp_xml_session_names[VP_SESSION_NONE];
    return vp_xml_session_names[vp_domain_route(domain) == VP_ROUTE_DEDICATED
                                    ? VP_SESSION_DEDICATED
                                    : VP_SESSION_SHARED];
}

void
vp_domain_wait(VpDomain *domain, VpDomainFunc func, gpointer data)
{
    VpWaiter *waiter = g_new0(VpWaiter, 1);

    *waiter = (VpWaiter){ func, data };
    g_ptr_array_insert(domain->waiters, domain->waking ? 0 : -1, waiter);
}

void
vp_domain_unwait(VpDomain *domain, gpointer data)
{
    for (guint i = domain->waiters->len; i > 0; i--) {
        VpWaiter *waiter = g_ptr_array_index(domain->waiters, i - 1);

        if (waiter->data == data)
            g_ptr_array_remove_index(domain->waiters, i - 1);
    }
}

void
vp_domain_fill(vp_domain *wire, const VpDomain *domain)
{
    wire->name = domain->name;
    memcpy(wire->uuid, domain->uuid, sizeof(wire->uuid));
    wire->id = domain->id;
}

/* --- the session ---------------------------------------------------------- */

static void
end_patience(VpDomain *domain)
{
    vp_log_warning("domain '%s': its session is not ready, libvirtd's monitor serves meanwhile",
                   domain->name);
    vp_loop_cancel(&domain->patience);
    vp_domain_wake(domain);
}

static gboolean
on_patience_over(gpointer data)
{
    end_patience(data);
    return G_SOURCE_REMOVE;
}

static void
on_session_state(VpQmpSession *session, VpQmpState state, gpointer data)
{
    VpDomain *domain = data;

    if (state == VP_QMP_LOST)
        vp_added_lost(domain->added);
    if (domain->attach &&
        vp_attach_session(domain->attach, state, vp_qmp_session_reason(session))) {
        if (!vp_attach_is_adding(domain->attach))
            vp_loop_cancel(&domain->patience);
        vp_domain_wake(domain);
        return;
    }
    domain->owner->ops->ready(domain, state == VP_QMP_READY, domain->owner->data);
    if (state != VP_QMP_READY) {
        vp_event_merge_switch(&domain->events, VP_EVENT_FROM_LIBVIRTD);
        if (state == VP_QMP_LOST && domain->patience && domain->socket.hopeless)
            end_patience(domain);
        return;
    }
    vp_event_merge_switch(&domain->events, VP_EVENT_FROM_SESSION);
    vp_loop_cancel(&domain->patience);
    vp_domain_wake(domain);
}

static void
deliver_event(VpDomain *domain, VpEventSource source, const VpQmpEvent *event)
{
    if (vp_event_merge_accept(&domain->events, source, event))
        domain->owner->ops->event(domain, event, domain->owner->data);
}

static void
on_session_event(VpQmpSession *session G_GNUC_UNUSED, const VpQmpEvent *event, gpointer data)
{
    VpDomain *domain = data;

    domain->owner->ops->session_event(domain, event, domain->owner->data);
    if (!domain->owner->has_events || !vp_event_is_libvirtds(event))
        deliver_event(domain, VP_EVENT_FROM_SESSION, event);
    vp_added_event(domain->added, event);
}

void
vp_domains_upstream_event(VpDomains *domains, const vp_domain *wire, const VpQmpEvent *event)
{
    VpDomain *domain = vp_domains_find(domains, (const guint8 *)wire->uuid);
    VpDomain stranger = { .owner = domains, .name = wire->name, .id = wire->id };

    if (domain) {
        deliver_event(domain, VP_EVENT_FROM_LIBVIRTD, event);
        return;
    }
    /* QEMU speaks before libvirtd says that the domain has started. */
    memcpy(stranger.uuid, wire->uuid, sizeof(stranger.uuid));
    domains->ops->event(&stranger, event, domains->data);
}

void
vp_domains_upstream_has_events(VpDomains *domains)
{
    domains->has_events = true;
}

static int
on_session_connect(VpQmpSession *session, GError **error, gpointer data)
{
    VpDomain *domain = data;

    return vp_guest_socket_connect(&domain->socket, domain->owner->rules.state_dir, domain->name,
                                   vp_qmp_session_path(session), error);
}

static const VpQmpSessionOps session_ops = {
    .connect = on_session_connect, .state = on_session_state, .event = on_session_event,
};

/* Whoever may define a domain at libvirtd chooses the path, and looking at it may take for ever. In
 * this directory it does not. */
static bool
is_in_session_dir(const VpDomain *domain)
{
    const char *dir = domain->owner->rules.session_dir, *path = domain->xml.path;

    return path && g_str_has_prefix(path, dir) && path[strlen(dir)] == '/' &&
           !strchr(path + strlen(dir) + 1, '/');
}

/* A definition that was copied past us names the socket of the original, whose monitor is not ours
 * to sit in front of. Each session's path ends with the domain's uuid (xml/session_words.c). */
static bool
names_own_socket(const VpDomain *domain)
{
    return domain->xml.in_run_dir ||
           (domain->xml.path && g_str_has_suffix(domain->xml.path, domain->uuid_text));
}

char *
vp_domain_session_reason(const VpDomain *domain)
{
    if (domain->session)
        return g_strdup(vp_qmp_session_reason(domain->session));
    if (domain->attach)
        return g_strdup(vp_attach_reason(domain->attach));
    if (domain->looking || domain->far)
        return g_strdup_printf("its socket '%s' is not in the directory of the sessions, '%s', and "
                               "its own directory is not on a file system of this machine, or does "
                               "not answer",
                               domain->xml.path, domain->owner->rules.session_dir);
    if (!domain->xml.path || names_own_socket(domain))
        return g_strdup("");
    return g_strdup_printf("the definition is a copy that names another domain's socket, '%s'; "
                           "define it anew through virtpassd",
                           domain->xml.path);
}

static void
set_patience(VpDomain *domain)
{
    vp_loop_cancel(&domain->patience);
    domain->patience = vp_loop_timer(domain->owner->loop, PATIENCE_MS, on_patience_over, domain);
}

static void
open_session_at(VpDomain *domain, const char *path)
{
    domain->session = vp_qmp_session_new(domain->owner->loop, domain->name, path, &session_ops,
                                         domain);
    domain->added = domain->owner->ops->added(domain, domain->owner->data);
    set_patience(domain);
}

static void
warn_of_no_session(const VpDomain *domain)
{
    g_autofree char *reason = vp_domain_session_reason(domain);

    vp_log_warning("domain '%s' has no dedicated session: %s", domain->name, reason);
}

/* A guest that came from elsewhere, or was started under another configuration. */
static void
on_directory(bool local, gpointer data)
{
    VpDomain *domain = data;

    domain->looking = NULL;
    domain->far = !local;
    if (!local) {
        warn_of_no_session(domain);
        return;
    }
    open_session_at(domain, domain->xml.path);
    vp_domain_wake(domain);
}

static void
open_session(VpDomain *domain)
{
    domain->far = false;
    if (!names_own_socket(domain))
        warn_of_no_session(domain);
    else if (domain->xml.in_run_dir || is_in_session_dir(domain))
        open_session_at(domain, domain->xml.path);
    else
        domain->looking = vp_local_dir_look(domain->owner->file_workers, VP_DEFINITIONS_OWNER,
                                            domain->xml.path, on_directory, domain);
}

/* --- sessions that are added ---------------------------------------------- */

static void
on_attach_open(const char *path, gpointer data)
{
    open_session_at(data, path);
}

static void
on_attach_close(gpointer data)
{
    VpDomain *domain = data;

    vp_domain_close_session(domain);
    vp_event_merge_switch(&domain->events, VP_EVENT_FROM_LIBVIRTD);
}

/* Is a session being added or removed anywhere? */
static bool
is_busy(const VpDomains *domains)
{
    GHashTableIter iter;
    gpointer domain = NULL;
    bool busy = false;

    g_hash_table_iter_init(&iter, domains->by_uuid);
    while (!busy && g_hash_table_iter_next(&iter, NULL, &domain))
        busy = ((VpDomain *)domain)->attach && vp_attach_is_busy(((VpDomain *)domain)->attach);
    return busy;
}

/* Tells who waits for the end of what is being removed, if that is all. */
static void
check_removed(VpDomains *domains)
{
    if (domains->removed && !is_busy(domains))
        domains->removed(domains->removed_data);
}

static void
on_attach_settled(gpointer data)
{
    VpDomain *domain = data;
    VpDomains *domains = domain->owner;

    if (!domain->session)
        vp_loop_cancel(&domain->patience);
    vp_domain_wake(domain); /* which may be the end of it */
    check_removed(domains);
}

static const VpAttachOps attach_ops = {
    .open = on_attach_open, .close = on_attach_close, .settled = on_attach_settled,
};

/* When the rules want a session to be added, if at all. */
static VpAttachWhen
when_to_add(const VpDomain *domain)
{
    const VpDomains *domains = domain->owner;
    bool wanted = domain->xml.asked == VP_SESSION_DEDICATED &&
                  (domain->xml.says || domains->rules.policy == VP_POLICY_ALL);

    return wanted && !domains->removed ? domains->rules.when : VP_ATTACH_NEVER;
}

static void
set_attach(VpDomain *domain)
{
    vp_attach_set(domain->attach, when_to_add(domain));
    if (vp_attach_is_adding(domain->attach))
        set_patience(domain);
}

static void
start_attach(VpDomain *domain)
{
    g_autofree char *path = vp_xml_session_path(domain->owner->rules.session_dir,
                                                domain->uuid_text);
    vp_domain wire = { 0 };

    vp_domain_fill(&wire, domain);
    domain->attach = vp_attach_new(domain->owner->upstream, &wire, path, &attach_ops, domain);
    set_attach(domain);
}

/* Brings the session in line with what the XML says. */
void
vp_domain_apply_xml(VpDomain *domain)
{
    bool same = domain->session && domain->xml.path &&
                strcmp(domain->xml.path, vp_qmp_session_path(domain->session)) == 0;

    domain->state = VP_DOMAIN_KNOWN;
    if (same) {
        vp_qmp_session_retry(domain->session);
    } else if (domain->attach && !domain->xml.has_words) {
        set_attach(domain);
    } else {
        vp_domain_close_session(domain);
        g_clear_pointer(&domain->attach, vp_attach_free);
        vp_loop_cancel(&domain->patience);
        if (domain->xml.kind == VP_SESSION_DEDICATED)
            open_session(domain);
        else if (!domain->xml.has_words)
            start_attach(domain);
    }
    vp_domain_wake(domain);
}

bool
vp_domain_can_add_session(const VpDomain *domain)
{
    return domain->state == VP_DOMAIN_KNOWN && domain->attach &&
           vp_attach_can_add(domain->attach);
}

bool
vp_domain_add_session(VpDomain *domain)
{
    if (!vp_domain_can_add_session(domain) || !vp_attach_add(domain->attach))
        return false;
    set_patience(domain);
    return true;
}

bool
vp_domain_session_is_added(const VpDomain *domain)
{
    return domain->attach && vp_attach_is_added(domain->attach) &&
           vp_domain_route(domain) == VP_ROUTE_DEDICATED;
}

static void
set_attaches(VpDomains *domains)
{
    GHashTableIter iter;
    gpointer domain = NULL;

    g_hash_table_iter_init(&iter, domains->by_uuid);
    while (g_hash_table_iter_next(&iter, NULL, &domain)) {
        if (((VpDomain *)domain)->attach)
            set_attach(domain);
    }
}

void
vp_domains_set_rules(VpDomains *domains, const VpDomainsRules *rules)
{
    char *session_dir = g_strdup(rules->session_dir), *state_dir = g_strdup(rules->state_dir);
    char *guests_dir = g_strdup(rules->guests_dir);

    g_free((char *)domains->rules.session_dir);
    g_free((char *)domains->rules.state_dir);
    g_free((char *)domains->rules.guests_dir);
    domains->rules = *rules;
    domains->rules.session_dir = session_dir;
    domains->rules.state_dir = state_dir;
    domains->rules.guests_dir = guests_dir;
    set_attaches(domains);
}

bool
vp_domains_remove_added(VpDomains *domains, VpDomainsFunc done, gpointer data)
{
    domains->removed = done;
    domains->removed_data = data;
    set_attaches(domains);
    return is_busy(domains);
}
