/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"

#include <stdbool.h>

/* Cuts the bytes that QEMU sends into messages. An empty one owns no memory. */
typedef struct VpQmpSplitter {
    VpBuffer partial; /* a message whose end has not come yet */
    bool returned;    /* @partial is complete and was handed out; the next call drops it */
} VpQmpSplitter;

#define VP_QMP_SPLITTER_INIT { VP_BUFFER_INIT, false }

typedef enum VpQmpSplit {
    VP_QMP_SPLIT_MESSAGE,  /* *ret_message is set */
    VP_QMP_SPLIT_MORE,     /* all bytes are used up, more are needed */
    VP_QMP_SPLIT_TOO_LONG, /* a message is longer than VP_QMP_MESSAGE_MAX; cannot go on */
} VpQmpSplit;

/*
 * The next message of *bytes, which is moved forward over what was used. It is a part of *bytes
 * or of the splitter, without line end, writable up to and including the byte behind it, and
 * valid until the next call.
 */
VpQmpSplit vp_qmp_splitter_next(VpQmpSplitter *splitter, char **bytes, gsize *n,
                                char **ret_message, gsize *ret_size);

void vp_qmp_splitter_clear(VpQmpSplitter *splitter);
