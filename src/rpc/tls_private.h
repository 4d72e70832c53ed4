/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What tls_context.c prepares and tls.c uses. */

#include <gnutls/gnutls.h>

#include "rpc/tls.h"

struct VpTlsContext {
    guint references;
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
    char **allowed_names; /* NULL: all */
};
