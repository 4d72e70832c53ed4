/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/domains.h"

/* What domains.c (which domains run) and domain_session.c (the session of each) share. */

struct VpDomains {
    VpLoop *loop;
    VpWorkers *workers;
    VpWorkers *file_workers;
    VpUpstream *upstream;
    const VpDomainsOps *ops;
    gpointer data;
    GHashTable *by_uuid; /* uuid -> VpDomain */
    VpDomainsRules rules; /* the directories are owned */
    bool has_events;     /* libvirtd passes QEMU's events on to us */
    VpDomainsFunc removed; /* what has been added is being removed; NULL: it is not */
    gpointer removed_data;
};

/* The domain as libvirt's protocol has it; the name is borrowed. */
void vp_domain_fill(vp_domain *wire, const VpDomain *domain);

/* `xml` is new: makes it KNOWN and brings the session in line with it. */
void vp_domain_apply_xml(VpDomain *domain);

/* Frees the session, if there is one. Who waits is not told. */
void vp_domain_close_session(VpDomain *domain);

/* Tells those who wait, if there is something to tell. */
void vp_domain_wake(VpDomain *domain);
