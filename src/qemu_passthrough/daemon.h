/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "probe/probe.h"
#include "qemu_passthrough/config.h"
#include "qemu_passthrough/domains.h"
#include "qemu_passthrough/upstream.h"

typedef struct VpClient VpClient;
typedef struct VpCarried VpCarried;
typedef struct VpFacts VpFacts;
typedef struct VpQmpSockets VpQmpSockets;

/* What the parts of the daemon share. One per process; fields are set before a client is served. */
typedef struct VpDaemon {
    VpLoop *loop;
    VpConfig config;
    VpUpstreamAddress address;
    VpUpstream *upstream;
    VpDomains *domains;
    VpProbe *probe;
    VpFacts *no_facts;      /* facts.h; for documents that need none */
    VpQmpSockets *qmp_sockets;
    GPtrArray *clients;     /* VpClient, owned */
    bool full;              /* max_clients reached: nobody is accepted */
    bool wants_events;      /* libvirtd was asked for the events of domains without a session */
} VpDaemon;

/* Runs until a signal ends it. The process's exit status. */
int vp_daemon_run(VpConfig *config);

/* A client is gone: frees it. */
void vp_daemon_drop_client(VpDaemon *daemon, VpClient *client);

/* How documents are translated now. */
VpXmlRules vp_daemon_xml_rules(const VpDaemon *daemon);

/* Somebody listens for events of QEMU: libvirtd is asked for those of domains without a session. */
void vp_daemon_want_events(VpDaemon *daemon);
