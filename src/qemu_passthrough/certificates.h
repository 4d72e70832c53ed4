/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/config.h"
#include "rpc/tls.h"

/* Reads and checks what TLS needs. NULL: @error, whose message names key and file. */
VpTlsContext *vp_certificates_load(const VpConfig *config, GError **error);
