/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The quark of our GErrors, and short ways to make one. */

#include "base/error.h"

G_DEFINE_QUARK(virtpass-error-quark, vp_error)

bool
vp_refuse(GError **error, VpError code, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, VP_ERROR, code, text);
    return false;
}

void
vp_error_set_errno(GError **error, int errnum, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, VP_ERROR, VP_ERROR_FAILED, "%s: %s", text, g_strerror(errnum));
}
