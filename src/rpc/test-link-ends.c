/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How links end: either side, half or wholly, at work or paused, by failure or on demand. */

#include "rpc/test-stage.h"

/* --- ends ---------------------------------------------------------------- */

/* A peer that has sent its last frame is reported as ended after it; it can still be written to. */
static void
test_half_closed_peer(void)
{
    for (VpInboxSide side = VP_INBOX_FROM_CLIENT; side <= VP_INBOX_FROM_SERVER; side++) {
        g_autoptr(GByteArray) frames = make_frames(3, 1000);
        g_autofree guint8 *bytes = g_malloc(VP_FRAME_MIN + 20000);
        vp_autofd int peer = -1;
        VpEnd end;

        start_test();
        peer = open_with_peer(&end, side);
        write_all(peer, frames->data, frames->len);
        g_assert_no_errno(shutdown(peer, SHUT_WR));
        vp_link_resume(end.link);
        turn();
        assert_seen(&end, frames);
        g_assert_cmpuint(end.ended, ==, 1);
        send_plain(&end, 5, 20000);
        read_all(peer, bytes, VP_FRAME_MIN + 20000);
        g_assert_cmpuint(vp_get_u32(bytes + 20), ==, 5);
        g_assert_cmpuint(end.failed, ==, 0);
        vp_clear_fd(&peer);
        turn();
        /* What is written to a client goes nowhere from now on; a server owed us nothing more. */
        g_assert_cmpuint(end.failed, ==, side == VP_INBOX_FROM_CLIENT);
        end_close(&end);
        finish_test();
    }
}

/* Our own end: after the last byte that waits, and the peer's frames still come. */
static void
test_half_closed_by_us(void)
{
    g_autoptr(GByteArray) frames = make_frames(5, 1000);
    g_autofree guint8 *bytes = g_malloc(VP_FRAME_MIN + 50000);
    vp_autofd int peer = -1;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    vp_link_resume(end.link);
    send_plain(&end, 0, 50000);
    vp_link_end(end.link);
    vp_link_end(end.link);
    send_plain(&end, 1, 50000); /* too late */
    read_all(peer, bytes, VP_FRAME_MIN + 50000);
    turn();
    g_assert_cmpint(read(peer, bytes, 1), ==, 0);
    write_all(peer, frames->data, frames->len);
    turn();
    assert_seen(&end, frames);
    g_assert_cmpuint(end.ended + end.failed, ==, 0);
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
}

/* The same when nothing waits: at once. */
static void
test_end_at_once(void)
{
    vp_autofd int peer = -1;
    guint8 byte = 0;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    vp_link_end(end.link);
    g_assert_cmpint(read(peer, &byte, 1), ==, 0);
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
}

static void
test_both_end(void)
{
    VpEnd ends[2];
    int fds[2] = { -1, -1 };

    start_test();
    make_pair(fds);
    for (guint i = 0; i < 2; i++) {
        end_open(&ends[i], fds[i], VP_INBOX_FROM_SERVER);
        vp_link_resume(ends[i].link);
    }
    send_plain(&ends[0], 0, 30000);
    vp_link_end(ends[0].link);
    turn();
    g_assert_cmpuint(ends[1].frames, ==, 1);
    g_assert_cmpuint(ends[1].ended, ==, 1);
    g_assert_cmpuint(ends[0].ended, ==, 0);
    send_plain(&ends[1], 0, 30000);
    vp_link_end(ends[1].link);
    turn();
    g_assert_cmpuint(ends[0].frames, ==, 1);
    g_assert_cmpuint(ends[0].ended, ==, 1);
    g_assert_cmpuint(ends[0].failed + ends[1].failed, ==, 0);
    for (guint i = 0; i < 2; i++)
        end_close(&ends[i]);
    finish_test();
}

/* What became of the client's connection while the server's frames waited in the socket. */
typedef enum VpMishap {
    VP_NO_MISHAP,
    VP_SEND_AFTER_END, /* we wrote to the server that is gone */
    VP_UNREAD_CALLS,   /* the server did not read what we had written before */
    VP_WAITING_CALLS,  /* nor what waits on our side */
} VpMishap;

/* All that a server has sent before it went is delivered, however slowly it is taken. */
static void
check_server_that_goes(VpMishap mishap, guint n)
{
    g_autoptr(GByteArray) frames = make_frames(n, 200);
    VpEnd end;
    int fds[2] = { -1, -1 };
    int large = 4 * 1024 * 1024;

    start_test();
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
    if (setsockopt(fds[1], SOL_SOCKET, SO_SNDBUFFORCE, &large, sizeof(large)) < 0)
        g_test_message("ordinary users have ordinary socket buffers");
    end_open(&end, fds[0], VP_INBOX_FROM_SERVER);
    end.on_frame = pause_link;
    if (mishap == VP_UNREAD_CALLS)
        send_plain(&end, 0, 100);
    while (mishap == VP_WAITING_CALLS && vp_link_waiting(end.link) == 0)
        send_plain(&end, 0, 10000);
    for (gsize done = 0; done < frames->len;) {
        gssize written = write(fds[1], frames->data + done, frames->len - done);

        if (written > 0)
            done += written;
        else
            vp_link_resume(end.link);
        turn();
    }
    close(fds[1]);
    turn();
    if (mishap == VP_SEND_AFTER_END)
        send_plain(&end, 0, 100);
    while (end.ended == 0) {
        g_assert_cmpuint(end.failed, ==, 0);
        vp_link_resume(end.link);
        turn();
    }
    g_assert_cmpuint(end.frames, ==, n);
    assert_seen(&end, frames);
    send_plain(&end, 1, 100); /* to nobody, and that is no news */
    turn();
    g_assert_cmpuint(end.failed, ==, 0);
    g_assert_cmpuint(vp_link_waiting(end.link), ==, 0);
    end_close(&end);
    finish_test();
}

static void
test_server_that_goes(void)
{
    /* 145 frames of up to 29 KB: 2 MiB. */
    for (VpMishap mishap = VP_NO_MISHAP; mishap <= VP_WAITING_CALLS; mishap++) {
        check_server_that_goes(mishap, 145);
        check_server_that_goes(mishap, 1);
        check_server_that_goes(mishap, 0);
    }
}

/* A client that is gone is reported at once, paused or not; what it left is not served. */
static void
test_client_that_goes(void)
{
    g_autoptr(GByteArray) frames = make_frames(3, 100);
    VpEnd end;
    int peer = -1;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    end.on_frame = pause_link;
    vp_link_resume(end.link);
    write_all(peer, frames->data, frames->len);
    turn();
    g_assert_cmpuint(end.frames, ==, 1);
    close(peer);
    turn();
    g_assert_cmpuint(end.failed, ==, 1);
    g_assert_cmpuint(end.ended, ==, 0);
    vp_link_resume(end.link); /* nothing happens any more */
    send_plain(&end, 0, 10);
    turn();
    g_assert_cmpuint(end.frames, ==, 1);
    end_close(&end);
    finish_test();
}

/* One that goes while it is being written to. */
static void
test_client_that_goes_in_a_write(void)
{
    VpEnd end;
    int peer = -1;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    vp_link_resume(end.link);
    send_plain(&end, 0, 50000);
    g_assert_cmpuint(vp_link_waiting(end.link), >, 0);
    close(peer);
    send_plain(&end, 1, 100);
    g_assert_cmpuint(end.failed, ==, 0); /* never from within a send */
    turn();
    g_assert_cmpuint(end.failed, ==, 1);
    g_assert_cmpuint(end.ended, ==, 0);
    end_close(&end);
    finish_test();
}

/* One that goes without having read what it was sent. */
static void
test_client_that_did_not_read(void)
{
    VpEnd end;
    int peer = -1;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    vp_link_resume(end.link);
    send_plain(&end, 0, 100);
    g_assert_cmpuint(vp_link_waiting(end.link), ==, 0);
    close(peer);
    turn();
    g_assert_cmpuint(end.failed, ==, 1);
    g_assert_cmpuint(end.ended, ==, 0);
    end_close(&end);
    finish_test();
}

/* --- failures ------------------------------------------------------------ */

/* After a frame that is none the link is over, whatever else is done with it. */
static void
test_bad_frame(void)
{
    g_autoptr(GByteArray) frames = make_frames(2, 100);
    vp_autofd int peer = -1;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    vp_link_resume(end.link);
    write_all(peer, frames->data, frames->len);
    write_all(peer, (const guint8 *)"\xff\xff\xff\xff", 4);
    turn();
    g_assert_cmpuint(end.frames, ==, 2);
    g_assert_cmpuint(end.failed, ==, 1);
    write_all(peer, frames->data, frames->len);
    vp_link_pause(end.link);
    vp_link_resume(end.link);
    vp_link_break(end.link);
    vp_link_end(end.link);
    vp_clear_fd(&peer);
    turn();
    g_assert_cmpuint(end.frames, ==, 2);
    end_close(&end);
    finish_test();
}

/* The next turn reports it, whatever state the link is in. */
static void
check_break(VpEnd *end)
{
    vp_link_break(end->link);
    g_assert_cmpuint(end->failed, ==, 0);
    send_plain(end, 0, 10);
    vp_link_break(end->link);
    turn();
    g_assert_cmpuint(end->failed, ==, 1);
    g_assert_cmpuint(vp_link_waiting(end->link), ==, 0);
    g_assert_cmpuint(count_fds(), <=, fds_at_start + 2); /* those that waited are closed */
    end_close(end);
}

static void
test_break(void)
{
    for (VpInboxSide side = VP_INBOX_FROM_CLIENT; side <= VP_INBOX_FROM_SERVER; side++) {
        vp_autofd int peer = -1;
        VpEnd end;

        start_test();
        peer = open_with_peer(&end, side);
        vp_link_resume(end.link);
        turn();
        check_break(&end);
        vp_clear_fd(&peer);
        finish_test();
    }
}

/* Its peer does not read, which is what links are broken for, and the owner has paused it. */
static void
test_break_when_full(void)
{
    g_autoptr(GArray) files = g_array_new(FALSE, FALSE, sizeof(ino_t));
    vp_autofd int peer = -1;
    guint32 serial = 0;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    send_until_full(&end, 5000, &serial);
    send_with_files(&end, serial, 0, 5, files);
    turn();
    check_break(&end);
    vp_clear_fd(&peer);
    finish_test();
}

/* A server that has gone, whose bytes nobody wants yet: not even watched at that time. */
static void
test_break_when_hung_up(void)
{
    VpEnd end;
    int peer = -1;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_SERVER);
    close(peer);
    turn();
    check_break(&end);
    finish_test();
}

/* With frames that wait in it: they are not delivered. */
static void
test_break_with_frames(void)
{
    g_autoptr(GByteArray) frames = make_frames(2, 100);
    vp_autofd int peer = -1;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_SERVER);
    write_all(peer, frames->data, frames->len);
    vp_link_resume(end.link);
    check_break(&end);
    vp_clear_fd(&peer);
    finish_test();
}

static void
test_not_a_socket(void)
{
    g_autoptr(GError) error = NULL;
    int fd = -1;

    start_test();
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    g_assert_null(vp_link_new(test_loop, fd, VP_INBOX_FROM_CLIENT, &test_ops, NULL, &error));
    g_assert_nonnull(error);
    vp_link_free(NULL);
    finish_test(); /* the descriptor was taken over all the same */
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rpc/link-ends/half-closed-peer", test_half_closed_peer);
    g_test_add_func("/rpc/link-ends/half-closed-by-us", test_half_closed_by_us);
    g_test_add_func("/rpc/link-ends/end-at-once", test_end_at_once);
    g_test_add_func("/rpc/link-ends/both-end", test_both_end);
    g_test_add_func("/rpc/link-ends/server-that-goes", test_server_that_goes);
    g_test_add_func("/rpc/link-ends/client-that-goes", test_client_that_goes);
    g_test_add_func("/rpc/link-ends/client-that-goes-in-a-write", test_client_that_goes_in_a_write);
    g_test_add_func("/rpc/link-ends/client-that-did-not-read", test_client_that_did_not_read);
    g_test_add_func("/rpc/link-ends/bad-frame", test_bad_frame);
    g_test_add_func("/rpc/link-ends/break", test_break);
    g_test_add_func("/rpc/link-ends/break-when-full", test_break_when_full);
    g_test_add_func("/rpc/link-ends/break-when-hung-up", test_break_when_hung_up);
    g_test_add_func("/rpc/link-ends/break-with-frames", test_break_with_frames);
    g_test_add_func("/rpc/link-ends/not-a-socket", test_not_a_socket);
    return g_test_run();
}
