/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Where the socket of a session is that the shim has added to the running guest: in the directory
 * that libvirt has for it in @guests_dir. g_free(). */
char *vp_guest_dir_socket(const char *guests_dir, const char *name, int id);
