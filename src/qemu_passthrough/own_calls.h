/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/intercept.h"

/*
 * The procedures of our own, and the monitor commands that mean the same, for clients whose library
 * can send nothing else. All have "__org.virtpass_" in front, QMP's rule for names of others.
 *
 * __org.virtpass_commandline-alter
 *     mode: "add", "replace" or "clear"; xml: a <qemu:commandline> element, with its namespace
 *     declared, absent with "clear"; dry-run: bool, optional, default false.
 *     Returns an object: xml, generated, altered, warnings: as COMMANDLINE_ALTER's.
 * __org.virtpass_query-commandline
 *     form: "generated", "altered" or "running".
 *     Returns an object: form; words, environment: as COMMANDLINE_GET's.
 *
 * What they mean and what errors there are: remote/qemu_protocol.x. An error of libvirtd's is
 * passed on as libvirtd's; ours are QMP errors of class GenericError. Both work on domains that do
 * not run. Since 0.1.
 */

/* Takes the monitor command over if it is one of the two above. @json: the command. */
VpIntercepted vp_own_monitor_call(VpClient *client, const VpHeader *call, const vp_domain *domain,
                                  const char *json);

/* The client is going. */
void vp_own_calls_forget_client(VpClient *client);
