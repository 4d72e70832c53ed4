/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "added/added.h"
#include "qemu_passthrough/domains.h"

/*
 * Texts that last for a domain, each in an element of its own in the domain's <metadata>, in the
 * running definition and in the one of the next start:
 *
 *     <virtpass:KEY xmlns:virtpass='http://virtpass.org/schemas/state/KEY/1.0'>JSON</virtpass:KEY>
 *
 * Readers through virtpassd do not see them (src/xml/state.c); a domain that is defined anew keeps
 * them all the same (previous.c).
 *
 * @upstream: our connection, NULL when there is none any more. @key: [a-z]+. @func is called once,
 * not before these return. Of the domain only name and uuid are used, before they return.
 */

/* No such element: NULL and no error. */
void vp_metadata_load(VpUpstream *upstream, VpLoop *loop, const VpDomain *domain, const char *key,
                      VpAddedKeepFunc func, gpointer data);

/* @json: valid JSON of up to VP_ADDED_KEPT_MAX bytes, as it is stored. NULL: takes it away. */
void vp_metadata_store(VpUpstream *upstream, VpLoop *loop, const VpDomain *domain, const char *key,
                       const char *json, VpAddedKeepFunc func, gpointer data);

/* JSON without what means something in XML, and in ASCII: the text of an element needs nothing
 * escaped then. g_free(). */
char *vp_metadata_print(const char *json);
