/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/intercept.h"
#include "qemu_passthrough/translation.h"

/*
 * The definition that a document takes the place of. virtpassd keeps things in it (metadata.h)
 * that its reader did not see, and that are to be in the new one.
 */
typedef struct VpPrevious VpPrevious;

/* @xml: that definition, in upstream form; NULL: there is none, or the client may not see it. */
typedef void (*VpPreviousFunc)(const char *xml, gpointer data);

/*
 * Asks libvirtd for it on the client's connection, as the client. @scan: of the call's documents.
 * @func is called once, never before this returns. NULL: there is nothing to ask for.
 */
VpPrevious *vp_previous_ask(VpClient *client, const VpFrame *frame, const VpIntercept *row,
                            const VpScan *scan, VpPreviousFunc func, gpointer data);

/* No callback comes after this. NULL is fine. */
void vp_previous_free(VpPrevious *previous);
