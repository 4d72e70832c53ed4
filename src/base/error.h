/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * The two error channels of this program.
 *
 * GError says what *we* could not do. A function that takes a GError ** returns
 * bool or a pointer as well, and the caller looks at that value:
 *
 *     if (!vp_thing_open(thing, path, error))
 *         return false;
 *
 * What a *peer* did (closed, lied about a length, sent invalid JSON) is no
 * failure of ours. It is a verdict: a small enum beside the function that finds
 * it, which the direct caller handles and translates for its own caller. It
 * reaches the wire in one place: rpc_error.c for libvirt's RPC.
 *
 * WRONG: looking at the error instead of at the return value
 *     vp_thing_open(thing, path, &err); if (err) ...
 * WRONG: a peer's mistake as GError, logged as if we had failed
 * WRONG: touching ret_ parameters before it is sure that the call succeeds
 */

#define VP_ERROR (vp_error_quark())

typedef enum VpError {
    VP_ERROR_FAILED,      /* a system call or library refused; the text says which */
    VP_ERROR_CONFIG,      /* configuration file or command line: names key or option */
    VP_ERROR_XML,         /* a document is not what it has to be: names the element */
    VP_ERROR_UNSUPPORTED, /* well-formed, but cannot be done here */
    VP_ERROR_LIMIT,       /* a limit of limits.h: names it and the size found */
    VP_ERROR_CLOSED,      /* the peer is gone */
    VP_ERROR_STRANGER,    /* somebody else is where the peer should be: names him */
} VpError;

GQuark vp_error_quark(void);

/* Sets @error. Always false, so that a check can end with it. */
bool vp_refuse(GError **error, VpError code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Sets @error from errno value @errnum: "TEXT: strerror". */
void vp_error_set_errno(GError **error, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);
