/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Descriptors of clients: how they get to QEMU, and whose their names are. */

#include "qmp_server/test-stage.h"

#define GETFD(n, name) "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"" PREFIX(n) name "\"}}"
#define CLOSEFD(n, name)                                                                           \
    "{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"" PREFIX(n) name "\"}}"

static void
say_with_fds(Stage *stage, guint i, const char *text, guint n)
{
    char control[CMSG_SPACE(VP_QMP_FDS_MAX * sizeof(int))] = { 0 };
    struct iovec part = { .iov_base = (char *)text, .iov_len = strlen(text) };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                              .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    *header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(n * sizeof(int)), .cmsg_level = SOL_SOCKET,
                                .cmsg_type = SCM_RIGHTS };
    memcpy(CMSG_DATA(header), vp_test_fds, n * sizeof(int));
    g_assert_cmpint(sendmsg(stage->ends[i], &message, MSG_NOSIGNAL), ==, strlen(text));
}

static void
test_descriptors(void)
{
    Stage stage;
    VpTestPeer *peer = NULL;

    stage_start(&stage);
    peer = stage.scene.peer;
    negotiate(&stage, 0, CAPABILITIES);
    negotiate(&stage, 1, CAPABILITIES);
    /* With the first byte of its command, the rest of which comes later. */
    vp_test_peer_expect(peer, GETFD(1, "f"), VP_TEST_OK);
    say_with_fds(&stage, 0, "{\"execute\"", 1);
    say(&stage, 0, ":\"getfd\",\"arguments\":{\"fdname\":\"f\"}}");
    expect(&stage, 0, OK);
    g_assert_cmpuint(peer->fds->len, ==, 1);
    /* The other client has another one of that name, or none. */
    vp_test_peer_expect(peer, CLOSEFD(2, "f"),
                        "{\"id\": $ID, \"error\": {\"class\": \"GenericError\", \"desc\": \"'"
                        PREFIX(2) "f' not found\"}}");
    say(&stage, 1, "{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"f\"}}");
    expect(&stage, 1, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"'f' not "
                      "found\"}}\r\n");
    /* They wait for a command that takes one, and later ones replace them. */
    vp_test_peer_expect(peer, VP_TEST_STOP, VP_TEST_OK);
    say_with_fds(&stage, 1, VP_TEST_STOP, 2);
    expect(&stage, 1, OK);
    g_assert_cmpuint(peer->fds->len, ==, 1);
    say_with_fds(&stage, 1, " ", 1);
    vp_test_peer_expect(peer, "{\"execute\":\"add-fd\"}", VP_TEST_OK);
    say(&stage, 1, "{\"execute\":\"add-fd\"}");
    expect(&stage, 1, OK);
    g_assert_cmpuint(peer->fds->len, ==, 2);
    stage_stop(&stage);
}

/* What a client has not used is closed when it goes. */
static void
test_descriptors_left(void)
{
    Stage stage;
    VpTestPeer *peer = NULL;

    stage_start(&stage);
    peer = stage.scene.peer;
    negotiate(&stage, 0, CAPABILITIES);
    vp_test_peer_expect(peer, GETFD(1, "left"), VP_TEST_OK);
    vp_test_peer_expect(peer, GETFD(1, "used"), VP_TEST_OK);
    vp_test_peer_expect(peer, GETFD(1, "closed"), VP_TEST_OK);
    vp_test_peer_expect(peer, CLOSEFD(1, "closed"), VP_TEST_OK);
    vp_test_peer_expect(peer, "{\"execute\":\"netdev_add\",\"arguments\":{\"fd\":\"" PREFIX(1)
                              "used\"}}", VP_TEST_OK);
    say_with_fds(&stage, 0, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"left\"}}", 1);
    say_with_fds(&stage, 0, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"used\"}}", 1);
    say_with_fds(&stage, 0, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"closed\"}}", 1);
    say(&stage, 0, "{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"closed\"}}");
    say(&stage, 0, "{\"execute\":\"netdev_add\",\"arguments\":{\"fd\":\"used\"}}");
    expect(&stage, 0, OK OK OK OK OK);
    vp_test_peer_expect(peer, CLOSEFD(1, "left"), VP_TEST_OK);
    vp_clear_fd(&stage.ends[0]);
    vp_test_until(vp_test_peer_done(peer));
    vp_test_until(stage.left == 1);
    stage_stop(&stage);
}

static void
test_names_max(void)
{
    Stage stage;

    stage_start(&stage);
    negotiate(&stage, 0, CAPABILITIES);
    for (guint i = 0; i < VP_QMP_NAMES_MAX; i++) {
        g_autofree char *name = g_strdup_printf("f%u", i);
        g_autofree char *sent = g_strdup_printf(
            "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"%s\"}}", name);
        g_autofree char *received = g_strdup_printf(
            "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"" PREFIX(1) "%s\"}}", name);

        vp_test_peer_expect(stage.scene.peer, received, VP_TEST_OK);
        say(&stage, 0, sent);
        expect(&stage, 0, OK);
    }
    say(&stage, 0, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"more\"},\"id\":1}");
    expect(&stage, 0, "{\"id\": 1, \"error\": {\"class\": \"GenericError\", \"desc\": \"too "
                      "many descriptors have names and are not used: close some\"}}\r\n");
    vp_test_peer_expect(stage.scene.peer, CLOSEFD(1, "f7"), VP_TEST_OK);
    vp_test_peer_expect(stage.scene.peer, GETFD(1, "more"), VP_TEST_OK);
    say(&stage, 0, "{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"f7\"}}");
    expect(&stage, 0, OK);
    say(&stage, 0, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"more\"}}");
    expect(&stage, 0, OK);
    stage.scene.peer->lenient = true;
    stage_stop(&stage);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp_server/descriptors/given", test_descriptors);
    g_test_add_func("/qmp_server/descriptors/left", test_descriptors_left);
    g_test_add_func("/qmp_server/descriptors/names-max", test_names_max);
    return g_test_run();
}
