/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * May who connects to a QMP socket write to the domain?
 *
 * A QMP client has no connection to libvirtd by which that could be judged, so it gets one for the
 * moment: opened by us, under the client's identity (identity.c), and asked the question that
 * clients of the other socket are judged by (access.c). Whatever goes wrong on the way means no,
 * and so does a libvirtd that does not answer within PATIENCE_MS.
 *
 * The owner is told from a timer of this file's own, never from within the connection's callbacks,
 * and may therefore free the visitor, and with it the connection, at once.
 */

#include "qemu_passthrough/visitor.h"

#include "base/fd.h"
#include "qemu_passthrough/access.h"
#include "qemu_passthrough/identity.h"

/* libvirtd answers within milliseconds; polkit rules may run a program. */
#define PATIENCE_MS 10000

struct VpVisitor {
    VpDaemon *daemon;
    VpDomain *domain;     /* a reference */
    VpPeer peer;
    VpUpstream *upstream; /* a connection for this question only */
    GSource *timer;       /* the end of patience, then the verdict */
    bool decided;
    bool allowed;
    VpVisitorFunc func;
    gpointer data;
};

static gboolean
on_timer(gpointer data)
{
    VpVisitor *visitor = data;

    vp_loop_cancel(&visitor->timer);
    visitor->func(visitor, visitor->allowed, visitor->data);
    return G_SOURCE_REMOVE;
}

/* The first verdict counts. */
static void
decide(VpVisitor *visitor, bool allowed)
{
    if (visitor->decided)
        return;
    visitor->decided = true;
    visitor->allowed = allowed;
    vp_loop_cancel(&visitor->timer);
    visitor->timer = vp_loop_timer(visitor->daemon->loop, 0, on_timer, visitor);
}

static void
on_answer(const VpCallReply *reply, gpointer data)
{
    decide(data, reply->outcome == VP_CALL_OK);
}

static void
on_identity_set(const VpCallReply *reply, gpointer data)
{
    VpVisitor *visitor = data;
    vp_fd_associate_args args = { 0 };
    const VpDomain *domain = visitor->domain;
    vp_autofd int fd = vp_access_question(domain->name, domain->uuid, domain->id, &args);

    if (reply->outcome != VP_CALL_OK || fd < 0 ||
        !vp_upstream_call_with_fd(visitor->upstream, VP_REMOTE_PROGRAM,
                                  VP_REMOTE_DOMAIN_FD_ASSOCIATE, xdr_vp_fd_associate_args, &args,
                                  fd, on_answer, visitor))
        decide(visitor, false);
}

/* From here on libvirtd sees the visitor. */
static void
on_opened(VpUpstream *upstream, gpointer data)
{
    VpVisitor *visitor = data;
    VpIdentity identity = { .n = 0 };
    vp_set_identity_args args = { 0 };

    vp_identity_of(&visitor->peer, &identity, &args);
    if (!vp_upstream_call(upstream, VP_REMOTE_PROGRAM, VP_REMOTE_CONNECT_SET_IDENTITY,
                          xdr_vp_set_identity_args, &args, on_identity_set, visitor))
        decide(visitor, false);
}

static void
on_message(VpUpstream *upstream G_GNUC_UNUSED, const VpFrame *frame G_GNUC_UNUSED,
           gpointer data G_GNUC_UNUSED)
{
}

static void
on_lost(VpUpstream *upstream G_GNUC_UNUSED, gpointer data)
{
    decide(data, false);
}

static const VpUpstreamOps upstream_ops = {
    .opened = on_opened, .message = on_message, .lost = on_lost,
};

VpVisitor *
vp_visitor_new(VpDaemon *daemon, VpDomain *domain, const VpPeer *peer, VpVisitorFunc func,
               gpointer data)
{
    VpVisitor *visitor = g_new0(VpVisitor, 1);

    visitor->daemon = daemon;
    visitor->domain = vp_domain_ref(domain);
    visitor->peer = *peer;
    visitor->func = func;
    visitor->data = data;
    visitor->timer = vp_loop_timer(daemon->loop, PATIENCE_MS, on_timer, visitor);
    visitor->upstream = vp_upstream_new(daemon->loop, &daemon->address, &upstream_ops, visitor);
    return visitor;
}

void
vp_visitor_free(VpVisitor *visitor)
{
    if (!visitor)
        return;
    visitor->decided = true; /* the end of the connection, which follows, decides nothing */
    vp_loop_cancel(&visitor->timer);
    vp_upstream_free(visitor->upstream);
    vp_domain_unref(visitor->domain);
    g_free(visitor);
}
