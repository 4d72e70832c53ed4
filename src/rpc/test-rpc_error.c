/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Errors as a client reads them off its socket. */

#include "rpc/rpc_error.h"

#include "base/error.h"
#include "rpc/payload.h"
#include "rpc/test-stage.h"

#include <string.h>

static const VpHeader call = {
    .program = 0x20008087,
    .version = 1,
    .procedure = 7,
    .type = VP_FRAME_CALL_WITH_FDS,
    .serial = 0x01020304,
    .nfds = 3,
};

/* The reply that the client finds when @end was told to send one. */
static GByteArray *
read_reply(VpEnd *end, int peer)
{
    GByteArray *bytes = g_byte_array_new();

    g_byte_array_set_size(bytes, 4);
    read_all(peer, bytes->data, 4);
    g_byte_array_set_size(bytes, vp_get_u32(bytes->data));
    read_all(peer, bytes->data + 4, bytes->len - 4);
    g_assert_cmpuint(vp_link_waiting(end->link), ==, 0);
    return bytes;
}

static void
test_bytes(void)
{
    static const guint8 expected[] = {
        0x00, 0x00, 0x00, 0x7c, /* length */
        0x20, 0x00, 0x80, 0x87, /* the call's program, version and procedure */
        0x00, 0x00, 0x00, 0x01,
        0x00, 0x00, 0x00, 0x07,
        0x00, 0x00, 0x00, 0x01, /* type: reply, without descriptors whatever the call had */
        0x01, 0x02, 0x03, 0x04, /* the call's serial */
        0x00, 0x00, 0x00, 0x01, /* status: error */
        0x00, 0x00, 0x00, 0x08, /* code: invalid argument */
        0x00, 0x00, 0x00, 0x0a, /* origin: QEMU */
        0x00, 0x00, 0x00, 0x01, /* the message is there */
        0x00, 0x00, 0x00, 0x1a, /* 26 bytes */
        'i', 'n', 'v', 'a', 'l', 'i', 'd', ' ', 'a', 'r', 'g', 'u', 'm', 'e', 'n', 't', ':', ' ',
        '1', '7', ' ', 'f', 'i', 'l', 'e', 's', 0x00, 0x00,
        0x00, 0x00, 0x00, 0x02, /* level: error */
        0x00, 0x00, 0x00, 0x00, /* no domain */
        0x00, 0x00, 0x00, 0x01, /* str1 is there */
        0x00, 0x00, 0x00, 0x02, '%', 's', 0x00, 0x00,
        0x00, 0x00, 0x00, 0x01, /* str2 is there: the text without libvirt's words */
        0x00, 0x00, 0x00, 0x08, '1', '7', ' ', 'f', 'i', 'l', 'e', 's',
        0x00, 0x00, 0x00, 0x00, /* no str3 */
        0xff, 0xff, 0xff, 0xff, /* int1: -1 */
        0xff, 0xff, 0xff, 0xff, /* int2: -1 */
        0x00, 0x00, 0x00, 0x00, /* no network */
    };
    g_autoptr(GByteArray) reply = NULL;
    vp_autofd int peer = -1;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    vp_rpc_send_error(end.link, &call, VP_RPC_INVALID_ARG, VP_RPC_FROM_QEMU, "%d %s", 17, "files");
    reply = read_reply(&end, peer);
    g_assert_cmpmem(reply->data, reply->len, expected, sizeof(expected));
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
}

/* The body of the error that the client reads; the caller clears it. */
static void
read_error(VpEnd *end, int peer, vp_error_body *ret_body)
{
    g_autoptr(GByteArray) reply = read_reply(end, peer);

    *ret_body = (vp_error_body){ 0 };
    g_assert_true(vp_xdr_decode(reply->data + 28, reply->len - 28, xdr_vp_error_body, ret_body));
}

/* The first words are libvirt's for this code. */
static void
test_words(void)
{
    static const struct {
        VpRpcCode code;
        const char *message;
    } cases[] = {
        { VP_RPC_INTERNAL_ERROR, "internal error: x" },
        { VP_RPC_INVALID_ARG, "invalid argument: x" },
        { VP_RPC_XML_ERROR, "XML error: x" },
        { VP_RPC_OPERATION_DENIED, "operation forbidden: x" },
        { VP_RPC_RPC, "x" },
        { VP_RPC_OPERATION_INVALID, "Requested operation is not valid: x" },
        { VP_RPC_CONFIG_UNSUPPORTED, "unsupported configuration: x" },
        { VP_RPC_OPERATION_UNSUPPORTED, "Operation not supported: x" },
        { VP_RPC_RESOURCE_BUSY, "resource busy: x" },
        { VP_RPC_ACCESS_DENIED, "access denied: x" },
    };
    vp_autofd int peer = -1;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        vp_error_body body;

        vp_rpc_send_error(end.link, &call, cases[i].code, VP_RPC_FROM_ACCESS, "x");
        read_error(&end, peer, &body);
        g_assert_cmpint(body.code, ==, cases[i].code);
        g_assert_cmpint(body.origin, ==, 55);
        g_assert_cmpstr(*body.message, ==, cases[i].message);
        vp_xdr_clear(xdr_vp_error_body, &body);
    }
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
}

/* Numbers of libvirt's, for errors of ours and of GLib's. A '%' in a text is just that. */
static void
test_gerrors(void)
{
    static const struct {
        VpError code;
        int expected;
        const char *message;
    } cases[] = {
        { VP_ERROR_FAILED, 1, "internal error: 100%s" },
        { VP_ERROR_CONFIG, 1, "internal error: 100%s" },
        { VP_ERROR_XML, 27, "XML error: 100%s" },
        { VP_ERROR_UNSUPPORTED, 67, "unsupported configuration: 100%s" },
        { VP_ERROR_LIMIT, 8, "invalid argument: 100%s" },
        { VP_ERROR_CLOSED, 1, "internal error: 100%s" },
        { VP_ERROR_STRANGER, 1, "internal error: 100%s" },
    };
    g_autoptr(GError) foreign = g_error_new_literal(G_FILE_ERROR, G_FILE_ERROR_NOENT, "none");
    vp_autofd int peer = -1;
    vp_error_body body;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = g_error_new_literal(VP_ERROR, cases[i].code, "100%s");

        vp_rpc_send_gerror(end.link, &call, error);
        read_error(&end, peer, &body);
        g_assert_cmpint(body.code, ==, cases[i].expected);
        g_assert_cmpstr(*body.message, ==, cases[i].message);
        vp_xdr_clear(xdr_vp_error_body, &body);
    }
    vp_rpc_send_gerror(end.link, &call, foreign);
    read_error(&end, peer, &body);
    g_assert_cmpint(body.code, ==, 1);
    g_assert_cmpstr(*body.message, ==, "internal error: none");
    vp_xdr_clear(xdr_vp_error_body, &body);
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
}

/* The message when a text of @n bytes and @tail behind them is quoted. */
static char *
message_of_quote(gsize n, const char *tail)
{
    g_autofree char *text = g_strnfill(n, 'x');
    vp_autofd int peer = -1;
    char *message = NULL;
    vp_error_body body;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    vp_rpc_send_error(end.link, &call, VP_RPC_RPC, VP_RPC_FROM_RPC, "%s%s", text, tail);
    read_error(&end, peer, &body);
    message = g_strdup(*body.message);
    vp_xdr_clear(xdr_vp_error_body, &body);
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
    return message;
}

/* An error that quotes too much is cut, for without an answer the client would wait for ever. */
static void
test_long_text(void)
{
    static const struct {
        gsize n;
        const char *tail;
        gsize expected;
    } cases[] = {
        { VP_XDR_STRING_MAX, "", VP_XDR_STRING_MAX },
        { VP_XDR_STRING_MAX, "y", VP_XDR_STRING_MAX },
        { 2 * VP_XDR_STRING_MAX, "", VP_XDR_STRING_MAX },
        { VP_XDR_STRING_MAX - 2, "\xc3\xa9", VP_XDR_STRING_MAX }, /* a character of two bytes */
        { VP_XDR_STRING_MAX - 1, "\xc3\xa9", VP_XDR_STRING_MAX - 1 },
        { VP_XDR_STRING_MAX - 2, "\xe2\x82\xac", VP_XDR_STRING_MAX - 2 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *message = message_of_quote(cases[i].n, cases[i].tail);

        g_assert_cmpuint(strlen(message), ==, cases[i].expected);
    }
}

static void
test_reply_header(void)
{
    VpHeader reply = vp_rpc_reply_header(&call, VP_STATUS_OK);

    g_assert_cmphex(reply.program, ==, call.program);
    g_assert_cmpuint(reply.version, ==, 1);
    g_assert_cmpint(reply.procedure, ==, 7);
    g_assert_cmpuint(reply.type, ==, VP_FRAME_REPLY);
    g_assert_cmphex(reply.serial, ==, call.serial);
    g_assert_cmpuint(reply.status, ==, VP_STATUS_OK);
    g_assert_cmpuint(reply.nfds, ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rpc/rpc_error/bytes", test_bytes);
    g_test_add_func("/rpc/rpc_error/words", test_words);
    g_test_add_func("/rpc/rpc_error/gerrors", test_gerrors);
    g_test_add_func("/rpc/rpc_error/long-text", test_long_text);
    g_test_add_func("/rpc/rpc_error/reply-header", test_reply_header);
    return g_test_run();
}
