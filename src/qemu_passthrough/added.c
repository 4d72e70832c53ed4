/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The commands of our own that a client sends as monitor commands: a table of name and
 * handler. They look like QMP in every respect, the reply and its "id" included, because
 * that is what every binding and tool can already send and read.
 */

#include "qemu_passthrough/added.h"

#include "json/check.h"
#include "json/members.h"
#include "json/text.h"
#include "qemu_passthrough/monitor.h"

#include <string.h>

#define PREFIX "__org.virtpass_"

/* Appends the value of "return". */
typedef void (*VpAddedFunc)(VpDomain *domain, GString *out);

static void
append_string(GString *out, const char *name, const char *value)
{
    g_string_append_printf(out, "\"%s\": ", name);
    vp_json_append_quoted(out, value);
    g_string_append(out, ", ");
}

static void
append_number(GString *out, const char *name, gint64 value)
{
    g_string_append_printf(out, "\"%s\": %" G_GINT64_FORMAT ", ", name, value);
}

static void
append_bool(GString *out, const char *name, bool value)
{
    g_string_append_printf(out, "\"%s\": %s, ", name, value ? "true" : "false");
}

/* What a dedicated session has done, or what one that is not there has not. */
static void
append_stats(GString *out, const VpQmpSession *session)
{
    static const VpQmpStats nothing;
    const VpQmpStats *stats = session ? vp_qmp_session_stats(session) : &nothing;

    append_number(out, "clients", stats->users);
    append_number(out, "commands", stats->commands);
    append_number(out, "in_flight", stats->in_flight);
    append_number(out, "waiting", stats->waiting);
    append_number(out, "events", stats->events);
    append_number(out, "bytes_in", stats->bytes_received);
    append_number(out, "bytes_out", stats->bytes_sent);
    append_number(out, "connections", stats->connections);
    append_number(out, "latency_p50_us", vp_qmp_stats_percentile(stats, 50));
    append_number(out, "latency_p99_us", vp_qmp_stats_percentile(stats, 99));
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
query_session(VpDomain *domain, GString *out)
{
    const VpQmpSession *session = domain->session;
    g_autofree char *reason = vp_domain_session_reason(domain);

    g_string_append_c(out, '{');
    append_string(out, "domain", domain->name);
    append_string(out, "uuid", domain->uuid_text);
    append_string(out, "session", vp_domain_session_name(domain));
    append_bool(out, "added", vp_domain_session_is_added(domain));
    append_string(out, "requested", vp_xml_session_names[domain->xml.kind]);
    append_string(out, "state",
                  session ? vp_qmp_state_names[vp_qmp_session_state(session)] : "absent");
    append_string(out, "reason", reason);
    append_stats(out, session);
    g_string_append_printf(out, "\"oob\": %s}",
                           session && vp_qmp_session_has_oob(session) ? "true" : "false");
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

bool
vp_added_answer(VpClient *client, VpDomain *domain, const VpHeader *call, const char *command,
                bool hmp)
{
    VpJsonSlice whole = { command, strlen(command) };
    g_autoptr(GString) reply = NULL;
    g_autofree char *message = NULL;
    VpJsonFacts facts = { 0 };
    VpJsonSlice id = { 0 };
    VpAddedFunc func = NULL;

    if (!vp_added_is_ours(command, hmp) || !vp_json_check(command, whole.size, &facts, &message))
        return false;
    func = find(vp_json_member(whole, "execute"));
    if (!func)
        return false;
    if (call->procedure == VP_QEMU_SESSION_INFO) { /* which is the object alone */
        reply = g_string_new("");
        func(domain, reply);
        vp_monitor_send_result(client, call, reply->str, reply->len);
        return true;
    }
    id = vp_json_member(whole, "id");
    reply = g_string_new("{\"return\": ");
    func(domain, reply);
    if (id.text)
        g_string_append_printf(reply, ", \"id\": %.*s", (int)id.size, id.text);
    g_string_append_c(reply, '}');
    vp_monitor_send_result(client, call, reply->str, reply->len);
    return true;
}
