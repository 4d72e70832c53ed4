/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Bytes that came in and are not complete, or go out and found no room: a queue
 * of bytes in one block. Empty it owns no memory, so that an idle connection
 * costs nothing here. All fields may be read.
 */
typedef struct VpBuffer {
    guint8 *block;   /* NULL while empty */
    gsize start;     /* first byte that is not consumed */
    gsize len;       /* bytes from there */
    gsize allocated;
} VpBuffer;

#define VP_BUFFER_INIT { 0 }

void vp_buffer_clear(VpBuffer *buffer);

void vp_buffer_append(VpBuffer *buffer, const void *bytes, gsize n);

/* Takes @n bytes off the front. */
void vp_buffer_consume(VpBuffer *buffer, gsize n);

static inline const guint8 *
vp_buffer_bytes(const VpBuffer *buffer)
{
    return buffer->block ? buffer->block + buffer->start : NULL;
}
