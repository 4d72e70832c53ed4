/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * QEMU's events for clients (QEMU_PROGRAM 4, 5, 6).
 *
 * A registration is kept here with an id of its own within the connection, and events
 * come from the domains' dedicated sessions; for a domain without one they come from
 * libvirtd, to which we register once for all (daemon.c), so that each event reaches a
 * client exactly once whatever its source.
 *
 * A client that is not trusted (access.c) is registered at libvirtd instead, on its own
 * connection: which domains it may see is then judged there, event by event.
 */

#include "qemu_passthrough/events.h"

#include "json/text.h"
#include "qemu_passthrough/intercept.h"
#include "rpc/rpc_error.h"

#include <string.h>

#define KNOWN_FLAGS (VP_EVENT_REGISTER_REGEX | VP_EVENT_REGISTER_NOCASE)

typedef struct VpEventFilter {
    gint32 id;
    bool one_domain;    /* only that of `uuid` */
    guint8 uuid[16];
    char *name;         /* NULL: every event, or `regex` decides */
    bool nocase;
    GRegex *regex;
} VpEventFilter;

static void
filter_free(gpointer data)
{
    VpEventFilter *filter = data;

    g_clear_pointer(&filter->regex, g_regex_unref);
    g_free(filter->name);
    g_free(filter);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpEventFilter, filter_free)

static bool
matches(const VpEventFilter *filter, const VpDomain *domain, const char *event)
{
    if (filter->one_domain && memcmp(filter->uuid, domain->uuid, sizeof(filter->uuid)) != 0)
        return false;
    if (filter->regex)
        return g_regex_match(filter->regex, event, 0, NULL);
    if (!filter->name)
        return true;
    return filter->nocase ? g_ascii_strcasecmp(filter->name, event) == 0
                          : strcmp(filter->name, event) == 0;
}

/* --- delivery ------------------------------------------------------------- */

static GByteArray *
make_message(const VpEventFilter *filter, const VpDomain *domain, const VpQmpEvent *event,
             char *details)
{
    const VpHeader header = {
        .program = VP_QEMU_PROGRAM,
        .version = VP_QEMU_VERSION,
        .procedure = VP_QEMU_EVENT,
        .type = VP_FRAME_MESSAGE,
        .serial = 1, /* what libvirtd writes there */
    };
    vp_monitor_event_msg message = {
        .callback_id = filter->id,
        .dom = { .name = domain->name, .id = domain->id },
        .event = (char *)event->name,
        .seconds = event->seconds,
        .micros = event->microseconds,
        .details = details ? &details : NULL,
    };

    memcpy(message.dom.uuid, domain->uuid, sizeof(domain->uuid));
    return vp_xdr_frame(&header, xdr_vp_monitor_event_msg, &message);
}

static void
deliver_to(VpClient *client, const VpDomain *domain, const VpQmpEvent *event, char *details)
{
    for (guint i = 0; i < client->filters.list->len; i++) {
        const VpEventFilter *filter = g_ptr_array_index(client->filters.list, i);
        g_autoptr(GByteArray) frame = NULL;

        if (!matches(filter, domain, event->name))
            continue;
        frame = make_message(filter, domain, event, details);
        if (frame)
            vp_client_send(client, frame);
        else
            vp_log_warning("domain '%s': event %s is too long for libvirt's protocol and is lost",
                           domain->name, event->name);
    }
}

void
vp_events_deliver(VpDaemon *daemon, VpDomain *domain, const VpQmpEvent *event)
{
    g_autoptr(GString) details = NULL;

    for (guint i = 0; i < daemon->clients->len; i++) {
        VpClient *client = g_ptr_array_index(daemon->clients, i);

        if (!client->filters.list)
            continue;
        if (vp_link_waiting(client->down) > VP_CLIENT_BACKLOG_MAX) {
            vp_link_break(client->down);
            continue;
        }
        if (event->data && !details) { /* libvirtd's form of it */
            details = g_string_new(NULL);
            vp_json_append_compact(details, event->data, event->data_size);
        }
        deliver_to(client, domain, event, details ? details->str : NULL);
    }
}

/* --- registration --------------------------------------------------------- */

static VpEventFilter *
filter_new(const vp_monitor_event_register_args *args, GError **error)
{
    g_autoptr(VpEventFilter) filter = g_new0(VpEventFilter, 1);
    const char *event = args->event ? *args->event : NULL;
    GRegexCompileFlags regex_flags = 0;

    if (args->dom) {
        filter->one_domain = true;
        memcpy(filter->uuid, args->dom->uuid, sizeof(filter->uuid));
    }
    filter->nocase = args->flags & VP_EVENT_REGISTER_NOCASE;
    if (event && (args->flags & VP_EVENT_REGISTER_REGEX)) {
        if (filter->nocase)
            regex_flags |= G_REGEX_CASELESS;
        filter->regex = g_regex_new(event, regex_flags, 0, error);
        if (!filter->regex)
            return NULL;
    } else {
        filter->name = g_strdup(event);
    }
    return g_steal_pointer(&filter);
}

static void
reply_id(VpClient *client, const VpHeader *call, gint32 id)
{
    VpHeader header = vp_rpc_reply_header(call, VP_STATUS_OK);
    vp_monitor_event_register_ret ret = { .callback_id = id };
    g_autoptr(GByteArray) frame = vp_xdr_frame(&header, xdr_vp_monitor_event_register_ret, &ret);

    vp_client_send(client, frame);
}

static void
add_filter(VpClient *client, const VpHeader *call, const vp_monitor_event_register_args *args)
{
    VpEventFilters *filters = &client->filters;
    g_autoptr(GError) error = NULL;
    VpEventFilter *filter = NULL;

    if (filters->list && filters->list->len >= VP_CLIENT_EVENTS_MAX) {
        vp_rpc_send_error(client->down, call, VP_RPC_RESOURCE_BUSY, VP_RPC_FROM_NONE,
                          "a client can have %u event registrations at a time",
                          VP_CLIENT_EVENTS_MAX);
        return;
    }
    filter = filter_new(args, &error);
    if (!filter) {
        vp_rpc_send_error(client->down, call, VP_RPC_INVALID_ARG, VP_RPC_FROM_NONE,
                          "failed to compile regex '%s': %s", *args->event, error->message);
        return;
    }
    filter->id = filters->next_id++;
    if (!filters->list)
        filters->list = g_ptr_array_new_with_free_func(filter_free);
    g_ptr_array_add(filters->list, filter);
    vp_daemon_want_events(client->daemon);
    reply_id(client, call, filter->id);
}

/* Do we keep the registrations of this client? Else libvirtd does. */
static bool
is_ours(const VpClient *client)
{
    return client->state == VP_CLIENT_OPEN && client->is_qemu && !client->read_only &&
           client->trusted;
}

VpIntercepted
vp_event_register_call(VpClient *client, const VpFrame *frame, const VpIntercept *row G_GNUC_UNUSED)
{
    vp_monitor_event_register_args args = { 0 };
    VpIntercepted verdict = VP_PASS;

    if (!is_ours(client) || !vp_xdr_decode(frame->payload, frame->payload_size,
                                           xdr_vp_monitor_event_register_args, &args))
        return VP_PASS;
    if ((args.flags & ~KNOWN_FLAGS) == 0) { /* libvirtd refuses the others */
        add_filter(client, &frame->header, &args);
        verdict = VP_DONE;
    }
    vp_xdr_clear(xdr_vp_monitor_event_register_args, &args);
    return verdict;
}

static void
reply_empty(VpClient *client, const VpHeader *call)
{
    VpHeader header = vp_rpc_reply_header(call, VP_STATUS_OK);
    g_autoptr(GByteArray) frame = vp_xdr_frame(&header, NULL, NULL);

    vp_client_send(client, frame);
}

VpIntercepted
vp_event_deregister_call(VpClient *client, const VpFrame *frame,
                         const VpIntercept *row G_GNUC_UNUSED)
{
    vp_monitor_event_deregister_args args = { 0 };
    GPtrArray *list = client->filters.list;

    if (!is_ours(client) || !vp_xdr_decode(frame->payload, frame->payload_size,
                                           xdr_vp_monitor_event_deregister_args, &args))
        return VP_PASS;
    for (guint i = 0; list && i < list->len; i++) {
        const VpEventFilter *filter = g_ptr_array_index(list, i);

        if (filter->id == args.callback_id) {
            g_ptr_array_remove_index(list, i);
            reply_empty(client, &frame->header);
            return VP_DONE;
        }
    }
    vp_rpc_send_error(client->down, &frame->header, VP_RPC_INTERNAL_ERROR, VP_RPC_FROM_RPC,
                      "qemu monitor event callback %d not registered", args.callback_id);
    return VP_DONE;
}

void
vp_events_forget_client(VpClient *client)
{
    g_clear_pointer(&client->filters.list, g_ptr_array_unref);
}
