/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The clients of one session, and what they have in common. */

#include "qmp_server/server.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "json/text.h"
#include "qmp_server/client.h"

VpQmpServer *
vp_qmp_server_new(VpLoop *loop, const char *name, const char *greeting, bool oob,
                  const VpQmpServerOps *ops, gpointer data)
{
    VpQmpServer *server = g_new0(VpQmpServer, 1);

    server->loop = loop;
    server->name = g_strdup(name);
    server->greeting = g_strdup(greeting);
    server->oob = oob;
    server->ops = ops;
    server->data = data;
    return server;
}

void
vp_qmp_server_free(VpQmpServer *server)
{
    if (!server)
        return;
    server->over = true;
    while (!g_queue_is_empty(&server->clients))
        vp_qmp_client_free(g_queue_peek_head(&server->clients));
    if (server->janitor)
        server->ops->user_free(server->janitor);
    g_free(server->name);
    g_free(server->greeting);
    g_free(server);
}

guint
vp_qmp_server_clients(const VpQmpServer *server)
{
    return server->clients.length;
}

bool
vp_qmp_server_is_full(const VpQmpServer *server)
{
    return vp_qmp_server_clients(server) >= VP_QMP_CLIENTS_MAX;
}

VpQmpClient *
vp_qmp_server_add(VpQmpServer *server, int fd, gpointer owner)
{
    return vp_qmp_client_new(server, fd, owner);
}

void
vp_qmp_server_event(VpQmpServer *server, const char *message, gsize size)
{
    for (GList *l = server->clients.head, *next = NULL; l; l = next) {
        next = l->next;
        vp_qmp_client_event(l->data, message, size);
    }
}

static void
on_closed(VpQmpOutcome outcome G_GNUC_UNUSED, const char *reply G_GNUC_UNUSED,
          gsize size G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
    /* An error says that the descriptor has been used: then there was nothing to do. */
}

void
vp_qmp_server_close_names(VpQmpServer *server, GHashTable *names)
{
    GHashTableIter iter;
    gpointer name = NULL;

    if (server->over)
        return;
    if (!server->janitor)
        server->janitor = server->ops->user_new(server->data);
    g_hash_table_iter_init(&iter, names);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        g_autoptr(GString) command = g_string_new("{\"execute\":\"closefd\","
                                                  "\"arguments\":{\"fdname\":");
        g_autofree char *message = NULL;

        vp_json_append_quoted(command, name);
        g_string_append(command, "}}");
        if (server->ops->send(server->janitor, command->str, command->len, NULL, 0, on_closed, NULL,
                              &message) != VP_QMP_ACCEPTED)
            vp_log_debug("%s: a client's descriptor stays with QEMU", server->name);
    }
}
