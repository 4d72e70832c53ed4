/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/* The user that probed programs run as where we are root; made by sysusers.d. */
#define VP_PROBE_USER "virtpass-probe"

/* How a program that a client may have chosen is run without getting anything by it. */
typedef struct VpSandbox VpSandbox;

/*
 * Finds out what can be had here; that takes some milliseconds, and waits for a process meanwhile.
 * @user: VP_PROBE_USER, another one in tests only. NULL: not even a filter can be made.
 */
VpSandbox *vp_sandbox_new(const char *user, GError **error);
void vp_sandbox_free(VpSandbox *sandbox);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpSandbox, vp_sandbox_free)

/* A sentence for the log about what is missing; NULL: nothing is. */
const char *vp_sandbox_shortfall(const VpSandbox *sandbox);

/* Only binaries that nobody but root can have written are run. */
bool vp_sandbox_wants_trusted(const VpSandbox *sandbox);

/* A process that begins in @run, which must not return, nor allocate or take locks. False and
 * @error: none was made. */
typedef struct VpSandboxed {
    pid_t pid;
    int pidfd;
} VpSandboxed;

typedef void (*VpSandboxFunc)(gpointer data);
bool vp_sandbox_clone(const VpSandbox *sandbox, VpSandboxFunc run, gpointer data,
                      VpSandboxed *ret_process, GError **error);

/* The path of the program that the process is now; NULL: not to be known. g_free(). */
char *vp_sandbox_program(const VpSandboxed *process);

/* In that process, whose @emulator is open as @emulator_fd: gives up all that can be. NULL: done,
 * and what remains is to execute it; else what could not be, and errno. */
const char *vp_sandbox_enter(const VpSandbox *sandbox, const char *emulator, int emulator_fd);
