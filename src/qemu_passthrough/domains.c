/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The running domains and their sessions.
 *
 * Owns a VpDomain for each running domain, by uuid (ids change with every start),
 * and its dedicated QMP session if the running domain's own XML says that QEMU
 * opened one. libvirtd is the only authority: the registry follows its lifecycle
 * events, and is checked against a full listing whenever our connection opens, so
 * that neither a restart of libvirtd nor one of ours leaves it wrong. While libvirtd
 * is away sessions go on: QEMU does not care.
 *
 * A domain is asked about in two steps, each asynchronous: the id (unless it is
 * known from an event or a listing), then the XML. Events that come in between set
 * `ask_again`. Who needs the answer waits (vp_domain_wait) and is told when the route
 * is certain: a session that is still being set up counts as uncertain for
 * PATIENCE_MS, after which libvirtd's monitor serves until the session is ready.
 */

#include "qemu_passthrough/domains.h"

#include "base/log.h"

#include <string.h>

/* Our own connection to libvirtd comes up within milliseconds where a client's has. */
#define UPSTREAM_PATIENCE_MS 1000

/* A session on a local socket is ready within milliseconds; QEMU at its start, while it opens
 * disks, can take seconds. Longer than the handshake's own limit. */
#define PATIENCE_MS 8000

typedef struct VpWaiter {
    VpDomainFunc func;
    gpointer data;
} VpWaiter;

struct VpDomains {
    VpLoop *loop;
    VpUpstream *upstream;
    const VpDomainsOps *ops;
    gpointer data;
    GHashTable *by_uuid; /* uuid -> VpDomain */
};

static void ask_id(VpDomain *domain);
static void ask_xml(VpDomain *domain);

/* --- a domain ------------------------------------------------------------- */

VpDomain *
vp_domain_ref(VpDomain *domain)
{
    domain->refs++;
    return domain;
}

void
vp_domain_unref(VpDomain *domain)
{
    if (--domain->refs > 0)
        return;
    g_assert(!domain->session && domain->waiters->len == 0);
    g_ptr_array_unref(domain->waiters);
    vp_event_merge_clear(&domain->events);
    vp_xml_session_clear(&domain->xml);
    g_free(domain->binary);
    g_free(domain->name);
    g_free(domain);
}

static void
close_session(VpDomain *domain)
{
    VpQmpSession *session = g_steal_pointer(&domain->session);

    if (!session)
        return;
    vp_qmp_session_free(session); /* answers what is in flight */
    g_clear_pointer(&domain->added, vp_added_free);
    domain->owner->ops->closed(domain, domain->owner->data);
}

/* Tells those who wait, if there is something to tell. Each may do anything, also wait again. */
static void
wake_waiters(VpDomain *domain)
{
    vp_domain_ref(domain);
    while (domain->waiters->len > 0 && vp_domain_route(domain) != VP_ROUTE_WAIT) {
        g_autofree VpWaiter *waiter = g_ptr_array_steal_index(domain->waiters, 0);

        waiter->func(domain, waiter->data);
    }
    vp_domain_unref(domain);
}

/* Takes the domain out of the registry. */
static void
forget(VpDomain *domain)
{
    if (domain->state == VP_DOMAIN_GONE)
        return;
    domain->state = VP_DOMAIN_GONE;
    domain->id = -1;
    vp_loop_cancel(&domain->patience);
    close_session(domain);
    g_hash_table_steal(domain->owner->by_uuid, domain->uuid);
    wake_waiters(domain);
    vp_domain_unref(domain);
}

static VpDomain *
add(VpDomains *domains, const guint8 *uuid, const char *name)
{
    VpDomain *domain = g_new0(VpDomain, 1);

    domain->owner = domains;
    domain->refs = 1;
    domain->id = -1;
    memcpy(domain->uuid, uuid, sizeof(domain->uuid));
    vp_uuid_format(uuid, domain->uuid_text);
    domain->name = g_strdup(name);
    domain->events = (VpEventMerge)VP_EVENT_MERGE_INIT;
    domain->waiters = g_ptr_array_new_with_free_func(g_free);
    g_hash_table_insert(domains->by_uuid, domain->uuid, domain);
    return domain;
}

VpRoute
vp_domain_route(const VpDomain *domain)
{
    if (domain->state == VP_DOMAIN_ASKING)
        return VP_ROUTE_WAIT;
    if (domain->state == VP_DOMAIN_GONE || domain->xml.kind == VP_SESSION_SHARED)
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
    g_ptr_array_add(domain->waiters, waiter);
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

/* --- the session ---------------------------------------------------------- */

static gboolean
on_patience_over(gpointer data)
{
    VpDomain *domain = data;

    vp_log_warning("domain '%s': its session is not ready, libvirtd's monitor serves meanwhile",
                   domain->name);
    vp_loop_cancel(&domain->patience);
    wake_waiters(domain);
    return G_SOURCE_REMOVE;
}

static void
on_session_state(VpQmpSession *session G_GNUC_UNUSED, VpQmpState state, gpointer data)
{
    VpDomain *domain = data;
    gint64 now = g_get_monotonic_time();

    if (state == VP_QMP_LOST)
        vp_added_lost(domain->added);
    domain->owner->ops->ready(domain, state == VP_QMP_READY, domain->owner->data);
    if (state != VP_QMP_READY) {
        vp_event_merge_switch(&domain->events, VP_EVENT_FROM_LIBVIRTD, now);
        return;
    }
    vp_event_merge_switch(&domain->events, VP_EVENT_FROM_SESSION, now);
    vp_loop_cancel(&domain->patience);
    wake_waiters(domain);
}

static void
deliver_event(VpDomain *domain, VpEventSource source, const VpQmpEvent *event)
{
    if (vp_event_merge_accept(&domain->events, source, event, g_get_monotonic_time()))
        domain->owner->ops->event(domain, event, domain->owner->data);
}

static void
on_session_event(VpQmpSession *session G_GNUC_UNUSED, const VpQmpEvent *event, gpointer data)
{
    VpDomain *domain = data;

    domain->owner->ops->session_event(domain, event, domain->owner->data);
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

static const VpQmpSessionOps session_ops = {
    .state = on_session_state, .event = on_session_event,
};

/* A definition that was copied past us names the socket of the original, whose monitor is not ours
 * to sit in front of. Each session's path ends with the domain's uuid (xml/session_words.c). */
static bool
names_own_socket(const VpDomain *domain)
{
    return domain->xml.path && g_str_has_suffix(domain->xml.path, domain->uuid_text);
}

char *
vp_domain_session_reason(const VpDomain *domain)
{
    if (domain->session)
        return g_strdup(vp_qmp_session_reason(domain->session));
    if (!domain->xml.path || names_own_socket(domain))
        return g_strdup("");
    return g_strdup_printf("the definition is a copy that names another domain's socket, '%s'; "
                           "define it anew through virtpassd",
                           domain->xml.path);
}

static void
open_session(VpDomain *domain)
{
    g_autofree char *reason = NULL;

    if (names_own_socket(domain)) {
        domain->session = vp_qmp_session_new(domain->owner->loop, domain->name, domain->xml.path,
                                             domain->uuid_text, &session_ops, domain);
        domain->added = domain->owner->ops->added(domain, domain->owner->data);
        domain->patience = vp_loop_timer(domain->owner->loop, PATIENCE_MS, on_patience_over,
                                         domain);
        return;
    }
    reason = vp_domain_session_reason(domain);
    vp_log_warning("domain '%s' has no dedicated session: %s", domain->name, reason);
}

/* Brings the session in line with what the XML says. */
static void
apply_xml(VpDomain *domain)
{
    bool same = domain->session && domain->xml.path &&
                strcmp(domain->xml.path, vp_qmp_session_path(domain->session)) == 0;

    domain->state = VP_DOMAIN_KNOWN;
    if (same) {
        vp_qmp_session_retry(domain->session);
    } else {
        close_session(domain);
        vp_loop_cancel(&domain->patience);
        if (domain->xml.kind == VP_SESSION_DEDICATED)
            open_session(domain);
    }
    wake_waiters(domain);
}

/* --- asking libvirtd ------------------------------------------------------ */

static void
fill_domain(vp_domain *wire, const VpDomain *domain)
{
    wire->name = domain->name;
    memcpy(wire->uuid, domain->uuid, sizeof(wire->uuid));
    wire->id = domain->id;
}

/* Sends a question about the domain; the reply's function gets a reference to it. */
static void
ask(VpDomain *domain, gint32 procedure, void *args_func, void *args, VpCallFunc func)
{
    if (!domain->session)
        vp_loop_cancel(&domain->patience);
    domain->state = VP_DOMAIN_ASKING;
    domain->ask_again = false;
    vp_domain_ref(domain);
    if (vp_upstream_call(domain->owner->upstream, VP_REMOTE_PROGRAM, procedure, args_func, args,
                         func, domain))
        return;
    forget(domain);
    vp_domain_unref(domain);
}

/* Is the domain still to be asked about, after an answer came? Else it has been dealt with. */
static bool
take_answer(VpDomain *domain, const VpCallReply *reply)
{
    if (domain->state == VP_DOMAIN_GONE)
        return false;
    if (reply->outcome == VP_CALL_BROKEN) { /* the next listing decides; a session goes on */
        if (domain->session)
            domain->state = VP_DOMAIN_KNOWN;
        else
            forget(domain);
        return false;
    }
    if (domain->ask_again) {
        ask_id(domain);
        return false;
    }
    if (reply->outcome == VP_CALL_ERROR) { /* no such domain, or it stopped meanwhile */
        forget(domain);
        return false;
    }
    return true;
}

static void
on_xml(const VpCallReply *reply, gpointer data)
{
    VpDomain *domain = data;
    vp_get_xml_ret ret = { 0 };
    g_auto(VpXmlSession) xml = { 0 };
    g_autoptr(GError) error = NULL;

    if (take_answer(domain, reply)) {
        bool decoded = vp_xdr_decode(reply->payload, reply->payload_size, xdr_vp_get_xml_ret, &ret);

        if (decoded && vp_xml_read_session(ret.xml, &xml, &error)) {
            vp_xml_session_clear(&domain->xml);
            domain->xml = xml;
            xml = (VpXmlSession){ 0 };
            apply_xml(domain);
        } else {
            vp_log_warning("domain '%s': libvirtd's XML is not understood: %s", domain->name,
                           error ? error->message : "not a string");
            forget(domain);
        }
        if (decoded)
            vp_xdr_clear(xdr_vp_get_xml_ret, &ret);
    }
    vp_domain_unref(domain);
}

static void
ask_xml(VpDomain *domain)
{
    vp_get_xml_args args = { 0 };

    fill_domain(&args.dom, domain);
    ask(domain, VP_REMOTE_DOMAIN_GET_XML_DESC, xdr_vp_get_xml_args, &args, on_xml);
}

static void
on_id(const VpCallReply *reply, gpointer data)
{
    VpDomain *domain = data;
    vp_domain found = { 0 };

    if (take_answer(domain, reply)) {
        if (vp_xdr_decode(reply->payload, reply->payload_size, xdr_vp_domain, &found)) {
            domain->id = found.id;
            g_free(domain->name);
            domain->name = g_strdup(found.name);
            vp_xdr_clear(xdr_vp_domain, &found);
        }
        if (domain->id >= 0)
            ask_xml(domain);
        else
            forget(domain);
    }
    vp_domain_unref(domain);
}

static void
ask_id(VpDomain *domain)
{
    vp_lookup_uuid_args args = { 0 };

    memcpy(args.uuid, domain->uuid, sizeof(args.uuid));
    ask(domain, VP_REMOTE_DOMAIN_LOOKUP_BY_UUID, xdr_vp_lookup_uuid_args, &args, on_id);
}

/* --- what libvirtd says --------------------------------------------------- */

/* A domain runs with this id. A new id means that another QEMU runs now. */
static void
running(VpDomains *domains, const vp_domain *wire)
{
    VpDomain *domain = vp_domains_find(domains, (const guint8 *)wire->uuid);

    if (domain && domain->state == VP_DOMAIN_ASKING) {
        domain->listed = true;
        domain->ask_again = domain->id != wire->id;
        return;
    }
    if (domain && domain->id != wire->id) {
        forget(domain);
        domain = NULL;
    }
    if (!domain) {
        domain = add(domains, (const guint8 *)wire->uuid, wire->name);
        domain->id = wire->id;
        domain->listed = true;
        ask_xml(domain);
        return;
    }
    domain->listed = true;
    if (domain->session)
        vp_qmp_session_retry(domain->session);
}

void
vp_domains_lifecycle(VpDomains *domains, const vp_event_lifecycle_msg *message)
{
    VpDomain *domain = vp_domains_find(domains, (const guint8 *)message->dom.uuid);

    switch (message->event) {
    case VP_LIFECYCLE_STARTED:
    case VP_LIFECYCLE_RESUMED:
    case VP_LIFECYCLE_SUSPENDED:
        if (message->dom.id >= 0)
            running(domains, &message->dom);
        break;
    case VP_LIFECYCLE_STOPPED:
        if (domain && domain->state == VP_DOMAIN_ASKING)
            domain->ask_again = true;
        else if (domain)
            forget(domain);
        break;
    default:
        break;
    }
}

static void
on_list(const VpCallReply *reply, gpointer data)
{
    VpDomains *domains = data;
    vp_list_domains_ret ret = { 0 };
    g_autoptr(GList) known = NULL;

    if (reply->outcome != VP_CALL_OK ||
        !vp_xdr_decode(reply->payload, reply->payload_size, xdr_vp_list_domains_ret, &ret))
        return;
    for (guint i = 0; i < ret.domains.domains_len; i++)
        running(domains, &ret.domains.domains_val[i]);
    vp_xdr_clear(xdr_vp_list_domains_ret, &ret);
    known = g_hash_table_get_values(domains->by_uuid);
    for (GList *item = known; item; item = item->next) {
        VpDomain *domain = item->data;

        if (!domain->listed && domain->state == VP_DOMAIN_KNOWN)
            forget(domain);
    }
}

void
vp_domains_upstream_opened(VpDomains *domains)
{
    vp_list_domains_args args = { .need_results = 1, .flags = VP_LIST_ACTIVE };
    GHashTableIter iter;
    gpointer domain = NULL;

    g_hash_table_iter_init(&iter, domains->by_uuid);
    while (g_hash_table_iter_next(&iter, NULL, &domain)) {
        ((VpDomain *)domain)->listed = false;
        if (((VpDomain *)domain)->state == VP_DOMAIN_ASKING)
            ask_id(domain);
    }
    vp_upstream_call(domains->upstream, VP_REMOTE_PROGRAM, VP_REMOTE_CONNECT_LIST_ALL_DOMAINS,
                     xdr_vp_list_domains_args, &args, on_list, domains);
}

/* Sessions go on without libvirtd; the listing at the next opening says what has changed. What was
 * to be asked cannot be: then the client's own connection to libvirtd serves. */
void
vp_domains_upstream_lost(VpDomains *domains)
{
    g_autoptr(GList) known = g_hash_table_get_values(domains->by_uuid);

    for (GList *item = known; item; item = item->next) {
        if (((VpDomain *)item->data)->state == VP_DOMAIN_ASKING)
            forget(item->data);
    }
}

VpDomain *
vp_domains_find(VpDomains *domains, const guint8 *uuid)
{
    return g_hash_table_lookup(domains->by_uuid, uuid);
}

static gboolean
on_upstream_too_slow(gpointer data)
{
    forget(data);
    return G_SOURCE_REMOVE;
}

/* Who asks has a connection to libvirtd, so ours should come up as well (upstream_opened()). If
 * not, libvirtd's monitor serves. */
static void
wait_for_upstream(VpDomain *domain)
{
    VpDomains *domains = domain->owner;

    domain->patience = vp_loop_timer(domains->loop, UPSTREAM_PATIENCE_MS, on_upstream_too_slow,
                                     domain);
    vp_upstream_hurry(domains->upstream);
}

VpDomain *
vp_domains_get(VpDomains *domains, const guint8 *uuid, const char *name)
{
    VpDomain *domain = vp_domains_find(domains, uuid);

    if (domain)
        return domain;
    domain = add(domains, uuid, name);
    if (vp_upstream_is_open(domains->upstream))
        ask_id(domain);
    else
        wait_for_upstream(domain);
    return domain;
}

gpointer
vp_domain_owner_data(const VpDomain *domain)
{
    return domain->owner->data;
}

void
vp_domain_emit(VpDomain *domain, const VpQmpEvent *event)
{
    domain->owner->ops->session_event(domain, event, domain->owner->data);
    domain->owner->ops->event(domain, event, domain->owner->data);
}

void
vp_domains_foreach(VpDomains *domains, VpDomainFunc func, gpointer data)
{
    GHashTableIter iter;
    gpointer domain = NULL;

    g_hash_table_iter_init(&iter, domains->by_uuid);
    while (g_hash_table_iter_next(&iter, NULL, &domain))
        func(domain, data);
}

VpDomains *
vp_domains_new(VpLoop *loop, VpUpstream *upstream, const VpDomainsOps *ops, gpointer data)
{
    VpDomains *domains = g_new0(VpDomains, 1);

    domains->loop = loop;
    domains->upstream = upstream;
    domains->ops = ops;
    domains->data = data;
    domains->by_uuid = g_hash_table_new(vp_uuid_hash, vp_uuid_equal);
    return domains;
}

void
vp_domains_free(VpDomains *domains)
{
    g_autoptr(GList) known = NULL;

    if (!domains)
        return;
    known = g_hash_table_get_values(domains->by_uuid);
    for (GList *item = known; item; item = item->next)
        forget(item->data);
    g_hash_table_unref(domains->by_uuid);
    g_free(domains);
}
