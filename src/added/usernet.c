/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * query-usernet: the connections of user-mode netdevs, from "info usernet". QEMU knows them for as
 * long as libslirp does; a UDP or ICMP "connection" ends by time.
 */

#include "added/human.h"
#include "added/info_usernet.h"
#include "added/rows.h"

static void
add_end(VpJsonWriter *writer, const char *address_key, const char *address, const char *port_key,
        gint64 port)
{
    vp_json_add_given(writer, address_key, address);
    if (port >= 0)
        vp_json_add_int(writer, port_key, port);
}

static void
add_connection(VpJsonWriter *writer, const VpUsernetConnection *connection)
{
    vp_json_begin_object(writer, NULL);
    vp_json_add_string(writer, "protocol", connection->protocol);
    vp_json_add_string(writer, "state", connection->state);
    if (connection->fd >= 0)
        vp_json_add_int(writer, "fd", connection->fd);
    add_end(writer, "source-address", connection->source, "source-port", connection->source_port);
    add_end(writer, "destination-address", connection->destination, "destination-port",
            connection->destination_port);
    vp_json_add_int(writer, "receive-queue", connection->received);
    vp_json_add_int(writer, "send-queue", connection->sent);
    vp_json_end(writer);
}

static void
add_usernet(VpJsonWriter *writer, const VpUsernet *usernet)
{
    vp_json_begin_object(writer, NULL);
    vp_json_add_string(writer, "device", usernet->name);
    if (usernet->hub >= 0)
        vp_json_add_int(writer, "hub", usernet->hub);
    vp_json_begin_array(writer, "connections");
    for (guint i = 0; i < usernet->connections->len; i++)
        add_connection(writer, g_ptr_array_index(usernet->connections, i));
    vp_json_end(writer);
    vp_json_end(writer);
}

static char *
convert(const char *text, char **ret_line)
{
    g_autoptr(GPtrArray) usernets = vp_info_usernet_parse(text, ret_line);
    g_auto(VpJsonWriter) writer = vp_json_writer();

    if (!usernets)
        return NULL;
    vp_json_begin_array(&writer, NULL);
    for (guint i = 0; i < usernets->len; i++)
        add_usernet(&writer, g_ptr_array_index(usernets, i));
    vp_json_end(&writer);
    return vp_json_writer_steal(&writer);
}

static void
query_usernet(VpCall *call)
{
    static const VpHumanQuery query = { "info usernet", convert };

    vp_human_query(call, &query);
}

static const VpField result[] = {
    { "device", "str", false, "The netdev's id." },
    { "hub", "int", true, "Number of the hub that it is on." },
    { "connections", "any", false, "Objects: 'protocol' (tcp, udp, icmp); 'state' (HOST_FORWARD "
      "is a port of the host that is forwarded into the guest; of TCP its state; of others the "
      "seconds that are left, \"9 sec\"); 'fd' (number in QEMU's process), 'source-address' and "
      "'destination-address' unless any, 'source-port' and 'destination-port' unless none, "
      "'receive-queue' and 'send-queue' (bytes)." },
    { NULL, NULL, false, NULL },
};

const VpCommandRow vp_row_query_usernet = {
    .name = "query-usernet",
    .text = "The connections and forwarded ports of user-mode netdevs. QEMU 7.2 to 11.1.",
    .result = result,
    .result_is_array = true,
    .handler = query_usernet,
};
