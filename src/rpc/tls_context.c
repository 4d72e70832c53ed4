/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Certificates, read and checked before a client depends on them.
 *
 * What is wrong with them would otherwise show as a handshake that fails, at the client and in
 * words that do not tell which file to look at. So everything that a stock client or libvirtd
 * would object to is looked for here, in the order in which one file depends on the other: the
 * CA, what it has revoked, our certificate, its key. An error's code says which of them it is
 * about; whoever called knows what the setting is called.
 */

#include "rpc/tls_private.h"

#include <gnutls/x509.h>

G_DEFINE_QUARK(vp-tls-error-quark, vp_tls_error)

/* The certificates of a file. */
typedef struct VpCertificates {
    const char *file;
    VpTlsPart part;
    char *text;
    gnutls_x509_crt_t *list;
    guint n;
} VpCertificates;

static void
certificates_clear(VpCertificates *certificates)
{
    for (guint i = 0; i < certificates->n; i++)
        gnutls_x509_crt_deinit(certificates->list[i]);
    gnutls_free(certificates->list);
    g_free(certificates->text);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpCertificates, certificates_clear)

static char *
read_file(const char *file, VpTlsPart part, GError **error)
{
    g_autoptr(GError) why = NULL;
    char *text = NULL;

    if (!g_file_get_contents(file, &text, NULL, &why))
        g_set_error(error, VP_TLS_ERROR, part, "%s", why->message);
    return text;
}

static bool
read_certificates(VpCertificates *certificates, GError **error)
{
    gnutls_datum_t datum = { 0 };
    int ret = 0;

    certificates->text = read_file(certificates->file, certificates->part, error);
    if (!certificates->text)
        return false;
    datum.data = (unsigned char *)certificates->text;
    datum.size = strlen(certificates->text);
    ret = gnutls_x509_crt_list_import2(&certificates->list, &certificates->n, &datum,
                                       GNUTLS_X509_FMT_PEM, 0);
    if (ret < 0) {
        certificates->n = 0;
        g_set_error(error, VP_TLS_ERROR, certificates->part,
                    "'%s' is no file of certificates in PEM: %s", certificates->file,
                    gnutls_strerror(ret));
        return false;
    }
    return true;
}

/* --- what one certificate has to be -------------------------------------- */

/* Each returns what is wrong, NULL if nothing is. */
typedef const char *(*VpCheckFunc)(gnutls_x509_crt_t certificate);

static const char *
check_begin(gnutls_x509_crt_t certificate)
{
    return gnutls_x509_crt_get_activation_time(certificate) > time(NULL) ? "is not valid yet"
                                                                         : NULL;
}

static const char *
check_end(gnutls_x509_crt_t certificate)
{
    return gnutls_x509_crt_get_expiration_time(certificate) < time(NULL) ? "has expired" : NULL;
}

static const char *
check_is_ca(gnutls_x509_crt_t certificate)
{
    return gnutls_x509_crt_get_ca_status(certificate, NULL) <= 0
               ? "is not one of a CA (basicConstraints do not say CA:TRUE)" : NULL;
}

static const char *
check_is_no_ca(gnutls_x509_crt_t certificate)
{
    return gnutls_x509_crt_get_ca_status(certificate, NULL) > 0
               ? "is one of a CA, not of a server" : NULL;
}

static const char *
check_usage(gnutls_x509_crt_t certificate)
{
    unsigned usage = 0;

    if (gnutls_x509_crt_get_key_usage(certificate, &usage, NULL) < 0)
        return NULL; /* it says nothing of its usage: any will do */
    return usage & GNUTLS_KEY_DIGITAL_SIGNATURE ? NULL
               : "may not be used by a server (keyUsage lacks digitalSignature)";
}

static const char *
check_purpose(gnutls_x509_crt_t certificate)
{
    return gnutls_x509_crt_check_key_purpose(certificate, GNUTLS_KP_TLS_WWW_SERVER, 0)
               ? NULL : "may not be used by a server (extendedKeyUsage lacks serverAuth)";
}

static const VpCheckFunc ca_checks[] = { check_begin, check_end, check_is_ca, NULL };

static const VpCheckFunc server_checks[] = {
    check_begin, check_end, check_is_no_ca, check_usage, check_purpose, NULL,
};

static bool
check(const VpCertificates *certificates, guint index, const VpCheckFunc *checks, GError **error)
{
    gnutls_x509_crt_t certificate = certificates->list[index];
    gnutls_datum_t name = { 0 };
    const char *problem = NULL;

    while (*checks && !problem)
        problem = (*checks++)(certificate);
    if (!problem)
        return true;
    gnutls_x509_crt_get_dn2(certificate, &name);
    g_set_error(error, VP_TLS_ERROR, certificates->part, "the certificate of '%s' in '%s' %s",
                name.data ? (const char *)name.data : "nobody", certificates->file, problem);
    gnutls_free(name.data);
    return false;
}

/* --- the files ----------------------------------------------------------- */

static bool
load_ca(VpTlsContext *context, VpCertificates *ca, GError **error)
{
    int ret = 0;

    if (!read_certificates(ca, error))
        return false;
    for (guint i = 0; i < ca->n; i++) {
        if (!check(ca, i, ca_checks, error))
            return false;
    }
    ret = gnutls_certificate_set_x509_trust(context->credentials, ca->list, ca->n);
    if (ret < 0)
        g_set_error(error, VP_TLS_ERROR, VP_TLS_CA, "'%s': %s", ca->file, gnutls_strerror(ret));
    return ret >= 0;
}

static bool
load_crl(VpTlsContext *context, const char *file, GError **error)
{
    g_autofree char *text = file ? read_file(file, VP_TLS_CRL, error) : NULL;
    gnutls_datum_t datum = { 0 };
    int ret = 0;

    if (!text)
        return !file;
    datum.data = (unsigned char *)text;
    datum.size = strlen(text);
    ret = gnutls_certificate_set_x509_crl_mem(context->credentials, &datum, GNUTLS_X509_FMT_PEM);
    if (ret < 0)
        g_set_error(error, VP_TLS_ERROR, VP_TLS_CRL,
                    "'%s' is no revocation list in PEM of that CA: %s", file, gnutls_strerror(ret));
    return ret >= 0;
}

/* By the rules that clients will apply. */
static bool
check_signed(const VpCertificates *own, const VpCertificates *ca, GError **error)
{
    unsigned status = 0;
    gnutls_datum_t words = { 0 };

    gnutls_x509_crt_list_verify(own->list, own->n, ca->list, ca->n, NULL, 0, 0, &status);
    if (status == 0)
        return true;
    gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &words, 0);
    g_set_error(error, VP_TLS_ERROR, VP_TLS_CERT,
                "the certificate in '%s' does not pass with the CA in '%s': %s", own->file,
                ca->file, words.data ? g_strchomp((char *)words.data) : "it is not signed by it");
    gnutls_free(words.data);
    return false;
}

static bool
load_own(VpTlsContext *context, const VpTlsSettings *settings, const VpCertificates *ca,
         GError **error)
{
    g_auto(VpCertificates) own = { .file = settings->cert_file, .part = VP_TLS_CERT };
    g_autofree char *key = NULL;
    gnutls_datum_t own_datum = { 0 };
    gnutls_datum_t key_datum = { 0 };
    int ret = 0;

    if (!read_certificates(&own, error) || !check(&own, 0, server_checks, error) ||
        !check_signed(&own, ca, error))
        return false;
    key = read_file(settings->key_file, VP_TLS_KEY, error);
    if (!key)
        return false;
    own_datum = (gnutls_datum_t){ (unsigned char *)own.text, strlen(own.text) };
    key_datum = (gnutls_datum_t){ (unsigned char *)key, strlen(key) };
    ret = gnutls_certificate_set_x509_key_mem2(context->credentials, &own_datum, &key_datum,
                                               GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_memset(key, 0, key_datum.size);
    if (ret == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        g_set_error(error, VP_TLS_ERROR, VP_TLS_KEY,
                    "the key in '%s' does not belong to the certificate in '%s'",
                    settings->key_file, settings->cert_file);
    else if (ret < 0)
        g_set_error(error, VP_TLS_ERROR, VP_TLS_KEY,
                    "'%s' is no private key in PEM without a passphrase: %s", settings->key_file,
                    gnutls_strerror(ret));
    return ret >= 0;
}

static bool
load_priority(VpTlsContext *context, const char *text, GError **error)
{
    const char *at = NULL;
    int ret = gnutls_priority_init(&context->priority, text, &at);

    if (ret < 0)
        g_set_error(error, VP_TLS_ERROR, VP_TLS_PRIORITY, "GnuTLS does not know '%s': %s",
                    at && *at ? at : text, gnutls_strerror(ret));
    return ret >= 0;
}

VpTlsContext *
vp_tls_context_new(const VpTlsSettings *settings, GError **error)
{
    g_autoptr(VpTlsContext) context = g_new0(VpTlsContext, 1);
    g_auto(VpCertificates) ca = { .file = settings->ca_file, .part = VP_TLS_CA };

    context->references = 1;
    context->allowed_names = g_strdupv((char **)settings->allowed_names);
    if (gnutls_certificate_allocate_credentials(&context->credentials) < 0)
        g_error("no memory for credentials"); /* as GLib does */
    if (!load_ca(context, &ca, error) || !load_crl(context, settings->crl_file, error) ||
        !load_own(context, settings, &ca, error) ||
        !load_priority(context, settings->priority, error))
        return NULL;
    return g_steal_pointer(&context);
}

VpTlsContext *
vp_tls_context_ref(VpTlsContext *context)
{
    context->references++;
    return context;
}

void
vp_tls_context_unref(VpTlsContext *context)
{
    if (!context || --context->references > 0)
        return;
    if (context->priority)
        gnutls_priority_deinit(context->priority);
    gnutls_certificate_free_credentials(context->credentials);
    g_strfreev(context->allowed_names);
    g_free(context);
}
