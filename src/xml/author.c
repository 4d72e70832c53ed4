/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The elements that authors may write and stock libvirt does not know, as far as they are children
 * of the domain: <monitorpassthrough>, read here; <commandline>, which may be libvirt's alone,
 * ours, or both; and any other one, which is a group of QEMU's configuration file. Reading is
 * checking; what is wrong is an error that names element, line and expectation, since libvirt
 * would drop the element without a word.
 *
 * A domain needs compiling when there is anything but libvirt's own words, or when these add a
 * device: QEMU would create it before libvirt's, and give it an address that libvirt has planned
 * for one of those. Likewise when they set, by -set, what QEMU would not find. Where nothing needs
 * it nothing is read, so that whatever libvirt accepts of its own elements goes on being accepted.
 */

#include "xml/author.h"

#include "xml/check.h"
#include "xml/commandline.h"
#include "xml/emulator.h"
#include "xml/group.h"

const char *const vp_xml_session_names[] = { "dedicated", "shared", "none", NULL };
const char *const vp_xml_policy_names[] = { "all", "requested", NULL };
const char *const vp_xml_words_names[] = { "commandline", "emulator", NULL };

#define SESSION_VALUES "session='dedicated|shared|none'"
#define MONITORPASSTHROUGH "monitorpassthrough"

void
vp_xml_wishes_clear(VpXmlWishes *wishes)
{
    g_clear_pointer(&wishes->plan, vp_plan_free);
    g_clear_pointer(&wishes->env, g_ptr_array_unref);
}

/* --- whose an element is ------------------------------------------------- */

static bool
is_qemu_namespace(const VpXmlNode *node)
{
    return g_str_equal(node->uri, VP_XML_QEMU_NS) || g_str_equal(node->uri, VP_XML_QEMU_2010_NS);
}

bool
vp_xml_author_knows(const VpXmlNode *node)
{
    static const char *const libvirts[] = { "commandline", "capabilities", "override",
                                            "deprecation", NULL };

    if (g_str_equal(node->uri, VP_XML_QEMU_NS))
        return !g_strv_contains(libvirts, node->local);
    return g_str_equal(node->uri, VP_XML_QEMU_2010_NS);
}

static bool
is_monitorpassthrough(const VpXmlNode *node)
{
    return is_qemu_namespace(node) && g_str_equal(node->local, MONITORPASSTHROUGH);
}

bool
vp_xml_author_has_words(const GPtrArray *elements)
{
    for (guint i = 0; i < elements->len; i++) {
        if (!is_monitorpassthrough(elements->pdata[i]))
            return true;
    }
    return false;
}

/* --- the session --------------------------------------------------------- */

static bool
check_single(const VpXmlIndex *index, const VpXmlNode *node, const VpXmlNode *before,
             GError **error)
{
    if (!before)
        return true;
    return vp_xml_refuse(error, index, node, "stands twice in the domain (first in line %u), "
                         "expected once", before->line);
}

static bool
read_monitorpassthrough(const VpXmlIndex *index, const VpXmlNode *node, VpXmlWishes *wishes,
                        GError **error)
{
    static const char *const known[] = { "session", NULL };
    const char *value = vp_xml_node_attribute(node, "session");
    guint kind = VP_SESSION_DEDICATED;

    if (!check_single(index, node, wishes->monitorpassthrough, error) ||
        !vp_xml_check_attributes(index, node, known, "at most " SESSION_VALUES, error) ||
        !vp_xml_check_empty(index, node, error))
        return false;
    while (value && vp_xml_session_names[kind] && !g_str_equal(value, vp_xml_session_names[kind]))
        kind++;
    if (!vp_xml_session_names[kind])
        return vp_xml_refuse(error, index, node, "session='%s' is not known, expected "
                             SESSION_VALUES, value);
    wishes->monitorpassthrough = node;
    wishes->session = kind;
    return true;
}

bool
vp_xml_author_check_kept(const VpXmlDomain *domain, GError **error)
{
    for (guint i = 0; i < domain->kept->len; i++) {
        const VpXmlNode *node = domain->kept->pdata[i];

        if (!is_qemu_namespace(node)) {
            vp_xml_set_error(error, VP_ERROR_UNSUPPORTED, domain->index, node,
                             "is kept in <metadata> but not known to this version, expected an "
                             "element that it knows");
            return false;
        }
    }
    return true;
}

bool
vp_xml_author_read_session(const VpXmlDomain *domain, VpXmlWishes *wishes, GError **error)
{
    const GPtrArray *places[] = { domain->kept, domain->authored };

    for (gsize place = 0; place < G_N_ELEMENTS(places); place++) {
        for (guint i = 0; i < places[place]->len; i++) {
            const VpXmlNode *node = places[place]->pdata[i];

            if (is_monitorpassthrough(node) &&
                !read_monitorpassthrough(domain->index, node, wishes, error))
                return false;
        }
    }
    return true;
}

/* --- what is compiled ---------------------------------------------------- */

static VpXmlCommandlineKind
kind_of_commandlines(const VpXmlDomain *domain)
{
    VpXmlCommandlineKind kind = VP_XML_STOCK;

    for (guint i = 0; i < domain->commandlines->len; i++)
        kind = MAX(kind, vp_xml_commandline_kind(domain->commandlines->pdata[i]));
    return kind;
}

bool
vp_xml_author_is_in(const VpXmlDomain *domain)
{
    return domain->authored->len > 0 || kind_of_commandlines(domain) == VP_XML_EXTENDED;
}

bool
vp_xml_author_needs_compiling(const VpXmlDomain *domain, const VpXmlRules *rules)
{
    VpXmlCommandlineKind kind = kind_of_commandlines(domain);

    if (kind == VP_XML_STOCK_DEVICES && rules->compile && !rules->running)
        return true;
    return kind == VP_XML_EXTENDED || vp_xml_author_has_words(domain->authored);
}

static bool
read_element(const VpXmlIndex *index, const VpXmlNode *node, VpXmlWishes *wishes, GError **error)
{
    if (node->role != VP_XML_QEMU || is_monitorpassthrough(node))
        return true;
    if (g_str_equal(node->local, "commandline"))
        return vp_xml_commandline_read(index, node, NULL, wishes->plan, wishes->env, error);
    if (!vp_xml_author_knows(node))
        return true;
    return vp_xml_group_read(index, node, wishes->plan, error);
}

static bool
read_elements(const VpXmlDomain *domain, VpXmlWishes *wishes, GError **error)
{
    for (const VpXmlNode *node = domain->node->first; node; node = node->next) {
        if (!read_element(domain->index, node, wishes, error))
            return false;
    }
    return true;
}

/* The first element for which libvirt alone will not do. */
static const VpXmlNode *
find_reason(const VpXmlDomain *domain)
{
    const VpXmlNode *node = domain->node->first;

    while (node && (is_monitorpassthrough(node) ||
                    (!vp_xml_author_knows(node) &&
                     (!vp_xml_node_is(node, VP_XML_QEMU_NS, "commandline") ||
                      vp_xml_commandline_kind(node) == VP_XML_STOCK))))
        node = node->next;
    return node;
}

static bool
check_rules(const VpXmlDomain *domain, const VpXmlRules *rules, GError **error)
{
    if (rules->compile)
        return true;
    vp_xml_set_error(error, VP_ERROR_UNSUPPORTED, domain->index, find_reason(domain),
                     "changes QEMU's command line, which is not possible here, expected a "
                     "document that stock libvirt can run");
    return false;
}

bool
vp_xml_author_read_plan(const VpXmlDomain *domain, const VpXmlRules *rules, VpXmlWishes *wishes,
                        GError **error)
{
    if (!vp_xml_author_needs_compiling(domain, rules))
        return true;
    wishes->plan = vp_plan_new();
    wishes->plan->domain = domain->name ? g_strdup(domain->name->text) : NULL;
    wishes->plan->machine = g_strdup(vp_xml_emulator_machine(domain).machine);
    wishes->plan->late_devices = domain->devices && domain->devices->has_late;
    wishes->env = g_ptr_array_new();
    /* what is wrong is wrong everywhere: this comes first */
    return read_elements(domain, wishes, error) && check_rules(domain, rules, error) &&
           vp_xml_emulator_read(domain, &wishes->plan->emulator, error);
}
