/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The one place that calls libtirpc's XDR streams.
 *
 * xdrmem wants a buffer of known size when it encodes, so the size is computed first
 * (xdr_sizeof walks the object without writing).
 */

#include "rpc/payload.h"

#include <string.h>

bool
vp_xdr_decode(const guint8 *payload, gsize size, void *func, void *object)
{
    xdrproc_t proc = (xdrproc_t)func;
    XDR xdr = { 0 };
    bool ok = false;

    xdrmem_create(&xdr, (char *)payload, size, XDR_DECODE);
    ok = proc(&xdr, object);
    xdr_destroy(&xdr);
    if (!ok)
        xdr_free(proc, object);
    return ok;
}

void
vp_xdr_clear(void *func, void *object)
{
    xdr_free((xdrproc_t)func, object);
}

bool
vp_xdr_append(GByteArray *out, void *func, void *object)
{
    xdrproc_t proc = (xdrproc_t)func;
    gsize size = xdr_sizeof(proc, object);
    guint start = out->len;
    XDR xdr = { 0 };
    bool ok = false;

    if (size == 0 || size > VP_FRAME_MAX) /* 0: it could not be walked through */
        return false;
    g_byte_array_set_size(out, start + size);
    xdrmem_create(&xdr, (char *)out->data + start, size, XDR_ENCODE);
    ok = proc(&xdr, object);
    xdr_destroy(&xdr);
    if (!ok)
        g_byte_array_set_size(out, start);
    return ok;
}

GByteArray *
vp_xdr_frame(const VpHeader *header, void *func, void *object)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    vp_frame_begin(out, header);
    if (func && !vp_xdr_append(out, func, object))
        return NULL;
    if (!vp_frame_end(out))
        return NULL;
    return g_steal_pointer(&out);
}

void
vp_uuid_format(const guint8 *uuid, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";
    char *p = ret_text;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[uuid[i] >> 4];
        *p++ = digits[uuid[i] & 15];
    }
    *p = '\0';
}

bool
vp_uuid_parse(const char *text, guint8 *ret_uuid)
{
    guint8 uuid[16] = { 0 };
    int n = 0;

    for (; n < 16 && *text; n++) {
        int high = 0, low = 0;

        while (*text == '-')
            text++;
        high = g_ascii_xdigit_value(text[0]);
        low = high < 0 ? -1 : g_ascii_xdigit_value(text[1]);
        if (low < 0)
            return false;
        uuid[n] = high << 4 | low;
        text += 2;
    }
    if (n < 16 || *text)
        return false;
    memcpy(ret_uuid, uuid, sizeof(uuid));
    return true;
}

guint
vp_uuid_hash(gconstpointer uuid)
{
    guint hash = 0;

    memcpy(&hash, uuid, sizeof(hash)); /* a uuid is random enough as it is */
    return hash;
}

gboolean
vp_uuid_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(vp_uuid)) == 0;
}
