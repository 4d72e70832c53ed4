/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Load generator: the same request over and over, to one target after the other.
 *
 *     load PLAN
 *
 * PLAN is a key file. [plan] says how many repetitions there are and how long a burst is; every
 * other group is a target with its clients, each of which keeps `depth` requests on their way
 * until the burst is over:
 *
 *     [plan]               repetitions=7   burst_ms=300   warmup_ms=30
 *     [libvirtd]           protocol=rpc    clients=16     depth=1
 *                          sockets=PATH;   uuids=UUID;UUID;    command={"execute":"query-status"}
 *
 * Client i takes entry i of `sockets` and `uuids`, beginning again at their end. In a repetition
 * each target has its burst, and the next repetition begins with another target, so that whatever
 * else the machine does meanwhile hits all of them alike. A burst makes one line of JSON: requests
 * sent, calls that count, these per second, microseconds from writing a request to having read all
 * of its reply, and how many replies the clients got that got fewest and most.
 */

#include "peer.h"
#include "times.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define PLAN "plan"
#define DEPTH_MAX 64
#define EPOLL_BATCH 64

/* As long as peer.c waits, for bursts of several clients. */
#define PATIENCE_MS 20000

typedef struct Client {
    VpBenchPeer *peer;
    gint64 sent_at[DEPTH_MAX]; /* of those in flight, a ring: replies come in order */
    guint sent;                /* requests so far */
    guint answered;            /* replies so far */
    guint counted;             /* of these, in the burst at hand, those that count */
} Client;

typedef struct Target {
    char *name;
    guint depth;
    int epoll_fd;       /* -1 with one client: then a plain read waits */
    GPtrArray *clients;
    GArray *latencies;  /* of the burst at hand */
} Target;

typedef struct Burst {
    gint64 counts_from; /* replies from here on count, the warm-up is over */
    gint64 ends;        /* nothing is sent from here on */
    guint replies;      /* that count towards the rate */
    guint sent;         /* requests, the warm-up's included */
} Burst;

/* --- targets -------------------------------------------------------------- */

static void
client_free(gpointer data)
{
    Client *client = data;

    vp_bench_peer_free(client->peer);
    g_free(client);
}

static void
target_free(gpointer data)
{
    Target *target = data;

    g_free(target->name);
    vp_clear_fd(&target->epoll_fd);
    g_ptr_array_unref(target->clients);
    g_array_unref(target->latencies);
    g_free(target);
}

static Target *
target_new(const char *name)
{
    Target *target = g_new0(Target, 1);

    target->name = g_strdup(name);
    target->epoll_fd = -1;
    target->clients = g_ptr_array_new_with_free_func(client_free);
    target->latencies = vp_bench_times();
    return target;
}

static bool
watch(Target *target, Client *client, GError **error)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };

    if (target->epoll_fd < 0)
        target->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ctl(target->epoll_fd, EPOLL_CTL_ADD, vp_bench_peer_fd(client->peer), &event) == 0)
        return true;
    vp_error_set_errno(error, errno, "%s: cannot watch a client", target->name);
    return false;
}

static bool
add_client(Target *target, const VpBenchRequest *request, bool one_of_many, GError **error)
{
    Client *client = g_new0(Client, 1);

    g_ptr_array_add(target->clients, client);
    client->peer = vp_bench_peer_new(request, error);
    if (!client->peer) {
        g_prefix_error(error, "%s: ", target->name);
        return false;
    }
    if (target->depth > 1 && !vp_bench_peer_is_ordered(client->peer)) {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "%s: depth needs replies in order",
                    target->name);
        return false;
    }
    return !one_of_many || watch(target, client, error);
}

static bool
add_clients(Target *target, GKeyFile *plan, guint n, GError **error)
{
    gsize n_sockets = 0, n_uuids = 0;
    g_auto(GStrv) sockets = g_key_file_get_string_list(plan, target->name, "sockets", &n_sockets,
                                                       error);
    g_auto(GStrv) uuids = g_key_file_get_string_list(plan, target->name, "uuids", &n_uuids, NULL);
    g_autofree char *protocol = g_key_file_get_string(plan, target->name, "protocol", NULL);
    g_autofree char *command = g_key_file_get_string(plan, target->name, "command", NULL);

    for (guint i = 0; sockets && i < n; i++) {
        VpBenchRequest request = {
            .protocol = protocol,
            .socket = sockets[i % n_sockets],
            .uuid = uuids ? uuids[i % n_uuids] : NULL,
            .command = command,
        };

        if (!add_client(target, &request, n > 1, error))
            return false;
    }
    return sockets != NULL;
}

/* A number of the plan that has to be there. */
static bool
read_number(GKeyFile *plan, const char *group, const char *key, guint max, guint *ret_number,
            GError **error)
{
    guint64 number = g_key_file_get_uint64(plan, group, key, NULL);

    if (number < 1 || number > max) {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "[%s] %s: from 1 to %u", group, key, max);
        return false;
    }
    *ret_number = number;
    return true;
}

static GPtrArray *
read_targets(GKeyFile *plan, GError **error)
{
    g_autoptr(GPtrArray) targets = g_ptr_array_new_with_free_func(target_free);
    g_auto(GStrv) groups = g_key_file_get_groups(plan, NULL);

    for (char **group = groups; *group; group++) {
        Target *target = NULL;
        guint clients = 0;

        if (g_str_equal(*group, PLAN))
            continue;
        target = target_new(*group);
        g_ptr_array_add(targets, target);
        if (!read_number(plan, *group, "depth", DEPTH_MAX, &target->depth, error) ||
            !read_number(plan, *group, "clients", G_MAXINT16, &clients, error) ||
            !add_clients(target, plan, clients, error))
            return NULL;
    }
    return g_steal_pointer(&targets);
}

/* --- a burst -------------------------------------------------------------- */

/* Fills up what the client has on its way. */
static bool
send_more(const Target *target, Client *client, Burst *burst, gint64 time, GError **error)
{
    guint n = target->depth - (client->sent - client->answered);

    if (time >= burst->ends || n == 0)
        return true;
    for (guint i = 0; i < n; i++)
        client->sent_at[client->sent++ % DEPTH_MAX] = time;
    burst->sent += n;
    return vp_bench_peer_send(client->peer, n, error);
}

static void
count_replies(Target *target, Client *client, Burst *burst, guint n, gint64 time)
{
    for (guint i = 0; i < n; i++) {
        gint64 latency = time - client->sent_at[client->answered++ % DEPTH_MAX];

        if (time < burst->counts_from)
            continue;
        g_array_append_val(target->latencies, latency);
        burst->replies += time < burst->ends;
        client->counted += time < burst->ends;
    }
}

static bool
serve(Target *target, Client *client, Burst *burst, GError **error)
{
    guint replies = 0;
    gint64 time = 0;

    if (!vp_bench_peer_receive(client->peer, &replies, error))
        return false;
    time = vp_bench_now();
    count_replies(target, client, burst, replies, time);
    return send_more(target, client, burst, time, error);
}

/* Waits for replies and serves the clients that got them. */
static bool
turn(Target *target, Burst *burst, GError **error)
{
    struct epoll_event events[EPOLL_BATCH];
    int n = 0;

    if (target->epoll_fd < 0)
        return serve(target, g_ptr_array_index(target->clients, 0), burst, error);
    n = epoll_wait(target->epoll_fd, events, EPOLL_BATCH, PATIENCE_MS);
    if (n <= 0) {
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED, "no reply within %d s", PATIENCE_MS / 1000);
        return false;
    }
    for (int i = 0; i < n; i++) {
        if (!serve(target, events[i].data.ptr, burst, error))
            return false;
    }
    return true;
}

static bool
is_idle(const Target *target)
{
    for (guint i = 0; i < target->clients->len; i++) {
        const Client *client = g_ptr_array_index(target->clients, i);

        if (client->sent != client->answered)
            return false;
    }
    return true;
}

static bool
run_burst(Target *target, Burst *burst, GError **error)
{
    gint64 start = vp_bench_now();

    g_array_set_size(target->latencies, 0);
    for (guint i = 0; i < target->clients->len; i++) {
        Client *client = g_ptr_array_index(target->clients, i);

        client->counted = 0;
        if (!send_more(target, client, burst, start, error))
            return false;
    }
    while (!is_idle(target)) {
        if (!turn(target, burst, error))
            return false;
    }
    return true;
}

/* How many replies the clients got that got fewest and most of them. */
static void
find_extremes(const Target *target, guint *ret_fewest, guint *ret_most)
{
    guint fewest = G_MAXUINT, most = 0;

    for (guint i = 0; i < target->clients->len; i++) {
        const Client *client = g_ptr_array_index(target->clients, i);

        fewest = MIN(fewest, client->counted);
        most = MAX(most, client->counted);
    }
    *ret_fewest = fewest;
    *ret_most = most;
}

static bool
print_burst(const Target *target, guint repetition, const Burst *burst, GError **error)
{
    double seconds = (burst->ends - burst->counts_from) / 1e9;
    guint fewest = 0, most = 0;

    if (target->latencies->len == 0) {
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED, "no reply in the whole burst");
        return false;
    }
    vp_bench_sort(target->latencies);
    find_extremes(target, &fewest, &most);
    printf("{\"target\": \"%s\", \"repetition\": %u, \"sent\": %u, \"calls\": %u, \"rate\": %.1f, "
           "\"min\": %.2f, \"p50\": %.2f, \"p99\": %.2f, \"fewest\": %u, \"most\": %u}\n",
           target->name, repetition, burst->sent, target->latencies->len, burst->replies / seconds,
           vp_bench_percentile(target->latencies, 0), vp_bench_percentile(target->latencies, 50),
           vp_bench_percentile(target->latencies, 99), fewest, most);
    return true;
}

static bool
repeat(GPtrArray *targets, guint repetition, guint burst_ms, guint warmup_ms, GError **error)
{
    for (guint i = 0; i < targets->len; i++) {
        Target *target = g_ptr_array_index(targets, (repetition + i) % targets->len);
        gint64 counts_from = vp_bench_now() + warmup_ms * G_GINT64_CONSTANT(1000000);
        Burst burst = {
            .counts_from = counts_from,
            .ends = counts_from + burst_ms * G_GINT64_CONSTANT(1000000),
        };

        if (!run_burst(target, &burst, error) || !print_burst(target, repetition, &burst, error)) {
            g_prefix_error(error, "%s: ", target->name);
            return false;
        }
    }
    return true;
}

static bool
run(const char *path, GError **error)
{
    g_autoptr(GKeyFile) plan = g_key_file_new();
    g_autoptr(GPtrArray) targets = NULL;
    guint repetitions = 0, burst_ms = 0, warmup_ms = 0;

    if (!g_key_file_load_from_file(plan, path, G_KEY_FILE_NONE, error) ||
        !read_number(plan, PLAN, "repetitions", 1000, &repetitions, error) ||
        !read_number(plan, PLAN, "burst_ms", 60000, &burst_ms, error) ||
        !read_number(plan, PLAN, "warmup_ms", 60000, &warmup_ms, error))
        return false;
    targets = read_targets(plan, error);
    for (guint i = 0; targets && i < repetitions; i++) {
        if (!repeat(targets, i, burst_ms, warmup_ms, error))
            return false;
    }
    return targets != NULL;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (argc != 2) {
        fprintf(stderr, "usage: %s PLAN\n", argv[0]);
        return 2;
    }
    if (run(argv[1], &error))
        return EXIT_SUCCESS;
    fprintf(stderr, "load: %s\n", error->message);
    return EXIT_FAILURE;
}
