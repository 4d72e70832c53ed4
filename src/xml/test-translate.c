/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Author's form -> upstream form, rule by rule, and back where that is the same text. */

#include "xml/test-helpers.h"

#include <string.h>

/* @author becomes @upstream, that becomes @author again, and a second time changes nothing. */
static void
assert_there_and_back(const VpXmlRules *rules, const char *author, const char *upstream)
{
    g_autofree char *there = translated(rules, author);
    g_autofree char *back = restored(there);

    g_assert_cmpstr(there, ==, upstream);
    g_assert_cmpstr(back, ==, author);
    assert_unchanged_by_translate(rules, upstream);
}

typedef struct Pair {
    const char *author;
    const char *upstream;
} Pair;

#define ASSERT_ALL(rules, pairs)                                                                   \
    do {                                                                                           \
        for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++)                                            \
            assert_there_and_back(rules, pairs[i].author, pairs[i].upstream);                      \
    } while (0)

/* --- which session ------------------------------------------------------- */

static void
test_policy_all(void)
{
    static const Pair pairs[] = {
        { OPEN CLOSE, OPEN ADDED CLOSE },
        { "<domain type='qemu'><name>a</name><uuid>" UUID "</uuid></domain>",
          "<domain type='qemu'><name>a</name><uuid>" UUID "</uuid><qemu:commandline" XMLNS_QEMU
          ">" WORDS "</qemu:commandline></domain>" },
        { OPEN_QEMU CLOSE, OPEN_QEMU ADDED CLOSE },
        { "<domain type='hvf'>\n\t<uuid>" UUID "</uuid>\n\t</domain>",
          "<domain type='hvf'>\n\t<uuid>" UUID "</uuid>\n\t  <qemu:commandline" XMLNS_QEMU ">\n"
          WORDS_AT("\t    ", SOCKET, "\n") "\t  </qemu:commandline>\n\t</domain>" },
    };

    ASSERT_ALL(&rules_all, pairs);
}

static void
test_policy_requested(void)
{
    static const Pair pairs[] = {
        { OPEN_QEMU "  <qemu:monitorpassthrough/>\n" CLOSE,
          OPEN_QEMU "  " KEPT "\n" METADATA("<qemu:monitorpassthrough/>") ADDED CLOSE },
    };

    assert_unchanged_by_translate(&rules_requested, OPEN CLOSE);
    assert_unchanged_by_translate(&rules_requested, OPEN_QEMU CLOSE);
    ASSERT_ALL(&rules_requested, pairs);
}

static void
test_session_attribute(void)
{
    static const Pair pairs[] = {
        { OPEN_QEMU "  " ASK "\n" CLOSE, OPEN_QEMU "  " KEPT "\n" METADATA(ASK) CLOSE },
        { OPEN_QEMU "  <qemu:monitorpassthrough session='none'/>\n" CLOSE,
          OPEN_QEMU "  " KEPT "\n" METADATA("<qemu:monitorpassthrough session='none'/>") CLOSE },
        { OPEN_QEMU "<qemu:monitorpassthrough\nsession=\"dedicated\" />\n" CLOSE,
          OPEN_QEMU KEPT "\n" METADATA("<qemu:monitorpassthrough\nsession=\"dedicated\" />")
          ADDED CLOSE },
        { OPEN_QEMU "<qemu:monitorpassthrough> <!-- why --> </qemu:monitorpassthrough>\n" CLOSE,
          OPEN_QEMU KEPT "\n"
          METADATA("<qemu:monitorpassthrough> <!-- why --> </qemu:monitorpassthrough>")
          ADDED CLOSE },
    };

    ASSERT_ALL(&rules_all, pairs);
}

/* --- where things go ----------------------------------------------------- */

static void
test_commandline(void)
{
    static const Pair pairs[] = {
        { OPEN_QEMU "  <qemu:commandline>\n    <qemu:arg value='-S'/>\n  </qemu:commandline>\n"
          CLOSE,
          OPEN_QEMU "  <qemu:commandline>\n    <qemu:arg value='-S'/>\n" WORD_LINES
          "  </qemu:commandline>\n" CLOSE },
        { OPEN "<q:commandline xmlns:q='" VP_XML_QEMU_NS "'><q:arg value='-S'/></q:commandline>"
          CLOSE,
          OPEN "<q:commandline xmlns:q='" VP_XML_QEMU_NS "'><q:arg value='-S'/>"
          "<q:arg value='-chardev'/><q:arg value='socket,id=virtpass-qmp,path=" SOCKET
          ",server=on,wait=off'/><q:arg value='-mon'/>"
          "<q:arg value='chardev=virtpass-qmp,mode=control'/></q:commandline>" CLOSE },
        { OPEN "<commandline xmlns='" VP_XML_QEMU_NS "'>-S</commandline>" CLOSE,
          OPEN "<commandline xmlns='" VP_XML_QEMU_NS "'>-S<arg value='-chardev'/>"
          "<arg value='socket,id=virtpass-qmp,path=" SOCKET ",server=on,wait=off'/>"
          "<arg value='-mon'/><arg value='chardev=virtpass-qmp,mode=control'/></commandline>"
          CLOSE },
        /* one that is empty is its author's all the same */
        { OPEN_QEMU "  <qemu:commandline/>\n" CLOSE,
          OPEN_QEMU "  <qemu:commandline>" CLOSED WORDS "</qemu:commandline>\n" CLOSE },
        { OPEN_QEMU "  <qemu:commandline a='>' />\n" CLOSE,
          OPEN_QEMU "  <qemu:commandline a='>' >" CLOSED WORDS "</qemu:commandline>\n" CLOSE },
        { OPEN_QEMU "  <qemu:commandline>\n  </qemu:commandline>\n" CLOSE,
          OPEN_QEMU "  <qemu:commandline>" EMPTY WORDS "\n  </qemu:commandline>\n" CLOSE },
        { OPEN_QEMU "  <qemu:commandline><!-- none --></qemu:commandline>\n" CLOSE,
          OPEN_QEMU "  <qemu:commandline><!-- none -->" WORDS "</qemu:commandline>\n" CLOSE },
        { OPEN_QEMU "  <qemu:commandline><![CDATA[]]></qemu:commandline>\n" CLOSE,
          OPEN_QEMU "  <qemu:commandline><![CDATA[]]>" WORDS "</qemu:commandline>\n" CLOSE },
        /* the last of several; libvirt reads them all */
        { OPEN_QEMU "<qemu:commandline/><qemu:commandline><qemu:env name='a'/></qemu:commandline>"
          CLOSE,
          OPEN_QEMU "<qemu:commandline/><qemu:commandline><qemu:env name='a'/>" WORDS
          "</qemu:commandline>" CLOSE },
    };

    ASSERT_ALL(&rules_all, pairs);
}

static void
test_stray_pair(void)
{
    static const char *const pair =
        "    <qemu:arg value='-chardev'/>\n"
        "    <qemu:arg value='socket,id=mine,path=" SOCKET ",server=on,wait=off'/>\n"
        "    <qemu:arg value='-mon'/>\n"
        "    <qemu:arg value='chardev=mine,mode=control'/>\n";
    g_autofree char *author = g_strconcat(OPEN_QEMU "  <qemu:commandline>\n", pair,
                                          "  </qemu:commandline>\n" CLOSE, NULL);
    g_autofree char *upstream = g_strconcat(OPEN_QEMU "  <qemu:commandline>\n", pair,
                                            WORD_LINES "  </qemu:commandline>\n" CLOSE, NULL);

    assert_there_and_back(&rules_all, author, upstream);
}

static void
test_metadata(void)
{
    static const Pair pairs[] = {
        { OPEN_QEMU "  <metadata>\n    <a xmlns='urn:a'/>\n  </metadata>\n  " ASK "\n" CLOSE,
          OPEN_QEMU "  <metadata>\n    <a xmlns='urn:a'/>\n    " PASSTHROUGH_OPEN "\n      " ASK
          "\n    " PASSTHROUGH_CLOSE "\n  </metadata>\n  " KEPT "\n" CLOSE },
        { OPEN_QEMU "<metadata><!-- a --></metadata>" ASK CLOSE,
          OPEN_QEMU "<metadata><!-- a -->" PASSTHROUGH(ASK) "</metadata>" KEPT CLOSE },
        { OPEN_QEMU "<metadata/>" ASK CLOSE,
          OPEN_QEMU "<metadata>" CLOSED PASSTHROUGH(ASK) "</metadata>" KEPT CLOSE },
        { OPEN_QEMU "<metadata>\n</metadata>" ASK CLOSE,
          OPEN_QEMU "<metadata>" EMPTY PASSTHROUGH(ASK) "\n</metadata>" KEPT CLOSE },
        { "<domain type='kvm'" XMLNS_QEMU ">" ASK "</domain>",
          "<domain type='kvm'" XMLNS_QEMU ">" KEPT "<metadata>" PASSTHROUGH(ASK)
          "</metadata></domain>" },
    };

    ASSERT_ALL(&rules_all, pairs);
}

static void
test_namespaces(void)
{
    static const Pair pairs[] = {
        /* declared on the element itself: nothing is needed */
        { OPEN "<q:monitorpassthrough xmlns:q='" VP_XML_QEMU_NS "' session='none'/>" CLOSE,
          OPEN KEPT "<metadata><virtpass:passthrough" XMLNS_VIRTPASS
          "><q:monitorpassthrough xmlns:q='" VP_XML_QEMU_NS "' session='none'/>"
          PASSTHROUGH_CLOSE "</metadata>" CLOSE },
        { OPEN "<monitorpassthrough xmlns='" VP_XML_QEMU_NS "' session='none'/>" CLOSE,
          OPEN KEPT "<metadata><virtpass:passthrough" XMLNS_VIRTPASS
          "><monitorpassthrough xmlns='" VP_XML_QEMU_NS "' session='none'/>"
          PASSTHROUGH_CLOSE "</metadata>" CLOSE },
        /* our own prefix, taken */
        { "<domain type='kvm' xmlns:virtpass='" VP_XML_QEMU_NS
          "'><virtpass:monitorpassthrough session='none'/></domain>",
          "<domain type='kvm' xmlns:virtpass='" VP_XML_QEMU_NS
          "'>" KEPT "<metadata><virtpass2:passthrough xmlns:virtpass2='" VP_XML_VIRTPASS_NS
          "' xmlns:virtpass='" VP_XML_QEMU_NS
          "'><virtpass:monitorpassthrough session='none'/></virtpass2:passthrough></metadata>"
          "</domain>" },
        /* a prefix that <metadata> uses for something else */
        { OPEN_QEMU "<metadata xmlns:qemu='urn:x'/><qemu:monitorpassthrough session='none'/>" CLOSE,
          OPEN_QEMU "<metadata xmlns:qemu='urn:x'>" CLOSED
          PASSTHROUGH("<qemu:monitorpassthrough session='none'/>") "</metadata>" KEPT CLOSE },
        /* no use of a prefix that only looks like libvirt's */
        { "<domain type='kvm' xmlns:qemu='urn:x'><name>a</name><uuid>" UUID
          "</uuid><qemu:commandline/></domain>",
          "<domain type='kvm' xmlns:qemu='urn:x'><name>a</name><uuid>" UUID
          "</uuid><qemu:commandline/><qemu:commandline" XMLNS_QEMU ">" WORDS
          "</qemu:commandline></domain>" },
    };

    ASSERT_ALL(&rules_all, pairs);
}

static void
test_nested_documents(void)
{
    static const Pair pairs[] = {
        { "<domainsnapshot>\n  <name>s</name>\n" OPEN CLOSE
          "  <inactiveDomain type='kvm'>\n    <name>a</name>\n    <uuid>" OTHER_UUID
          "</uuid>\n  </inactiveDomain>\n</domainsnapshot>\n",
          "<domainsnapshot>\n  <name>s</name>\n" OPEN ADDED CLOSE
          "  <inactiveDomain type='kvm'>\n    <name>a</name>\n    <uuid>" OTHER_UUID "</uuid>\n"
          "    <qemu:commandline" XMLNS_QEMU ">\n"
          WORDS_AT("      ", "/run/s/virtpass-libvirt-" OTHER_UUID, "\n")
          "    </qemu:commandline>\n  </inactiveDomain>\n</domainsnapshot>\n" },
        { "<domaincheckpoint" XMLNS_QEMU "><domain type='kvm'><uuid>" UUID "</uuid>" ASK
          "</domain></domaincheckpoint>",
          "<domaincheckpoint" XMLNS_QEMU "><domain type='kvm'><uuid>" UUID "</uuid>" KEPT
          "<metadata>" PASSTHROUGH(ASK) "</metadata></domain></domaincheckpoint>" },
    };

    ASSERT_ALL(&rules_all, pairs);
}

/* --- what is left alone -------------------------------------------------- */

static void
test_unchanged(void)
{
    static const char *const documents[] = {
        "",
        "not XML",
        "<domain type='kvm'><name>a</name><uuid>" UUID "</uuid>",
        "<network><name>a</name></network>",
        "<domain><name>a</name><uuid>" UUID "</uuid></domain>",
        "<domain type='xen'" XMLNS_QEMU "><uuid>" UUID "</uuid>" ASK "</domain>",
        "<domain type='lxc'><name>a</name><uuid>" UUID "</uuid></domain>",
        "<domain type='KVM'><name>a</name><uuid>" UUID "</uuid></domain>",
        "<domain type='kvm'/>",
        /* libvirt refuses these */
        "<domain type='kvm'></domain>",
        "<domain type='kvm'><name>a</name><uuid>nonsense</uuid></domain>",
        "<domain type='kvm'><name>a</name><uuid> </uuid></domain>",
        /* the old form of snapshots */
        "<domainsnapshot><domain><uuid>" UUID "</uuid></domain></domainsnapshot>",
        "<domainsnapshot><memory><domain type='kvm'><uuid>" UUID
        "</uuid></domain></memory></domainsnapshot>",
        "<!DOCTYPE domain>" OPEN CLOSE,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(documents); i++) {
        assert_unchanged_by_translate(&rules_all, documents[i]);
        assert_unchanged_by_restore(documents[i]);
    }
}

/* Nothing that libvirt knows moves, and nothing that looks like ours but is not. */
static void
test_not_ours(void)
{
    static const char *const insides[] = {
        "<qemu:capabilities><qemu:add capability='x'/></qemu:capabilities>",
        "<qemu:override/><qemu:deprecation behavior='omit'/>",
        "<devices><qemu:monitorpassthrough session='none'/></devices>",
        "<!-- <qemu:monitorpassthrough session='none'/> -->",
        "<title><![CDATA[<qemu:monitorpassthrough session='none'/>]]></title>",
        "<monitorpassthrough session='none'/>",
        "<x:monitorpassthrough xmlns:x='urn:x'/>",
        "<undeclared:monitorpassthrough/>",
        "<metadata><x:passthrough xmlns:x='urn:x'/></metadata>",
        "<?other <qemu:monitorpassthrough/>?>",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(insides); i++) {
        g_autofree char *xml = g_strconcat(OPEN_QEMU, insides[i], "\n" CLOSE, NULL);
        g_autofree char *upstream = g_strconcat(OPEN_QEMU, insides[i], "\n" ADDED CLOSE, NULL);

        assert_unchanged_by_translate(&rules_requested, xml);
        assert_unchanged_by_restore(xml);
        assert_there_and_back(&rules_all, xml, upstream);
    }
}

/* --- uuid ---------------------------------------------------------------- */

static void
test_uuid_forms(void)
{
    static const char *const forms[] = {
        "C7A5FDBD-CDAF-9455-926A-D65C16DB1809",
        "c7a5fdbdcdaf9455926ad65c16db1809",
        "\n " UUID "\n",
        "<!-- x -->" UUID,
        "<![CDATA[" UUID "]]>",
        "<b>c7a5fdbd</b>-cdaf-9455-926a-d65c16db1809",
        UUID "</uuid><uuid>" OTHER_UUID,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autofree char *xml = g_strconcat("<domain type='kvm'>\n<name>a</name><uuid>", forms[i],
                                           "</uuid>\n" CLOSE, NULL);
        g_autofree char *upstream = g_strconcat("<domain type='kvm'>\n<name>a</name><uuid>",
                                                forms[i], "</uuid>\n" ADDED CLOSE, NULL);

        assert_there_and_back(&rules_all, xml, upstream);
    }
}

/* Cuts the uuid that stands behind @before out of @text. */
static char *
cut_uuid(const char *text, const char *before)
{
    const char *found = strstr(text, before);

    g_assert_nonnull(found);
    found += strlen(before);
    return g_strndup(found, strlen(UUID));
}

static void
test_uuid_made(void)
{
    static const Pair pairs[] = {
        { "<domain type='kvm'>\n  <name>a</name>\n</domain>",
          "<domain type='kvm'>\n  <name>a</name>\n  <uuid>%s</uuid>\n</domain>" },
        { "<domain type='kvm'><name>a</name></domain>",
          "<domain type='kvm'><name>a</name><uuid>%s</uuid></domain>" },
        { "<domain type='kvm'><name>a</name> <uuid/></domain>",
          "<domain type='kvm'><name>a</name> <uuid>%s</uuid></domain>" },
        { "<domain type='kvm'><uuid></uuid><name>a</name></domain>",
          "<domain type='kvm'><uuid>%s</uuid><name>a</name></domain>" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_autofree char *there = translated(&rules_all, pairs[i].author);
        g_autofree char *other = translated(&rules_all, pairs[i].author);
        g_autofree char *uuid = cut_uuid(there, "<uuid>");
        g_autofree char *other_uuid = cut_uuid(other, "<uuid>");
        g_autofree char *in_path = cut_uuid(there, "path=/run/s/virtpass-libvirt-");
        g_autofree char *back = restored(there);
        g_auto(GStrv) halves = g_strsplit(pairs[i].upstream, "%s", 2);
        g_autofree char *wanted = g_strjoin(uuid, halves[0], halves[1], NULL);

        g_assert_true(g_uuid_string_is_valid(uuid));
        g_assert_cmpstr(uuid, !=, other_uuid);
        g_assert_cmpstr(uuid, ==, in_path);
        g_assert_cmpstr(back, ==, wanted);
        assert_unchanged_by_translate(&rules_all, there);
    }
    assert_unchanged_by_translate(&rules_requested, pairs[0].author);
}

/* --- upstream form comes in ---------------------------------------------- */

static void
test_renewal(void)
{
    static const VpXmlRules elsewhere = { .policy = VP_POLICY_ALL,
                                          .session_dir = "/else,where&" };
    static const struct {
        const VpXmlRules *rules;
        const char *before;
        const char *after;
    } cases[] = {
        /* another host's directory, another domain's uuid, both */
        { &elsewhere, OPEN ADDED CLOSE,
          OPEN "  <qemu:commandline" XMLNS_QEMU ">\n"
          WORDS_AT("    ", "/else,,where&amp;/virtpass-libvirt-" UUID, "\n")
          "  </qemu:commandline>\n" CLOSE },
        { &rules_all,
          OPEN_QEMU "<qemu:commandline>" WORDS_AT(" ", "/run/s/virtpass-libvirt-" OTHER_UUID, "")
          "</qemu:commandline>" CLOSE,
          OPEN_QEMU "<qemu:commandline>" WORDS_AT(" ", SOCKET, "") "</qemu:commandline>" CLOSE },
        { &rules_all,
          OPEN_QEMU "<qemu:commandline><qemu:arg value='-S'/>"
          WORDS_AT("\n", "/x/virtpass-libvirt-" OTHER_UUID, "")
          "<qemu:env name='a'/></qemu:commandline>" CLOSE,
          OPEN_QEMU "<qemu:commandline><qemu:arg value='-S'/>" WORDS_AT("\n", SOCKET, "")
          "<qemu:env name='a'/></qemu:commandline>" CLOSE },
        /* the form of earlier versions */
        { &rules_all,
          OPEN_QEMU "<qemu:commandline>" WORDS_AT(" ", "/run/s/virtpass-" UUID, "")
          "</qemu:commandline>" CLOSE,
          OPEN_QEMU "<qemu:commandline>" WORDS_AT(" ", SOCKET, "") "</qemu:commandline>" CLOSE },
        /* what is kept decides, the policy where nothing is kept */
        { &rules_requested,
          OPEN METADATA("<qemu:monitorpassthrough/>") CLOSE,
          OPEN METADATA("<qemu:monitorpassthrough/>") ADDED CLOSE },
        { &rules_all, OPEN METADATA(ASK) ADDED CLOSE, OPEN METADATA(ASK) CLOSE },
        { &rules_requested, OPEN ADDED CLOSE, OPEN CLOSE },
        { &rules_requested,
          OPEN_QEMU "  <qemu:commandline>\n    <qemu:arg value='-S'/>\n" WORD_LINES
          "  </qemu:commandline>\n" CLOSE,
          OPEN_QEMU "  <qemu:commandline>\n    <qemu:arg value='-S'/>\n  </qemu:commandline>\n"
          CLOSE },
        { &rules_requested,
          OPEN_QEMU "  <qemu:commandline>" CLOSED WORDS "</qemu:commandline>\n" CLOSE,
          OPEN_QEMU "  <qemu:commandline/>\n" CLOSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *after = translated(cases[i].rules, cases[i].before);

        g_assert_cmpstr(after, ==, cases[i].after);
        assert_unchanged_by_translate(cases[i].rules, after);
    }
}

static void
test_upstream_form_is_unchanged(void)
{
    static const char *const documents[] = {
        OPEN ADDED CLOSE,
        OPEN_QEMU "  <qemu:commandline>\n" WORD_LINES "  </qemu:commandline>\n" CLOSE,
        OPEN METADATA(ASK) CLOSE,
        OPEN METADATA("<qemu:monitorpassthrough/>") ADDED CLOSE,
        OPEN METADATA("<qemu:monitorpassthrough session=\"none\"/>") CLOSE,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(documents); i++)
        assert_unchanged_by_translate(&rules_all, documents[i]);
}

/* --- encodings ----------------------------------------------------------- */

static void
test_encodings(void)
{
    static const char *const latin1 = "<?xml version='1.0' encoding='ISO-8859-1'?>\n";
    static const char *const utf8 = "<?xml version='1.0' encoding='UTF-8'?>\n";
    g_autofree char *xml = g_strconcat(latin1, OPEN "<title>\xe9</title>\n" CLOSE, NULL);
    g_autofree char *upstream =
        g_strconcat(utf8, OPEN "<title>\xc3\xa9</title>\n" ADDED CLOSE, NULL);
    g_autofree char *there = translated(&rules_all, xml);
    g_autofree char *in_latin1 =
        g_strconcat(latin1, OPEN "<title>\xe9</title>\n" ADDED CLOSE, NULL);
    g_autofree char *back = restored(in_latin1);
    g_autofree char *author = g_strconcat(utf8, OPEN "<title>\xc3\xa9</title>\n" CLOSE, NULL);

    g_assert_cmpstr(there, ==, upstream);
    g_assert_cmpstr(back, ==, author);
    assert_unchanged_by_translate(&rules_requested, xml);
    assert_unchanged_by_translate(&rules_all, in_latin1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/translate/policy-all", test_policy_all);
    g_test_add_func("/xml/translate/policy-requested", test_policy_requested);
    g_test_add_func("/xml/translate/session-attribute", test_session_attribute);
    g_test_add_func("/xml/translate/commandline", test_commandline);
    g_test_add_func("/xml/translate/stray-pair", test_stray_pair);
    g_test_add_func("/xml/translate/metadata", test_metadata);
    g_test_add_func("/xml/translate/namespaces", test_namespaces);
    g_test_add_func("/xml/translate/nested-documents", test_nested_documents);
    g_test_add_func("/xml/translate/unchanged", test_unchanged);
    g_test_add_func("/xml/translate/not-ours", test_not_ours);
    g_test_add_func("/xml/translate/uuid-forms", test_uuid_forms);
    g_test_add_func("/xml/translate/uuid-made", test_uuid_made);
    g_test_add_func("/xml/translate/renewal", test_renewal);
    g_test_add_func("/xml/translate/upstream-form", test_upstream_form_is_unchanged);
    g_test_add_func("/xml/translate/encodings", test_encodings);
    return g_test_run();
}
