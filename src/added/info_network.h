/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * What the human monitor's "info network" says, as data. Of QEMU 7.2 to 11.1, whose text has one
 * form; what stands behind a client's type is free text of the client's own making (net/ in QEMU's
 * source), cut off at VP_NET_TEXT_MAX bytes before QEMU 8.0.
 */

/* Length at which a text may have been cut off. */
#define VP_NET_TEXT_MAX 255u

/* One queue of a netdev or a NIC; or a netdev, with what its queues have in common. */
typedef struct VpNetClient {
    char *name;         /* netdev's id, NIC's id or MODEL.N; "#netN" for what has none */
    char *type;         /* "nic", "user", "tap" ... */
    guint index;        /* of the queue */
    char *text;         /* free text, "" for none */
    char *peer;         /* NIC or hub port that it is connected to; NULL: none */
    gint64 hub;         /* number of the hub that the port belongs to, -1: none */
    GPtrArray *filters; /* of char *: "ID: type=TYPE,..." */
} VpNetClient;

/* The clients as they are listed, VpNetClient, owned by the array. NULL when @text is not
 * understood; *ret_line is the line that is not; g_free(). */
GPtrArray *vp_info_network_parse(const char *text, char **ret_line);

/* Of "key=VALUE,": the value of @key in @text up to where @next (",key=") stands last; NULL: up to
 * the end. NULL when it is not there. g_free(). */
char *vp_net_text_value(const char *text, const char *key, const char *next);
