/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/work.h"

#include <stdbool.h>

/* @local: the file's directory is on a file system of this machine, which always answers, and its
 * path goes through no link. */
typedef void (*VpLocalDirFunc)(bool local, gpointer data);

/* Finds that out about the directory of the file @path, in a thread: if it is not so, that may take
 * for ever. @func is called once, as that of vp_work_start(), and ended by vp_work_cancel(). */
VpWork *vp_local_dir_look(VpWorkers *workers, const char *owner, const char *path,
                          VpLocalDirFunc func, gpointer data);
