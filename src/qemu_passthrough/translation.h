/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rpc/walk.h"
#include "xml/passthrough.h"

/*
 * The payload of a call or reply with domain XML in it, from one form to the other. Nothing here
 * knows a client, a connection or the loop: it may be done in any thread.
 */

/* What has to be found out before a payload can be translated. */
typedef struct VpScan {
    GPtrArray *needs;  /* of VpXmlNeeds */
    bool any;          /* there is a document */
    char *uuid;        /* of the first document's domain, as written; NULL: none, or not wanted */
    char *snapshot;    /* name of the snapshot that the first document describes; NULL: the same */
} VpScan;

void vp_scan_clear(VpScan *scan);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpScan, vp_scan_clear)

/* What of the first document is of interest; another pass over it for each. */
typedef enum VpScanWish {
    VP_SCAN_NEEDS,    /* only what has to be known */
    VP_SCAN_UUID,     /* `uuid` too */
    VP_SCAN_SNAPSHOT, /* `snapshot` too */
} VpScanWish;

/* Errors are left to the translation, which finds them again. */
void vp_scan_payload(const VpXmlRules *rules, VpScanWish wish, const char *layout,
                     const guint8 *payload, gsize size, VpScan *ret_scan);

/* The devices that are added in a definition in upstream form, for VpXmlRules.previous. NULL is
 * fine. */
GPtrArray *vp_added_devices(const char *xml);

typedef struct VpTranslated {
    VpWalkVerdict verdict;
    GByteArray *payload;  /* CHANGED */
    GError *error;        /* REFUSED */
    char *xml;            /* the first document in its new form; NULL: none, or not changed */
} VpTranslated;

void vp_translated_clear(VpTranslated *translated);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpTranslated, vp_translated_clear)

/* Author's form -> upstream form. @previous: a document whose kept elements go into each; NULL:
 * none. */
void vp_translate_payload(const VpXmlRules *rules, const char *layout, const guint8 *payload,
                          gsize size, const char *previous, VpTranslated *ret_translated);

/* Upstream form -> author's form. */
void vp_restore_payload(const char *layout, const guint8 *payload, gsize size,
                        VpTranslated *ret_translated);
