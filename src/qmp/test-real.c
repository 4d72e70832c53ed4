/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The session with the real QEMU, which has the last word on what a command means, where an id
 * goes and who gets a descriptor. It has no machine, so it starts at once and can do no harm.
 */

#include "qmp/test-scene.h"

#include "base/socket.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BINARY "qemu-system-x86_64"
#define STATUS "{\"execute\":\"query-status\"}"
#define RUNNING "\"return\": {\"status\": \"running\", *}" /* more members in some versions */
#define SLOW "{\"execute\":\"query-qmp-schema\"}"
#define NO_FD                                                                                      \
    "{\"error\": {\"class\": \"GenericError\", \"desc\": \"No file descriptor supplied via "       \
    "SCM_RIGHTS\"}}"

/* A QEMU, and a session with it. */
typedef struct Guest {
    VpLoop *loop;
    char *directory;
    char *path;
    GPid pid;
    VpQmpSession *session;
    VpTestUser *users[3];
    GString *events; /* names, "|" behind each */
} Guest;

static void
die_with_parent(gpointer data G_GNUC_UNUSED)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void
on_event(VpQmpSession *session G_GNUC_UNUSED, const VpQmpEvent *event, gpointer data)
{
    Guest *guest = data;

    g_assert_cmpint(event->seconds, >, 0);
    g_string_append_printf(guest->events, "%s|", event->name);
}

static const VpQmpSessionOps ops = { .event = on_event };

static bool
guest_start(Guest *guest)
{
    g_autofree char *binary = g_find_program_in_path(BINARY);
    g_autofree char *chardev = NULL;
    g_autoptr(GError) error = NULL;

    *guest = (Guest){ .events = g_string_new(NULL) };
    if (!binary) {
        g_test_skip(BINARY " is not installed");
        return false;
    }
    guest->loop = vp_loop_new(NULL, NULL);
    guest->directory = g_dir_make_tmp("virtpass-qemu-XXXXXX", NULL);
    guest->path = g_build_filename(guest->directory, "qmp.sock", NULL);
    chardev = g_strdup_printf("unix:%s,server=on,wait=off", guest->path);
    const char *argv[] = { binary, "-machine", "none",      "-nodefaults", "-display", "none",
                           "-qmp", chardev, NULL };

    g_spawn_async(NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, die_with_parent, NULL,
                  &guest->pid, &error);
    g_assert_no_error(error);
    vp_test_until(g_file_test(guest->path, G_FILE_TEST_EXISTS));
    return true;
}

static bool
is(const Guest *guest, VpQmpState state)
{
    return vp_qmp_session_state(guest->session) == state;
}

/* Starts the session too, and waits until it can be used. */
static bool
guest_start_ready(Guest *guest)
{
    if (!guest_start(guest))
        return false;
    guest->session = vp_qmp_session_new(guest->loop, "test", guest->path, &ops, guest);
    vp_test_until(is(guest, VP_QMP_READY));
    for (gsize i = 0; i < G_N_ELEMENTS(guest->users); i++)
        guest->users[i] = vp_test_user_new(guest->session);
    return true;
}

static void
guest_kill(Guest *guest)
{
    if (guest->pid > 0) {
        kill(guest->pid, SIGKILL);
        waitpid(guest->pid, NULL, 0);
    }
    guest->pid = 0;
}

static void
guest_stop(Guest *guest)
{
    for (gsize i = 0; i < G_N_ELEMENTS(guest->users); i++)
        vp_test_user_free(guest->users[i]);
    vp_qmp_session_free(guest->session);
    guest_kill(guest);
    if (guest->path)
        g_unlink(guest->path);
    if (guest->directory)
        g_rmdir(guest->directory);
    vp_loop_free(guest->loop);
    g_free(guest->path);
    g_free(guest->directory);
    g_string_free(guest->events, TRUE);
}

/* Sends and waits. */
static const char *
ask_with(Guest *guest, guint user, const char *json, const int *fds, guint n_fds)
{
    guint before = guest->users[user]->replies->len;

    g_assert_cmpint(vp_test_user_try(guest->users[user], json, fds, n_fds), ==, VP_QMP_ACCEPTED);
    vp_test_until(guest->users[user]->replies->len > before);
    return vp_test_user_last(guest->users[user]);
}

static const char *
ask(Guest *guest, guint user, const char *json)
{
    return ask_with(guest, user, json, NULL, 0);
}

/* The session is in order. */
static void
assert_works(Guest *guest, guint user)
{
    g_assert_true(g_pattern_match_simple("{" RUNNING "}", ask(guest, user, STATUS)));
}

static void
test_replies(void)
{
    static const struct {
        const char *command;
        const char *reply; /* a pattern with '*' */
    } cases[] = {
        { STATUS, "{" RUNNING "}" },
        { "{\"execute\": \"query-status\", \"id\": 7}\r\n", "{" RUNNING ", \"id\": 7}" },
        { "{\"id\":{ \"x\" : [1] },\"execute\":\"query-status\"}",
          "{" RUNNING ", \"id\": { \"x\" : [1] }}" },
        { "\v{\"execute\"\f:\v\"query-status\"}\f", "{" RUNNING "}" },
        { "{\"execute\":\"query-status\"} \"no end", "{" RUNNING "}" },
        { "{\"exec-oob\": \"query-yank\"}", "{\"return\": [*\"compat_monitor0\"}]}" },
        { "{\"exec-oob\": \"query-yank\", \"id\": \"o1\"}",
          "{\"return\": [*], \"id\": \"o1\"}" },
        { "{\"exec-oob\": \"query-status\", \"id\": \"o2\"}",
          "{\"id\": \"o2\", \"error\": {\"class\": \"GenericError\", \"desc\": \"The command "
          "query-status does not support OOB\"}}" },
        { "{\"exec-oob\": \"nosuch\", \"id\": \"o3\"}",
          "{\"id\": \"o3\", \"error\": {\"class\": \"CommandNotFound\", *}}" },
        { "{\"exec-oob\": \"\\ud800\", \"id\": \"o4\"}",
          "{\"error\": {\"class\": \"GenericError\", \"desc\": \"*JSON parse error, *}}" },
        { "[1,2]", "{\"error\": {\"class\": \"GenericError\", \"desc\": \"QMP input must be a "
                   "JSON object\"}}" },
        { "\"x\"", "{\"error\": * JSON object\"}}" },
        { "12", "{\"error\": * JSON object\"}}" },
        { "true", "{\"error\": * JSON object\"}}" },
        { "null", "{\"error\": * JSON object\"}}" },
        { "{}", "{\"error\": *QMP input lacks member 'execute'\"}}" },
        { "{\"execute\": \"query-status\", \"foo\": 1, \"id\": 5}",
          "{\"id\": 5, \"error\": *QMP input member 'foo' is unexpected\"}}" },
        { "{\"execute\": \"query-status\", \"arguments\": {\"a\": 1}, \"id\": {\"x\": [1]}}",
          "{\"id\": {\"x\": [1]}, \"error\": *Parameter 'a' is unexpected\"}}" },
        { "{\"execute\": \"query-status\", \"exec-oob\": \"query-yank\", \"id\": 6}",
          "{\"id\": 6, \"error\": *member 'execute' clashes with 'exec-oob'\"}}" },
        { "{\"execute\":\"qmp_capabilities\"}", "{\"error\": *CommandNotFound*}" },
        { "{\"execute\":\"x\",\"a\":\"\\uffff\",\"id\":1}", "{\"error\": *JSON parse error*}" },
        { "{\"execute\":\"x\",\"a\":\"\xc0\xaf\",\"id\":1}", "{\"error\": *JSON parse error*}" },
        { "{\"execute\":\"x\",\"a\":1e999,\"id\":1}", "{\"id\": 1, \"error\": *unexpected*}" },
    };
    Guest guest;

    if (guest_start_ready(&guest)) {
        for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
            const char *reply = ask(&guest, 0, cases[i].command);

            if (!g_pattern_match_simple(cases[i].reply, reply))
                g_assert_cmpstr(reply, ==, cases[i].reply);
            assert_works(&guest, 1);
        }
        g_assert_cmpuint(vp_qmp_session_stats(guest.session)->stray_replies, ==, 0);
    }
    guest_stop(&guest);
}

/* What our limit lets through QEMU takes, and answers once. */
static void
test_nesting(void)
{
    Guest guest;

    if (guest_start_ready(&guest)) {
        g_autofree char *open = g_strnfill(VP_QMP_NESTING_MAX - 1, '[');
        g_autofree char *close = g_strnfill(VP_QMP_NESTING_MAX - 1, ']');
        g_autofree char *command = g_strdup_printf("{\"execute\":\"query-status\",\"a\":%s%s}",
                                                   open, close);

        g_assert_nonnull(strstr(ask(&guest, 0, command), "member 'a' is unexpected"));
        assert_works(&guest, 1);
    }
    guest_stop(&guest);
}

/* A hundred commands of three users at once: every one gets his own replies, in his order. */
static void
test_pipelining(void)
{
    Guest guest;

    if (guest_start_ready(&guest)) {
        for (guint i = 0; i < 100; i++) {
            g_autofree char *command = NULL;

            if (i % 7 == 3)
                command = g_strdup_printf("[%u]", i);
            else
                command = g_strdup_printf("{\"execute\":\"query-name\",\"id\":\"%u\"}", i);
            vp_test_user_send(guest.users[i % 3], command);
        }
        for (guint i = 0; i < 3; i++)
            vp_test_until(guest.users[i]->replies->len == (100 + 2 - i) / 3);
        for (guint i = 0; i < 100; i++) {
            const char *reply = g_ptr_array_index(guest.users[i % 3]->replies, i / 3);
            g_autofree char *expected = g_strdup_printf("{\"return\": {}, \"id\": \"%u\"}", i);

            if (i % 7 == 3)
                g_assert_nonnull(strstr(reply, "must be a JSON object"));
            else
                g_assert_cmpstr(reply, ==, expected);
        }
    }
    guest_stop(&guest);
}

/* QEMU takes long for a schema; out-of-band commands do not wait for eight of them. */
static void
test_out_of_band(void)
{
    Guest guest;

    if (guest_start_ready(&guest)) {
        for (guint i = 0; i < 10; i++)
            vp_test_user_send(guest.users[0], SLOW);
        for (guint i = 0; i < 3; i++)
            ask(&guest, 1, "{\"exec-oob\":\"query-yank\"}");
        g_assert_cmpuint(guest.users[0]->replies->len, <, 3);
        vp_test_until(guest.users[0]->replies->len == 10);
        for (guint i = 0; i < 10; i++)
            g_assert_cmpuint(strlen(g_ptr_array_index(guest.users[0]->replies, i)), >, 100000);
    }
    guest_stop(&guest);
}

static void
test_events(void)
{
    Guest guest;

    if (guest_start_ready(&guest)) {
        ask(&guest, 0, "{\"execute\":\"stop\"}");
        ask(&guest, 1, "{\"execute\":\"cont\"}");
        vp_test_until(strstr(guest.events->str, "RESUME|"));
        g_assert_cmpstr(guest.events->str, ==, "STOP|RESUME|");
    }
    guest_stop(&guest);
}

static guint
count_fds(const Guest *guest)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)guest->pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;

    while (g_dir_read_name(dir))
        n++;
    return n;
}

/*
 * Whatever is sent with descriptors, and however it ends: the next command of somebody else gets
 * none, and QEMU has no more open than before.
 */
static void
test_descriptors(void)
{
    static const int fds[VP_QMP_FDS_MAX] = { [0 ... VP_QMP_FDS_MAX - 1] = STDERR_FILENO };
    static const struct {
        const char *command;
        const char *reply; /* starts like this */
        const char *undo;
    } cases[] = {
        { "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"f\"}}", "{\"return\": {}}",
          "{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"f\"}}" },
        { "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":3}}", "{\"return\": {",
          "{\"execute\":\"remove-fd\",\"arguments\":{\"fdset-id\":3}}" },
        { STATUS, "{\"return\": ", STATUS },
        { "{\"execute\":\"getfd\"}", "{\"error\": ", STATUS },
        { "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"1\"}}", "{\"error\": ", STATUS },
        { "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":-1}}", "{\"error\": ", STATUS },
        { "{\"execute\":\"nosuch\",\"id\":1}", "{\"id\": 1, \"error\": ", STATUS },
        { "{\"execute\":\"getfd\",\"x\":\"\\ud800\"}", "{\"error\": ", STATUS },
        { "{\"exec-oob\":\"query-yank\"}", "{\"return\": ", STATUS },
        { "[]", "{\"error\": ", STATUS },
        { "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"getfd x\"}}",
          "{\"return\": ", STATUS },
    };
    static const guint numbers[] = { 1, 2, VP_QMP_FDS_MAX };
    Guest guest;

    if (guest_start_ready(&guest)) {
        guint before = count_fds(&guest);

        for (guint n = 0; n < G_N_ELEMENTS(numbers) * G_N_ELEMENTS(cases); n++) {
            guint i = n % G_N_ELEMENTS(cases);
            const char *reply = ask_with(&guest, 0, cases[i].command, fds,
                                         numbers[n / G_N_ELEMENTS(cases)]);

            g_assert_true(g_str_has_prefix(reply, cases[i].reply));
            g_assert_cmpstr(ask(&guest, 1,
                                "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"thief\"}}"),
                            ==, NO_FD);
            g_assert_true(g_str_has_prefix(ask(&guest, 0, cases[i].undo), "{\"return\": "));
            g_assert_cmpuint(count_fds(&guest), ==, before);
        }
    }
    guest_stop(&guest);
}

/* Two users who pass descriptors and others who do not, all at once. */
static void
test_descriptors_in_a_crowd(void)
{
    static const int fd = STDERR_FILENO;
    Guest guest;

    if (guest_start_ready(&guest)) {
        for (guint i = 0; i < 30; i++) {
            g_autofree char *get = g_strdup_printf(
                "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"f%u\"}}", i);

            vp_test_user_send(guest.users[0], STATUS);
            g_assert_cmpint(vp_test_user_try(guest.users[1], get, &fd, 1), ==, VP_QMP_ACCEPTED);
            vp_test_user_send(guest.users[2], get);
        }
        for (guint i = 0; i < 3; i++)
            vp_test_until(guest.users[i]->replies->len == 30);
        for (guint i = 0; i < 30; i++) {
            g_assert_cmpstr(g_ptr_array_index(guest.users[1]->replies, i), ==,
                            "{\"return\": {}}");
            g_assert_cmpstr(g_ptr_array_index(guest.users[2]->replies, i), ==, NO_FD);
        }
    }
    guest_stop(&guest);
}

static void
test_killed(void)
{
    Guest guest;

    if (guest_start_ready(&guest)) {
        for (guint i = 0; i < 30; i++)
            vp_test_user_send(guest.users[i % 3], SLOW);
        vp_test_until(guest.users[0]->replies->len == 1);
        guest_kill(&guest);
        vp_test_until(is(&guest, VP_QMP_LOST));
        for (guint i = 0; i < 3; i++) {
            g_assert_cmpuint(guest.users[i]->replies->len, ==, 10);
            g_assert_cmpstr(vp_test_user_last(guest.users[i]), ==, "LOST");
        }
    }
    guest_stop(&guest);
}

/* A stopped QEMU only makes its own callers wait. */
static void
test_stopped(void)
{
    Guest guest;

    if (guest_start_ready(&guest)) {
        kill(guest.pid, SIGSTOP);
        vp_test_user_send(guest.users[0], STATUS);
        vp_test_user_send(guest.users[1], STATUS);
        vp_test_wait(300);
        g_assert_true(is(&guest, VP_QMP_READY));
        g_assert_cmpuint(guest.users[0]->replies->len, ==, 0);
        g_clear_pointer(&guest.users[1], vp_test_user_free); /* gives up, and that costs nothing */
        kill(guest.pid, SIGCONT);
        vp_test_until(guest.users[0]->replies->len == 1);
        assert_works(&guest, 2);
    }
    guest_stop(&guest);
}

/* Another client has the monitor; later QEMU is stopped. Both look alike from outside: silence.
 * When they are over the session comes by itself. */
static void
test_busy_then_stopped(void)
{
    Guest guest;

    if (guest_start(&guest)) {
        int other = -1;
        char byte = 0;

        vp_test_until((other = vp_socket_connect(guest.path, NULL, NULL)) >= 0);
        vp_test_until(recv(other, &byte, 1, 0) == 1); /* greeted: it is in */
        guest.session = vp_qmp_session_new(guest.loop, "test", guest.path, &ops, &guest);
        vp_test_until(is(&guest, VP_QMP_LOST));
        g_assert_nonnull(strstr(vp_qmp_session_reason(guest.session), "another client"));
        kill(guest.pid, SIGSTOP);
        close(other);
        vp_test_wait(500);
        g_assert_false(is(&guest, VP_QMP_READY));
        kill(guest.pid, SIGCONT);
        vp_test_until(is(&guest, VP_QMP_READY));
    }
    guest_stop(&guest);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/real/replies", test_replies);
    g_test_add_func("/qmp/real/nesting", test_nesting);
    g_test_add_func("/qmp/real/pipelining", test_pipelining);
    g_test_add_func("/qmp/real/out-of-band", test_out_of_band);
    g_test_add_func("/qmp/real/events", test_events);
    g_test_add_func("/qmp/real/descriptors", test_descriptors);
    g_test_add_func("/qmp/real/descriptors-in-a-crowd", test_descriptors_in_a_crowd);
    g_test_add_func("/qmp/real/killed", test_killed);
    g_test_add_func("/qmp/real/stopped", test_stopped);
    g_test_add_func("/qmp/real/busy-then-stopped", test_busy_then_stopped);
    return g_test_run();
}
