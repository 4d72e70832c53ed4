/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls and replies that carry domain XML: walked by their layout, each document
 * translated on its way in and restored on its way out (src/xml), the rest untouched.
 *
 * A call whose document we must refuse is answered here and never reaches libvirtd. A
 * payload that does not fit its layout goes on as it is: whoever decodes it says what
 * is wrong with it.
 */

#include "qemu_passthrough/intercept.h"
#include "rpc/rpc_error.h"
#include "rpc/walk.h"

static bool
translate(const char *xml, char **ret_xml, gpointer data, GError **error)
{
    const VpXmlRules *rules = data;

    return vp_xml_translate(rules, xml, ret_xml, error);
}

static bool
restore(const char *xml, char **ret_xml, gpointer data G_GNUC_UNUSED, GError **error)
{
    return vp_xml_restore(xml, ret_xml, error);
}

/* The same frame with another payload. */
static void
send_changed(VpLink *link, const VpFrame *frame, const GByteArray *payload)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VpFrame changed = *frame;

    vp_frame_begin(bytes, &frame->header);
    g_byte_array_append(bytes, payload->data, payload->len);
    /* The walk has seen to it that it fits. */
    g_assert(vp_frame_end(bytes));
    changed.header.length = bytes->len;
    changed.bytes = bytes->data;
    vp_link_send_frame(link, &changed);
}

VpIntercepted
vp_xml_call(VpClient *client, const VpFrame *frame, const VpIntercept *row)
{
    VpXmlRules rules = vp_daemon_xml_rules(client->daemon);
    g_autoptr(GByteArray) payload = NULL;
    g_autoptr(GError) error = NULL;

    switch (vp_walk_xml(row->call_layout, frame->payload, frame->payload_size, translate, &rules,
                        &payload, &error)) {
    case VP_WALK_CHANGED:
        send_changed(client->up, frame, payload);
        return VP_DONE;
    case VP_WALK_REFUSED:
        vp_rpc_send_gerror(client->down, &frame->header, error);
        return VP_DONE;
    case VP_WALK_UNCHANGED:
    case VP_WALK_MALFORMED:
        break;
    }
    return VP_PASS;
}

VpIntercepted
vp_xml_reply(VpClient *client, const VpFrame *frame, const VpIntercept *row)
{
    g_autoptr(GByteArray) payload = NULL;
    g_autoptr(GError) error = NULL;

    if (frame->header.status != VP_STATUS_OK)
        return VP_PASS;
    switch (vp_walk_xml(row->reply_layout, frame->payload, frame->payload_size, restore, NULL,
                        &payload, &error)) {
    case VP_WALK_CHANGED:
        send_changed(client->down, frame, payload);
        return VP_DONE;
    case VP_WALK_REFUSED:
        /* libvirtd's document all the same: better than none, and the log says why. */
        vp_log_warning("a document of libvirtd's is passed on as it is: %s", error->message);
        break;
    case VP_WALK_UNCHANGED:
    case VP_WALK_MALFORMED:
        break;
    }
    return VP_PASS;
}
