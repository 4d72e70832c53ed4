/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/socket.h"
#include "qemu_passthrough/daemon.h"

/* The question whether libvirtd would let a user in at its own socket, without asking the user
 * anything. */
typedef struct VpAdmission VpAdmission;

typedef enum VpAdmissionVerdict {
    VP_ADMISSION_REFUSED,
    VP_ADMISSION_GIVEN,
    VP_ADMISSION_ABSENT, /* there is no libvirtd to ask */
} VpAdmissionVerdict;

/* @reason: NULL if GIVEN. Comes once, from the loop; the admission is gone after the call. */
typedef void (*VpAdmissionFunc)(VpAdmissionVerdict verdict, const char *reason, gpointer data);

/* Does libvirtd have to be asked about who has connected? Root and our own user are let in, and as
 * an ordinary user we serve only that one. */
bool vp_admission_matters(const VpDaemon *daemon, const VpPeer *peer);

/* About @peer, who has connected by @fd, and libvirtd's socket of the same kind. */
VpAdmission *vp_admission_new(VpDaemon *daemon, int fd, const VpPeer *peer, bool read_only,
                              VpAdmissionFunc func, gpointer data);

/* No call comes any more. NULL is fine. */
void vp_admission_free(VpAdmission *admission);
