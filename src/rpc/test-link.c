/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Links at work: frames and descriptors both ways, slow readers, owners who hold, pause or free. */

#include "rpc/test-stage.h"

/* --- frames and descriptors ---------------------------------------------- */

static void
test_both_ways(void)
{
    g_autoptr(GByteArray) expected = make_frames(50, 500);
    VpEnd ends[2];
    int fds[2] = { -1, -1 };

    start_test();
    make_pair(fds);
    for (guint i = 0; i < 2; i++) {
        end_open(&ends[i], fds[i], i ? VP_INBOX_FROM_SERVER : VP_INBOX_FROM_CLIENT);
        vp_link_resume(ends[i].link);
    }
    for (guint i = 0; i < 2; i++)
        vp_link_send(ends[i].link, expected->data, expected->len);
    turn();
    for (guint i = 0; i < 2; i++) {
        g_assert_cmpuint(ends[i].frames, ==, 50);
        assert_seen(&ends[i], expected);
        g_assert_cmpuint(vp_link_waiting(ends[i].link), ==, 0);
        g_assert_cmpuint(ends[i].ended + ends[i].failed, ==, 0);
    }
    for (guint i = 0; i < 2; i++)
        end_close(&ends[i]);
    finish_test();
}

/* Among frames without, and more than the sockets hold at a time. */
static void
test_descriptors_both_ways(void)
{
    g_autoptr(GArray) files = g_array_new(FALSE, FALSE, sizeof(ino_t));
    VpEnd ends[2];
    int fds[2] = { -1, -1 };

    start_test();
    make_pair(fds);
    for (guint i = 0; i < 2; i++)
        end_open(&ends[i], fds[i], i ? VP_INBOX_FROM_SERVER : VP_INBOX_FROM_CLIENT);
    for (guint i = 0; i < 2; i++) {
        g_array_set_size(files, 0);
        for (guint serial = 0; serial < 12; serial++) {
            send_plain(&ends[i], serial, serial * 300);
            send_with_files(&ends[i], serial, serial * 300, serial * 3 % 33, files);
        }
        vp_link_resume(ends[!i].link);
        turn();
        g_assert_cmpuint(ends[!i].frames, ==, 24);
        assert_files(&ends[!i], files);
        g_assert_cmpuint(vp_link_waiting(ends[i].link), ==, 0);
    }
    for (guint i = 0; i < 2; i++)
        end_close(&ends[i]);
    finish_test();
}

static void
test_descriptors_as_libvirt_wants_them(void)
{
    g_autoptr(GArray) files = g_array_new(FALSE, FALSE, sizeof(ino_t));
    g_autofree guint8 *bytes = g_malloc(VP_FRAME_MIN + 4 + 9000);
    vp_autofd int peer = -1;
    guint next = 0;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    for (guint32 serial = 0; serial < 4; serial++)
        send_with_files(&end, serial, serial * 3000, 5, files);
    g_assert_cmpuint(vp_link_waiting(end.link), >, 0);
    for (guint32 serial = 0; serial < 4; serial++) {
        read_all(peer, bytes, VP_FRAME_MIN + 4 + serial * 3000);
        g_assert_cmpuint(vp_get_u32(bytes + 20), ==, serial);
        for (guint i = 0; i < 5; i++)
            g_assert_true(receive_as_libvirt(peer) == g_array_index(files, ino_t, next++));
    }
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
}

/* The frame in every possible number of pieces. */
static void
test_byte_by_byte(void)
{
    g_autoptr(GByteArray) expected = make_frames(3, 5);
    vp_autofd int peer = -1;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    vp_link_resume(end.link);
    for (guint i = 0; i < expected->len; i++) {
        write_all(peer, expected->data + i, 1);
        turn();
    }
    assert_seen(&end, expected);
    g_assert_cmpuint(end.frames, ==, 3);
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
}

/* --- a slow reader ------------------------------------------------------- */

/* drained() comes once each time the link was full, and not before there is room. */
static void
test_slow_reader(void)
{
    gsize size = 3000;
    g_autofree guint8 *bytes = g_malloc(VP_FRAME_MIN + size);
    vp_autofd int peer = -1;
    guint32 sent = 0, read = 0;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    vp_link_resume(end.link);
    for (guint round = 1; round <= 3; round++) {
        send_until_full(&end, size, &sent);
        turn();
        g_assert_cmpuint(end.drained, ==, round - 1);
        for (; read < sent; read++) {
            bool was_full = vp_link_is_full(end.link);

            read_all(peer, bytes, VP_FRAME_MIN + size);
            g_assert_cmpuint(vp_get_u32(bytes + 20), ==, read);
            turn();
            if (was_full)
                g_assert_cmpint(end.drained == round, ==, !vp_link_is_full(end.link));
        }
        g_assert_cmpuint(end.drained, ==, round);
        g_assert_cmpuint(vp_link_waiting(end.link), ==, 0);
    }
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
}

/* At the limit it is not full, with one byte more it is. */
static void
test_high_water(void)
{
    vp_autofd int peer = -1;
    g_autofree guint8 *zeros = g_malloc0(VP_LINK_HIGH_WATER);
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    while (vp_link_waiting(end.link) == 0)
        vp_link_send(end.link, zeros, 4096);
    vp_link_send(end.link, zeros, VP_LINK_HIGH_WATER - vp_link_waiting(end.link));
    g_assert_cmpuint(vp_link_waiting(end.link), ==, VP_LINK_HIGH_WATER);
    g_assert_false(vp_link_is_full(end.link));
    vp_link_send(end.link, zeros, 1);
    g_assert_true(vp_link_is_full(end.link));
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
}

/* The same for descriptors, that are waiting in hardly any bytes. */
static void
test_descriptors_high_water(void)
{
    g_autoptr(GArray) files = g_array_new(FALSE, FALSE, sizeof(ino_t));
    vp_autofd int peer = -1;
    guint8 bytes[4096];
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    vp_link_resume(end.link);
    for (guint32 serial = 0; vp_link_waiting(end.link) == 0; serial++)
        send_plain(&end, serial, 1000);
    send_with_files(&end, 0, 0, 32, files);
    send_with_files(&end, 1, 0, 32, files);
    g_assert_cmpuint(count_fds(), ==, fds_at_start + 2 + VP_LINK_FDS_HIGH_WATER);
    g_assert_false(vp_link_is_full(end.link));
    send_with_files(&end, 2, 0, 1, files);
    g_assert_true(vp_link_is_full(end.link));
    g_assert_cmpuint(vp_link_waiting(end.link), <, 8192);
    while (end.drained == 0) {
        g_assert_true(vp_link_is_full(end.link));
        g_assert_cmpint(read(peer, bytes, sizeof(bytes)), >, 0);
        turn();
    }
    g_assert_false(vp_link_is_full(end.link));
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
}

/* --- held, paused -------------------------------------------------------- */

/* Nothing comes before resume(); then the same frame with the same files. */
static void
test_held(void)
{
    g_autoptr(GArray) files = g_array_new(FALSE, FALSE, sizeof(ino_t));
    VpEnd ends[2];
    int fds[2] = { -1, -1 };

    start_test();
    make_pair(fds);
    for (guint i = 0; i < 2; i++)
        end_open(&ends[i], fds[i], VP_INBOX_FROM_CLIENT);
    send_with_files(&ends[0], 0, 100, 3, files);
    send_plain(&ends[0], 1, 100);
    send_with_files(&ends[0], 2, 100, 1, files);
    ends[1].hold_next = 3;
    for (guint held = 1; held <= 3; held++) {
        vp_link_resume(ends[1].link);
        turn();
        g_assert_cmpuint(ends[1].held, ==, held);
        g_assert_cmpuint(ends[1].frames, ==, 0);
    }
    vp_link_resume(ends[1].link);
    turn();
    g_assert_cmpuint(ends[1].frames, ==, 3);
    assert_files(&ends[1], files);
    for (guint i = 0; i < 2; i++)
        end_close(&ends[i]);
    finish_test();
}

/* While a frame is held nothing is read: the sender's socket fills up. */
static void
test_held_stops_reading(void)
{
    g_autoptr(GByteArray) frame = make_frames(1, 0);
    g_autofree guint8 *zeros = g_malloc0(4096);
    vp_autofd int peer = -1;
    gsize total = 0;
    gssize n = 0;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    end.hold_next = 1;
    vp_link_resume(end.link);
    write_all(peer, frame->data, frame->len);
    turn();
    g_assert_cmpuint(end.held, ==, 1);
    while ((n = write(peer, zeros, 4096)) > 0) {
        total += n;
        turn();
        g_assert_cmpuint(total, <, VP_READ_CHUNK);
    }
    g_assert_cmpint(errno, ==, EAGAIN);
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
}

/* Between callbacks; what the peer writes meanwhile stays in the socket and wakes nobody. */
static void
test_pause(void)
{
    g_autoptr(GByteArray) expected = make_frames(2, 10);
    vp_autofd int peer = -1;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    vp_link_resume(end.link);
    turn();
    vp_link_pause(end.link);
    write_all(peer, expected->data, expected->len);
    turn();
    g_assert_cmpuint(end.frames, ==, 0);
    vp_link_resume(end.link);
    vp_link_resume(end.link);
    turn();
    assert_seen(&end, expected);
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
}

/* Frames that are in the same read come one by one when the owner pauses after each. */
static void
test_pause_in_frame(void)
{
    g_autoptr(GByteArray) expected = make_frames(10, 3);
    vp_autofd int peer = -1;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    end.on_frame = pause_link;
    write_all(peer, expected->data, expected->len);
    for (guint i = 0; i < 10; i++) {
        g_assert_cmpuint(end.frames, ==, i);
        vp_link_resume(end.link);
        turn();
    }
    assert_seen(&end, expected);
    end.on_frame = pause_and_resume;
    vp_link_resume(end.link);
    write_all(peer, expected->data, expected->len);
    turn();
    g_assert_cmpuint(end.frames, ==, 20);
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
}

/* --- an owner that frees the link in a callback -------------------------- */

static void
test_free_in_frame(void)
{
    g_autoptr(GArray) files = g_array_new(FALSE, FALSE, sizeof(ino_t));
    VpEnd ends[2];
    int fds[2] = { -1, -1 };

    start_test();
    make_pair(fds);
    for (guint i = 0; i < 2; i++)
        end_open(&ends[i], fds[i], VP_INBOX_FROM_CLIENT);
    for (guint32 serial = 0; serial < 3; serial++)
        send_with_files(&ends[0], serial, 10, 2, files);
    ends[1].on_frame = free_link;
    vp_link_resume(ends[1].link);
    turn();
    g_assert_cmpuint(ends[1].frames, ==, 1);
    g_assert_null(ends[1].link);
    for (guint i = 0; i < 2; i++)
        end_close(&ends[i]);
    finish_test();
}

/* The same within vp_link_resume(), for a frame that had been held. */
static void
test_free_in_held_frame(void)
{
    g_autoptr(GByteArray) frames = make_frames(3, 10);
    vp_autofd int peer = -1;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    end.hold_next = 1;
    end.on_frame = free_link;
    write_all(peer, frames->data, frames->len);
    vp_link_resume(end.link);
    turn();
    g_assert_cmpuint(end.held, ==, 1);
    vp_link_resume(end.link);
    g_assert_null(end.link);
    g_assert_cmpuint(end.frames, ==, 1);
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
}

static void
test_free_in_drained(void)
{
    vp_autofd int peer = -1;
    g_autofree guint8 *bytes = g_malloc(65536);
    guint32 serial = 0;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    end.on_drained = free_link;
    send_until_full(&end, 1000, &serial);
    while (end.link) {
        g_assert_cmpint(read(peer, bytes, 65536), >, 0);
        turn();
    }
    g_assert_cmpuint(end.drained, ==, 1);
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
}

static void
test_free_in_ended(void)
{
    for (VpInboxSide side = VP_INBOX_FROM_CLIENT; side <= VP_INBOX_FROM_SERVER; side++) {
        VpEnd end;
        int peer = -1;

        start_test();
        peer = open_with_peer(&end, side);
        end.on_ended = free_link;
        vp_link_resume(end.link);
        close(peer);
        turn();
        g_assert_cmpuint(end.ended, ==, 1);
        g_assert_null(end.link);
        end_close(&end);
        finish_test();
    }
}

static void
test_free_in_failed(void)
{
    vp_autofd int peer = -1;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    end.on_failed = free_link;
    vp_link_resume(end.link);
    write_all(peer, (const guint8 *)"\0\0\0\1", 4);
    turn();
    g_assert_cmpuint(end.failed, ==, 1);
    g_assert_null(end.link);
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
}

/* --- other callbacks ----------------------------------------------------- */

static VpLinkNext
take_silently(VpLink *link G_GNUC_UNUSED, const VpFrame *frame G_GNUC_UNUSED, gpointer data)
{
    ((VpEnd *)data)->held += 100;
    return VP_LINK_TAKEN;
}

static const VpLinkOps other_ops = {
    .frame = take_silently, .drained = end_drained, .ended = end_ended, .failed = end_failed,
};

static void
change_ops(VpEnd *end)
{
    vp_link_set_ops(end->link, &other_ops);
}

static void
test_set_ops(void)
{
    g_autoptr(GByteArray) frames = make_frames(3, 100);
    vp_autofd int peer = -1;
    VpEnd end;

    start_test();
    peer = open_with_peer(&end, VP_INBOX_FROM_CLIENT);
    end.on_frame = change_ops;
    vp_link_resume(end.link);
    write_all(peer, frames->data, frames->len);
    turn();
    g_assert_cmpuint(end.frames, ==, 1);
    g_assert_cmpuint(end.held, ==, 200);
    end_close(&end);
    vp_clear_fd(&peer);
    finish_test();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rpc/link/both-ways", test_both_ways);
    g_test_add_func("/rpc/link/descriptors-both-ways", test_descriptors_both_ways);
    g_test_add_func("/rpc/link/descriptors-as-libvirt-wants-them",
                    test_descriptors_as_libvirt_wants_them);
    g_test_add_func("/rpc/link/byte-by-byte", test_byte_by_byte);
    g_test_add_func("/rpc/link/slow-reader", test_slow_reader);
    g_test_add_func("/rpc/link/high-water", test_high_water);
    g_test_add_func("/rpc/link/descriptors-high-water", test_descriptors_high_water);
    g_test_add_func("/rpc/link/held", test_held);
    g_test_add_func("/rpc/link/held-stops-reading", test_held_stops_reading);
    g_test_add_func("/rpc/link/pause", test_pause);
    g_test_add_func("/rpc/link/pause-in-frame", test_pause_in_frame);
    g_test_add_func("/rpc/link/free-in-frame", test_free_in_frame);
    g_test_add_func("/rpc/link/free-in-held-frame", test_free_in_held_frame);
    g_test_add_func("/rpc/link/free-in-drained", test_free_in_drained);
    g_test_add_func("/rpc/link/free-in-ended", test_free_in_ended);
    g_test_add_func("/rpc/link/free-in-failed", test_free_in_failed);
    g_test_add_func("/rpc/link/set-ops", test_set_ops);
    return g_test_run();
}
