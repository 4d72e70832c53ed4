/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/client.h"
#include "qemu_passthrough/intercept.h"

/*
 * What virtpassd keeps in a domain's definition (metadata.h), on its way into the one that takes
 * its place: who writes that has read the other without these elements.
 */

/*
 * Asks for what is in the definition that a call's document replaces, on the client's connection.
 * The client goes on (vp_client_go_on()) when that is known, or it is known that there is nothing.
 * NULL: there is nothing to ask for.
 */
VpCarried *vp_carried_ask(VpClient *client, const VpFrame *frame, const VpIntercept *row);

bool vp_carried_done(const VpCarried *carried);

/* Puts them into an upstream-form document, as vp_xml_state_put(). */
bool vp_carried_put(const VpCarried *carried, const char *xml, char **ret_xml, GError **error);

/* NULL is fine. */
void vp_carried_free(VpCarried *carried);
