/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <rpc/rpc.h>

#include "remote/qemu_protocol.h"
#include "rpc/frame.h"

/*
 * Between rpcgen's structures and bytes. (Not called xdr.h, which would hide libtirpc's header.)
 * @func is the generated xdr_... function of *object.
 */

/* false: the payload is not such an object; nothing is left to free. Bytes behind it are
 * tolerated, as libvirt does. */
bool vp_xdr_decode(const guint8 *payload, gsize size, void *func, void *object);

/* Frees what vp_xdr_decode() allocated in *object. */
void vp_xdr_clear(void *func, void *object);

/* Appends the object. false: it breaks a limit of the protocol (a string too long). */
bool vp_xdr_append(GByteArray *out, void *func, void *object);

/* A whole frame with the object as payload (@func NULL: none). NULL: see vp_xdr_append(). */
GByteArray *vp_xdr_frame(const VpHeader *header, void *func, void *object);

/* Between the 16 bytes of a uuid and its text. */
#define VP_UUID_TEXT_SIZE 37
void vp_uuid_format(const guint8 *uuid, char *ret_text);

/* Dashes may be anywhere between two bytes, or nowhere, as for libvirt. */
bool vp_uuid_parse(const char *text, guint8 *ret_uuid);

/* For hash tables whose keys are the 16 bytes of a uuid. */
guint vp_uuid_hash(gconstpointer uuid);
gboolean vp_uuid_equal(gconstpointer a, gconstpointer b);
