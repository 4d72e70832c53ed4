/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/socket.h"

#include <glib.h>
#include <stdbool.h>

/*
 * Whether polkit lets the peer's process do what @action names, without asking anybody anything.
 * Blocks, at most @timeout_s: not for the loop's thread, and for one with root's rights, who alone
 * may ask about others. false and @error: it does not (VP_ERROR_FAILED), or it cannot be asked.
 */
bool vp_polkit_allows(const VpPeer *peer, const char *action, guint timeout_s, GError **error);
