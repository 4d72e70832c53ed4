/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One question to libvirtd before a definition: what does the domain's present one keep for us?
 * It is asked as the client, who may not see the domain, or may be the first to define it: then
 * there is nothing to carry.
 */

#include "qemu_passthrough/carried.h"

#include "xml/passthrough.h"

#include <string.h>

struct VpCarried {
    VpClient *client;
    bool done;
    guint32 serial;    /* of the question, until it is answered */
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

VpCarried *
vp_carried_ask(VpClient *client, const char *uuid)
{
    VpCarried *carried = NULL;
    vp_get_xml_args args = { .flags = VP_XML_INACTIVE };

    args.dom.name = (char *)"";
    args.dom.id = -1;
    if (!vp_uuid_parse(uuid, (guint8 *)args.dom.uuid))
        return NULL;
    carried = g_new0(VpCarried, 1);
    carried->client = client;
    carried->states = g_ptr_array_new();
    carried->serial = vp_calls_send(client->calls, client->up, VP_REMOTE_PROGRAM,
                                    VP_REMOTE_DOMAIN_GET_XML_DESC, xdr_vp_get_xml_args, &args,
                                    on_xml, carried);
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
    if (!carried->done)
        vp_calls_cancel(carried->client->calls, carried->serial);
    g_ptr_array_unref(carried->states);
    g_free(carried);
}
