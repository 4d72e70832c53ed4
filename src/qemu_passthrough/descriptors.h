/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/client.h"

/* A reply of libvirtd's comes with descriptors that the client cannot be given: answers with an
 * error in its place. false: nothing of the kind, it can be forwarded. */
bool vp_descriptors_refuse_reply(VpClient *client, const VpFrame *frame);
