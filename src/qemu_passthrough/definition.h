/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/client.h"

/* A look at a definition with alterations, before it is stored. */
typedef struct VpDefinitionCheck VpDefinitionCheck;

typedef void (*VpDefinitionFunc)(gpointer data);

/*
 * @xml: a definition in upstream form. If its alterations cannot be carried out on the command line
 * that libvirtd would generate for it now, the log says so: it is an error only at start, for what
 * libvirtd generates may change until then. @func is called once, never before this returns.
 */
VpDefinitionCheck *vp_definition_check(VpClient *client, const char *xml, VpDefinitionFunc func,
                                       gpointer data);

/* No callback comes after this. NULL is fine. */
void vp_definition_check_free(VpDefinitionCheck *check);
