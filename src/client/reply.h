/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json/tree.h"
#include "json/write.h"

#include <libvirt/libvirt.h>

/* Begins the command @name, executed by "execute" or "exec-oob". Arguments are written as the next
 * member, "arguments"; vp_client_ask() ends it. */
VpJsonWriter vp_client_command(const char *how, const char *name);

/* Sends it and waits. The reply, which has a "return"; NULL: the error is set. */
VpJsonTree *vp_client_ask(virDomainPtr dom, VpJsonWriter *command);

/* The same for a command of virtpassd's own, whose "return" is an object. @name without prefix. */
VpJsonWriter vp_client_own_command(const char *name);
VpJsonTree *vp_client_ask_own(virDomainPtr dom, const char *name, VpJsonWriter *command);

/* The texts of the list @key of @object, borrowed, with a NULL behind the last; NULL: it is no list
 * of texts, and the error is set. */
GPtrArray *vp_client_texts(const VpJsonNode *object, const char *key);

/* How many texts vp_client_texts() has found. */
int vp_client_give_texts(const GPtrArray *texts, const char *const **ret_texts);
