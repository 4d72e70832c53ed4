/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What has to hold for every document, whatever it is; for generated ones and for the fuzzer's.
 * A check aborts where it does not:
 *
 *   - restore never fails but for limits and DOCTYPEs, and is final: what it gives it leaves,
 *   - translate is final too,
 *   - a document that restore leaves as it is comes back byte for byte from translate and
 *     restore, when each of its domains has a uuid and it is in UTF-8,
 *   - without those it comes back so after it has got them,
 *   - what restore gives is accepted again by who compiles, unless it has marks of ours,
 *   - compiling is asked for if vp_xml_needs() says so, and for no more domains.
 */

#include "base/log.h"
#include "xml/domain.h"
#include "xml/test-compile.h"

#include <string.h>

/* NULL: refused. */
static inline char *
try_translate(const VpXmlRules *rules, const char *xml)
{
    char *result = NULL;

    if (!vp_xml_translate(rules, xml, &result, NULL))
        return NULL;
    return result ? result : g_strdup(xml);
}

static inline char *
must_restore(const char *xml)
{
    g_autoptr(GError) error = NULL;
    char *result = NULL;

    vp_xml_restore(xml, &result, &error);
    g_assert_no_error(error);
    return result ? result : g_strdup(xml);
}

static inline void
assert_final(const VpXmlRules *rules, const char *upstream, const char *author)
{
    g_autoptr(GError) error = NULL;
    char *result = NULL;

    g_assert_true(vp_xml_translate(rules, upstream, &result, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(result, ==, NULL);
    g_assert_true(vp_xml_restore(author, &result, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(result, ==, NULL);
}

static inline bool
gets_a_uuid(const VpXmlIndex *index, const VpXmlNode *node)
{
    g_auto(VpXmlDomain) domain = { 0 };

    if (node->role != VP_XML_DOMAIN)
        return false;
    vp_xml_domain_init(&domain, index, node);
    return !domain.uuid || !*domain.uuid->text;
}

/* Whether nothing may be different when the document comes back. */
static inline bool
has_to_come_back(const char *xml)
{
    g_autoptr(VpXmlIndex) index = vp_xml_index_new(xml, NULL);
    bool incomplete = false;

    if (!index || !index->root)
        return true;
    incomplete = gets_a_uuid(index, index->root);
    for (VpXmlNode *child = index->root->first; child; child = child->next)
        incomplete |= gets_a_uuid(index, child);
    return !incomplete && !index->text.converted;
}

static inline void
check_needs(const VpXmlRules *rules, const char *xml, guint asked)
{
    g_autoptr(GPtrArray) needs = vp_xml_needs(rules, xml, NULL);

    g_assert_nonnull(needs);
    /* one that was restored first has some domains compiled twice; a plan takes a shim too */
    g_assert_cmpuint(needs->len, <=, asked);
    g_assert_cmpint(needs->len == 0, ==, asked == 0);
}

static inline bool
check_rules(const VpXmlRules *given, const char *xml)
{
    guint asked = 0;
    VpXmlRules counting = *given;
    const VpXmlRules *rules = &counting;
    g_autofree char *upstream = NULL;
    g_autofree char *author = NULL;
    g_autofree char *again = NULL;
    g_autofree char *back = NULL;

    counting.data = &asked;
    upstream = try_translate(rules, xml);
    if (!upstream)
        return false;
    check_needs(rules, xml, asked);
    author = must_restore(upstream);
    assert_final(rules, upstream, author);
    back = must_restore(xml);
    if (g_str_equal(back, xml) && has_to_come_back(xml))
        g_assert_cmpstr(author, ==, xml);
    again = try_translate(rules, author);
    if (!again) {
        /* written by the author, or what only a compiler can bring back */
        g_assert_true(strstr(author, "<?virtpass") || !rules->compile);
        return true;
    }
    g_free(g_steal_pointer(&back));
    back = must_restore(again);
    g_assert_cmpstr(back, ==, author);
    return true;
}

/* Returns whether translate accepted the document under some rule. */
static inline bool
check_laws(const char *xml)
{
    static const VpXmlRules rules[] = {
        { .policy = VP_POLICY_ALL, .session_dir = "/run/s" },
        { .policy = VP_POLICY_REQUESTED, .session_dir = "/run/s" },
        { .policy = VP_POLICY_ALL, .session_dir = "/a,b&'\"<" },
        { .policy = VP_POLICY_ALL,
          .session_dir = "/a-directory-whose-name-is-too-long-for-the-path-of-any-socket-in-it-to"
                         "-be-below-the-limit" },
        { .policy = VP_POLICY_ALL, .session_dir = "/run/s", COMPILING },
        { .policy = VP_POLICY_REQUESTED, .session_dir = "/run/s", COMPILING },
        { .policy = VP_POLICY_ALL, .session_dir = "/run/s", .running = true, COMPILING },
    };
    g_auto(VpXmlSession) session = { 0 };
    g_autofree char *restored = NULL;
    bool accepted = false;

    vp_log_set_level(VP_LOG_ERROR);
    vp_xml_read_session(xml, &session, NULL);
    vp_xml_restore(xml, &restored, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rules); i++)
        accepted |= check_rules(&rules[i], xml);
    return accepted;
}
