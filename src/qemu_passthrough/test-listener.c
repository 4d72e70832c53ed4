/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The sockets that clients connect to, in a directory of our own. */

#include "qemu_passthrough/listener.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/inet.h"
#include "base/log.h"
#include "base/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char *directory;  /* of the test at hand */
static VpLoop *loop;

/* --- a stage ------------------------------------------------------------------ */

/* Clients that came. */
typedef struct VpArrivals {
    guint n, n_read_only;
} VpArrivals;

static void
on_client(int fd, VpTls *tls, bool read_only, gpointer data)
{
    VpArrivals *arrivals = data;
    vp_autofd int owned = fd;

    g_assert_cmpint(fcntl(fd, F_GETFL) & O_NONBLOCK, ==, O_NONBLOCK);
    g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    g_assert_null(tls);
    arrivals->n++;
    arrivals->n_read_only += read_only;
}

static void
start(void)
{
    directory = g_dir_make_tmp("vp-XXXXXX", NULL);
    g_assert_nonnull(directory);
    loop = vp_loop_new(NULL, NULL);
}

static char *
path_of(const char *name)
{
    return g_build_filename(directory, name, NULL);
}

static void
remove_file(const char *name)
{
    g_autofree char *path = path_of(name);

    g_unlink(path);
}

static void
remove_directory(const char *name)
{
    g_autofree char *path = path_of(name);

    g_assert_no_errno(g_rmdir(path));
}

static bool
exists(const char *name)
{
    g_autofree char *path = path_of(name);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void
finish(void)
{
    remove_file("virtpassd.lock");
    g_assert_no_errno(g_rmdir(directory)); /* nothing else was left in it */
    g_clear_pointer(&directory, g_free);
    g_clear_pointer(&loop, vp_loop_free);
}

static VpConfig
plain_config(void)
{
    return (VpConfig){ .listen_dir = directory, .rw_perms = -1, .ro_perms = -1,
                       .max_queued_clients = 100 };
}

static VpListener *
listen_or_fail(const VpConfig *config, const char *upstream, VpArrivals *arrivals)
{
    g_autoptr(GError) error = NULL;
    VpListener *listener = vp_listener_new(loop, config, upstream, on_client, arrivals, &error);

    g_assert_no_error(error);
    g_assert_nonnull(listener);
    return listener;
}

/* The error's text; NULL when there was none. */
static char *
listen_error(const VpConfig *config)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VpListener) listener = vp_listener_new(loop, config, NULL, on_client, NULL, &error);

    g_assert_cmpint(listener == NULL, ==, error != NULL);
    return error ? g_strdup(error->message) : NULL;
}

static void
turn(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static int
connect_to(const char *name)
{
    g_autofree char *path = path_of(name);
    int fd = vp_socket_connect(path, NULL, NULL);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static void
assert_access(const char *name, mode_t mode, gid_t group)
{
    g_autofree char *path = path_of(name);
    struct stat st = { 0 };

    g_assert_no_errno(stat(path, &st));
    g_assert_true(S_ISSOCK(st.st_mode));
    g_assert_cmpuint(st.st_mode & 07777, ==, mode);
    g_assert_cmpuint(st.st_gid, ==, group);
}

/* A file in the place of one of libvirtd's sockets; all that counts is who may open it. */
static void
make_like(const char *name, mode_t mode, gid_t group)
{
    g_autofree char *path = path_of(name);

    g_assert_true(g_file_set_contents(path, "", 0, NULL));
    g_assert_no_errno(chown(path, -1, group));
    g_assert_no_errno(chmod(path, mode));
}

/* --- clients --------------------------------------------------------------------- */

static void
test_clients(void)
{
    VpArrivals arrivals = { 0 };
    VpListener *listener = NULL;
    VpConfig config;

    start();
    config = plain_config();
    listener = listen_or_fail(&config, NULL, &arrivals);
    for (guint i = 1; i <= 3; i++) {
        vp_autofd int fd = connect_to("virtpassd-sock");
        vp_autofd int ro_fd = connect_to("virtpassd-sock-ro");

        turn();
        g_assert_cmpuint(arrivals.n, ==, 2 * i);
        g_assert_cmpuint(arrivals.n_read_only, ==, i);
    }
    g_assert_true(g_str_has_suffix(vp_listener_path(listener), "/virtpassd-sock"));
    vp_listener_free(listener);
    g_assert_false(exists("virtpassd-sock"));
    g_assert_false(exists("virtpassd-sock-ro"));
    vp_listener_free(NULL);
    finish();
}

/* Who comes while nobody is accepted waits, and is not turned away. */
static void
test_not_accepting(void)
{
    VpArrivals arrivals = { 0 };
    VpListener *listener = NULL;
    VpConfig config;
    vp_autofd int fd = -1;
    vp_autofd int ro_fd = -1;

    start();
    config = plain_config();
    listener = listen_or_fail(&config, NULL, &arrivals);
    vp_listener_set_accepting(listener, false);
    fd = connect_to("virtpassd-sock");
    ro_fd = connect_to("virtpassd-sock-ro");
    turn();
    g_assert_cmpuint(arrivals.n, ==, 0);
    vp_listener_set_accepting(listener, true);
    turn();
    g_assert_cmpuint(arrivals.n, ==, 2);
    vp_listener_free(listener);
    finish();
}

/* --- who may connect --------------------------------------------------------------- */

/* As at libvirtd's sockets, but for everybody on the read-write one. */
static void
test_access_like_upstream(void)
{
    static const struct {
        mode_t like, like_ro;
        mode_t mode, mode_ro;
    } cases[] = {
        { 0777, 0777, 0770, 0777 },
        { 0770, 0777, 0770, 0777 },
        { 0700, 0770, 0700, 0770 },
        { 0660, 0666, 0660, 0666 },
    };
    gid_t group = geteuid() == 0 ? 12345 : getegid();

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *upstream = NULL;
        VpListener *listener = NULL;
        VpConfig config;

        start();
        config = plain_config();
        upstream = path_of("libvirt-sock");
        make_like("libvirt-sock", cases[i].like, group);
        make_like("libvirt-sock-ro", cases[i].like_ro, getegid());
        listener = listen_or_fail(&config, upstream, NULL);
        assert_access("virtpassd-sock", cases[i].mode, group);
        assert_access("virtpassd-sock-ro", cases[i].mode_ro, getegid());
        vp_listener_free(listener);
        remove_file("libvirt-sock");
        remove_file("libvirt-sock-ro");
        finish();
    }
}

/* Without libvirtd, or with one that has no read-only socket, nobody but the owner. */
static void
test_access_without_upstream(void)
{
    g_autofree char *upstream = NULL;
    VpListener *listener = NULL;
    VpConfig config;

    start();
    config = plain_config();
    upstream = path_of("libvirt-sock");
    listener = listen_or_fail(&config, NULL, NULL);
    assert_access("virtpassd-sock", 0700, getegid());
    assert_access("virtpassd-sock-ro", 0700, getegid());
    vp_listener_free(listener);
    make_like("libvirt-sock", 0770, getegid());
    listener = listen_or_fail(&config, upstream, NULL);
    assert_access("virtpassd-sock", 0770, getegid());
    assert_access("virtpassd-sock-ro", 0700, getegid());
    vp_listener_free(listener);
    remove_file("libvirt-sock");
    finish();
}

/* What is configured is above that, also where it is everybody. */
static void
test_access_configured(void)
{
    g_autofree char *upstream = NULL;
    VpListener *listener = NULL;
    VpConfig config;

    start();
    upstream = path_of("libvirt-sock");
    make_like("libvirt-sock", 0770, getegid());
    make_like("libvirt-sock-ro", 0770, getegid());
    config = plain_config();
    config.rw_perms = 0777;
    config.ro_perms = 0;
    if (geteuid() == 0)
        config.group = (char *)"daemon"; /* 1 wherever there is a Unix */
    listener = listen_or_fail(&config, upstream, NULL);
    assert_access("virtpassd-sock", 0777, geteuid() == 0 ? 1 : getegid());
    assert_access("virtpassd-sock-ro", 0, geteuid() == 0 ? 1 : getegid());
    vp_listener_free(listener);
    remove_file("libvirt-sock");
    remove_file("libvirt-sock-ro");
    finish();
}

static void
test_unknown_group(void)
{
    g_autofree char *message = NULL;
    VpConfig config;

    start();
    config = plain_config();
    config.group = (char *)"no-such-group";
    message = listen_error(&config);
    g_assert_nonnull(strstr(message, "no-such-group"));
    finish();
}

/* --- one instance ---------------------------------------------------------------------- */

static void
test_second_instance(void)
{
    g_autofree char *message = NULL;
    VpArrivals arrivals = { 0 };
    VpListener *listener = NULL;
    VpConfig config;
    vp_autofd int fd = -1;

    start();
    config = plain_config();
    listener = listen_or_fail(&config, NULL, &arrivals);
    message = listen_error(&config);
    g_assert_nonnull(strstr(message, directory));
    g_assert_nonnull(strstr(message, "another virtpassd"));
    /* The first one's sockets are untouched. */
    fd = connect_to("virtpassd-sock");
    turn();
    g_assert_cmpuint(arrivals.n, ==, 1);
    vp_listener_free(listener);
    listener = listen_or_fail(&config, NULL, NULL);
    vp_listener_free(listener);
    finish();
}

/* A child that serves and dies without a word leaves its sockets; they are replaced. */
static void
test_stale_sockets(void)
{
    VpArrivals arrivals = { 0 };
    VpListener *listener = NULL;
    VpConfig config;
    vp_autofd int fd = -1;
    int status = -1;
    pid_t pid = 0;

    start();
    config = plain_config();
    pid = fork();
    if (pid == 0)
        _exit(vp_listener_new(loop, &config, NULL, on_client, NULL, NULL) ? 0 : 1);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
    g_assert_true(exists("virtpassd-sock"));
    listener = listen_or_fail(&config, NULL, &arrivals);
    fd = connect_to("virtpassd-sock");
    turn();
    g_assert_cmpuint(arrivals.n, ==, 1);
    vp_listener_free(listener);
    finish();
}

/* The directory is made; that it cannot be is an error with its name. */
static void
test_directory(void)
{
    g_autofree char *below = NULL, *under_file = NULL, *message = NULL;
    VpListener *listener = NULL;
    VpConfig config;

    start();
    config = plain_config();
    below = path_of("a/b");
    config.listen_dir = below;
    listener = listen_or_fail(&config, NULL, NULL);
    g_assert_true(exists("a/b/virtpassd-sock"));
    vp_listener_free(listener);
    remove_file("a/b/virtpassd.lock");
    remove_directory("a/b");
    remove_directory("a");
    under_file = path_of("file/dir");
    make_like("file", 0600, getegid());
    config.listen_dir = under_file;
    message = listen_error(&config);
    g_assert_nonnull(strstr(message, under_file));
    remove_file("file");
    finish();
}

/* "virtpassd-sock-ro" does not fit any more where "virtpassd-sock" does: neither is left behind. */
static void
test_long_path(void)
{
    g_autofree char *name = NULL, *long_dir = NULL, *lock = NULL, *message = NULL;
    VpConfig config;

    start();
    config = plain_config();
    name = g_strnfill(VP_SOCKET_PATH_MAX - strlen("/virtpassd-sock") - strlen(directory) - 1, 'd');
    long_dir = path_of(name);
    config.listen_dir = long_dir;
    message = listen_error(&config);
    g_assert_nonnull(strstr(message, "virtpassd-sock-ro"));
    g_assert_nonnull(strstr(message, "107"));
    lock = g_build_filename(long_dir, "virtpassd.lock", NULL);
    g_unlink(lock);
    g_assert_no_errno(g_rmdir(long_dir));
    finish();
}

/* --- sockets that were passed -------------------------------------------------------------- */

/* Puts descriptors where systemd does. In a child, after which nothing is as it was. */
static void
pass_fds(int *fds, int n, pid_t for_pid)
{
    g_autofree char *pid = g_strdup_printf("%d", (int)for_pid);
    g_autofree char *count = g_strdup_printf("%d", n);

    for (int i = 0; i < n; i++) {
        int high = fcntl(fds[i], F_DUPFD, 100);

        g_assert_no_errno(high);
        fds[i] = high;
    }
    for (int i = 0; i < n; i++)
        g_assert_no_errno(dup2(fds[i], 3 + i));
    g_setenv("LISTEN_PID", pid, TRUE);
    g_setenv("LISTEN_FDS", count, TRUE);
    g_setenv("LISTEN_FDNAMES", "whatever", TRUE);
}

/* Runs @func in a child with the test's directory; it must come through. */
static void
in_child(void (*func)(void))
{
    int status = -1;
    pid_t pid = 0;

    start();
    g_clear_pointer(&loop, vp_loop_free);
    pid = fork();
    if (pid == 0) {
        func();
        _exit(0);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
    remove_file("passed-sock");
    remove_file("passed-sock-ro");
    finish();
}

static int
make_passed(const char *name)
{
    g_autofree char *path = path_of(name);
    int fd = vp_socket_listen(path, 0600, -1, NULL);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

/* Which is which is known from their names; they stay when we go. */
static void
use_passed_sockets(void)
{
    int fds[2] = { make_passed("passed-sock-ro"), make_passed("passed-sock") };
    VpArrivals arrivals = { 0 };
    VpListener *listener = NULL;
    VpConfig config = plain_config();
    g_autofree char *path = path_of("passed-sock");
    int client = -1;

    pass_fds(fds, 2, getpid());
    loop = vp_loop_new(NULL, NULL);
    listener = listen_or_fail(&config, NULL, &arrivals);
    g_assert_null(getenv("LISTEN_FDS")); /* no child of ours is to take them for its own */
    g_assert_null(getenv("LISTEN_PID"));
    g_assert_cmpint(fcntl(3, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    g_assert_cmpint(fcntl(4, F_GETFL) & O_NONBLOCK, ==, O_NONBLOCK);
    g_assert_cmpstr(vp_listener_path(listener), ==, path);
    client = connect_to("passed-sock");
    turn();
    g_assert_cmpuint(arrivals.n, ==, 1);
    g_assert_cmpuint(arrivals.n_read_only, ==, 0);
    close(client);
    client = connect_to("passed-sock-ro");
    turn();
    g_assert_cmpuint(arrivals.n_read_only, ==, 1);
    vp_listener_free(listener);
    g_assert_true(exists("passed-sock"));
    g_assert_true(exists("passed-sock-ro"));
    g_assert_false(exists("virtpassd-sock"));
    g_assert_false(exists("virtpassd.lock"));
}

static void
test_passed_sockets(void)
{
    in_child(use_passed_sockets);
}

static void
use_too_many_sockets(void)
{
    int fds[3] = { make_passed("passed-sock"), make_passed("passed-sock-ro"),
                   make_passed("passed-sock-3") };
    g_autofree char *message = NULL;
    VpConfig config = plain_config();

    pass_fds(fds, 3, getpid());
    loop = vp_loop_new(NULL, NULL);
    message = listen_error(&config);
    g_assert_nonnull(strstr(message, "more than 2 unix sockets"));
    remove_file("passed-sock-3");
}

static void
test_too_many_sockets(void)
{
    in_child(use_too_many_sockets);
}

static void
use_no_socket(void)
{
    int fds[1] = { open("/dev/null", O_RDWR) };
    g_autofree char *message = NULL;
    VpConfig config = plain_config();

    pass_fds(fds, 1, getpid());
    loop = vp_loop_new(NULL, NULL);
    message = listen_error(&config);
    g_assert_nonnull(strstr(message, "descriptor 3"));
}

static void
test_no_socket(void)
{
    in_child(use_no_socket);
}

/* What is said of @n TCP sockets that were passed, with no certificates to be had. */
static void
pass_tcp_sockets(guint n, const char *word)
{
    int fds[VP_INET_SOCKETS_MAX + 1] = { 0 };
    g_autofree char *message = NULL;
    g_autofree char *absent = path_of("absent.pem");
    VpConfig config = plain_config();

    config.tls.ca_file = absent;
    signal(SIGPIPE, SIG_IGN); /* GLib's own wakeup descriptor may be among those replaced */
    for (guint i = 0; i < n; i++)
        g_assert_cmpuint(vp_inet_listen("127.0.0.1", 0, fds + i, NULL), ==, 1);
    pass_fds(fds, n, getpid());
    loop = vp_loop_new(NULL, NULL);
    message = listen_error(&config);
    g_assert_nonnull(message);
    g_assert_nonnull(strstr(message, word));
    g_assert_false(exists("virtpassd-sock"));
}

/* They are for TLS, whether the configuration asks for it or not. */
static void
use_tcp_socket(void)
{
    pass_tcp_sockets(1, "[listen] ca_file");
}

static void
use_many_tcp_sockets(void)
{
    pass_tcp_sockets(VP_INET_SOCKETS_MAX, "[listen] ca_file");
}

static void
use_too_many_tcp_sockets(void)
{
    pass_tcp_sockets(VP_INET_SOCKETS_MAX + 1, "more than 8 sockets for TLS");
}

static void
test_tcp_sockets(void)
{
    in_child(use_tcp_socket);
    in_child(use_many_tcp_sockets);
    in_child(use_too_many_tcp_sockets);
}

/* The variables of a process that started us are not meant for us. */
static void
use_sockets_of_another(void)
{
    int fds[1] = { make_passed("passed-sock") };
    VpListener *listener = NULL;
    VpConfig config = plain_config();

    pass_fds(fds, 1, getppid());
    loop = vp_loop_new(NULL, NULL);
    listener = listen_or_fail(&config, NULL, NULL);
    g_assert_true(exists("virtpassd-sock"));
    vp_listener_free(listener);
}

static void
test_sockets_of_another(void)
{
    in_child(use_sockets_of_another);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    vp_log_set_level(VP_LOG_ERROR);
    g_test_add_func("/qemu_passthrough/listener/clients", test_clients);
    g_test_add_func("/qemu_passthrough/listener/not-accepting", test_not_accepting);
    g_test_add_func("/qemu_passthrough/listener/access-like-upstream", test_access_like_upstream);
    g_test_add_func("/qemu_passthrough/listener/access-without-upstream",
                    test_access_without_upstream);
    g_test_add_func("/qemu_passthrough/listener/access-configured", test_access_configured);
    g_test_add_func("/qemu_passthrough/listener/unknown-group", test_unknown_group);
    g_test_add_func("/qemu_passthrough/listener/second-instance", test_second_instance);
    g_test_add_func("/qemu_passthrough/listener/stale-sockets", test_stale_sockets);
    g_test_add_func("/qemu_passthrough/listener/directory", test_directory);
    g_test_add_func("/qemu_passthrough/listener/long-path", test_long_path);
    g_test_add_func("/qemu_passthrough/listener/passed-sockets", test_passed_sockets);
    g_test_add_func("/qemu_passthrough/listener/too-many-sockets", test_too_many_sockets);
    g_test_add_func("/qemu_passthrough/listener/no-socket", test_no_socket);
    g_test_add_func("/qemu_passthrough/listener/tcp-sockets", test_tcp_sockets);
    g_test_add_func("/qemu_passthrough/listener/sockets-of-another", test_sockets_of_another);
    return g_test_run();
}
