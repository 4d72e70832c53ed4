/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls that carry domain XML: each document in them is translated on its way in.
 *
 * Nothing is read before libvirtd has opened the client's connection for writing, and nothing that
 * a document asks for is done before libvirtd has judged the client (facts.c). A call that is no
 * such client's, or that does not fit its layout, goes on as it is: libvirtd says what is wrong
 * with it.
 *
 * The steps, each leading to the next:
 *
 *   scan       what has to be known, by reading the documents
 *   previous   the definition that is replaced, for what virtpassd keeps in it (previous.c)
 *   facts      may the client, and what can QEMU do (facts.c)
 *   translate  src/xml
 *   link       the shim's, where a plan was made: libvirtd looks whether an emulator is there
 *   check      a definition with alterations: would it start? For the log
 *
 * Links that were made for nothing go when libvirtd refuses the call (vp_document_replied()).
 *
 * Reading and translating are done in a thread when they can take long: when the payload is large,
 * and always where there is something to compile, for regular expressions take their time. Then
 * the call is kept here, and the client's later frames wait in its link. What is small and needs
 * nothing goes through without a copy.
 */

#include "qemu_passthrough/document.h"

#include "base/fd.h"
#include "qemu_passthrough/definition.h"
#include "qemu_passthrough/facts.h"
#include "qemu_passthrough/intercept.h"
#include "qemu_passthrough/previous.h"
#include "qemu_passthrough/shims.h"
#include "qemu_passthrough/translation.h"
#include "rpc/rpc_error.h"

#include <string.h>

struct VpDocument {
    VpClient *client;
    const VpIntercept *row;
    VpFrame frame;                  /* of `bytes` and `fds` */
    GByteArray *bytes;
    int fds[VP_FRAME_FDS_MAX];
    VpWork *work;                   /* the thread's, or NULL */
    VpPrevious *previous;           /* under way, or NULL */
    VpFacts *facts;
    VpDefinitionCheck *check;       /* under way, or NULL */
    VpScan scan;
    char *replaced;                 /* the definition that is replaced; NULL: none */
    VpTranslated translated;
    GPtrArray *links;               /* of VpShimLink, until the call is sent; NULL: none */
    bool in_call;                   /* the call's handler is on the stack */
};

/* What a thread does for a document. It reaches nothing else. */
typedef struct Job {
    VpDocument *document;           /* the loop's thread's only */
    const VpIntercept *row;
    GByteArray *bytes;              /* a reference; the frame */
    gsize offset;                   /* of the payload */
    VpFacts *facts;                 /* a reference */
    char *replaced;                 /* translating: a document, or NULL */
    VpScan scan;                    /* what comes of it */
    VpTranslated translated;
} Job;

static VpXmlRules
rules_for(VpFacts *facts, const VpIntercept *row)
{
    VpXmlRules rules = vp_facts_rules(facts);

    rules.running = row->running;
    return rules;
}

/* By where the definition is that a document replaces. */
static VpScanWish
wish_for(const VpIntercept *row)
{
    switch (row->origin) {
    case VP_ORIGIN_DEFINITION:
        return VP_SCAN_UUID;
    case VP_ORIGIN_SNAPSHOT:
        return VP_SCAN_SNAPSHOT;
    default:
        return VP_SCAN_NEEDS;
    }
}

/* --- the end -------------------------------------------------------------- */

void
vp_document_free(VpDocument *document)
{
    if (!document)
        return;
    vp_work_cancel(document->work);
    vp_previous_free(document->previous);
    vp_facts_cancel(document->facts);
    vp_facts_unref(document->facts);
    vp_definition_check_free(document->check);
    vp_scan_clear(&document->scan);
    g_free(document->replaced);
    vp_shims_settle(document->links, false);
    vp_translated_clear(&document->translated);
    vp_close_fds(document->fds, document->frame.header.nfds);
    g_byte_array_unref(document->bytes);
    g_free(document);
}

/* The call is answered, or on its way. */
static void
finish(VpDocument *document)
{
    VpClient *client = document->client;
    bool in_call = document->in_call;

    g_clear_pointer(&client->document, vp_document_free);
    if (!in_call)
        vp_client_call_done(client);
}

/* A call whose reply tells whether its links are needed. */
typedef struct Awaited {
    VpHeader header;
    bool keeps;                     /* what libvirtd accepts by it has an emulator */
    GPtrArray *links;
} Awaited;

static void
awaited_free(gpointer data)
{
    Awaited *awaited = data;

    vp_shims_settle(awaited->links, true); /* libvirtd may have accepted it */
    g_free(awaited);
}

static void
await(VpDocument *document)
{
    VpClient *client = document->client;
    Awaited *awaited = g_new0(Awaited, 1);

    awaited->header = document->frame.header;
    awaited->keeps = !document->row->native;
    awaited->links = g_steal_pointer(&document->links);
    if (!client->awaited)
        client->awaited = g_ptr_array_new_with_free_func(awaited_free);
    g_ptr_array_add(client->awaited, awaited);
}

static bool
is_reply_to(const VpHeader *reply, const VpHeader *call)
{
    return reply->serial == call->serial && reply->program == call->program &&
           reply->procedure == call->procedure;
}

void
vp_document_replied(VpClient *client, const VpHeader *reply)
{
    for (guint i = 0; i < client->awaited->len; i++) {
        Awaited *awaited = g_ptr_array_index(client->awaited, i);

        if (!is_reply_to(reply, &awaited->header))
            continue;
        vp_shims_settle(g_steal_pointer(&awaited->links),
                        awaited->keeps && reply->status == VP_STATUS_OK);
        g_ptr_array_remove_index(client->awaited, i);
        break;
    }
    if (client->awaited->len == 0)
        g_clear_pointer(&client->awaited, g_ptr_array_unref);
}

static void
send_on(VpDocument *document)
{
    VpClient *client = document->client;
    const VpFrame *frame = &document->frame;

    if (document->links)
        await(document);
    switch (document->translated.verdict) {
    case VP_WALK_CHANGED:
        vp_client_send_changed(client->up, frame, document->translated.payload);
        break;
    case VP_WALK_REFUSED:
        vp_rpc_send_gerror(client->down, &frame->header, document->translated.error);
        break;
    case VP_WALK_UNCHANGED:
    case VP_WALK_MALFORMED:
        vp_link_send_frame(client->up, frame);
        break;
    }
    finish(document);
}

/* --- in a thread ---------------------------------------------------------- */

static void
job_free(gpointer data)
{
    Job *job = data;

    g_byte_array_unref(job->bytes);
    vp_facts_unref(job->facts);
    g_free(job->replaced);
    vp_scan_clear(&job->scan);
    vp_translated_clear(&job->translated);
    g_free(job);
}

static void
run_scan(gpointer data)
{
    Job *job = data;
    VpXmlRules rules = rules_for(job->facts, job->row);

    vp_scan_payload(&rules, wish_for(job->row), job->row->call_layout,
                    job->bytes->data + job->offset, job->bytes->len - job->offset, &job->scan);
}

static void
run_translate(gpointer data)
{
    Job *job = data;
    VpXmlRules rules = rules_for(job->facts, job->row);

    vp_translate_payload(&rules, job->row->call_layout, job->bytes->data + job->offset,
                         job->bytes->len - job->offset, job->replaced, &job->translated);
}

static void
start(VpDocument *document, VpWorkFunc run, VpWorkFunc done)
{
    VpClient *client = document->client;
    Job *job = g_new0(Job, 1);

    job->document = document;
    job->row = document->row;
    job->bytes = g_byte_array_ref(document->bytes);
    job->offset = document->frame.payload - document->bytes->data;
    job->facts = vp_facts_ref(document->facts);
    job->replaced = g_steal_pointer(&document->replaced);
    document->work = vp_work_start(client->daemon->workers, vp_client_owner(client), run, done,
                                   job, job_free);
}

/* Would it hold the loop up? */
static bool
takes_long(const VpDocument *document)
{
    gsize size = document->bytes->len + (document->replaced ? strlen(document->replaced) : 0);

    return size > VP_INLINE_XML_MAX || (document->scan.needs && document->scan.needs->len > 0);
}

/* --- step by step --------------------------------------------------------- */

static void
on_checked(gpointer data)
{
    VpDocument *document = data;

    g_clear_pointer(&document->check, vp_definition_check_free);
    send_on(document);
}

/* Is it a definition whose author may want to know more? */
static bool
is_to_be_checked(const VpDocument *document)
{
    return document->row->defines && document->translated.xml &&
           vp_facts_planned(document->facts);
}

/* false: the call is refused. */
static bool
make_links(VpDocument *document)
{
    VpTranslated *out = &document->translated;

    if (out->verdict == VP_WALK_REFUSED ||
        vp_shims_make(document->client->daemon->shims, vp_facts_links(document->facts),
                      &document->links, &out->error))
        return true;
    out->verdict = VP_WALK_REFUSED;
    return false;
}

static void
translated(VpDocument *document)
{
    VpClient *client = document->client;
    const vp_error_body *denied = vp_facts_denied(document->facts);

    if (document->translated.verdict == VP_WALK_REFUSED && denied) {
        vp_rpc_send_body(client->down, &document->frame.header, denied);
        finish(document);
    } else if (!make_links(document)) {
        send_on(document);
    } else if (is_to_be_checked(document)) {
        document->check = vp_definition_check(client, document->translated.xml, on_checked,
                                              document);
    } else {
        send_on(document);
    }
}

static void
on_translated(gpointer data)
{
    Job *job = data;
    VpDocument *document = job->document;

    document->work = NULL;
    document->translated = job->translated;
    job->translated = (VpTranslated){ 0 };
    translated(document);
}

static void
translate(VpDocument *document)
{
    VpXmlRules rules = rules_for(document->facts, document->row);

    if (takes_long(document)) {
        start(document, run_translate, on_translated);
        return;
    }
    vp_translate_payload(&rules, document->row->call_layout, document->frame.payload,
                         document->frame.payload_size, document->replaced,
                         &document->translated);
    translated(document);
}

static void
on_facts(VpFacts *facts G_GNUC_UNUSED, gpointer data)
{
    translate(data);
}

/* The domain to which the client has to be allowed to write; false: no certain one. */
static bool
find_target(const VpDocument *document, guint8 *ret_uuid)
{
    return document->row->origin == VP_ORIGIN_DEFINITION && document->scan.uuid &&
           vp_uuid_parse(document->scan.uuid, ret_uuid);
}

static void
gather(VpDocument *document)
{
    GPtrArray *needs = document->scan.needs;
    guint8 uuid[16] = { 0 };
    bool has_target = find_target(document, uuid);

    if (needs->len == 0) {
        translate(document);
        return;
    }
    vp_facts_unref(document->facts);
    document->facts = vp_facts_gather(document->client, g_ptr_array_ref(needs),
                                      has_target ? uuid : NULL, on_facts, document);
}

static void
on_previous(const char *xml, gpointer data)
{
    VpDocument *document = data;

    g_clear_pointer(&document->previous, vp_previous_free);
    document->replaced = g_strdup(xml);
    gather(document);
}

static void
scanned(VpDocument *document)
{
    document->previous = vp_previous_ask(document->client, &document->frame, document->row,
                                         &document->scan, on_previous, document);
    if (!document->previous)
        gather(document);
}

static void
on_scanned(gpointer data)
{
    Job *job = data;
    VpDocument *document = job->document;

    document->work = NULL;
    document->scan = job->scan;
    job->scan = (VpScan){ 0 };
    scanned(document);
}

static void
scan(VpDocument *document)
{
    VpXmlRules rules = rules_for(document->facts, document->row);

    if (takes_long(document)) {
        start(document, run_scan, on_scanned);
        return;
    }
    vp_scan_payload(&rules, wish_for(document->row), document->row->call_layout,
                    document->frame.payload, document->frame.payload_size, &document->scan);
    scanned(document);
}

/* --- a call --------------------------------------------------------------- */

static VpDocument *
document_new(VpClient *client, const VpFrame *frame, const VpIntercept *row)
{
    VpDocument *document = g_new0(VpDocument, 1);

    document->client = client;
    document->row = row;
    document->bytes = vp_frame_keep(frame, document->fds, &document->frame);
    document->facts = vp_facts_new(client->daemon);
    return document;
}

VpIntercepted
vp_xml_call(VpClient *client, const VpFrame *frame, const VpIntercept *row)
{
    VpDocument *document = NULL;

    if (client->state != VP_CLIENT_OPEN || client->read_only || !client->is_qemu)
        return VP_PASS;
    document = document_new(client, frame, row);
    client->document = document;
    document->in_call = true;
    scan(document);
    if (client->document == document)
        document->in_call = false;
    return VP_DONE;
}
