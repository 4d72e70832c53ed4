/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <unistd.h>

/* A descriptor that its scope owns: vp_autofd int fd = -1; (GLib has g_autofd only since 2.76). */
#define vp_autofd __attribute__((cleanup(vp_clear_fd)))

/* Closes *fd if it is open and sets it to -1. errno stays what it was. */
void vp_clear_fd(int *fd);

/* Takes the descriptor out of its owner's hands. */
static inline int
vp_steal_fd(int *fd)
{
    int stolen = *fd;

    *fd = -1;
    return stolen;
}

/* Closes @n descriptors. */
void vp_close_fds(int *fds, unsigned n);

/* Raises the soft limit of open descriptors to the hard one; a proxy needs two for each client. */
void vp_raise_fd_limit(void);
