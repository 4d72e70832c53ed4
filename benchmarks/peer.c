/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The client's side of a measurement, made to cost next to nothing.
 *
 * The request is laid out once; sending it is one write, with RPC the serial is patched in before.
 * Of a reply only that is looked at which tells that it is one and no error: without that a broken
 * set-up would be the fastest of all. Both protocols go through the same code, so what is left of
 * the client's cost is the same on both sides of a ratio.
 *
 * The socket is blocking, with a time limit for what never comes.
 */

#include "peer.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/socket.h"
#include "rpc/payload.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

/* No reply takes that long, whatever the load. */
#define PATIENCE_SECONDS 20

/* Several times the longest reply that is measured. */
#define IN_SIZE (2u * 1024 * 1024)

/* Requests in one write; more than are ever in flight. */
#define BURST_MAX 64u

/* Only forwarded by virtpassd, hence not in its protocol file. */
#define REMOTE_DOMAIN_GET_INFO 16

typedef enum Verdict {
    IS_REPLY,
    IS_NOTHING, /* an event */
    IS_WRONG,
} Verdict;

typedef struct Protocol {
    const char *name;
    bool ordered; /* replies come in the order of the requests */
    bool (*open)(VpBenchPeer *peer, const VpBenchRequest *request, GError **error);
    /* The length of the message at the start of @bytes, 0 when it is not all there. @seen bytes
     * have been looked at before. */
    gsize (*measure)(const guint8 *bytes, gsize n, gsize seen);
    Verdict (*judge)(VpBenchPeer *peer, const guint8 *message, gsize n);
} Protocol;

struct VpBenchPeer {
    const Protocol *protocol;
    int fd;
    GByteArray *request; /* as it is sent */
    GByteArray *burst;   /* several of them, for one write */
    guint32 serial;      /* of the next request */
    guint32 awaited;     /* of the next reply */
    guint8 *in;          /* IN_SIZE bytes */
    gsize start;         /* first byte that has not been judged */
    gsize len;           /* bytes from there */
    gsize seen;          /* of these, known not to hold the message's end */
};

/* --- QMP ------------------------------------------------------------------ */

static gsize
measure_line(const guint8 *bytes, gsize n, gsize seen)
{
    const guint8 *end = memchr(bytes + seen, '\n', n - seen);

    return end ? end - bytes + 1 : 0;
}

static bool
begins_with(const guint8 *message, gsize n, const char *text)
{
    return n >= strlen(text) && memcmp(message, text, strlen(text)) == 0;
}

static Verdict
judge_qmp(VpBenchPeer *peer G_GNUC_UNUSED, const guint8 *message, gsize n)
{
    if (begins_with(message, n, "{\"return\"") || begins_with(message, n, "{\"QMP\""))
        return IS_REPLY;
    return begins_with(message, n, "{\"timestamp\"") ? IS_NOTHING : IS_WRONG;
}

static void
lay_out(VpBenchPeer *peer, const void *bytes, gsize n)
{
    g_byte_array_set_size(peer->request, 0);
    g_byte_array_append(peer->request, bytes, n);
}

static bool
await_one(VpBenchPeer *peer, GError **error)
{
    guint replies = 0;

    while (replies == 0) {
        if (!vp_bench_peer_receive(peer, &replies, error))
            return false;
    }
    return true;
}

static bool
exchange(VpBenchPeer *peer, GError **error)
{
    return vp_bench_peer_send(peer, 1, error) && await_one(peer, error);
}

/* With "oob", as virtpassd does: QEMU then reads ahead, which is faster with several in flight. */
static bool
open_qmp(VpBenchPeer *peer, const VpBenchRequest *request, GError **error)
{
    static const char negotiate[] =
        "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]}}\n";

    if (!await_one(peer, error))
        return false;
    lay_out(peer, negotiate, strlen(negotiate));
    if (!exchange(peer, error))
        return false;
    lay_out(peer, request->command, strlen(request->command));
    g_byte_array_append(peer->request, (const guint8 *)"\n", 1);
    return true;
}

/* --- RPC ------------------------------------------------------------------ */

static gsize
measure_frame(const guint8 *bytes, gsize n, gsize seen G_GNUC_UNUSED)
{
    gsize length = n >= sizeof(guint32) ? vp_get_u32(bytes) : 0;

    return length <= n ? length : 0;
}

static Verdict
judge_frame(VpBenchPeer *peer, const guint8 *message, gsize n)
{
    VpHeader header = { 0 };

    if (vp_header_decode(message, n, &header) != VP_FRAME_OK || header.type != VP_FRAME_REPLY ||
        header.status != VP_STATUS_OK || header.serial != peer->awaited)
        return IS_WRONG;
    peer->awaited++;
    return IS_REPLY;
}

static void
lay_out_call(VpBenchPeer *peer, guint32 program, gint32 procedure, void *args_func, void *args)
{
    VpHeader header = { .program = program, .version = 1, .procedure = procedure };
    g_autoptr(GByteArray) frame = vp_xdr_frame(&header, args_func, args);

    g_assert(frame);
    lay_out(peer, frame->data, frame->len);
}

static bool
lay_out_request(VpBenchPeer *peer, const VpBenchRequest *request, GError **error)
{
    vp_domain domain = { .name = (char *)"benchmark", .id = 1 };
    vp_monitor_command_args args = { .cmd = (char *)request->command };

    if (!request->uuid || !vp_uuid_parse(request->uuid, (guint8 *)domain.uuid)) {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "no uuid for '%s'", request->socket);
        return false;
    }
    args.dom = domain;
    if (request->command)
        lay_out_call(peer, VP_QEMU_PROGRAM, VP_QEMU_MONITOR_COMMAND, xdr_vp_monitor_command_args,
                     &args);
    else
        lay_out_call(peer, VP_REMOTE_PROGRAM, REMOTE_DOMAIN_GET_INFO, xdr_vp_domain, &domain);
    return true;
}

static bool
open_rpc(VpBenchPeer *peer, const VpBenchRequest *request, GError **error)
{
    vp_string name = (char *)"qemu:///session";
    vp_open_args args = { .name = &name };

    lay_out_call(peer, VP_REMOTE_PROGRAM, VP_REMOTE_AUTH_LIST, NULL, NULL);
    if (!exchange(peer, error))
        return false;
    lay_out_call(peer, VP_REMOTE_PROGRAM, VP_REMOTE_CONNECT_OPEN, xdr_vp_open_args, &args);
    return exchange(peer, error) && lay_out_request(peer, request, error);
}

static const Protocol protocols[] = {
    { "qmp", true, open_qmp, measure_line, judge_qmp },
    { "rpc", false, open_rpc, measure_frame, judge_frame },
};

/* --- both ----------------------------------------------------------------- */

static bool
set_blocking(int fd, GError **error)
{
    const struct timeval patience = { .tv_sec = PATIENCE_SECONDS };

    if (fcntl(fd, F_SETFL, 0) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0) {
        vp_error_set_errno(error, errno, "cannot make the socket blocking");
        return false;
    }
    return true;
}

static const Protocol *
find_protocol(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(protocols); i++) {
        if (g_strcmp0(protocols[i].name, name) == 0)
            return &protocols[i];
    }
    return NULL;
}

VpBenchPeer *
vp_bench_peer_new(const VpBenchRequest *request, GError **error)
{
    const Protocol *protocol = find_protocol(request->protocol);
    g_autoptr(VpBenchPeer) peer = g_new0(VpBenchPeer, 1);

    peer->protocol = protocol;
    peer->request = g_byte_array_new();
    peer->burst = g_byte_array_new();
    peer->in = g_malloc(IN_SIZE);
    peer->fd = -1;
    if (!protocol) {
        g_set_error(error, VP_ERROR, VP_ERROR_CONFIG, "'%s' is no protocol", request->protocol);
        return NULL;
    }
    peer->fd = vp_socket_connect(request->socket, NULL, error);
    if (peer->fd < 0 || !set_blocking(peer->fd, error) || !protocol->open(peer, request, error))
        return NULL;
    return g_steal_pointer(&peer);
}

void
vp_bench_peer_free(VpBenchPeer *peer)
{
    if (!peer)
        return;
    vp_clear_fd(&peer->fd);
    g_byte_array_unref(peer->request);
    g_byte_array_unref(peer->burst);
    g_free(peer->in);
    g_free(peer);
}

bool
vp_bench_peer_is_ordered(const VpBenchPeer *peer)
{
    return peer->protocol->ordered;
}

int
vp_bench_peer_fd(const VpBenchPeer *peer)
{
    return peer->fd;
}

static void
put_serial(VpBenchPeer *peer)
{
    guint32 serial = GUINT32_TO_BE(peer->serial);

    memcpy(peer->request->data + 20, &serial, sizeof(serial));
    peer->serial++;
}

bool
vp_bench_peer_send(VpBenchPeer *peer, guint n, GError **error)
{
    gssize written = 0;

    g_assert(n <= BURST_MAX);
    g_byte_array_set_size(peer->burst, 0);
    for (guint i = 0; i < n; i++) {
        if (!peer->protocol->ordered)
            put_serial(peer);
        g_byte_array_append(peer->burst, peer->request->data, peer->request->len);
    }
    written = send(peer->fd, peer->burst->data, peer->burst->len, MSG_NOSIGNAL);
    if (written == (gssize)peer->burst->len)
        return true;
    vp_error_set_errno(error, errno, "cannot send %u bytes", peer->burst->len);
    return false;
}

/* Judges what is complete. */
static bool
take_messages(VpBenchPeer *peer, guint *ret_replies, GError **error)
{
    gsize length = 0;

    while ((length = peer->protocol->measure(peer->in + peer->start, peer->len, peer->seen)) > 0) {
        const guint8 *message = peer->in + peer->start;
        Verdict verdict = peer->protocol->judge(peer, message, length);

        if (verdict == IS_WRONG) {
            g_set_error(error, VP_ERROR, VP_ERROR_FAILED, "not the reply that was expected: %.*s",
                        (int)MIN(length, 300), message);
            return false;
        }
        *ret_replies += verdict == IS_REPLY;
        peer->start += length;
        peer->len -= length;
        peer->seen = 0;
    }
    peer->seen = peer->len;
    return true;
}

bool
vp_bench_peer_receive(VpBenchPeer *peer, guint *ret_replies, GError **error)
{
    gssize n = 0;

    *ret_replies = 0;
    if (peer->len == 0 || peer->start > IN_SIZE / 2) {
        memmove(peer->in, peer->in + peer->start, peer->len);
        peer->start = 0;
    }
    n = recv(peer->fd, peer->in + peer->start + peer->len, IN_SIZE - peer->start - peer->len, 0);
    if (n <= 0) {
        vp_error_set_errno(error, n < 0 ? errno : ECONNRESET, "no reply");
        return false;
    }
    peer->len += n;
    return take_messages(peer, ret_replies, error);
}
