/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/client.h"

/*
 * What has to be known before a document can be translated: which emulator libvirtd would choose
 * where the author named none, the types of its properties, and where libvirt's devices are.
 */

typedef void (*VpFactsFunc)(VpFacts *facts, gpointer data);

/* No facts at all. The rules are the daemon's as they are now. */
VpFacts *vp_facts_new(const VpDaemon *daemon);
VpFacts *vp_facts_ref(VpFacts *facts);
/* NULL is fine. In any thread. */
void vp_facts_unref(VpFacts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpFacts, vp_facts_unref)

/*
 * Finds out what @needs lists (of VpXmlNeeds, see vp_xml_needs(); taken over), on the client's
 * connection to libvirtd and from throw-away processes (src/probe). Before anything is done that
 * the client has chosen, libvirtd has judged that he may: write to the domain @uuid, if there is
 * one (16 bytes; NULL: no domain is meant), and have the emulators that he names run.
 *
 * @func is called once, never before this returns, unless vp_facts_cancel() comes first. What could
 * not be found out is missing then, and the translation says so where it matters.
 */
VpFacts *vp_facts_gather(VpClient *client, GPtrArray *needs, const guint8 *uuid, VpFactsFunc func,
                         gpointer data);

/* No callback comes after this, and nothing is asked any more. NULL is fine. */
void vp_facts_cancel(VpFacts *facts);

/* libvirtd's refusal; NULL: there was none. Then vp_facts_rules() have no compiler, so that only
 * what is stock can be translated. */
const vp_error_body *vp_facts_denied(const VpFacts *facts);

/* Rules for a translation that knows the facts, which are borrowed. In any thread, once the facts
 * are gathered. */
VpXmlRules vp_facts_rules(VpFacts *facts);

/* Whether a translation has made a plan for the shim. */
bool vp_facts_planned(const VpFacts *facts);

/* The shim's paths that the translation has written, for vp_shims_make(). */
GHashTable *vp_facts_links(VpFacts *facts);
