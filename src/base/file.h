/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/stat.h>

/* What a file must be to be read. */
typedef struct VpFileRule {
    gsize max;      /* bytes */
    uid_t owner;    /* whose it must be; root's and our own always will do */
} VpFileRule;

/*
 * Opens a file in a directory that others than we may write to, for reading: a regular one, no
 * link, of a certain owner and not too large. Nothing that may be in its place (a FIFO, a device, a
 * socket) keeps the caller waiting. -1: @error, whose message names the path, and errno.
 */
int vp_file_open(const char *path, const VpFileRule *rule, GError **error);

/* All of an open file. It may grow meanwhile, but not beyond @max. NULL: @error. */
char *vp_file_read(int fd, gsize max, gsize *ret_size, GError **error);
