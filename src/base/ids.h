/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

/*
 * The kernel's own calls that change who a thread is, for syscall(2). The C library's functions of
 * these names change all threads of the process, and wait for them: wrong for a thread that is to
 * be somebody else alone, and for a process that clone() has made, in which the threads that the
 * library knows are not there. On 32 bits the calls without a number in their name take 16-bit ids.
 */
#ifdef SYS_setresuid32
#define VP_SYS_SETGROUPS SYS_setgroups32
#define VP_SYS_SETRESGID SYS_setresgid32
#define VP_SYS_SETRESUID SYS_setresuid32
#else
#define VP_SYS_SETGROUPS SYS_setgroups
#define VP_SYS_SETRESGID SYS_setresgid
#define VP_SYS_SETRESUID SYS_setresuid
#endif
