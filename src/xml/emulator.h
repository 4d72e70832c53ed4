/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/domain.h"
#include "xml/passthrough.h"

/*
 * The emulator that the author names, NULL when it is libvirt's choice; g_free(). false: what he
 * names cannot be kept for him, or is the shim.
 */
bool vp_xml_emulator_read(const VpXmlDomain *domain, char **ret_path, GError **error);

/* What libvirt's choice depends on; strings of the index. */
VpXmlMachine vp_xml_emulator_machine(const VpXmlDomain *domain);

/* Whether the bytes of its <emulator> are those that vp_xml_emulator_put_back() would write. */
bool vp_xml_emulator_is_plain(const VpXmlDomain *domain, const char *real);

/* Whether the domain runs the shim, wherever that is. */
bool vp_xml_emulator_is_shim(const VpXmlDomain *domain);

/*
 * Puts the shim in the place of @real, which the author named or libvirt would choose.
 * *ret_keep: what he wrote, where it cannot be made from @real again; it has to be kept.
 */
bool vp_xml_emulator_put_shim(const VpXmlDomain *domain, const char *shim, const char *real,
                              VpXmlEdits *edits, const VpXmlNode **ret_keep, GError **error);

/* Gives a shim its path on this host. */
void vp_xml_emulator_set_shim(const VpXmlDomain *domain, const char *shim, VpXmlEdits *edits);

/* Takes the shim out. @kept: what vp_xml_emulator_put_shim() gave to be kept, NULL: nothing. */
void vp_xml_emulator_put_back(const VpXmlDomain *domain, const char *real, const VpXmlNode *kept,
                              VpXmlEdits *edits);
