/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The document as text: what has to be settled before and beside libxml2.
 *
 * Encoding. Edits are made at byte offsets that libxml2 reports, and these mean something only
 * when libxml2 reads the bytes as they are. So a document that declares another encoding than
 * UTF-8 is converted here, its declaration with it, and libxml2 is told to trust nobody else.
 * What cannot be converted is not ours to judge: libvirtd gets it as it came.
 *
 * Attributes. libxml2 compares each attribute of a tag with all the others, so that one tag of
 * a document within libvirt's 4 MiB can keep it busy for minutes, and this daemon with all its
 * clients. Counting them first needs no more than to know tags from comments, CDATA sections
 * and processing instructions. The count may be too high in a document that is not well-formed,
 * never too low in the part that libxml2 reads.
 */

#include "xml/text.h"

#include <string.h>

#define BOM "\xef\xbb\xbf"

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool
vp_xml_is_blank(const char *bytes, gsize len)
{
    for (gsize i = 0; i < len; i++) {
        if (!is_space(bytes[i]))
            return false;
    }
    return true;
}

char *
vp_xml_escape(const char *value)
{
    static const char *const escapes[128] = {
        ['\t'] = "&#9;", ['\n'] = "&#10;", ['\r'] = "&#13;", ['"'] = "&quot;",
        ['&'] = "&amp;", ['\''] = "&apos;", ['<'] = "&lt;", ['>'] = "&gt;",
    };
    GString *text = g_string_new(NULL);

    for (const guchar *p = (const guchar *)value; *p; p++) {
        if (*p < G_N_ELEMENTS(escapes) && escapes[*p])
            g_string_append(text, escapes[*p]);
        else
            g_string_append_c(text, (char)*p);
    }
    return g_string_free(text, FALSE);
}

/* One name="value" at *@at, white space before it included; moves *@at behind it. */
static bool
next_attribute(const char *bytes, gsize *at, VpXmlRange *ret_name, VpXmlRange *ret_value)
{
    gsize i = *at;
    const char *quote = NULL;

    i += strspn(bytes + i, " \t\r\n");
    ret_name->from = i;
    i += strcspn(bytes + i, " \t\r\n=<>/?\"'");
    ret_name->to = i;
    i += strspn(bytes + i, " \t\r\n");
    if (ret_name->from == ret_name->to || bytes[i] != '=')
        return false;
    i++;
    i += strspn(bytes + i, " \t\r\n");
    if (bytes[i] != '"' && bytes[i] != '\'')
        return false;
    quote = strchr(bytes + i + 1, bytes[i]);
    if (!quote)
        return false;
    *ret_value = (VpXmlRange){ i + 1, quote - bytes };
    *at = ret_value->to + 1;
    return true;
}

bool
vp_xml_find_attribute(const char *bytes, gsize tag, const char *name, VpXmlRange *ret_whole,
                      VpXmlRange *ret_value)
{
    gsize at = tag + strcspn(bytes + tag, " \t\r\n/>");
    VpXmlRange found = { 0 };
    VpXmlRange value = { 0 };

    for (gsize before = at; next_attribute(bytes, &at, &found, &value); before = at) {
        if (strlen(name) == found.to - found.from &&
            memcmp(bytes + found.from, name, strlen(name)) == 0) {
            *ret_whole = (VpXmlRange){ before, at };
            *ret_value = value;
            return true;
        }
    }
    return false;
}

/* Where the encoding is declared that the bytes are in; false when they are UTF-8. */
static bool
find_foreign_encoding(const char *xml, VpXmlRange *ret_name)
{
    static const char *const ours[] = { "UTF-8", "UTF8" };
    VpXmlRange whole = { 0 };
    g_autofree char *name = NULL;

    /* a byte order mark has the last word */
    if (!g_str_has_prefix(xml, "<?xml") || !is_space(xml[strlen("<?xml")]) ||
        !vp_xml_find_attribute(xml, 0, "encoding", &whole, ret_name))
        return false;
    name = g_strndup(xml + ret_name->from, ret_name->to - ret_name->from);
    for (gsize i = 0; i < G_N_ELEMENTS(ours); i++) {
        if (g_ascii_strcasecmp(name, ours[i]) == 0)
            return false;
    }
    return true;
}

/* XML's grammar for names of encodings; iconv would read more into other characters. */
static bool
is_encoding_name(const char *name)
{
    return g_ascii_isalpha(name[0]) &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
               strlen(name);
}

/* NULL when that cannot be done. */
static char *
convert(const char *xml, const VpXmlRange *declared)
{
    g_autofree char *name = g_strndup(xml + declared->from, declared->to - declared->from);
    g_autofree char *head = NULL;
    g_autofree char *tail = NULL;
    gsize size = 0;

    if (!is_encoding_name(name))
        return NULL;
    head = g_strndup(xml, declared->from);
    tail = g_convert(xml + declared->to, -1, "UTF-8", name, NULL, &size, NULL);
    if (!tail || strlen(tail) != size)
        return NULL;
    return g_strconcat(head, "UTF-8", tail, NULL);
}

/* Nearly all documents are ASCII, and the compiler makes this loop look at many bytes at once. */
static bool
is_utf8(const char *bytes, gsize len)
{
    guint8 bits = 0;

    for (gsize i = 0; i < len; i++)
        bits |= (guint8)bytes[i];
    return bits < 0x80 || g_utf8_validate(bytes, len, NULL);
}

bool
vp_xml_text_init(VpXmlText *text, const char *xml)
{
    VpXmlRange declared = { 0 };

    *text = (VpXmlText){ .bytes = xml };
    if (find_foreign_encoding(xml, &declared)) {
        text->converted = convert(xml, &declared);
        if (!text->converted)
            return false;
        text->bytes = text->converted;
    }
    text->len = strlen(text->bytes);
    return is_utf8(text->bytes, text->len);
}

void
vp_xml_text_clear(VpXmlText *text)
{
    g_free(text->converted);
    *text = (VpXmlText){ 0 };
}

/* Counts what can be an attribute of the tag at @tag; moves *@tag behind it. */
static guint
count_attributes(const char **tag)
{
    guint n = 0;
    const char *p = *tag;

    for (p += strcspn(p, "=\"'>"); *p && *p != '>'; p += strcspn(p, "=\"'>")) {
        if (*p == '=') {
            n++;
        } else {
            p = strchr(p + 1, *p);
            if (!p) {
                p = "";
                break;
            }
        }
        p++;
    }
    *tag = p;
    return n;
}

/* What is behind the first @tail with a '>' at @content or later. strstr() would do, but under
 * AddressSanitizer it measures the whole rest of the document each time. */
static const char *
skip_to(const char *content, const char *tail)
{
    gsize len = strlen(tail);

    for (const char *p = strchr(content, '>'); p; p = strchr(p + 1, '>')) {
        if ((gsize)(p - content) >= len && memcmp(p - len, tail, len) == 0)
            return p + 1;
    }
    return "";
}

/* What is behind the comment, CDATA section or instruction at @p; NULL when @p is a tag. */
static const char *
skip_no_tag(const char *p)
{
    static const struct {
        const char *start;
        const char *tail; /* before the '>' that ends it */
    } kinds[] = {
        { "<!--", "--" },
        { "<![CDATA[", "]]" },
        { "<?", "?" },
    };

    if (p[1] != '!' && p[1] != '?') /* nearly all are tags */
        return NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (g_str_has_prefix(p, kinds[i].start))
            return skip_to(p + strlen(kinds[i].start), kinds[i].tail);
    }
    return NULL;
}

guint
vp_xml_text_attributes_max(const VpXmlText *text)
{
    guint most = 0;

    for (const char *p = strchr(text->bytes, '<'); p; p = strchr(p, '<')) {
        const char *behind = skip_no_tag(p);
        guint n = behind ? 0 : count_attributes(&p);

        most = MAX(most, n);
        if (behind)
            p = behind;
    }
    return most;
}
