/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs in the loop of the session it talks to, so that a test decides what happens between two
 * bytes: nothing moves but when the test turns the loop.
 */

#include "qmp/test-peer.h"

#include "base/buffer.h"
#include "base/fd.h"
#include "base/socket.h"
#include "json/members.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>

typedef struct Connection {
    VpTestPeer *peer;
    VpWatch watch;
    int fd;
    VpBuffer in;
    VpBuffer out;
    GSource *writer; /* writes the next part of @out */
} Connection;

typedef struct Line {
    char *command;
    char *answer;
} Line;

static void
line_free(gpointer data)
{
    Line *line = data;

    g_free(line->command);
    g_free(line->answer);
    g_free(line);
}

static Line *
line_new(const char *command, const char *answer)
{
    Line *line = g_new0(Line, 1);

    line->command = g_strdup(command);
    line->answer = g_strdup(answer);
    return line;
}

static void
connection_free(Connection *connection)
{
    vp_watch_remove(&connection->watch);
    vp_loop_cancel(&connection->writer);
    vp_clear_fd(&connection->fd);
    vp_buffer_clear(&connection->in);
    vp_buffer_clear(&connection->out);
    g_free(connection);
}

static void
drop(Connection *connection)
{
    g_queue_remove(&connection->peer->connections, connection);
    connection_free(connection);
}

static gboolean
write_some(gpointer data)
{
    Connection *connection = data;
    gsize chunk = connection->peer->chunk;
    gsize n = chunk ? MIN(chunk, connection->out.len) : connection->out.len;
    gssize sent = send(connection->fd, vp_buffer_bytes(&connection->out), n,
                       MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent > 0)
        vp_buffer_consume(&connection->out, sent);
    if (connection->out.len > 0 && (sent >= 0 || errno == EAGAIN))
        return G_SOURCE_CONTINUE;
    vp_buffer_clear(&connection->out); /* all is sent, or nobody is there to read it */
    vp_loop_cancel(&connection->writer);
    return G_SOURCE_REMOVE;
}

static void
send_bytes(Connection *connection, const char *bytes, gsize n)
{
    vp_buffer_append(&connection->out, bytes, n);
    if (!connection->writer && !(connection->peer->chunk == 0 && !write_some(connection)))
        connection->writer = vp_loop_timer(connection->peer->loop, 0, write_some, connection);
}

/* To a command without id the answer has none. */
static void
send_answer(Connection *connection, const char *answer, const char *id)
{
    g_autoptr(GString) text = g_string_new(answer);

    if (!*id) {
        g_string_replace(text, ", \"id\": $ID", "", 0);
        g_string_replace(text, "\"id\": $ID, ", "", 0);
    }
    g_string_replace(text, "$ID", id, 0);
    send_bytes(connection, text->str, text->len);
    send_bytes(connection, "\r\n", 2);
}

/* The text of "id" of @line, which is taken out of it; "" when there is none. */
static char *
take_id(char *line)
{
    VpJsonItems items;
    VpJsonItem item;

    vp_json_items_init(&items, line, strlen(line));
    while (vp_json_items_next(&items, &item) == VP_JSON_ITEM) {
        if (vp_json_raw_is(item.key, "id")) {
            char *id = g_strndup(item.value.text, item.value.size);
            char *hole = line + (item.cut.text - line);

            memmove(hole, hole + item.cut.size, strlen(hole + item.cut.size) + 1);
            return id;
        }
    }
    return g_strdup("");
}

static const char *
answer_always(const VpTestPeer *peer, const char *command)
{
    for (guint i = 0; i < peer->always->len; i++) {
        const Line *line = g_ptr_array_index(peer->always, i);

        if (strcmp(line->command, command) == 0)
            return line->answer;
    }
    return NULL;
}

static void
receive_line(Connection *connection, char *command)
{
    VpTestPeer *peer = connection->peer;
    g_autofree char *id = take_id(command);
    const char *answer = answer_always(peer, command);
    Line *line = NULL;

    if (answer) {
        send_answer(connection, answer, id);
        return;
    }
    line = g_queue_pop_head(&peer->script);
    g_assert_true(line || peer->lenient);
    g_ptr_array_add(peer->received, g_strdup(command));
    g_ptr_array_add(peer->ids, g_strdup(id));
    if (line) {
        g_assert_cmpstr(command, ==, line->command);
        if (line->answer)
            send_answer(connection, line->answer, id);
        line_free(line);
    }
}

static void
keep_fds(VpTestPeer *peer, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
        g_array_append_vals(peer->fds, CMSG_DATA(c), (c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
}

static void
on_readable(VpWatch *watch G_GNUC_UNUSED, guint32 ready G_GNUC_UNUSED, gpointer data)
{
    static char bytes[65536];
    Connection *connection = data;
    char control[CMSG_SPACE(32 * sizeof(int))];
    struct iovec part = { .iov_base = bytes, .iov_len = sizeof(bytes) };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                              .msg_controllen = sizeof(control) };
    gssize n = recvmsg(connection->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const guint8 *end = NULL;

    if (n <= 0) {
        drop(connection);
        return;
    }
    keep_fds(connection->peer, &message);
    vp_buffer_append(&connection->in, bytes, n);
    while (connection->in.len > 0 &&
           (end = memchr(vp_buffer_bytes(&connection->in), '\n', connection->in.len))) {
        gsize size = end - vp_buffer_bytes(&connection->in);
        g_autofree char *line = g_strndup((const char *)vp_buffer_bytes(&connection->in), size);

        vp_buffer_consume(&connection->in, size + 1);
        receive_line(connection, line);
    }
}

static void
on_connect(VpWatch *watch G_GNUC_UNUSED, guint32 ready G_GNUC_UNUSED, gpointer data)
{
    VpTestPeer *peer = data;
    Connection *connection = NULL;
    int fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    connection = g_new0(Connection, 1);
    connection->peer = peer;
    connection->fd = fd;
    connection->watch = (VpWatch)VP_WATCH_INIT;
    g_queue_push_tail(&peer->connections, connection);
    g_assert_true(vp_watch_add(&connection->watch, peer->loop, fd, EPOLLIN, on_readable,
                               connection, NULL));
    peer->accepted++;
    if (peer->greeting)
        send_answer(connection, peer->greeting, "");
}

VpTestPeer *
vp_test_peer_new(void)
{
    VpTestPeer *peer = g_new0(VpTestPeer, 1);

    peer->loop = vp_loop_new(NULL, NULL);
    peer->directory = g_dir_make_tmp("virtpass-qmp-XXXXXX", NULL);
    g_assert_nonnull(peer->directory);
    peer->path = g_build_filename(peer->directory, "qmp.sock", NULL);
    peer->listener = vp_socket_listen(peer->path, 0600, -1, NULL);
    g_assert_cmpint(peer->listener, >=, 0);
    peer->watch = (VpWatch)VP_WATCH_INIT;
    g_assert_true(vp_watch_add(&peer->watch, peer->loop, peer->listener, EPOLLIN, on_connect, peer,
                               NULL));
    peer->always = g_ptr_array_new_with_free_func(line_free);
    peer->received = g_ptr_array_new_with_free_func(g_free);
    peer->ids = g_ptr_array_new_with_free_func(g_free);
    peer->fds = g_array_new(FALSE, FALSE, sizeof(int));
    peer->greeting = VP_TEST_GREETING;
    vp_test_peer_always(peer, VP_TEST_ENABLE_OOB, VP_TEST_OK);
    return peer;
}

void
vp_test_peer_free(VpTestPeer *peer)
{
    if (!peer)
        return;
    while (!g_queue_is_empty(&peer->connections))
        vp_test_peer_hang_up(peer);
    vp_test_peer_stop_listening(peer);
    g_unlink(peer->path);
    g_rmdir(peer->directory);
    vp_close_fds((int *)peer->fds->data, peer->fds->len);
    g_queue_clear_full(&peer->script, line_free);
    g_ptr_array_unref(peer->always);
    g_ptr_array_unref(peer->received);
    g_ptr_array_unref(peer->ids);
    g_array_unref(peer->fds);
    vp_loop_free(peer->loop);
    g_free(peer->directory);
    g_free(peer->path);
    g_free(peer);
}

void
vp_test_peer_forget(VpTestPeer *peer)
{
    g_ptr_array_set_size(peer->always, 0);
}

void
vp_test_peer_expect(VpTestPeer *peer, const char *command, const char *answer)
{
    g_queue_push_tail(&peer->script, line_new(command, answer));
}

void
vp_test_peer_always(VpTestPeer *peer, const char *command, const char *answer)
{
    g_ptr_array_add(peer->always, line_new(command, answer));
}

static Connection *
newest(const VpTestPeer *peer)
{
    Connection *connection = g_queue_peek_tail((GQueue *)&peer->connections);

    g_assert_nonnull(connection);
    return connection;
}

void
vp_test_peer_write(VpTestPeer *peer, const char *bytes, gsize n)
{
    send_bytes(newest(peer), bytes, n);
}

void
vp_test_peer_say(VpTestPeer *peer, const char *text)
{
    vp_test_peer_write(peer, text, strlen(text));
    vp_test_peer_write(peer, "\r\n", 2);
}

void
vp_test_peer_answer(VpTestPeer *peer, guint n)
{
    send_answer(newest(peer), VP_TEST_OK, g_ptr_array_index(peer->ids, n));
}

void
vp_test_peer_hang_up(VpTestPeer *peer)
{
    drop(newest(peer));
}

void
vp_test_peer_stop_listening(VpTestPeer *peer)
{
    vp_watch_remove(&peer->watch);
    vp_clear_fd(&peer->listener);
}

void
vp_test_peer_set_reading(VpTestPeer *peer, bool reading)
{
    vp_watch_set(&newest(peer)->watch, reading ? EPOLLIN : 0);
}

int
vp_test_peer_fd(const VpTestPeer *peer)
{
    return newest(peer)->fd;
}

bool
vp_test_peer_done(const VpTestPeer *peer)
{
    return g_queue_is_empty((GQueue *)&peer->script);
}
