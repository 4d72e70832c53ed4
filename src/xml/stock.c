/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A domain divided: what libvirt makes a command line of, and what is added to that.
 *
 * The former is what is left without the author's elements and without libvirt's <commandline>,
 * whose words libvirt copies. Its other elements for QEMU (<capabilities>, <override>) change what
 * libvirt writes, so they stay.
 *
 * To write a command line down libvirt makes a tap for each <interface>, and has to find each
 * <hostdev>; and it forgets where an <interface> is said to be (qemuConnectDomainXMLToNative()). So
 * these are left out, and what they say of their addresses is read here.
 */

#include "xml/stock.h"

#include "xml/author.h"
#include "xml/commandline.h"
#include "xml/passthrough.h"

#include <string.h>

static bool
is_added(const VpXmlNode *node)
{
    return node->role == VP_XML_QEMU &&
           (vp_xml_author_knows(node) || g_str_equal(node->local, "commandline"));
}

/* --- what is left --------------------------------------------------------- */

typedef struct Rest {
    GString *text;
    const char *bytes;
    gsize at;
} Rest;

static void
leave_out(Rest *rest, const VpXmlNode *node)
{
    g_string_append_len(rest->text, rest->bytes + rest->at, node->start - rest->at);
    rest->at = node->end;
}

static bool
read_number(const VpXmlNode *address, const char *name, guint *ret)
{
    const char *text = vp_xml_node_attribute(address, name);

    *ret = text ? (guint)g_ascii_strtoull(text, NULL, 0) : 0;
    return text != NULL;
}

/* Models that libvirt puts into ports (qemuDomainDeviceCalculatePCIConnectFlags()). */
static bool
is_express(const char *model)
{
    static const char *const models[] = { "e1000e", "igb", "vmxnet3", NULL };

    return model && (g_str_has_prefix(model, "virtio") || g_strv_contains(models, model));
}

static void
read_child(const VpXmlNode *child, VpApart *apart)
{
    if (child->role == VP_XML_MODEL)
        apart->express = is_express(vp_xml_node_attribute(child, "type"));
    else if (child->role == VP_XML_ADDRESS &&
             g_strcmp0(vp_xml_node_attribute(child, "type"), "pci") == 0)
        apart->placed = read_number(child, "bus", &apart->bus) &&
                        read_number(child, "slot", &apart->slot) &&
                        (read_number(child, "function", &apart->function), true);
}

static void
read_apart(const VpXmlNode *node, VpPlan *wishes)
{
    VpApart *apart = vp_plan_add_apart(
        wishes, g_strdup_printf("<%s> in line %u", node->local, node->line));

    for (const VpXmlNode *child = node->first; child; child = child->next)
        read_child(child, apart);
}

/* Whether it may come to be on a PCI bus. */
static bool
may_be_on_pci(const VpXmlNode *node)
{
    return g_str_equal(node->local, "interface") ||
           g_strcmp0(vp_xml_node_attribute(node, "type"), "pci") == 0;
}

static void
leave_out_devices(Rest *rest, const VpXmlNode *devices, VpPlan *wishes)
{
    for (const VpXmlNode *child = devices->first; child; child = child->next) {
        if (child->role != VP_XML_APART)
            continue;
        leave_out(rest, child);
        if (may_be_on_pci(child))
            read_apart(child, wishes);
    }
}

void
vp_xml_stock(const VpXmlDomain *domain, VpPlan *wishes)
{
    g_autoptr(GString) text = g_string_new(NULL);
    Rest rest = { text, domain->index->text.bytes, domain->node->start };

    for (const VpXmlNode *child = domain->node->first; child; child = child->next) {
        if (child->role == VP_XML_DEVICES)
            leave_out_devices(&rest, child, wishes);
        else if (is_added(child))
            leave_out(&rest, child);
    }
    g_string_append_len(text, rest.bytes + rest.at, domain->node->end - rest.at);
    wishes->stock = g_string_free(g_steal_pointer(&text), FALSE);
}

/* --- what is added -------------------------------------------------------- */

/* The domain itself, or the one that a snapshot is of. */
static const VpXmlNode *
first_domain(const VpXmlIndex *index)
{
    const VpXmlNode *node = index->root;

    if (node && node->role == VP_XML_SET)
        node = node->first;
    while (node && node->role != VP_XML_DOMAIN)
        node = node->next;
    return node;
}

static void
read_commandline(const VpXmlNode *commandline, GPtrArray *words, char **plan)
{
    for (const VpXmlNode *child = commandline->first; child; child = child->next) {
        const char *name = vp_xml_node_attribute(child, "name");
        const char *value = vp_xml_node_attribute(child, "value");

        if (vp_xml_commandline_is_arg(child) && value) {
            g_ptr_array_add(words, g_strdup(value));
        } else if (vp_xml_commandline_is_env(child) && g_strcmp0(name, VP_PLAN_VARIABLE) == 0) {
            g_free(*plan);
            *plan = g_strdup(value);
        }
    }
}

bool
vp_xml_read_added(const char *xml, char ***ret_words, char **ret_plan)
{
    g_autoptr(VpXmlIndex) index = vp_xml_index_new(xml, NULL);
    const VpXmlNode *node = index ? first_domain(index) : NULL;
    g_auto(VpXmlDomain) domain = { 0 };
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);

    *ret_plan = NULL;
    if (!node)
        return false;
    vp_xml_domain_init(&domain, index, node);
    for (guint i = 0; i < domain.commandlines->len; i++)
        read_commandline(domain.commandlines->pdata[i], words, ret_plan);
    g_ptr_array_add(words, NULL);
    *ret_words = (char **)g_ptr_array_steal(words, NULL);
    return true;
}
