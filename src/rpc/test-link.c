/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Links over socket pairs, in a loop. */

#include "rpc/link.h"

#include "base/fd.h"
#include "rpc/test-helpers.h"

#include <sys/socket.h>

typedef struct VpEnd {
    VpLink *link;
    guint frames;
    guint ended;
    guint failed;
} VpEnd;

static VpLinkNext
on_frame(VpLink *link G_GNUC_UNUSED, const VpFrame *frame, gpointer data)
{
    VpEnd *end = data;

    g_assert_cmpuint(frame->header.serial, ==, end->frames);
    end->frames++;
    return VP_LINK_TAKEN;
}

static void
on_drained(VpLink *link G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
}

static void
on_ended(VpLink *link G_GNUC_UNUSED, gpointer data)
{
    ((VpEnd *)data)->ended++;
}

static void
on_failed(VpLink *link G_GNUC_UNUSED, const char *reason, gpointer data)
{
    g_assert_nonnull(reason);
    ((VpEnd *)data)->failed++;
}

static const VpLinkOps ops = {
    .frame = on_frame, .drained = on_drained, .ended = on_ended, .failed = on_failed,
};

static void
test_both_ways(void)
{
    g_autoptr(VpLoop) loop = vp_loop_new(NULL, NULL);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VpEnd ends[2] = { 0 };
    int fds[2] = { -1, -1 };

    for (guint32 serial = 0; serial < 10; serial++)
        append_frame(bytes, VP_FRAME_CALL, serial, serial * 10, 0);
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
    for (guint i = 0; i < 2; i++) {
        ends[i].link = vp_link_new(loop, fds[i], i, &ops, &ends[i], NULL);
        vp_link_resume(ends[i].link);
    }
    for (guint i = 0; i < 2; i++)
        vp_link_send(ends[i].link, bytes->data, bytes->len);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    for (guint i = 0; i < 2; i++) {
        g_assert_cmpuint(ends[i].frames, ==, 10);
        g_assert_cmpuint(ends[i].ended + ends[i].failed, ==, 0);
        vp_link_free(ends[i].link);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rpc/link/both-ways", test_both_ways);
    return g_test_run();
}
