/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * May a client of a QMP socket write to the domain?
 *
 * A QMP client has no connection to libvirtd by which that could be judged, so it gets one for as
 * long as it is connected: opened by us, under the client's identity (identity.c), and asked the
 * question that clients of the other socket are judged by (access.c). Before that it is seen to
 * that libvirtd would let it in at all (admission.c).
 *
 * A verdict is good for VALID_MS, as there; the question is repeated ASK_AGAIN_MS after the last
 * answer, so that normally the next verdict is there before the last one ends. Otherwise the right
 * is UNKNOWN until it comes, and the owner lets nothing through. Whatever goes wrong means no, and
 * so does a libvirtd that does not answer within ANSWER_MS. A client that waits for nothing and
 * sends nothing is asked about as well, for it hears the guest's events.
 *
 * The owner is told from a timer of this file's own, never from within the connection's callbacks,
 * and may therefore free the rights, and with them the connection, at once.
 */

#include "qemu_passthrough/qmp_rights.h"

#include "base/fd.h"
#include "qemu_passthrough/access.h"
#include "qemu_passthrough/admission.h"
#include "qemu_passthrough/identity.h"
#include "qemu_passthrough/names.h"

/* Less than the second within which a right that is withdrawn has to be without effect. */
#define VALID_MS 900
#define ASK_AGAIN_MS 500

/* libvirtd answers within milliseconds; polkit rules may run a program. */
#define ANSWER_MS 10000

struct VpQmpRights {
    VpDaemon *daemon;
    VpDomain *domain;     /* a reference */
    VpPeer peer;
    VpUpstream *upstream; /* a connection for this question only; NULL while not let in */
    VpQmpRight right;
    char *reason;         /* of DENIED */
    VpAdmission *admission; /* under way; else NULL */
    VpNamesLook *names;      /* until the identity is sent; NULL: none is under way */
    bool asking;          /* an answer is awaited; also while the connection is being opened */
    GSource *timer;       /* the next question, the end of a verdict, the end of waiting */
    GSource *report;      /* the owner is about to be told */
    VpQmpRightsFunc func;
    gpointer data;
};

/* --- time ----------------------------------------------------------------- */

static gboolean on_timer(gpointer data);

static void
set_timer(VpQmpRights *rights, guint milliseconds)
{
    vp_loop_cancel(&rights->timer);
    rights->timer = vp_loop_timer(rights->daemon->loop, milliseconds, on_timer, rights);
}

static gboolean
on_report(gpointer data)
{
    VpQmpRights *rights = data;

    vp_loop_cancel(&rights->report);
    rights->func(rights, rights->right, rights->data);
    return G_SOURCE_REMOVE;
}

static void
change(VpQmpRights *rights, VpQmpRight right)
{
    if (rights->right == right || rights->right == VP_QMP_RIGHT_DENIED)
        return;
    rights->right = right;
    if (!rights->report)
        rights->report = vp_loop_timer(rights->daemon->loop, 0, on_report, rights);
}

static void
deny(VpQmpRights *rights, const char *reason)
{
    if (rights->right == VP_QMP_RIGHT_DENIED)
        return;
    rights->reason = g_strdup(reason);
    vp_loop_cancel(&rights->timer);
    change(rights, VP_QMP_RIGHT_DENIED);
}

/* --- the question --------------------------------------------------------- */

static void
on_answer(const VpCallReply *reply, gpointer data)
{
    VpQmpRights *rights = data;

    if (reply->outcome != VP_CALL_OK) {
        deny(rights, reply->outcome == VP_CALL_ERROR
                         ? "libvirtd does not let you write to this domain"
                         : "libvirtd has not said that you may write to this domain");
        return;
    }
    if (rights->right == VP_QMP_RIGHT_DENIED)
        return;
    rights->asking = false;
    set_timer(rights, ASK_AGAIN_MS);
    change(rights, VP_QMP_RIGHT_ALLOWED);
}

static void
ask(VpQmpRights *rights)
{
    vp_fd_associate_args args = { 0 };
    const VpDomain *domain = rights->domain;
    vp_autofd int fd = vp_access_question(domain->name, domain->uuid, domain->id, &args);

    rights->asking = true;
    if (fd < 0 || !vp_upstream_call_with_fd(rights->upstream, VP_REMOTE_PROGRAM,
                                            VP_REMOTE_DOMAIN_FD_ASSOCIATE, xdr_vp_fd_associate_args,
                                            &args, fd, on_answer, rights))
        deny(rights, "libvirtd cannot be asked whether you may write to this domain");
}

static gboolean
on_timer(gpointer data)
{
    VpQmpRights *rights = data;

    vp_loop_cancel(&rights->timer);
    if (!rights->asking) {
        set_timer(rights, VALID_MS - ASK_AGAIN_MS);
        ask(rights);
    } else if (rights->right == VP_QMP_RIGHT_ALLOWED) {
        set_timer(rights, ANSWER_MS);
        change(rights, VP_QMP_RIGHT_UNKNOWN);
    } else {
        deny(rights, "libvirtd does not answer whether you may write to this domain");
    }
    return G_SOURCE_REMOVE;
}

/* --- the connection ------------------------------------------------------- */

static void
on_identity_set(const VpCallReply *reply, gpointer data)
{
    if (reply->outcome == VP_CALL_OK)
        ask(data);
    else
        deny(data, "libvirtd does not take your identity");
}

/* From here on libvirtd sees the client. */
static void
on_names(const char *user, const char *group, gpointer data)
{
    VpQmpRights *rights = data;
    VpIdentity identity = { .n = 0 };
    vp_set_identity_args args = { 0 };

    rights->names = NULL;
    vp_identity_of(&rights->peer, user, group, &identity, &args);
    if (!vp_upstream_call(rights->upstream, VP_REMOTE_PROGRAM, VP_REMOTE_CONNECT_SET_IDENTITY,
                          xdr_vp_set_identity_args, &args, on_identity_set, rights))
        deny(rights, "libvirtd is not there");
}

static void
on_opened(VpUpstream *upstream G_GNUC_UNUSED, gpointer data)
{
    VpQmpRights *rights = data;
    g_autofree char *owner = vp_identity_owner(&rights->peer);

    if (!rights->names)
        rights->names = vp_names_look(rights->daemon->loop, rights->daemon->file_workers, owner,
                                      &rights->peer, on_names, rights);
}

static void
on_message(VpUpstream *upstream G_GNUC_UNUSED, const VpFrame *frame G_GNUC_UNUSED,
           gpointer data G_GNUC_UNUSED)
{
}

/* Another connection would begin with our own rights; who means it connects again. */
static void
on_lost(VpUpstream *upstream G_GNUC_UNUSED, gpointer data)
{
    deny(data, "libvirtd is not there to say whether you may write to this domain");
}

static const VpUpstreamOps upstream_ops = {
    .opened = on_opened, .message = on_message, .lost = on_lost,
};

static void
on_admission(VpAdmissionVerdict verdict, const char *reason, gpointer data)
{
    VpQmpRights *rights = data;
    VpDaemon *daemon = rights->daemon;

    rights->admission = NULL;
    if (verdict == VP_ADMISSION_GIVEN)
        rights->upstream = vp_upstream_new(daemon->loop, &daemon->address, &upstream_ops, rights);
    else
        deny(rights, reason);
}

/* --- life ----------------------------------------------------------------- */

VpQmpRights *
vp_qmp_rights_new(VpDaemon *daemon, VpDomain *domain, int fd, const VpPeer *peer,
                  VpQmpRightsFunc func, gpointer data)
{
    VpQmpRights *rights = g_new0(VpQmpRights, 1);

    rights->daemon = daemon;
    rights->domain = vp_domain_ref(domain);
    rights->peer = *peer;
    rights->func = func;
    rights->data = data;
    rights->asking = true;
    set_timer(rights, ANSWER_MS);
    rights->admission = vp_admission_new(daemon, fd, peer, false, on_admission, rights);
    return rights;
}

const char *
vp_qmp_rights_reason(const VpQmpRights *rights)
{
    return rights->reason;
}

void
vp_qmp_rights_free(VpQmpRights *rights)
{
    if (!rights)
        return;
    rights->right = VP_QMP_RIGHT_DENIED; /* what the end of the connection brings is no news */
    vp_admission_free(rights->admission);
    vp_names_cancel(rights->names);
    vp_upstream_free(rights->upstream);
    vp_loop_cancel(&rights->timer);
    vp_loop_cancel(&rights->report);
    vp_domain_unref(rights->domain);
    g_free(rights->reason);
    g_free(rights);
}
