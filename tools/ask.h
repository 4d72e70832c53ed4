/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json/tree.h"

#include <libvirt/libvirt.h>
#include <stdbool.h>

/* Sends @command to the domain's QEMU and gives the value of "return", borrowed from *ret_tree.
 * NULL: an error has been printed; *ret_tree is left as it is. */
const VpJsonNode *vp_ask(virDomainPtr domain, const char *command, VpJsonTree **ret_tree);

/* The same with a reply that is there already. */
const VpJsonNode *vp_take_reply(virDomainPtr domain, const char *reply, VpJsonTree **ret_tree);

/* All that a command of virtpass does which shows what a query without arguments returns: asks the
 * domain of this name, and prints the value as it came (@json) or with @print. An exit status. */
int vp_show_query(const char *domain_name, const char *query, bool json,
                  void (*print)(const VpJsonNode *value));

/* Prints a value as it came, on a line of its own: what --json is for. */
void vp_print_json(const VpJsonNode *node);
