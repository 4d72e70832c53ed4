/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which files are taken for dead sockets. */

#include "qemu_passthrough/dead_sockets.h"

#include "base/fd.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME "virtpass-libvirt-00000000-0000-4000-8000-00000000000"

static char *directory;

static char *
path_of(const char *name)
{
    return g_build_filename(directory, name, NULL);
}

/* A socket in the directory, the descriptor still open. */
static int
bind_socket(const char *name)
{
    g_autofree char *path = path_of(name);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    return fd;
}

static bool
is_there(const char *name)
{
    g_autofree char *path = path_of(name);
    struct stat found = { 0 };

    return lstat(path, &found) == 0;
}

static void
remove_name(const char *name)
{
    g_autofree char *path = path_of(name);

    g_assert_cmpint(unlink(path), ==, 0);
}

static gint64
in_seconds(gint64 seconds)
{
    return g_get_real_time() / G_USEC_PER_SEC + seconds;
}

static void
test_dead(void)
{
    vp_autofd int listening = bind_socket(NAME "2");
    vp_autofd int bound G_GNUC_UNUSED = bind_socket(NAME "1");
    vp_autofd int other G_GNUC_UNUSED = bind_socket("monitor.sock");
    vp_autofd int old G_GNUC_UNUSED =
        bind_socket("virtpass-00000000-0000-4000-8000-000000000003");

    g_assert_cmpint(listen(listening, 1), ==, 0);
    g_assert_cmpuint(vp_dead_sockets_sweep(directory, in_seconds(120)), ==, 2);
    g_assert_false(is_there(NAME "1"));
    g_assert_false(is_there("virtpass-00000000-0000-4000-8000-000000000003"));
    g_assert_true(is_there(NAME "2"));
    g_assert_true(is_there("monitor.sock"));
    vp_clear_fd(&listening);
    g_assert_cmpuint(vp_dead_sockets_sweep(directory, in_seconds(120)), ==, 1);
    remove_name("monitor.sock");
}

/* What has connected stays in the queue of a QEMU that serves somebody else, also when it has gone
 * again; the next virtpassd would find no room. */
static void
test_living(void)
{
    vp_autofd int listening = bind_socket(NAME "1");
    vp_autofd int accepted = -1;

    g_assert_cmpint(listen(listening, 1), ==, 0);
    g_assert_cmpint(fcntl(listening, F_SETFL, O_NONBLOCK), ==, 0);
    for (guint i = 0; i < 3; i++)
        g_assert_cmpuint(vp_dead_sockets_sweep(directory, in_seconds(120)), ==, 0);
    accepted = accept(listening, NULL, NULL);
    g_assert_cmpint(accepted, ==, -1);
    g_assert_cmpint(errno, ==, EAGAIN);
    remove_name(NAME "1");
}

/* QEMU has bound it and does not listen yet. */
static void
test_young(void)
{
    vp_autofd int bound G_GNUC_UNUSED = bind_socket(NAME "1");

    g_assert_cmpuint(vp_dead_sockets_sweep(directory, in_seconds(50)), ==, 0);
    g_assert_cmpuint(vp_dead_sockets_sweep(directory, in_seconds(62)), ==, 1);
}

static void
test_no_sockets(void)
{
    g_autofree char *file = path_of(NAME "1"), *link = path_of(NAME "2"), *dead = path_of("dead");
    vp_autofd int bound G_GNUC_UNUSED = bind_socket("dead");

    g_assert_true(g_file_set_contents(file, "", 0, NULL));
    g_assert_cmpint(symlink(dead, link), ==, 0);
    g_assert_cmpuint(vp_dead_sockets_sweep(directory, in_seconds(120)), ==, 0);
    g_assert_cmpuint(vp_dead_sockets_sweep("/nonexistent", in_seconds(120)), ==, 0);
    remove_name(NAME "1");
    remove_name(NAME "2");
    remove_name("dead");
}

/* One more than are looked at in a round goes in the next. */
static void
test_number(void)
{
    for (guint i = 0; i <= VP_DEAD_SOCKETS_MAX; i++) {
        g_autofree char *name = g_strdup_printf("virtpass-libvirt-00000000-0000-4000-8000-%012x",
                                                i);
        vp_autofd int bound G_GNUC_UNUSED = bind_socket(name);
    }
    g_assert_cmpuint(vp_dead_sockets_sweep(directory, in_seconds(120)), ==, VP_DEAD_SOCKETS_MAX);
    g_assert_cmpuint(vp_dead_sockets_sweep(directory, in_seconds(120)), ==, 1);
}

int
main(int argc, char **argv)
{
    int failed = 0;

    g_test_init(&argc, &argv, NULL);
    directory = g_dir_make_tmp("vp-XXXXXX", NULL);
    g_test_add_func("/dead sockets/dead", test_dead);
    g_test_add_func("/dead sockets/living", test_living);
    g_test_add_func("/dead sockets/young", test_young);
    g_test_add_func("/dead sockets/no sockets", test_no_sockets);
    g_test_add_func("/dead sockets/number", test_number);
    failed = g_test_run();
    g_rmdir(directory);
    g_free(directory);
    return failed;
}
