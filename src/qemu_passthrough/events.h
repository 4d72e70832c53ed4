/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmp/session.h"

struct VpDaemon;
struct VpDomain;
struct VpClient;

/* A client's registrations for QEMU's events. */
typedef struct VpEventFilters {
    GPtrArray *list;    /* VpEventFilter; NULL without */
    gint32 next_id;
} VpEventFilters;

/* Sends an event to every client that asked for it. */
void vp_events_deliver(struct VpDaemon *daemon, struct VpDomain *domain, const VpQmpEvent *event);

void vp_events_forget_client(struct VpClient *client);
