/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls and replies that carry domain XML: walked by their layout, each document
 * translated on its way in and restored on its way out (src/xml), the rest untouched.
 *
 * Some documents can be translated only when something is known of QEMU. Then the call is held
 * until that has been found out (facts.c), and with it what the client sends after it; then it
 * comes again.
 *
 * A document that replaces another one gets from it what virtpassd keeps there (carried.c), for
 * which libvirtd is asked in the same way.
 *
 * A call whose document we must refuse is answered here and never reaches libvirtd. A
 * payload that does not fit its layout goes on as it is: whoever decodes it says what
 * is wrong with it.
 */

#include "qemu_passthrough/carried.h"
#include "qemu_passthrough/definition.h"
#include "qemu_passthrough/facts.h"
#include "qemu_passthrough/intercept.h"
#include "qemu_passthrough/native.h"
#include "rpc/rpc_error.h"
#include "rpc/walk.h"

typedef struct Translation {
    VpXmlRules rules;
    VpDaemon *daemon;
    bool defines;     /* what is translated becomes a definition */
    const VpCarried *carried; /* what it gets from the one before; NULL: nothing */
} Translation;

static bool
translate(const char *xml, char **ret_xml, gpointer data, GError **error)
{
    const Translation *translation = data;
    g_autofree char *with = NULL;

    if (!vp_xml_translate(&translation->rules, xml, ret_xml, error))
        return false;
    if (translation->carried &&
        !vp_carried_put(translation->carried, *ret_xml ?: xml, &with, error)) {
        g_clear_pointer(ret_xml, g_free);
        return false;
    }
    if (with) {
        g_free(*ret_xml);
        *ret_xml = g_steal_pointer(&with);
    }
    if (translation->defines)
        vp_definition_check(translation->daemon, *ret_xml ?: xml);
    return true;
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

typedef struct Needs {
    VpXmlRules rules;
    GPtrArray *list; /* of VpXmlNeeds */
} Needs;

static bool
collect_needs(const char *xml, char **ret_xml G_GNUC_UNUSED, gpointer data, GError **error)
{
    Needs *needs = data;
    g_autoptr(GPtrArray) more = vp_xml_needs(&needs->rules, xml, error);

    if (more)
        g_ptr_array_extend_and_steal(needs->list, g_steal_pointer(&more));
    return more != NULL;
}

static void
on_facts(VpFacts *facts G_GNUC_UNUSED, gpointer data)
{
    vp_client_go_on(data);
}

/* The rules for a call's documents. */
static VpXmlRules
rules_for(const VpClient *client, const VpIntercept *row)
{
    VpXmlRules rules = vp_facts_rules(client->facts ?: client->daemon->no_facts);

    rules.running = row->running;
    return rules;
}

/* Must the call wait until something is known? Errors are the translation's to find again. */
static bool
must_wait(VpClient *client, const VpFrame *frame, const VpIntercept *row)
{
    Needs needs = { .rules = rules_for(client, row) };
    g_autoptr(GPtrArray) list = NULL;
    g_autoptr(GByteArray) payload = NULL;

    if (client->facts)
        return !vp_facts_done(client->facts);
    list = g_ptr_array_new_with_free_func((GDestroyNotify)vp_xml_needs_free);
    needs.list = list;
    vp_walk_xml(row->call_layout, frame->payload, frame->payload_size, collect_needs, &needs,
                &payload, NULL);
    if (list->len > 0)
        client->facts = vp_facts_gather(client, g_steal_pointer(&list), on_facts, client);
    return client->facts != NULL;
}

static bool
defines(const VpIntercept *row)
{
    return row->procedure == VP_REMOTE_DOMAIN_DEFINE_XML ||
           row->procedure == VP_REMOTE_DOMAIN_DEFINE_XML_FLAGS;
}

/* Must the call wait until it is known what the definition before it keeps? */
static bool
must_carry(VpClient *client, const VpFrame *frame, const VpIntercept *row)
{
    client->carried = vp_carried_ask(client, frame, row);
    return client->carried != NULL;
}

static VpIntercepted
translate_call(VpClient *client, const VpFrame *frame, const VpIntercept *row)
{
    Translation translation = {
        .rules = rules_for(client, row),
        .daemon = client->daemon,
        .defines = defines(row),
        .carried = client->carried,
    };
    g_autoptr(GByteArray) payload = NULL;
    g_autoptr(GError) error = NULL;

    switch (vp_walk_xml(row->call_layout, frame->payload, frame->payload_size, translate,
                        &translation, &payload, &error)) {
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
vp_xml_call(VpClient *client, const VpFrame *frame, const VpIntercept *row)
{
    VpIntercepted verdict = VP_HOLD;

    /* What is asked for last is looked at first: a call that comes again is not walked for what is
     * known already. */
    if (client->carried ? !vp_carried_done(client->carried)
                        : must_wait(client, frame, row) || must_carry(client, frame, row))
        return VP_HOLD;
    verdict = translate_call(client, frame, row);
    g_clear_pointer(&client->facts, vp_facts_free);
    g_clear_pointer(&client->carried, vp_carried_free);
    return verdict;
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

/* domxml-to-native: the command line that would really run, so with the plan carried out. */
VpIntercepted
vp_native_reply(VpClient *client, const VpFrame *frame, const VpIntercept *row G_GNUC_UNUSED)
{
    vp_xml_to_native_ret ret = { 0 };
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    bool fine = true;

    if (frame->header.status != VP_STATUS_OK ||
        !vp_xdr_decode(frame->payload, frame->payload_size, xdr_vp_xml_to_native_ret, &ret))
        return VP_PASS;
    fine = vp_native_apply(ret.native, &text, &error);
    vp_xdr_clear(xdr_vp_xml_to_native_ret, &ret);
    if (!fine) {
        vp_rpc_send_gerror(client->down, &frame->header, error);
        return VP_DONE;
    }
    if (!text)
        return VP_PASS;
    ret.native = text;
    vp_client_reply(client, &frame->header, xdr_vp_xml_to_native_ret, &ret, "the command line");
    return VP_DONE;
}
