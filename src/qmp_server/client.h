/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmp_server/server.h"

struct VpQmpServer {
    VpLoop *loop;
    char *name;          /* the domain's */
    char *greeting;      /* QEMU's */
    bool oob;            /* the session can */
    const VpQmpServerOps *ops;
    gpointer data;       /* for @ops */
    GQueue clients;      /* of VpQmpClient */
    guint numbers;       /* given to clients */
    bool over;           /* the session is lost: nothing can be sent any more */
    gpointer janitor;    /* user that closes what clients have left behind; NULL: not needed yet */
};

/* Takes over @fd. It is in server->clients until it is freed, which it does by itself at the end of
 * its connection. NULL: that was at once. */
VpQmpClient *vp_qmp_client_new(VpQmpServer *server, int fd, gpointer owner);
void vp_qmp_client_free(VpQmpClient *client);

/* Sends the message, if the client has negotiated. It may free itself. */
void vp_qmp_client_event(VpQmpClient *client, const char *message, gsize size);

/* Closes descriptors that a client has left behind by their names in the monitor (char *). */
void vp_qmp_server_close_names(VpQmpServer *server, GHashTable *names);
