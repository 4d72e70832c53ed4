/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calls of ours: what is sent, who gets which reply, and callbacks that do their worst. */

#include "rpc/calls.h"

#include "rpc/test-stage.h"

#include <string.h>

#define PROGRAM 0x20008086u
#define FIRST 0x80000000u

/* --- a caller who notes what he is told ---------------------------------- */

typedef struct VpCaller {
    VpCalls *calls;
    guint n;                /* callbacks that came */
    VpCallOutcome outcome;  /* of the last one */
    GByteArray *payload;    /* OK: the result */
    char *message;          /* ERROR: its text */
    guint32 to_cancel;      /* cancelled in the callback; 0: none */
    bool to_free;           /* the calls are freed in the callback */
    VpEnd *to_send;         /* another call is sent there in the callback; NULL: none */
} VpCaller;

static void
on_reply(const VpCallReply *reply, gpointer data)
{
    VpCaller *caller = data;

    caller->n++;
    caller->outcome = reply->outcome;
    g_assert_cmpint(reply->payload != NULL, ==, reply->outcome == VP_CALL_OK);
    g_assert_cmpint(reply->error != NULL, ==, reply->outcome == VP_CALL_ERROR);
    if (reply->payload)
        g_byte_array_append(caller->payload, reply->payload, reply->payload_size);
    if (reply->error && reply->error->message)
        caller->message = g_strdup(*reply->error->message);
    if (caller->to_cancel)
        vp_calls_cancel(caller->calls, caller->to_cancel);
    if (caller->to_send)
        vp_calls_send(caller->calls, caller->to_send->link, PROGRAM, 2, NULL, NULL, on_reply,
                      caller);
    if (caller->to_free)
        g_clear_pointer(&caller->calls, vp_calls_free);
    /* Behind all that the reply is still there. */
    if (reply->error && reply->error->message)
        g_assert_cmpstr(*reply->error->message, ==, caller->message);
}

static void
caller_init(VpCaller *caller, VpCalls *calls)
{
    *caller = (VpCaller){ .calls = calls, .payload = g_byte_array_new() };
}

static void
caller_clear(VpCaller *caller)
{
    g_byte_array_unref(caller->payload);
    g_free(caller->message);
}

/* --- a stage: calls on a link, the peer's socket ------------------------- */

static VpEnd end;
static int peer = -1;
static VpCalls *calls;
static VpCaller callers[3];

static void
start(void)
{
    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_SERVER);
    calls = vp_calls_new();
    for (guint i = 0; i < G_N_ELEMENTS(callers); i++)
        caller_init(&callers[i], calls);
}

static void
finish(void)
{
    vp_calls_free(calls);
    for (guint i = 0; i < G_N_ELEMENTS(callers); i++)
        caller_clear(&callers[i]);
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
}

static guint32
call(VpCaller *caller)
{
    return vp_calls_send(calls, end.link, PROGRAM, 1, NULL, NULL, on_reply, caller);
}

/* Gives a frame to the calls. true: it was the reply to one of them. */
static bool
give(const VpHeader *header, const guint8 *payload, gsize size)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VpFrame frame = { .header = *header, .payload_size = size };

    vp_frame_begin(bytes, header);
    g_byte_array_append(bytes, payload, size);
    g_assert_true(vp_frame_end(bytes));
    frame.header.length = bytes->len;
    frame.bytes = bytes->data;
    frame.payload = bytes->data + vp_header_size(header->type);
    return vp_calls_take_reply(calls, &frame);
}

static bool
give_ok_to(gint32 procedure, guint32 serial)
{
    const VpHeader header = {
        .program = PROGRAM, .version = 1, .procedure = procedure, .type = VP_FRAME_REPLY,
        .serial = serial,
    };

    return give(&header, (const guint8 *)&serial, sizeof(serial));
}

static bool
give_ok(guint32 serial)
{
    return give_ok_to(1, serial);
}

static bool
give_error(guint32 serial, const guint8 *payload, gsize size)
{
    const VpHeader header = {
        .program = PROGRAM, .version = 1, .procedure = 1, .type = VP_FRAME_REPLY, .serial = serial,
        .status = VP_STATUS_ERROR,
    };

    return give(&header, payload, size);
}

/* --- what is sent -------------------------------------------------------- */

static void
test_bytes(void)
{
    static const guint8 expected[] = {
        0x00, 0x00, 0x00, 0x24, /* length */
        0x20, 0x00, 0x80, 0x86, /* program */
        0x00, 0x00, 0x00, 0x01, /* version */
        0x00, 0x00, 0x01, 0x11, /* procedure: 273, CONNECT_LIST_ALL_DOMAINS */
        0x00, 0x00, 0x00, 0x00, /* type: call */
        0x80, 0x00, 0x00, 0x00, /* serial: the first of ours */
        0x00, 0x00, 0x00, 0x00, /* status */
        0x00, 0x00, 0x00, 0x01, /* the list is wanted */
        0x00, 0x00, 0x00, 0x02, /* flags */
    };
    vp_list_domains_args args = { .need_results = 1, .flags = 2 };
    guint8 bytes[sizeof(expected) + 1];

    start();
    g_assert_cmphex(vp_calls_send(calls, end.link, PROGRAM, 273, xdr_vp_list_domains_args, &args,
                                  on_reply, &callers[0]), ==, FIRST);
    g_assert_cmpint(read(peer, bytes, sizeof(bytes)), ==, sizeof(expected));
    g_assert_cmpmem(bytes, sizeof(expected), expected, sizeof(expected));
    for (guint32 i = 1; i < 5; i++)
        g_assert_cmphex(call(&callers[0]), ==, FIRST + i);
    finish();
}

/* At the limit of a string it goes as it is; one past it goes without arguments, which libvirtd
 * refuses. */
static void
test_too_long(void)
{
    for (guint more = 0; more <= 1; more++) {
        g_autofree char *text = g_strnfill(VP_XDR_STRING_MAX + more, 'x');
        vp_define_xml_args args = { .xml = text };
        guint8 length[4];

        start();
        vp_calls_send(calls, end.link, PROGRAM, 1, xdr_vp_define_xml_args, &args, on_reply,
                      &callers[0]);
        read_all(peer, length, sizeof(length));
        g_assert_cmpuint(vp_get_u32(length), ==,
                         more ? VP_FRAME_MIN : VP_FRAME_MIN + 4 + VP_XDR_STRING_MAX + 4);
        g_assert_true(give_error(FIRST, NULL, 0));
        g_assert_cmpuint(callers[0].n, ==, 1);
        g_assert_cmpint(callers[0].outcome, !=, VP_CALL_OK);
        finish();
    }
}

/* The caller keeps his descriptor; the server gets another one of the same file. */
static void
test_descriptor(void)
{
    vp_autofd int file = -1;
    guint8 bytes[28 + 4];

    start();
    file = make_file();
    vp_calls_send_with_fd(calls, end.link, PROGRAM, 249, NULL, NULL, file, on_reply, &callers[0]);
    read_all(peer, bytes, sizeof(bytes));
    g_assert_cmpuint(vp_get_u32(bytes), ==, sizeof(bytes));
    g_assert_cmpuint(vp_get_u32(bytes + 16), ==, VP_FRAME_CALL_WITH_FDS);
    g_assert_cmpuint(vp_get_u32(bytes + 28), ==, 1);
    g_assert_true(receive_as_libvirt(peer) == file_of(file));
    g_assert_true(give_ok_to(249, FIRST));
    g_assert_cmpuint(callers[0].n, ==, 1);
    vp_clear_fd(&file);
    finish();
}

/* --- replies ------------------------------------------------------------- */

/* In any order; each once, to the one who asked. */
static void
test_routing(void)
{
    guint32 serials[3] = { 0 };

    start();
    for (guint i = 0; i < 3; i++)
        serials[i] = call(&callers[i]);
    for (guint i = 3; i-- > 0;) {
        g_assert_cmpuint(callers[i].n, ==, 0);
        g_assert_true(give_ok(serials[i]));
        g_assert_cmpuint(callers[i].n, ==, 1);
        g_assert_cmpint(callers[i].outcome, ==, VP_CALL_OK);
        g_assert_cmpmem(callers[i].payload->data, callers[i].payload->len, &serials[i], 4);
        g_assert_false(give_ok(serials[i])); /* a second time it is somebody else's */
        g_assert_cmpuint(callers[i].n, ==, 1);
    }
    finish();
}

/* What is no reply to a call of ours is the client's. */
static void
test_of_others(void)
{
    VpHeader header = {
        .program = PROGRAM, .version = 1, .procedure = 1, .type = VP_FRAME_REPLY, .serial = FIRST,
    };

    start();
    g_assert_false(give(&header, NULL, 0)); /* nothing was called yet */
    call(&callers[0]);
    g_assert_false(give_ok(0));
    g_assert_false(give_ok(FIRST - 1));
    g_assert_false(give_ok(FIRST + 1));
    g_assert_false(give_ok(G_MAXUINT32));
    header.type = VP_FRAME_MESSAGE;
    g_assert_false(give(&header, NULL, 0));
    header.type = VP_FRAME_STREAM;
    g_assert_false(give(&header, NULL, 0));
    g_assert_cmpuint(callers[0].n, ==, 0);
    g_assert_true(give_ok(FIRST));
    finish();
}

/* What has our serial but is not to our call is no answer, and nobody else gets it; nor does the
 * right one do anything any more. */
static void
test_mismatch(void)
{
    static const struct {
        guint32 program, version;
        gint32 procedure;
        guint32 type;
    } wrong[] = {
        { PROGRAM + 1, 1, 1, VP_FRAME_REPLY },
        { PROGRAM, 2, 1, VP_FRAME_REPLY },
        { PROGRAM, 0, 1, VP_FRAME_REPLY },
        { PROGRAM, 1, 2, VP_FRAME_REPLY },
        { PROGRAM, 1, 1, VP_FRAME_REPLY_WITH_FDS },
    };

    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        VpHeader header = {
            .program = wrong[i].program, .version = wrong[i].version,
            .procedure = wrong[i].procedure, .type = wrong[i].type, .serial = FIRST,
        };

        start();
        call(&callers[0]);
        for (guint n = 0; n < 2; n++) {
            g_assert_true(give(&header, NULL, 0));
            g_assert_cmpuint(callers[0].n, ==, 1);
            g_assert_cmpint(callers[0].outcome, ==, VP_CALL_BROKEN);
        }
        g_assert_true(give_ok(FIRST));
        g_assert_cmpuint(callers[0].n, ==, 1);
        g_assert_false(give_ok(FIRST));
        g_assert_cmphex(call(&callers[1]), ==, FIRST + 1);
        g_assert_true(give_ok(FIRST + 1));
        g_assert_cmpint(callers[1].outcome, ==, VP_CALL_OK);
        finish();
    }
}

static void
test_error(void)
{
    static const guint8 body[] = {
        0x00, 0x00, 0x00, 0x2a, /* code: 42, no domain */
        0x00, 0x00, 0x00, 0x0a, /* origin: QEMU */
        0x00, 0x00, 0x00, 0x01, /* a message is there */
        0x00, 0x00, 0x00, 0x04, /* its length */
        'g', 'o', 'n', 'e',
        0x00, 0x00, 0x00, 0x02, /* level */
        0x00, 0x00, 0x00, 0x00, /* no domain, no texts */
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* two numbers */
        0x00, 0x00, 0x00, 0x00, /* no network */
    };

    start();
    for (guint i = 0; i < 3; i++)
        call(&callers[i]);
    g_assert_true(give_error(FIRST, body, sizeof(body)));
    g_assert_cmpint(callers[0].outcome, ==, VP_CALL_ERROR);
    g_assert_cmpstr(callers[0].message, ==, "gone");
    /* One that is cut short is an answer, but nobody knows which. */
    g_assert_true(give_error(FIRST + 1, body, sizeof(body) - 1));
    g_assert_cmpint(callers[1].outcome, ==, VP_CALL_BROKEN);
    g_assert_true(give_error(FIRST + 2, NULL, 0));
    g_assert_cmpint(callers[2].outcome, ==, VP_CALL_BROKEN);
    finish();
}

/* The reply of a cancelled call is swallowed all the same: it is not the client's. */
static void
test_cancel(void)
{
    start();
    call(&callers[0]);
    call(&callers[1]);
    vp_calls_cancel(calls, FIRST);
    vp_calls_cancel(calls, FIRST + 7); /* unknown: nothing */
    g_assert_true(give_ok(FIRST));
    g_assert_cmpuint(callers[0].n, ==, 0);
    g_assert_true(give_ok(FIRST + 1));
    g_assert_cmpuint(callers[1].n, ==, 1);
    vp_calls_cancel(calls, FIRST + 1); /* too late: nothing */
    finish();
}

/* --- a client's frames ----------------------------------------------------- */

static VpHeader
frame_of(guint32 type, guint32 serial)
{
    return (VpHeader){ .program = PROGRAM, .version = 1, .procedure = 99, .type = type,
                       .serial = serial };
}

/* As client.c does. false: it has to wait. */
static bool
client_sends(guint32 type, guint32 serial)
{
    const VpHeader header = frame_of(type, serial);

    if (vp_calls_must_wait(calls, &header))
        return false;
    vp_calls_note(calls, &header);
    return true;
}

static void
client_gets(guint32 type, guint32 serial, guint32 status)
{
    const VpHeader header = { .program = PROGRAM, .version = 1, .procedure = 99, .type = type,
                              .serial = serial, .status = status };
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    vp_frame_begin(bytes, &header);
    g_assert_true(vp_frame_end(bytes));
    vp_calls_settle(calls, bytes->data);
}

static void
count_waiter(gpointer data)
{
    (*(guint *)data)++;
}

/* A frame of any type that a reply with our serial could come to waits as long as ours is under
 * way, of whatever program. */
static void
test_waits(void)
{
    static const guint32 types[] = {
        VP_FRAME_CALL, VP_FRAME_REPLY, VP_FRAME_MESSAGE, VP_FRAME_CALL_WITH_FDS,
        VP_FRAME_REPLY_WITH_FDS, VP_FRAME_STREAM_HOLE, 7, G_MAXUINT32,
    };
    guint woken = 0;

    start();
    vp_calls_set_waiter(calls, count_waiter, &woken);
    call(&callers[0]);
    for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
        VpHeader header = frame_of(types[i], FIRST);

        g_assert_true(vp_calls_must_wait(calls, &header));
        header.program++;
        g_assert_true(vp_calls_must_wait(calls, &header));
    }
    g_assert_true(client_sends(VP_FRAME_STREAM, FIRST)); /* brings no reply */
    g_assert_true(client_sends(VP_FRAME_CALL, FIRST + 1));
    g_assert_true(client_sends(VP_FRAME_CALL, FIRST - 1));
    vp_calls_cancel(calls, FIRST);
    g_assert_false(client_sends(VP_FRAME_CALL, FIRST));
    g_assert_cmpuint(woken, ==, 0);
    g_assert_true(give_ok(FIRST));
    g_assert_cmpuint(woken, ==, 1);
    g_assert_true(client_sends(VP_FRAME_CALL, FIRST));
    finish();
}

/* Our serials are none that the client still waits for, however often it has used them. */
static void
test_disjoint(void)
{
    start();
    for (guint32 serial = FIRST - 3; serial < FIRST + 3; serial++)
        g_assert_true(client_sends(VP_FRAME_CALL, serial));
    g_assert_true(client_sends(VP_FRAME_MESSAGE, FIRST + 3));
    g_assert_true(client_sends(VP_FRAME_CALL, FIRST + 5));
    g_assert_true(client_sends(VP_FRAME_CALL_WITH_FDS, FIRST + 5));
    g_assert_cmphex(call(&callers[0]), ==, FIRST + 4);
    g_assert_cmphex(call(&callers[1]), ==, FIRST + 6);
    client_gets(VP_FRAME_REPLY, FIRST + 5, VP_STATUS_OK);
    client_gets(VP_FRAME_MESSAGE, FIRST + 5, VP_STATUS_OK); /* no reply */
    g_assert_true(give_ok(FIRST + 4));
    g_assert_true(give_ok(FIRST + 6));
    g_assert_cmphex(call(&callers[2]), ==, FIRST + 7);
    g_assert_true(give_ok(FIRST + 7));
    finish();
}

/* Our serials go round; what is taken is passed over there too. */
static void
test_wrap(void)
{
    start();
    vp_calls_start_at(calls, G_MAXUINT32 - 1);
    g_assert_true(client_sends(VP_FRAME_CALL, G_MAXUINT32));
    g_assert_true(client_sends(VP_FRAME_CALL, FIRST));
    g_assert_true(client_sends(VP_FRAME_CALL, 0));
    g_assert_cmphex(call(&callers[0]), ==, G_MAXUINT32 - 1);
    g_assert_cmphex(call(&callers[0]), ==, FIRST + 1);
    client_gets(VP_FRAME_REPLY_WITH_FDS, G_MAXUINT32, VP_STATUS_OK);
    client_gets(VP_FRAME_REPLY, FIRST, VP_STATUS_ERROR);
    vp_calls_start_at(calls, G_MAXUINT32 - 1);
    g_assert_cmphex(call(&callers[0]), ==, G_MAXUINT32); /* the one before is still under way */
    g_assert_cmphex(call(&callers[0]), ==, FIRST);
    g_assert_cmphex(call(&callers[0]), ==, FIRST + 2);
    finish();
}

/* What has to come again is not there in between. */
static void
test_unnote(void)
{
    const VpHeader header = frame_of(VP_FRAME_CALL, FIRST);

    start();
    g_assert_true(client_sends(VP_FRAME_CALL, FIRST));
    vp_calls_unnote(calls, &header);
    vp_calls_unnote(calls, &header); /* not more than there is */
    g_assert_cmphex(call(&callers[0]), ==, FIRST);
    g_assert_false(client_sends(VP_FRAME_CALL, FIRST));
    finish();
}

/* A hole may bring a reply until its stream has ended. */
static void
test_streams(void)
{
    static const struct {
        guint32 type, status;
    } ends[] = {
        { VP_FRAME_STREAM, VP_STATUS_OK },
        { VP_FRAME_STREAM, VP_STATUS_ERROR },
        { VP_FRAME_REPLY, VP_STATUS_ERROR },
    };

    start();
    for (guint i = 0; i < G_N_ELEMENTS(ends); i++) {
        for (guint n = 0; n < 2 * VP_CLIENT_HIGH_SERIALS_MAX; n++)
            g_assert_true(client_sends(VP_FRAME_STREAM_HOLE, FIRST + 3 * i));
        client_gets(VP_FRAME_STREAM, FIRST + 3 * i, VP_STATUS_CONTINUE);
        g_assert_cmphex(call(&callers[0]), ==, FIRST + 3 * i + 1);
        client_gets(ends[i].type, FIRST + 3 * i, ends[i].status);
        vp_calls_start_at(calls, FIRST + 3 * i);
        g_assert_cmphex(call(&callers[0]), ==, FIRST + 3 * i);
        g_assert_cmphex(call(&callers[0]), ==, FIRST + 3 * i + 2);
    }
    finish();
}

/* A reply may be to the call or to the hole: nothing is free until both can be told apart. */
static void
test_call_and_hole(void)
{
    start();
    g_assert_true(client_sends(VP_FRAME_CALL, FIRST));
    g_assert_true(client_sends(VP_FRAME_STREAM_HOLE, FIRST));
    client_gets(VP_FRAME_REPLY, FIRST, VP_STATUS_ERROR);
    client_gets(VP_FRAME_STREAM, FIRST, VP_STATUS_OK);
    g_assert_cmphex(call(&callers[0]), ==, FIRST + 1);
    finish();
}

static void
test_limit(void)
{
    const VpHeader low = frame_of(VP_FRAME_CALL, FIRST - 1);
    guint woken = 0;

    start();
    vp_calls_set_waiter(calls, count_waiter, &woken);
    for (guint i = 0; i < VP_CLIENT_HIGH_SERIALS_MAX; i++)
        g_assert_true(client_sends(VP_FRAME_CALL, FIRST + i % 100));
    g_assert_false(client_sends(VP_FRAME_CALL, FIRST));
    g_assert_false(client_sends(VP_FRAME_CALL, FIRST + 5000));
    g_assert_true(client_sends(VP_FRAME_STREAM, FIRST));
    g_assert_false(vp_calls_must_wait(calls, &low));
    g_assert_cmphex(call(&callers[0]), ==, FIRST + 100);
    client_gets(VP_FRAME_REPLY, FIRST + 7, VP_STATUS_OK);
    g_assert_cmpuint(woken, ==, 1);
    g_assert_true(client_sends(VP_FRAME_CALL, FIRST + 5000));
    g_assert_false(client_sends(VP_FRAME_CALL, FIRST + 5000));
    finish();
}

/* --- the link is gone ---------------------------------------------------- */

static void
test_break(void)
{
    start();
    vp_calls_break(calls); /* of none */
    for (guint i = 0; i < 3; i++)
        call(&callers[i]);
    vp_calls_cancel(calls, FIRST + 1);
    vp_calls_break(calls);
    g_assert_cmpuint(callers[0].n, ==, 1);
    g_assert_cmpint(callers[0].outcome, ==, VP_CALL_BROKEN);
    g_assert_cmpuint(callers[1].n, ==, 0);
    g_assert_cmpuint(callers[2].n, ==, 1);
    g_assert_false(give_ok(FIRST));
    vp_calls_break(calls);
    g_assert_cmpuint(callers[0].n, ==, 1);
    finish();
}

static void
test_freed_without_callbacks(void)
{
    start();
    call(&callers[0]);
    g_clear_pointer(&calls, vp_calls_free);
    g_assert_cmpuint(callers[0].n, ==, 0);
    finish();
}

/* --- callbacks that do their worst --------------------------------------- */

/* The calls are freed in the callback of a reply, of an error, of a break. */
static void
test_free_in_callback(void)
{
    static const guint8 body[11 * 4] = { 0 };

    for (VpCallOutcome outcome = VP_CALL_OK; outcome <= VP_CALL_BROKEN; outcome++) {
        guint n = 0;

        start();
        for (guint i = 0; i < 3; i++) {
            callers[i].to_free = true;
            call(&callers[i]);
        }
        if (outcome == VP_CALL_OK)
            g_assert_true(give_ok(FIRST));
        else if (outcome == VP_CALL_ERROR)
            g_assert_true(give_error(FIRST, body, sizeof(body)));
        else
            vp_calls_break(calls);
        for (guint i = 0; i < 3; i++) {
            n += callers[i].n;
            if (callers[i].n > 0)
                g_assert_cmpint(callers[i].outcome, ==, outcome);
        }
        g_assert_cmpuint(n, ==, 1); /* the others are not called when all is gone */
        calls = NULL;
        finish();
    }
}

/* Whoever is told first of the break cancels another: that one is not called. */
static void
test_cancel_in_break(void)
{
    start();
    callers[0].to_cancel = call(&callers[0]) + 1;
    callers[1].to_cancel = call(&callers[1]) - 1;
    vp_calls_break(calls);
    g_assert_cmpuint(callers[0].n + callers[1].n, ==, 1);
    finish();
}

/* A call that is sent in the callback of a break is not part of it. */
static void
test_send_in_break(void)
{
    start();
    callers[0].to_send = &end;
    call(&callers[0]);
    vp_calls_break(calls);
    g_assert_cmpuint(callers[0].n, ==, 1);
    callers[0].to_send = NULL;
    g_assert_true(give_ok_to(2, FIRST + 1));
    g_assert_cmpuint(callers[0].n, ==, 2);
    finish();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rpc/calls/bytes", test_bytes);
    g_test_add_func("/rpc/calls/descriptor", test_descriptor);
    g_test_add_func("/rpc/calls/too-long", test_too_long);
    g_test_add_func("/rpc/calls/routing", test_routing);
    g_test_add_func("/rpc/calls/of-others", test_of_others);
    g_test_add_func("/rpc/calls/mismatch", test_mismatch);
    g_test_add_func("/rpc/calls/error", test_error);
    g_test_add_func("/rpc/calls/cancel", test_cancel);
    g_test_add_func("/rpc/calls/waits", test_waits);
    g_test_add_func("/rpc/calls/disjoint", test_disjoint);
    g_test_add_func("/rpc/calls/wrap", test_wrap);
    g_test_add_func("/rpc/calls/unnote", test_unnote);
    g_test_add_func("/rpc/calls/streams", test_streams);
    g_test_add_func("/rpc/calls/call-and-hole", test_call_and_hole);
    g_test_add_func("/rpc/calls/limit", test_limit);
    g_test_add_func("/rpc/calls/break", test_break);
    g_test_add_func("/rpc/calls/freed-without-callbacks", test_freed_without_callbacks);
    g_test_add_func("/rpc/calls/free-in-callback", test_free_in_callback);
    g_test_add_func("/rpc/calls/cancel-in-break", test_cancel_in_break);
    g_test_add_func("/rpc/calls/send-in-break", test_send_in_break);
    return g_test_run();
}
