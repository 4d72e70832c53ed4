/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Id of the chardev that carries a dedicated session. */
#define VP_SESSION_ID "virtpass-qmp"

/* The words of a guest (NULL-terminated) that the shim is to start with a session: begun with
 * @emulator, and with the session's behind them, whose socket is in @run_dir; NULL: they cannot be
 * had. g_strfreev(). */
char **vp_argv_add_session(char *const *words, const char *emulator, const char *run_dir);
