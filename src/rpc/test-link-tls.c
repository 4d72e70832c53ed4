/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A link whose bytes go through TLS: frames both ways, what waits where the socket cannot tell, and
 * ends. */

#include "rpc/test-certificates.h"
#include "rpc/test-stage.h"

/* --- a stage ------------------------------------------------------------- */

static VpTestClient client;

/* A link with an open session, and the client at its other end. */
static void
open_tls(VpEnd *end)
{
    VpTlsSettings settings = plain_settings();
    g_autoptr(VpTlsContext) context = context_or_fail(&settings);
    VpTestCertificate made = make_certificate(&(VpTestWish){ .name = "CN=me" }, &test_ca);
    VpTlsStep step = VP_TLS_WANTS_READ;
    VpTls *tls = NULL;
    guint8 byte = 0;

    client = client_new(open_with_peer(end, VP_INBOX_FROM_CLIENT), &made, NULL);
    g_assert_true(vp_link_carries_fds(end->link));
    tls = vp_tls_new(context, vp_link_fd(end->link), NULL);
    while (step != VP_TLS_READY) {
        g_assert_cmpint(step, !=, VP_TLS_FAILED);
        gnutls_handshake(client.session);
        step = vp_tls_accept(tls);
    }
    g_assert_cmpint(gnutls_record_recv(client.session, &byte, 1), ==, 1);
    vp_link_set_tls(end->link, tls);
    g_assert_false(vp_link_carries_fds(end->link));
    drop_certificate(&made);
}

static void
close_tls(VpEnd *end)
{
    end_close(end);
    client_close(&client);
    finish_test();
}

/* What the client sends, with turns of the loop where the socket is full. */
static void
client_send(const GByteArray *bytes)
{
    guint idle = 0;

    for (gsize sent = 0; sent < bytes->len; idle++) {
        gssize ret = gnutls_record_send(client.session, bytes->data + sent, bytes->len - sent);

        if (ret < 0)
            g_assert_cmpint(ret, ==, GNUTLS_E_AGAIN);
        sent += MAX(ret, 0);
        g_assert_cmpuint(idle, <, 10000);
        turn();
    }
}

/* All that comes until there are @n bytes, or the end, or nothing more. */
static GByteArray *
client_read(gsize n)
{
    GByteArray *got = g_byte_array_new();
    static guint8 bytes[VP_READ_CHUNK];

    for (guint idle = 0; got->len < n && idle < 10;) {
        gssize ret = gnutls_record_recv(client.session, bytes, sizeof(bytes));

        turn();
        idle = ret > 0 ? 0 : idle + 1;
        if (ret > 0)
            g_byte_array_append(got, bytes, ret);
    }
    return got;
}

/* --- frames -------------------------------------------------------------- */

static void
test_frames_in(void)
{
    g_autoptr(GByteArray) frames = make_frames(40, 3000);
    VpEnd end;

    start_test();
    open_tls(&end);
    vp_link_resume(end.link);
    client_send(frames);
    assert_seen(&end, frames);
    g_assert_cmpuint(end.frames, ==, 40);
    close_tls(&end);
}

/* Also those that find the socket full, and drained() tells when there is room again. */
static void
test_frames_out(void)
{
    g_autoptr(GByteArray) expected = g_byte_array_new();
    g_autoptr(GByteArray) got = NULL;
    guint32 serial = 0;
    VpEnd end;

    start_test();
    open_tls(&end);
    vp_link_resume(end.link);
    send_until_full(&end, 50000, &serial);
    turn();
    g_assert_cmpuint(end.drained, ==, 0);
    for (guint32 i = 0; i < serial; i++)
        append_frame(expected, VP_FRAME_CALL, i, 50000, 0);
    got = client_read(expected->len);
    g_assert_cmpmem(got->data, got->len, expected->data, expected->len);
    g_assert_cmpuint(end.drained, ==, 1);
    g_assert_cmpuint(vp_link_waiting(end.link), ==, 0);
    close_tls(&end);
}

/* A held frame stops the reading, and comes again with all that is behind it. */
static void
test_held(void)
{
    g_autoptr(GByteArray) frames = make_frames(10, 20); /* less than the socket takes */
    VpEnd end;

    start_test();
    open_tls(&end);
    end.hold_next = 1;
    vp_link_resume(end.link);
    client_send(frames);
    g_assert_cmpuint(end.held, ==, 1);
    g_assert_cmpuint(end.frames, ==, 0);
    vp_link_resume(end.link);
    turn();
    assert_seen(&end, frames);
    close_tls(&end);
}

/* A frame with descriptors has no way to this peer. */
static void
test_descriptors_out(void)
{
    g_autoptr(GArray) files = g_array_new(FALSE, FALSE, sizeof(ino_t));
    g_autoptr(GByteArray) got = NULL;
    VpEnd end;

    start_test();
    open_tls(&end);
    vp_link_resume(end.link);
    send_with_files(&end, 0, 100, 2, files);
    turn();
    g_assert_cmpuint(end.failed, ==, 1);
    got = client_read(1);
    g_assert_cmpuint(got->len, ==, 0);
    close_tls(&end);
}

/* Nor have they one to us: a frame that announces some ends the connection, as at libvirtd. One
 * that announces none is a frame like any other. */
static void
test_descriptors_in(void)
{
    g_autoptr(GByteArray) good = g_byte_array_new();
    g_autoptr(GByteArray) bad = g_byte_array_new();
    VpEnd end;

    start_test();
    open_tls(&end);
    vp_link_resume(end.link);
    append_frame(good, VP_FRAME_CALL_WITH_FDS, 0, 100, 0);
    append_frame(bad, VP_FRAME_CALL_WITH_FDS, 1, 100, 1);
    g_byte_array_append(bad, (const guint8 *)"", 1);
    client_send(good);
    assert_seen(&end, good);
    client_send(bad);
    g_assert_cmpuint(end.frames, ==, 1);
    g_assert_cmpuint(end.failed, ==, 1);
    close_tls(&end);
}

/* --- what the socket does not tell --------------------------------------- */

/* The client's end was read along with the frame that the owner holds: it is told of when it wants
 * to know, although the socket stays silent. */
static void
test_end_behind_a_held_frame(void)
{
    g_autoptr(GByteArray) frames = make_frames(1, 100);
    VpEnd end;

    start_test();
    open_tls(&end);
    end.hold_next = 1;
    ok(gnutls_record_send(client.session, frames->data, frames->len));
    ok(gnutls_bye(client.session, GNUTLS_SHUT_WR));
    vp_link_resume(end.link);
    turn();
    g_assert_cmpuint(end.held, ==, 1);
    g_assert_cmpuint(end.ended, ==, 0);
    vp_link_resume(end.link);
    turn();
    assert_seen(&end, frames);
    g_assert_cmpuint(end.ended, ==, 1);
    close_tls(&end);
}

/* The same, and the owner loses interest, or the link, before the next turn. */
static void
test_end_that_nobody_wants(void)
{
    for (guint freed = 0; freed < 2; freed++) {
        g_autoptr(GByteArray) frames = make_frames(1, 100);
        VpEnd end;

        start_test();
        open_tls(&end);
        end.hold_next = 1;
        ok(gnutls_record_send(client.session, frames->data, frames->len));
        ok(gnutls_bye(client.session, GNUTLS_SHUT_WR));
        vp_link_resume(end.link);
        turn();
        vp_link_resume(end.link);
        if (freed)
            free_link(&end);
        else
            vp_link_pause(end.link);
        turn();
        g_assert_cmpuint(end.ended, ==, 0);
        if (!freed)
            vp_link_resume(end.link);
        turn();
        g_assert_cmpuint(end.ended, ==, !freed);
        close_tls(&end);
    }
}

/* --- ends ---------------------------------------------------------------- */

/* A client that says that it sends nothing more still gets its replies. libvirt's leave without a
 * word: that is an end too, and GnuTLS writes nothing to them any more. */
static void
test_client_ends(void)
{
    for (guint said = 0; said < 2; said++) {
        g_autoptr(GByteArray) expected = g_byte_array_new();
        g_autoptr(GByteArray) got = NULL;
        VpEnd end;

        start_test();
        open_tls(&end);
        vp_link_resume(end.link);
        if (said)
            ok(gnutls_bye(client.session, GNUTLS_SHUT_WR));
        g_assert_no_errno(shutdown(client.fd, SHUT_WR));
        turn();
        g_assert_cmpuint(end.ended, ==, 1);
        g_assert_cmpuint(end.failed, ==, 0);
        append_frame(expected, VP_FRAME_CALL, 7, 20000, 0);
        send_plain(&end, 7, 20000);
        got = client_read(expected->len);
        g_assert_cmpmem(got->data, got->len, expected->data, said ? expected->len : 0);
        g_assert_cmpuint(end.failed, ==, !said);
        close_tls(&end);
    }
}

/* Our own end: behind the last byte, said in TLS's words and by the socket, also when there was no
 * room for it at first. */
static void
test_we_end(void)
{
    g_autoptr(GByteArray) frames = make_frames(3, 1000);

    for (gsize size = 100; size <= 100000; size *= 10) {
        g_autoptr(GByteArray) expected = g_byte_array_new();
        g_autoptr(GByteArray) got = NULL;
        guint8 byte = 0;
        VpEnd end;

        start_test();
        open_tls(&end);
        vp_link_resume(end.link);
        append_frame(expected, VP_FRAME_CALL, 0, size, 0);
        send_plain(&end, 0, size);
        vp_link_end(end.link);
        got = client_read(expected->len);
        g_assert_cmpmem(got->data, got->len, expected->data, expected->len);
        g_assert_cmpint(gnutls_record_recv(client.session, &byte, 1), ==, 0);
        g_assert_cmpint(recv(client.fd, &byte, 1, 0), ==, 0);
        client_send(frames); /* its own direction is as it was */
        assert_seen(&end, frames);
        g_assert_cmpuint(end.ended + end.failed, ==, 0);
        close_tls(&end);
    }
}

/* The socket is so full that even the word for the end has to wait. */
static void
test_we_end_without_room(void)
{
    static guint8 bytes[4096];
    VpEnd end;
    guint8 byte = 0;

    start_test();
    open_tls(&end);
    vp_link_resume(end.link);
    while (send(vp_link_fd(end.link), bytes, 1, MSG_NOSIGNAL) > 0)
        ;
    vp_link_end(end.link);
    turn();
    while (recv(client.fd, bytes, sizeof(bytes), 0) > 0) /* what came past TLS */
        ;
    g_assert_cmpint(errno, ==, EAGAIN); /* not the end yet */
    turn();
    g_assert_cmpint(gnutls_record_recv(client.session, &byte, 1), ==, 0);
    g_assert_cmpint(recv(client.fd, &byte, 1, 0), ==, 0);
    close_tls(&end);
}

/* What was tampered with ends the link, after what came before. */
static void
test_forged(void)
{
    g_autoptr(GByteArray) frames = make_frames(2, 100);
    guint8 record[64] = { 23, 3, 3, 0, sizeof(record) - 5 };
    VpEnd end;

    start_test();
    open_tls(&end);
    client_send(frames);
    g_assert_cmpint(send(client.fd, record, sizeof(record), 0), ==, sizeof(record));
    vp_link_resume(end.link);
    turn();
    assert_seen(&end, frames);
    g_assert_cmpuint(end.failed, ==, 1);
    g_assert_cmpuint(end.ended, ==, 0);
    close_tls(&end);
}

/* Nobody is there to write to. */
static void
test_gone_client(void)
{
    VpEnd end;

    start_test();
    open_tls(&end);
    vp_clear_fd(&client.fd);
    send_plain(&end, 0, 100);
    turn();
    g_assert_cmpuint(end.failed, ==, 1);
    close_tls(&end);
}

int
main(int argc, char **argv)
{
    int status = 0;

    g_test_init(&argc, &argv, NULL);
    make_tls_dir();
    g_test_add_func("/rpc/link-tls/frames-in", test_frames_in);
    g_test_add_func("/rpc/link-tls/frames-out", test_frames_out);
    g_test_add_func("/rpc/link-tls/held", test_held);
    g_test_add_func("/rpc/link-tls/descriptors-out", test_descriptors_out);
    g_test_add_func("/rpc/link-tls/descriptors-in", test_descriptors_in);
    g_test_add_func("/rpc/link-tls/end-behind-a-held-frame", test_end_behind_a_held_frame);
    g_test_add_func("/rpc/link-tls/end-that-nobody-wants", test_end_that_nobody_wants);
    g_test_add_func("/rpc/link-tls/client-ends", test_client_ends);
    g_test_add_func("/rpc/link-tls/we-end", test_we_end);
    g_test_add_func("/rpc/link-tls/we-end-without-room", test_we_end_without_room);
    g_test_add_func("/rpc/link-tls/forged", test_forged);
    g_test_add_func("/rpc/link-tls/gone-client", test_gone_client);
    status = g_test_run();
    remove_tls_dir();
    return status;
}
