/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * May a client do to a domain what we are about to do for it?
 *
 * libvirtd decides, by the client's own rights on the client's own connection. It is sent
 * a call that needs the permission monitor commands need (domain.write) and is of no
 * consequence: DOMAIN_FD_ASSOCIATE gives /dev/null a name for the domain, which no
 * definition refers to and which is gone with the connection. Success means allowed. Of
 * the calls with that permission it is the one that neither waits for the domain's job
 * lock (which our sessions are there to avoid) nor leaves a line in libvirtd's log. A
 * libvirtd older than 9.0 does not know it; then its own monitor serves.
 *
 * A verdict is kept for CACHE_US: a rule that is withdrawn takes effect within that
 * time, and a client that sends a thousand commands a second asks once. It counts from
 * when it came, but from when it was asked for if its way to us was blocked in between: a client
 * that does not read its replies would else keep a verdict in the pipe for as long as it likes. One
 * that is too old when it comes is asked for again. What is denied is not refused here but
 * forwarded: libvirtd then says no in its own words.
 *
 * Not asked about (client->trusted): root and our own user. libvirtd's polkit driver
 * grants root everything, and a connection of our own user is no different from ours.
 */

#include "qemu_passthrough/access.h"

#include "base/fd.h"

#include <fcntl.h>
#include <string.h>

#define CACHE_US G_USEC_PER_SEC

/* The name that /dev/null is given. */
#define PROBE_NAME "virtpass-access"

typedef struct VpAccessWaiter {
    VpAccessFunc func;
    gpointer data;
} VpAccessWaiter;

/* A verdict, or a question under way. Key in client->access: the domain's uuid. */
typedef struct VpAccessEntry {
    VpClient *client;
    guint8 uuid[16];
    VpDomain *domain;    /* a reference while it is being asked about; else NULL */
    guint32 serial;      /* of the question */
    gint64 asked;        /* monotonic time */
    bool allowed;
    gint64 until;        /* monotonic time at which the verdict ends */
    GArray *waiters;     /* VpAccessWaiter */
} VpAccessEntry;

static void
entry_free(gpointer data)
{
    VpAccessEntry *entry = data;

    if (entry->domain)
        vp_calls_cancel(entry->client->calls, entry->serial);
    g_clear_pointer(&entry->domain, vp_domain_unref);
    g_array_unref(entry->waiters);
    g_free(entry);
}

static VpAccessEntry *
entry_of(VpClient *client, const VpDomain *domain)
{
    VpAccessEntry *entry = NULL;

    if (!client->access)
        client->access = g_hash_table_new_full(vp_uuid_hash, vp_uuid_equal, NULL, entry_free);
    entry = g_hash_table_lookup(client->access, domain->uuid);
    if (!entry) {
        entry = g_new0(VpAccessEntry, 1);
        entry->client = client;
        memcpy(entry->uuid, domain->uuid, sizeof(entry->uuid));
        entry->waiters = g_array_new(FALSE, FALSE, sizeof(VpAccessWaiter));
        g_hash_table_insert(client->access, entry->uuid, entry);
    }
    return entry;
}

int
vp_access_question(const char *name, const guint8 *uuid, int id, vp_fd_associate_args *ret_args)
{
    *ret_args = (vp_fd_associate_args){ .name = (char *)PROBE_NAME };
    ret_args->dom.name = (char *)name;
    ret_args->dom.id = id;
    memcpy(ret_args->dom.uuid, uuid, sizeof(ret_args->dom.uuid));
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_answer(const VpCallReply *reply, gpointer data);

static void
ask(VpAccessEntry *entry)
{
    vp_fd_associate_args args = { 0 };
    const VpDomain *domain = entry->domain;
    vp_autofd int fd = vp_access_question(domain->name, domain->uuid, domain->id, &args);

    entry->asked = g_get_monotonic_time();
    entry->serial = vp_calls_send_with_fd(entry->client->calls, entry->client->up,
                                          VP_REMOTE_PROGRAM, VP_REMOTE_DOMAIN_FD_ASSOCIATE,
                                          xdr_vp_fd_associate_args, &args, fd, on_answer, entry);
}

static void
on_answer(const VpCallReply *reply, gpointer data)
{
    VpAccessEntry *entry = data;
    VpClient *client = entry->client;
    bool blocked = client->up_resumed >= entry->asked;
    bool allowed = reply->outcome == VP_CALL_OK;
    g_autoptr(GArray) waiters = NULL;
    gint64 now = g_get_monotonic_time();

    entry->allowed = allowed;
    entry->until = (blocked ? entry->asked : now) + CACHE_US;
    if (allowed && now >= entry->until) {
        ask(entry);
        return;
    }
    g_clear_pointer(&entry->domain, vp_domain_unref);
    waiters = g_steal_pointer(&entry->waiters);
    entry->waiters = g_array_new(FALSE, FALSE, sizeof(VpAccessWaiter));
    for (guint i = 0; i < waiters->len; i++) {
        const VpAccessWaiter *waiter = &g_array_index(waiters, VpAccessWaiter, i);

        waiter->func(allowed, waiter->data);
    }
    vp_client_go_on(client);
}

VpAccessVerdict
vp_access_check(VpClient *client, const VpDomain *domain, VpAccessFunc func, gpointer data)
{
    VpAccessWaiter waiter = { func, data };
    VpAccessEntry *entry = NULL;

    if (client->trusted)
        return VP_ACCESS_ALLOWED;
    entry = entry_of(client, domain);
    if (!entry->domain && g_get_monotonic_time() < entry->until)
        return entry->allowed ? VP_ACCESS_ALLOWED : VP_ACCESS_DENIED;
    g_array_append_val(entry->waiters, waiter);
    if (!entry->domain) {
        entry->domain = vp_domain_ref((VpDomain *)domain);
        ask(entry);
    }
    return VP_ACCESS_ASKING;
}

void
vp_access_forget(VpClient *client)
{
    g_clear_pointer(&client->access, g_hash_table_unref);
}
