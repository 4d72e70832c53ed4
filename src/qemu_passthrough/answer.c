/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Replies that carry domain XML, or the command line made of some: turned back on their way to the
 * client.
 *
 * libvirtd's documents are as long as their authors made them, so the rule is that of calls
 * (document.c): what can take long is done in a thread, and the reply is kept here while what
 * libvirtd sends after it waits in its link.
 */

#include "qemu_passthrough/document.h"

#include "base/error.h"
#include "base/fd.h"
#include "plan/plan.h"
#include "qemu_passthrough/intercept.h"
#include "qemu_passthrough/native.h"
#include "qemu_passthrough/translation.h"
#include "rpc/rpc_error.h"

#include <string.h>

/* A reply that a thread works on. */
struct VpAnswer {
    VpClient *client;
    VpFrame frame;               /* of `bytes` and `fds` */
    GByteArray *bytes;
    int fds[VP_FRAME_FDS_MAX];
    VpWork *work;
};

/* What the thread does. It reaches nothing else. */
typedef struct Job {
    VpAnswer *answer;            /* the loop's thread's only */
    const VpIntercept *row;
    GByteArray *bytes;           /* a reference; the frame */
    gsize offset;                /* of the payload */
    VpTranslated translated;     /* what comes of it */
} Job;

/* --- a reply and what it becomes ------------------------------------------ */

/* domxml-to-native: the command line that would really run, so with the plan carried out. */
static void
restore_native(const guint8 *payload, gsize size, VpTranslated *ret_translated)
{
    vp_xml_to_native_ret ret = { 0 };
    g_autofree char *text = NULL;
    VpTranslated *out = ret_translated;

    *out = (VpTranslated){ .verdict = VP_WALK_UNCHANGED };
    if (!vp_xdr_decode(payload, size, xdr_vp_xml_to_native_ret, &ret))
        return;
    if (!vp_native_apply(ret.native, &text, &out->error))
        out->verdict = VP_WALK_REFUSED;
    vp_xdr_clear(xdr_vp_xml_to_native_ret, &ret);
    if (!text)
        return;
    ret.native = text;
    out->payload = g_byte_array_new();
    out->verdict = VP_WALK_CHANGED;
    if (!vp_xdr_append(out->payload, xdr_vp_xml_to_native_ret, &ret)) {
        out->verdict = VP_WALK_REFUSED;
        g_set_error_literal(&out->error, VP_ERROR, VP_ERROR_LIMIT,
                            "the command line does not fit into libvirt's protocol");
    }
}

static void
restore(const VpIntercept *row, const guint8 *payload, gsize size, VpTranslated *ret_translated)
{
    if (row->native)
        restore_native(payload, size, ret_translated);
    else
        vp_restore_payload(row->reply_layout, payload, size, ret_translated);
}

/* A document that is not understood is libvirtd's all the same: better than none. A command line
 * that would not be what runs is not. */
static void
send_on(VpClient *client, const VpFrame *frame, bool native, const VpTranslated *translated)
{
    if (translated->verdict == VP_WALK_CHANGED) {
        vp_client_send_changed(client->down, frame, translated->payload);
    } else if (translated->verdict == VP_WALK_REFUSED && native) {
        vp_rpc_send_gerror(client->down, &frame->header, translated->error);
    } else {
        if (translated->verdict == VP_WALK_REFUSED)
            vp_log_warning("a document of libvirtd's is passed on as it is: %s",
                           translated->error->message);
        vp_link_send_frame(client->down, frame);
    }
}

/* --- in a thread ---------------------------------------------------------- */

void
vp_answer_free(VpAnswer *answer)
{
    if (!answer)
        return;
    vp_work_cancel(answer->work);
    vp_close_fds(answer->fds, answer->frame.header.nfds);
    g_byte_array_unref(answer->bytes);
    g_free(answer);
}

static void
job_free(gpointer data)
{
    Job *job = data;

    g_byte_array_unref(job->bytes);
    vp_translated_clear(&job->translated);
    g_free(job);
}

static void
run_restore(gpointer data)
{
    Job *job = data;

    restore(job->row, job->bytes->data + job->offset, job->bytes->len - job->offset,
            &job->translated);
}

static void
on_restored(gpointer data)
{
    Job *job = data;
    VpClient *client = job->answer->client;

    job->answer->work = NULL;
    send_on(client, &job->answer->frame, job->row->native, &job->translated);
    g_clear_pointer(&client->answer, vp_answer_free);
    vp_client_reply_done(client);
}

static void
start(VpClient *client, const VpFrame *frame, const VpIntercept *row)
{
    VpAnswer *answer = g_new0(VpAnswer, 1);
    Job *job = g_new0(Job, 1);

    answer->client = client;
    answer->bytes = vp_frame_keep(frame, answer->fds, &answer->frame);
    job->answer = answer;
    job->row = row;
    job->bytes = g_byte_array_ref(answer->bytes);
    job->offset = answer->frame.payload - answer->bytes->data;
    answer->work = vp_work_start(client->daemon->workers, vp_client_owner(client), run_restore,
                                 on_restored, job, job_free);
    client->answer = answer;
}

/* --- a reply -------------------------------------------------------------- */

/* Would it hold the loop up? A plan has expressions in it, whatever its length. */
static bool
takes_long(const VpFrame *frame, const VpIntercept *row)
{
    return frame->payload_size > VP_INLINE_XML_MAX ||
           (row->native && memmem(frame->payload, frame->payload_size, VP_PLAN_VARIABLE,
                                  strlen(VP_PLAN_VARIABLE)));
}

VpIntercepted
vp_xml_reply(VpClient *client, const VpFrame *frame, const VpIntercept *row)
{
    g_auto(VpTranslated) translated = { 0 };

    if (frame->header.status != VP_STATUS_OK || client->state == VP_CLIENT_NEW ||
        !client->is_qemu)
        return VP_PASS;
    if (takes_long(frame, row)) {
        start(client, frame, row);
        return VP_DONE;
    }
    restore(row, frame->payload, frame->payload_size, &translated);
    send_on(client, frame, row->native, &translated);
    return VP_DONE;
}
