/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Facts for translations, gathered one after the other: may the client write to the domain; then
 * for each domain of a document libvirtd's default emulator, or whether libvirtd runs the named one
 * for this client; when that changed, and what that binary can do (src/probe, which caches); and
 * where devices are added, the command line that libvirtd makes of the rest, on which they have to
 * find a place.
 *
 * Order is the point. A document names a program, and we are about to look at it, run it and make a
 * link for it. libvirtd itself runs a program named as an emulator for whoever has connect.write
 * (CONNECT_GET_DOMAIN_CAPABILITIES), so that call is made on the client's connection: its success
 * means that libvirtd has judged this client, and that it has run the very same program. Where the
 * document takes the place of a domain's definition the right to write to that domain comes first,
 * by a call that needs it and is of no consequence (access.c). A domain that libvirtd does not know
 * is a new one, whose definition is libvirtd's to judge when it comes.
 *
 * A refusal ends the gathering: nothing has been done then. Nothing else fails here. What is
 * missing at the end makes the translation fail where it is needed, with an error that names the
 * element; why it is missing is part of that error.
 */

#include "qemu_passthrough/facts.h"

#include "argv/compile.h"
#include "argv/text.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "probe/look.h"
#include "probe/probe.h"
#include "qemu_passthrough/access.h"
#include "qemu_passthrough/shims.h"
#include "rpc/rpc_error.h"

#include <string.h>

struct VpFacts {
    gint refs;               /* atomic */
    const VpDaemon *daemon;  /* while gathering */
    VpSessionPolicy policy;  /* these are the daemon's, as they were at the beginning */
    VpSessionWords words;
    char *session_dir;
    VpShimTree *trees[VP_SHIM_KINDS];
    VpClient *client;        /* on whose behalf; NULL: nothing is gathered */
    guint8 uuid[16];         /* of the domain that the client is to write to */
    bool judging;            /* `uuid` is to be asked about */
    VpFactsFunc func;
    gpointer data;
    GPtrArray *needs;        /* of VpXmlNeeds */
    guint at;                /* the one that is worked on */
    GHashTable *defaults;    /* machine key -> path, or NULL when libvirtd knows none */
    GHashTable *granted;     /* set of paths that libvirtd runs for this client */
    GHashTable *changes;     /* path -> struct timespec, NULL: there is no such file */
    GHashTable *natives;     /* a domain's stock document -> libvirt's command line for it, NULL: it
                              * makes none */
    GHashTable *binaries;    /* path -> VpQemuFacts (a reference), NULL: it cannot be asked */
    char *problem;           /* why something is missing; NULL: nothing is */
    vp_error_body *denied;   /* libvirtd's refusal; NULL: none */
    gint planned;            /* atomic: a plan has been made */
    GHashTable *links;       /* path of the shim -> when its emulator changed, NULL: not known. The
                              * translation's, then of who makes them */
    bool asking;             /* libvirtd; `serial` */
    guint32 serial;
    VpLook *looking;
    VpProbeWait *probing;
    GSource *later;
};

static void next(VpFacts *facts);

static char *
machine_key(const char *type, const char *arch, const char *machine)
{
    return g_strdup_printf("%s/%s/%s", type ?: "", arch ?: "", machine ?: "");
}

static void
set_problem(VpFacts *facts, const char *text)
{
    if (!facts->problem)
        facts->problem = g_strdup(text);
}

/* --- may the client ------------------------------------------------------- */

/* A copy that outlives the reply; vp_xdr_clear() and g_free(). */
static vp_error_body *
copy_error(const vp_error_body *body)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    vp_error_body *copy = g_new0(vp_error_body, 1);

    if (!vp_xdr_append(bytes, xdr_vp_error_body, (void *)body) ||
        !vp_xdr_decode(bytes->data, bytes->len, xdr_vp_error_body, copy))
        copy->code = VP_RPC_ACCESS_DENIED;
    return copy;
}

/* true: the gathering ends here. */
static bool
take_refusal(VpFacts *facts, const VpCallReply *reply)
{
    if (reply->outcome == VP_CALL_OK)
        return false;
    if (reply->outcome == VP_CALL_ERROR)
        facts->denied = copy_error(reply->error);
    else
        facts->denied = copy_error(&(vp_error_body){ .code = VP_RPC_INTERNAL_ERROR });
    facts->at = facts->needs->len;
    return true;
}

static void
on_may_write(const VpCallReply *reply, gpointer data)
{
    VpFacts *facts = data;
    bool unknown = reply->outcome == VP_CALL_ERROR &&
                   (reply->error->code == VP_RPC_NO_DOMAIN || reply->error->code == VP_RPC_RPC);

    facts->asking = false;
    if (!unknown)
        take_refusal(facts, reply);
    next(facts);
}

static void
ask_to_write(VpFacts *facts)
{
    vp_fd_associate_args args = { 0 };
    vp_autofd int fd = vp_access_question("", facts->uuid, -1, &args);

    facts->judging = false;
    facts->asking = true;
    facts->serial = vp_calls_send_with_fd(facts->client->calls, facts->client->up,
                                          VP_REMOTE_PROGRAM, VP_REMOTE_DOMAIN_FD_ASSOCIATE,
                                          xdr_vp_fd_associate_args, &args, fd, on_may_write,
                                          facts);
}

static void
ask_capabilities(VpFacts *facts, vp_domain_capabilities_args *args, VpCallFunc func)
{
    facts->asking = true;
    facts->serial = vp_calls_send(facts->client->calls, facts->client->up, VP_REMOTE_PROGRAM,
                                  VP_REMOTE_CONNECT_GET_DOMAIN_CAPABILITIES,
                                  xdr_vp_domain_capabilities_args, args, func, facts);
}

static void
on_may_run(const VpCallReply *reply, gpointer data)
{
    VpFacts *facts = data;
    const VpXmlNeeds *needs = g_ptr_array_index(facts->needs, facts->at);

    facts->asking = false;
    if (!take_refusal(facts, reply))
        g_hash_table_add(facts->granted, g_strdup(needs->wishes->emulator));
    next(facts);
}

static void
ask_to_run(VpFacts *facts, char *emulator)
{
    vp_domain_capabilities_args args = { .emulator = &emulator };

    ask_capabilities(facts, &args, on_may_run);
}

/* --- the default emulator ------------------------------------------------- */

/* The first <path> of <domainCapabilities>. It is libvirtd's own document, and a path with a
 * character that XML must escape is no emulator's. */
static char *
read_path(const char *capabilities)
{
    const char *begin = strstr(capabilities, "<path>");
    const char *end = begin ? strstr(begin, "</path>") : NULL;

    begin = begin ? begin + strlen("<path>") : NULL;
    return end && *begin == '/' ? g_strndup(begin, end - begin) : NULL;
}

static void
on_capabilities(const VpCallReply *reply, gpointer data)
{
    VpFacts *facts = data;
    const VpXmlNeeds *needs = g_ptr_array_index(facts->needs, facts->at);
    vp_domain_capabilities_ret ret = { 0 };
    char *path = NULL;

    facts->asking = false;
    if (reply->outcome == VP_CALL_ERROR && reply->error->message)
        set_problem(facts, *reply->error->message);
    if (reply->outcome == VP_CALL_OK &&
        vp_xdr_decode(reply->payload, reply->payload_size, xdr_vp_domain_capabilities_ret, &ret)) {
        path = read_path(ret.capabilities);
        vp_xdr_clear(xdr_vp_domain_capabilities_ret, &ret);
    }
    if (path)
        g_hash_table_add(facts->granted, g_strdup(path));
    g_hash_table_insert(facts->defaults, machine_key(needs->type, needs->arch, needs->machine),
                        path);
    next(facts);
}

static void
ask_default(VpFacts *facts, const VpXmlNeeds *needs)
{
    char *type = needs->type, *arch = needs->arch, *machine = needs->machine;
    vp_domain_capabilities_args args = {
        .virttype = type ? &type : NULL,
        .arch = arch ? &arch : NULL,
        .machine = machine ? &machine : NULL,
    };

    ask_capabilities(facts, &args, on_capabilities);
}

/* --- when the binary has changed ------------------------------------------ */

static void
on_looked(VpLookResult *result, gpointer data)
{
    VpFacts *facts = data;
    const VpXmlNeeds *needs = g_ptr_array_index(facts->needs, facts->at);

    facts->looking = NULL;
    g_hash_table_insert(facts->changes, g_strdup(needs->wishes->emulator),
                        result->there ? g_memdup2(&result->changed, sizeof(result->changed))
                                      : NULL);
    next(facts);
}

/* --- what the binary can do ----------------------------------------------- */

static void
unref_binary(gpointer binary)
{
    if (binary)
        vp_qemu_facts_unref(binary);
}

static void
on_probed(VpQemuFacts *binary, const GError *error, gpointer data)
{
    VpFacts *facts = data;
    VpXmlNeeds *needs = g_ptr_array_index(facts->needs, facts->at);

    facts->probing = NULL;
    if (error)
        set_problem(facts, error->message);
    g_hash_table_insert(facts->binaries, g_strdup(needs->wishes->emulator),
                        binary ? vp_qemu_facts_ref(binary) : NULL);
    next(facts);
}

/* --- libvirt's part of the command line ------------------------------------ */

static void
on_native(const VpCallReply *reply, gpointer data)
{
    VpFacts *facts = data;
    const VpXmlNeeds *needs = g_ptr_array_index(facts->needs, facts->at);
    vp_xml_to_native_ret ret = { 0 };
    char *native = NULL;

    facts->asking = false;
    if (reply->outcome == VP_CALL_ERROR && reply->error->message)
        vp_log_warning("devices that are added to a domain get no addresses, for libvirtd makes no "
                       "command line of it: %s", *reply->error->message);
    if (reply->outcome == VP_CALL_OK &&
        vp_xdr_decode(reply->payload, reply->payload_size, xdr_vp_xml_to_native_ret, &ret)) {
        native = g_strdup(ret.native);
        vp_xdr_clear(xdr_vp_xml_to_native_ret, &ret);
    }
    g_hash_table_insert(facts->natives, g_strdup(needs->wishes->stock), native);
    next(facts);
}

/* As the client, who has been judged for the emulator: libvirtd may run it for this. */
static void
ask_native(VpFacts *facts, char *stock)
{
    vp_xml_to_native_args args = { .native_type = (char *)"qemu-argv", .xml = stock };

    facts->asking = true;
    facts->serial = vp_calls_send(facts->client->calls, facts->client->up, VP_REMOTE_PROGRAM,
                                  VP_REMOTE_CONNECT_DOMAIN_XML_TO_NATIVE,
                                  xdr_vp_xml_to_native_args, &args, on_native, facts);
}

/* --- one after the other -------------------------------------------------- */

/* true: an answer will come. */
static bool
find_emulator(VpFacts *facts, VpXmlNeeds *needs)
{
    g_autofree char *key = machine_key(needs->type, needs->arch, needs->machine);
    VpPlan *wishes = needs->wishes;

    if (!wishes->emulator && !g_hash_table_contains(facts->defaults, key)) {
        ask_default(facts, needs);
        return true;
    }
    if (!wishes->emulator)
        wishes->emulator = g_strdup(g_hash_table_lookup(facts->defaults, key));
    if (!wishes->emulator || facts->client->trusted ||
        g_hash_table_contains(facts->granted, wishes->emulator))
        return false;
    ask_to_run(facts, wishes->emulator);
    return true;
}

/* true: an answer will come. */
static bool
work_on(VpFacts *facts, VpXmlNeeds *needs)
{
    const char *emulator = NULL;

    if (find_emulator(facts, needs))
        return true;
    emulator = needs->wishes->emulator;
    if (!emulator || needs->upstream)
        return false;
    if (!g_hash_table_contains(facts->changes, emulator)) {
        facts->looking = vp_look_for_change(vp_client_owner(facts->client), emulator, on_looked,
                                            facts);
        return true;
    }
    if (needs->facts && !g_hash_table_contains(facts->binaries, emulator)) {
        facts->probing = vp_probe_get(facts->daemon->probe, emulator,
                                      vp_client_owner(facts->client), on_probed, facts);
        return true;
    }
    if (!needs->wishes->stock || g_hash_table_contains(facts->natives, needs->wishes->stock))
        return false;
    ask_native(facts, needs->wishes->stock);
    return true;
}

static void
next(VpFacts *facts)
{
    if (facts->judging) {
        ask_to_write(facts);
        return;
    }
    for (; facts->at < facts->needs->len; facts->at++) {
        if (work_on(facts, g_ptr_array_index(facts->needs, facts->at)))
            return;
    }
    facts->func(facts, facts->data);
}

static gboolean
on_begin(gpointer data)
{
    VpFacts *facts = data;

    vp_loop_cancel(&facts->later);
    next(facts);
    return G_SOURCE_REMOVE;
}

VpFacts *
vp_facts_new(const VpDaemon *daemon)
{
    VpFacts *facts = g_new0(VpFacts, 1);
    const VpConfig *config = &daemon->config;

    facts->refs = 1;
    facts->daemon = daemon;
    facts->policy = config->policy;
    facts->words = config->words;
    facts->session_dir = g_strdup(config->session_dir);
    for (guint kind = 0; kind < VP_SHIM_KINDS; kind++)
        facts->trees[kind] = vp_shim_tree_ref(vp_shims_tree(daemon->shims, kind));
    facts->links = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    facts->defaults = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    facts->granted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    facts->changes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    facts->binaries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref_binary);
    facts->natives = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return facts;
}

VpFacts *
vp_facts_ref(VpFacts *facts)
{
    g_atomic_int_inc(&facts->refs);
    return facts;
}

VpFacts *
vp_facts_gather(VpClient *client, GPtrArray *needs, const guint8 *uuid, VpFactsFunc func,
                gpointer data)
{
    VpFacts *facts = vp_facts_new(client->daemon);

    facts->client = client;
    facts->judging = uuid && !client->trusted;
    if (uuid)
        memcpy(facts->uuid, uuid, sizeof(facts->uuid));
    facts->func = func;
    facts->data = data;
    facts->needs = needs;
    facts->later = vp_loop_timer(client->daemon->loop, 0, on_begin, facts);
    return facts;
}

void
vp_facts_cancel(VpFacts *facts)
{
    if (!facts)
        return;
    if (facts->asking)
        vp_calls_cancel(facts->client->calls, facts->serial);
    facts->asking = false;
    vp_look_cancel(g_steal_pointer(&facts->looking));
    if (facts->probing)
        vp_probe_cancel(g_steal_pointer(&facts->probing));
    vp_loop_cancel(&facts->later);
}

void
vp_facts_unref(VpFacts *facts)
{
    if (!facts || !g_atomic_int_dec_and_test(&facts->refs))
        return;
    g_clear_pointer(&facts->needs, g_ptr_array_unref);
    g_hash_table_unref(facts->defaults);
    g_hash_table_unref(facts->granted);
    g_hash_table_unref(facts->changes);
    g_hash_table_unref(facts->binaries);
    g_hash_table_unref(facts->natives);
    if (facts->denied)
        vp_xdr_clear(xdr_vp_error_body, facts->denied);
    g_free(facts->denied);
    g_free(facts->problem);
    g_free(facts->session_dir);
    for (guint kind = 0; kind < VP_SHIM_KINDS; kind++)
        vp_shim_tree_unref(facts->trees[kind]);
    g_hash_table_unref(facts->links);
    g_free(facts);
}

const vp_error_body *
vp_facts_denied(const VpFacts *facts)
{
    return facts->denied;
}

GHashTable *
vp_facts_links(VpFacts *facts)
{
    return facts->links;
}

bool
vp_facts_planned(const VpFacts *facts)
{
    return g_atomic_int_get(&facts->planned);
}

/* --- for the translation -------------------------------------------------- */

static char *
default_emulator(const VpXmlMachine *machine, gpointer data, GError **error)
{
    const VpFacts *facts = data;
    g_autofree char *key = machine_key(machine->type, machine->arch, machine->machine);
    const char *path = g_hash_table_lookup(facts->defaults, key);

    if (path)
        return g_strdup(path);
    g_set_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED,
                "the domain has no <emulator>, and libvirtd names none for it: %s",
                facts->problem ?: "no reason given");
    return NULL;
}

/* NULL: libvirtd makes none, or it is not understood. */
static VpCmdline *
find_generated(const VpFacts *facts, const VpPlan *wishes)
{
    const char *native =
        wishes->stock ? g_hash_table_lookup(facts->natives, wishes->stock) : NULL;
    g_auto(VpCommandText) command = { 0 };

    if (!native || !vp_command_text_read(native, &command, NULL))
        return NULL;
    return vp_cmdline_parse((const char *const *)command.words, NULL);
}

static bool
compile(const VpPlan *wishes, char ***ret_words, char **ret_plan, gpointer data, GError **error)
{
    VpFacts *facts = data;
    VpQemuFacts *binary = g_hash_table_lookup(facts->binaries, wishes->emulator);
    g_autoptr(VpCmdline) generated = find_generated(facts, wishes);
    g_auto(VpCompiled) compiled = { 0 };

    if (!vp_compile(wishes, binary ? vp_qemu_facts_types(binary) : NULL, generated, &compiled,
                    error)) {
        if (!binary && facts->problem)
            g_prefix_error(error, "(%s is not known: %s) ", wishes->emulator, facts->problem);
        return false;
    }
    for (guint i = 0; i < compiled.warnings->len; i++)
        vp_log_warning("domain '%s': %s", wishes->domain ?: "",
                       (const char *)compiled.warnings->pdata[i]);
    *ret_plan = NULL;
    if (compiled.shim) {
        *ret_plan = vp_plan_to_json(compiled.shim, error);
        if (!*ret_plan)
            return false;
        g_atomic_int_set(&facts->planned, TRUE);
    }
    *ret_words = g_steal_pointer(&compiled.words);
    return true;
}

/* The client has been judged for this emulator by now: vp_xml_needs() lists all that come here. */
static char *
note_link(VpFacts *facts, VpShimKind kind, const char *emulator, GError **error)
{
    g_autofree char *path = vp_shim_path_for(facts->trees[kind], emulator, error);
    const struct timespec *changed = g_hash_table_lookup(facts->changes, emulator);

    if (path)
        g_hash_table_insert(facts->links, g_strdup(path),
                            changed ? g_memdup2(changed, sizeof(*changed)) : NULL);
    return g_steal_pointer(&path);
}

static char *
shim(const char *emulator, gpointer data, GError **error)
{
    return note_link(data, VP_SHIM_ALTERS, emulator, error);
}

static char *
session_shim(const char *emulator, gpointer data, GError **error)
{
    return note_link(data, VP_SHIM_ADDS_SESSION, emulator, error);
}

VpXmlRules
vp_facts_rules(VpFacts *facts)
{
    return (VpXmlRules){
        .policy = facts->policy,
        .words = facts->words,
        .session_dir = facts->session_dir,
        .compile = facts->denied ? NULL : compile,
        .default_emulator = default_emulator,
        .shim = facts->denied ? NULL : shim,
        .session_shim = facts->denied ? NULL : session_shim,
        .data = facts,
    };
}
