/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Peers that cost more than a loop has to spend: by a key whose signature takes long to look at,
 * and by large numbers for Diffie and Hellman. */

#include "rpc/test-certificates.h"

#include "rpc/test-helpers.h"

#include <gnutls/abstract.h>

/* Bytes of a key's modulus, and of its exponent: GnuTLS takes seconds to look at one signature. */
#define BURDEN 2048

static guint8 burden[BURDEN];

/* There is no private key: the signature is as good as any. */
static int
sign_anyhow(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, void *data, unsigned flags,
            const gnutls_datum_t *text, gnutls_datum_t *signature)
{
    signature->data = gnutls_malloc(BURDEN);
    signature->size = BURDEN;
    memset(signature->data, 0x33, BURDEN);
    return 0;
}

static int
tell_of_burden(gnutls_privkey_t key, unsigned flags, void *data)
{
    if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO)
        return GNUTLS_PK_RSA;
    if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS)
        return BURDEN * 8;
    return flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO ? 1 : -1;
}

/* A certificate of that key, with @issuer's name and somebody else's signature. */
static gnutls_x509_crt_t
make_burden(const char *issuer)
{
    const gnutls_datum_t number = { burden, BURDEN };
    VpTestCertificate other = make_certificate(&(VpTestWish){ .name = issuer, .ca = true }, NULL);
    VpTestCertificate made = make_certificate(&(VpTestWish){ .name = "CN=burden" }, &other);
    gnutls_pubkey_t key = NULL;

    memset(burden, 0xa7, sizeof(burden));
    ok(gnutls_pubkey_init(&key));
    ok(gnutls_pubkey_import_rsa_raw(key, &number, &number));
    ok(gnutls_x509_crt_set_pubkey(made.crt, key));
    ok(gnutls_x509_crt_sign2(made.crt, other.crt, other.key, GNUTLS_DIG_SHA256, 0));
    gnutls_pubkey_deinit(key);
    gnutls_x509_privkey_deinit(made.key);
    drop_certificate(&other);
    return made.crt;
}

static void
show_burden(VpTestClient *client, gnutls_x509_crt_t crt)
{
    gnutls_pcert_st shown = { 0 }; /* the list is copied, what is in it is handed over */
    gnutls_privkey_t key = NULL;

    ok(gnutls_privkey_init(&key));
    ok(gnutls_privkey_import_ext4(key, NULL, NULL, sign_anyhow, NULL, NULL, tell_of_burden, 0));
    ok(gnutls_pcert_import_x509(&shown, crt, 0));
    gnutls_certificate_set_flags(client->credentials, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
    ok(gnutls_certificate_set_key(client->credentials, NULL, 0, &shown, 1, key));
}

/* Both ends of a connection; *ret_fd is the server's. */
static VpTls *
server_new(VpTlsContext *context, const VpTestCertificate *certificate, const char *priority,
           VpTestClient *ret_client, int *ret_fd)
{
    int fds[2] = { -1, -1 };
    g_autoptr(GError) error = NULL;
    VpTls *tls = NULL;

    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
    tls = vp_tls_new(context, fds[0], &error);
    g_assert_no_error(error);
    *ret_client = client_new(fds[1], certificate, priority);
    *ret_fd = fds[0];
    return tls;
}

/* How the server's beginning ends. */
static VpTlsStep
shake_hands(VpTls *tls, VpTestClient *client)
{
    VpTlsStep step = VP_TLS_WANTS_READ;

    for (guint turns = 0; step == VP_TLS_WANTS_READ || step == VP_TLS_WANTS_WRITE; turns++) {
        gnutls_handshake(client->session);
        step = vp_tls_accept(tls);
        g_assert_cmpuint(turns, <, 1000);
    }
    return step;
}

/* Whoever reaches the port can make one. It is refused for who has issued it, before its signature
 * is looked at. */
static void
check_refused(VpTlsContext *context, const char *issuer, const char *version)
{
    gnutls_x509_crt_t crt = make_burden(issuer);
    VpTestClient client = { 0 };
    vp_autofd int fd = -1;
    g_autoptr(VpTls) tls = server_new(context, NULL, version, &client, &fd);

    show_burden(&client, crt);
    g_assert_cmpint(shake_hands(tls, &client), ==, VP_TLS_REFUSED);
    g_assert_cmpstr(vp_tls_peer_name(tls), ==, "CN=burden");
    if (!strstr(vp_tls_problem(tls), "NOT trusted"))
        g_error("%s", vp_tls_problem(tls));
    client_close(&client);
    gnutls_x509_crt_deinit(crt);
}

static void
test_burden(void)
{
    VpTlsSettings settings = plain_settings();
    g_autoptr(VpTlsContext) context = context_or_fail(&settings);
    static const char *const versions[] = {
        "NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(versions); i++) {
        check_refused(context, "CN=other", versions[i]);
        check_refused(context, "CN=Test CA", versions[i]);
    }
}

/* Neither version has it with the default, and all have what other clients speak. */
static void
test_groups(void)
{
    static const struct {
        const char *client;
        bool good;
    } cases[] = {
        { "NORMAL", true },
        { "NORMAL:-GROUP-ALL:+GROUP-SECP256R1", true },
        { "NORMAL:-GROUP-ALL:+GROUP-FFDHE8192", false },
        { "NORMAL:-GROUP-ALL:+GROUP-FFDHE2048", false },
        { "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-RSA", false },
        { "NORMAL:-VERS-ALL:+VERS-TLS1.2:-GROUP-ALL:+GROUP-FFDHE8192", false },
    };
    VpTlsSettings settings = plain_settings();
    VpTestCertificate made = make_certificate(&(VpTestWish){ .name = "CN=me" }, &test_ca);
    g_autoptr(VpTlsContext) context = NULL;

    settings.priority = VP_TLS_PRIORITY_DEFAULT;
    context = context_or_fail(&settings);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        VpTestClient client = { 0 };
        vp_autofd int fd = -1;
        g_autoptr(VpTls) tls = server_new(context, &made, cases[i].client, &client, &fd);

        g_assert_cmpint(shake_hands(tls, &client), ==,
                        cases[i].good ? VP_TLS_READY : VP_TLS_FAILED);
        client_close(&client);
    }
    drop_certificate(&made);
}

int
main(int argc, char **argv)
{
    int ret = 0;

    g_test_init(&argc, &argv, NULL);
    make_tls_dir();
    g_test_add_func("/tls/burden", test_burden);
    g_test_add_func("/tls/groups", test_groups);
    ret = g_test_run();
    remove_tls_dir();
    return ret;
}
