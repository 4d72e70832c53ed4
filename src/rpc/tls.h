/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * TLS as libvirt's remote clients speak it: both ends have certificates, and the server says with
 * one byte that it is content with the client's.
 */

/* --- what a server needs ------------------------------------------------- */

/* Files are PEM. The strings are borrowed for the call that gets them. */
typedef struct VpTlsSettings {
    const char *ca_file;      /* certificates of whom clients' certificates are to be signed by */
    const char *crl_file;     /* what these have revoked; NULL: nothing */
    const char *cert_file;    /* our certificate, with those between it and the CA behind it */
    const char *key_file;     /* its private key, without a passphrase */
    const char *priority;     /* GnuTLS's priority string: versions and algorithms */
    /* Names of clients that are let in, as patterns with '*' and '?', NULL-terminated; NULL: all
     * whose certificate is valid. A name is written as GnuTLS does: "C=GB,O=Acme,CN=host". */
    const char *const *allowed_names;
} VpTlsSettings;

/* What every libvirt client since 2018 speaks. Without Diffie-Hellman over numbers: clients choose
 * how large those are, and before anything is known of them one of 8192 bits takes the loop's
 * thread 250 ms. All of them have elliptic curves. */
#define VP_TLS_PRIORITY_DEFAULT "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-GROUP-DH-ALL"

/* Which of the settings an error is about: its code. */
#define VP_TLS_ERROR (vp_tls_error_quark())

typedef enum VpTlsPart {
    VP_TLS_CA,
    VP_TLS_CRL,
    VP_TLS_CERT,
    VP_TLS_KEY,
    VP_TLS_PRIORITY,
} VpTlsPart;

GQuark vp_tls_error_quark(void);

/* Credentials, checked and in memory. Counted references, since connections that began with them
 * may outlive their replacement. */
typedef struct VpTlsContext VpTlsContext;

/* NULL: @error of the domain VP_TLS_ERROR, whose message names the file. Refused is also what no
 * client would accept or what libvirtd refuses: a certificate that has expired or is not valid yet,
 * that is not signed by the CA or not for a server, and a CA that is none. */
VpTlsContext *vp_tls_context_new(const VpTlsSettings *settings, GError **error);
VpTlsContext *vp_tls_context_ref(VpTlsContext *context);
void vp_tls_context_unref(VpTlsContext *context);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpTlsContext, vp_tls_context_unref)

/* --- a connection -------------------------------------------------------- */

typedef struct VpTls VpTls;

typedef enum VpTlsStep {
    VP_TLS_READY,       /* the client is known and has been told so */
    VP_TLS_WANTS_READ,  /* again when the socket can be read ... */
    VP_TLS_WANTS_WRITE, /* ... or written */
    VP_TLS_REFUSED,     /* the client's certificate is not accepted */
    VP_TLS_FAILED,      /* the peer does not speak TLS as it should, or is gone */
} VpTlsStep;

/* The server's end on @fd, a connected, non-blocking stream socket. @fd is borrowed. */
VpTls *vp_tls_new(VpTlsContext *context, int fd, GError **error);

/* Tells the peer that this is the end, if that can be done at once. NULL is fine. */
void vp_tls_free(VpTls *tls);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpTls, vp_tls_free)

/* Goes on with the handshake, with the check of the client's certificate, and with the byte. To be
 * called until it says READY, REFUSED or FAILED; nothing is read or written before READY. */
VpTlsStep vp_tls_accept(VpTls *tls);

/* The client's distinguished name as GnuTLS writes it. NULL before it is known. Borrowed. */
const char *vp_tls_peer_name(const VpTls *tls);

/* What was wrong, for the log; never with bytes that a terminal would act on. NULL: nothing was.
 * Borrowed. */
const char *vp_tls_problem(const VpTls *tls);

/*
 * As recv(): up to @n bytes (at least VP_TLS_RECORD_MAX), 0 at the end, -1 with errno: EAGAIN, or
 * EPROTO and vp_tls_problem(). A peer that closes without a word has ended too, as libvirt's own
 * clients do; frames say themselves where they end.
 */
gssize vp_tls_read(VpTls *tls, guint8 *bytes, gsize n);

/* Is there something to be read whatever the socket says? */
bool vp_tls_has_pending(const VpTls *tls);

/* As send(): how many bytes were written, or -1 with errno: EAGAIN, or EPIPE and vp_tls_problem().
 * What was not written has to be given again, as the first of what is written next. */
gssize vp_tls_write(VpTls *tls, const guint8 *bytes, gsize n);

/* Tells the peer that nothing more will be written. false: the socket is full; again when it can be
 * written. */
bool vp_tls_end(VpTls *tls);
