/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What lasts for a domain, kept where the domain is kept: libvirtd carries <metadata> without
 * reading it through restarts, migration, save and backup.
 *
 * A text has a namespace of its own, so that storing one replaces that one and needs no reading
 * before. It is JSON, written without any character that XML would change: what comes back between
 * the tags is what went in.
 *
 * The calls are our own, on our own connection. Whoever made us send them has been found to be
 * allowed to write to the domain, which is what libvirtd asks of who changes metadata.
 */

#include "qemu_passthrough/metadata.h"

#include "base/error.h"
#include "base/limits.h"
#include "rpc/rpc_error.h"

#include <string.h>

#define PREFIX "virtpass"

/* A load or store under way. */
typedef struct Transfer {
    VpUpstream *upstream;
    vp_domain wire;        /* whose; the name is owned */
    char *key;
    char *uri;
    char *element;         /* store: NULL for none */
    guint32 flags;         /* store: the definitions meant */
    VpAddedKeepFunc func;
    gpointer data;
    GError *error;         /* known before anything was sent */
    GSource *later;        /* reports it */
} Transfer;

static Transfer *
transfer_new(VpUpstream *upstream, const VpDomain *domain, const char *key, VpAddedKeepFunc func,
             gpointer data)
{
    Transfer *transfer = g_new0(Transfer, 1);

    transfer->upstream = upstream;
    transfer->wire.name = g_strdup(domain->name);
    memcpy(transfer->wire.uuid, domain->uuid, sizeof(domain->uuid));
    transfer->wire.id = domain->id;
    transfer->key = g_strdup(PREFIX);
    transfer->uri = g_strdup_printf("http://virtpass.org/schemas/state/%s/1.0", key);
    transfer->func = func;
    transfer->data = data;
    return transfer;
}

static void
transfer_free(Transfer *transfer)
{
    vp_loop_cancel(&transfer->later);
    g_clear_error(&transfer->error);
    g_free(transfer->wire.name);
    g_free(transfer->key);
    g_free(transfer->uri);
    g_free(transfer->element);
    g_free(transfer);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Transfer, transfer_free)

static gboolean
on_later(gpointer data)
{
    g_autoptr(Transfer) transfer = data;

    transfer->func(NULL, transfer->error, transfer->data);
    return G_SOURCE_REMOVE;
}

/* It cannot even be tried. Takes @error. */
static void
fail_later(Transfer *transfer, VpLoop *loop, GError *error)
{
    transfer->error = error;
    transfer->later = vp_loop_timer(loop, 0, on_later, transfer);
}

static GError *
not_connected(void)
{
    return g_error_new_literal(VP_ERROR, VP_ERROR_CLOSED, "there is no connection to libvirtd, "
                               "which keeps the domain's <metadata>");
}

/* Ends a transfer with why libvirtd did not do it. */
static void
fail(Transfer *transfer, const VpCallReply *reply)
{
    g_autoptr(GError) error = NULL;

    if (reply->outcome == VP_CALL_BROKEN)
        g_set_error_literal(&error, VP_ERROR, VP_ERROR_CLOSED,
                            "the connection to libvirtd, which keeps the domain's <metadata>, was "
                            "lost");
    else
        g_set_error(&error, VP_ERROR, VP_ERROR_FAILED, "libvirtd and the domain's <metadata>: %s",
                    reply->error->message ? *reply->error->message : "no reason given");
    transfer->func(NULL, error, transfer->data);
}

/* --- load ----------------------------------------------------------------- */

/* What stands between the tags. */
static char *
text_of(const char *element)
{
    const char *start = strchr(element, '>');
    const char *end = strrchr(element, '<');

    return start && end > start ? g_strndup(start + 1, end - start - 1) : g_strdup("");
}

static void
on_got(const VpCallReply *reply, gpointer data)
{
    g_autoptr(Transfer) transfer = data;
    vp_get_metadata_ret ret = { 0 };
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    if (reply->outcome == VP_CALL_ERROR && reply->error->code == VP_RPC_NO_DOMAIN_METADATA) {
        transfer->func(NULL, NULL, transfer->data);
    } else if (reply->outcome == VP_CALL_OK &&
               vp_xdr_decode(reply->payload, reply->payload_size, xdr_vp_get_metadata_ret, &ret)) {
        text = text_of(ret.metadata);
        vp_xdr_clear(xdr_vp_get_metadata_ret, &ret);
        if (strlen(text) > VP_ADDED_KEPT_MAX)
            error = g_error_new(VP_ERROR, VP_ERROR_LIMIT, "%zu bytes in the domain's <metadata>, "
                                "expected %u at most", strlen(text), VP_ADDED_KEPT_MAX);
        transfer->func(error ? NULL : text, error, transfer->data);
    } else {
        fail(transfer, reply);
    }
}

void
vp_metadata_load(VpUpstream *upstream, VpLoop *loop, const VpDomain *domain, const char *key,
                 VpAddedKeepFunc func, gpointer data)
{
    Transfer *transfer = transfer_new(upstream, domain, key, func, data);
    vp_get_metadata_args args = {
        .dom = transfer->wire, .type = VP_METADATA_ELEMENT, .uri = &transfer->uri,
        .flags = VP_AFFECT_LIVE,
    };

    if (!upstream ||
        !vp_upstream_call(upstream, VP_REMOTE_PROGRAM, VP_REMOTE_DOMAIN_GET_METADATA,
                          xdr_vp_get_metadata_args, &args, on_got, transfer))
        fail_later(transfer, loop, not_connected());
}

/* --- store ---------------------------------------------------------------- */

static bool send_store(Transfer *transfer);

static void
on_set(const VpCallReply *reply, gpointer data)
{
    g_autoptr(Transfer) transfer = data;

    /* A transient domain has no other definition than the one that runs. */
    if (reply->outcome == VP_CALL_ERROR && reply->error->code == VP_RPC_OPERATION_INVALID &&
        (transfer->flags & VP_AFFECT_CONFIG)) {
        transfer->flags = VP_AFFECT_LIVE;
        if (send_store(transfer)) {
            g_steal_pointer(&transfer);
            return;
        }
    }
    if (reply->outcome == VP_CALL_OK)
        transfer->func(NULL, NULL, transfer->data);
    else
        fail(transfer, reply);
}

static bool
send_store(Transfer *transfer)
{
    vp_set_metadata_args args = {
        .dom = transfer->wire, .type = VP_METADATA_ELEMENT,
        .metadata = transfer->element ? &transfer->element : NULL, .key = &transfer->key,
        .uri = &transfer->uri, .flags = transfer->flags,
    };

    return vp_upstream_call(transfer->upstream, VP_REMOTE_PROGRAM, VP_REMOTE_DOMAIN_SET_METADATA,
                            xdr_vp_set_metadata_args, &args, on_set, transfer);
}

void
vp_metadata_store(VpUpstream *upstream, VpLoop *loop, const VpDomain *domain, const char *key,
                  const char *json, VpAddedKeepFunc func, gpointer data)
{
    Transfer *transfer = transfer_new(upstream, domain, key, func, data);
    g_autofree char *text = json ? vp_metadata_print(json) : NULL;

    transfer->flags = VP_AFFECT_LIVE | VP_AFFECT_CONFIG;
    if (text && strlen(text) > VP_ADDED_KEPT_MAX) {
        fail_later(transfer, loop,
                   g_error_new(VP_ERROR, VP_ERROR_LIMIT, "%zu bytes for the domain's <metadata>, "
                               "expected %u at most", strlen(text), VP_ADDED_KEPT_MAX));
        return;
    }
    if (text)
        transfer->element = g_strdup_printf("<%s>%s</%s>", key, text, key);
    if (!upstream || !send_store(transfer))
        fail_later(transfer, loop, not_connected());
}

static void
append_unit(GString *out, guint unit)
{
    g_string_append_printf(out, "\\u%04x", unit);
}

char *
vp_metadata_print(const char *json)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *valid = g_utf8_make_valid(json, -1);

    for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);

        if (c >= 0x10000) {
            append_unit(out, 0xd800 + ((c - 0x10000) >> 10));
            append_unit(out, 0xdc00 + ((c - 0x10000) & 0x3ff));
        } else if (c >= 0x7f || c == '<' || c == '>' || c == '&') {
            append_unit(out, c);
        } else {
            g_string_append_c(out, c);
        }
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}
