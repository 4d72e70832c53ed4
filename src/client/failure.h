/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The thread's last error, as the public header describes it. Each of these replaces the one before
 * and returns -1, for the caller to return. */

/* What virGetLastError() has. To be called before any other function of libvirt's. */
int vp_client_fail_libvirt(void);

/* A QMP error; texts may be NULL, if that is what the peer has sent. */
int vp_client_fail_qmp(const char *error_class, const char *text);

/* An error of the library's own. @code: a virErrorNumber. */
int vp_client_fail(int code, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Whether @flags has only bits of @known; else the error is set. For the beginning of each public
 * function that can fail: the error of the one before is forgotten. */
bool vp_client_begin(unsigned int flags, unsigned int known);
