/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <linux/filter.h>

/* The system calls that a probed program may make, as a program for seccomp. g_free() its
 * instructions. False: it could not be made, @error says why. */
gboolean vp_filter_build(struct sock_fprog *ret_program, GError **error);
