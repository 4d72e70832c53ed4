/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/process.h"

#include <time.h>

/* The process that libvirt has started for a domain. */
typedef struct VpGuestProcess {
    VpProcess process;
    struct timespec noted; /* when libvirt wrote its number down: before it became QEMU */
} VpGuestProcess;

/* Finds it. @state_dir: where libvirt's pid files are. false: @error is VP_ERROR_CLOSED when there
 * is none (any more), VP_ERROR_STRANGER when the file is not what libvirt leaves there. */
bool vp_guest_process_find(VpGuestProcess *guest, const char *state_dir, const char *name,
                           GError **error);
