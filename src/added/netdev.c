/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * query-netdev: the network backends of a QEMU that runs.
 *
 * QEMU has no command that lists them. "info network" does, as text; "info usernet" has the ports
 * that user-mode networking forwards; QOM knows which device a NIC is; and the kernel knows the
 * name of an interface that QEMU got as a descriptor. What none of them says (a network's mask, a
 * tap's vhost, a listening address before somebody connects) is absent.
 *
 * Two rounds of questions: the list, then what only some entries need.
 */

#include "added/human.h"
#include "added/info_network.h"
#include "added/info_usernet.h"
#include "added/rows.h"
#include "json/text.h"

#include <stdio.h>
#include <string.h>

#define INFO_NETWORK "info network"
#define INFO_USERNET "info usernet"

/* Where devices are in QOM. */
static const char *const containers[] = {
    "/machine/peripheral", "/machine/peripheral-anon", "/machine/unattached",
};

/* A netdev with all its queues. */
typedef struct Netdev {
    GPtrArray *queues;        /* of VpNetClient const, by index as listed; one at least */
    const VpUsernet *usernet; /* NULL: none */
    const char *path;         /* of the NIC at the other end in QOM; NULL: not known */
    pid_t pid;                /* of QEMU, 0: not known */
} Netdev;

/* State of a call. */
typedef struct Query {
    bool flat;
    GPtrArray *clients;   /* of "info network" */
    GPtrArray *usernets;  /* of "info usernet"; NULL: not asked */
    GPtrArray *paths;     /* char *: of the devices that may be NICs */
} Query;

static void
query_free(gpointer data)
{
    Query *query = data;

    g_clear_pointer(&query->clients, g_ptr_array_unref);
    g_clear_pointer(&query->usernets, g_ptr_array_unref);
    g_ptr_array_unref(query->paths);
    g_free(query);
}

/* --- what a backend's text says ------------------------------------------- */

static const VpNetClient *
first_queue(const Netdev *netdev)
{
    return g_ptr_array_index(netdev->queues, 0);
}

/* Adds the value of "key=" in the text as @name, if it is there. */
static void
add_value(VpJsonWriter *writer, const char *name, const char *text, const char *key,
          const char *next)
{
    g_autofree char *value = vp_net_text_value(text, key, next);

    vp_json_add_given(writer, name, value);
}

static void
add_forward(VpJsonWriter *writer, const VpUsernetConnection *forward)
{
    vp_json_begin_object(writer, NULL);
    vp_json_add_string(writer, "protocol", forward->protocol);
    vp_json_add_given(writer, "host-address", forward->source);
    vp_json_add_int(writer, "host-port", forward->source_port);
    vp_json_add_given(writer, "guest-address", forward->destination);
    vp_json_add_int(writer, "guest-port", forward->destination_port);
    vp_json_end(writer);
}

/* As netdev_add takes it. */
static void
add_flat_forward(VpJsonWriter *writer, const VpUsernetConnection *forward)
{
    g_autofree char *text = g_strdup_printf(
        "%s:%s:%" G_GINT64_FORMAT "-%s:%" G_GINT64_FORMAT, forward->protocol,
        forward->source ?: "", forward->source_port, forward->destination ?: "",
        forward->destination_port);

    vp_json_begin_object(writer, NULL);
    vp_json_add_string(writer, "str", text);
    vp_json_end(writer);
}

static bool
describe_user(VpJsonWriter *writer, const Netdev *netdev, bool flat)
{
    const char *text = first_queue(netdev)->text;
    g_autofree char *restricted = vp_net_text_value(text, "restrict=", NULL);

    if (!restricted)
        return false;
    add_value(writer, "net", text, "net=", ",restrict=");
    vp_json_add_bool(writer, "restrict", strcmp(restricted, "on") == 0);
    if (!netdev->usernet)
        return true;
    vp_json_begin_array(writer, "hostfwd");
    for (guint i = 0; i < netdev->usernet->connections->len; i++) {
        const VpUsernetConnection *connection =
            g_ptr_array_index(netdev->usernet->connections, i);

        if (vp_usernet_is_forward(connection))
            (flat ? add_flat_forward : add_forward)(writer, connection);
    }
    vp_json_end(writer);
    return true;
}

/* The interface that descriptor @fd of QEMU is a queue of; NULL: none, or none to be seen. */
static char *
read_interface(pid_t pid, int fd)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fdinfo/%d", (int)pid, fd);
    g_autofree char *info = NULL;
    const char *line = NULL;

    if (pid <= 0 || !g_file_get_contents(path, &info, NULL, NULL))
        return NULL;
    line = strstr(info, "\niff:\t");
    if (!line)
        return NULL;
    line += strlen("\niff:\t");
    return g_strndup(line, strcspn(line, "\n"));
}

/* A tap whose queues QEMU got as descriptors. */
static bool
describe_descriptors(VpJsonWriter *writer, const Netdev *netdev, bool flat)
{
    g_autoptr(GString) flat_fds = g_string_new(NULL);
    g_autofree char *interface = NULL;
    int fd = -1;

    if (!flat)
        vp_json_begin_array(writer, "fds");
    for (guint i = 0; i < netdev->queues->len; i++) {
        const VpNetClient *queue = g_ptr_array_index(netdev->queues, i);

        if (sscanf(queue->text, "fd=%d", &fd) != 1)
            continue;
        if (!flat)
            vp_json_add_int(writer, NULL, fd);
        g_string_append_printf(flat_fds, "%s%d", flat_fds->len > 0 ? ":" : "", fd);
        if (!interface)
            interface = read_interface(netdev->pid, fd);
    }
    if (!flat)
        vp_json_end(writer);
    else
        vp_json_add_string(writer, netdev->queues->len > 1 ? "fds" : "fd", flat_fds->str);
    vp_json_add_given(writer, "ifname", interface);
    return true;
}

static bool
describe_tap(VpJsonWriter *writer, const Netdev *netdev, bool flat)
{
    const char *text = first_queue(netdev)->text;

    if (g_str_has_prefix(text, "fd="))
        return describe_descriptors(writer, netdev, flat);
    if (!g_str_has_prefix(text, "ifname=") && !g_str_has_prefix(text, "helper="))
        return false;
    add_value(writer, "ifname", text, "ifname=", ",script=");
    add_value(writer, "script", text, "script=", ",downscript=");
    add_value(writer, "downscript", text, "downscript=", NULL);
    add_value(writer, "helper", text, "helper=", NULL);
    return true;
}

/* Without a helper of its own QEMU takes its default, but writes "(null)". */
static bool
describe_bridge(VpJsonWriter *writer, const Netdev *netdev, bool flat G_GNUC_UNUSED)
{
    const char *text = first_queue(netdev)->text;

    if (!g_str_has_prefix(text, "helper=(null),"))
        add_value(writer, "helper", text, "helper=", ",br=");
    vp_json_add_string(writer, "br", g_strrstr(text, ",br=") + strlen(",br="));
    return true;
}

/* For netdev_add: QEMU counts the netdevs of type bridge among the taps, of which no other has a
 * bridge in its text. */
static const char *
type_of(const VpNetClient *client)
{
    bool bridge = strcmp(client->type, "tap") == 0 && g_str_has_prefix(client->text, "helper=") &&
                  strstr(client->text, ",br=");

    return bridge ? "bridge" : client->type;
}

static bool
describe_vde(VpJsonWriter *writer, const Netdev *netdev, bool flat)
{
    const char *text = first_queue(netdev)->text;
    g_autofree char *fd = vp_net_text_value(text, "fd=", NULL);

    if (!g_str_has_prefix(text, "sock="))
        return false;
    add_value(writer, "sock", text, "sock=", ",fd=");
    if (fd && !flat)
        vp_json_add_int(writer, "fd", g_ascii_strtoll(fd, NULL, 10));
    return true;
}

/* "vhost-user0 to CHARDEV", "af-xdp0 to INTERFACE". */
static bool
describe_target(VpJsonWriter *writer, const Netdev *netdev, const char *name)
{
    const char *target = strstr(first_queue(netdev)->text, " to ");

    if (!target)
        return false;
    vp_json_add_string(writer, name, target + strlen(" to "));
    return true;
}

static bool
describe_vhost_user(VpJsonWriter *writer, const Netdev *netdev, bool flat G_GNUC_UNUSED)
{
    return describe_target(writer, netdev, "chardev");
}

static bool
describe_af_xdp(VpJsonWriter *writer, const Netdev *netdev, bool flat G_GNUC_UNUSED)
{
    return describe_target(writer, netdev, "ifname");
}

/* Types whose text has parts. false: the text is another one. */
static const struct {
    const char *type;
    bool (*describe)(VpJsonWriter *writer, const Netdev *netdev, bool flat);
} types[] = {
    { "user", describe_user }, { "tap", describe_tap }, { "bridge", describe_bridge },
    { "vde", describe_vde }, { "vhost-user", describe_vhost_user }, { "af-xdp", describe_af_xdp },
};

/* A text that may have been cut off is given as it is: its last part is not to be trusted. */
static void
describe(VpJsonWriter *writer, const Netdev *netdev, bool flat)
{
    const VpNetClient *first = first_queue(netdev);
    bool understood = first->text[0] == '\0';

    for (gsize i = 0; !understood && i < G_N_ELEMENTS(types); i++) {
        if (strcmp(type_of(first), types[i].type) == 0 && strlen(first->text) < VP_NET_TEXT_MAX)
            understood = types[i].describe(writer, netdev, flat);
    }
    if (!understood && !flat)
        vp_json_add_string(writer, "text", first->text);
}

/* --- the answer ----------------------------------------------------------- */

/* "ID: type=TYPE,TEXT" */
static void
add_filter(VpJsonWriter *writer, const char *filter)
{
    const char *type = strstr(filter, ": type=");
    const char *start = type + strlen(": type=");
    gsize size = strcspn(start, ",");
    g_autofree char *id = g_strndup(filter, type - filter);
    g_autofree char *name = g_strndup(start, size);

    vp_json_begin_object(writer, NULL);
    vp_json_add_string(writer, "id", id);
    vp_json_add_string(writer, "type", name);
    if (start[size] == ',')
        vp_json_add_string(writer, "text", start + size + 1);
    vp_json_end(writer);
}

static void
add_netdev(VpJsonWriter *writer, const Netdev *netdev)
{
    const VpNetClient *first = first_queue(netdev);

    vp_json_begin_object(writer, NULL);
    vp_json_add_string(writer, "device", first->name);
    vp_json_add_string(writer, "type", type_of(first));
    vp_json_add_given(writer, "peer", first->peer);
    vp_json_add_given(writer, "peer-path", netdev->path);
    if (first->hub >= 0)
        vp_json_add_int(writer, "hub", first->hub);
    vp_json_add_int(writer, "queues", netdev->queues->len);
    if (first->filters->len > 0) {
        vp_json_begin_array(writer, "filters");
        for (guint i = 0; i < first->filters->len; i++)
            add_filter(writer, g_ptr_array_index(first->filters, i));
        vp_json_end(writer);
    }
    vp_json_begin_object(writer, "info");
    describe(writer, netdev, false);
    vp_json_end(writer);
    vp_json_end(writer);
}

static void
add_flat_netdev(VpJsonWriter *writer, const Netdev *netdev)
{
    const VpNetClient *first = first_queue(netdev);

    vp_json_begin_object(writer, NULL);
    vp_json_add_string(writer, "id", first->name);
    vp_json_add_string(writer, "type", type_of(first));
    vp_json_add_given(writer, "peer-id", first->peer);
    describe(writer, netdev, true);
    vp_json_end(writer);
}

/* Of each queue but the first the netdev is in the list already. */
static bool
is_listed(const GPtrArray *clients, guint i)
{
    const VpNetClient *client = g_ptr_array_index(clients, i);

    for (guint k = 0; k < i; k++) {
        if (strcmp(((const VpNetClient *)g_ptr_array_index(clients, k))->name, client->name) == 0)
            return true;
    }
    return false;
}

static bool
is_netdev(const VpNetClient *client)
{
    return strcmp(client->type, "nic") != 0 && strcmp(client->type, "hubport") != 0;
}

static const VpUsernet *
find_usernet(const Query *query, const char *name)
{
    for (guint i = 0; query->usernets && i < query->usernets->len; i++) {
        const VpUsernet *usernet = g_ptr_array_index(query->usernets, i);

        if (strcmp(usernet->name, name) == 0)
            return usernet;
    }
    return NULL;
}

/* The device whose "netdev" it is, by the answers to the questions about query->paths. */
static const char *
find_path(const Query *query, const GPtrArray *netdevs, const char *name)
{
    for (guint i = 0; i < query->paths->len; i++) {
        if (g_strcmp0(vp_json_get_string(g_ptr_array_index(netdevs, i), "return"), name) == 0)
            return g_ptr_array_index(query->paths, i);
    }
    return NULL;
}

static void
add_client(VpCall *call, VpJsonWriter *writer, const VpNetClient *client,
           const GPtrArray *netdevs)
{
    Query *query = vp_call_state(call);
    g_autoptr(GPtrArray) queues = g_ptr_array_new();
    Netdev netdev = { .queues = queues, .pid = vp_call_pid(call) };

    for (guint i = 0; i < query->clients->len; i++) {
        VpNetClient *queue = g_ptr_array_index(query->clients, i);

        if (strcmp(queue->name, client->name) == 0)
            g_ptr_array_add(queues, queue);
    }
    netdev.usernet = find_usernet(query, client->name);
    if (client->hub < 0)
        netdev.path = find_path(query, netdevs, client->name);
    (query->flat ? add_flat_netdev : add_netdev)(writer, &netdev);
}

/* @replies: "netdev" of each of query->paths, then "info usernet" if it was asked. */
static void
on_details(VpCall *call, const GPtrArray *replies, gpointer data G_GNUC_UNUSED)
{
    Query *query = vp_call_state(call);
    g_auto(VpJsonWriter) writer = vp_json_writer();
    g_autofree char *line = NULL;
    const char *usernet = NULL;

    if (replies->len > query->paths->len) {
        usernet = vp_human_text(g_ptr_array_index(replies, query->paths->len)) ?: "";
        query->usernets = vp_info_usernet_parse(usernet, &line);
        if (!query->usernets) {
            vp_human_fail(call, INFO_USERNET, line);
            return;
        }
    }
    vp_json_begin_array(&writer, NULL);
    for (guint i = 0; i < query->clients->len; i++) {
        const VpNetClient *client = g_ptr_array_index(query->clients, i);

        if (is_netdev(client) && !is_listed(query->clients, i))
            add_client(call, &writer, client, replies);
    }
    vp_json_end(&writer);
    vp_human_return(call, &writer);
}

/* --- the questions -------------------------------------------------------- */

/* Whether QOM's "child<TYPE>" is the model of one of the NICs. */
static bool
is_nic(const Query *query, const char *type)
{
    for (guint i = 0; i < query->clients->len; i++) {
        const VpNetClient *client = g_ptr_array_index(query->clients, i);
        g_autofree char *model = vp_net_text_value(client->text, "model=", ",macaddr=");
        g_autofree char *child = model ? g_strdup_printf("child<%s>", model) : NULL;

        if (strcmp(client->type, "nic") == 0 && g_strcmp0(child, type) == 0)
            return true;
    }
    return false;
}

static void
find_nics(Query *query, const char *container, const VpJsonNode *reply)
{
    const VpJsonNode *list = vp_json_get(reply, "return");

    for (guint i = 0; i < vp_json_length(list); i++) {
        const char *type = vp_json_get_string(vp_json_at(list, i), "type");
        const char *name = vp_json_get_string(vp_json_at(list, i), "name");

        if (type && name && is_nic(query, type))
            g_ptr_array_add(query->paths, g_strdup_printf("%s/%s", container, name));
    }
}

static bool
has_user(const Query *query)
{
    for (guint i = 0; i < query->clients->len; i++) {
        if (strcmp(((VpNetClient *)g_ptr_array_index(query->clients, i))->type, "user") == 0)
            return true;
    }
    return false;
}

static void
ask_details(VpCall *call)
{
    Query *query = vp_call_state(call);
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < query->paths->len; i++) {
        g_autoptr(GString) command = g_string_new("{\"execute\":\"qom-get\",\"arguments\":"
                                                  "{\"property\":\"netdev\",\"path\":");

        vp_json_append_quoted(command, g_ptr_array_index(query->paths, i));
        g_string_append(command, "}}");
        g_ptr_array_add(commands, g_string_free(g_steal_pointer(&command), FALSE));
    }
    if (has_user(query))
        g_ptr_array_add(commands, vp_call_human_command(INFO_USERNET));
    g_ptr_array_add(commands, NULL);
    vp_call_ask_all(call, (const char *const *)commands->pdata, true, on_details, NULL);
}

/* @replies: "info network", then what is in each of the containers. */
static void
on_list(VpCall *call, const GPtrArray *replies, gpointer data G_GNUC_UNUSED)
{
    Query *query = vp_call_state(call);
    const VpJsonNode *network = g_ptr_array_index(replies, 0);
    g_autofree char *line = NULL;

    if (!vp_human_text(network)) {
        vp_call_fail_reply(call, NULL, network);
        return;
    }
    query->clients = vp_info_network_parse(vp_human_text(network), &line);
    if (!query->clients) {
        vp_human_fail(call, INFO_NETWORK, line);
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(containers); i++)
        find_nics(query, containers[i], g_ptr_array_index(replies, i + 1));
    ask_details(call);
}

static void
query_netdev(VpCall *call)
{
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func(g_free);
    Query *query = g_new0(Query, 1);

    query->flat = vp_json_get_bool(vp_call_arguments(call), "flat");
    query->paths = g_ptr_array_new_with_free_func(g_free);
    vp_call_set_state(call, query, query_free);
    g_ptr_array_add(commands, vp_call_human_command(INFO_NETWORK));
    for (gsize i = 0; i < G_N_ELEMENTS(containers); i++)
        g_ptr_array_add(commands, g_strdup_printf("{\"execute\":\"qom-list\",\"arguments\":"
                                                  "{\"path\":\"%s\"}}", containers[i]));
    g_ptr_array_add(commands, NULL);
    vp_call_ask_all(call, (const char *const *)commands->pdata, true, on_list, NULL);
}

static const VpField arguments[] = {
    { "flat", "bool", true, "The options of each netdev beside its id and type, in the names and "
      "forms that netdev_add takes, instead of an object of their own; default false." },
    { NULL, NULL, false, NULL },
};

static const VpField result[] = {
    { "device", "str", true, "The netdev's id; \"#netN\" where it was given none. Not with "
      "'flat'." },
    { "id", "str", true, "The same, with 'flat'." },
    { "type", "str", false, "Its type, as for netdev_add." },
    { "peer", "str", true, "What it is connected to: the NIC's id, MODEL.N for one without an id, "
      "or a port of a hub. Not with 'flat'." },
    { "peer-id", "str", true, "The same, with 'flat'." },
    { "peer-path", "str", true, "The NIC's QOM path. Not with 'flat'." },
    { "hub", "int", true, "Number of the hub whose port 'peer' is. Not with 'flat'." },
    { "queues", "int", true, "Number of queues. Not with 'flat'." },
    { "filters", "any", true, "The filters on it: objects with 'id', 'type' and, as QEMU writes "
      "them, their options in 'text'. Not with 'flat'." },
    { "info", "any", true, "What is known of its configuration. user: 'net' (network without its "
      "mask), 'restrict', 'hostfwd' (objects with 'protocol', 'host-address' unless any, "
      "'host-port', 'guest-address', 'guest-port'). tap: 'ifname', 'script', 'downscript', "
      "'helper', 'fds' (numbers in QEMU's process). bridge: 'helper', 'br'. vde: 'sock', 'fd'. "
      "vhost-user: 'chardev'. af-xdp: 'ifname'. Others, and texts that QEMU has cut off: 'text', "
      "as QEMU writes it. With 'flat' its members stand beside the others, but for 'text'." },
    { NULL, NULL, false, NULL },
};

const VpCommandRow vp_row_query_netdev = {
    .name = "query-netdev",
    .text = "The network backends (netdevs), whatever they were created by. QEMU 7.2 to 11.1.",
    .arguments = arguments,
    .result = result,
    .result_is_array = true,
    .handler = query_netdev,
};
