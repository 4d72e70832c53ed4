/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Dedicated sessions for guests that run without one: started around us, or before us.
 *
 * QEMU 11.1 lets a monitor be added to it while it runs. Only libvirtd has a monitor of such a
 * guest, so it is asked to pass the commands on (attach_steps.c), on our own connection. What
 * comes of it is a socket at the same path that the words of a definition would name, so that all
 * else (the session, the check of its peer, rules of AppArmor) is as for any other.
 *
 * When. libvirtd marks a domain as tainted through whose monitor somebody sends commands. So
 * nothing is touched because virtpassd runs: the first monitor command of a client who may write
 * to the domain begins it, for that command would have marked the domain as well. It waits until
 * the session is there, and those behind it do, so no client's commands are reordered; when there
 * is no session to be had they go to libvirtd's monitor as ever. Who wants QMP sockets without
 * sending a command first chooses "at-once" (virtpassd.conf(5)). How old the QEMU is is asked at
 * the same monitor: the file that the guest was started from may be another one by now.
 *
 * Nothing is remembered. Whether a guest has got a session from an earlier virtpassd is seen by
 * its socket; the session that is tried there (FOUND) becomes ready or is forgotten. A refusal is
 * remembered as long as the guest runs or until the configuration is read again. A session that
 * QEMU has made but that we cannot get ready is removed, and that is a refusal as well. One that
 * was in use, is lost, and lost again when it is tried once more, is taken to be gone.
 *
 * The end. When it is no longer wanted, by the configuration or because virtpassd ends, the
 * session is closed first, then monitor and chardev are removed. A virtpassd that is killed leaves
 * both behind: that costs the guest nothing, and the next one finds them.
 *
 * A conversation with libvirtd (VpTalk) outlives the attachment that began it, for there is no way
 * to take a call back; then nobody is told.
 */

#include "qemu_passthrough/attach.h"

#include "base/log.h"
#include "qemu_passthrough/attach_steps.h"

#include <string.h>
#include <unistd.h>

typedef struct VpTalk {
    VpAttach *attach;     /* NULL: it has been freed */
    VpAttachSteps steps;
} VpTalk;

typedef enum State {
    IDLE,                 /* none there, as far as we know */
    FOUND,                /* something is at the path; the session tries it */
    ADDING,               /* `talk` */
    OPENING,              /* added; the session has not been ready yet */
    ADDED,                /* the session has been ready */
    REMOVING,             /* `talk` */
    REFUSED,              /* `reason` */
} State;

struct VpAttach {
    VpUpstream *upstream;
    vp_domain domain;     /* the name is owned */
    char *path;
    const VpAttachOps *ops;
    gpointer data;
    VpAttachWhen when;
    State state;
    bool looked;          /* for what an earlier virtpassd may have left */
    bool shaky;           /* ADDED, but lost, and not ready since */
    char *reason;         /* why there is none; NULL: nothing is known against it */
    gint64 rest_until;    /* monotonic: IDLE, but not to be tried before; 0: now */
    VpTalk *talk;         /* NULL: none */
};

VpAttach *
vp_attach_new(VpUpstream *upstream, const vp_domain *domain, const char *path,
              const VpAttachOps *ops, gpointer data)
{
    VpAttach *attach = g_new0(VpAttach, 1);

    attach->upstream = upstream;
    attach->domain = *domain;
    attach->domain.name = g_strdup(domain->name);
    attach->path = g_strdup(path);
    attach->ops = ops;
    attach->data = data;
    attach->when = VP_ATTACH_NEVER;
    return attach;
}

void
vp_attach_free(VpAttach *attach)
{
    if (!attach)
        return;
    if (attach->talk)
        attach->talk->attach = NULL;
    g_free(attach->domain.name);
    g_free(attach->path);
    g_free(attach->reason);
    g_free(attach);
}

static void
set_reason(VpAttach *attach, const char *reason)
{
    char *copy = g_strdup(reason); /* it may be the old one */

    g_free(attach->reason);
    attach->reason = copy;
}

/* --- the conversation with libvirtd --------------------------------------- */

static void on_added(VpAttach *attach, const VpAttachSteps *steps);
static void on_removed(VpAttach *attach);
static void on_answer(const VpCallReply *reply, gpointer data);

/* false: libvirtd is away. */
static bool
say(VpTalk *talk)
{
    g_autofree char *command = vp_attach_steps_command(&talk->steps);
    vp_monitor_command_args args = { .dom = talk->attach->domain, .cmd = command };

    return vp_upstream_call(talk->attach->upstream, VP_QEMU_PROGRAM, VP_QEMU_MONITOR_COMMAND,
                            xdr_vp_monitor_command_args, &args, on_answer, talk);
}

static void
talk_free(VpTalk *talk)
{
    vp_attach_steps_clear(&talk->steps);
    g_free(talk);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpTalk, talk_free)

/* Tells how the conversation ended. */
static void
end_talk(VpTalk *talk)
{
    g_autoptr(VpTalk) over = talk;

    over->attach->talk = NULL;
    if (over->steps.adding)
        on_added(over->attach, &over->steps);
    else
        on_removed(over->attach);
}

/* The next thing to say, or the end. */
static void
go_on(VpTalk *talk)
{
    if (talk->steps.step != VP_ATTACH_DONE && say(talk))
        return;
    if (talk->steps.step != VP_ATTACH_DONE) {
        talk->steps.put_off = true;
        g_free(talk->steps.problem);
        talk->steps.problem = g_strdup("there is no connection to libvirtd");
    }
    end_talk(talk);
}

static void
on_answer(const VpCallReply *reply, gpointer data)
{
    VpTalk *talk = data;
    vp_monitor_command_ret ret = { 0 };

    if (!talk->attach) {
        talk_free(talk);
        return;
    }
    if (reply->outcome == VP_CALL_ERROR) {
        vp_attach_steps_refused(&talk->steps, reply->error->message ? *reply->error->message
                                                                    : "no reason given");
    } else if (reply->outcome == VP_CALL_OK &&
               vp_xdr_decode(reply->payload, reply->payload_size, xdr_vp_monitor_command_ret,
                             &ret)) {
        vp_attach_steps_answer(&talk->steps, ret.result);
        vp_xdr_clear(xdr_vp_monitor_command_ret, &ret);
    } else {
        vp_attach_steps_refused(&talk->steps, "the connection was lost");
    }
    go_on(talk);
}

/* false: libvirtd is away, and nothing has been begun. Takes @steps. */
static bool
begin_talk(VpAttach *attach, VpAttachSteps steps)
{
    g_autoptr(VpTalk) talk = g_new0(VpTalk, 1);

    talk->attach = attach;
    talk->steps = steps;
    if (!say(talk))
        return false;
    attach->talk = g_steal_pointer(&talk);
    return true;
}

/* --- removing ------------------------------------------------------------- */

static void
on_removed(VpAttach *attach)
{
    attach->state = attach->reason ? REFUSED : IDLE;
    if (!attach->reason)
        vp_log_info("domain '%s': the session that was added to it is removed",
                    attach->domain.name);
    attach->ops->settled(attach->data);
}

/* The session is closed; what it was connected to goes as well, as far as libvirtd can be asked. */
static void
remove_it(VpAttach *attach)
{
    attach->ops->close(attach->data);
    attach->shaky = false;
    if (begin_talk(attach, vp_attach_steps_removing(attach->path)))
        attach->state = REMOVING;
    else
        attach->state = attach->reason ? REFUSED : IDLE;
}

/* --- adding --------------------------------------------------------------- */

/* There is something at the path. */
static void
open_it(VpAttach *attach, State state)
{
    attach->state = state;
    attach->ops->open(attach->path, attach->data);
}

static void
on_added(VpAttach *attach, const VpAttachSteps *steps)
{
    if (steps->put_off) {
        attach->state = IDLE;
        attach->rest_until = g_get_monotonic_time() + VP_ATTACH_REST_MS * 1000LL;
    } else if (steps->problem) {
        attach->state = REFUSED;
    } else if (attach->when == VP_ATTACH_NEVER) { /* since it was begun */
        remove_it(attach);
        if (attach->talk)
            return;
    } else {
        open_it(attach, OPENING);
    }
    set_reason(attach, steps->problem);
    if (steps->problem)
        vp_log_info("domain '%s' has no dedicated session: %s", attach->domain.name,
                    steps->problem);
    attach->ops->settled(attach->data);
}

bool
vp_attach_can_add(const VpAttach *attach)
{
    return attach->state == IDLE && attach->when != VP_ATTACH_NEVER &&
           g_get_monotonic_time() >= attach->rest_until && vp_upstream_is_open(attach->upstream);
}

bool
vp_attach_add(VpAttach *attach)
{
    if (!vp_attach_can_add(attach) ||
        !begin_talk(attach, vp_attach_steps_adding(attach->path)))
        return false;
    attach->state = ADDING;
    return true;
}

/* --- the session ---------------------------------------------------------- */

static void
on_ready(VpAttach *attach)
{
    if (attach->state == OPENING)
        vp_log_info("domain '%s': a dedicated session has been added to it", attach->domain.name);
    attach->state = ADDED;
    attach->shaky = false;
    set_reason(attach, NULL);
}

/* It is not there after all. */
static void
forget_it(VpAttach *attach)
{
    attach->ops->close(attach->data);
    attach->state = IDLE;
    attach->shaky = false;
    if (attach->when == VP_ATTACH_AT_ONCE)
        vp_attach_add(attach);
}

/* true: the session has been closed. */
static bool
on_lost(VpAttach *attach, const char *reason)
{
    g_autofree char *why = g_strdup_printf("it was added, but cannot be used: %s", reason);

    if (attach->state == OPENING) {
        set_reason(attach, why);
        vp_log_warning("domain '%s' has no dedicated session: %s", attach->domain.name, why);
        remove_it(attach);
    } else if (attach->state == FOUND || attach->shaky) {
        forget_it(attach);
    } else {
        attach->shaky = true;
        return false;
    }
    return true;
}

bool
vp_attach_session(VpAttach *attach, VpQmpState state, const char *reason)
{
    if (state == VP_QMP_LOST)
        return on_lost(attach, reason);
    if (state != VP_QMP_READY)
        return false;
    on_ready(attach);
    if (attach->when != VP_ATTACH_NEVER)
        return false;
    remove_it(attach);
    return true;
}

/* --- what is wanted ------------------------------------------------------- */

void
vp_attach_set(VpAttach *attach, VpAttachWhen when)
{
    attach->when = when;
    attach->rest_until = 0;
    if (attach->state == REFUSED)
        attach->state = IDLE;
    if (attach->state == IDLE)
        set_reason(attach, NULL);
    if (!attach->looked) {
        attach->looked = true;
        if (access(attach->path, F_OK) == 0)
            open_it(attach, FOUND);
    }
    if (when == VP_ATTACH_NEVER && (attach->state == OPENING || attach->state == ADDED))
        remove_it(attach);
    else if (when == VP_ATTACH_AT_ONCE)
        vp_attach_add(attach);
}

bool
vp_attach_is_busy(const VpAttach *attach)
{
    return attach->talk != NULL;
}

bool
vp_attach_is_adding(const VpAttach *attach)
{
    return attach->state == ADDING;
}

bool
vp_attach_is_added(const VpAttach *attach)
{
    return attach->state == ADDED;
}

const char *
vp_attach_reason(const VpAttach *attach)
{
    if (attach->when == VP_ATTACH_NEVER || attach->state == ADDED)
        return "";
    if (attach->reason)
        return attach->reason;
    return "it was not started with one; where QEMU is 11.1 or newer it is added at the first "
           "monitor command";
}
