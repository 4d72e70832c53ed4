/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The door: who gets through, who is dropped, and that nobody stands in another one's way. */

#include "rpc/tls_door.h"

#include "base/limits.h"
#include "base/log.h"
#include "rpc/test-certificates.h"
#include "rpc/test-helpers.h"

/* Longer than any test. */
#define FOREVER_MS 1000000

/* --- a stage ------------------------------------------------------------- */

static VpLoop *loop;
static VpTestCertificate good, foreign;

typedef struct VpStage {
    VpTlsContext *context;
    VpTlsDoor *door;
    GPtrArray *names;   /* of who came through */
    guint fds_at_start;
    bool shut_behind;   /* nobody else after the next one */
} VpStage;

static void
on_client(int fd, VpTls *tls, gpointer data)
{
    VpStage *stage = data;

    g_ptr_array_add(stage->names, g_strdup(vp_tls_peer_name(tls)));
    if (stage->shut_behind)
        vp_tls_door_set_open(stage->door, false);
    vp_tls_free(tls);
    vp_clear_fd(&fd);
}

static VpStage *
start(guint patience_ms)
{
    VpStage *stage = g_new0(VpStage, 1);
    VpTlsSettings settings = plain_settings();

    loop = vp_loop_new(NULL, NULL);
    stage->fds_at_start = count_fds();
    stage->context = context_or_fail(&settings);
    stage->names = g_ptr_array_new_with_free_func(g_free);
    stage->door = vp_tls_door_new(loop, stage->context, patience_ms, on_client, stage);
    return stage;
}

static void
finish(VpStage *stage)
{
    vp_tls_door_free(stage->door);
    g_assert_cmpuint(count_fds(), ==, stage->fds_at_start);
    vp_tls_context_unref(stage->context);
    g_ptr_array_unref(stage->names);
    g_free(stage);
    g_clear_pointer(&loop, vp_loop_free);
}

/* The peer's end. */
static int
arrive(VpStage *stage)
{
    int fds[2] = { -1, -1 };

    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
    vp_tls_door_admit(stage->door, fds[0]);
    return fds[1];
}

static void
turn(void)
{
    for (guint n = 0; g_main_context_iteration(NULL, FALSE); n++)
        g_assert_cmpuint(n, <, 1000);
}

static bool
is_closed(int fd)
{
    guint8 bytes[512];
    gssize ret = 0;

    turn();
    while ((ret = recv(fd, bytes, sizeof(bytes), 0)) > 0) /* an alert */
        ;
    return ret == 0 || errno != EAGAIN;
}

/* As far as it goes: GNUTLS_E_AGAIN when the server says nothing. */
static int
shake_hands(VpTestClient *client)
{
    int ret = GNUTLS_E_AGAIN;

    for (guint turns = 0; turns < 20 && ret == GNUTLS_E_AGAIN; turns++) {
        ret = gnutls_handshake(client->session);
        turn();
    }
    return ret;
}

/* What the client reads instead of the byte is < 0. */
static gssize
connect_as(VpStage *stage, const VpTestCertificate *certificate)
{
    VpTestClient client = client_new(arrive(stage), certificate, NULL);
    guint8 byte = 0;
    gssize ret = shake_hands(&client);

    if (ret == 0)
        ret = gnutls_record_recv(client.session, &byte, 1);
    g_assert_cmpuint(byte, ==, ret == 1);
    client_close(&client);
    return ret;
}

static void
assert_through(const VpStage *stage, guint n, const char *last)
{
    g_assert_cmpuint(stage->names->len, ==, n);
    g_assert_cmpstr(g_ptr_array_index(stage->names, n - 1), ==, last);
}

/* --- tests --------------------------------------------------------------- */

static void
test_clients(void)
{
    VpStage *stage = start(FOREVER_MS);

    g_assert_cmpint(connect_as(stage, &good), ==, 1);
    assert_through(stage, 1, "O=Test,CN=good");
    g_assert_cmpint(connect_as(stage, &foreign), <, 0);
    g_assert_cmpint(connect_as(stage, NULL), <, 0);
    g_assert_cmpuint(stage->names->len, ==, 1);
    g_assert_cmpuint(vp_tls_door_waiting(stage->door), ==, 0);
    g_assert_cmpint(connect_as(stage, &good), ==, 1);
    assert_through(stage, 2, "O=Test,CN=good");
    finish(stage);
}

/* Peers that say nothing, half of something, or nonsense, or leave. */
static void
test_peers_that_are_no_clients(void)
{
    static const guint8 half[] = { 22, 3, 1, 2, 0, 1 };
    VpStage *stage = start(FOREVER_MS);
    vp_autofd int silent = arrive(stage);
    vp_autofd int slow = arrive(stage);
    vp_autofd int wrong = arrive(stage);
    vp_autofd int gone = arrive(stage);

    g_assert_cmpint(send(slow, half, sizeof(half), 0), ==, sizeof(half));
    g_assert_cmpint(send(wrong, "GET / HTTP/1.1\r\n\r\n", 18, 0), ==, 18);
    vp_clear_fd(&gone);
    g_assert_true(is_closed(wrong));
    g_assert_false(is_closed(silent));
    g_assert_false(is_closed(slow));
    g_assert_cmpuint(vp_tls_door_waiting(stage->door), ==, 2);
    g_assert_cmpint(connect_as(stage, &good), ==, 1);
    vp_clear_fd(&silent);
    vp_clear_fd(&slow);
    vp_clear_fd(&wrong);
    finish(stage);
}

/* As many as there may be; one more, and it is the oldest that goes. A client gets through all the
 * same. */
static void
test_limit(void)
{
    VpStage *stage = start(FOREVER_MS);
    int fds[VP_TLS_HANDSHAKES_MAX] = { 0 };

    for (guint i = 0; i < VP_TLS_HANDSHAKES_MAX; i++)
        fds[i] = arrive(stage);
    g_assert_false(is_closed(fds[0]));
    g_assert_cmpuint(vp_tls_door_waiting(stage->door), ==, VP_TLS_HANDSHAKES_MAX);
    g_assert_cmpint(connect_as(stage, &good), ==, 1);
    g_assert_true(is_closed(fds[0]));
    for (guint i = 1; i < VP_TLS_HANDSHAKES_MAX; i++)
        g_assert_false(is_closed(fds[i]));
    g_assert_cmpuint(vp_tls_door_waiting(stage->door), ==, VP_TLS_HANDSHAKES_MAX - 1);
    vp_close_fds(fds, VP_TLS_HANDSHAKES_MAX);
    turn();
    g_assert_cmpuint(vp_tls_door_waiting(stage->door), ==, 0);
    finish(stage);
}

/* Patience ends for each in its turn, also for one that keeps sending. */
static void
test_patience(void)
{
    static const guint8 half[] = { 22, 3, 1, 2, 0, 1 };
    VpStage *stage = start(30);
    vp_autofd int first = arrive(stage);
    vp_autofd int second = -1;
    gint64 begin = g_get_monotonic_time();

    while (g_get_monotonic_time() < begin + 10 * 1000)
        g_usleep(1000);
    second = arrive(stage);
    g_assert_cmpint(send(first, half, sizeof(half), 0), ==, sizeof(half));
    while (vp_tls_door_waiting(stage->door) > 1)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpint(g_get_monotonic_time(), >=, begin + 30 * 1000);
    g_assert_true(is_closed(first));
    while (vp_tls_door_waiting(stage->door) > 0)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpint(g_get_monotonic_time(), >=, begin + 40 * 1000);
    g_assert_true(is_closed(second));
    vp_clear_fd(&first);
    vp_clear_fd(&second);
    finish(stage);
}

/* While it is shut nobody comes through, but leaves; then it goes on. */
static void
test_shut(void)
{
    VpStage *stage = start(FOREVER_MS);
    VpTestClient clients[3];

    for (guint i = 0; i < 3; i++) { /* on both sides of the door's shutting */
        if (i == 1)
            vp_tls_door_set_open(stage->door, false);
        clients[i] = client_new(arrive(stage), &good, NULL);
        g_assert_cmpint(gnutls_handshake(clients[i].session), ==, GNUTLS_E_AGAIN);
    }
    for (guint i = 0; i < 3; i++)
        g_assert_cmpint(shake_hands(&clients[i]), ==, GNUTLS_E_AGAIN);
    g_assert_cmpuint(vp_tls_door_waiting(stage->door), ==, 3);
    client_close(&clients[0]);
    turn();
    g_assert_cmpuint(vp_tls_door_waiting(stage->door), ==, 2);
    stage->shut_behind = true; /* two are ready in the same turn: only one may come */
    vp_tls_door_set_open(stage->door, true);
    for (guint i = 1; i < 3; i++)
        shake_hands(&clients[i]);
    assert_through(stage, 1, "O=Test,CN=good");
    g_assert_cmpuint(vp_tls_door_waiting(stage->door), ==, 1);
    vp_tls_door_set_open(stage->door, true);
    for (guint i = 1; i < 3; i++) {
        shake_hands(&clients[i]);
        client_close(&clients[i]);
    }
    assert_through(stage, 2, "O=Test,CN=good");
    finish(stage);
}

/* Other credentials count for who comes then, and not for who is there. */
static void
test_other_context(void)
{
    VpStage *stage = start(FOREVER_MS);
    const char *const nobody[] = { NULL };
    VpTlsSettings settings = plain_settings();
    g_autoptr(VpTlsContext) strict = NULL;
    VpTestClient before = client_new(arrive(stage), &good, NULL);

    settings.allowed_names = nobody;
    strict = context_or_fail(&settings);
    vp_tls_door_set_context(stage->door, strict);
    g_assert_cmpint(shake_hands(&before), ==, 0);
    assert_through(stage, 1, "O=Test,CN=good");
    client_close(&before);
    g_assert_cmpint(connect_as(stage, &good), <, 0);
    vp_tls_door_set_context(stage->door, stage->context);
    g_assert_cmpint(connect_as(stage, &good), ==, 1);
    finish(stage);
}

/* The end with some of them waiting. */
static void
test_end(void)
{
    VpStage *stage = start(FOREVER_MS);
    vp_autofd int one = arrive(stage);
    vp_autofd int other = arrive(stage);

    vp_tls_door_free(g_steal_pointer(&stage->door));
    g_assert_true(is_closed(one));
    g_assert_true(is_closed(other));
    vp_clear_fd(&one);
    vp_clear_fd(&other);
    finish(stage);
}

/* --- what is logged -------------------------------------------------------- */

/* What the log has about @refused peers, all at once, whose certificate nobody signed. */
static char *
log_of(guint refused)
{
    VpStage *stage = start(FOREVER_MS);
    vp_autofd int before = dup(STDERR_FILENO);
    vp_autofd int log = memfd_create("log", MFD_CLOEXEC);
    g_autofree char *text = NULL;
    gsize size = 0;

    vp_log_set_level(VP_LOG_WARNING);
    g_assert_no_errno(dup2(log, STDERR_FILENO));
    for (guint i = 0; i < refused; i++)
        g_assert_cmpint(connect_as(stage, &foreign), <, 0);
    g_assert_cmpint(connect_as(stage, &good), ==, 1);
    vp_tls_door_free(g_steal_pointer(&stage->door));
    g_assert_no_errno(dup2(before, STDERR_FILENO));
    vp_log_set_level(VP_LOG_ERROR);
    size = lseek(log, 0, SEEK_END);
    text = g_malloc0(size + 1);
    g_assert_cmpint(pread(log, text, size, 0), ==, size);
    vp_clear_fd(&before);
    vp_clear_fd(&log);
    finish(stage);
    return g_steal_pointer(&text);
}

static guint
count(const char *text, const char *words)
{
    g_auto(GStrv) parts = g_strsplit(text, words, -1);

    return g_strv_length(parts) - 1;
}

static void
test_refusals_in_the_log(void)
{
    g_autofree char *limit = log_of(VP_TLS_REFUSALS_LOGGED_MAX);
    g_autofree char *more = log_of(VP_TLS_REFUSALS_LOGGED_MAX + 3);

    g_assert_cmpuint(count(limit, "is refused"), ==, VP_TLS_REFUSALS_LOGGED_MAX);
    g_assert_cmpuint(count(limit, "more were refused"), ==, 0);
    g_assert_cmpuint(count(more, "is refused"), ==, VP_TLS_REFUSALS_LOGGED_MAX);
    g_assert_cmpuint(count(more, "TLS: 3 more were refused"), ==, 1);
}

int
main(int argc, char **argv)
{
    VpTestCertificate other = { 0 };
    int status = 0;

    g_test_init(&argc, &argv, NULL);
    vp_log_set_level(VP_LOG_ERROR); /* who is refused is logged */
    make_tls_dir();
    other = make_certificate(&(VpTestWish){ .name = "CN=other", .ca = true }, NULL);
    good = make_certificate(&(VpTestWish){ .name = "O=Test,CN=good" }, &test_ca);
    foreign = make_certificate(&(VpTestWish){ .name = "O=Test,CN=good" }, &other);
    g_test_add_func("/tls-door/clients", test_clients);
    g_test_add_func("/tls-door/peers-that-are-no-clients", test_peers_that_are_no_clients);
    g_test_add_func("/tls-door/limit", test_limit);
    g_test_add_func("/tls-door/patience", test_patience);
    g_test_add_func("/tls-door/shut", test_shut);
    g_test_add_func("/tls-door/other-context", test_other_context);
    g_test_add_func("/tls-door/end", test_end);
    g_test_add_func("/tls-door/refusals-in-the-log", test_refusals_in_the_log);
    status = g_test_run();
    drop_certificate(&good);
    drop_certificate(&foreign);
    drop_certificate(&other);
    remove_tls_dir();
    return status;
}
