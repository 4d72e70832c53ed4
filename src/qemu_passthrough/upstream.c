/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Our own connection to libvirtd: what we ask for ourselves travels here, never on a
 * client's connection (but for what must be judged by the client's rights, access.c).
 *
 * It is opened at once and kept; when libvirtd goes away it is tried again with a
 * back-off, without end, for libvirtd is restarted under running guests.
 *
 * Session mode starts libvirtd as libvirt's own client would: the daemon of the same
 * build that libvirt's clients look for, which ends by itself when it is not used. Our
 * connection counts as use, so it lives as long as we do.
 */

#include "qemu_passthrough/upstream.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Back-off of reconnects. libvirtd is back within a second after a restart. */
#define RETRY_FIRST_MS 50
#define RETRY_MAX_MS 2000

/* libvirt's own client waits 5 s for a daemon that it started. Do not start another meanwhile. */
#define START_GRACE_US (5 * G_USEC_PER_SEC)

struct VpUpstream {
    VpLoop *loop;
    const VpUpstreamAddress *address; /* borrowed from the daemon */
    const VpUpstreamOps *ops;
    gpointer data;
    VpLink *link;       /* NULL while not connected */
    VpCalls *calls;
    bool open;
    GSource *retry;
    guint retry_ms;
    bool complained;    /* the log knows already that libvirtd is away */
};

/* --- where libvirtd is ---------------------------------------------------- */

static char *
default_path(bool session, const char *name)
{
    if (session)
        return g_build_filename(g_get_user_runtime_dir(), "libvirt", name, NULL);
    return g_build_filename("/run/libvirt", name, NULL);
}

char *
vp_upstream_path(const VpUpstreamAddress *address, bool read_only)
{
    g_autofree char *path = NULL;
    g_autofree char *ro_path = NULL;

    if (address->configured)
        path = g_strdup(address->configured);
    else
        path = default_path(address->session, "virtqemud-sock");
    if (!address->configured && access(path, F_OK) < 0) {
        g_free(path);
        path = default_path(address->session, "libvirt-sock");
    }
    if (read_only) {
        ro_path = g_strconcat(path, "-ro", NULL);
        if (access(ro_path, F_OK) == 0)
            return g_steal_pointer(&ro_path);
    }
    return g_steal_pointer(&path);
}

/* Once in START_GRACE_US. false: it cannot be started. */
static bool
start_libvirtd(GError **error)
{
    static gint64 started_at;
    const char *dir = getenv("LIBVIRTD_PATH") ?: getenv("VIRTD_PATH");
    g_autofree char *program = dir ? g_build_filename(dir, "libvirtd", NULL) : g_strdup("libvirtd");
    g_autofree char *path = g_strconcat(getenv("PATH") ?: "", ":/usr/sbin:/sbin", NULL);
    g_auto(GStrv) environment = g_environ_setenv(g_get_environ(), "PATH", path, TRUE);
    char *argv[] = { program, (char *)"--timeout=120", NULL };

    if (started_at && g_get_monotonic_time() - started_at < START_GRACE_US)
        return true;
    started_at = g_get_monotonic_time();
    vp_log_info("starting %s for the user's session", program);
    return g_spawn_async("/", argv, environment,
                         G_SPAWN_SEARCH_PATH_FROM_ENVP | G_SPAWN_STDOUT_TO_DEV_NULL |
                             G_SPAWN_STDERR_TO_DEV_NULL,
                         NULL, NULL, NULL, error);
}

VpUpstreamVerdict
vp_upstream_connect(const VpUpstreamAddress *address, bool read_only, int *ret_fd, GError **error)
{
    g_autofree char *path = vp_upstream_path(address, read_only);
    const char *autostart = getenv("LIBVIRT_AUTOSTART");
    int why = 0;
    int fd = vp_socket_connect(path, &why, error);

    if (fd >= 0) {
        *ret_fd = fd;
        return VP_UPSTREAM_CONNECTED;
    }
    if (why == EAGAIN) { /* libvirtd's queue of new connections is full */
        g_clear_error(error);
        return VP_UPSTREAM_STARTING;
    }
    if (!address->session || address->configured || (why != ENOENT && why != ECONNREFUSED) ||
        (autostart && strcmp(autostart, "0") == 0))
        return VP_UPSTREAM_ABSENT;
    g_clear_error(error);
    return start_libvirtd(error) ? VP_UPSTREAM_STARTING : VP_UPSTREAM_ABSENT;
}

/* --- our own connection --------------------------------------------------- */

static gboolean try_now(gpointer data);

static void
retry_later(VpUpstream *upstream)
{
    vp_loop_cancel(&upstream->retry);
    upstream->retry = vp_loop_timer(upstream->loop, upstream->retry_ms, try_now, upstream);
    upstream->retry_ms = MIN(upstream->retry_ms * 2, RETRY_MAX_MS);
}

static void
lose(VpUpstream *upstream, const char *reason)
{
    upstream->open = false;
    g_clear_pointer(&upstream->link, vp_link_free);
    vp_calls_break(upstream->calls);
    if (!upstream->complained)
        vp_log_warning("no connection to libvirtd: %s; trying again", reason);
    upstream->complained = true;
    retry_later(upstream);
    upstream->ops->lost(upstream, upstream->data);
}

static VpLinkNext
on_frame(VpLink *link G_GNUC_UNUSED, const VpFrame *frame, gpointer data)
{
    VpUpstream *upstream = data;

    if (frame->header.type == VP_FRAME_MESSAGE)
        upstream->ops->message(upstream, frame, upstream->data);
    else if (!vp_calls_take_reply(upstream->calls, frame))
        vp_log_debug("libvirtd answered serial %u, which nobody asked", frame->header.serial);
    return VP_LINK_TAKEN;
}

static void
on_ended(VpLink *link G_GNUC_UNUSED, gpointer data)
{
    lose(data, "it closed the connection");
}

static void
on_failed(VpLink *link G_GNUC_UNUSED, const char *reason, gpointer data)
{
    lose(data, reason);
}

static void
on_drained(VpLink *link G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
}

static const VpLinkOps link_ops = {
    .frame = on_frame, .drained = on_drained, .ended = on_ended, .failed = on_failed,
};

/* true: the step succeeded. */
static bool
check_step(VpUpstream *upstream, const VpCallReply *reply)
{
    g_autofree char *text = NULL;

    if (reply->outcome == VP_CALL_OK)
        return true;
    if (reply->outcome == VP_CALL_BROKEN)
        return false; /* lose() is on its way */
    text = g_strdup(reply->error->message ? *reply->error->message : "unknown error");
    lose(upstream, text);
    return false;
}

static void
on_open_reply(const VpCallReply *reply, gpointer data)
{
    VpUpstream *upstream = data;

    if (!check_step(upstream, reply))
        return;
    upstream->open = true;
    upstream->retry_ms = RETRY_FIRST_MS;
    upstream->complained = false;
    vp_log_info("connected to libvirtd");
    upstream->ops->opened(upstream, upstream->data);
}

static void
send_step(VpUpstream *upstream, gint32 procedure, void *args_func, void *args, VpCallFunc func)
{
    vp_calls_send(upstream->calls, upstream->link, VP_REMOTE_PROGRAM, procedure, args_func, args,
                  func, upstream);
}

static void
send_open(VpUpstream *upstream)
{
    vp_string name = (char *)(upstream->address->session ? "qemu:///session" : "qemu:///system");
    vp_open_args args = { .name = &name };

    send_step(upstream, VP_REMOTE_CONNECT_OPEN, xdr_vp_open_args, &args, on_open_reply);
}

static void
on_polkit_reply(const VpCallReply *reply, gpointer data)
{
    if (check_step(data, reply))
        send_open(data);
}

static void
on_auth_list(const VpCallReply *reply, gpointer data)
{
    VpUpstream *upstream = data;
    vp_auth_list_ret ret = { 0 };
    int type = VP_AUTH_NONE;

    if (!check_step(upstream, reply))
        return;
    if (vp_xdr_decode(reply->payload, reply->payload_size, xdr_vp_auth_list_ret, &ret)) {
        type = ret.types.types_len > 0 ? ret.types.types_val[0] : VP_AUTH_NONE;
        vp_xdr_clear(xdr_vp_auth_list_ret, &ret);
    }
    if (type == VP_AUTH_NONE)
        send_open(upstream);
    else if (type == VP_AUTH_POLKIT)
        send_step(upstream, VP_REMOTE_AUTH_POLKIT, NULL, NULL, on_polkit_reply);
    else
        lose(upstream, "it wants a password (SASL) at this socket, which virtpassd has not");
}

static gboolean
try_now(gpointer data)
{
    VpUpstream *upstream = data;
    g_autoptr(GError) error = NULL;
    vp_autofd int fd = -1;

    vp_loop_cancel(&upstream->retry);
    switch (vp_upstream_connect(upstream->address, false, &fd, &error)) {
    case VP_UPSTREAM_STARTING:
        upstream->retry_ms = RETRY_FIRST_MS;
        retry_later(upstream);
        return G_SOURCE_REMOVE;
    case VP_UPSTREAM_ABSENT:
        lose(upstream, error->message);
        return G_SOURCE_REMOVE;
    case VP_UPSTREAM_CONNECTED:
        break;
    }
    upstream->link = vp_link_new(upstream->loop, vp_steal_fd(&fd), VP_INBOX_FROM_SERVER, &link_ops,
                                 upstream, &error);
    if (!upstream->link) {
        lose(upstream, error->message);
        return G_SOURCE_REMOVE;
    }
    send_step(upstream, VP_REMOTE_AUTH_LIST, NULL, NULL, on_auth_list);
    vp_link_resume(upstream->link);
    return G_SOURCE_REMOVE;
}

VpUpstream *
vp_upstream_new(VpLoop *loop, const VpUpstreamAddress *address, const VpUpstreamOps *ops,
                gpointer data)
{
    VpUpstream *upstream = g_new0(VpUpstream, 1);

    upstream->loop = loop;
    upstream->address = address;
    upstream->ops = ops;
    upstream->data = data;
    upstream->calls = vp_calls_new();
    upstream->retry_ms = RETRY_FIRST_MS;
    upstream->retry = vp_loop_timer(loop, 0, try_now, upstream);
    return upstream;
}

void
vp_upstream_free(VpUpstream *upstream)
{
    if (!upstream)
        return;
    upstream->open = false;
    vp_loop_cancel(&upstream->retry);
    vp_link_free(upstream->link);
    vp_calls_break(upstream->calls);
    vp_calls_free(upstream->calls);
    g_free(upstream);
}

void
vp_upstream_hurry(VpUpstream *upstream)
{
    if (!upstream->retry)
        return;
    vp_loop_cancel(&upstream->retry);
    upstream->retry = vp_loop_timer(upstream->loop, 0, try_now, upstream);
}

bool
vp_upstream_is_open(const VpUpstream *upstream)
{
    return upstream->open;
}

bool
vp_upstream_call(VpUpstream *upstream, guint32 program, gint32 procedure, void *args_func,
                 void *args, VpCallFunc func, gpointer data)
{
    if (!upstream->open)
        return false;
    vp_calls_send(upstream->calls, upstream->link, program, procedure, args_func, args, func, data);
    return true;
}

bool
vp_upstream_call_with_fd(VpUpstream *upstream, guint32 program, gint32 procedure, void *args_func,
                         void *args, int fd, VpCallFunc func, gpointer data)
{
    if (!upstream->open)
        return false;
    vp_calls_send_with_fd(upstream->calls, upstream->link, program, procedure, args_func, args, fd,
                          func, data);
    return true;
}
