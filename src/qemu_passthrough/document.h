/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/client.h"

/*
 * A call with domain XML on its way to libvirtd (vp_xml_call(), see intercept.h), and a reply with
 * some on its way to the client (vp_xml_reply(), vp_native_reply()). While one is under way what
 * comes behind it in the same direction waits.
 */

/* libvirtd replies to a client that has `awaited`. */
void vp_document_replied(VpClient *client, const VpHeader *reply);

/* The client is going. NULL is fine. */
void vp_document_free(VpDocument *document);
void vp_answer_free(VpAnswer *answer);
