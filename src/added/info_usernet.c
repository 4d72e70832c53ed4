/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A line is
 *
 *     Hub NUMBER (NAME):                   a netdev; NUMBER -1: on no hub
 *       Protocol[State]    FD  ...         the heading
 *       TCP[STATE] FD ADDRESS PORT ADDRESS PORT QUEUE QUEUE
 *
 * where a state may have a blank in it, but no column behind it has.
 */

#include "added/info_usernet.h"

#include "added/lines.h"

#include <string.h>

#define HEADING "  Protocol[State] "
#define COLUMNS 7

static void
connection_free(gpointer data)
{
    VpUsernetConnection *connection = data;

    g_free(connection->protocol);
    g_free(connection->state);
    g_free(connection->source);
    g_free(connection->destination);
    g_free(connection);
}

static void
usernet_free(gpointer data)
{
    VpUsernet *usernet = data;

    g_ptr_array_unref(usernet->connections);
    g_free(usernet->name);
    g_free(usernet);
}

/* A netdev's line; NULL: it is none. */
static VpUsernet *
read_netdev(const char *line)
{
    const char *number = g_str_has_prefix(line, "Hub ") ? line + strlen("Hub ") : NULL;
    const char *name = number ? strstr(number, " (") : NULL;
    g_autofree char *digits = name ? g_strndup(number, name - number) : NULL;
    VpUsernet *usernet = NULL;
    gint64 hub = -1;

    if (!name || !g_str_has_suffix(name, "):") ||
        !g_ascii_string_to_signed(digits, 10, -1, G_MAXINT, &hub, NULL))
        return NULL;
    name += strlen(" (");
    usernet = g_new0(VpUsernet, 1);
    usernet->name = g_strndup(name, strlen(name) - strlen("):"));
    usernet->hub = hub;
    usernet->connections = g_ptr_array_new_with_free_func(connection_free);
    return usernet;
}

/* The words of @text; NULL when they are not as many as there are columns. */
static GStrv
split_columns(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, " ", -1);
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; parts[i]; i++) {
        if (parts[i][0] != '\0')
            g_ptr_array_add(words, g_strdup(parts[i]));
    }
    if (words->len != COLUMNS)
        return NULL;
    g_ptr_array_add(words, NULL);
    return (GStrv)g_ptr_array_free(g_steal_pointer(&words), FALSE);
}

static bool
read_number(const char *word, gint64 *ret_number)
{
    return g_ascii_string_to_signed(word, 10, 0, G_MAXUINT32, ret_number, NULL);
}

/* "-" is none. */
static bool
read_port(const char *word, gint64 *ret_port)
{
    *ret_port = -1;
    return strcmp(word, "-") == 0 || g_ascii_string_to_signed(word, 10, 0, 65535, ret_port, NULL);
}

static char *
read_address(const char *word)
{
    return strcmp(word, "*") == 0 ? NULL : g_strdup(word);
}

static bool
read_connection(VpUsernet *usernet, const char *line)
{
    const char *bracket = strchr(line, '['), *end = strchr(line, ']');
    g_auto(GStrv) words = bracket && end > bracket ? split_columns(end + 1) : NULL;
    g_autofree char *protocol = NULL;
    VpUsernetConnection *connection = NULL;

    if (!words || !g_str_has_prefix(line, "  "))
        return false;
    protocol = g_strndup(line + 2, bracket - line - 2);
    connection = g_new0(VpUsernetConnection, 1);
    g_ptr_array_add(usernet->connections, connection);
    connection->protocol = g_ascii_strdown(protocol, -1);
    connection->state = g_strndup(bracket + 1, end - bracket - 1);
    connection->source = read_address(words[1]);
    connection->destination = read_address(words[3]);
    return protocol[0] != '\0' &&
           g_ascii_string_to_signed(words[0], 10, -1, G_MAXINT, &connection->fd, NULL) &&
           read_port(words[2], &connection->source_port) &&
           read_port(words[4], &connection->destination_port) &&
           read_number(words[5], &connection->received) &&
           read_number(words[6], &connection->sent);
}

static bool
read_line(gpointer data, const char *line)
{
    GPtrArray *netdevs = data;
    VpUsernet *last = netdevs->len > 0 ? g_ptr_array_index(netdevs, netdevs->len - 1) : NULL;
    VpUsernet *next = read_netdev(line);

    if (next) {
        g_ptr_array_add(netdevs, next);
        return true;
    }
    return last && (g_str_has_prefix(line, HEADING) || read_connection(last, line));
}

GPtrArray *
vp_info_usernet_parse(const char *text, char **ret_line)
{
    g_autoptr(GPtrArray) netdevs = g_ptr_array_new_with_free_func(usernet_free);

    return vp_lines_read(text, read_line, netdevs, ret_line) ? g_steal_pointer(&netdevs) : NULL;
}

bool
vp_usernet_is_forward(const VpUsernetConnection *connection)
{
    return strcmp(connection->state, "HOST_FORWARD") == 0;
}
