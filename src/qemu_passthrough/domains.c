/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The running domains.
 *
 * Owns a VpDomain for each running domain, by uuid (ids change with every start); the
 * session that it has is domain_session.c's business. libvirtd is the only authority:
 * the registry follows its lifecycle events, and is checked against a full listing
 * whenever our connection opens, so that neither a restart of libvirtd nor one of ours
 * leaves it wrong. While libvirtd is away sessions go on: QEMU does not care.
 *
 * A domain is asked about in two steps, each asynchronous: the id (unless it is
 * known from an event or a listing), then the XML. Events that come in between set
 * `ask_again`. Who needs the answer waits (vp_domain_wait). A definition is as long as its author
 * made it: a long one is read in a thread, and the domain counts as asked about until then.
 */

#include "qemu_passthrough/domains_impl.h"

#include "base/limits.h"
#include "base/log.h"
#include "qemu_passthrough/guest_dir.h"

#include <string.h>

/* Our own connection to libvirtd comes up within milliseconds where a client's has. */
#define UPSTREAM_PATIENCE_MS 1000

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

/* Takes the domain out of the registry. */
static void
forget(VpDomain *domain)
{
    if (domain->state == VP_DOMAIN_GONE)
        return;
    domain->state = VP_DOMAIN_GONE;
    domain->id = -1;
    vp_loop_cancel(&domain->patience);
    vp_work_cancel(g_steal_pointer(&domain->reading));
    vp_domain_close_session(domain);
    g_clear_pointer(&domain->attach, vp_attach_free);
    g_hash_table_steal(domain->owner->by_uuid, domain->uuid);
    vp_domain_wake(domain);
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
    domain->socket = (VpGuestSocket)VP_GUEST_SOCKET_INIT;
    domain->events = (VpEventMerge)VP_EVENT_MERGE_INIT;
    domain->waiters = g_ptr_array_new_with_free_func(g_free);
    g_hash_table_insert(domains->by_uuid, domain->uuid, domain);
    return domain;
}

/* --- asking libvirtd ------------------------------------------------------ */

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

/* A definition that is being read. In a thread @text and what comes of it are all that is used. */
typedef struct Reading {
    VpDomain *domain; /* whose `reading` it is, if it is one in a thread */
    char *text;
    VpXmlSession xml;
    GError *error;    /* NULL: it was understood */
} Reading;

static void
reading_free(gpointer data)
{
    Reading *reading = data;

    g_free(reading->text);
    vp_xml_session_clear(&reading->xml);
    g_clear_error(&reading->error);
    g_free(reading);
}

static void
read_definition(gpointer data)
{
    Reading *reading = data;

    vp_xml_read_session(reading->text, &reading->xml, &reading->error);
}

static void
take_definition(VpDomain *domain, Reading *reading)
{
    if (reading->error) {
        vp_log_warning("domain '%s': libvirtd's XML is not understood: %s", domain->name,
                       reading->error->message);
        forget(domain);
        return;
    }
    vp_xml_session_clear(&domain->xml);
    domain->xml = reading->xml;
    reading->xml = (VpXmlSession){ 0 };
    if (domain->xml.in_run_dir)
        domain->xml.path = vp_guest_dir_socket(domain->owner->rules.guests_dir, domain->name,
                                               domain->id);
    vp_domain_apply_xml(domain);
}

static void
on_definition(gpointer data)
{
    Reading *reading = data;
    VpDomain *domain = reading->domain;

    domain->reading = NULL;
    if (domain->ask_again)
        ask_id(domain);
    else
        take_definition(domain, reading);
}

/* Takes @text. */
static void
start_reading(VpDomain *domain, char *text)
{
    Reading *reading = g_new0(Reading, 1);

    *reading = (Reading){ .domain = domain, .text = text };
    if (strlen(text) > VP_INLINE_XML_MAX) {
        domain->reading = vp_work_start(domain->owner->workers, VP_DEFINITIONS_OWNER,
                                        read_definition, on_definition, reading, reading_free);
        return;
    }
    read_definition(reading);
    take_definition(domain, reading);
    reading_free(reading);
}

static void
on_xml(const VpCallReply *reply, gpointer data)
{
    VpDomain *domain = data;
    vp_get_xml_ret ret = { 0 };

    if (!take_answer(domain, reply)) {
        vp_domain_unref(domain);
        return;
    }
    if (vp_xdr_decode(reply->payload, reply->payload_size, xdr_vp_get_xml_ret, &ret)) {
        start_reading(domain, g_strdup(ret.xml));
        vp_xdr_clear(xdr_vp_get_xml_ret, &ret);
    } else {
        vp_log_warning("domain '%s': libvirtd's XML is not understood: not a string",
                       domain->name);
        forget(domain);
    }
    vp_domain_unref(domain);
}

static void
ask_xml(VpDomain *domain)
{
    vp_get_xml_args args = { 0 };

    vp_domain_fill(&args.dom, domain);
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

    domains->has_events = false;
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
vp_domains_new(VpLoop *loop, VpWorkers *workers, VpWorkers *file_workers, VpUpstream *upstream,
               const VpDomainsOps *ops, gpointer data)
{
    VpDomains *domains = g_new0(VpDomains, 1);

    domains->loop = loop;
    domains->workers = workers;
    domains->file_workers = file_workers;
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
    g_free((char *)domains->rules.session_dir);
    g_free((char *)domains->rules.state_dir);
    g_free((char *)domains->rules.guests_dir);
    g_free(domains);
}
