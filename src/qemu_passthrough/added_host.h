/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/domains.h"

/* The added commands of the domain's session. @data: the VpDaemon. */
VpAdded *vp_added_host_new(VpDomain *domain, gpointer data);
