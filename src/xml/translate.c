/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Author's form -> upstream form, for each domain of a document:
 *
 *   - the author's elements are read, those that we keep and those that he has just written,
 *   - they and the policy decide which session the domain has,
 *   - the new ones are moved into <metadata>,
 *   - the words of a dedicated session are added, brought up to date or taken out.
 *
 * A document in upstream form goes the same way and comes out as it was but for words that are
 * not right here: it may come from another host, an old save file, or be a copy of another
 * domain's.
 *
 * The socket's name has the uuid in it. A domain without one would get it from libvirt, as
 * random as we make it, but too late for us to know.
 */

#include "base/log.h"
#include "base/socket.h"
#include "xml/author.h"
#include "xml/container.h"
#include "xml/domain.h"
#include "xml/kept.h"

#include <string.h>

static bool
read_wishes(const VpXmlDomain *domain, VpXmlWishes *wishes, GError **error)
{
    const GPtrArray *places[] = { domain->kept, domain->authored };

    for (gsize place = 0; place < G_N_ELEMENTS(places); place++) {
        for (guint i = 0; i < places[place]->len; i++) {
            if (!vp_xml_author_read(domain->index, places[place]->pdata[i], wishes, error))
                return false;
        }
    }
    return true;
}

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

/* A <qemu:commandline> for the words alone. */
static void
add_commandline(const VpXmlDomain *domain, const char *path, VpXmlEdits *edits)
{
    g_autoptr(VpXmlBlock) block = vp_xml_block_new();

    vp_xml_block_add(block, 0, "<qemu:commandline xmlns:qemu='%s'>", VP_XML_QEMU_NS);
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
        add_commandline(domain, path, edits);
        return true;
    }
    last = domain->commandlines->pdata[domain->commandlines->len - 1];
    prefix = g_strconcat(last->prefix, *last->prefix ? ":" : "", NULL);
    vp_xml_session_words_print(block, 0, prefix, path);
    return vp_xml_container_put_in(edits, domain->index, last, block, error);
}

static bool
give_session(const VpXmlDomain *domain, const VpXmlRules *rules, const VpXmlWishes *wishes,
             VpXmlEdits *edits, GError **error)
{
    char uuid[37] = "";
    g_autofree char *fresh_uuid = g_uuid_string_random();
    g_autofree char *path = NULL;
    bool fits = false;

    if (!read_uuid(domain, uuid))
        return true;
    path = vp_xml_session_path(rules->session_dir, *uuid ? uuid : fresh_uuid);
    if (!check_path(domain, wishes, path, &fits, error))
        return false;
    if (!fits) {
        vp_xml_domain_take_words_out(domain, domain->node->qemu_uses, edits);
        return true;
    }
    if (!check_words(domain, error))
        return false;
    if (!*uuid)
        write_uuid(domain, fresh_uuid, edits);
    if (domain->words->len == 0)
        return add_words(domain, path, edits, error);
    vp_xml_session_words_set_path(&g_array_index(domain->words, VpXmlSessionWords, 0), path,
                                  domain->index->text.bytes, edits);
    return true;
}

static bool
refuse_two_passthroughs(const VpXmlDomain *domain, GError **error)
{
    const VpXmlNode *first = NULL;

    if (domain->passthrough->len < 2)
        return true;
    first = domain->passthrough->pdata[0];
    vp_xml_set_error(error, VP_ERROR_XML, domain->index, domain->passthrough->pdata[1],
                     "stands twice in the domain (first in line %u), expected once",
                     vp_xml_line(domain->index->text.bytes, first->start));
    return false;
}

static bool
translate_domain(const VpXmlDomain *domain, gconstpointer data, VpXmlEdits *edits, GError **error)
{
    const VpXmlRules *rules = data;
    VpXmlWishes wishes = { 0 };

    if (!refuse_two_passthroughs(domain, error) || !read_wishes(domain, &wishes, error) ||
        !vp_xml_kept_store(domain, edits, error))
        return false;
    if (choose_session(rules, &wishes) == VP_SESSION_DEDICATED)
        return give_session(domain, rules, &wishes, edits, error);
    vp_xml_domain_take_words_out(domain, domain->node->qemu_uses, edits);
    return true;
}

bool
vp_xml_translate(const VpXmlRules *rules, const char *xml, char **ret_xml, GError **error)
{
    return vp_xml_rewrite(xml, translate_domain, rules, ret_xml, error);
}
