/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The author's elements in <metadata>, where libvirt carries them without reading them:
 *
 *     <virtpass:passthrough xmlns:virtpass='...' xmlns:qemu='...'>
 *       <qemu:monitorpassthrough session='shared'/>
 *     </virtpass:passthrough>
 *
 * They are kept as they were written. What their prefixes mean was said further out, on the
 * domain as a rule, and libvirt prints a declaration there only for its own use: so each that
 * they need is repeated on our element. On the way back a declaration that is missing goes to
 * the domain, one that means something else there goes on the element itself. So do all when the
 * document uses some prefix without declaring it: a declaration on the domain might wake it.
 *
 * A <commandline> is among them when its words are not what the author wrote. Our element then has
 * attributes too, which are made.c's business, and maybe his <emulator>, which is emulator.c's.
 *
 * Where an element stood a mark is left, <?virtpass kept?>. As long as the text is the one that
 * we handed out each element goes back to its mark. libvirt drops the marks, and sorts and
 * indents: then the elements go before <qemu:commandline>, or where libvirt would print that, and
 * their inner lines move with them.
 */

#include "xml/kept.h"

#include "xml/container.h"
#include "xml/passthrough.h"

#include <string.h>

#define PREFIX "virtpass"

/* --- which declarations an element needs from outside -------------------- */

static const VpXmlBinding *
find_binding(const GArray *bindings, const char *prefix)
{
    for (guint i = 0; i < bindings->len; i++) {
        const VpXmlBinding *binding = &g_array_index(bindings, VpXmlBinding, i);

        if (g_str_equal(binding->prefix, prefix))
            return binding;
    }
    return NULL;
}

/* Whether @prefix, used at @node, is declared at @root or below. */
static bool
is_bound_within(const VpXmlNode *root, const VpXmlNode *node, const char *prefix)
{
    for (; node != root->parent; node = node->parent) {
        for (guint i = 0; i < node->n_bindings; i++) {
            if (g_str_equal(node->bindings[i].prefix, prefix))
                return true;
        }
    }
    return false;
}

static void
add_need(const VpXmlNode *root, const VpXmlNode *node, const char *prefix, GArray *needs)
{
    VpXmlBinding need = { .prefix = prefix };

    if (find_binding(needs, prefix) || is_bound_within(root, node, prefix))
        return;
    need.uri = vp_xml_node_lookup(root->parent, prefix);
    /* A prefix may mean nothing, or be "xml". No prefix means no namespace in <domain> and
     * <metadata>, or they would not be these. */
    if (need.uri && (*prefix || *need.uri))
        g_array_append_val(needs, need);
}

static void
add_needs_of(const VpXmlNode *root, const VpXmlNode *node, GArray *needs)
{
    add_need(root, node, node->prefix, needs);
    for (guint i = 0; i < node->n_attributes; i++) {
        if (*node->attributes[i].prefix)
            add_need(root, node, node->attributes[i].prefix, needs);
    }
    for (const VpXmlNode *child = node->first; child; child = child->next)
        add_needs_of(root, child, needs);
}

static GArray *
find_needs(const VpXmlNode *root)
{
    GArray *needs = g_array_new(FALSE, FALSE, sizeof(VpXmlBinding));

    add_needs_of(root, root, needs);
    return needs;
}

static void
print_binding(GString *tag, const VpXmlBinding *binding)
{
    g_autofree char *uri = vp_xml_escape(binding->uri);

    g_string_append_printf(tag, " xmlns%s%s='%s'", *binding->prefix ? ":" : "", binding->prefix,
                           uri);
}

static char *
verbatim(const VpXmlDomain *domain, const VpXmlNode *node)
{
    return g_strndup(domain->index->text.bytes + node->start, node->end - node->start);
}

/* --- into <metadata> ----------------------------------------------------- */

/* What all the author's elements need; they stand in one scope. */
static GArray *
find_common_needs(const VpXmlKeep *keep)
{
    GArray *common = g_array_new(FALSE, FALSE, sizeof(VpXmlBinding));

    for (guint i = 0; i < keep->elements->len; i++) {
        g_autoptr(GArray) needs = find_needs(keep->elements->pdata[i]);

        for (guint k = 0; k < needs->len; k++) {
            const VpXmlBinding *need = &g_array_index(needs, VpXmlBinding, k);

            if (!find_binding(common, need->prefix))
                g_array_append_vals(common, need, 1);
        }
    }
    return common;
}

/* A prefix for our element that the author's elements do not use for something else. */
static char *
choose_prefix(const GArray *needs)
{
    g_autofree char *prefix = g_strdup(PREFIX);

    for (guint n = 2; find_binding(needs, prefix); n++) {
        g_free(prefix);
        prefix = g_strdup_printf(PREFIX "%u", n);
    }
    return g_steal_pointer(&prefix);
}

static void
add_verbatim(const VpXmlDomain *domain, const VpXmlNode *node, guint depth, VpXmlBlock *block)
{
    g_autofree char *text = verbatim(domain, node);

    vp_xml_block_add(block, depth, "%s", text);
}

static void
print_passthrough(const VpXmlDomain *domain, const VpXmlKeep *keep, guint depth,
                  VpXmlBlock *block)
{
    g_autoptr(GArray) needs = find_common_needs(keep);
    g_autofree char *prefix = choose_prefix(needs);
    g_autoptr(GString) bindings = g_string_new(NULL);

    print_binding(bindings, &(VpXmlBinding){ prefix, VP_XML_VIRTPASS_NS });
    for (guint i = 0; i < needs->len; i++)
        print_binding(bindings, &g_array_index(needs, VpXmlBinding, i));
    vp_xml_block_add(block, depth, "<%s:passthrough%s%s>", prefix, bindings->str,
                     keep->attributes);
    for (guint i = 0; i < keep->elements->len; i++)
        add_verbatim(domain, keep->elements->pdata[i], depth + 1, block);
    if (keep->emulator)
        add_verbatim(domain, keep->emulator, depth + 1, block);
    vp_xml_block_add(block, depth, "</%s:passthrough>", prefix);
}

bool
vp_xml_kept_store(const VpXmlDomain *domain, const VpXmlKeep *keep, VpXmlEdits *edits,
                  GError **error)
{
    g_autoptr(VpXmlBlock) block = vp_xml_block_new();

    if (!vp_xml_refuse_marks(domain->index, domain->node, error))
        return false;
    for (guint i = 0; i < keep->elements->len; i++) {
        const VpXmlNode *node = keep->elements->pdata[i];

        if (!vp_xml_refuse_marks(domain->index, node, error))
            return false;
        vp_xml_edits_replace(edits, node->start, node->end, VP_XML_MARK(VP_XML_MARK_KEPT));
    }
    if (domain->metadata) {
        print_passthrough(domain, keep, 0, block);
        return vp_xml_container_put_in(edits, domain->index, domain->metadata, block, error);
    }
    vp_xml_block_add(block, 0, "<metadata>");
    print_passthrough(domain, keep, 1, block);
    vp_xml_block_add(block, 0, "</metadata>");
    vp_xml_edits_insert(edits, domain->node->close, 1, block);
    return true;
}

/* --- back into the domain ------------------------------------------------ */

/* State of putting back: what the domain's start tag gets, and who uses what it has. */
typedef struct Return {
    const VpXmlDomain *domain;
    GArray *added;   /* VpXmlBinding that the domain does not have yet */
    guint qemu_uses;
} Return;

/* Whether the domain says, or will say, what the element needs. */
static bool
is_settled(Return *back, const VpXmlBinding *need)
{
    const char *uri = vp_xml_node_lookup(back->domain->node, need->prefix);
    const VpXmlBinding *added = find_binding(back->added, need->prefix);

    if (!uri && !added && !back->domain->index->undeclared) {
        g_array_append_vals(back->added, need, 1);
        return true;
    }
    if (!uri && added)
        uri = added->uri;
    if (!uri || !g_str_equal(uri, need->uri))
        return false;
    back->qemu_uses += g_str_equal(need->prefix, "qemu");
    return true;
}

/* The element as it has to stand in the domain. */
static char *
print_returned(Return *back, const VpXmlNode *node)
{
    g_autoptr(GArray) needs = find_needs(node);
    g_autofree char *name = vp_xml_node_name(node);
    g_autofree char *text = verbatim(back->domain, node);
    g_autoptr(GString) element = g_string_new(text);
    g_autoptr(GString) bindings = g_string_new(NULL);

    for (guint i = 0; i < needs->len; i++) {
        const VpXmlBinding *need = &g_array_index(needs, VpXmlBinding, i);

        if (!is_settled(back, need))
            print_binding(bindings, need);
    }
    g_string_insert(element, strlen("<") + strlen(name), bindings->str);
    return g_strdup(element->str);
}

/* The marks of the domain when there is one for each element that is kept, else NULL. */
static GPtrArray *
find_marks(const VpXmlDomain *domain)
{
    g_autoptr(GPtrArray) marks = g_ptr_array_new();

    for (VpXmlNode *child = domain->node->first; child; child = child->next) {
        if (child->role == VP_XML_MARKED && g_str_equal(child->local, VP_XML_MARK_KEPT))
            g_ptr_array_add(marks, child);
    }
    return marks->len == domain->kept->len ? g_steal_pointer(&marks) : NULL;
}

static gsize
indent_of(const VpXmlDomain *domain, const VpXmlNode *node)
{
    return vp_xml_indent_of(domain->index->text.bytes, node->start);
}

static void
insert_returned(const VpXmlDomain *domain, const VpXmlBlock *block, VpXmlEdits *edits)
{
    const VpXmlNode *commandline =
        domain->commandlines->len > 0 ? domain->commandlines->pdata[0] : NULL;

    if (commandline)
        vp_xml_edits_insert(edits, commandline->start, 0, block);
    else
        vp_xml_edits_insert(edits, domain->node->close, 1, block);
}

static void
add_bindings(const VpXmlDomain *domain, const GArray *bindings, VpXmlEdits *edits)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < bindings->len; i++)
        print_binding(text, &g_array_index(bindings, VpXmlBinding, i));
    if (text->len > 0)
        vp_xml_edits_replace(edits, domain->node->open_end - 1, domain->node->open_end - 1,
                             text->str);
}

guint
vp_xml_kept_put_back(const VpXmlDomain *domain, VpXmlEdits *edits)
{
    g_autoptr(GPtrArray) marks = find_marks(domain);
    g_autoptr(VpXmlBlock) block = vp_xml_block_new();
    g_autoptr(GArray) added = g_array_new(FALSE, FALSE, sizeof(VpXmlBinding));
    Return back = { .domain = domain, .added = added };

    for (guint i = 0; i < domain->kept->len; i++) {
        g_autofree char *text = print_returned(&back, domain->kept->pdata[i]);
        const VpXmlNode *mark = marks ? marks->pdata[i] : NULL;

        if (mark)
            vp_xml_edits_replace(edits, mark->start, mark->end, text);
        else
            vp_xml_block_add_element(block, 0, text, indent_of(domain, domain->kept->pdata[i]));
    }
    if (domain->kept->len > 0 && !marks)
        insert_returned(domain, block, edits);
    add_bindings(domain, added, edits);
    return back.qemu_uses;
}
