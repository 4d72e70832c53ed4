/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/passthrough.h"

/* Pieces of documents that several tests put together. */

#define XMLNS_QEMU " xmlns:qemu='" VP_XML_QEMU_NS "'"
#define XMLNS_VIRTPASS " xmlns:virtpass='" VP_XML_VIRTPASS_NS "'"

#define UUID "c7a5fdbd-cdaf-9455-926a-d65c16db1809"
#define OTHER_UUID "00000000-1111-2222-3333-444444444444"

#define OPEN "<domain type='kvm'>\n  <name>a</name>\n  <uuid>" UUID "</uuid>\n"
#define OPEN_QEMU                                                                                  \
    "<domain type='kvm'" XMLNS_QEMU ">\n  <name>a</name>\n  <uuid>" UUID "</uuid>\n"
#define CLOSE "</domain>\n"

/* The words of a session, @indent before each. */
#define WORDS_AT(before, path, behind)                                                             \
    before "<qemu:arg value='-chardev'/>" behind before                                            \
           "<qemu:arg value='socket,id=virtpass-qmp,path=" path ",server=on,wait=off'/>" behind    \
               before "<qemu:arg value='-mon'/>" behind before                                     \
           "<qemu:arg value='chardev=virtpass-qmp,mode=control'/>" behind
#define SOCKET "/run/s/virtpass-libvirt-" UUID
#define WORD_LINES WORDS_AT("    ", SOCKET, "\n")
#define WORDS WORDS_AT("", SOCKET, "")

/* What is added for the words where there was no <qemu:commandline>. */
#define ADDED                                                                                      \
    "  <qemu:commandline" XMLNS_QEMU ">\n" WORD_LINES "  </qemu:commandline>\n"

#define KEPT "<?virtpass kept?>"
#define EMPTY "<?virtpass empty?>"
#define CLOSED "<?virtpass closed?>"

#define ASK "<qemu:monitorpassthrough session='shared'/>"
#define PASSTHROUGH_OPEN "<virtpass:passthrough" XMLNS_VIRTPASS XMLNS_QEMU ">"
#define PASSTHROUGH_CLOSE "</virtpass:passthrough>"
#define PASSTHROUGH(text) PASSTHROUGH_OPEN text PASSTHROUGH_CLOSE
#define METADATA(text)                                                                             \
    "  <metadata>\n    " PASSTHROUGH_OPEN "\n      " text "\n    " PASSTHROUGH_CLOSE               \
    "\n  </metadata>\n"

static const VpXmlRules rules_all G_GNUC_UNUSED = { .policy = VP_POLICY_ALL,
                                                    .session_dir = "/run/s" };
static const VpXmlRules rules_requested G_GNUC_UNUSED = { .policy = VP_POLICY_REQUESTED,
                                                          .session_dir = "/run/s" };

/* The document that @xml becomes; no error is expected. */
static inline char *
translated(const VpXmlRules *rules, const char *xml)
{
    g_autoptr(GError) error = NULL;
    char *result = NULL;
    bool ok = vp_xml_translate(rules, xml, &result, &error);

    g_assert_no_error(error);
    g_assert_true(ok);
    return result ? result : g_strdup(xml);
}

static inline char *
restored(const char *xml)
{
    g_autoptr(GError) error = NULL;
    char *result = NULL;
    bool ok = vp_xml_restore(xml, &result, &error);

    g_assert_no_error(error);
    g_assert_true(ok);
    return result ? result : g_strdup(xml);
}

/* Not a byte would be changed, and the caller is told so. */
static inline void
assert_unchanged_by_translate(const VpXmlRules *rules, const char *xml)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *result = NULL;

    g_assert_true(vp_xml_translate(rules, xml, &result, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(result, ==, NULL);
}

static inline void
assert_unchanged_by_restore(const char *xml)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *result = NULL;

    g_assert_true(vp_xml_restore(xml, &result, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(result, ==, NULL);
}
