/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Unix sockets in a directory of our own: limits of the path, mode and group, who connects. */

#include "base/socket.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char *directory;

static char *
path_of(const char *name)
{
    return g_build_filename(directory, name, NULL);
}

/* A path in our directory that is exactly @length bytes long. */
static char *
path_of_length(gsize length)
{
    g_autofree char *name = g_strnfill(length - strlen(directory) - 1, 'n');

    return path_of(name);
}

static mode_t
mode_of(const char *path)
{
    struct stat st = { 0 };

    g_assert_no_errno(stat(path, &st));
    g_assert_true(S_ISSOCK(st.st_mode));
    return st.st_mode & 0777;
}

static int
listen_or_fail(const char *path)
{
    g_autoptr(GError) error = NULL;
    int fd = vp_socket_listen(path, 0600, -1, &error);

    g_assert_no_error(error);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

/* Both functions take a path of 107 bytes and none of 108; none leaves a descriptor or file. */
static void
test_path_length(void)
{
    g_autofree char *fits = path_of_length(VP_SOCKET_PATH_MAX);
    g_autofree char *too_long = path_of_length(VP_SOCKET_PATH_MAX + 1);
    vp_autofd int server = listen_or_fail(fits);
    vp_autofd int client = vp_socket_connect(fits, NULL, NULL);
    g_autoptr(GError) why = NULL;
    g_autoptr(GError) why_not = NULL;
    int errnum = -1;

    g_assert_cmpint(client, >=, 0);
    g_assert_cmpint(vp_socket_listen(too_long, 0600, -1, &why), ==, -1);
    g_assert_error(why, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_nonnull(strstr(why->message, too_long));
    g_assert_nonnull(strstr(why->message, "107"));
    g_assert_false(g_file_test(too_long, G_FILE_TEST_EXISTS));
    g_assert_cmpint(vp_socket_connect(too_long, &errnum, &why_not), ==, -1);
    g_assert_error(why_not, VP_ERROR, VP_ERROR_LIMIT);
    g_assert_cmpint(errnum, ==, 0);
    g_unlink(fits);
}

/* Whatever the umask is, and it stays what it was. */
static void
test_mode(void)
{
    static const mode_t modes[] = { 0700, 0770, 0777, 0660, 0600, 0 };
    mode_t old = umask(027);

    for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
        g_autofree char *path = path_of("mode");
        vp_autofd int fd = vp_socket_listen(path, modes[i], -1, NULL);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpuint(mode_of(path), ==, modes[i]);
        g_unlink(path);
    }
    g_assert_cmpuint(umask(old), ==, 027);
}

static void
test_group(void)
{
    g_autofree char *path = path_of("group");
    vp_autofd int fd = -1;
    struct stat st = { 0 };

    if (geteuid() != 0) {
        g_test_skip("only root can give a file to any group");
        return;
    }
    fd = vp_socket_listen(path, 0660, 12345, NULL);
    g_assert_cmpint(fd, >=, 0);
    g_assert_no_errno(stat(path, &st));
    g_assert_cmpuint(st.st_gid, ==, 12345);
    g_assert_cmpuint(st.st_uid, ==, geteuid());
    g_assert_cmpuint(mode_of(path), ==, 0660);
    g_unlink(path);
}

/* Exit status of an ordinary user who asks for a group that is not his: 0 when he was refused. */
static int
try_foreign_group(const char *path)
{
    g_autoptr(GError) error = NULL;

    if (setresgid(65534, 65534, 65534) < 0 || setgroups(0, NULL) < 0 ||
        setresuid(65534, 65534, 65534) < 0)
        return 2;
    return vp_socket_listen(path, 0660, 12345, &error) == -1 &&
           g_error_matches(error, VP_ERROR, VP_ERROR_FAILED) ? 0 : 1;
}

/* A socket that could not be given to its group is not left behind, with a mode of nobody's. */
static void
test_group_refused(void)
{
    g_autofree char *path = path_of("refused");
    int status = -1;
    pid_t pid = 0;

    if (geteuid() != 0) {
        g_test_skip("only root can become a user who is refused");
        return;
    }
    g_assert_no_errno(chmod(directory, 0777));
    pid = fork();
    if (pid == 0)
        _exit(try_foreign_group(path));
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_no_errno(chmod(directory, 0700));
    g_assert_cmpint(status, ==, 0);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

/* A file that is there is not ours to remove. */
static void
test_listen_on_existing(void)
{
    g_autofree char *path = path_of("existing");
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(path, "text", -1, NULL));
    g_assert_cmpint(vp_socket_listen(path, 0600, -1, &error), ==, -1);
    g_assert_error(error, VP_ERROR, VP_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, path));
    g_assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR));
    g_unlink(path);
}

static void
assert_connect_fails(const char *path, int errnum)
{
    g_autoptr(GError) error = NULL;
    int found = 0;

    g_assert_cmpint(vp_socket_connect(path, &found, &error), ==, -1);
    g_assert_cmpint(found, ==, errnum);
    g_assert_error(error, VP_ERROR, VP_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, path));
    g_assert_nonnull(strstr(error->message, g_strerror(errnum)));
}

static void
test_connect_failures(void)
{
    g_autofree char *absent = path_of("absent");
    g_autofree char *stale = path_of("stale");
    int fd = listen_or_fail(stale);

    close(fd);
    assert_connect_fails(absent, ENOENT);
    assert_connect_fails(stale, ECONNREFUSED);
    g_unlink(stale);
}

static void
assert_flags(int fd)
{
    g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    g_assert_cmpint(fcntl(fd, F_GETFL) & O_NONBLOCK, ==, O_NONBLOCK);
}

static void
test_descriptor_flags(void)
{
    g_autofree char *path = path_of("flags");
    vp_autofd int server = listen_or_fail(path);
    vp_autofd int client = vp_socket_connect(path, NULL, NULL);

    assert_flags(server);
    assert_flags(client);
    g_unlink(path);
}

/* Field 22 of /proc/PID/stat, found by a name that is known. */
static guint64
start_time_of(pid_t pid, const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *before = g_strdup_printf("%d (%s) ", (int)pid, name);
    g_autofree char *stat = NULL;
    g_auto(GStrv) fields = NULL;

    g_assert_true(g_file_get_contents(path, &stat, NULL, NULL));
    g_assert_true(g_str_has_prefix(stat, before));
    fields = g_strsplit(stat + strlen(before), " ", 0);
    return g_ascii_strtoull(fields[22 - 3], NULL, 10);
}

/* A child of this name connects and stays until the pipe @leave is closed. */
static pid_t
start_child(const char *path, const char *name, int *ret_leave)
{
    int ends[2] = { -1, -1 };
    pid_t pid = 0;

    g_assert_no_errno(pipe(ends));
    pid = fork();
    if (pid == 0) {
        char byte = 0;

        close(ends[1]);
        prctl(PR_SET_NAME, name);
        if (vp_socket_connect(path, NULL, NULL) < 0)
            _exit(1);
        (void)!read(ends[0], &byte, 1);
        _exit(0);
    }
    close(ends[0]);
    *ret_leave = ends[1];
    return pid;
}

static int
accept_blocking(int server)
{
    fcntl(server, F_SETFL, 0);
    return accept(server, NULL, NULL);
}

/* Names that a parser of /proc/PID/stat could stumble over; 15 bytes is the longest. */
static void
test_peer(void)
{
    static const char *const names[] = {
        "plain", "a) R 1 2 3 (b", ") ) ) ) ) )", "()", "1 (2) S 3\n",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = path_of("peer");
        vp_autofd int server = listen_or_fail(path);
        vp_autofd int leave = -1;
        pid_t pid = start_child(path, names[i], &leave);
        vp_autofd int fd = accept_blocking(server);
        VpPeer peer = { 0 };

        g_assert_true(vp_socket_peer(fd, &peer, NULL));
        g_assert_cmpint(peer.pid, ==, pid);
        g_assert_cmpuint(peer.uid, ==, getuid());
        g_assert_cmpuint(peer.gid, ==, getgid());
        g_assert_cmpuint(peer.start_time, ==, start_time_of(pid, names[i]));
        g_assert_cmpuint(peer.start_time, >, 0);
        vp_clear_fd(&leave);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        /* It is gone; the socket still knows its number. */
        g_assert_true(vp_socket_peer(fd, &peer, NULL));
        g_assert_cmpint(peer.pid, ==, pid);
        g_assert_cmpuint(peer.start_time, ==, 0);
        g_unlink(path);
    }
}

static void
test_peer_of_no_socket(void)
{
    vp_autofd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_autoptr(GError) error = NULL;
    VpPeer peer = { .pid = 42 };

    g_assert_false(vp_socket_peer(fd, &peer, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_FAILED);
    g_assert_cmpint(peer.pid, ==, 42);
}

int
main(int argc, char **argv)
{
    int status = 0;

    g_test_init(&argc, &argv, NULL);
    directory = g_dir_make_tmp("vp-XXXXXX", NULL);
    g_assert_nonnull(directory);
    g_test_add_func("/base/socket/path-length", test_path_length);
    g_test_add_func("/base/socket/mode", test_mode);
    g_test_add_func("/base/socket/group", test_group);
    g_test_add_func("/base/socket/group-refused", test_group_refused);
    g_test_add_func("/base/socket/listen-on-existing", test_listen_on_existing);
    g_test_add_func("/base/socket/connect-failures", test_connect_failures);
    g_test_add_func("/base/socket/descriptor-flags", test_descriptor_flags);
    g_test_add_func("/base/socket/peer", test_peer);
    g_test_add_func("/base/socket/peer-of-no-socket", test_peer_of_no_socket);
    status = g_test_run();
    g_rmdir(directory);
    g_free(directory);
    return status;
}
