/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/* Longest path of a unix socket (sun_path with its NUL). */
#define VP_SOCKET_PATH_MAX 107

/* Connects to the unix socket at @path. The descriptor is non-blocking. -1 with @error, whose
 * message names the path; *ret_errno (may be NULL) says why for callers that decide by it. */
int vp_socket_connect(const char *path, int *ret_errno, GError **error);

/* Listens at @path, which must not exist. Mode and group as given (@group (gid_t)-1: as it is).
 * After a failure there is nothing at @path that was not there before. */
int vp_socket_listen(const char *path, mode_t mode, gid_t group, GError **error);

/* The process at the other end. */
typedef struct VpPeer {
    pid_t pid;
    uid_t uid;
    gid_t gid;
    guint64 start_time; /* field 22 of /proc/PID/stat; 0 when the process is gone already */
} VpPeer;

bool vp_socket_peer(int fd, VpPeer *ret_peer, GError **error);
