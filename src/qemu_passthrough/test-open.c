/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * CONNECT_OPEN through its handlers: what libvirtd gets of it, what the client gets, and that
 * nothing of the client's goes upstream before its identity is known there.
 */

#include "qemu_passthrough/intercept.h"

#include "rpc/rpc_error.h"
#include "rpc/test-stage.h"

#include <string.h>

/* --- a client between two sockets ------------------------------------------- */

static VpDaemon the_daemon;
static VpClient *client;
static VpEnd down, up;
static int client_fd = -1, libvirtd_fd = -1; /* the other ends */

static void
start(void)
{
    start_test();
    the_daemon = (VpDaemon){ .loop = test_loop };
    the_daemon.file_workers = vp_workers_new(test_loop, 2, NULL);
    client = g_new0(VpClient, 1);
    client_fd = open_with_peer(&down, VP_INBOX_FROM_CLIENT);
    libvirtd_fd = open_with_peer(&up, VP_INBOX_FROM_SERVER);
    client->daemon = &the_daemon;
    client->state = VP_CLIENT_NEW;
    client->peer = (VpPeer){ .pid = 4242, .uid = 0, .gid = 0, .start_time = 77 };
    client->down = down.link;
    client->up = up.link;
    client->calls = vp_calls_new();
    client->owner = g_strdup("uid 0");
}

/* The descriptor for their reports is closed by the last one that leaves. */
static void
wait_for_threads(void)
{
    for (guint i = 0; count_fds() > fds_at_start && i < 5000; i++)
        g_usleep(1000);
}

static void
finish(void)
{
    vp_names_cancel(client->names);
    g_clear_pointer(&the_daemon.file_workers, vp_workers_free);
    vp_calls_free(client->calls);
    g_free(client->owner);
    g_clear_pointer(&client->open_reply, g_byte_array_unref);
    g_free(client);
    end_close(&down);
    end_close(&up);
    vp_clear_fd(&client_fd);
    vp_clear_fd(&libvirtd_fd);
    wait_for_threads();
    finish_test();
}

/* What has arrived at an end: one frame, or NULL for nothing. */
static GByteArray *
arrived(int fd)
{
    guint8 bytes[65536];
    gssize n = read(fd, bytes, sizeof(bytes));

    if (n < 0) {
        g_assert_cmpint(errno, ==, EAGAIN);
        return NULL;
    }
    g_assert_cmpuint(vp_get_u32(bytes), ==, n);
    return g_byte_array_append(g_byte_array_new(), bytes, n);
}

static void
assert_nothing_arrived(int fd)
{
    g_autoptr(GByteArray) frame = arrived(fd);

    g_assert_null(frame);
}

/* Hands a finished frame to a handler. */
static VpIntercepted
hand_over(const GByteArray *bytes,
          VpIntercepted (*handler)(VpClient *, const VpFrame *, const VpIntercept *))
{
    VpFrame frame = { .bytes = bytes->data };
    gsize header_size = 0;

    g_assert_cmpint(vp_header_decode(bytes->data, bytes->len, &frame.header), ==, VP_FRAME_OK);
    header_size = vp_header_size(frame.header.type);
    frame.payload = bytes->data + header_size;
    frame.payload_size = bytes->len - header_size;
    return handler(client, &frame, NULL);
}

static GByteArray *
make_open(const char *name, guint flags)
{
    const VpHeader header = {
        .program = VP_REMOTE_PROGRAM,
        .version = 1,
        .procedure = VP_REMOTE_CONNECT_OPEN,
        .serial = 2,
    };
    vp_string text = (char *)name;
    vp_open_args args = { .name = name ? &text : NULL, .flags = flags };

    return vp_xdr_frame(&header, xdr_vp_open_args, &args);
}

static VpIntercepted
open_as(const char *name, guint flags)
{
    g_autoptr(GByteArray) bytes = make_open(name, flags);

    return hand_over(bytes, vp_open_call);
}

/* The code of the error that has arrived at the client, with a text that has @words in it. */
static int
error_at_client(const char *words)
{
    g_autoptr(GByteArray) frame = arrived(client_fd);
    vp_error_body body = { 0 };
    int code = 0;

    g_assert_nonnull(frame);
    g_assert_cmpuint(vp_get_u32(frame->data + 20), ==, 2);
    g_assert_cmpuint(vp_get_u32(frame->data + 24), ==, VP_STATUS_ERROR);
    g_assert_true(vp_xdr_decode(frame->data + 28, frame->len - 28, xdr_vp_error_body, &body));
    g_assert_nonnull(strstr(*body.message, words));
    code = body.code;
    vp_xdr_clear(xdr_vp_error_body, &body);
    return code;
}

/* --- the call ----------------------------------------------------------------- */

/* As it came; the client waits for the answer now. */
static void
test_forwarded(void)
{
    static const struct {
        const char *name;
        bool is_qemu;
    } cases[] = {
        { "qemu:///system", true },
        { "qemu:///session", true },
        { "QEMU:///system", true },
        { "qemu:///embed?root=/x", true },
        { "qemu:///system?foo=bar", true },
        { "", true },
        { NULL, false },
        { "test:///default", false },
        { "lxc:///", false },
        { "xen:///system", false },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) expected = make_open(cases[i].name, 2);
        g_autoptr(GByteArray) frame = NULL;

        start();
        g_assert_cmpint(open_as(cases[i].name, 2), ==, VP_DONE);
        frame = arrived(libvirtd_fd);
        g_assert_nonnull(frame);
        g_assert_cmpmem(frame->data, frame->len, expected->data, expected->len);
        g_assert_cmpint(client->state, ==, VP_CLIENT_OPENING);
        g_assert_cmpint(client->is_qemu, ==, cases[i].is_qemu);
        g_assert_false(client->read_only);
        assert_nothing_arrived(client_fd);
        finish();
    }
}

/* libvirtd would connect there itself, with its own rights. */
static void
test_names_with_a_transport(void)
{
    static const char *const names[] = {
        "qemu+unix:///system", "qemu+ssh://host/system", "qemu+unix:///system?socket=/x",
        "qemu://host/system", "qemu://user@host:16514/system", "QEMU+TCP:///system",
        "test+ext:///default?command=/bin/id", "qemu://[::1]/system", "  qemu+ssh://host/system",
        /* what libxml2 takes apart for libvirtd, but GLib does not */
        "qemu+ext://host:65536/system?command=x", "qemu+ext://%ff/system?command=x",
        "qemu+ext://[v1.x]/system", "qemu+ssh://host%00/system", "//host/system",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        start();
        g_assert_cmpint(open_as(names[i], 0), ==, VP_DONE);
        g_assert_cmpint(error_at_client(names[i]), ==, VP_RPC_INVALID_ARG);
        assert_nothing_arrived(libvirtd_fd);
        g_assert_cmpint(client->state, ==, VP_CLIENT_NEW); /* it may try again */
        g_assert_cmpint(open_as("qemu:///system", 0), ==, VP_DONE);
        g_assert_cmpint(client->state, ==, VP_CLIENT_OPENING);
        finish();
    }
}

/* libvirtd would take the first one's driver away. */
static void
test_second_open(void)
{
    static const VpClientState states[] = {
        VP_CLIENT_OPENING, VP_CLIENT_OPEN, VP_CLIENT_LEAVING,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(states); i++) {
        start();
        client->state = states[i];
        g_assert_cmpint(open_as("qemu:///system", 0), ==, VP_DONE);
        g_assert_cmpint(error_at_client("connection already open"), ==, VP_RPC_INTERNAL_ERROR);
        assert_nothing_arrived(libvirtd_fd);
        g_assert_cmpint(client->state, ==, states[i]);
        finish();
    }
}

/* Who came by the read-only socket is read-only, whatever he says; who says so himself as well. */
static void
test_read_only(void)
{
    for (guint i = 0; i < 4; i++) {
        bool by_socket = i & 1, by_flag = i & 2;
        g_autoptr(GByteArray) expected = make_open("qemu:///system", by_socket || by_flag);
        g_autoptr(GByteArray) frame = NULL;

        start();
        client->read_only = by_socket;
        g_assert_cmpint(open_as("qemu:///system", by_flag), ==, VP_DONE);
        frame = arrived(libvirtd_fd);
        g_assert_cmpmem(frame->data, frame->len, expected->data, expected->len);
        g_assert_cmpint(client->read_only, ==, by_socket || by_flag);
        finish();
    }
}

/* libvirtd takes a call with descriptors, none of them there, as any other call. */
static void
test_with_descriptors(void)
{
    g_autoptr(GByteArray) plain = make_open("qemu:///system", 0);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VpHeader header = { 0 };
    VpIntercepted verdict = VP_PASS;

    start();
    client->read_only = true;
    vp_header_decode(plain->data, plain->len, &header);
    header.type = VP_FRAME_CALL_WITH_FDS;
    vp_frame_begin(bytes, &header);
    g_byte_array_append(bytes, plain->data + VP_FRAME_MIN, plain->len - VP_FRAME_MIN);
    g_assert_true(vp_frame_end(bytes));
    verdict = hand_over(bytes, vp_open_call);
    /* Either the client is being opened, with its rights and identity, or it was refused. */
    g_assert_cmpint(verdict, ==, VP_DONE);
    if (client->state == VP_CLIENT_OPENING) {
        g_autoptr(GByteArray) frame = arrived(libvirtd_fd);

        g_assert_cmpuint(frame->data[frame->len - 1] & VP_OPEN_READ_ONLY, ==, VP_OPEN_READ_ONLY);
    } else {
        assert_nothing_arrived(libvirtd_fd);
    }
    finish();
}

/* Answered here: if libvirtd made more of it than we do, it would be open with our rights. */
static void
test_undecodable(void)
{
    g_autoptr(GByteArray) bytes = make_open("qemu:///system", 0);
    g_autoptr(GByteArray) answer = NULL;

    start();
    bytes->data[35]++; /* the name's length */
    bytes->data[34]++;
    g_assert_cmpint(hand_over(bytes, vp_open_call), ==, VP_DONE);
    g_assert_cmpint(client->state, ==, VP_CLIENT_NEW);
    assert_nothing_arrived(libvirtd_fd);
    answer = arrived(client_fd);
    g_assert_cmpuint(vp_get_u32(answer->data + 24), ==, VP_STATUS_ERROR);
    finish();
}

/* --- the reply ------------------------------------------------------------------ */

static GByteArray *
make_reply(VpFrameStatus status)
{
    const VpHeader header = {
        .program = VP_REMOTE_PROGRAM,
        .version = 1,
        .procedure = VP_REMOTE_CONNECT_OPEN,
        .type = VP_FRAME_REPLY,
        .serial = 2,
        .status = status,
    };
    vp_string message = (char *)"no";
    vp_error_body body = { .code = 1, .message = &message };

    return vp_xdr_frame(&header, status == VP_STATUS_OK ? NULL : (void *)xdr_vp_error_body, &body);
}

static VpIntercepted
reply_with(VpFrameStatus status)
{
    g_autoptr(GByteArray) bytes = make_reply(status);

    return hand_over(bytes, vp_open_reply);
}

static void
test_refused(void)
{
    start();
    open_as("qemu:///system", 0);
    g_assert_cmpint(reply_with(VP_STATUS_ERROR), ==, VP_PASS);
    g_assert_cmpint(client->state, ==, VP_CLIENT_NEW);
    finish();
}

/* In session mode libvirtd serves one user, who is the client as well. */
static void
test_session(void)
{
    start();
    the_daemon.config.session = true;
    open_as("qemu:///session", 0);
    g_assert_cmpint(reply_with(VP_STATUS_OK), ==, VP_PASS);
    g_assert_cmpint(client->state, ==, VP_CLIENT_OPEN);
    finish();
}

static const vp_param *
find_param(const vp_set_identity_args *args, const char *field)
{
    for (guint i = 0; i < args->params.params_len; i++) {
        if (g_str_equal(args->params.params_val[i].field, field))
            return &args->params.params_val[i];
    }
    return NULL;
}

static void
assert_number(const vp_set_identity_args *args, const char *field, int type, guint64 value)
{
    const vp_param *param = find_param(args, field);

    g_assert_nonnull(param);
    g_assert_cmpint(param->value.type, ==, type);
    g_assert_cmpuint(param->value.vp_param_value_u.ul, ==, value);
}

static void
assert_text(const vp_set_identity_args *args, const char *field, const char *value)
{
    const vp_param *param = find_param(args, field);

    if (!value) {
        g_assert_null(param);
        return;
    }
    g_assert_nonnull(param);
    g_assert_cmpint(param->value.type, ==, VP_PARAM_STRING);
    g_assert_cmpstr(param->value.vp_param_value_u.s, ==, value);
}

/* Opens as a client of this user; returns the serial of the call that sets its identity. */
static guint32
open_until_identity(const char *user, const char *group)
{
    g_autoptr(GByteArray) open_frame = NULL, frame = NULL;
    vp_set_identity_args args = { 0 };

    open_as("qemu:///system", 0);
    open_frame = arrived(libvirtd_fd);
    g_assert_nonnull(open_frame);
    g_assert_cmpint(reply_with(VP_STATUS_OK), ==, VP_DONE);
    g_assert_cmpint(client->state, ==, VP_CLIENT_OPENING);
    assert_nothing_arrived(client_fd); /* not before libvirtd knows who it is */
    while (client->names)
        g_main_context_iteration(NULL, TRUE);
    frame = arrived(libvirtd_fd);
    g_assert_nonnull(frame);
    g_assert_cmpuint(vp_get_u32(frame->data + 12), ==, VP_REMOTE_CONNECT_SET_IDENTITY);
    g_assert_true(vp_xdr_decode(frame->data + 28, frame->len - 28, xdr_vp_set_identity_args,
                                &args));
    assert_text(&args, "user-name", user);
    assert_text(&args, "group-name", group);
    assert_number(&args, "unix-user-id", VP_PARAM_ULLONG, client->peer.uid);
    assert_number(&args, "unix-group-id", VP_PARAM_ULLONG, client->peer.gid);
    assert_number(&args, "process-id", VP_PARAM_LLONG, 4242);
    assert_number(&args, "process-time", VP_PARAM_ULLONG, 77);
    g_assert_cmpuint(args.flags, ==, 0);
    vp_xdr_clear(xdr_vp_set_identity_args, &args);
    return vp_get_u32(frame->data + 20);
}

static void
answer(guint32 serial, gint32 procedure, VpFrameStatus status)
{
    g_autoptr(GByteArray) bytes = make_reply(status);
    VpFrame frame = { .bytes = bytes->data };

    g_assert_cmpint(vp_header_decode(bytes->data, bytes->len, &frame.header), ==, VP_FRAME_OK);
    frame.header.serial = serial;
    frame.header.procedure = procedure;
    frame.payload = bytes->data + VP_FRAME_MIN;
    frame.payload_size = bytes->len - VP_FRAME_MIN;
    g_assert_true(vp_calls_take_reply(client->calls, &frame));
}

static void
answer_identity(guint32 serial, VpFrameStatus status)
{
    answer(serial, VP_REMOTE_CONNECT_SET_IDENTITY, status);
}

/* Serial of the call by which libvirtd is asked what OPEN would have asked for. */
static guint32
asked_for_right(void)
{
    g_autoptr(GByteArray) frame = arrived(libvirtd_fd);
    VpHeader header = { 0 };

    g_assert_nonnull(frame);
    g_assert_cmpint(vp_header_decode(frame->data, frame->len, &header), ==, VP_FRAME_OK);
    g_assert_cmpint(header.procedure, ==, VP_REMOTE_CONNECT_SUPPORTS_FEATURE);
    return header.serial;
}

static bool
skip_without_root(void)
{
    if (geteuid() == 0)
        return false;
    g_test_skip("only root tells libvirtd who its clients are");
    return true;
}

/* The client gets its reply when its identity is in force, and only then it is open. */
static void
test_identity(void)
{
    g_autoptr(GByteArray) expected = make_reply(VP_STATUS_OK);
    g_autoptr(GByteArray) reply = NULL;
    guint32 serial = 0;

    if (skip_without_root())
        return;
    start();
    serial = open_until_identity("root", "root");
    answer_identity(serial, VP_STATUS_OK);
    g_assert_cmpint(client->state, ==, VP_CLIENT_OPENING);
    answer(asked_for_right(), VP_REMOTE_CONNECT_SUPPORTS_FEATURE, VP_STATUS_OK);
    g_assert_cmpint(client->state, ==, VP_CLIENT_OPEN);
    reply = arrived(client_fd);
    g_assert_nonnull(reply);
    g_assert_cmpmem(reply->data, reply->len, expected->data, expected->len);
    finish();
}

/* libvirtd opened it for us, and would not have for the client. */
static void
test_right_refused(void)
{
    guint32 serial = 0;

    if (skip_without_root())
        return;
    start();
    serial = open_until_identity("root", "root");
    answer_identity(serial, VP_STATUS_OK);
    answer(asked_for_right(), VP_REMOTE_CONNECT_SUPPORTS_FEATURE, VP_STATUS_ERROR);
    g_assert_cmpint(client->state, ==, VP_CLIENT_LEAVING);
    g_assert_true(client->barred);
    finish();
}

/* Root is not asked about. */
static void
test_trusted(void)
{
    guint32 serial = 0;

    if (skip_without_root())
        return;
    start();
    client->trusted = true;
    serial = open_until_identity("root", "root");
    answer_identity(serial, VP_STATUS_OK);
    g_assert_cmpint(client->state, ==, VP_CLIENT_OPEN);
    assert_nothing_arrived(libvirtd_fd);
    finish();
}

/* Of a user without a name libvirtd is told the number. */
static void
test_nameless_identity(void)
{
    if (skip_without_root())
        return;
    start();
    client->peer.uid = 2000000001;
    client->peer.gid = 2000000002;
    open_until_identity(NULL, NULL);
    finish();
}

/* With the wrong identity it would have our rights: it is not served at all. */
static void
test_identity_refused(void)
{
    guint8 byte = 0;
    guint32 serial = 0;

    if (skip_without_root())
        return;
    start();
    serial = open_until_identity("root", "root");
    answer_identity(serial, VP_STATUS_ERROR);
    g_assert_cmpint(client->state, ==, VP_CLIENT_LEAVING);
    g_assert_cmpint(read(client_fd, &byte, 1), ==, 0); /* the end, without a reply */
    assert_nothing_arrived(libvirtd_fd);
    finish();
}

/* A reply to an OPEN that is not under way is none of ours. */
static void
test_other_reply(void)
{
    start();
    g_assert_cmpint(reply_with(VP_STATUS_OK), ==, VP_PASS);
    g_assert_cmpint(client->state, ==, VP_CLIENT_NEW);
    assert_nothing_arrived(libvirtd_fd);
    finish();
}

/* --- the client speaks for somebody else ------------------------------------------ */

static void
test_identity_call(void)
{
    g_autoptr(GByteArray) bytes = make_open(NULL, 0); /* the payload is not looked at */

    start();
    client->trusted = true;
    g_assert_cmpint(hand_over(bytes, vp_identity_call), ==, VP_PASS);
    g_assert_false(client->trusted);
    finish();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu_passthrough/open/forwarded", test_forwarded);
    g_test_add_func("/qemu_passthrough/open/names-with-a-transport", test_names_with_a_transport);
    g_test_add_func("/qemu_passthrough/open/second-open", test_second_open);
    g_test_add_func("/qemu_passthrough/open/read-only", test_read_only);
    g_test_add_func("/qemu_passthrough/open/with-descriptors", test_with_descriptors);
    g_test_add_func("/qemu_passthrough/open/undecodable", test_undecodable);
    g_test_add_func("/qemu_passthrough/open/refused", test_refused);
    g_test_add_func("/qemu_passthrough/open/session", test_session);
    g_test_add_func("/qemu_passthrough/open/identity", test_identity);
    g_test_add_func("/qemu_passthrough/open/right-refused", test_right_refused);
    g_test_add_func("/qemu_passthrough/open/trusted", test_trusted);
    g_test_add_func("/qemu_passthrough/open/nameless-identity", test_nameless_identity);
    g_test_add_func("/qemu_passthrough/open/identity-refused", test_identity_refused);
    g_test_add_func("/qemu_passthrough/open/other-reply", test_other_reply);
    g_test_add_func("/qemu_passthrough/open/identity-call", test_identity_call);
    return g_test_run();
}
