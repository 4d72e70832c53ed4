/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions: what __org.virtpass_query-session returns, behind accessors. A session is that reply
 * and nothing else; what a virtpassd of another version leaves out reads as nothing, and what it
 * adds can be had as JSON.
 */

#include "client/failure.h"
#include "client/libvirt-qemu-passthrough.h"
#include "client/reply.h"

#include <libvirt/virterror.h>
#include <stdlib.h>

struct _virtpassSession {
    VpJsonTree *reply;
    const VpJsonNode *info; /* in it */
    char *json;             /* its text */
};

/* Members of the answer, by virtpassSessionCounter. */
static const char *const counters[] = {
    [VIRTPASS_SESSION_CLIENTS] = "clients",
    [VIRTPASS_SESSION_COMMANDS] = "commands",
    [VIRTPASS_SESSION_IN_FLIGHT] = "in_flight",
    [VIRTPASS_SESSION_WAITING] = "waiting",
    [VIRTPASS_SESSION_EVENTS] = "events",
    [VIRTPASS_SESSION_BYTES_IN] = "bytes_in",
    [VIRTPASS_SESSION_BYTES_OUT] = "bytes_out",
    [VIRTPASS_SESSION_CONNECTIONS] = "connections",
    [VIRTPASS_SESSION_LATENCY_P50_US] = "latency_p50_us",
    [VIRTPASS_SESSION_LATENCY_P99_US] = "latency_p99_us",
};

static const char *const monitors[] = {
    [VIRTPASS_MONITOR_NONE] = "none",
    [VIRTPASS_MONITOR_SHARED] = "shared",
    [VIRTPASS_MONITOR_DEDICATED] = "dedicated",
};

/* NULL: the error is set. */
static virtpassSessionPtr
ask_session(virDomainPtr dom)
{
    g_auto(VpJsonWriter) command = vp_client_own_command("query-session");
    VpJsonTree *reply = vp_client_ask_own(dom, "query-session", &command);
    virtpassSessionPtr session = NULL;
    const char *text = NULL;
    gsize size = 0;

    if (!reply)
        return NULL;
    session = g_new(virtpassSession, 1);
    session->reply = reply;
    session->info = vp_json_get(vp_json_root(reply), "return");
    text = vp_json_text(session->info, &size);
    session->json = g_strndup(text, size);
    return session;
}

int
virtpassDomainGetSession(virDomainPtr dom, virtpassSessionPtr *session, unsigned int flags)
{
    virtpassSessionPtr found = NULL;

    if (!vp_client_begin(flags, 0))
        return -1;
    found = ask_session(dom);
    if (!found)
        return -1;
    *session = found;
    return 0;
}

/* Asks for the session of a domain that was running when it was listed. False: no more is to be
 * asked for, the error is set. */
static bool
add_session(GPtrArray *sessions, virDomainPtr dom)
{
    virtpassSessionPtr session = ask_session(dom);
    int code = virtpassGetLastErrorCode();

    if (session)
        g_ptr_array_add(sessions, session);
    return session || code == VIR_ERR_OPERATION_INVALID || code == VIR_ERR_NO_DOMAIN;
}

/* The array as the caller gets it, for free(). */
static virtpassSessionPtr *
copy_sessions(GPtrArray *sessions)
{
    virtpassSessionPtr *copy = calloc(sessions->len + 1, sizeof(*copy));

    g_assert(copy);
    for (guint i = 0; i < sessions->len; i++)
        copy[i] = sessions->pdata[i];
    g_ptr_array_set_free_func(sessions, NULL);
    return copy;
}

int
virtpassConnectListSessions(virConnectPtr conn, virtpassSessionPtr **sessions, unsigned int flags)
{
    g_autoptr(GPtrArray) found =
        g_ptr_array_new_with_free_func((GDestroyNotify)virtpassSessionFree);
    virDomainPtr *domains = NULL;
    bool fine = true;
    int n = 0;

    if (!vp_client_begin(flags, 0))
        return -1;
    n = virConnectListAllDomains(conn, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    if (n < 0)
        return vp_client_fail_libvirt();
    for (int i = 0; i < n; i++) {
        fine = fine && add_session(found, domains[i]);
        virDomainFree(domains[i]);
    }
    free(domains);
    if (!fine)
        return -1;
    virtpassResetLastError(); /* of a domain that has stopped */
    *sessions = copy_sessions(found);
    return found->len;
}

const char *
virtpassSessionGetDomainName(const virtpassSession *session)
{
    return vp_json_get_string(session->info, "domain");
}

const char *
virtpassSessionGetDomainUUID(const virtpassSession *session)
{
    return vp_json_get_string(session->info, "uuid");
}

static int
find_monitor(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(monitors); i++) {
        if (g_strcmp0(name, monitors[i]) == 0)
            return i;
    }
    return VIRTPASS_MONITOR_UNKNOWN;
}

int
virtpassSessionGetMonitor(const virtpassSession *session)
{
    return find_monitor(vp_json_get_string(session->info, "session"));
}

int
virtpassSessionGetRequestedMonitor(const virtpassSession *session)
{
    return find_monitor(vp_json_get_string(session->info, "requested"));
}

const char *
virtpassSessionGetState(const virtpassSession *session)
{
    return vp_json_get_string(session->info, "state");
}

const char *
virtpassSessionGetReason(const virtpassSession *session)
{
    return vp_json_get_string(session->info, "reason");
}

int
virtpassSessionHasOOB(const virtpassSession *session)
{
    return vp_json_get_bool(session->info, "oob");
}

int
virtpassSessionIsAdded(const virtpassSession *session)
{
    return vp_json_get_bool(session->info, "added");
}

long long
virtpassSessionGetCounter(const virtpassSession *session, unsigned int counter)
{
    return counter < G_N_ELEMENTS(counters) ? vp_json_get_int(session->info, counters[counter], -1)
                                            : -1;
}

const char *
virtpassSessionGetJSON(const virtpassSession *session)
{
    return session->json;
}

void
virtpassSessionFree(virtpassSessionPtr session)
{
    if (!session)
        return;
    vp_json_tree_free(session->reply);
    g_free(session->json);
    g_free(session);
}
