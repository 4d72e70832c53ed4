/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Facts for translations, gathered one after the other: each domain of a document may need to know
 * libvirtd's default emulator (CONNECT_GET_DOMAIN_CAPABILITIES, on the client's connection: it
 * needs connect.write, as define does), when that changed, and what that binary can do (src/probe,
 * which caches).
 *
 * Nothing fails here. What is missing at the end makes the translation fail where it is needed,
 * with an error that names the element; why it is missing is part of that error.
 */

#include "qemu_passthrough/facts.h"

#include "argv/compile.h"
#include "base/error.h"
#include "build-config.h"
#include "plan/shim.h"
#include "probe/look.h"
#include "probe/probe.h"

#include <string.h>

struct VpFacts {
    const VpDaemon *daemon;
    VpClient *client;        /* on whose behalf; NULL: nothing is gathered */
    VpFactsFunc func;
    gpointer data;
    GPtrArray *needs;        /* of VpXmlNeeds */
    guint at;                /* the one that is worked on */
    bool done;
    GHashTable *defaults;    /* machine key -> path, or NULL when libvirtd knows none */
    GHashTable *changes;     /* path -> struct timespec, NULL: there is no such file */
    GHashTable *binaries;    /* path -> VpQemuFacts (a reference), NULL: it cannot be asked */
    char *problem;           /* why something is missing; NULL: nothing is */
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

    facts->asking = true;
    facts->serial = vp_calls_send(facts->client->calls, facts->client->up, VP_REMOTE_PROGRAM,
                                  VP_REMOTE_CONNECT_GET_DOMAIN_CAPABILITIES,
                                  xdr_vp_domain_capabilities_args, &args, on_capabilities, facts);
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

/* --- one after the other -------------------------------------------------- */

/* true: an answer will come. */
static bool
work_on(VpFacts *facts, VpXmlNeeds *needs)
{
    g_autofree char *key = machine_key(needs->type, needs->arch, needs->machine);
    VpPlan *wishes = needs->wishes;

    if (!wishes->emulator && !g_hash_table_contains(facts->defaults, key)) {
        ask_default(facts, needs);
        return true;
    }
    if (!wishes->emulator)
        wishes->emulator = g_strdup(g_hash_table_lookup(facts->defaults, key));
    if (!wishes->emulator)
        return false;
    if (!g_hash_table_contains(facts->changes, wishes->emulator)) {
        facts->looking = vp_look_for_change(wishes->emulator, on_looked, facts);
        return true;
    }
    if (!needs->facts || g_hash_table_contains(facts->binaries, wishes->emulator))
        return false;
    facts->probing = vp_probe_get(facts->daemon->probe, wishes->emulator, on_probed, facts);
    return true;
}

static void
next(VpFacts *facts)
{
    while (facts->at < facts->needs->len) {
        if (work_on(facts, g_ptr_array_index(facts->needs, facts->at)))
            return;
        facts->at++;
    }
    facts->done = true;
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

    facts->daemon = daemon;
    facts->defaults = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    facts->changes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    facts->binaries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref_binary);
    return facts;
}

VpFacts *
vp_facts_gather(VpClient *client, GPtrArray *needs, VpFactsFunc func, gpointer data)
{
    VpFacts *facts = vp_facts_new(client->daemon);

    facts->client = client;
    facts->func = func;
    facts->data = data;
    facts->needs = needs;
    facts->later = vp_loop_timer(client->daemon->loop, 0, on_begin, facts);
    return facts;
}

bool
vp_facts_done(const VpFacts *facts)
{
    return facts->done;
}

void
vp_facts_free(VpFacts *facts)
{
    if (!facts)
        return;
    if (facts->asking)
        vp_calls_cancel(facts->client->calls, facts->serial);
    vp_look_cancel(facts->looking);
    if (facts->probing)
        vp_probe_cancel(facts->probing);
    vp_loop_cancel(&facts->later);
    g_clear_pointer(&facts->needs, g_ptr_array_unref);
    g_hash_table_unref(facts->defaults);
    g_hash_table_unref(facts->changes);
    g_hash_table_unref(facts->binaries);
    g_free(facts->problem);
    g_free(facts);
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

static bool
compile(const VpPlan *wishes, char ***ret_words, char **ret_plan, gpointer data, GError **error)
{
    const VpFacts *facts = data;
    VpQemuFacts *binary = g_hash_table_lookup(facts->binaries, wishes->emulator);
    g_auto(VpCompiled) compiled = { 0 };

    if (!vp_compile(wishes, binary ? vp_qemu_facts_types(binary) : NULL, &compiled, error)) {
        if (!binary && facts->problem)
            g_prefix_error(error, "(%s is not known: %s) ", wishes->emulator, facts->problem);
        return false;
    }
    *ret_plan = NULL;
    if (compiled.shim) {
        *ret_plan = vp_plan_to_json(compiled.shim, error);
        if (!*ret_plan)
            return false;
    }
    *ret_words = g_steal_pointer(&compiled.words);
    return true;
}

/* In the package's tree of links, or else in ours. Nobody has looked at the emulator of a document
 * in upstream form, which needs no facts; who defined it had that done. */
static char *
shim(const char *emulator, gpointer data, GError **error)
{
    const VpFacts *facts = data;
    const VpConfig *config = &facts->daemon->config;
    const char *const directories[] = { VP_LIBDIR, config->shim_dir, NULL };

    return vp_shim_provide(directories, config->shim, emulator,
                           g_hash_table_lookup(facts->changes, emulator), error);
}

VpXmlRules
vp_facts_rules(const VpFacts *facts)
{
    VpXmlRules rules = vp_daemon_xml_rules(facts->daemon);

    rules.compile = compile;
    rules.default_emulator = default_emulator;
    rules.shim = shim;
    rules.data = (gpointer)facts;
    return rules;
}
