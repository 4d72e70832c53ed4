/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * In a new process that has mount and pid namespaces of its own and the capabilities in them: gives
 * it a root directory in which there is nothing but the system's programs and the directory of
 * @emulator, which is open as @emulator_fd (-1: none), all read-only.
 *
 * Once a process, never in one that goes on. NULL: done; else what could not be, and errno.
 */
const char *vp_sandbox_enter_root(const char *emulator, int emulator_fd);
