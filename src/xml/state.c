/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What virtpassd itself keeps with a domain: elements in <metadata>, each in a namespace of its own
 * below one that is for nothing else. They are no author's, so a reader through virtpassd does not
 * see them; therefore a definition that comes back from such a reader does not have them, and
 * whoever translates it puts those in that the domain has.
 *
 * libvirt writes the declaration of the namespace on the element itself, so that its text means the
 * same anywhere. One that has it elsewhere is not ours.
 */

#include "xml/state.h"

#include "xml/container.h"
#include "xml/passthrough.h"

#include <string.h>

struct VpXmlState {
    char *uri;
    char *text; /* the element */
};

static bool
is_state(const VpXmlNode *node)
{
    return node->role == VP_XML_FOREIGN && node->n_bindings > 0 &&
           g_str_has_prefix(node->uri, VP_XML_STATE_NAMESPACES);
}

bool
vp_xml_state_mark(const VpXmlDomain *domain)
{
    bool found = false;

    for (VpXmlNode *child = domain->metadata ? domain->metadata->first : NULL; child;
         child = child->next) {
        if (!is_state(child))
            continue;
        g_hash_table_add(domain->ours, child);
        found = true;
    }
    return found;
}

static void
state_free(gpointer data)
{
    VpXmlState *state = data;

    g_free(state->uri);
    g_free(state->text);
    g_free(state);
}

/* What is read so far. */
typedef struct States {
    GPtrArray *list;      /* of VpXmlState */
    GHashTable *collected; /* set of their namespaces */
} States;

/* Appends those of the domain, of each namespace the first; changes nothing. */
static bool
collect(const VpXmlDomain *domain, gconstpointer data, VpXmlEdits *edits G_GNUC_UNUSED,
        GError **error G_GNUC_UNUSED)
{
    const States *states = data;

    for (const VpXmlNode *child = domain->metadata ? domain->metadata->first : NULL; child;
         child = child->next) {
        VpXmlState *state = NULL;

        if (!is_state(child) || g_hash_table_contains(states->collected, child->uri))
            continue;
        state = g_new0(VpXmlState, 1);
        state->uri = g_strdup(child->uri);
        state->text = g_strndup(domain->index->text.bytes + child->start,
                                child->end - child->start);
        g_ptr_array_add(states->list, state);
        g_hash_table_add(states->collected, state->uri);
    }
    return true;
}

GPtrArray *
vp_xml_state_read(const char *xml)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(state_free);
    g_autoptr(GHashTable) collected = g_hash_table_new(g_str_hash, g_str_equal);
    const States states = { list, collected };
    g_autofree char *same = NULL;

    if (strstr(xml, VP_XML_STATE_NAMESPACES))
        vp_xml_rewrite(xml, collect, &states, &same, NULL);
    return g_steal_pointer(&list);
}

/* The namespaces of what is in the domain's <metadata>. */
static GHashTable *
find_namespaces(const VpXmlDomain *domain)
{
    GHashTable *found = g_hash_table_new(g_str_hash, g_str_equal);

    for (const VpXmlNode *child = domain->metadata ? domain->metadata->first : NULL; child;
         child = child->next)
        g_hash_table_add(found, (gpointer)child->uri);
    return found;
}

static void
put_into(const VpXmlDomain *domain, const VpXmlBlock *block, VpXmlEdits *edits)
{
    const VpXmlNode *metadata = domain->metadata;
    g_autofree char *content = vp_xml_block_join(block);
    g_autofree char *name = metadata ? vp_xml_node_name(metadata) : NULL;
    g_autofree char *whole = NULL;

    if (!metadata) {
        whole = g_strconcat("<metadata>", content, "</metadata>", NULL);
        vp_xml_edits_replace(edits, domain->node->close, domain->node->close, whole);
    } else if (vp_xml_node_is_self_closing(metadata)) {
        whole = g_strconcat(">", content, "</", name, ">", NULL);
        vp_xml_edits_replace(edits, metadata->end - strlen("/>"), metadata->end, whole);
    } else {
        vp_xml_edits_insert(edits, metadata->close, 1, block);
    }
}

static bool
put(const VpXmlDomain *domain, gconstpointer data, VpXmlEdits *edits,
    GError **error G_GNUC_UNUSED)
{
    const GPtrArray *states = data;
    g_autoptr(VpXmlBlock) block = vp_xml_block_new();
    g_autoptr(GHashTable) there = find_namespaces(domain);
    guint n = 0;

    for (guint i = 0; i < states->len; i++) {
        const VpXmlState *state = g_ptr_array_index(states, i);

        if (g_hash_table_contains(there, state->uri))
            continue;
        vp_xml_block_add(block, 0, "%s", state->text);
        n++;
    }
    if (n > 0)
        put_into(domain, block, edits);
    return true;
}

bool
vp_xml_state_put(const char *xml, const GPtrArray *states, char **ret_xml, GError **error)
{
    *ret_xml = NULL;
    return states->len == 0 || vp_xml_rewrite(xml, put, states, ret_xml, error);
}

static bool
take_uuid(const VpXmlDomain *domain, gconstpointer data, VpXmlEdits *edits G_GNUC_UNUSED,
          GError **error G_GNUC_UNUSED)
{
    char **uuid = (char **)data;

    if (!*uuid && domain->uuid)
        *uuid = g_strdup(domain->uuid->text);
    return true;
}

char *
vp_xml_read_uuid(const char *xml)
{
    char *uuid = NULL;
    g_autofree char *same = NULL;

    vp_xml_rewrite(xml, take_uuid, &uuid, &same, NULL);
    return uuid;
}
