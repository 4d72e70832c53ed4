/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/daemon.h"

/* The document, in upstream form, is about to be defined. If it has alterations that cannot be
 * carried out on the command line that libvirtd would generate for it now, the log says so: it is
 * an error only at start, for what libvirtd generates may change until then. */
void vp_definition_check(VpDaemon *daemon, const char *xml);
