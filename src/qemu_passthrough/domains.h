/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "added/added.h"
#include "base/work.h"
#include "qemu_passthrough/attach.h"
#include "qemu_passthrough/event_merge.h"
#include "qemu_passthrough/guest_socket.h"
#include "qemu_passthrough/upstream.h"
#include "qmp/session.h"
#include "xml/passthrough.h"

typedef struct VpDomains VpDomains;

/* Which monitor serves a domain's commands. */
typedef enum VpRoute {
    VP_ROUTE_WAIT,      /* being found out: vp_domain_wait() */
    VP_ROUTE_DEDICATED, /* domain->session, which is READY */
    VP_ROUTE_SHARED,    /* libvirtd: it runs without a session of ours, or does not run at all */
    VP_ROUTE_REFUSED,   /* <qemu:monitorpassthrough session='none'/> */
} VpRoute;

/* A domain that runs, or that somebody asked about. Fields are domains.c's; readers may look. */
typedef struct VpDomain {
    VpDomains *owner;
    guint refs;             /* the registry's, and that of each vp_domain_ref() */
    guint8 uuid[16];
    char uuid_text[VP_UUID_TEXT_SIZE];
    char *name;
    int id;                 /* -1: not running, as far as we know */
    enum {
        VP_DOMAIN_ASKING,   /* libvirtd is being asked for id or XML */
        VP_DOMAIN_KNOWN,    /* `xml` is what the running domain says */
        VP_DOMAIN_GONE,     /* no longer in the registry; refs keep it readable */
    } state;
    bool ask_again;         /* something happened while we were asking */
    bool listed;            /* found by the listing at hand */
    VpWork *reading;        /* libvirtd's XML, in a thread; NULL: it is not */
    VpXmlSession xml;
    VpWork *looking;        /* at the directory of its socket; NULL: it is not */
    bool far;               /* that directory may not answer */
    VpQmpSession *session;  /* NULL unless dedicated */
    VpGuestSocket socket;   /* what it is connected through */
    VpAttach *attach;       /* of a QEMU that runs without the words of a session, else NULL */
    char *binary;           /* added_host.c: of the running QEMU, once asked for */
    VpAdded *added;         /* through which users of `session` send; NULL without */
    GSource *patience;      /* ends the wait for a session, or for libvirtd, to get ready */
    GPtrArray *waiters;     /* of vp_domain_wait() */
    bool waking;            /* the first of them is being told; does it wait again, then as first */
    VpEventMerge events;
} VpDomain;

typedef void (*VpDomainFunc)(VpDomain *domain, gpointer data);

typedef struct VpDomainsOps {
    /* An event of QEMU's, from our own session or from libvirtd. Of @domain only uuid, name and
     * id are sure to be set: it may be none of the registry's. */
    void (*event)(VpDomain *domain, const VpQmpEvent *event, gpointer data);
    /* A session was made; what its users send through. Its owner is the domain. */
    VpAdded *(*added)(VpDomain *domain, gpointer data);
    /* The session has become READY, or has left that state. */
    void (*ready)(VpDomain *domain, bool ready, gpointer data);
    /* An event for who uses the domain's session: of QEMU's, as it came, or of our own. */
    void (*session_event)(VpDomain *domain, const VpQmpEvent *event, gpointer data);
    /* The session of the domain is gone: free the users of `added`. */
    void (*closed)(VpDomain *domain, gpointer data);
} VpDomainsOps;

typedef void (*VpDomainsFunc)(gpointer data);

/* Which running domains get a session that they were not started with. */
typedef struct VpDomainsRules {
    VpSessionPolicy policy;
    VpAttachWhen when;
    const char *session_dir;
    const char *state_dir;  /* libvirt's, with its pid files */
    const char *guests_dir; /* likewise, with a directory for each running guest */
} VpDomainsRules;

/* Free it before @workers, in which it reads long definitions, and @file_workers, in which it looks
 * at directories. */
VpDomains *vp_domains_new(VpLoop *loop, VpWorkers *workers, VpWorkers *file_workers,
                          VpUpstream *upstream, const VpDomainsOps *ops, gpointer data);
void vp_domains_free(VpDomains *domains);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpDomains, vp_domains_free)

/* Before anything else, and whenever they change. What they point to is copied. */
void vp_domains_set_rules(VpDomains *domains, const VpDomainsRules *rules);

/* Begins to remove all sessions that were added to running guests; nothing is added any more.
 * @done is called when that is over, but not in here. false: there is none to remove. */
bool vp_domains_remove_added(VpDomains *domains, VpDomainsFunc done, gpointer data);

/* What our own connection reports. */
void vp_domains_upstream_opened(VpDomains *domains);
void vp_domains_upstream_lost(VpDomains *domains);
void vp_domains_lifecycle(VpDomains *domains, const vp_event_lifecycle_msg *message);

/* Libvirtd reports QEMU's events from now on, until the connection is lost. */
void vp_domains_upstream_has_events(VpDomains *domains);

/* An event of QEMU's that libvirtd reports. */
void vp_domains_upstream_event(VpDomains *domains, const vp_domain *wire, const VpQmpEvent *event);

/* The domain, known or not: one that is not known is looked up at libvirtd. @name only for
 * messages. Borrowed. */
VpDomain *vp_domains_get(VpDomains *domains, const guint8 *uuid, const char *name);

/* The domain if it is in the registry. Borrowed. */
VpDomain *vp_domains_find(VpDomains *domains, const guint8 *uuid);

VpRoute vp_domain_route(const VpDomain *domain);

/* Calls @func once, as soon as vp_domain_route() is no longer WAIT (not before this returns). */
void vp_domain_wait(VpDomain *domain, VpDomainFunc func, gpointer data);
void vp_domain_unwait(VpDomain *domain, gpointer data);

/* A monitor command has come for the domain, from somebody who may send it, and libvirtd's monitor
 * would serve it: is there a session to be had? Then it is begun to be added, and the route is
 * WAIT. */
bool vp_domain_add_session(VpDomain *domain);

/* Would vp_domain_add_session() begin something? */
bool vp_domain_can_add_session(const VpDomain *domain);

/* Has the domain's session been added to the running guest, and serves? */
bool vp_domain_session_is_added(const VpDomain *domain);

VpDomain *vp_domain_ref(VpDomain *domain);
void vp_domain_unref(VpDomain *domain);

/* For people: why the dedicated session was lost last, or why there is none; "" when there is
 * nothing to tell. g_free(). */
char *vp_domain_session_reason(const VpDomain *domain);

/* For people: "dedicated", "shared" or "none", as it is now. */
const char *vp_domain_session_name(const VpDomain *domain);

/* The @data of vp_domains_new() that the domain's registry was made with. */
gpointer vp_domain_owner_data(const VpDomain *domain);

/* An event of our own, as if the domain's QEMU had sent it. */
void vp_domain_emit(VpDomain *domain, const VpQmpEvent *event);

void vp_domains_foreach(VpDomains *domains, VpDomainFunc func, gpointer data);
