/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The QEMU words that give a domain its dedicated session:
 *
 *     -chardev socket,id=virtpass-qmp,path=DIR/virtpass-libvirt-UUID,server=on,wait=off
 *     -mon chardev=virtpass-qmp,mode=control
 *
 * "libvirt-UUID" is what the guest's AppArmor profile is called, so that one rule for all guests
 * lets each of them at its own socket only. Definitions of earlier versions have DIR/virtpass-UUID
 * and are known by that as well.
 *
 * They are known again by their form, since nothing else of ours survives in a definition that
 * was made under the policy "all": id and options have to be these, the path's last part has to
 * be made of some uuid. Directory and uuid may be another's: documents come from other hosts
 * and are copied. A word with the id but not the form is somebody else's, and a clash.
 *
 * In a QemuOpts value a comma is written twice when it is none between options.
 */

#include "xml/session_words.h"

#include "xml/passthrough.h"

#include <string.h>

#define HEAD "socket,id=" VP_XML_SESSION_CHARDEV ",path="
#define TAIL ",server=on,wait=off"
#define MON "chardev=" VP_XML_SESSION_CHARDEV ",mode=control"
#define OLD_PREFIX "virtpass-"
#define SOCKET_PREFIX OLD_PREFIX "libvirt-"
#define UUID_DIGITS 32

bool
vp_xml_uuid_canonical(const char *text, char ret_uuid[37])
{
    char hex[UUID_DIGITS + 1] = "";
    guint n = 0;
    const char *p = text;

    while (g_ascii_isspace(*p))
        p++;
    for (; n < UUID_DIGITS; p++) {
        if ((*p == '-' || *p == ' ') && n % 2 == 0)
            continue;
        if (!g_ascii_isxdigit(*p))
            return false;
        hex[n++] = g_ascii_tolower(*p);
    }
    while (g_ascii_isspace(*p))
        p++;
    if (*p)
        return false;
    g_snprintf(ret_uuid, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
               hex + 20);
    return true;
}

/* The options between HEAD and TAIL, commas as they are meant; NULL when it is not one option. */
static char *
undouble_commas(const char *text, gsize len)
{
    g_autoptr(GString) plain = g_string_sized_new(len);

    for (gsize i = 0; i < len; i++) {
        if (text[i] == ',' && (++i == len || text[i] != ','))
            return NULL;
        g_string_append_c(plain, text[i]);
    }
    return g_strdup(plain->str);
}

static char *
double_commas(const char *text)
{
    GString *doubled = g_string_new(NULL);

    for (; *text; text++)
        g_string_append(g_string_append_c(doubled, *text), *text == ',' ? "," : "");
    return g_string_free(doubled, FALSE);
}

static bool
is_canonical(const char *text)
{
    char uuid[37] = "";

    return vp_xml_uuid_canonical(text, uuid) && g_str_equal(text, uuid);
}

bool
vp_xml_is_session_path(const char *path)
{
    static const char *const prefixes[] = { "/" SOCKET_PREFIX, "/" OLD_PREFIX };
    const char *last = strrchr(path, '/');
    bool is = false;

    for (guint i = 0; i < G_N_ELEMENTS(prefixes) && *path == '/'; i++)
        is |= g_str_has_prefix(last, prefixes[i]) && is_canonical(last + strlen(prefixes[i]));
    return is;
}

/* The path in the value of a -chardev that has our form, else NULL. */
static char *
parse_chardev(const char *value)
{
    g_autofree char *path = NULL;

    if (!g_str_has_prefix(value, HEAD) || !g_str_has_suffix(value, TAIL) ||
        strlen(value) < strlen(HEAD TAIL))
        return NULL;
    path = undouble_commas(value + strlen(HEAD), strlen(value) - strlen(HEAD TAIL));
    if (!path || !vp_xml_is_session_path(path))
        return NULL;
    return g_steal_pointer(&path);
}

static char *
print_chardev(const char *path)
{
    g_autofree char *doubled = double_commas(path);

    return g_strconcat(HEAD, doubled, TAIL, NULL);
}

char *
vp_xml_session_path(const char *dir, const char *uuid)
{
    return g_strconcat(dir, g_str_has_suffix(dir, "/") ? "" : "/", SOCKET_PREFIX, uuid, NULL);
}

/* The word that a child of <qemu:commandline> adds to the command line; "" if it is none. */
static const char *
word_of(const VpXmlNode *child)
{
    const char *value = NULL;

    if (child && vp_xml_node_is(child, VP_XML_QEMU_NS, "arg"))
        value = vp_xml_node_attribute(child, "value");
    return value ? value : "";
}

/* Whether the words begin at @first, each in the sibling after the one before. */
static bool
match(const VpXmlNode *first, VpXmlSessionWords *words)
{
    static const char *const wanted[VP_XML_SESSION_WORDS] = { "-chardev", NULL, "-mon", MON };
    g_autofree char *path = NULL;
    const VpXmlNode *node = first;

    for (guint i = 0; i < VP_XML_SESSION_WORDS; i++) {
        if (wanted[i] && !g_str_equal(word_of(node), wanted[i]))
            return false;
        words->args[i] = node;
        node = node ? node->next : NULL;
    }
    path = parse_chardev(word_of(words->args[1]));
    return path != NULL;
}

void
vp_xml_session_words_find(const VpXmlNode *commandline, GArray *found)
{
    const VpXmlNode *child = commandline->first;

    while (child) {
        VpXmlSessionWords words = { .commandline = commandline };

        if (match(child, &words)) {
            g_array_append_val(found, words);
            child = words.args[VP_XML_SESSION_WORDS - 1];
        }
        child = child->next;
    }
}

char *
vp_xml_session_words_path(const VpXmlSessionWords *words)
{
    return parse_chardev(word_of(words->args[1]));
}

void
vp_xml_session_words_print(VpXmlBlock *block, guint depth, const char *prefix, const char *path)
{
    g_autofree char *chardev = print_chardev(path);
    const char *const words[VP_XML_SESSION_WORDS] = { "-chardev", chardev, "-mon", MON };

    for (guint i = 0; i < VP_XML_SESSION_WORDS; i++) {
        g_autofree char *value = vp_xml_escape(words[i]);

        vp_xml_block_add(block, depth, "<%sarg value='%s'/>", prefix, value);
    }
}

void
vp_xml_session_words_set_path(const VpXmlSessionWords *words, const char *path, const char *bytes,
                              VpXmlEdits *edits)
{
    const VpXmlNode *arg = words->args[1];
    g_autofree char *chardev = print_chardev(path);
    g_autofree char *value = NULL;
    VpXmlRange whole = { 0 };
    VpXmlRange old = { 0 };

    if (g_str_equal(word_of(arg), chardev) ||
        !vp_xml_find_attribute(bytes, arg->start, "value", &whole, &old))
        return;
    value = vp_xml_escape(chardev);
    vp_xml_edits_replace(edits, old.from, old.to, value);
}

bool
vp_xml_session_words_use_id(const char *value)
{
    g_auto(GStrv) options = NULL;

    if (!strstr(value, VP_XML_SESSION_CHARDEV))
        return false;
    options = g_strsplit(value, ",", -1);

    return g_strv_contains((const char *const *)options, "id=" VP_XML_SESSION_CHARDEV);
}

const VpXmlNode *
vp_xml_session_words_clash(const VpXmlNode *commandline, GHashTable *ours)
{
    for (const VpXmlNode *child = commandline->first; child; child = child->next) {
        if (!g_hash_table_contains(ours, child) && vp_xml_session_words_use_id(word_of(child)))
            return child;
    }
    return NULL;
}
