/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The commands of our own that a client sends as monitor commands: a table of name and
 * handler. They look like QMP in every respect, the reply and its "id" included, because
 * that is what every binding and tool can already send and read.
 */

#include "qemu_passthrough/added.h"

#include "json/check.h"
#include "json/members.h"
#include "json/write.h"
#include "qemu_passthrough/monitor.h"

#include <string.h>

#define PREFIX "__org.virtpass_"

/* Writes the value of "return", as the member @key. */
typedef void (*VpAddedFunc)(VpDomain *domain, VpJsonWriter *writer, const char *key);

/* What a dedicated session has done, or what one that is not there has not. */
static void
add_stats(VpJsonWriter *writer, const VpQmpSession *session)
{
    static const VpQmpStats nothing;
    const VpQmpStats *stats = session ? vp_qmp_session_stats(session) : &nothing;

    vp_json_add_int(writer, "clients", stats->users);
    vp_json_add_int(writer, "commands", stats->commands);
    vp_json_add_int(writer, "in_flight", stats->in_flight);
    vp_json_add_int(writer, "waiting", stats->waiting);
    vp_json_add_int(writer, "events", stats->events);
    vp_json_add_int(writer, "bytes_in", stats->bytes_received);
    vp_json_add_int(writer, "bytes_out", stats->bytes_sent);
    vp_json_add_int(writer, "connections", stats->connections);
    vp_json_add_int(writer, "latency_p50_us", vp_qmp_stats_percentile(stats, 50));
    vp_json_add_int(writer, "latency_p99_us", vp_qmp_stats_percentile(stats, 99));
}

/*
 * __org.virtpass_query-session: no arguments.
 *
 * Returns an object: domain, uuid; session (dedicated, shared or none: which monitor serves now);
 * added (it is dedicated, and was added to the guest while that was running); requested (what the
 * domain's definition asks for); state (of the dedicated session), reason (why it was lost last, or
 * why there is none; "" if there is nothing to tell), oob; clients, commands, in_flight, waiting,
 * events, bytes_in, bytes_out, connections: counters since the session exists; latency_p50_us,
 * latency_p99_us: -1 without a sample. Since 0.1.
 */
static void
query_session(VpDomain *domain, VpJsonWriter *writer, const char *key)
{
    const VpQmpSession *session = domain->session;
    g_autofree char *reason = vp_domain_session_reason(domain);

    vp_json_begin_object(writer, key);
    vp_json_add_string(writer, "domain", domain->name);
    vp_json_add_string(writer, "uuid", domain->uuid_text);
    vp_json_add_string(writer, "session", vp_domain_session_name(domain));
    vp_json_add_bool(writer, "added", vp_domain_session_is_added(domain));
    vp_json_add_string(writer, "requested", vp_xml_session_names[domain->xml.kind]);
    vp_json_add_string(writer, "state",
                       session ? vp_qmp_state_names[vp_qmp_session_state(session)] : "absent");
    vp_json_add_string(writer, "reason", reason);
    add_stats(writer, session);
    vp_json_add_bool(writer, "oob", session && vp_qmp_session_has_oob(session));
    vp_json_end(writer);
}

static const struct {
    const char *name;
    VpAddedFunc func;
} table[] = {
    { PREFIX "query-session", query_session },
};

static VpAddedFunc
find(VpJsonSlice name)
{
    for (gsize i = 0; name.text && i < G_N_ELEMENTS(table); i++) {
        if (vp_json_string_is(name, table[i].name))
            return table[i].func;
    }
    return NULL;
}

bool
vp_added_is_ours(const char *command, bool hmp)
{
    return !hmp && strstr(command, PREFIX);
}

static void
send_answer(VpClient *client, VpDomain *domain, const VpHeader *call, VpAddedFunc func,
            VpJsonSlice id)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();
    g_autofree char *reply = NULL;

    if (call->procedure == VP_QEMU_SESSION_INFO) { /* which is the object alone */
        func(domain, &writer, NULL);
    } else {
        vp_json_begin_object(&writer, NULL);
        func(domain, &writer, "return");
        if (id.text)
            vp_json_add_raw(&writer, "id", id.text, id.size);
        vp_json_end(&writer);
    }
    reply = vp_json_writer_steal(&writer);
    vp_monitor_send_result(client, call, reply, strlen(reply));
}

bool
vp_added_answer(VpClient *client, VpDomain *domain, const VpHeader *call, const char *command,
                bool hmp)
{
    VpJsonSlice whole = { command, strlen(command) };
    g_autofree char *message = NULL;
    VpJsonFacts facts = { 0 };
    VpAddedFunc func = NULL;

    if (!vp_added_is_ours(command, hmp) || !vp_json_check(command, whole.size, &facts, &message))
        return false;
    func = find(vp_json_member(whole, "execute"));
    if (func)
        send_answer(client, domain, call, func, vp_json_member(whole, "id"));
    return func != NULL;
}
