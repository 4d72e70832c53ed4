/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One TLS connection of a client's, over a socket that somebody else watches.
 *
 * Nothing in here waits: every function does what the socket allows and says so. A session is
 * in one of three stages, the handshake, the byte by which the client learns that its certificate
 * was accepted, and open. There are two traps of libvirt's own:
 *
 *   - The client reads that byte as soon as the socket can be read, and takes whatever else comes
 *     for an error. A server of TLS 1.3 that hands out session tickets, which is what servers do
 *     by default, is one that no libvirt client can use. So there are none.
 *   - The certificate is judged by us, so that what is said of it can name the client.
 *
 * It is judged as soon as it is there, and not when the handshake is over: what follows is a
 * signature with its key, and the key of a certificate that anybody can make may be one whose
 * signatures take GnuTLS minutes to look at (RSA with an exponent of some thousand bytes). Of a
 * chain it looks at the end first, with the CA's key, and no further than what that has signed.
 *
 * Reading takes as many records as there are, and may come upon the end behind them. The end is
 * then kept for the next call (`over`), and vp_tls_has_pending() says that there is something:
 * the socket need not become ready again for it.
 *
 * Writing: GnuTLS never learns that the socket is full. What finds no room is kept (`sealed`), at
 * most one record with what GnuTLS has to say by itself, and the bytes in it count as written only
 * when it is gone, so that the caller's queue is the only one to look at. (GnuTLS can keep a
 * record itself. But if the client asks for new keys meanwhile, it sends that record twice.)
 *
 * A client's wish to negotiate anew (TLS 1.2) ends the connection, as it does at libvirtd. New
 * keys (TLS 1.3) are GnuTLS's own affair; it bounds how often.
 */

#include "rpc/tls_private.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/limits.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <sys/socket.h>

/* libvirt's word for "your certificate is good". */
static const guint8 confirmation = 1;

typedef enum VpTlsStage {
    VP_TLS_SHAKING_HANDS,
    VP_TLS_CONFIRMING,
    VP_TLS_OPEN,
} VpTlsStage;

struct VpTls {
    VpTlsContext *context; /* a reference */
    gnutls_session_t session;
    int fd;                /* borrowed */
    VpTlsStage stage;
    gsize received;        /* bytes of the handshake */
    VpBuffer sealed;       /* encrypted, waits for room in the socket */
    gsize unsent;          /* the caller's bytes in it */
    bool judged;           /* its certificate has been looked at, */
    bool good;             /* and was accepted */
    gnutls_alert_description_t alert; /* what to say if it was not */
    bool over;             /* the peer's last byte was read, or nothing more can be */
    bool ended;            /* the peer knows that nothing more will come from us */
    char *name;            /* of the peer */
    char *problem;
};

/* In the place of GnuTLS's own, for what that does not do: it takes a handshake message of 16 MiB,
 * byte by byte, before it finds it too long. */
static ssize_t
receive(gnutls_transport_ptr_t data, void *bytes, size_t n)
{
    VpTls *tls = data;
    ssize_t got = recv(tls->fd, bytes, n, 0);

    if (got > 0 && tls->stage == VP_TLS_SHAKING_HANDS)
        tls->received += got;
    if (tls->received <= VP_TLS_HANDSHAKE_BYTES_MAX)
        return got;
    errno = EMSGSIZE;
    return -1;
}

/* For GnuTLS all is sent. */
static ssize_t
transmit(gnutls_transport_ptr_t data, const void *bytes, size_t n)
{
    VpTls *tls = data;
    ssize_t sent = 0;

    if (tls->sealed.len == 0)
        sent = send(tls->fd, bytes, n, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return -1;
    sent = MAX(sent, 0);
    if ((size_t)sent < n)
        vp_buffer_append(&tls->sealed, (const guint8 *)bytes + sent, n - sent);
    return n;
}

static int on_signature(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                        const gnutls_datum_t *message);

VpTls *
vp_tls_new(VpTlsContext *context, int fd, GError **error)
{
    g_autoptr(VpTls) tls = g_new0(VpTls, 1);
    int ret = gnutls_init(&tls->session,
                          GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS);

    tls->context = vp_tls_context_ref(context);
    tls->fd = fd;
    if (ret >= 0)
        ret = gnutls_priority_set(tls->session, context->priority);
    if (ret >= 0)
        ret = gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, context->credentials);
    if (ret < 0) {
        g_set_error(error, VP_ERROR, VP_ERROR_FAILED, "cannot begin a TLS session: %s",
                    gnutls_strerror(ret));
        return NULL;
    }
    gnutls_certificate_server_set_request(tls->session, GNUTLS_CERT_REQUIRE);
    gnutls_session_set_ptr(tls->session, tls);
    gnutls_handshake_set_hook_function(tls->session, GNUTLS_HANDSHAKE_CERTIFICATE_VERIFY,
                                       GNUTLS_HOOK_PRE, on_signature);
    gnutls_transport_set_ptr(tls->session, tls);
    gnutls_transport_set_pull_function(tls->session, receive);
    gnutls_transport_set_push_function(tls->session, transmit);
    return g_steal_pointer(&tls);
}

void
vp_tls_free(VpTls *tls)
{
    if (!tls)
        return;
    if (tls->stage == VP_TLS_OPEN)
        vp_tls_end(tls);
    if (tls->session)
        gnutls_deinit(tls->session);
    vp_tls_context_unref(tls->context);
    vp_buffer_clear(&tls->sealed);
    g_free(tls->name);
    g_free(tls->problem);
    g_free(tls);
}

const char *
vp_tls_peer_name(const VpTls *tls)
{
    return tls->name;
}

const char *
vp_tls_problem(const VpTls *tls)
{
    return tls->problem;
}

static bool
is_not_now(int ret)
{
    return ret == GNUTLS_E_AGAIN || ret == GNUTLS_E_INTERRUPTED;
}

static bool
is_end(int ret)
{
    return ret == 0 || ret == GNUTLS_E_PREMATURE_TERMINATION;
}

/* Keeps the first problem: what follows is a consequence. */
static void
note_problem(VpTls *tls, int ret)
{
    bool by_socket = ret == GNUTLS_E_PULL_ERROR || ret == GNUTLS_E_PUSH_ERROR;

    if (!tls->problem)
        tls->problem = g_strdup(by_socket ? g_strerror(errno) : gnutls_strerror(ret));
}

/* true: nothing is sealed any more. */
static bool
flush(VpTls *tls)
{
    while (tls->sealed.len > 0) {
        ssize_t sent = send(tls->fd, vp_buffer_bytes(&tls->sealed), tls->sealed.len, MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            note_problem(tls, GNUTLS_E_PUSH_ERROR);
        if (sent <= 0)
            return false;
        vp_buffer_consume(&tls->sealed, sent);
    }
    return true;
}

/* --- who it is ----------------------------------------------------------- */

/* NULL with the problem noted. */
static gnutls_x509_crt_t
peer_certificate(VpTls *tls)
{
    guint n = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(tls->session, &n);
    gnutls_x509_crt_t certificate = NULL;
    int ret = GNUTLS_E_NO_CERTIFICATE_FOUND;

    if (chain && n > 0)
        ret = gnutls_x509_crt_init(&certificate);
    if (ret >= 0)
        ret = gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER);
    if (ret >= 0)
        return certificate;
    note_problem(tls, ret);
    if (certificate)
        gnutls_x509_crt_deinit(certificate);
    return NULL;
}

/* (A NUL in the name is no end of it: GnuTLS writes the value that has one in hexadecimal digits.)
 * NULL with the problem noted. */
static char *
read_name(VpTls *tls, gnutls_x509_crt_t certificate)
{
    gnutls_datum_t name = { 0 };
    char *text = NULL;
    int ret = gnutls_x509_crt_get_dn2(certificate, &name);

    if (ret < 0)
        note_problem(tls, ret);
    else if (name.size > VP_TLS_NAME_MAX)
        tls->problem = g_strdup_printf("its certificate's name has %u bytes; %u are allowed",
                                       name.size, VP_TLS_NAME_MAX);
    else
        text = g_strndup((const char *)name.data, name.size);
    gnutls_free(name.data);
    return text;
}

static bool
is_allowed(const VpTls *tls)
{
    if (!tls->context->allowed_names)
        return true;
    for (char **pattern = tls->context->allowed_names; *pattern; pattern++) {
        if (g_pattern_match_simple(*pattern, tls->name))
            return true;
    }
    return false;
}

/* Purpose: a certificate that is for something has to be for clients, and so has what its issuers
 * are for. libvirtd insists on that only where the extension is critical, which it hardly ever is;
 * but then a host's server certificate would do for whoever breaks into that host. GnuTLS tells all
 * that is wrong in sentences. */
static bool
is_valid(VpTls *tls)
{
    gnutls_typed_vdata_st purpose = {
        .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (guint8 *)GNUTLS_KP_TLS_WWW_CLIENT,
    };
    unsigned status = 0;
    gnutls_datum_t words = { 0 };
    int ret = gnutls_certificate_verify_peers(tls->session, &purpose, 1, &status);

    if (ret < 0) {
        note_problem(tls, ret);
        return false;
    }
    if (status == 0)
        return true;
    if (gnutls_certificate_verification_status_print(
            status, gnutls_certificate_type_get(tls->session), &words, 0) >= 0)
        tls->problem = g_strchomp(g_strndup((const char *)words.data, words.size));
    else
        note_problem(tls, GNUTLS_E_CERTIFICATE_ERROR);
    gnutls_free(words.data);
    return false;
}

/* As libvirtd does. */
static bool
is_no_ca(VpTls *tls, gnutls_x509_crt_t certificate)
{
    if (gnutls_x509_crt_get_ca_status(certificate, NULL) <= 0)
        return true;
    tls->problem = g_strdup("its certificate is one of a CA, not of a client");
    return false;
}

/* Learns who it is; false with the problem noted. */
static bool
identify(VpTls *tls)
{
    gnutls_x509_crt_t certificate = peer_certificate(tls);
    bool good = false;

    if (!certificate)
        return false;
    tls->name = read_name(tls, certificate);
    good = tls->name && is_valid(tls) && is_no_ca(tls, certificate);
    gnutls_x509_crt_deinit(certificate);
    return good;
}

static void
judge(VpTls *tls)
{
    tls->judged = true;
    tls->alert = GNUTLS_A_BAD_CERTIFICATE;
    if (!identify(tls))
        return;
    tls->good = is_allowed(tls);
    if (tls->good)
        return;
    tls->alert = GNUTLS_A_ACCESS_DENIED;
    tls->problem = g_strdup("its name is not on the list of those that are allowed");
}

/* The peer's is there, and not looked at yet. (GnuTLS's own function for verifying is called behind
 * that with TLS 1.3.) */
static int
on_signature(gnutls_session_t session, unsigned type G_GNUC_UNUSED, unsigned when G_GNUC_UNUSED,
             unsigned incoming, const gnutls_datum_t *message G_GNUC_UNUSED)
{
    VpTls *tls = gnutls_session_get_ptr(session);

    if (incoming && !tls->judged)
        judge(tls);
    return !incoming || tls->good ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

/* The alert is a courtesy to clients that show it; libvirt's only see that the byte does not come.
 * It goes out at once or not at all. */
static VpTlsStep
refuse(VpTls *tls)
{
    gnutls_alert_send(tls->session, GNUTLS_AL_FATAL, tls->alert);
    return VP_TLS_REFUSED;
}

/* --- the beginning ------------------------------------------------------- */

static VpTlsStep
shake_hands(VpTls *tls)
{
    int ret = flush(tls) ? gnutls_handshake(tls->session) : GNUTLS_E_AGAIN;

    if (is_not_now(ret) && !tls->problem)
        return tls->sealed.len > 0 ? VP_TLS_WANTS_WRITE : VP_TLS_WANTS_READ;
    if (tls->judged && !tls->good)
        return refuse(tls);
    if (ret < 0) {
        note_problem(tls, ret);
        gnutls_alert_send_appropriate(tls->session, ret);
        return VP_TLS_FAILED;
    }
    if (!tls->good) { /* whoever signs nothing has not shown that it is his */
        note_problem(tls, GNUTLS_E_NO_CERTIFICATE_FOUND);
        tls->alert = GNUTLS_A_BAD_CERTIFICATE;
        return refuse(tls);
    }
    tls->stage = VP_TLS_CONFIRMING;
    return VP_TLS_READY;
}

static VpTlsStep
confirm(VpTls *tls)
{
    if (vp_tls_write(tls, &confirmation, sizeof(confirmation)) < 0)
        return errno == EAGAIN ? VP_TLS_WANTS_WRITE : VP_TLS_FAILED;
    tls->stage = VP_TLS_OPEN;
    return VP_TLS_READY;
}

VpTlsStep
vp_tls_accept(VpTls *tls)
{
    VpTlsStep step = VP_TLS_READY;

    if (tls->stage == VP_TLS_SHAKING_HANDS)
        step = shake_hands(tls);
    if (tls->stage == VP_TLS_CONFIRMING)
        step = confirm(tls);
    return step;
}

/* --- bytes --------------------------------------------------------------- */

gssize
vp_tls_read(VpTls *tls, guint8 *bytes, gsize n)
{
    gsize got = 0;

    g_assert(n >= VP_TLS_RECORD_MAX);
    while (!tls->over && n - got >= VP_TLS_RECORD_MAX) {
        gssize ret = gnutls_record_recv(tls->session, bytes + got, n - got);

        if (ret > 0) {
            got += ret;
            continue;
        }
        if (is_not_now(ret))
            break;
        tls->over = true;
        if (!is_end(ret))
            note_problem(tls, ret);
    }
    if (got > 0 || (tls->over && !tls->problem))
        return got;
    errno = tls->over ? EPROTO : EAGAIN;
    return -1;
}

bool
vp_tls_has_pending(const VpTls *tls)
{
    return tls->over || gnutls_record_check_pending(tls->session) > 0;
}

gssize
vp_tls_write(VpTls *tls, const guint8 *bytes, gsize n)
{
    gsize done = 0;

    while (done < n && flush(tls)) {
        gssize ret = 0;

        done += tls->unsent;
        tls->unsent = 0;
        if (done < n)
            ret = gnutls_record_send(tls->session, bytes + done, MIN(n - done, VP_TLS_RECORD_MAX));
        if (ret < 0) {
            note_problem(tls, ret);
            break;
        }
        tls->unsent = ret; /* less than was offered, if the client asked for small records */
    }
    if (done > 0)
        return done;
    errno = tls->problem ? EPIPE : EAGAIN;
    return -1;
}

bool
vp_tls_end(VpTls *tls)
{
    if (!tls->ended && !tls->problem)
        gnutls_bye(tls->session, GNUTLS_SHUT_WR);
    tls->ended = true;
    return tls->problem || flush(tls) || tls->problem;
}
