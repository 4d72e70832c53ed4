/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What was made of the author's elements, and how it is known again.
 *
 * The words and variables stand in a <qemu:commandline> among others: the session's, and such as
 * somebody added through plain libvirtd. Nothing marks them, for libvirt keeps nothing but words.
 * So our element in <metadata> says how many there are and has a digest:
 *
 *     <virtpass:passthrough made='WORDS VARIABLES SHA256' emulator='/usr/bin/qemu-system-x86_64'>
 *
 * libvirt keeps words in order, and variables in order behind them. Ours are the first of each,
 * the session's left out. The digest is made of them, of the real emulator, and of the author's
 * elements as they are kept: it holds as long as the two sides are what they were when one was
 * made of the other. It is made of names and values, not of bytes, because libvirt writes the
 * same XML with other quotes and other white space.
 *
 * It is a check against mistakes and edits. Who can write it may define the domain as he likes.
 */

#include "xml/made.h"

#include "xml/commandline.h"
#include "xml/emulator.h"

#include <stdio.h>
#include <string.h>

#define MADE "made"
#define EMULATOR "emulator"

/* --- the digest ---------------------------------------------------------- */

/* With the NUL, so that no two lists look the same. */
static void
add(GChecksum *checksum, const char *text)
{
    g_checksum_update(checksum, (const guchar *)text, strlen(text) + 1);
}

static int
compare_attributes(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const VpXmlAttribute *const *)a)->local,
                  (*(const VpXmlAttribute *const *)b)->local);
}

static void
add_attributes(GChecksum *checksum, const VpXmlNode *node)
{
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();

    for (guint i = 0; i < node->n_attributes; i++)
        g_ptr_array_add(sorted, &node->attributes[i]);
    g_ptr_array_sort(sorted, compare_attributes);
    for (guint i = 0; i < sorted->len; i++) {
        const VpXmlAttribute *attribute = sorted->pdata[i];

        if (*attribute->prefix) /* no author has one */
            add(checksum, attribute->prefix);
        add(checksum, attribute->local);
        add(checksum, attribute->value);
    }
}

static void
add_element(GChecksum *checksum, const VpXmlNode *node)
{
    g_autofree char *text = g_strstrip(g_strdup(node->text));

    add(checksum, "<");
    add(checksum, node->uri);
    add(checksum, node->local);
    add_attributes(checksum, node);
    add(checksum, ">");
    add(checksum, text);
    if (node->first && node->has_text) /* nor that */
        add(checksum, "text");
    for (const VpXmlNode *child = node->first; child; child = child->next)
        add_element(checksum, child);
    add(checksum, "/");
}

static void
add_list(GChecksum *checksum, const GPtrArray *list)
{
    add(checksum, "[");
    for (guint i = 0; i < list->len; i++)
        add(checksum, list->pdata[i]);
}

static char *
digest_of(const VpXmlMade *made, const GPtrArray *kept)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);

    add_list(checksum, made->words);
    add_list(checksum, made->names);
    add_list(checksum, made->values);
    add(checksum, made->emulator ? made->emulator : "");
    for (guint i = 0; i < kept->len; i++)
        add_element(checksum, kept->pdata[i]);
    return g_strdup(g_checksum_get_string(checksum));
}

static char *
print_made(const VpXmlMade *made, const GPtrArray *kept)
{
    g_autofree char *digest = digest_of(made, kept);

    return g_strdup_printf("%u %u %s", made->words->len, made->names->len, digest);
}

char *
vp_xml_made_attributes(const VpXmlMade *made, const GPtrArray *kept)
{
    g_autofree char *value = print_made(made, kept);
    g_autofree char *emulator = made->emulator ? vp_xml_escape(made->emulator) : NULL;

    if (!emulator)
        return g_strdup_printf(" " MADE "='%s'", value);
    return g_strdup_printf(" " MADE "='%s' " EMULATOR "='%s'", value, emulator);
}

/* --- known again --------------------------------------------------------- */

/* The nodes of the first words and variables, as many as there should be. */
typedef struct Found {
    GHashTable *nodes;
    VpXmlMade made;
    guint n_words;     /* wanted */
    guint n_variables;
} Found;

static const char *
attribute_or_empty(const VpXmlNode *node, const char *local)
{
    const char *value = vp_xml_node_attribute(node, local);

    return value ? value : "";
}

static void
look_at(const VpXmlDomain *domain, const VpXmlNode *node, Found *found)
{
    if (g_hash_table_contains(domain->session, node))
        return;
    if (vp_xml_commandline_is_arg(node) && found->made.words->len < found->n_words) {
        g_ptr_array_add(found->made.words, (gpointer)attribute_or_empty(node, "value"));
        g_hash_table_add(found->nodes, (gpointer)node);
    } else if (vp_xml_commandline_is_env(node) && found->made.names->len < found->n_variables) {
        g_ptr_array_add(found->made.names, (gpointer)attribute_or_empty(node, "name"));
        g_ptr_array_add(found->made.values, (gpointer)attribute_or_empty(node, "value"));
        g_hash_table_add(found->nodes, (gpointer)node);
    }
}

static bool
can_store_all(const VpPlan *plan)
{
    for (guint i = 0; i < plan->steps->len; i++) {
        const VpStep *step = plan->steps->pdata[i];

        for (char **word = step->words->words; *word; word++) {
            if (!vp_xml_commandline_can_store(*word))
                return false;
        }
    }
    return true;
}

/* What stands beside ours is the author's from now on, and has to be such as he could write. */
static bool
check_rest(const VpXmlDomain *domain, GHashTable *ours)
{
    g_autoptr(VpPlan) plan = vp_plan_new();
    g_autoptr(GPtrArray) env = g_ptr_array_new();

    for (guint i = 0; i < domain->commandlines->len; i++) {
        if (!vp_xml_commandline_read(domain->index, domain->commandlines->pdata[i], ours, plan,
                                     env, NULL) ||
            vp_xml_commandline_kind(domain->commandlines->pdata[i]) == VP_XML_EXTENDED)
            return false;
    }
    return can_store_all(plan);
}

static VpXmlMadeState
look(VpXmlDomain *domain, const char *wanted, Found *found)
{
    g_autofree char *now = NULL;

    if (sscanf(wanted, "%u %u", &found->n_words, &found->n_variables) != 2 ||
        (found->made.emulator && !vp_xml_emulator_is_shim(domain)))
        return VP_XML_MADE_CHANGED;
    for (guint i = 0; i < domain->commandlines->len; i++) {
        const VpXmlNode *commandline = domain->commandlines->pdata[i];

        for (const VpXmlNode *child = commandline->first; child; child = child->next)
            look_at(domain, child, found);
    }
    now = print_made(&found->made, domain->kept);
    return g_str_equal(now, wanted) && check_rest(domain, found->nodes) ? VP_XML_MADE_INTACT
                                                                       : VP_XML_MADE_CHANGED;
}

const char *
vp_xml_made_emulator(const VpXmlDomain *domain)
{
    return vp_xml_node_attribute(domain->passthrough->pdata[0], EMULATOR);
}

VpXmlMadeState
vp_xml_made_find(VpXmlDomain *domain)
{
    const char *wanted = NULL;
    g_autoptr(GHashTable) nodes = g_hash_table_new(NULL, NULL);
    GHashTableIter iter;
    gpointer node = NULL;
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autoptr(GPtrArray) values = g_ptr_array_new();
    Found found = { .nodes = nodes, .made = { words, names, values, NULL } };
    VpXmlMadeState state = VP_XML_MADE_NONE;

    if (domain->passthrough->len > 0)
        wanted = vp_xml_node_attribute(domain->passthrough->pdata[0], MADE);
    if (!wanted)
        return VP_XML_MADE_NONE;
    found.made.emulator = vp_xml_made_emulator(domain);
    state = look(domain, wanted, &found);
    g_hash_table_iter_init(&iter, nodes);
    while (state == VP_XML_MADE_INTACT && g_hash_table_iter_next(&iter, &node, NULL))
        g_hash_table_add(domain->ours, node);
    return state;
}
