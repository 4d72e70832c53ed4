/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/client.h"

/*
 * Commands that virtpassd itself answers, among QEMU's. Their names follow QMP's rule for other
 * vendors' extensions, so QEMU will never have one of them.
 */

/* A first look, for every monitor command: can this be one of ours? */
bool vp_added_is_ours(const char *command, bool hmp);

/* Answers the command if it is one of ours. false: it is not. The client has been found to be
 * allowed to write to the domain. */
bool vp_added_answer(VpClient *client, VpDomain *domain, const VpHeader *call, const char *command,
                     bool hmp);
