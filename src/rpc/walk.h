/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Payloads of which only the XML is of interest, walked without decoding the rest.
 *
 * A layout has a letter for each field, as in facts about libvirt's protocol:
 *
 *     s  string              S  string or nothing         o  opaque bytes
 *     u  4 bytes             h  8 bytes                   D  domain reference
 *     X  XML (a string)      Y  XML or nothing            T  typed parameters
 *
 * In T the string parameters named in vp_walk_xml_params[] are XML.
 */

extern const char *const vp_walk_xml_params[];

/* Called for each XML. true: *ret_xml is what stands there from now on, or NULL to keep it.
 * false: the walk ends with VP_WALK_REFUSED and @error. */
typedef bool (*VpWalkFunc)(const char *xml, char **ret_xml, gpointer data, GError **error);

typedef enum VpWalkVerdict {
    VP_WALK_UNCHANGED, /* the payload can go on as it is */
    VP_WALK_CHANGED,   /* *ret_payload takes its place */
    VP_WALK_MALFORMED, /* does not fit the layout; whoever decodes it will say so */
    VP_WALK_REFUSED,   /* the function refused, or what it made outgrew libvirt's limits: @error */
} VpWalkVerdict;

/* A changed payload fits into a frame of any type. */
VpWalkVerdict vp_walk_xml(const char *layout, const guint8 *payload, gsize size, VpWalkFunc func,
                          gpointer data, GByteArray **ret_payload, GError **error);
