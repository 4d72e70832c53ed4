/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From the configuration to TLS, and from what TLS says of it to the key that is to be changed. */

#include "qemu_passthrough/certificates.h"

#include "base/error.h"

static const char *const keys[] = {
    [VP_TLS_CA] = "ca_file",
    [VP_TLS_CRL] = "crl_file",
    [VP_TLS_CERT] = "cert_file",
    [VP_TLS_KEY] = "key_file",
    [VP_TLS_PRIORITY] = "tls_priority",
};

VpTlsContext *
vp_certificates_load(const VpConfig *config, GError **error)
{
    const VpTlsConfig *tls = &config->tls;
    const VpTlsSettings settings = {
        .ca_file = tls->ca_file,
        .crl_file = tls->crl_file,
        .cert_file = tls->cert_file,
        .key_file = tls->key_file,
        .priority = tls->priority,
        .allowed_names = (const char *const *)tls->allowed_names,
    };
    g_autoptr(GError) why = NULL;
    VpTlsContext *context = vp_tls_context_new(&settings, &why);

    if (!context)
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "[listen] %s: %s", keys[why->code],
                    why->message);
    return context;
}
