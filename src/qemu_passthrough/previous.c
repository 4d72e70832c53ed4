/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One question to libvirtd before a document takes the place of another. Where that one is depends
 * on the call (intercept.c), but all answers are a document. It is asked as the client, who may not
 * see the domain, or may be the first to define it: then there is none, and if something is wrong
 * with the call libvirtd tells him.
 *
 * The path of a saved guest is the client's, and what it is on need not answer: it is looked at in
 * a thread (base/work.h), for clients who could look there themselves. What we keep in a guest's
 * image is not carried over for others, since no question to libvirtd tells beforehand what they
 * may read.
 */

#include "qemu_passthrough/previous.h"

#include <string.h>

/* A look at a file, owned by its work. */
typedef struct Look {
    VpPrevious *previous;
    char *file;
    bool regular;
} Look;

struct VpPrevious {
    VpClient *client;
    VpPreviousFunc func;
    gpointer data;
    VpWork *look;      /* under way, or NULL */
    guint32 serial;    /* of the question, until it is answered; 0: none is under way */
};

/* The end: @xml is borrowed. */
static void
answer(VpPrevious *previous, const char *xml)
{
    previous->func(xml, previous->data);
}

static void
on_xml(const VpCallReply *reply, gpointer data)
{
    VpPrevious *previous = data;
    vp_get_xml_ret ret = { 0 };

    previous->serial = 0;
    if (reply->outcome != VP_CALL_OK ||
        !vp_xdr_decode(reply->payload, reply->payload_size, xdr_vp_get_xml_ret, &ret)) {
        answer(previous, NULL);
        return;
    }
    answer(previous, ret.xml);
    vp_xdr_clear(xdr_vp_get_xml_ret, &ret);
}

static void
question(VpPrevious *previous, gint32 procedure, void *args_func, void *args)
{
    previous->serial = vp_calls_send(previous->client->calls, previous->client->up,
                                    VP_REMOTE_PROGRAM, procedure, args_func, args, on_xml,
                                    previous);
}

/* --- where it is ----------------------------------------------------------- */

static void
ask_definition(VpPrevious *previous, const VpFrame *frame G_GNUC_UNUSED, const VpScan *scan)
{
    vp_get_xml_args args = { .flags = VP_XML_INACTIVE };

    args.dom.name = (char *)"";
    args.dom.id = -1;
    if (scan->uuid && vp_uuid_parse(scan->uuid, (guint8 *)args.dom.uuid))
        question(previous, VP_REMOTE_DOMAIN_GET_XML_DESC, xdr_vp_get_xml_args, &args);
}

/* The call names the domain first. */
static void
ask_domain(VpPrevious *previous, const VpFrame *frame, gint32 procedure)
{
    vp_get_xml_args args = { 0 };

    if (!vp_xdr_decode(frame->payload, frame->payload_size, xdr_vp_domain, &args.dom))
        return;
    question(previous, procedure, xdr_vp_get_xml_args, &args);
    vp_xdr_clear(xdr_vp_domain, &args.dom);
}

static void
ask_guest(VpPrevious *previous, const VpFrame *frame, const VpScan *scan G_GNUC_UNUSED)
{
    ask_domain(previous, frame, VP_REMOTE_DOMAIN_GET_XML_DESC);
}

static void
ask_managed(VpPrevious *previous, const VpFrame *frame, const VpScan *scan G_GNUC_UNUSED)
{
    ask_domain(previous, frame, VP_REMOTE_DOMAIN_MANAGED_SAVE_GET_XML_DESC);
}

/* RESTORE_PARAMS has the file among its parameters; g_free(). NULL: it has none. */
static char *
file_of_params(const VpFrame *frame)
{
    vp_restore_params_args args = { 0 };
    char *file = NULL;

    if (!vp_xdr_decode(frame->payload, frame->payload_size, xdr_vp_restore_params_args, &args))
        return NULL;
    for (guint i = 0; i < args.params.params_len; i++) {
        const vp_param *param = &args.params.params_val[i];

        if (!file && strcmp(param->field, "file") == 0 && param->value.type == VP_PARAM_STRING)
            file = g_strdup(param->value.vp_param_value_u.s);
    }
    vp_xdr_clear(xdr_vp_restore_params_args, &args);
    return file;
}

/* The others name it first. */
static char *
file_of(const VpFrame *frame)
{
    vp_string first = NULL;
    char *file = NULL;

    if (frame->header.procedure == VP_REMOTE_DOMAIN_RESTORE_PARAMS)
        return file_of_params(frame);
    if (!vp_xdr_decode(frame->payload, frame->payload_size, xdr_vp_string, &first))
        return NULL;
    file = g_strdup(first);
    vp_xdr_clear(xdr_vp_string, &first);
    return file;
}

static void
free_look(gpointer data)
{
    Look *look = data;

    g_free(look->file);
    g_free(look);
}

static void
look_at_file(gpointer data)
{
    Look *look = data;

    look->regular = g_file_test(look->file, G_FILE_TEST_IS_REGULAR);
}

/* A guest that comes out of a pipe can be read once only. */
static void
on_looked(gpointer data)
{
    Look *look = data;
    VpPrevious *previous = look->previous;
    vp_get_image_xml_args args = { .file = look->file };

    previous->look = NULL;
    if (look->regular)
        question(previous, VP_REMOTE_DOMAIN_SAVE_IMAGE_GET_XML_DESC, xdr_vp_get_image_xml_args,
                 &args);
    else
        answer(previous, NULL);
}

static void
ask_image(VpPrevious *previous, const VpFrame *frame, const VpScan *scan G_GNUC_UNUSED)
{
    const VpClient *client = previous->client;
    char *file = client->trusted ? file_of(frame) : NULL;
    Look *look = NULL;

    if (!file)
        return;
    look = g_new0(Look, 1);
    *look = (Look){ .previous = previous, .file = file };
    previous->look = vp_work_start(client->daemon->file_workers, vp_client_owner(client),
                                   look_at_file, on_looked, look, free_look);
}

/* A snapshot that is really taken comes with the domain's definition as it is. */
static void
ask_snapshot(VpPrevious *previous, const VpFrame *frame, const VpScan *scan)
{
    vp_create_snapshot_args call = { 0 };
    vp_get_snapshot_xml_args args = { 0 };

    if (!vp_xdr_decode(frame->payload, frame->payload_size, xdr_vp_create_snapshot_args, &call))
        return;
    if ((call.flags & VP_SNAPSHOT_REDEFINE) && scan->snapshot) {
        args.snapshot.name = scan->snapshot;
        args.snapshot.dom = call.dom;
        question(previous, VP_REMOTE_DOMAIN_SNAPSHOT_GET_XML_DESC, xdr_vp_get_snapshot_xml_args,
                 &args);
    }
    vp_xdr_clear(xdr_vp_create_snapshot_args, &call);
}

/* By VpOrigin. Sends the question if there is one, at once or after a look. */
static void (*const ask[])(VpPrevious *previous, const VpFrame *frame, const VpScan *scan) = {
    [VP_ORIGIN_DEFINITION] = ask_definition,
    [VP_ORIGIN_GUEST] = ask_guest,
    [VP_ORIGIN_IMAGE] = ask_image,
    [VP_ORIGIN_MANAGED] = ask_managed,
    [VP_ORIGIN_SNAPSHOT] = ask_snapshot,
};

/* --- the question --------------------------------------------------------- */

VpPrevious *
vp_previous_ask(VpClient *client, const VpFrame *frame, const VpIntercept *row, const VpScan *scan,
                VpPreviousFunc func, gpointer data)
{
    VpPrevious *previous = NULL;

    if (row->origin == VP_ORIGIN_NONE || !scan->any)
        return NULL;
    previous = g_new0(VpPrevious, 1);
    *previous = (VpPrevious){ .client = client, .func = func, .data = data };
    ask[row->origin](previous, frame, scan);
    if (previous->serial == 0 && !previous->look)
        g_clear_pointer(&previous, vp_previous_free);
    return previous;
}

void
vp_previous_free(VpPrevious *previous)
{
    if (!previous)
        return;
    vp_work_cancel(previous->look);
    if (previous->serial != 0)
        vp_calls_cancel(previous->client->calls, previous->serial);
    g_free(previous);
}
