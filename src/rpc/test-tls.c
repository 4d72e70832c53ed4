/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One TLS connection: who is let in and who is not, the byte, and bytes in portions. */

#include "rpc/test-certificates.h"

#include "base/limits.h"
#include "rpc/test-helpers.h"

/* --- a stage ------------------------------------------------------------- */

/* Both ends of a connection. */
typedef struct VpPair {
    int fd;              /* the server's */
    VpTls *tls;
    VpTlsStep step;      /* how the server's beginning ended */
    VpTestClient client;
    int ret;             /* the client's last */
} VpPair;

static VpPair
pair_new(VpTlsContext *context, const VpTestCertificate *certificate, const char *priority)
{
    g_autoptr(GError) error = NULL;
    int fds[2] = { -1, -1 };
    int small = 1; /* the kernel makes its minimum of it, some 4 KiB */
    VpPair pair = { .step = VP_TLS_WANTS_READ };

    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
    for (guint i = 0; i < 2; i++)
        g_assert_no_errno(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)));
    pair.fd = fds[0];
    pair.tls = vp_tls_new(context, fds[0], &error);
    g_assert_no_error(error);
    pair.client = client_new(fds[1], certificate, priority);
    return pair;
}

static bool
has_ended(VpTlsStep step)
{
    return step != VP_TLS_WANTS_READ && step != VP_TLS_WANTS_WRITE;
}

/* Both go on in turns until the server has made up its mind. */
static void
shake_hands(VpPair *pair)
{
    pair->ret = GNUTLS_E_AGAIN;
    for (guint turns = 0; !has_ended(pair->step); turns++) {
        if (pair->ret == GNUTLS_E_AGAIN)
            pair->ret = gnutls_handshake(pair->client.session);
        pair->step = vp_tls_accept(pair->tls);
        g_assert_cmpuint(turns, <, 1000);
    }
    while (pair->ret == GNUTLS_E_AGAIN && pair->step == VP_TLS_READY)
        pair->ret = gnutls_handshake(pair->client.session);
}

static void
pair_close(VpPair *pair)
{
    vp_tls_free(pair->tls);
    vp_clear_fd(&pair->fd);
    client_close(&pair->client);
}

static VpPair
open_pair(const char *priority)
{
    VpTlsSettings settings = plain_settings();
    g_autoptr(VpTlsContext) context = context_or_fail(&settings);
    VpTestCertificate made = make_certificate(&(VpTestWish){ .name = "O=Test,CN=me" }, &test_ca);
    VpPair pair = pair_new(context, &made, priority);
    guint8 byte = 0;

    shake_hands(&pair);
    g_assert_cmpint(pair.step, ==, VP_TLS_READY);
    g_assert_cmpint(pair.ret, ==, 0);
    g_assert_cmpint(gnutls_record_recv(pair.client.session, &byte, 1), ==, 1);
    g_assert_cmpuint(byte, ==, 1);
    drop_certificate(&made);
    return pair;
}

static const char *const versions[] = {
    "NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2",
};

/* --- who is let in ------------------------------------------------------- */

/* The byte is the first and only thing that the client gets: no ticket comes before or behind it,
 * which a libvirt client would take for an error. */
static void
test_confirmation(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(versions); i++) {
        VpPair pair = open_pair(versions[i]);
        guint8 rest[64];

        g_assert_cmpstr(vp_tls_peer_name(pair.tls), ==, "O=Test,CN=me");
        g_assert_null(vp_tls_problem(pair.tls));
        g_assert_cmpint(recv(pair.client.fd, rest, sizeof(rest), 0), ==, -1);
        g_assert_cmpint(errno, ==, EAGAIN);
        g_assert_cmpint(vp_tls_accept(pair.tls), ==, VP_TLS_READY); /* and not said twice */
        g_assert_cmpint(recv(pair.client.fd, rest, sizeof(rest), 0), ==, -1);
        pair_close(&pair);
    }
}

static void
assert_says(const char *text, const char *word)
{
    g_assert_nonnull(text);
    if (!strstr(text, word))
        g_error("'%s' is not in: %s", word, text);
}

/* What becomes of a client with such a certificate. */
static void
assert_step(VpTlsContext *context, const VpTestCertificate *certificate, VpTlsStep step,
            const char *name, const char *problem)
{
    for (gsize i = 0; i < G_N_ELEMENTS(versions); i++) {
        VpPair pair = pair_new(context, certificate, versions[i]);
        guint8 byte = 0;

        shake_hands(&pair);
        g_assert_cmpint(pair.step, ==, step);
        g_assert_cmpstr(vp_tls_peer_name(pair.tls), ==, name);
        if (problem)
            assert_says(vp_tls_problem(pair.tls), problem);
        else
            g_assert_null(vp_tls_problem(pair.tls));
        vp_tls_free(g_steal_pointer(&pair.tls));
        vp_clear_fd(&pair.fd);
        while (pair.ret == GNUTLS_E_AGAIN)
            pair.ret = gnutls_handshake(pair.client.session);
        g_assert_cmpint(gnutls_record_recv(pair.client.session, &byte, 1) > 0, ==, !problem);
        client_close(&pair.client);
    }
}

static void
assert_of(VpTlsContext *context, const VpTestWish *wish, const VpTestCertificate *issuer,
          VpTlsStep step, const char *problem)
{
    VpTestCertificate made = make_certificate(wish, issuer);

    assert_step(context, &made, step, wish->name, problem);
    drop_certificate(&made);
}

static void
test_certificates(void)
{
    VpTlsSettings settings = plain_settings();
    g_autoptr(VpTlsContext) context = context_or_fail(&settings);
    VpTestCertificate other = make_certificate(&(VpTestWish){ .name = "CN=o", .ca = true }, NULL);
    VpTestWish good = { .name = "CN=good" };
    VpTestWish expired = { .name = "CN=old", .begins = -9 * DAY, .ends = -DAY };
    VpTestWish early = { .name = "CN=early", .begins = DAY, .ends = 2 * DAY };

    assert_of(context, &good, &test_ca, VP_TLS_READY, NULL);
    assert_of(context, &good, &other, VP_TLS_REFUSED, "issuer is unknown");
    assert_of(context, &good, NULL, VP_TLS_REFUSED, "issuer is unknown");
    assert_of(context, &expired, &test_ca, VP_TLS_REFUSED, "expired");
    assert_of(context, &early, &test_ca, VP_TLS_REFUSED, "not yet valid");
    assert_step(context, NULL, VP_TLS_FAILED, NULL, "");
    assert_of(context, &good, &test_ca, VP_TLS_READY, NULL);
    drop_certificate(&other);
}

/* A server's certificate proves which host it is, and says nothing of whom that host works for. */
static void
test_purposes(void)
{
    static const struct {
        VpTestWish wish;
        const char *problem;
    } cases[] = {
        { { .name = "CN=none" }, NULL },
        { { .name = "CN=client", .purpose = GNUTLS_KP_TLS_WWW_CLIENT }, NULL },
        { { .name = "CN=any", .purpose = GNUTLS_KP_ANY }, NULL },
        { { .name = "CN=server", .purpose = GNUTLS_KP_TLS_WWW_SERVER }, "purpose" },
        { { .name = "CN=server!", .purpose = GNUTLS_KP_TLS_WWW_SERVER, .critical = true },
          "purpose" },
        { { .name = "CN=mail", .purpose = GNUTLS_KP_EMAIL_PROTECTION }, "purpose" },
        { { .name = "CN=client!", .purpose = GNUTLS_KP_TLS_WWW_CLIENT, .critical = true }, NULL },
        { { .name = "CN=ca", .ca = true,
            .usage = GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_DIGITAL_SIGNATURE }, "one of a CA" },
    };
    VpTlsSettings settings = plain_settings();
    g_autoptr(VpTlsContext) context = context_or_fail(&settings);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_of(context, &cases[i].wish, &test_ca,
                  cases[i].problem ? VP_TLS_REFUSED : VP_TLS_READY, cases[i].problem);
}

static void
test_revoked(void)
{
    VpTlsSettings settings = plain_settings();
    VpTestCertificate revoked = make_certificate(&(VpTestWish){ .name = "CN=gone" }, &test_ca);
    g_autoptr(VpTlsContext) context = NULL;

    write_revocation(tls_dir, "crl.pem", &test_ca, &revoked);
    settings.crl_file = tls_path("crl.pem");
    context = context_or_fail(&settings);
    assert_step(context, &revoked, VP_TLS_REFUSED, "CN=gone", "revoked");
    assert_of(context, &(VpTestWish){ .name = "CN=here" }, &test_ca, VP_TLS_READY, NULL);
    drop_certificate(&revoked);
}

static void
test_allowed_names(void)
{
    static const struct {
        const char *patterns[3];
        bool allowed;
    } cases[] = {
        { { NULL }, false },
        { { "O=Test,CN=me" }, true },
        { { "O=Test,CN=m" }, false },
        { { "CN=me" }, false },
        { { "CN=me,O=Test" }, false },
        { { "*CN=me" }, true },
        { { "O=T*e" }, true }, /* a star goes past commas, as at libvirtd */
        { { "O=Test,CN=m?" }, true },
        { { "O=test,CN=me" }, false },
        { { "CN=you", "O=*,CN=me" }, true },
        { { "CN=you", "CN=them" }, false },
        { { "" }, false },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        VpTlsSettings settings = plain_settings();
        g_autoptr(VpTlsContext) context = NULL;

        settings.allowed_names = cases[i].patterns;
        context = context_or_fail(&settings);
        assert_of(context, &(VpTestWish){ .name = "O=Test,CN=me" }, &test_ca,
                  cases[i].allowed ? VP_TLS_READY : VP_TLS_REFUSED,
                  cases[i].allowed ? NULL : "not on the list");
    }
}

/* A name at the limit, and one byte longer. */
static void
test_name_limit(void)
{
    VpTlsSettings settings = plain_settings();
    g_autoptr(VpTlsContext) context = context_or_fail(&settings);

    for (guint over = 0; over < 2; over++) {
        g_autoptr(GString) name = g_string_new("CN=x");
        VpTestCertificate made = { 0 };

        while (name->len < VP_TLS_NAME_MAX + over) { /* in parts of at most 64 bytes */
            gsize left = VP_TLS_NAME_MAX + over - name->len;
            g_autofree char *text = g_strnfill(left < 128 ? MIN(left, 64) - 4 : 60, 'n');

            g_string_append_printf(name, ",OU=%s", text);
        }
        made = make_certificate(&(VpTestWish){ .name = name->str }, &test_ca);
        assert_step(context, &made, over ? VP_TLS_REFUSED : VP_TLS_READY, over ? NULL : name->str,
                    over ? "1025 bytes" : NULL);
        drop_certificate(&made);
    }
}

/* "CN=root" to whoever stops at the NUL: GnuTLS writes such a value as hexadecimal digits. */
static void
test_name_with_nul(void)
{
    VpTlsSettings settings = plain_settings();
    g_autoptr(VpTlsContext) context = context_or_fail(&settings);
    VpTestCertificate made = make_certificate(&(VpTestWish){ .name = "O=Test" }, &test_ca);

    ok(gnutls_x509_crt_set_dn_by_oid(made.crt, GNUTLS_OID_X520_COMMON_NAME, 0, "root\0x", 6));
    ok(gnutls_x509_crt_sign2(made.crt, test_ca.crt, test_ca.key, GNUTLS_DIG_SHA256, 0));
    assert_step(context, &made, VP_TLS_READY, "O=Test,CN=#0c06726f6f740078", NULL);
    drop_certificate(&made);
}

/* The credentials of a connection stay when others have taken their place. */
static void
test_context_lives_on(void)
{
    VpTlsSettings settings = plain_settings();
    VpTlsContext *context = context_or_fail(&settings);
    VpTestCertificate made = make_certificate(&(VpTestWish){ .name = "CN=me" }, &test_ca);
    VpPair pair = pair_new(context, &made, NULL);

    vp_tls_context_unref(context);
    shake_hands(&pair);
    g_assert_cmpint(pair.step, ==, VP_TLS_READY);
    pair_close(&pair);
    drop_certificate(&made);
}

/* --- peers that do not speak TLS ----------------------------------------- */

static VpTlsStep
step_after(VpTlsContext *context, const void *bytes, gsize n, bool closed)
{
    VpPair pair = pair_new(context, NULL, NULL);
    VpTlsStep step = VP_TLS_WANTS_READ;

    g_assert_cmpint(send(pair.client.fd, bytes, n, 0), ==, n);
    if (closed)
        g_assert_no_errno(shutdown(pair.client.fd, SHUT_RDWR));
    for (guint turns = 0; turns < 3 && !has_ended(step); turns++) /* a record each */
        step = vp_tls_accept(pair.tls);
    g_assert_cmpint(vp_tls_problem(pair.tls) != NULL, ==, step == VP_TLS_FAILED);
    pair_close(&pair);
    return step;
}

static void
test_garbage(void)
{
    static const char frame[28] = "\0\0\0\34\40\0\200\206\0\0\0\1\0\0\0\102"; /* libvirt's RPC */
    VpTlsSettings settings = plain_settings();
    g_autoptr(VpTlsContext) context = context_or_fail(&settings);
    static const guint8 hello[] = { 22, 3, 1, 0, 4, 1, 0, 2, 0 }; /* 512 bytes do not follow */

    g_assert_cmpint(step_after(context, frame, sizeof(frame), false), ==, VP_TLS_FAILED);
    g_assert_cmpint(step_after(context, "GET / HTTP/1.1\r\n\r\n", 18, false), ==, VP_TLS_FAILED);
    g_assert_cmpint(step_after(context, "", 0, true), ==, VP_TLS_FAILED);
    g_assert_cmpint(step_after(context, "", 0, false), ==, VP_TLS_WANTS_READ);
    g_assert_cmpint(step_after(context, hello, 3, false), ==, VP_TLS_WANTS_READ);
    g_assert_cmpint(step_after(context, hello, sizeof(hello), false), ==, VP_TLS_WANTS_READ);
    g_assert_cmpint(step_after(context, hello, sizeof(hello), true), ==, VP_TLS_FAILED);
}

/* @n bytes of records, with a first message that has no end. */
static GByteArray *
make_endless_hello(gsize n)
{
    GByteArray *bytes = g_byte_array_new();
    guint8 record[5 + VP_TLS_RECORD_MAX] = {
        22, 3, 1, VP_TLS_RECORD_MAX >> 8, 0, 1, 255, 255, 255,
    };

    while (bytes->len < n) {
        g_byte_array_append(bytes, record, MIN(sizeof(record), n - bytes->len));
        memset(record + 5, 0, 4);
    }
    return bytes;
}

/* As many bytes as the limit are waited for, one more is not. */
static void
test_handshake_limit(void)
{
    VpTlsSettings settings = plain_settings();
    g_autoptr(VpTlsContext) context = context_or_fail(&settings);

    for (guint over = 0; over < 2; over++) {
        g_autoptr(GByteArray) bytes = make_endless_hello(VP_TLS_HANDSHAKE_BYTES_MAX + over);
        VpPair pair = pair_new(context, NULL, NULL);
        gsize sent = 0;

        while (sent < bytes->len) {
            gssize ret = send(pair.client.fd, bytes->data + sent, bytes->len - sent, MSG_NOSIGNAL);

            sent += MAX(ret, 0);
            pair.step = vp_tls_accept(pair.tls);
            g_assert_cmpint(pair.step, ==, sent > VP_TLS_HANDSHAKE_BYTES_MAX ? VP_TLS_FAILED
                                                                             : VP_TLS_WANTS_READ);
        }
        for (guint turns = 0; turns < 3; turns++)
            g_assert_cmpint(vp_tls_accept(pair.tls), ==, pair.step);
        pair_close(&pair);
    }
}

/* --- bytes --------------------------------------------------------------- */

static guint8 buffer[VP_READ_CHUNK];

static GByteArray *
make_bytes(gsize n)
{
    GByteArray *bytes = g_byte_array_new();

    g_byte_array_set_size(bytes, n);
    for (gsize i = 0; i < n; i++)
        bytes->data[i] = i * 7 + i / 251;
    return bytes;
}

/* More than the socket takes: in portions, none lost or written twice, and with another address
 * and more behind it each time, as a queue's bytes have. */
static void
test_partial_writes(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(versions); i++) {
        g_autoptr(GByteArray) bytes = make_bytes(300000);
        g_autoptr(GByteArray) got = g_byte_array_new();
        VpPair pair = open_pair(versions[i]);
        gsize done = 0, refusals = 0;

        while (got->len < bytes->len) {
            gsize offered = MIN(bytes->len - done, 1000 + refusals * 3000);
            g_autofree guint8 *copy = g_memdup2(bytes->data + done, offered);
            gssize ret = offered > 0 ? vp_tls_write(pair.tls, copy, offered) : 0;

            if (ret < 0) {
                g_assert_cmpint(errno, ==, EAGAIN);
                refusals++;
                ret = gnutls_record_recv(pair.client.session, buffer, sizeof(buffer));
                if (ret > 0)
                    g_byte_array_append(got, buffer, ret);
                else
                    g_assert_cmpint(ret, ==, GNUTLS_E_AGAIN);
                continue;
            }
            done += ret;
            while (done == bytes->len && got->len < done) {
                ret = gnutls_record_recv(pair.client.session, buffer, sizeof(buffer));
                g_assert_cmpint(ret, >, 0);
                g_byte_array_append(got, buffer, ret);
            }
        }
        g_assert_cmpuint(refusals, >, 10);
        g_assert_cmpmem(got->data, got->len, bytes->data, bytes->len);
        pair_close(&pair);
    }
}

/* A client that asked for small records gets all the same. */
static void
test_small_records(void)
{
    VpTlsSettings settings = plain_settings();
    g_autoptr(VpTlsContext) context = context_or_fail(&settings);
    VpTestCertificate made = make_certificate(&(VpTestWish){ .name = "CN=me" }, &test_ca);
    VpPair pair = pair_new(context, &made, NULL);
    g_autoptr(GByteArray) bytes = make_bytes(20000);
    g_autoptr(GByteArray) got = g_byte_array_new();
    gsize done = 0;

    ok(gnutls_record_set_max_recv_size(pair.client.session, 512));
    shake_hands(&pair);
    ok(gnutls_record_recv(pair.client.session, buffer, 1));
    while (got->len < bytes->len) {
        gssize ret = done < bytes->len
                         ? vp_tls_write(pair.tls, bytes->data + done, bytes->len - done) : 0;

        done += MAX(ret, 0);
        ret = gnutls_record_recv(pair.client.session, buffer, sizeof(buffer));
        g_assert_cmpint(ret, <=, 512);
        if (ret > 0)
            g_byte_array_append(got, buffer, ret);
    }
    g_assert_cmpmem(got->data, got->len, bytes->data, bytes->len);
    pair_close(&pair);
    drop_certificate(&made);
}

static void
client_send(VpPair *pair, const void *bytes, gsize n)
{
    g_assert_cmpint(gnutls_record_send(pair->client.session, bytes, n), ==, n);
}

/* Several records in one read, the end behind them kept for the next one. */
static void
test_reads_and_end(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(versions); i++) {
        VpPair pair = open_pair(versions[i]);

        g_assert_cmpint(vp_tls_read(pair.tls, buffer, sizeof(buffer)), ==, -1);
        g_assert_cmpint(errno, ==, EAGAIN);
        g_assert_false(vp_tls_has_pending(pair.tls));
        client_send(&pair, "abc", 3);
        client_send(&pair, "defg", 4);
        ok(gnutls_bye(pair.client.session, GNUTLS_SHUT_WR));
        g_assert_cmpint(vp_tls_read(pair.tls, buffer, sizeof(buffer)), ==, 7);
        g_assert_cmpmem(buffer, 7, "abcdefg", 7);
        g_assert_true(vp_tls_has_pending(pair.tls)); /* the socket is empty and open */
        g_assert_cmpint(recv(pair.fd, buffer, 1, 0), ==, -1);
        for (guint again = 0; again < 2; again++)
            g_assert_cmpint(vp_tls_read(pair.tls, buffer, sizeof(buffer)), ==, 0);
        g_assert_null(vp_tls_problem(pair.tls));
        pair_close(&pair);
    }
}

/* A buffer that has room for one record: the next one is still there. */
static void
test_reads_in_portions(void)
{
    VpPair pair = open_pair(NULL);

    client_send(&pair, "abc", 3);
    client_send(&pair, "def", 3);
    g_assert_cmpint(vp_tls_read(pair.tls, buffer, VP_TLS_RECORD_MAX), ==, 3);
    g_assert_cmpint(vp_tls_read(pair.tls, buffer, VP_TLS_RECORD_MAX), ==, 3);
    g_assert_cmpmem(buffer, 3, "def", 3);
    pair_close(&pair);
}

/* libvirt's clients leave without a word. In the midst of a record that is wrong. */
static void
test_abrupt_ends(void)
{
    for (guint half = 0; half < 2; half++) {
        VpPair pair = open_pair(NULL);
        gssize ret = 0;

        client_send(&pair, "abc", 3);
        if (half)
            g_assert_cmpint(send(pair.client.fd, "\27\3\3\0\40half of it", 15, 0), ==, 15);
        client_close(&pair.client);
        g_assert_cmpint(vp_tls_read(pair.tls, buffer, sizeof(buffer)), ==, 3);
        for (guint turns = 0; turns < 3; turns++) /* what there is of a record comes first */
            ret = vp_tls_read(pair.tls, buffer, sizeof(buffer));
        g_assert_cmpint(ret, ==, half ? -1 : 0);
        g_assert_cmpint(vp_tls_problem(pair.tls) != NULL, ==, half);
        vp_tls_free(pair.tls);
        vp_clear_fd(&pair.fd);
    }
}

/* Bytes that were tampered with. What came whole before is delivered, the reason is kept. */
static void
test_forged_record(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(versions); i++) {
        VpPair pair = open_pair(versions[i]);
        guint8 record[64] = { 23, 3, 3, 0, sizeof(record) - 5 };

        client_send(&pair, "abc", 3);
        g_assert_cmpint(send(pair.client.fd, record, sizeof(record), 0), ==, sizeof(record));
        g_assert_cmpint(vp_tls_read(pair.tls, buffer, sizeof(buffer)), ==, 3);
        g_assert_true(vp_tls_has_pending(pair.tls));
        g_assert_cmpint(vp_tls_read(pair.tls, buffer, sizeof(buffer)), ==, -1);
        g_assert_cmpint(errno, ==, EPROTO);
        g_assert_nonnull(vp_tls_problem(pair.tls));
        pair_close(&pair);
    }
}

/* --- new keys ------------------------------------------------------------ */

/* Both directions get new ones on the client's wish, also while our side is full. */
static void
test_key_update(void)
{
    g_autoptr(GByteArray) bytes = make_bytes(100000);
    g_autoptr(GByteArray) got = g_byte_array_new();
    VpPair pair = open_pair(versions[0]);
    gsize done = 0;
    gssize ret = 0;

    while ((ret = vp_tls_write(pair.tls, bytes->data + done, bytes->len - done)) > 0)
        done += ret;
    g_assert_cmpint(errno, ==, EAGAIN);
    ok(gnutls_session_key_update(pair.client.session, GNUTLS_KU_PEER));
    client_send(&pair, "abc", 3);
    while (vp_tls_read(pair.tls, buffer, sizeof(buffer)) < 0)
        g_assert_cmpint(errno, ==, EAGAIN);
    g_assert_cmpmem(buffer, 3, "abc", 3);
    while (got->len < bytes->len) {
        ret = done < bytes->len ? vp_tls_write(pair.tls, bytes->data + done, bytes->len - done) : 0;
        done += MAX(ret, 0);
        ret = gnutls_record_recv(pair.client.session, buffer, sizeof(buffer));
        g_assert_true(ret > 0 || ret == GNUTLS_E_AGAIN);
        if (ret > 0)
            g_byte_array_append(got, buffer, ret);
    }
    g_assert_cmpmem(got->data, got->len, bytes->data, bytes->len);
    pair_close(&pair);
}

/* A wish to negotiate everything anew ends the connection, as at libvirtd. */
static void
test_renegotiation(void)
{
    VpPair pair = open_pair(versions[1]);

    g_assert_cmpint(gnutls_handshake(pair.client.session), ==, GNUTLS_E_AGAIN);
    g_assert_cmpint(vp_tls_read(pair.tls, buffer, sizeof(buffer)), ==, -1);
    g_assert_cmpint(errno, ==, EPROTO);
    g_assert_nonnull(vp_tls_problem(pair.tls));
    pair_close(&pair);
}

/* --- our own end --------------------------------------------------------- */

static void
test_own_end(void)
{
    for (guint said = 0; said < 2; said++) {
        VpPair pair = open_pair(NULL);

        if (said) {
            g_assert_true(vp_tls_end(pair.tls));
            g_assert_true(vp_tls_end(pair.tls));
            client_send(&pair, "abc", 3); /* its own direction goes on */
            g_assert_cmpint(vp_tls_read(pair.tls, buffer, sizeof(buffer)), ==, 3);
        }
        vp_tls_free(g_steal_pointer(&pair.tls));
        vp_clear_fd(&pair.fd);
        g_assert_cmpint(gnutls_record_recv(pair.client.session, buffer, 1), ==, 0);
        client_close(&pair.client);
    }
}

/* A full socket: the end waits for room. */
static void
test_end_of_a_full_socket(void)
{
    VpPair pair = open_pair(NULL);
    gssize ret = 0;

    while (send(pair.fd, buffer, 1, MSG_NOSIGNAL) > 0) /* not through TLS: nobody will read it */
        ;
    g_assert_false(vp_tls_end(pair.tls));
    while ((ret = recv(pair.client.fd, buffer, sizeof(buffer), 0)) > 0)
        ;
    g_assert_true(vp_tls_end(pair.tls));
    pair_close(&pair);
}

static void
test_write_to_nobody(void)
{
    VpPair pair = open_pair(NULL);

    client_close(&pair.client);
    g_assert_cmpint(vp_tls_write(pair.tls, buffer, 100), ==, -1);
    g_assert_cmpint(errno, ==, EPIPE);
    g_assert_nonnull(vp_tls_problem(pair.tls));
    g_assert_true(vp_tls_end(pair.tls)); /* nothing to wait for */
    vp_tls_free(pair.tls);
    vp_clear_fd(&pair.fd);
}

int
main(int argc, char **argv)
{
    int status = 0;

    g_test_init(&argc, &argv, NULL);
    make_tls_dir();
    g_test_add_func("/tls/confirmation", test_confirmation);
    g_test_add_func("/tls/certificates", test_certificates);
    g_test_add_func("/tls/purposes", test_purposes);
    g_test_add_func("/tls/revoked", test_revoked);
    g_test_add_func("/tls/allowed-names", test_allowed_names);
    g_test_add_func("/tls/name-limit", test_name_limit);
    g_test_add_func("/tls/name-with-nul", test_name_with_nul);
    g_test_add_func("/tls/context-lives-on", test_context_lives_on);
    g_test_add_func("/tls/garbage", test_garbage);
    g_test_add_func("/tls/handshake-limit", test_handshake_limit);
    g_test_add_func("/tls/partial-writes", test_partial_writes);
    g_test_add_func("/tls/small-records", test_small_records);
    g_test_add_func("/tls/reads-and-end", test_reads_and_end);
    g_test_add_func("/tls/reads-in-portions", test_reads_in_portions);
    g_test_add_func("/tls/abrupt-ends", test_abrupt_ends);
    g_test_add_func("/tls/forged-record", test_forged_record);
    g_test_add_func("/tls/key-update", test_key_update);
    g_test_add_func("/tls/renegotiation", test_renegotiation);
    g_test_add_func("/tls/own-end", test_own_end);
    g_test_add_func("/tls/end-of-a-full-socket", test_end_of_a_full_socket);
    g_test_add_func("/tls/write-to-nobody", test_write_to_nobody);
    status = g_test_run();
    remove_tls_dir();
    return status;
}
