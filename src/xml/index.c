/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where in the text of a document the things stand that we may change.
 *
 * One SAX pass of libxml2 makes nodes for the few elements that matter (table roles) and notes
 * the bytes that each covers. Everything else, devices above all, leaves no trace, so that the
 * index of a real domain has a dozen nodes.
 *
 * libxml2 reports an element when it has read its start tag but for the end of it, and again
 * behind its end. From there the '<' is looked up backwards: well-formed XML has no other '<'
 * within a tag. Offsets are those of vp_xml_text's bytes, since libxml2 is kept from converting.
 *
 * No entity is ever expanded and nothing is loaded: at a DOCTYPE the pass ends before libxml2
 * reads into it. Without one only the five predefined entities and character references exist.
 *
 * A document that is not well-formed gets no index and no error: it goes to libvirtd as it is,
 * which parses it with the same library and tells the client what is wrong.
 */

#include "xml/index.h"

#include "base/limits.h"
#include "xml/passthrough.h"

#include <libxml/parser.h>
#include <string.h>

/* Which children of which node are in the index: the first row that fits. NULL fits all. */
static const struct {
    VpXmlRole parent; /* VP_XML_NOTHING: the document */
    const char *uri;
    const char *local;
    VpXmlRole role;
} roles[] = {
    { VP_XML_NOTHING, "", "domain", VP_XML_DOMAIN },
    { VP_XML_NOTHING, "", "domainsnapshot", VP_XML_SET },
    { VP_XML_NOTHING, "", "domaincheckpoint", VP_XML_SET },
    { VP_XML_SET, "", "domain", VP_XML_DOMAIN },
    { VP_XML_SET, "", "inactiveDomain", VP_XML_DOMAIN },
    { VP_XML_DOMAIN, "", "name", VP_XML_NAME },
    { VP_XML_DOMAIN, "", "uuid", VP_XML_UUID },
    { VP_XML_DOMAIN, "", "metadata", VP_XML_METADATA },
    { VP_XML_DOMAIN, "", "os", VP_XML_OS },
    { VP_XML_DOMAIN, "", "seclabel", VP_XML_SECLABEL },
    { VP_XML_DOMAIN, "", "devices", VP_XML_DEVICES },
    { VP_XML_DOMAIN, VP_XML_QEMU_NS, NULL, VP_XML_QEMU },
    { VP_XML_DOMAIN, VP_XML_QEMU_2010_NS, NULL, VP_XML_QEMU },
    { VP_XML_OS, "", "type", VP_XML_OS_TYPE },
    { VP_XML_DEVICES, "", "emulator", VP_XML_EMULATOR },
    { VP_XML_DEVICES, "", "interface", VP_XML_APART },
    { VP_XML_DEVICES, "", "hostdev", VP_XML_APART },
    { VP_XML_APART, "", "address", VP_XML_ADDRESS },
    { VP_XML_APART, "", "model", VP_XML_MODEL },
    { VP_XML_METADATA, VP_XML_VIRTPASS_NS, "passthrough", VP_XML_PASSTHROUGH },
    { VP_XML_METADATA, NULL, NULL, VP_XML_FOREIGN },
    { VP_XML_PASSTHROUGH, NULL, NULL, VP_XML_INNER },
    { VP_XML_QEMU, NULL, NULL, VP_XML_INNER },
    { VP_XML_INNER, NULL, NULL, VP_XML_INNER },
};

static const char *const mark_words[] = {
    VP_XML_MARK_KEPT,
    VP_XML_MARK_EMPTY,
    VP_XML_MARK_CLOSED,
    VP_XML_MARK_ADDED,
    NULL,
};

/* The namespace of a name whose prefix is declared nowhere: equal to no other. */
#define UNDECLARED "?"

/* Bytes of an error's text. Names and values in it are the author's, of any length. */
#define MESSAGE_MAX 512

/* State of the pass. */
typedef struct Scan {
    VpXmlIndex *index;
    xmlParserCtxt *parser;
    VpXmlNode *current;      /* innermost open element that has a node */
    guint skipped;           /* open elements below it */
    guint depth;             /* open elements */
    guint bindings[VP_XML_DEPTH_MAX + 1]; /* declarations of the open element at each depth */
    guint n_bindings;        /* sum of them */
    guint shadow;            /* depth of the open element that hides the outer "qemu", or 0 */
    guint qemu_uses;         /* names seen with the prefix "qemu" that is not hidden */
    GString *text;           /* character data of the innermost open element that has to have it */
    guint line;              /* of the byte at @counted, from 1 */
    gsize counted;
    bool ended;              /* by us, before the end of the document */
    GError *error;
} Scan;

static void
end_scan(Scan *scan)
{
    scan->ended = true;
    xmlStopParser(scan->parser);
}

static const char *
keep(Scan *scan, const xmlChar *string)
{
    return string ? g_string_chunk_insert_const(scan->index->strings, (const char *)string) : "";
}

static bool
fits(const char *wanted, const xmlChar *string)
{
    return !wanted || g_str_equal(wanted, string ? (const char *)string : "");
}

static VpXmlRole
find_role(const Scan *scan, const xmlChar *local, const xmlChar *uri)
{
    VpXmlRole parent = scan->current ? scan->current->role : VP_XML_NOTHING;

    if (scan->skipped > 0)
        return VP_XML_NOTHING;
    for (gsize i = 0; i < G_N_ELEMENTS(roles); i++) {
        if (roles[i].parent == parent && fits(roles[i].uri, uri) && fits(roles[i].local, local))
            return roles[i].role;
    }
    return VP_XML_NOTHING;
}

/* --- elements ------------------------------------------------------------ */

/* libxml2 looks through all declarations in scope for each name: their number is limited. */
static bool
descend(Scan *scan, int n_bindings)
{
    scan->depth++;
    if (scan->depth > VP_XML_DEPTH_MAX) {
        g_set_error(&scan->error, VP_ERROR, VP_ERROR_LIMIT,
                    "elements are nested %u deep, at most %u are allowed", scan->depth,
                    VP_XML_DEPTH_MAX);
        return false;
    }
    scan->bindings[scan->depth] = n_bindings;
    scan->n_bindings += n_bindings;
    if (scan->n_bindings > VP_XML_NAMESPACES_MAX) {
        g_set_error(&scan->error, VP_ERROR, VP_ERROR_LIMIT,
                    "%u namespace declarations apply to one element, at most %u are allowed",
                    scan->n_bindings, VP_XML_NAMESPACES_MAX);
        return false;
    }
    return true;
}

/* libxml2 keeps names in a table that stops growing at some ten thousand. */
static bool
check_names(Scan *scan)
{
    if (xmlDictSize(scan->parser->dict) <= (int)VP_XML_NAMES_MAX)
        return true;
    if (!scan->error)
        g_set_error(&scan->error, VP_ERROR, VP_ERROR_LIMIT,
                    "the document has more than the %u different names that are allowed",
                    VP_XML_NAMES_MAX);
    return false;
}

static bool
is_qemu(const xmlChar *prefix, const xmlChar *uri)
{
    return prefix && uri && g_str_equal(prefix, "qemu") && g_str_equal(uri, VP_XML_QEMU_NS);
}

/* The rows that libxml2 makes of attributes: local, prefix, URI, start and end of the value. */
#define ATTRIBUTE_COLUMNS 5

/* Counts the names of this tag that would miss an xmlns:qemu on the domain. */
static void
count_qemu_uses(Scan *scan, VpXmlRole role, const xmlChar *prefix, const xmlChar *uri,
                const xmlChar **bindings, int n_bindings, const xmlChar **attributes,
                int n_attributes)
{
    if (role == VP_XML_DOMAIN)
        scan->shadow = 0;
    for (int i = 0; role != VP_XML_DOMAIN && scan->shadow == 0 && i < n_bindings; i++) {
        if (bindings[2 * i] && g_str_equal(bindings[2 * i], "qemu"))
            scan->shadow = scan->depth;
    }
    if (scan->shadow > 0)
        return;
    scan->qemu_uses += is_qemu(prefix, uri);
    for (int i = 0; i < n_attributes; i++, attributes += ATTRIBUTE_COLUMNS)
        scan->qemu_uses += is_qemu(attributes[1], attributes[2]);
}

static bool
is_undeclared(const xmlChar *prefix, const xmlChar *uri)
{
    return prefix && !uri;
}

static void
note_undeclared(Scan *scan, const xmlChar *prefix, const xmlChar *uri, const xmlChar **attributes,
                int n_attributes)
{
    scan->index->undeclared |= is_undeclared(prefix, uri);
    for (int i = 0; i < n_attributes; i++, attributes += ATTRIBUTE_COLUMNS)
        scan->index->undeclared |= is_undeclared(attributes[1], attributes[2]);
}

static void
copy_attributes(Scan *scan, VpXmlNode *node, const xmlChar **attributes, int n)
{
    node->n_attributes = n;
    node->attributes = g_new(VpXmlAttribute, n);
    for (int i = 0; i < n; i++, attributes += ATTRIBUTE_COLUMNS) {
        const char *value = (const char *)attributes[3];

        node->attributes[i] = (VpXmlAttribute){
            .prefix = keep(scan, attributes[1]),
            .local = keep(scan, attributes[0]),
            .value = g_string_chunk_insert_len(scan->index->strings, value,
                                               (const char *)attributes[4] - value),
        };
    }
}

static void
copy_bindings(Scan *scan, VpXmlNode *node, const xmlChar **bindings, int n)
{
    node->n_bindings = n;
    node->bindings = g_new(VpXmlBinding, n);
    for (int i = 0; i < n; i++) {
        node->bindings[i] = (VpXmlBinding){
            .prefix = keep(scan, bindings[2 * i]),
            .uri = keep(scan, bindings[2 * i + 1]),
        };
    }
}

static VpXmlNode *
append_node(Scan *scan, VpXmlRole role)
{
    VpXmlNode *node = g_slice_new0(VpXmlNode);
    VpXmlNode *parent = scan->current;

    node->role = role;
    node->parent = parent;
    node->prefix = node->local = node->uri = node->text = "";
    if (!parent)
        scan->index->root = node;
    else if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    if (parent)
        parent->last = node;
    return node;
}

/* Offset of the last '<' before @end, which is not far. */
static gsize
find_tag(const Scan *scan, gsize end)
{
    while (end > 0 && scan->index->text.bytes[end - 1] != '<')
        end--;
    return end > 0 ? end - 1 : 0;
}

/* Nodes begin one behind the other, so that each byte is looked at once. */
static void
set_line(Scan *scan, VpXmlNode *node)
{
    const char *bytes = scan->index->text.bytes;
    const char *at = bytes + scan->counted, *end = bytes + node->start;

    for (; (at = memchr(at, '\n', end - at)); at++)
        scan->line++;
    scan->counted = node->start;
    node->line = scan->line;
}

/* How far libxml2 has read. */
static gsize
consumed(const Scan *scan)
{
#if LIBXML_VERSION >= 21500
    unsigned long bytes = 0;

    xmlCtxtGetInputPosition(scan->parser, 0, NULL, NULL, NULL, &bytes);
    return bytes;
#else
    return xmlByteConsumed(scan->parser);
#endif
}

/* libxml2 has read up to "/>" or ">". */
static void
set_start(Scan *scan, VpXmlNode *node)
{
    gsize read = consumed(scan);

    node->start = find_tag(scan, read);
    set_line(scan, node);
    node->open_end = read + (scan->index->text.bytes[read] == '/' ? 2 : 1);
    node->end = node->close = node->open_end;
}

static bool
has_text_in_index(VpXmlRole role)
{
    return role == VP_XML_NAME || role == VP_XML_UUID || role == VP_XML_EMULATOR ||
           role == VP_XML_INNER;
}

/* Attributes as libxml2 gives them are five pointers each: name, prefix, namespace, and where the
 * value begins and ends. */
static bool
has_attribute(const xmlChar **attributes, int n, const char *local, const char *value)
{
    for (int i = 0; i < n; i++, attributes += 5) {
        if (g_str_equal(attributes[0], local) && !attributes[2]
            && (gsize)(attributes[4] - attributes[3]) == strlen(value)
            && memcmp(attributes[3], value, strlen(value)) == 0)
            return true;
    }
    return false;
}

/*
 * Devices that libvirt writes behind <qemu:commandline>'s words (qemuBuildCommandLine(), from 9.0
 * on), and that have an address on a bus: a panic device has only with this model.
 */
static bool
is_late_device(const xmlChar *local, const xmlChar **attributes, int n_attributes)
{
    static const char *const late[] = { "vsock", "shmem", "crypto", "pstore", NULL };

    if (g_str_equal(local, "panic"))
        return has_attribute(attributes, n_attributes, "model", "pvpanic");
    return g_strv_contains(late, (const char *)local);
}

/* An element that is not in the index begins. */
static void
skip(Scan *scan, const xmlChar *local, const xmlChar **attributes, int n_attributes)
{
    if (scan->skipped++ > 0)
        return;
    scan->current->has_skipped = true;
    if (scan->current->role == VP_XML_DEVICES && is_late_device(local, attributes, n_attributes))
        scan->current->has_late = true;
}

static void
on_start(void *data, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri,
         int n_bindings, const xmlChar **bindings, int n_attributes, int n_defaulted G_GNUC_UNUSED,
         const xmlChar **attributes)
{
    Scan *scan = data;
    const xmlChar *namespace = is_undeclared(prefix, uri) ? (const xmlChar *)UNDECLARED : uri;
    VpXmlRole role = find_role(scan, local, namespace);
    guint uses_before = scan->qemu_uses;
    VpXmlNode *node = NULL;

    if (!check_names(scan) || !descend(scan, n_bindings)
        || (scan->depth == 1 && role == VP_XML_NOTHING)) {
        end_scan(scan);
        return;
    }
    count_qemu_uses(scan, role, prefix, uri, bindings, n_bindings, attributes, n_attributes);
    note_undeclared(scan, prefix, uri, attributes, n_attributes);
    if (role == VP_XML_NOTHING) {
        skip(scan, local, attributes, n_attributes);
        return;
    }
    node = append_node(scan, role);
    node->prefix = keep(scan, prefix);
    node->local = keep(scan, local);
    node->uri = keep(scan, namespace);
    node->qemu_uses = uses_before;
    copy_attributes(scan, node, attributes, n_attributes);
    copy_bindings(scan, node, bindings, n_bindings);
    set_start(scan, node);
    scan->current = node;
    if (has_text_in_index(role))
        g_string_truncate(scan->text, 0);
}

/* libxml2 has read the end tag, or the "/>". */
static void
close_current(Scan *scan)
{
    VpXmlNode *node = scan->current;

    node->end = consumed(scan);
    node->close = vp_xml_node_is_self_closing(node) ? node->end : find_tag(scan, node->end);
    node->qemu_uses = scan->qemu_uses - node->qemu_uses;
    if (has_text_in_index(node->role) && (node->role != VP_XML_INNER || !node->first))
        node->text = g_string_chunk_insert(scan->index->strings, scan->text->str);
    scan->current = node->parent;
}

static void
on_end(void *data, const xmlChar *local G_GNUC_UNUSED, const xmlChar *prefix G_GNUC_UNUSED,
       const xmlChar *uri G_GNUC_UNUSED)
{
    Scan *scan = data;

    if (scan->skipped > 0)
        scan->skipped--;
    else
        close_current(scan);
    if (scan->shadow == scan->depth)
        scan->shadow = 0;
    scan->n_bindings -= scan->bindings[scan->depth];
    scan->depth--;
}

/* --- what stands between tags -------------------------------------------- */

static void
on_text(void *data, const xmlChar *text, int len)
{
    Scan *scan = data;

    if (scan->current && has_text_in_index(scan->current->role))
        g_string_append_len(scan->text, (const char *)text, len);
    if (scan->current && scan->skipped == 0 && !scan->current->has_text)
        scan->current->has_text = !vp_xml_is_blank((const char *)text, len);
}

static void
note_other(Scan *scan)
{
    if (scan->current && scan->skipped == 0)
        scan->current->has_other = true;
}

static void
on_cdata(void *data, const xmlChar *text, int len)
{
    note_other(data);
    on_text(data, text, len);
}

static void
on_comment(void *data, const xmlChar *text G_GNUC_UNUSED)
{
    note_other(data);
}

static bool
is_mark(const VpXmlNode *parent, const xmlChar *target, const xmlChar *word)
{
    return g_str_equal(target, VP_XML_MARK_TARGET) && word &&
           g_strv_contains(mark_words, (const char *)word) &&
           (parent->role == VP_XML_DOMAIN || parent->role == VP_XML_METADATA ||
            parent->role == VP_XML_QEMU || parent->role == VP_XML_DEVICES ||
            parent->role == VP_XML_EMULATOR);
}

/* libxml2 has read up to behind the "?>". */
static void
on_instruction(void *data, const xmlChar *target, const xmlChar *word)
{
    Scan *scan = data;
    VpXmlNode *node = NULL;

    if (!check_names(scan)) {
        end_scan(scan);
        return;
    }
    if (!scan->current || scan->skipped > 0)
        return;
    if (!is_mark(scan->current, target, word)) {
        scan->current->has_other = true;
        return;
    }
    node = append_node(scan, VP_XML_MARKED);
    node->local = keep(scan, word);
    node->end = node->close = node->open_end = consumed(scan);
    node->start = find_tag(scan, node->end);
    set_line(scan, node);
}

static void
on_doctype(void *data, const xmlChar *name G_GNUC_UNUSED, const xmlChar *id G_GNUC_UNUSED,
           const xmlChar *uri G_GNUC_UNUSED)
{
    Scan *scan = data;

    scan->index->doctype = true;
    end_scan(scan);
}

#if LIBXML_VERSION >= 21200
typedef const xmlError Mistake;
#else
typedef xmlError Mistake;
#endif

/* libxml2 would read a document that is not well-formed to its end, without a word to us, so that
 * no limit of ours would hold. */
static void
on_mistake(void *data, Mistake *mistake)
{
    if (mistake->level == XML_ERR_FATAL)
        end_scan(data);
}

/* --- the index ----------------------------------------------------------- */

static void
free_node(VpXmlNode *node)
{
    VpXmlNode *next = NULL;

    if (!node)
        return;
    for (VpXmlNode *child = node->first; child; child = next) {
        next = child->next;
        free_node(child);
    }
    g_free(node->attributes);
    g_free(node->bindings);
    g_slice_free(VpXmlNode, node);
}

static void
drop_nodes(VpXmlIndex *index)
{
    free_node(index->root);
    index->root = NULL;
}

static void
set_handlers(xmlSAXHandler *sax)
{
    *sax = (xmlSAXHandler){
        .initialized = XML_SAX2_MAGIC,
        .internalSubset = on_doctype,
        .startElementNs = on_start,
        .endElementNs = on_end,
        .characters = on_text,
        .ignorableWhitespace = on_text,
        .cdataBlock = on_cdata,
        .comment = on_comment,
        .processingInstruction = on_instruction,
        .serror = on_mistake,
    };
}

static void
run(Scan *scan)
{
    const VpXmlText *text = &scan->index->text;

    set_handlers(scan->parser->sax);
    scan->parser->userData = scan;
    /* There are no entities to be replaced, but without NOENT an '&' in attributes is "&#38;". */
    xmlCtxtReadMemory(scan->parser, text->bytes, (int)text->len, NULL, NULL,
                      XML_PARSE_NOENT | XML_PARSE_NONET | XML_PARSE_NOERROR |
                          XML_PARSE_NOWARNING | XML_PARSE_IGNORE_ENC);
    if (scan->ended || !scan->parser->wellFormed)
        drop_nodes(scan->index);
}

static bool
scan_text(VpXmlIndex *index, GError **error)
{
    Scan scan = { .index = index, .line = 1 };
    guint attributes = vp_xml_text_attributes_max(&index->text);

    if (attributes > VP_XML_ATTRIBUTES_MAX) {
        g_set_error(error, VP_ERROR, VP_ERROR_LIMIT,
                    "an element has %u attributes, at most %u are allowed", attributes,
                    VP_XML_ATTRIBUTES_MAX);
        return false;
    }
    scan.parser = xmlNewParserCtxt();
    scan.text = g_string_new(NULL);
    run(&scan);
    xmlFreeParserCtxt(scan.parser);
    g_string_free(scan.text, TRUE);
    if (scan.error)
        g_propagate_error(error, scan.error);
    return !scan.error;
}

/* libxml2 has to be told once before threads use it. */
static void
init_library(void)
{
    static gsize done = 0;

    if (g_once_init_enter(&done)) {
        xmlInitParser();
        g_once_init_leave(&done, 1);
    }
}

VpXmlIndex *
vp_xml_index_new(const char *xml, GError **error)
{
    g_autoptr(VpXmlIndex) index = g_new0(VpXmlIndex, 1);

    init_library();
    index->strings = g_string_chunk_new(1024);
    if (vp_xml_text_init(&index->text, xml) && !scan_text(index, error))
        return NULL;
    return g_steal_pointer(&index);
}

void
vp_xml_index_free(VpXmlIndex *index)
{
    if (!index)
        return;
    drop_nodes(index);
    g_string_chunk_free(index->strings);
    vp_xml_text_clear(&index->text);
    g_free(index);
}

/* --- questions about nodes ----------------------------------------------- */

char *
vp_xml_node_name(const VpXmlNode *node)
{
    return g_strconcat(node->prefix, *node->prefix ? ":" : "", node->local, NULL);
}

const char *
vp_xml_node_attribute(const VpXmlNode *node, const char *local)
{
    for (guint i = 0; i < node->n_attributes; i++) {
        if (!*node->attributes[i].prefix && g_str_equal(node->attributes[i].local, local))
            return node->attributes[i].value;
    }
    return NULL;
}

const char *
vp_xml_node_lookup(const VpXmlNode *node, const char *prefix)
{
    for (; node; node = node->parent) {
        for (guint i = 0; i < node->n_bindings; i++) {
            if (g_str_equal(node->bindings[i].prefix, prefix))
                return node->bindings[i].uri;
        }
    }
    return *prefix ? NULL : "";
}

/* Cuts @text between characters. */
static void
cut(char *text, gsize max)
{
    if (strlen(text) > max)
        *g_utf8_find_prev_char(text, text + max) = '\0';
}

void
vp_xml_set_error(GError **error, VpError code, const VpXmlIndex *index, const VpXmlNode *node,
                 const char *format, ...)
{
    g_autofree char *name = vp_xml_node_name(node);
    g_autofree char *text = NULL;
    bool is_element = node->role != VP_XML_MARKED;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    cut(name, MESSAGE_MAX / 4);
    cut(text, MESSAGE_MAX);
    g_set_error(error, VP_ERROR, code, "line %u: <%s%s%s>: %s",
                node->line,
                is_element ? "" : "?" VP_XML_MARK_TARGET " ", name, is_element ? "" : "?", text);
}
