/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * What the human monitor's "info usernet" says, as data: the connections of each user-mode netdev.
 * Of QEMU 7.2 to 11.1 with libslirp 4; the columns are libslirp's.
 */
typedef struct VpUsernetConnection {
    char *protocol;     /* "tcp", "udp", "icmp" */
    char *state;        /* as written: "HOST_FORWARD", "ESTABLISHED", "237 sec" ... */
    gint64 fd;
    char *source;       /* address; NULL: any ("*") */
    gint64 source_port; /* -1: has none */
    char *destination;
    gint64 destination_port;
    gint64 received;    /* bytes in the two queues */
    gint64 sent;
} VpUsernetConnection;

typedef struct VpUsernet {
    char *name;             /* the netdev's */
    gint64 hub;             /* number of the hub it is on, -1: none */
    GPtrArray *connections; /* of VpUsernetConnection */
} VpUsernet;

/* The netdevs as they are listed, VpUsernet, owned by the array. NULL when @text is not understood;
 * *ret_line is the line that is not; g_free(). "" is a QEMU without such netdevs. */
GPtrArray *vp_info_usernet_parse(const char *text, char **ret_line);

/* Whether the connection is one that the host forwards into the guest. */
bool vp_usernet_is_forward(const VpUsernetConnection *connection);
