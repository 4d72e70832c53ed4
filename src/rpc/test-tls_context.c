/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Certificates: which are taken, and what is said of the others. */

#include "rpc/test-certificates.h"

/* The error names what it is about by its code, and these words are in its message. */
static void
assert_refused(const VpTlsSettings *settings, VpTlsPart part, const char *word, const char *other)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VpTlsContext) context = vp_tls_context_new(settings, &error);

    g_assert_null(context);
    g_assert_error(error, VP_TLS_ERROR, (int)part);
    if (!strstr(error->message, word) || !strstr(error->message, other))
        g_error("'%s' and '%s' are not in: %s", word, other, error->message);
}

static void
assert_taken(const VpTlsSettings *settings)
{
    g_autoptr(VpTlsContext) context = context_or_fail(settings);

    g_assert_nonnull(context);
}

static void
test_good(void)
{
    VpTlsSettings settings = plain_settings();
    VpTestCertificate client = make_certificate(&(VpTestWish){ .name = "CN=gone" }, &test_ca);

    assert_taken(&settings);
    write_revocation(tls_dir, "crl.pem", &test_ca, &client);
    settings.crl_file = tls_path("crl.pem");
    settings.priority = "SECURE256:-VERS-TLS1.2";
    assert_taken(&settings);
    drop_certificate(&client);
}

static void
test_missing_files(void)
{
    for (VpTlsPart part = VP_TLS_CA; part <= VP_TLS_KEY; part++) {
        VpTlsSettings settings = plain_settings();
        const char **const files[] = {
            &settings.ca_file, &settings.crl_file, &settings.cert_file, &settings.key_file,
        };

        *files[part] = tls_path("absent.pem");
        assert_refused(&settings, part, "absent.pem", "No such file");
    }
}

static void
test_broken_files(void)
{
    const char *const texts[] = {
        "", "nonsense\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_assert_true(g_file_set_contents(tls_path("broken.pem"), texts[i], -1, NULL));
        for (VpTlsPart part = VP_TLS_CA; part <= VP_TLS_KEY; part++) {
            VpTlsSettings settings = plain_settings();
            const char **const files[] = {
                &settings.ca_file, &settings.crl_file, &settings.cert_file, &settings.key_file,
            };

            *files[part] = tls_path("broken.pem");
            assert_refused(&settings, part, "broken.pem", "PEM");
        }
    }
}

/* A key that is not the certificate's: both files are named. */
static void
test_wrong_key(void)
{
    VpTlsSettings settings = plain_settings();

    write_key(tls_dir, "other.pem", &test_ca);
    settings.key_file = tls_path("other.pem");
    assert_refused(&settings, VP_TLS_KEY, "other.pem", "cert.pem");
}

static void
test_unfit_servers(void)
{
    static const struct {
        VpTestWish wish;
        const char *word;
    } cases[] = {
        { { .name = "CN=s", .begins = -9 * DAY, .ends = -DAY }, "has expired" },
        { { .name = "CN=s", .begins = DAY, .ends = 2 * DAY }, "is not valid yet" },
        { { .name = "CN=s", .ca = true }, "CA" },
        { { .name = "CN=s", .usage = GNUTLS_KEY_KEY_ENCIPHERMENT }, "digitalSignature" },
        { { .name = "CN=s", .purpose = GNUTLS_KP_TLS_WWW_CLIENT }, "serverAuth" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        VpTestCertificate made = make_certificate(&cases[i].wish, &test_ca);
        VpTlsSettings settings = plain_settings();

        write_certificate(tls_dir, "unfit.pem", &made);
        settings.cert_file = tls_path("unfit.pem");
        assert_refused(&settings, VP_TLS_CERT, "'CN=s'", cases[i].word);
        assert_refused(&settings, VP_TLS_CERT, "unfit.pem", cases[i].word);
        drop_certificate(&made);
    }
}

/* With the purpose that it needs, and with another one besides. */
static void
test_fit_server(void)
{
    VpTestWish wish = { .name = "CN=s", .purpose = GNUTLS_KP_TLS_WWW_SERVER };
    VpTestCertificate made = make_certificate(&wish, &test_ca);
    VpTlsSettings settings = plain_settings();

    write_certificate(tls_dir, "fit.pem", &made);
    write_key(tls_dir, "fit-key.pem", &made);
    settings.cert_file = tls_path("fit.pem");
    settings.key_file = tls_path("fit-key.pem");
    assert_taken(&settings);
    drop_certificate(&made);
}

static void
test_unfit_ca(void)
{
    static const struct {
        VpTestWish wish;
        const char *word;
    } cases[] = {
        { { .name = "CN=c", .ca = true, .begins = -9 * DAY, .ends = -DAY }, "has expired" },
        { { .name = "CN=c", .ca = true, .begins = DAY, .ends = 2 * DAY }, "is not valid yet" },
        { { .name = "CN=c" }, "basicConstraints" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        VpTestCertificate made = make_certificate(&cases[i].wish, NULL);
        VpTlsSettings settings = plain_settings();

        write_certificate(tls_dir, "unfit.pem", &made);
        settings.ca_file = tls_path("unfit.pem");
        assert_refused(&settings, VP_TLS_CA, "unfit.pem", cases[i].word);
        drop_certificate(&made);
    }
}

/* Our certificate is of another CA than that which clients are told of. */
static void
test_other_ca(void)
{
    VpTestCertificate other = make_certificate(&(VpTestWish){ .name = "CN=o", .ca = true }, NULL);
    VpTlsSettings settings = plain_settings();

    write_certificate(tls_dir, "other-ca.pem", &other);
    settings.ca_file = tls_path("other-ca.pem");
    assert_refused(&settings, VP_TLS_CERT, "cert.pem", "other-ca.pem");
    drop_certificate(&other);
}

static void
test_wrong_priority(void)
{
    VpTlsSettings settings = plain_settings();

    settings.priority = "NORMAL:+NO-SUCH-THING";
    assert_refused(&settings, VP_TLS_PRIORITY, "NO-SUCH-THING", "GnuTLS");
    settings.priority = "NORMAL";
    assert_taken(&settings);
}

int
main(int argc, char **argv)
{
    int status = 0;

    g_test_init(&argc, &argv, NULL);
    make_tls_dir();
    g_test_add_func("/tls-context/good", test_good);
    g_test_add_func("/tls-context/missing-files", test_missing_files);
    g_test_add_func("/tls-context/broken-files", test_broken_files);
    g_test_add_func("/tls-context/wrong-key", test_wrong_key);
    g_test_add_func("/tls-context/unfit-servers", test_unfit_servers);
    g_test_add_func("/tls-context/fit-server", test_fit_server);
    g_test_add_func("/tls-context/unfit-ca", test_unfit_ca);
    g_test_add_func("/tls-context/other-ca", test_other_ca);
    g_test_add_func("/tls-context/wrong-priority", test_wrong_priority);
    status = g_test_run();
    remove_tls_dir();
    return status;
}
