/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Descriptors that close themselves. */

#include "base/fd.h"

#include <errno.h>
#include <sys/resource.h>

void
vp_clear_fd(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = saved;
}

void
vp_close_fds(int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        vp_clear_fd(&fds[i]);
}

void
vp_raise_fd_limit(void)
{
    struct rlimit limit = { 0 };

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}
