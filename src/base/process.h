/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/* One process for good: its number alone may be another's tomorrow. */
typedef struct VpProcess {
    pid_t pid;
    guint64 start_time; /* field 22 of /proc/PID/stat */
    int pidfd;          /* -1: none is open */
} VpProcess;

#define VP_PROCESS_INIT { .pidfd = -1 }

/* Holds on to the process that has this number now. false: there is none, or @error says what went
 * wrong; @process is as VP_PROCESS_INIT then. */
bool vp_process_open(VpProcess *process, pid_t pid, GError **error);

/* Has it not ended yet? */
bool vp_process_is_alive(const VpProcess *process);

void vp_process_clear(VpProcess *process);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpProcess, vp_process_clear)

/* When the process started, in ticks since the system did; 0 when there is none. */
guint64 vp_process_start_time(pid_t pid);

/* How the process calls itself, for messages: no more than that; g_free(). "?" if it is gone. */
char *vp_process_name(pid_t pid);

/* How a socket's peer compares with a process. */
typedef enum VpPeerIs {
    VP_PEER_IS_IT,       /* it is the process, and alive */
    VP_PEER_HAS_NUMBER,  /* it has, or had, the process's number: this kernel cannot tell more */
    VP_PEER_IS_OTHER,    /* another one, or one that has ended */
    VP_PEER_IS_UNKNOWN,  /* the kernel does not say */
} VpPeerIs;

/* The peer of a connected unix socket is who had called listen() (or, for an accepted one,
 * connect()). *ret_pid: its number. */
VpPeerIs vp_process_is_peer(const VpProcess *process, int fd, pid_t *ret_pid);
