/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/work.h"
#include "probe/probe.h"
#include "qemu_passthrough/config.h"
#include "qemu_passthrough/domains.h"
#include "qemu_passthrough/upstream.h"

typedef struct VpClient VpClient;
typedef struct VpDocument VpDocument;
typedef struct VpAnswer VpAnswer;
typedef struct VpFacts VpFacts;
typedef struct VpPlaces VpPlaces;
typedef struct VpQmpSockets VpQmpSockets;
typedef struct VpShims VpShims;

/* What the parts of the daemon share. One per process; fields are set before a client is served. */
typedef struct VpDaemon {
    VpLoop *loop;
    VpConfig config;
    VpUpstreamAddress address;
    VpUpstream *upstream;
    VpDomains *domains;
    VpProbe *probe;
    VpWorkers *workers;     /* for documents */
    VpWorkers *file_workers; /* for looks at what clients and guests name, which may never end */
    VpShims *shims;
    VpPlaces *places;       /* of clients of all sockets */
    VpQmpSockets *qmp_sockets;
    GPtrArray *clients;     /* VpClient, owned */
    bool full;              /* max_clients reached: nobody is accepted */
    bool wants_events;      /* libvirtd was asked for the events of domains without a session */
} VpDaemon;

/* Runs until a signal ends it. The process's exit status. */
int vp_daemon_run(VpConfig *config);

/* A client is gone: frees it. */
void vp_daemon_drop_client(VpDaemon *daemon, VpClient *client);

/* Somebody listens for events of QEMU: libvirtd is asked for those of domains without a session. */
void vp_daemon_want_events(VpDaemon *daemon);
