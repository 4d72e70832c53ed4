/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A socket's peer, when it is the process, another one, has ended, or has got its number later. */

#include "base/process.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process that waits to be killed. */
static pid_t
start(void)
{
    pid_t pid = fork();

    g_assert_cmpint(pid, >=, 0);
    while (pid == 0)
        pause();
    return pid;
}

static void
end(pid_t pid)
{
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

static void
test_life(void)
{
    g_auto(VpProcess) process = VP_PROCESS_INIT;
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL;
    pid_t pid = start();

    g_assert_true(vp_process_open(&process, pid, NULL));
    g_assert_true(vp_process_is_alive(&process));
    g_assert_cmpuint(process.start_time, ==, vp_process_start_time(pid));
    g_assert_cmpuint(process.start_time, >, 0);
    name = vp_process_name(pid);
    g_assert_true(g_str_has_prefix(name, "test-process"));
    end(pid);
    g_assert_false(vp_process_is_alive(&process));
    g_assert_cmpuint(vp_process_start_time(pid), ==, 0);
    vp_process_clear(&process);
    g_assert_false(vp_process_open(&process, pid, &error));
    g_assert_cmpint(process.pidfd, ==, -1);
    g_assert_false(vp_process_is_alive(&process));
}

/* A process whose socket, that we share, has an address in the kernel's abstract space. */
static pid_t
start_listener(int listener)
{
    pid_t pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (pid > 0)
        return pid;
    if (listen(listener, 1) < 0)
        _exit(1);
    for (;;)
        pause();
}

static int
connect_to(int listener)
{
    struct sockaddr_un address = { 0 };
    socklen_t size = sizeof(address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(getsockname(listener, (struct sockaddr *)&address, &size), ==, 0);
    for (int i = 0; i < 1000 && connect(fd, (struct sockaddr *)&address, size) < 0; i++)
        g_usleep(10000); /* until it listens */
    return fd;
}

static int
bind_anywhere(void)
{
    sa_family_t family = AF_UNIX;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(bind(listener, (struct sockaddr *)&family, sizeof(family)), ==, 0);
    return listener;
}

static bool
has_peer_pidfd(void)
{
    int pair[2] = { -1, -1 };
    int pidfd = -1;
    socklen_t size = sizeof(pidfd);
    bool has = false;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    has = getsockopt(pair[0], SOL_SOCKET, 77, &pidfd, &size) == 0;
    vp_clear_fd(&pidfd);
    vp_close_fds(pair, 2);
    return has;
}

static void
test_peer(void)
{
    const VpPeerIs same = has_peer_pidfd() ? VP_PEER_IS_IT : VP_PEER_HAS_NUMBER;
    g_auto(VpProcess) right = VP_PROCESS_INIT, other = VP_PROCESS_INIT;
    vp_autofd int listener = bind_anywhere(), fd = -1;
    pid_t pid = start_listener(listener), found = 0, another = start();

    g_assert_true(vp_process_open(&right, pid, NULL));
    g_assert_true(vp_process_open(&other, another, NULL));
    fd = connect_to(listener);
    g_assert_cmpint(vp_process_is_peer(&right, fd, &found), ==, same);
    g_assert_cmpint(found, ==, pid);
    g_assert_cmpint(vp_process_is_peer(&other, fd, &found), ==, VP_PEER_IS_OTHER);
    g_assert_cmpint(found, ==, pid);
    end(pid);
    g_assert_cmpint(vp_process_is_peer(&right, fd, &found), ==, VP_PEER_IS_OTHER);
    end(another);
}

static void
test_no_peer(void)
{
    g_auto(VpProcess) process = VP_PROCESS_INIT;
    vp_autofd int pipe_end = dup(0), unconnected = socket(AF_UNIX, SOCK_STREAM, 0);
    pid_t found = 0;

    g_assert_true(vp_process_open(&process, getpid(), NULL));
    g_assert_cmpint(vp_process_is_peer(&process, pipe_end, &found), ==, VP_PEER_IS_UNKNOWN);
    g_assert_cmpint(vp_process_is_peer(&process, unconnected, &found), ==, VP_PEER_IS_UNKNOWN);
}

/* The listener has ended, its socket lives on in somebody else, and another has its number now. */
static void
test_number_used_again(void)
{
    vp_autofd int listener = bind_anywhere(), fd = -1;
    pid_t pid = start_listener(listener), found = 0, again = 0;
    struct clone_args args = { .exit_signal = SIGCHLD, .set_tid = (gintptr)&pid,
                               .set_tid_size = 1 };
    g_auto(VpProcess) process = VP_PROCESS_INIT;

    vp_clear_fd(&fd);
    fd = connect_to(listener);
    end(pid);
    again = syscall(SYS_clone3, &args, sizeof(args));
    if (again < 0) {
        g_test_skip("a process cannot be made with a number of our choice here");
        return;
    }
    while (again == 0)
        pause();
    g_assert_cmpint(again, ==, pid);
    g_assert_true(vp_process_open(&process, again, NULL));
    g_assert_cmpint(vp_process_is_peer(&process, fd, &found), ==,
                    has_peer_pidfd() ? VP_PEER_IS_OTHER : VP_PEER_HAS_NUMBER);
    g_assert_cmpint(found, ==, again);
    end(again);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/process/life", test_life);
    g_test_add_func("/base/process/peer", test_peer);
    g_test_add_func("/base/process/no-peer", test_no_peer);
    g_test_add_func("/base/process/number-used-again", test_number_used_again);
    return g_test_run();
}
