/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The grammar, in which a line is
 *
 *     hub NUMBER               a hub; its ports follow
 *      \ PORT: CLIENT          in a hub: what is at the port
 *      \ PORT                  in a hub: a port with nothing
 *     CLIENT                   a NIC, or a netdev without one
 *      \ CLIENT                the netdev at the other end of the NIC above
 *     filters:                 of the client above; theirs follow
 *       - ID: type=TYPE,TEXT
 *
 * and a CLIENT "NAME: index=NUMBER,type=TYPE,TEXT". Whatever is not that is an error: a guess would
 * be worse than none.
 */

#include "added/info_network.h"

#include "added/lines.h"

#include <string.h>

#define BRANCH " \\ "
#define FILTER "  - "

/* Where we are in the text. */
typedef struct Reader {
    GPtrArray *clients;  /* result */
    gint64 hub;          /* whose ports follow; -1: none */
    VpNetClient *nic;    /* the line above is a NIC's; NULL: it is not */
    VpNetClient *last;   /* whose filters follow */
    bool in_filters;
} Reader;

static void
client_free(gpointer data)
{
    VpNetClient *client = data;

    g_free(client->name);
    g_free(client->type);
    g_free(client->text);
    g_free(client->peer);
    g_ptr_array_unref(client->filters);
    g_free(client);
}

/* Moves *@at behind a number and @end, which has to follow it. */
static bool
take_number(const char **at, const char *end, guint64 *ret_number)
{
    char *rest = NULL;

    if (!g_ascii_isdigit(**at))
        return false;
    *ret_number = g_ascii_strtoull(*at, &rest, 10);
    if (*ret_number > G_MAXUINT || !g_str_has_prefix(rest, end))
        return false;
    *at = rest + strlen(end);
    return true;
}

/* The client that @line is; NULL: it is none. */
static VpNetClient *
take_client(Reader *reader, const char *line)
{
    const char *colon = strstr(line, ": index=");
    const char *at = colon ? colon + strlen(": index=") : NULL;
    const char *comma = NULL;
    guint64 index = 0;
    VpNetClient *client = NULL;

    if (!colon || colon == line || !take_number(&at, ",type=", &index))
        return NULL;
    comma = strchr(at, ',');
    if (!comma || comma == at)
        return NULL;
    client = g_new0(VpNetClient, 1);
    client->name = g_strndup(line, colon - line);
    client->index = index;
    client->type = g_strndup(at, comma - at);
    client->text = g_strdup(comma + 1);
    client->hub = -1;
    client->filters = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(reader->clients, client);
    reader->last = client;
    return client;
}

static bool
take_port(Reader *reader, const char *line)
{
    const char *colon = strstr(line, ": ");
    VpNetClient *client = NULL;

    if (!colon)
        return *line != '\0';
    client = take_client(reader, colon + strlen(": "));
    if (!client)
        return false;
    client->hub = reader->hub;
    client->peer = g_strndup(line, colon - line);
    return true;
}

static bool
take_peer(Reader *reader, const char *line)
{
    VpNetClient *nic = reader->nic;
    VpNetClient *client = nic ? take_client(reader, line) : NULL;

    if (!client)
        return false;
    client->peer = g_strdup(nic->name);
    reader->nic = NULL;
    return true;
}

static bool
take_top(Reader *reader, const char *line)
{
    VpNetClient *client = NULL;
    const char *number = line + strlen("hub ");
    guint64 hub = 0;

    reader->hub = -1;
    reader->nic = NULL;
    if (g_str_has_prefix(line, "hub ") && take_number(&number, "", &hub) && *number == '\0') {
        reader->hub = hub;
        return true;
    }
    client = take_client(reader, line);
    if (client && strcmp(client->type, "nic") == 0)
        reader->nic = client;
    return client != NULL;
}

static bool
take_line(gpointer data, const char *line)
{
    Reader *reader = data;

    if (reader->in_filters && g_str_has_prefix(line, FILTER)) {
        g_ptr_array_add(reader->last->filters, g_strdup(line + strlen(FILTER)));
        return strstr(line, ": type=") != NULL;
    }
    reader->in_filters = false;
    if (strcmp(line, "filters:") == 0) {
        reader->in_filters = reader->last != NULL;
        return reader->in_filters;
    }
    if (!g_str_has_prefix(line, BRANCH))
        return take_top(reader, line);
    line += strlen(BRANCH);
    return reader->hub >= 0 ? take_port(reader, line) : take_peer(reader, line);
}

GPtrArray *
vp_info_network_parse(const char *text, char **ret_line)
{
    g_autoptr(GPtrArray) clients = g_ptr_array_new_with_free_func(client_free);
    Reader reader = { .clients = clients, .hub = -1 };

    return vp_lines_read(text, take_line, &reader, ret_line) ? g_steal_pointer(&clients) : NULL;
}

char *
vp_net_text_value(const char *text, const char *key, const char *next)
{
    const char *start = g_str_has_prefix(text, key) ? text : strstr(text, key);
    const char *end = NULL;

    if (!start || (start != text && start[-1] != ','))
        return NULL;
    start += strlen(key);
    end = next ? g_strrstr(start, next) : start + strlen(start);
    return end ? g_strndup(start, end - start) : NULL;
}
