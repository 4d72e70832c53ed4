/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/client.h"

/*
 * What has to be known of QEMU before a document can be translated: which emulator libvirtd would
 * choose where the author named none, and the types of its properties.
 */

typedef void (*VpFactsFunc)(VpFacts *facts, gpointer data);

/* No facts at all. */
VpFacts *vp_facts_new(const VpDaemon *daemon);

/*
 * Finds out what @needs lists (of VpXmlNeeds, see vp_xml_needs(); taken over), on the client's
 * connection to libvirtd and from throw-away processes (src/probe). @func is called once, never
 * before this returns. What could not be found out is missing then, and the translation says so
 * where it matters.
 */
VpFacts *vp_facts_gather(VpClient *client, GPtrArray *needs, VpFactsFunc func, gpointer data);

/* @func has been called, or is about to be. */
bool vp_facts_done(const VpFacts *facts);

/* No callback comes after this. NULL is fine. */
void vp_facts_free(VpFacts *facts);

/* Rules for a translation that knows the facts, which are borrowed. */
VpXmlRules vp_facts_rules(const VpFacts *facts);
