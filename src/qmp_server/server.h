/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/loop.h"
#include "qmp/session.h"

#include <stdbool.h>

/*
 * QMP for many clients of one session: each gets what a monitor of its own would give it. Greeting,
 * negotiation, order of the answers, refusals and recovery from broken input are QEMU's own, see
 * client.c.
 *
 * A server lives as long as its session is READY. When that ends it is freed, which ends the
 * connections of its clients as the end of QEMU would. Descriptors that they have left with QEMU
 * stay there.
 */

typedef struct VpQmpServer VpQmpServer;

/* One connection. */
typedef struct VpQmpClient VpQmpClient;

/* What carries the clients' commands: users of the session, straight or with something in between.
 * All four functions are needed; @data is that of vp_qmp_server_new(). */
typedef struct VpQmpServerOps {
    /* A user of the session, one for each client and one for the server. */
    gpointer (*user_new)(gpointer data);
    /* No callback of the user's commands comes after that. Also called by callbacks. */
    void (*user_free)(gpointer user);
    /* As vp_qmp_queue_send() and vp_qmp_queue_send_raw(), commands and raw bytes of one user in
     * one order. */
    VpQmpVerdict (*send)(gpointer user, const char *json, gsize size, const int *fds, guint n_fds,
                         VpQmpReplyFunc func, gpointer func_data, char **ret_message);
    VpQmpVerdict (*send_raw)(gpointer user, const char *bytes, gsize size, VpQmpReplyFunc func,
                             gpointer func_data);
    /* May be NULL: a client has gone by itself, and with it what vp_qmp_server_is_full() may have
     * said. @owner: of vp_qmp_server_add(). */
    void (*left)(VpQmpServer *server, gpointer owner, gpointer data);
} VpQmpServerOps;

/* @name: the domain's, for log lines. @greeting: QEMU's, as it wrote it. @oob: the session executes
 * commands out of band. Strings are copied. */
VpQmpServer *vp_qmp_server_new(VpLoop *loop, const char *name, const char *greeting, bool oob,
                               const VpQmpServerOps *ops, gpointer data);

/* Ends all connections. NULL is fine. */
void vp_qmp_server_free(VpQmpServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpQmpServer, vp_qmp_server_free)

/* VP_QMP_CLIENTS_MAX are there: do not add more. */
bool vp_qmp_server_is_full(const VpQmpServer *server);

guint vp_qmp_server_clients(const VpQmpServer *server);

/* A client has connected. @fd: a unix socket, non-blocking; taken over. NULL: it is gone already,
 * and left() is told of nobody (@owner NULL). Else it lasts until left() is told of @owner, it is
 * ended, or the server freed. */
VpQmpClient *vp_qmp_server_add(VpQmpServer *server, int fd, gpointer owner);

/* Nothing is read from the client, and nothing sent to it, while it is paused. Its commands that
 * are with QEMU already go on. What has happened to the connection is seen when it goes on: left()
 * may be called. */
void vp_qmp_client_pause(VpQmpClient *client);
void vp_qmp_client_resume(VpQmpClient *client);

/* Closes the connection. @message is the last that is sent, if it can be sent whole; nothing that
 * has waited is. left() is not called. */
void vp_qmp_client_end(VpQmpClient *client, const char *message);

/* An event of the session, as QEMU wrote it, for everybody who has negotiated. */
void vp_qmp_server_event(VpQmpServer *server, const char *message, gsize size);
