/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/client.h"

/*
 * What virtpassd keeps in a domain's definition (metadata.h), on its way into the next one: who
 * defines a domain anew has read it without these elements.
 */

/*
 * Asks for those of the domain with @uuid, on the client's connection. The client goes on
 * (vp_client_go_on()) when they are known, or it is known that there are none. NULL: @uuid is no
 * UUID, so there is nothing to ask for.
 */
VpCarried *vp_carried_ask(VpClient *client, const char *uuid);

bool vp_carried_done(const VpCarried *carried);

/* Puts them into an upstream-form document, as vp_xml_state_put(). */
bool vp_carried_put(const VpCarried *carried, const char *xml, char **ret_xml, GError **error);

/* NULL is fine. */
void vp_carried_free(VpCarried *carried);
