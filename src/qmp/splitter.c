/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * QEMU ends each message with CR LF and writes neither inside of one, so a message is a line.
 *
 * A message that lies in one read as a whole is handed out where it is. Only what has no end yet
 * is copied, and given back as soon as its end was there: nothing is kept between messages. Only
 * new bytes are searched for a line end, so that a long message that comes in small pieces costs
 * as much as one that comes at once.
 */

#include "qmp/splitter.h"

#include "base/limits.h"

#include <string.h>

void
vp_qmp_splitter_clear(VpQmpSplitter *splitter)
{
    vp_buffer_clear(&splitter->partial);
    splitter->returned = false;
}

VpQmpSplit
vp_qmp_splitter_next(VpQmpSplitter *splitter, char **bytes, gsize *n, char **ret_message,
                     gsize *ret_size)
{
    VpBuffer *partial = &splitter->partial;
    char *message = *bytes, *end = NULL;
    gsize size = 0;

    if (splitter->returned)
        vp_qmp_splitter_clear(splitter);
    end = *n > 0 ? memchr(*bytes, '\n', *n) : NULL;
    size = end ? (gsize)(end - *bytes) + 1 : *n;
    if (partial->len + size > VP_QMP_MESSAGE_MAX + strlen(end ? "\r\n" : "\r"))
        return VP_QMP_SPLIT_TOO_LONG;
    if (!end || partial->len > 0)
        vp_buffer_append(partial, *bytes, size);
    *bytes += size;
    *n -= size;
    if (!end)
        return VP_QMP_SPLIT_MORE;
    if (partial->len > 0) {
        splitter->returned = true;
        message = (char *)partial->block + partial->start;
        size = partial->len;
    }
    size--;
    if (size > 0 && message[size - 1] == '\r')
        size--;
    if (size > VP_QMP_MESSAGE_MAX)
        return VP_QMP_SPLIT_TOO_LONG;
    *ret_message = message;
    *ret_size = size;
    return VP_QMP_SPLIT_MESSAGE;
}
