/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/stat.h>

/*
 * Who waits at a listening unix socket to be accepted, apart from ourselves.
 *
 * @file: what lstat() says of the socket's file, which is bound to @path. @own: our own connection
 * to it, accepted or not. *ret_others: how many others there are, those included that have hung
 * up: what they had sent before will be read. *ret_ino: the inode of one that is still there, by
 * which "ss -xp" finds its process; 0 without. false: @error, VP_ERROR_CLOSED when nobody listens
 * at this file any more, others when the kernel does not tell.
 */
bool vp_backlog_others(const struct stat *file, const char *path, int own, guint *ret_others,
                       guint32 *ret_ino, GError **error);
