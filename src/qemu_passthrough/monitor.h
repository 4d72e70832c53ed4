/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/client.h"

/* The client is going: its commands are dropped, what is in flight becomes nobody's. */
void vp_monitor_forget_client(VpClient *client);

/* The domain's session is going: the client is no user of it any more. */
void vp_monitor_forget_session(VpClient *client, VpDomain *domain);

/* Answers a monitor command: @text is the QMP reply, or the human monitor's text. */
void vp_monitor_send_result(VpClient *client, const VpHeader *call, const char *text, gsize size);
