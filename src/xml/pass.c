/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A pass over a document on its way to libvirtd.
 *
 * A document may have some of what is ours in author's form and some in upstream form: somebody
 * wrote new elements into what he got from plain libvirtd. Then it is restored first, so that
 * whoever looks at a domain has the one or the other before him.
 */

#include "xml/pass.h"

#include "base/log.h"
#include "xml/author.h"
#include "xml/check.h"
#include "xml/session_shim.h"

/* One round. */
typedef struct Round {
    const VpXmlRules *rules;
    VpXmlPassFunc func;
    GPtrArray *needs;
    bool may_restore;
    bool *mixed; /* the document has to be restored first */
} Round;

static bool
refuse_two_passthroughs(const VpXmlDomain *domain, GError **error)
{
    const VpXmlNode *first = NULL;

    if (domain->passthrough->len < 2)
        return true;
    first = domain->passthrough->pdata[0];
    return vp_xml_refuse(error, domain->index, domain->passthrough->pdata[1],
                         "stands twice in the domain (first in line %u), expected once",
                         first->line);
}

/* There is no telling what the author of both would want. */
static bool
check_changed(const VpXmlDomain *domain, GError **error)
{
    const VpXmlNode *passthrough = NULL;

    if (domain->made != VP_XML_MADE_CHANGED)
        return true;
    passthrough = domain->passthrough->pdata[0];
    if (vp_xml_author_is_in(domain))
        return vp_xml_refuse(error, domain->index, passthrough,
                             "keeps elements whose words were changed without virtpassd, and the "
                             "domain has new elements besides, expected the one or the other: take "
                             "this element out and keep the words, or put what is in it back into "
                             "the domain and take the words out");
    vp_log_warning("line %u: what is on a domain's command line is not what was made of the "
                   "elements kept in its <metadata>; both are left as they are",
                   passthrough->line);
    return true;
}

static bool
is_mixed(const VpXmlDomain *domain, const VpXmlRules *rules)
{
    if (domain->made == VP_XML_MADE_CHANGED)
        return false;
    /* which may not be what is wanted now, but stays with a guest that runs */
    if (vp_xml_session_shim_is(domain) &&
        (!rules->running || vp_xml_author_needs_compiling(domain, rules)))
        return true;
    if (domain->passthrough->len == 0)
        return domain->words->len > 0 && vp_xml_author_needs_compiling(domain, rules);
    return vp_xml_author_is_in(domain) ||
           (domain->made == VP_XML_MADE_NONE && vp_xml_author_has_words(domain->kept));
}

static bool
look_at(const VpXmlDomain *domain, gconstpointer data, VpXmlEdits *edits, GError **error)
{
    const Round *round = data;

    if (!refuse_two_passthroughs(domain, error) || !vp_xml_author_check_kept(domain, error) ||
        !check_changed(domain, error))
        return false;
    if (round->may_restore && is_mixed(domain, round->rules)) {
        *round->mixed = true;
        return true;
    }
    return round->func(domain, round->rules, round->needs, edits, error);
}

/* The first gives back what <metadata> keeps; words of a session may have been in that. */
#define RESTORES_MAX 2

bool
vp_xml_pass(const VpXmlRules *rules, const char *xml, VpXmlPassFunc func, GPtrArray *needs,
            char **ret_xml, GError **error)
{
    g_autofree char *restored = NULL;
    bool mixed = false;

    for (guint i = 0; i <= RESTORES_MAX; i++) {
        Round round = { rules, func, needs, i < RESTORES_MAX, &mixed };
        g_autofree char *changed = NULL;
        g_autofree char *before = g_steal_pointer(&restored);

        mixed = false;
        if (!vp_xml_rewrite(before ? before : xml, look_at, &round, &changed, error))
            return false;
        if (!mixed) {
            changed = changed ? changed : g_steal_pointer(&before);
            /* there and back is no change */
            *ret_xml = g_strcmp0(changed, xml) == 0 ? NULL : g_steal_pointer(&changed);
            return true;
        }
        if (needs)
            g_ptr_array_set_size(needs, 0);
        if (!vp_xml_restore(before ? before : xml, &restored, error))
            return false;
        if (!restored)
            restored = g_strdup(before ? before : xml);
    }
    g_assert_not_reached();
}
