/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Author's form -> upstream form, for each domain of a document:
 *
 *   - the author's elements are read; they and the policy decide which session the domain has,
 *   - what he wants of the command line is compiled to words, and to a plan for the shim,
 *   - his elements are moved into <metadata>. His <commandline> stays where it is if its words are
 *     what they were compiled to; else it is moved too, and one of ours takes its place,
 *   - where there is a plan, the shim takes the emulator's place,
 *   - the words of a dedicated session are added, brought up to date or taken out.
 *
 * A document in upstream form comes out as it was but for what is not right here, the session's
 * words and the shim's directory: it may come from another host, an old save file, or be a copy
 * of another domain's. It is never compiled again, since it may describe a guest that runs: what
 * fits a newer QEMU need not fit that one.
 *
 * The socket's name has the uuid in it. A domain without one would get it from libvirt, as
 * random as we make it, but too late for us to know.
 */

#include "base/limits.h"
#include "base/log.h"
#include "base/socket.h"
#include "xml/author.h"
#include "xml/check.h"
#include "xml/commandline.h"
#include "xml/container.h"
#include "xml/emulator.h"
#include "xml/kept.h"
#include "xml/made.h"
#include "xml/pass.h"
#include "xml/session_shim.h"
#include "xml/stock.h"

#include <string.h>

/* --- the session --------------------------------------------------------- */

static VpSessionKind
choose_session(const VpXmlRules *rules, const VpXmlWishes *wishes)
{
    if (wishes->monitorpassthrough)
        return wishes->session;
    return rules->policy == VP_POLICY_ALL ? VP_SESSION_DEDICATED : VP_SESSION_SHARED;
}

/* Whether the domain may have a session of that path: no error, but maybe no. */
static bool
check_path(const VpXmlDomain *domain, const VpXmlWishes *wishes, const char *path, bool *ret_fits,
           GError **error)
{
    gsize len = strlen(path);

    *ret_fits = len <= VP_SOCKET_PATH_MAX;
    if (*ret_fits)
        return true;
    if (wishes->monitorpassthrough) {
        vp_xml_set_error(error, VP_ERROR_UNSUPPORTED, domain->index, wishes->monitorpassthrough,
                         "the socket '%s' has a path of %" G_GSIZE_FORMAT
                         " bytes, expected at most %d",
                         path, len, VP_SOCKET_PATH_MAX);
        return false;
    }
    vp_log_warning("no dedicated session for a domain: the socket '%s' has a path of "
                   "%" G_GSIZE_FORMAT " bytes, at most %d are possible",
                   path, len, VP_SOCKET_PATH_MAX);
    return true;
}

/* false: the document is one that libvirt refuses. @ret_uuid is "" when there is none. */
static bool
read_uuid(const VpXmlDomain *domain, char ret_uuid[37])
{
    ret_uuid[0] = '\0';
    if (!domain->uuid || !*domain->uuid->text)
        return domain->name != NULL;
    return vp_xml_uuid_canonical(domain->uuid->text, ret_uuid);
}

static void
write_uuid(const VpXmlDomain *domain, const char *uuid, VpXmlEdits *edits)
{
    g_autofree char *element = g_strdup_printf("<uuid>%s</uuid>", uuid);

    if (domain->uuid)
        vp_xml_edits_replace(edits, domain->uuid->start, domain->uuid->end, element);
    else
        vp_xml_edits_append(edits, domain->name, element);
}

/* The session's id can be had once. */
static bool
check_words(const VpXmlDomain *domain, GError **error)
{
    const VpXmlNode *clash = NULL;

    if (domain->words->len > 1)
        clash = g_array_index(domain->words, VpXmlSessionWords, 1).args[1];
    for (guint i = 0; i < domain->commandlines->len && !clash; i++)
        clash = vp_xml_session_words_clash(domain->commandlines->pdata[i], domain->ours);
    if (!clash)
        return true;
    vp_xml_set_error(error, VP_ERROR_XML, domain->index, clash,
                     "the id '" VP_XML_SESSION_CHARDEV "' belongs to the dedicated session, "
                     "expected another one");
    return false;
}

/*
 * Where the session's socket is to be; NULL: there is none. A domain that is to have a session and
 * no uuid gets one.
 */
static bool
find_path(const VpXmlDomain *domain, const VpXmlRules *rules, const VpXmlWishes *wishes,
          char **ret_path, VpXmlEdits *edits, GError **error)
{
    char uuid[37] = "";
    g_autofree char *fresh_uuid = g_uuid_string_random();
    g_autofree char *path = NULL;
    bool fits = false;

    *ret_path = NULL;
    if (choose_session(rules, wishes) != VP_SESSION_DEDICATED || !read_uuid(domain, uuid))
        return true;
    path = vp_xml_session_path(rules->session_dir, *uuid ? uuid : fresh_uuid);
    if (!check_path(domain, wishes, path, &fits, error))
        return false;
    if (!fits)
        return true;
    if (!check_words(domain, error))
        return false;
    if (!*uuid)
        write_uuid(domain, fresh_uuid, edits);
    *ret_path = g_steal_pointer(&path);
    return true;
}

/* --- a <commandline> of ours --------------------------------------------- */

static void
print_arg(VpXmlBlock *block, const char *word)
{
    g_autofree char *value = vp_xml_escape(word);

    vp_xml_block_add(block, 1, "<qemu:arg value='%s'/>", value);
}

static void
print_env(VpXmlBlock *block, const char *name, const char *value)
{
    g_autofree char *escaped = vp_xml_escape(value);

    vp_xml_block_add(block, 1, "<qemu:env name='%s' value='%s'/>", name, escaped);
}

/* Any of the two may be NULL. */
static void
add_commandline(const VpXmlDomain *domain, const VpXmlMade *made, const char *path,
                VpXmlEdits *edits)
{
    g_autoptr(VpXmlBlock) block = vp_xml_block_new();

    if (!path && (!made || (made->words->len == 0 && made->names->len == 0)))
        return;
    vp_xml_block_add(block, 0, "<qemu:commandline xmlns:qemu='%s'>", VP_XML_QEMU_NS);
    for (guint i = 0; made && i < made->words->len; i++)
        print_arg(block, made->words->pdata[i]);
    for (guint i = 0; made && i < made->names->len; i++)
        print_env(block, made->names->pdata[i], made->values->pdata[i]);
    if (path)
        vp_xml_session_words_print(block, 1, "qemu:", path);
    vp_xml_block_add(block, 0, "</qemu:commandline>");
    vp_xml_edits_insert(edits, domain->node->close, 1, block);
}

static bool
add_words(const VpXmlDomain *domain, const char *path, VpXmlEdits *edits, GError **error)
{
    g_autoptr(VpXmlBlock) block = vp_xml_block_new();
    const VpXmlNode *last = NULL;
    g_autofree char *prefix = NULL;

    if (domain->commandlines->len == 0) {
        add_commandline(domain, NULL, path, edits);
        return true;
    }
    last = domain->commandlines->pdata[domain->commandlines->len - 1];
    prefix = g_strconcat(last->prefix, *last->prefix ? ":" : "", NULL);
    vp_xml_session_words_print(block, 0, prefix, path);
    return vp_xml_container_put_in(edits, domain->index, last, block, error);
}

/* Where the <commandline>s stay. */
static bool
settle_words(const VpXmlDomain *domain, const char *path, VpXmlEdits *edits, GError **error)
{
    if (!path)
        vp_xml_domain_take_words_out(domain, domain->session, domain->node->qemu_uses, edits);
    else if (domain->words->len == 0)
        return add_words(domain, path, edits, error);
    else
        vp_xml_session_words_set_path(&g_array_index(domain->words, VpXmlSessionWords, 0), path,
                                      domain->index->text.bytes, edits);
    return true;
}

/* The domain has no plan: the shim may add the words. What of it is in upstream form has been
 * restored before, unless it describes a guest that runs. */
static bool
choose_words(const VpXmlDomain *domain, const VpXmlRules *rules, char **path, VpXmlEdits *edits,
             GError **error)
{
    bool put = false;

    if (vp_xml_session_shim_is(domain)) {
        g_clear_pointer(path, g_free);
        return vp_xml_session_shim_move(domain, rules, edits, error);
    }
    if (!*path || !vp_xml_session_shim_fits(domain, rules))
        return true;
    if (!vp_xml_session_shim_put(domain, rules, &put, edits, error))
        return false;
    if (put)
        g_clear_pointer(path, g_free);
    return true;
}

static bool
settle_session(const VpXmlDomain *domain, const VpXmlRules *rules, char **path, VpXmlEdits *edits,
               GError **error)
{
    return choose_words(domain, rules, path, edits, error) &&
           settle_words(domain, *path, edits, error);
}

/* --- compiling ----------------------------------------------------------- */

static char *
find_emulator(const VpXmlDomain *domain, const VpXmlRules *rules, GError **error)
{
    VpXmlMachine machine = vp_xml_emulator_machine(domain);

    if (rules->default_emulator)
        return rules->default_emulator(&machine, rules->data, error);
    g_set_error_literal(error, VP_ERROR, VP_ERROR_UNSUPPORTED,
                        "the domain has no <emulator>, and which one libvirt would choose is not "
                        "known here, expected an <emulator>");
    return NULL;
}

/* The session's id can be had once; words that stay where they are have been looked through. */
static bool
check_id(const VpXmlDomain *domain, const char *word, const char *path, GError **error)
{
    if (!path || !vp_xml_session_words_use_id(word))
        return true;
    return vp_xml_refuse(error, domain->index, domain->node, "the word '%s' for the command line "
                         "has the id '" VP_XML_SESSION_CHARDEV "', which belongs to the dedicated "
                         "session, expected another one", word);
}

static bool
check_word(const VpXmlDomain *domain, const char *word, const char *path, GError **error)
{
    if (vp_xml_commandline_can_store(word))
        return check_id(domain, word, path, error);
    if (strlen(word) > VP_ARGV_WORD_MAX) {
        vp_xml_set_error(error, VP_ERROR_LIMIT, domain->index, domain->node,
                         "a word for the command line is %" G_GSIZE_FORMAT " bytes long, at most "
                         "%u are allowed", strlen(word), VP_ARGV_WORD_MAX);
        return false;
    }
    return vp_xml_refuse(error, domain->index, domain->node, "the word '%s' for the command line "
                         "has a line break or tab in it, which libvirt cannot store, expected it "
                         "without", word);
}

/* What compiling gives. */
typedef struct Compiled {
    char **words;
    char *plan;
} Compiled;

static void
clear_compiled(Compiled *compiled)
{
    g_strfreev(compiled->words);
    g_free(compiled->plan);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Compiled, clear_compiled)

static bool
compile(const VpXmlDomain *domain, const VpXmlRules *rules, const char *path,
        VpXmlWishes *wishes, Compiled *compiled, GError **error)
{
    if (!wishes->plan->emulator)
        wishes->plan->emulator = find_emulator(domain, rules, error);
    wishes->plan->session = path && vp_xml_session_shim_is_wanted(domain, rules);
    wishes->plan->previous = rules->previous;
    wishes->plan->running = rules->running;
    if (vp_xml_needs_stock(wishes->plan))
        vp_xml_stock(domain, wishes->plan);
    if (!wishes->plan->emulator ||
        !rules->compile(wishes->plan, &compiled->words, &compiled->plan, rules->data, error))
        return false;
    for (char **word = compiled->words; *word; word++) {
        if (!check_word(domain, *word, path, error))
            return false;
    }
    return true;
}

/* Whether the <commandline>s say just that already. */
static bool
is_as_written(const VpXmlDomain *domain, const Compiled *compiled)
{
    guint n = 0;

    if (compiled->plan || vp_xml_author_has_words(domain->authored))
        return false;
    for (guint i = 0; i < domain->commandlines->len; i++) {
        const VpXmlNode *commandline = domain->commandlines->pdata[i];

        if (vp_xml_commandline_kind(commandline) == VP_XML_EXTENDED)
            return false;
        for (const VpXmlNode *child = commandline->first; child; child = child->next) {
            if (!vp_xml_commandline_is_arg(child))
                continue;
            if (g_strcmp0(vp_xml_node_attribute(child, "value"), compiled->words[n]) != 0)
                return false;
            n++;
        }
    }
    return !compiled->words[n];
}

/* --- moving -------------------------------------------------------------- */

/* The author's elements in their order, libvirt's <commandline>s among them or not. */
static GPtrArray *
find_movable(const VpXmlDomain *domain, bool commandlines)
{
    GPtrArray *movable = g_ptr_array_new();

    for (VpXmlNode *child = domain->node->first; child; child = child->next) {
        if (child->role == VP_XML_QEMU &&
            (vp_xml_author_knows(child) ||
             (commandlines && g_str_equal(child->local, "commandline"))))
            g_ptr_array_add(movable, child);
    }
    return movable;
}

/* All that stays in the domain is libvirt's own. */
static bool
move_session_element(const VpXmlDomain *domain, VpXmlEdits *edits, GError **error)
{
    g_autoptr(GPtrArray) movable = find_movable(domain, false);
    VpXmlKeep keep = { .elements = movable, .attributes = "" };

    return movable->len == 0 || vp_xml_kept_store(domain, &keep, edits, error);
}

static void
list_made(const VpXmlWishes *wishes, const Compiled *compiled, VpXmlMade *made)
{
    for (guint i = 0; compiled->words[i]; i++)
        g_ptr_array_add(made->words, compiled->words[i]);
    for (guint i = 0; i < wishes->env->len; i++) {
        const char *value = vp_xml_node_attribute(wishes->env->pdata[i], "value");

        g_ptr_array_add(made->names,
                        (gpointer)vp_xml_node_attribute(wishes->env->pdata[i], "name"));
        g_ptr_array_add(made->values, (gpointer)(value ? value : ""));
    }
    if (!compiled->plan)
        return;
    g_ptr_array_add(made->names, (gpointer)VP_PLAN_VARIABLE);
    g_ptr_array_add(made->values, compiled->plan);
    made->emulator = wishes->plan->emulator;
}

static bool
put_shim(const VpXmlDomain *domain, const VpXmlRules *rules, const char *emulator,
         VpXmlKeep *keep, VpXmlEdits *edits, GError **error)
{
    g_autofree char *shim = rules->shim(emulator, rules->data, error);

    return shim && vp_xml_emulator_put_shim(domain, shim, emulator, edits, &keep->emulator, error);
}

static bool
move_all(const VpXmlDomain *domain, const VpXmlRules *rules, const VpXmlWishes *wishes,
         const Compiled *compiled, const char *path, VpXmlEdits *edits, GError **error)
{
    g_autoptr(GPtrArray) movable = find_movable(domain, true);
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autoptr(GPtrArray) values = g_ptr_array_new();
    VpXmlMade made = { words, names, values, NULL };
    VpXmlKeep keep = { .elements = movable };
    g_autofree char *attributes = NULL;

    list_made(wishes, compiled, &made);
    keep.attributes = attributes = vp_xml_made_attributes(&made, movable);
    if (made.emulator && !put_shim(domain, rules, made.emulator, &keep, edits, error))
        return false;
    if (!vp_xml_kept_store(domain, &keep, edits, error))
        return false;
    add_commandline(domain, &made, path, edits);
    return true;
}

/* --- a domain ------------------------------------------------------------ */

/* In author's form, or without anything of ours. */
static bool
translate_author(const VpXmlDomain *domain, const VpXmlRules *rules, VpXmlWishes *wishes,
                 char **path, VpXmlEdits *edits, GError **error)
{
    g_auto(Compiled) compiled = { 0 };

    if (!vp_xml_author_read_plan(domain, rules, wishes, error) ||
        (wishes->plan && !compile(domain, rules, *path, wishes, &compiled, error)))
        return false;
    if (compiled.plan && wishes->plan->session)
        g_clear_pointer(path, g_free);
    if (wishes->plan && !is_as_written(domain, &compiled))
        return (compiled.plan || choose_words(domain, rules, path, edits, error)) &&
               move_all(domain, rules, wishes, &compiled, *path, edits, error);
    return move_session_element(domain, edits, error) &&
           settle_session(domain, rules, path, edits, error);
}

static bool
translate_upstream(const VpXmlDomain *domain, const VpXmlRules *rules, char **path,
                   VpXmlEdits *edits, GError **error)
{
    const char *emulator = domain->made == VP_XML_MADE_INTACT ? vp_xml_made_emulator(domain) : NULL;
    g_autofree char *shim = NULL;

    if (vp_xml_session_shim_is_planned(domain))
        g_clear_pointer(path, g_free);
    if (emulator && rules->shim) {
        shim = rules->shim(emulator, rules->data, error);
        if (!shim)
            return false;
        vp_xml_emulator_set_shim(domain, shim, edits);
        return settle_words(domain, *path, edits, error);
    }
    return settle_session(domain, rules, path, edits, error);
}

static bool
translate_domain(const VpXmlDomain *domain, const VpXmlRules *rules,
                 GPtrArray *needs G_GNUC_UNUSED, VpXmlEdits *edits, GError **error)
{
    g_auto(VpXmlWishes) wishes = { 0 };
    g_autofree char *path = NULL;

    if (!vp_xml_author_read_session(domain, &wishes, error) ||
        !find_path(domain, rules, &wishes, &path, edits, error))
        return false;
    if (domain->passthrough->len > 0)
        return translate_upstream(domain, rules, &path, edits, error);
    return translate_author(domain, rules, &wishes, &path, edits, error);
}

bool
vp_xml_translate(const VpXmlRules *rules, const char *xml, char **ret_xml, GError **error)
{
    return vp_xml_pass(rules, xml, translate_domain, NULL, ret_xml, error);
}
