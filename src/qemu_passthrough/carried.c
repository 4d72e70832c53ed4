/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One question to libvirtd before a document takes the place of another: what does that one keep
 * for us? Where it is depends on the call (intercept.c), but all answers are a document. It is
 * asked as the client, who may not see the domain, or may be the first to define it: then there is
 * nothing to carry, and if something is wrong with the call libvirtd tells him.
 *
 * The path of a saved guest is the client's, and what it is on need not answer: it is looked at in
 * a thread of GLib's pool. One that never comes back is left there with its Look.
 */

#include "qemu_passthrough/carried.h"

#include "rpc/walk.h"
#include "xml/passthrough.h"

#include <gio/gio.h>
#include <string.h>

/* A look at a file, owned by its task. */
typedef struct Look {
    VpCarried *carried; /* who waits for it; NULL: nobody any more */
    char *file;
} Look;

struct VpCarried {
    VpClient *client;
    bool done;
    Look *look;        /* under way, or NULL */
    guint32 serial;    /* of the question, until it is answered; 0: none was sent */
    GPtrArray *states; /* of VpXmlState */
};

static void
on_xml(const VpCallReply *reply, gpointer data)
{
    VpCarried *carried = data;
    vp_get_xml_ret ret = { 0 };

    carried->done = true;
    if (reply->outcome == VP_CALL_OK &&
        vp_xdr_decode(reply->payload, reply->payload_size, xdr_vp_get_xml_ret, &ret)) {
        g_ptr_array_unref(carried->states);
        carried->states = vp_xml_state_read(ret.xml);
        vp_xdr_clear(xdr_vp_get_xml_ret, &ret);
    }
    vp_client_go_on(carried->client);
}

static void
question(VpCarried *carried, gint32 procedure, void *args_func, void *args)
{
    carried->serial = vp_calls_send(carried->client->calls, carried->client->up,
                                    VP_REMOTE_PROGRAM, procedure, args_func, args, on_xml,
                                    carried);
}

/* --- where it is ----------------------------------------------------------- */

static void
ask_definition(VpCarried *carried, const VpFrame *frame G_GNUC_UNUSED, const char *xml)
{
    g_autofree char *uuid = vp_xml_read_uuid(xml);
    vp_get_xml_args args = { .flags = VP_XML_INACTIVE };

    args.dom.name = (char *)"";
    args.dom.id = -1;
    if (uuid && vp_uuid_parse(uuid, (guint8 *)args.dom.uuid))
        question(carried, VP_REMOTE_DOMAIN_GET_XML_DESC, xdr_vp_get_xml_args, &args);
}

/* The call names the domain first. */
static void
ask_domain(VpCarried *carried, const VpFrame *frame, gint32 procedure)
{
    vp_get_xml_args args = { 0 };

    if (!vp_xdr_decode(frame->payload, frame->payload_size, xdr_vp_domain, &args.dom))
        return;
    question(carried, procedure, xdr_vp_get_xml_args, &args);
    vp_xdr_clear(xdr_vp_domain, &args.dom);
}

static void
ask_guest(VpCarried *carried, const VpFrame *frame, const char *xml G_GNUC_UNUSED)
{
    ask_domain(carried, frame, VP_REMOTE_DOMAIN_GET_XML_DESC);
}

static void
ask_managed(VpCarried *carried, const VpFrame *frame, const char *xml G_GNUC_UNUSED)
{
    ask_domain(carried, frame, VP_REMOTE_DOMAIN_MANAGED_SAVE_GET_XML_DESC);
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
look_at_file(GTask *task, gpointer source G_GNUC_UNUSED, gpointer data,
             GCancellable *cancellable G_GNUC_UNUSED)
{
    const Look *look = data;

    g_task_return_boolean(task, g_file_test(look->file, G_FILE_TEST_IS_REGULAR));
}

/* A guest that comes out of a pipe can be read once only. */
static void
on_looked(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer data G_GNUC_UNUSED)
{
    Look *look = g_task_get_task_data(G_TASK(result));
    VpCarried *carried = look->carried;
    vp_get_image_xml_args args = { .file = look->file };

    if (!carried)
        return;
    carried->look = NULL;
    if (g_task_propagate_boolean(G_TASK(result), NULL)) {
        question(carried, VP_REMOTE_DOMAIN_SAVE_IMAGE_GET_XML_DESC, xdr_vp_get_image_xml_args,
                 &args);
    } else {
        carried->done = true;
        vp_client_go_on(carried->client);
    }
}

static void
ask_image(VpCarried *carried, const VpFrame *frame, const char *xml G_GNUC_UNUSED)
{
    g_autofree char *file = file_of(frame);
    g_autoptr(GTask) task = NULL;

    if (!file)
        return;
    carried->look = g_new0(Look, 1);
    carried->look->carried = carried;
    carried->look->file = g_steal_pointer(&file);
    task = g_task_new(NULL, NULL, on_looked, NULL);
    g_task_set_task_data(task, carried->look, free_look);
    g_task_run_in_thread(task, look_at_file);
}

/* A snapshot that is really taken comes with the domain's definition as it is. */
static void
ask_snapshot(VpCarried *carried, const VpFrame *frame, const char *xml)
{
    vp_create_snapshot_args call = { 0 };
    vp_get_snapshot_xml_args args = { 0 };
    g_auto(VpXmlSnapshot) snapshot = { 0 };

    if (!vp_xdr_decode(frame->payload, frame->payload_size, xdr_vp_create_snapshot_args, &call))
        return;
    if ((call.flags & VP_SNAPSHOT_REDEFINE) && vp_xml_read_snapshot(xml, "", &snapshot)) {
        args.snapshot.name = snapshot.name;
        args.snapshot.dom = call.dom;
        question(carried, VP_REMOTE_DOMAIN_SNAPSHOT_GET_XML_DESC, xdr_vp_get_snapshot_xml_args,
                 &args);
    }
    vp_xdr_clear(xdr_vp_create_snapshot_args, &call);
}

/* By VpOrigin. Sends the question if there is one, at once or after a look. */
static void (*const ask[])(VpCarried *carried, const VpFrame *frame, const char *xml) = {
    [VP_ORIGIN_DEFINITION] = ask_definition,
    [VP_ORIGIN_GUEST] = ask_guest,
    [VP_ORIGIN_IMAGE] = ask_image,
    [VP_ORIGIN_MANAGED] = ask_managed,
    [VP_ORIGIN_SNAPSHOT] = ask_snapshot,
};

/* --- the question --------------------------------------------------------- */

static bool
take_first(const char *xml, char **ret_xml G_GNUC_UNUSED, gpointer data,
           GError **error G_GNUC_UNUSED)
{
    char **first = data;

    if (!*first)
        *first = g_strdup(xml);
    return true;
}

VpCarried *
vp_carried_ask(VpClient *client, const VpFrame *frame, const VpIntercept *row)
{
    g_autofree char *xml = NULL;
    g_autoptr(GByteArray) payload = NULL;
    VpCarried *carried = NULL;

    if (row->origin == VP_ORIGIN_NONE)
        return NULL;
    vp_walk_xml(row->call_layout, frame->payload, frame->payload_size, take_first, &xml, &payload,
                NULL);
    if (!xml)
        return NULL;
    carried = g_new0(VpCarried, 1);
    carried->client = client;
    carried->states = g_ptr_array_new();
    ask[row->origin](carried, frame, xml);
    if (carried->serial == 0 && !carried->look)
        g_clear_pointer(&carried, vp_carried_free);
    return carried;
}

bool
vp_carried_done(const VpCarried *carried)
{
    return carried->done;
}

bool
vp_carried_put(const VpCarried *carried, const char *xml, char **ret_xml, GError **error)
{
    return vp_xml_state_put(xml, carried->states, ret_xml, error);
}

void
vp_carried_free(VpCarried *carried)
{
    if (!carried)
        return;
    if (carried->look)
        carried->look->carried = NULL;
    if (!carried->done && carried->serial != 0)
        vp_calls_cancel(carried->client->calls, carried->serial);
    g_ptr_array_unref(carried->states);
    g_free(carried);
}
