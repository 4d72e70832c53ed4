/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Certificates of our own, made in memory and written to a directory, and a TLS client that shows
 * one. */

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "base/fd.h"
#include "rpc/tls.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>

#define DAY (24 * 3600)

/* A certificate with its key. */
typedef struct VpTestCertificate {
    gnutls_x509_crt_t crt;
    gnutls_x509_privkey_t key;
} VpTestCertificate;

/* What is unusual about one; all zero: a good one, of a client or server. */
typedef struct VpTestWish {
    const char *name;      /* its DN, as the certificate has its parts */
    bool ca;
    gint64 begins, ends;   /* seconds from now; 0: yesterday and tomorrow */
    unsigned usage;        /* 0: what libvirt asks for */
    const char *purpose;   /* an OID; NULL: none */
    bool critical;         /* of the purpose: who does not know it is to refuse the certificate */
} VpTestWish;

static inline void
ok(int ret)
{
    if (ret < 0)
        g_error("GnuTLS: %s", gnutls_strerror(ret));
}

/* RFC 4514 begins with the last part, and so does gnutls_x509_crt_set_dn(). */
static inline void
set_name(gnutls_x509_crt_t crt, const char *name)
{
    g_auto(GStrv) parts = g_strsplit(name, ",", -1);
    g_autoptr(GString) reversed = g_string_new(NULL);
    const char *at = NULL;

    for (guint n = g_strv_length(parts); n > 0; n--)
        g_string_append_printf(reversed, "%s%s", reversed->len > 0 ? "," : "", parts[n - 1]);
    ok(gnutls_x509_crt_set_dn(crt, reversed->str, &at));
}

/* @issuer NULL: signed by itself. */
static inline VpTestCertificate
make_certificate(const VpTestWish *wish, const VpTestCertificate *issuer)
{
    static guint8 serial;
    VpTestCertificate made = { 0 };

    ok(gnutls_x509_privkey_init(&made.key));
    ok(gnutls_x509_privkey_generate(made.key, GNUTLS_PK_ECDSA,
                                    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    ok(gnutls_x509_crt_init(&made.crt));
    ok(gnutls_x509_crt_set_version(made.crt, 3));
    serial++;
    ok(gnutls_x509_crt_set_serial(made.crt, &serial, 1));
    set_name(made.crt, wish->name);
    ok(gnutls_x509_crt_set_activation_time(made.crt, time(NULL) + (wish->begins ?: -DAY)));
    ok(gnutls_x509_crt_set_expiration_time(made.crt, time(NULL) + (wish->ends ?: DAY)));
    ok(gnutls_x509_crt_set_basic_constraints(made.crt, wish->ca, -1));
    ok(gnutls_x509_crt_set_key_usage(
        made.crt, wish->usage ?: wish->ca ? GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN
                                          : GNUTLS_KEY_DIGITAL_SIGNATURE |
                                                GNUTLS_KEY_KEY_ENCIPHERMENT));
    if (wish->purpose)
        ok(gnutls_x509_crt_set_key_purpose_oid(made.crt, wish->purpose, wish->critical));
    ok(gnutls_x509_crt_set_key(made.crt, made.key));
    ok(gnutls_x509_crt_sign2(made.crt, issuer ? issuer->crt : made.crt,
                             issuer ? issuer->key : made.key, GNUTLS_DIG_SHA256, 0));
    return made;
}

static inline void
drop_certificate(VpTestCertificate *certificate)
{
    gnutls_x509_crt_deinit(certificate->crt);
    gnutls_x509_privkey_deinit(certificate->key);
}

/* --- files --------------------------------------------------------------- */

static inline void
write_and_free(const char *dir, const char *name, gnutls_datum_t *datum)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);

    g_assert_true(g_file_set_contents(path, (const char *)datum->data, datum->size, NULL));
    gnutls_free(datum->data);
}

static inline void
write_certificate(const char *dir, const char *name, const VpTestCertificate *certificate)
{
    gnutls_datum_t datum = { 0 };

    ok(gnutls_x509_crt_export2(certificate->crt, GNUTLS_X509_FMT_PEM, &datum));
    write_and_free(dir, name, &datum);
}

static inline void
write_key(const char *dir, const char *name, const VpTestCertificate *certificate)
{
    gnutls_datum_t datum = { 0 };

    ok(gnutls_x509_privkey_export2(certificate->key, GNUTLS_X509_FMT_PEM, &datum));
    write_and_free(dir, name, &datum);
}

/* A list of the CA's that revokes @revoked. */
static inline void
write_revocation(const char *dir, const char *name, const VpTestCertificate *ca,
                 const VpTestCertificate *revoked)
{
    gnutls_x509_crl_t crl = NULL;
    gnutls_datum_t datum = { 0 };

    ok(gnutls_x509_crl_init(&crl));
    ok(gnutls_x509_crl_set_version(crl, 2));
    ok(gnutls_x509_crl_set_this_update(crl, time(NULL) - DAY));
    ok(gnutls_x509_crl_set_next_update(crl, time(NULL) + DAY));
    ok(gnutls_x509_crl_set_number(crl, "\1", 1));
    ok(gnutls_x509_crl_set_crt(crl, revoked->crt, time(NULL) - DAY));
    ok(gnutls_x509_crl_sign2(crl, ca->crt, ca->key, GNUTLS_DIG_SHA256, 0));
    ok(gnutls_x509_crl_export2(crl, GNUTLS_X509_FMT_PEM, &datum));
    gnutls_x509_crl_deinit(crl);
    write_and_free(dir, name, &datum);
}

/* --- a stage: one CA, one server, in a directory ------------------------- */

static char *tls_dir;
static VpTestCertificate test_ca, test_server;

/* Borrowed until the next time. */
static inline const char *
tls_path(const char *name)
{
    static char *paths[8];
    static guint next;

    next = (next + 1) % G_N_ELEMENTS(paths);
    g_free(paths[next]);
    paths[next] = g_build_filename(tls_dir, name, NULL);
    return paths[next];
}

static inline VpTlsSettings
plain_settings(void)
{
    return (VpTlsSettings){
        .ca_file = tls_path("ca.pem"),
        .cert_file = tls_path("cert.pem"),
        .key_file = tls_path("key.pem"),
        .priority = "NORMAL",
    };
}

static inline VpTlsContext *
context_or_fail(const VpTlsSettings *settings)
{
    g_autoptr(GError) error = NULL;
    VpTlsContext *context = vp_tls_context_new(settings, &error);

    g_assert_no_error(error);
    return context;
}

static inline void
make_tls_dir(void)
{
    tls_dir = g_dir_make_tmp("vp-XXXXXX", NULL);
    g_assert_nonnull(tls_dir);
    test_ca = make_certificate(&(VpTestWish){ .name = "CN=Test CA", .ca = true }, NULL);
    test_server = make_certificate(&(VpTestWish){ .name = "O=Test,CN=localhost" }, &test_ca);
    write_certificate(tls_dir, "ca.pem", &test_ca);
    write_certificate(tls_dir, "cert.pem", &test_server);
    write_key(tls_dir, "key.pem", &test_server);
}

static inline void
remove_tls_dir(void)
{
    g_autoptr(GDir) dir = g_dir_open(tls_dir, 0, NULL);

    for (const char *name; (name = g_dir_read_name(dir));)
        g_assert_no_errno(g_unlink(tls_path(name)));
    g_assert_no_errno(g_rmdir(tls_dir));
    g_clear_pointer(&tls_dir, g_free);
    drop_certificate(&test_server);
    drop_certificate(&test_ca);
}

/* --- a client ------------------------------------------------------------ */

typedef struct VpTestClient {
    int fd;
    gnutls_certificate_credentials_t credentials;
    gnutls_session_t session;
} VpTestClient;

/* On @fd, with @certificate or without. Takes over @fd, which is non-blocking. */
static inline VpTestClient
client_new(int fd, const VpTestCertificate *certificate, const char *priority)
{
    VpTestClient client = { .fd = fd };
    gnutls_x509_crt_t crt = certificate ? certificate->crt : NULL;

    ok(gnutls_certificate_allocate_credentials(&client.credentials));
    if (certificate)
        ok(gnutls_certificate_set_x509_key(client.credentials, &crt, 1, certificate->key));
    /* It shows it whoever the server says it would trust. */
    ok(gnutls_init(&client.session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL |
                                        GNUTLS_FORCE_CLIENT_CERT));
    ok(gnutls_priority_set_direct(client.session, priority ?: "NORMAL", NULL));
    ok(gnutls_credentials_set(client.session, GNUTLS_CRD_CERTIFICATE, client.credentials));
    gnutls_transport_set_int(client.session, fd);
    return client;
}

/* Without a word to the server. */
static inline void
client_close(VpTestClient *client)
{
    gnutls_deinit(client->session);
    gnutls_certificate_free_credentials(client->credentials);
    vp_clear_fd(&client->fd);
}
