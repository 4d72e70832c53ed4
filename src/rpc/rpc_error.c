/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The one place where errors become libvirt's on the wire.
 *
 * Clients show `message` as it is, so it carries libvirt's usual first words; str1 and
 * str2 are what libvirtd fills in, for clients that look there. A text may quote what
 * a client sent, at any length; cut to what the wire carries it is still an answer, and
 * a call without one would be waited for without end.
 */

#include "rpc/rpc_error.h"

#include "base/error.h"
#include "rpc/payload.h"

#include <string.h>

static const struct {
    VpRpcCode code;
    const char *words;
} prefixes[] = {
    { VP_RPC_INTERNAL_ERROR, "internal error: " },
    { VP_RPC_INVALID_ARG, "invalid argument: " },
    { VP_RPC_XML_ERROR, "XML error: " },
    { VP_RPC_OPERATION_DENIED, "operation forbidden: " },
    { VP_RPC_AUTH_FAILED, "authentication failed: " },
    { VP_RPC_OPERATION_INVALID, "Requested operation is not valid: " },
    { VP_RPC_CONFIG_UNSUPPORTED, "unsupported configuration: " },
    { VP_RPC_OPERATION_UNSUPPORTED, "Operation not supported: " },
    { VP_RPC_RESOURCE_BUSY, "resource busy: " },
    { VP_RPC_ACCESS_DENIED, "access denied: " },
};

/* By VpError. */
static const VpRpcCode codes[] = {
    [VP_ERROR_FAILED] = VP_RPC_INTERNAL_ERROR,
    [VP_ERROR_CONFIG] = VP_RPC_INTERNAL_ERROR,
    [VP_ERROR_XML] = VP_RPC_XML_ERROR,
    [VP_ERROR_UNSUPPORTED] = VP_RPC_CONFIG_UNSUPPORTED,
    [VP_ERROR_LIMIT] = VP_RPC_INVALID_ARG,
    [VP_ERROR_CLOSED] = VP_RPC_INTERNAL_ERROR,
    [VP_ERROR_STRANGER] = VP_RPC_INTERNAL_ERROR,
};

static const char *
words_of(VpRpcCode code)
{
    for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        if (prefixes[i].code == code)
            return prefixes[i].words;
    }
    return "";
}

/* Cuts @text where a string on the wire ends, between two characters. */
static void
cut_text(char *text)
{
    gsize end = VP_XDR_STRING_MAX;

    if (strlen(text) <= end)
        return;
    while (end > 0 && (text[end] & 0xc0) == 0x80)
        end--;
    text[end] = '\0';
}

VpHeader
vp_rpc_reply_header(const VpHeader *call, VpFrameStatus status)
{
    return (VpHeader){
        .program = call->program,
        .version = call->version,
        .procedure = call->procedure,
        .type = VP_FRAME_REPLY,
        .serial = call->serial,
        .status = status,
    };
}

void
vp_rpc_send_body(VpLink *link, const VpHeader *call, const vp_error_body *body)
{
    VpHeader header = vp_rpc_reply_header(call, VP_STATUS_ERROR);
    g_autoptr(GByteArray) frame = vp_xdr_frame(&header, xdr_vp_error_body, (void *)body);

    vp_link_send(link, frame->data, frame->len);
}

void
vp_rpc_send_error(VpLink *link, const VpHeader *call, VpRpcCode code, VpRpcOrigin origin,
                  const char *format, ...)
{
    g_autofree char *detail = NULL;
    g_autofree char *message = NULL;
    vp_string str1 = (char *)"%s";
    vp_error_body body = { .code = code, .origin = origin, .level = 2, .int1 = -1, .int2 = -1 };
    va_list args;

    va_start(args, format);
    detail = g_strdup_vprintf(format, args);
    va_end(args);
    message = g_strconcat(words_of(code), detail, NULL);
    cut_text(message);
    cut_text(detail);
    body.message = &message;
    body.str1 = &str1;
    body.str2 = &detail;
    vp_rpc_send_body(link, call, &body);
}

void
vp_rpc_send_gerror(VpLink *link, const VpHeader *call, const GError *error)
{
    VpRpcCode code = VP_RPC_INTERNAL_ERROR;

    if (error->domain == VP_ERROR)
        code = codes[error->code];
    vp_rpc_send_error(link, call, code, VP_RPC_FROM_DOMAIN, "%s", error->message);
}
