/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A byte queue. Growth doubles; consumed room at the front is reused by moving
 * the rest down only when an append needs it, so that a byte is moved at most
 * about once for each time the block doubles.
 */

#include "base/buffer.h"

#include <string.h>

#define FIRST_BLOCK 512

void
vp_buffer_clear(VpBuffer *buffer)
{
    g_free(buffer->block);
    *buffer = (VpBuffer)VP_BUFFER_INIT;
}

static void
make_room(VpBuffer *buffer, gsize n)
{
    gsize wanted = buffer->len + n;
    gsize size = MAX(buffer->allocated, (gsize)FIRST_BLOCK);

    if (buffer->start + wanted <= buffer->allocated)
        return;
    if (wanted <= buffer->allocated / 2) {
        memmove(buffer->block, buffer->block + buffer->start, buffer->len);
        buffer->start = 0;
        return;
    }
    while (size < wanted)
        size *= 2;
    if (buffer->start > 0)
        memmove(buffer->block, buffer->block + buffer->start, buffer->len);
    buffer->start = 0;
    buffer->block = g_realloc(buffer->block, size);
    buffer->allocated = size;
}

void
vp_buffer_append(VpBuffer *buffer, const void *bytes, gsize n)
{
    if (n == 0)
        return;
    make_room(buffer, n);
    memcpy(buffer->block + buffer->start + buffer->len, bytes, n);
    buffer->len += n;
}

void
vp_buffer_consume(VpBuffer *buffer, gsize n)
{
    g_assert(n <= buffer->len);
    if (n == buffer->len) {
        vp_buffer_clear(buffer);
        return;
    }
    buffer->start += n;
    buffer->len -= n;
}
