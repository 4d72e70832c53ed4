/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json/tree.h"

#include <libvirt/libvirt.h>

/* To be called before the connection is opened: a bar needs events, and these a loop. Nothing
 * happens unless standard error is a terminal. */
void vp_progress_prepare(void);

/* As vp_ask(), with a bar on the terminal while it lasts, by virtpassd's VIRTPASS_JOB_PROGRESS. */
const VpJsonNode *vp_progress_ask(virDomainPtr domain, const char *command,
                                  VpJsonTree **ret_tree);
