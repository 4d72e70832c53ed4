/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What readers see of documents as libvirt prints them, and what is read off those. */

#include "base/error.h"
#include "xml/test-helpers.h"

#include <string.h>

/* As libvirt prints it: declared on the domain, double quotes in <metadata> only. */
#define LIBVIRT_QEMU " xmlns:qemu='" VP_XML_QEMU_NS "'"
#define LIBVIRT_OPEN(type, xmlns)                                                                  \
    "<domain type='" type "'" xmlns ">\n  <name>a</name>\n  <uuid>" UUID "</uuid>\n"
#define LIBVIRT_PASSTHROUGH(xmlns, text)                                                           \
    "    <virtpass:passthrough xmlns:virtpass=\"" VP_XML_VIRTPASS_NS "\"" xmlns ">\n"              \
    "      " text "\n"                                                                             \
    "    </virtpass:passthrough>\n"
#define LIBVIRT_METADATA(text)                                                                     \
    "  <metadata>\n"                                                                               \
    LIBVIRT_PASSTHROUGH(" xmlns:qemu=\"" VP_XML_QEMU_NS "\"", text) "  </metadata>\n"
#define COMMANDLINE(lines) "  <qemu:commandline>\n" lines "  </qemu:commandline>\n"
#define ARG "    <qemu:arg value='-S'/>\n"
#define CAPABILITIES                                                                               \
    "  <qemu:capabilities>\n    <qemu:add capability='x'/>\n  </qemu:capabilities>\n"
#define DEVICES "  <devices>\n    <emulator>/usr/bin/qemu</emulator>\n  </devices>\n"
#define SHARED "<qemu:monitorpassthrough session=\"shared\"/>"
#define DEDICATED "<qemu:monitorpassthrough/>"

typedef struct Pair {
    const char *upstream;
    const char *reader;
} Pair;

static void
assert_restored(const Pair *pairs, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        g_autofree char *reader = restored(pairs[i].upstream);

        g_assert_cmpstr(reader, ==, pairs[i].reader);
        assert_unchanged_by_restore(reader);
    }
}

static void
test_words(void)
{
    static const Pair pairs[] = {
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) DEVICES COMMANDLINE(WORD_LINES) CLOSE,
          LIBVIRT_OPEN("kvm", "") DEVICES CLOSE },
        { LIBVIRT_OPEN("kvm' id='1", LIBVIRT_QEMU) DEVICES COMMANDLINE(ARG WORD_LINES) CLOSE,
          LIBVIRT_OPEN("kvm' id='1", LIBVIRT_QEMU) DEVICES COMMANDLINE(ARG) CLOSE },
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) COMMANDLINE(WORD_LINES ARG) CLOSE,
          LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) COMMANDLINE(ARG) CLOSE },
        /* something else needs the prefix */
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) COMMANDLINE(WORD_LINES) CAPABILITIES CLOSE,
          LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) CAPABILITIES CLOSE },
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) "<a qemu:b=''/>\n" COMMANDLINE(WORD_LINES) CLOSE,
          LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) "<a qemu:b=''/>\n" CLOSE },
        /* a line that is shared */
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) "  <a/>" COMMANDLINE(WORD_LINES) CLOSE,
          LIBVIRT_OPEN("kvm", "") "  <a/>  \n" CLOSE },
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) "<a" LIBVIRT_QEMU " qemu:b=''/>\n"
          COMMANDLINE(WORD_LINES) CLOSE,
          LIBVIRT_OPEN("kvm", "") "<a" LIBVIRT_QEMU " qemu:b=''/>\n" CLOSE },
        /* the declaration first, last, and with other quotes */
        { "<domain xmlns:qemu = \"" VP_XML_QEMU_NS "\" type='kvm'>" "<qemu:commandline>" WORDS
          "</qemu:commandline></domain>",
          "<domain type='kvm'></domain>" },
        /* another domain's words are words */
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU)
          COMMANDLINE(WORDS_AT("    ", "/else/virtpass-libvirt-" OTHER_UUID, "\n")) CLOSE,
          LIBVIRT_OPEN("kvm", "") CLOSE },
        /* however often */
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) COMMANDLINE(WORD_LINES ARG WORD_LINES)
          COMMANDLINE(WORD_LINES) CLOSE,
          LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) COMMANDLINE(ARG) CLOSE },
    };

    assert_restored(pairs, G_N_ELEMENTS(pairs));
}

static void
test_kept(void)
{
    static const Pair pairs[] = {
        { LIBVIRT_OPEN("kvm", "") LIBVIRT_METADATA(SHARED) DEVICES CLOSE,
          LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) DEVICES "  " SHARED "\n" CLOSE },
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) LIBVIRT_METADATA(DEDICATED) DEVICES
          COMMANDLINE(WORD_LINES) CLOSE,
          LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) DEVICES "  " DEDICATED "\n" CLOSE },
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) LIBVIRT_METADATA(DEDICATED) DEVICES
          COMMANDLINE(ARG WORD_LINES) CAPABILITIES CLOSE,
          LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) DEVICES "  " DEDICATED "\n" COMMANDLINE(ARG)
          CAPABILITIES CLOSE },
        /* others in <metadata> stay */
        { LIBVIRT_OPEN("kvm", "") "  <metadata>\n    <a xmlns=\"urn:a\">\n      <b/>\n    </a>\n"
          LIBVIRT_PASSTHROUGH(" xmlns:qemu=\"" VP_XML_QEMU_NS "\"", SHARED) "  </metadata>\n" CLOSE,
          LIBVIRT_OPEN("kvm", LIBVIRT_QEMU)
          "  <metadata>\n    <a xmlns=\"urn:a\">\n      <b/>\n    </a>\n  </metadata>\n"
          "  " SHARED "\n" CLOSE },
        /* another prefix; libvirt's own goes when nothing needs it */
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) "  <metadata>\n"
          LIBVIRT_PASSTHROUGH(" xmlns:q=\"" VP_XML_QEMU_NS "\"", "<q:monitorpassthrough/>")
          "  </metadata>\n" COMMANDLINE(WORD_LINES) CLOSE,
          LIBVIRT_OPEN("kvm", " xmlns:q='" VP_XML_QEMU_NS "'") "  <q:monitorpassthrough/>\n"
          CLOSE },
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) "  <metadata>\n"
          LIBVIRT_PASSTHROUGH("", "<monitorpassthrough xmlns=\"" VP_XML_QEMU_NS "\"/>")
          "  </metadata>\n" COMMANDLINE(WORD_LINES) CLOSE,
          LIBVIRT_OPEN("kvm", "") "  <monitorpassthrough xmlns=\"" VP_XML_QEMU_NS "\"/>\n" CLOSE },
        /* one that means something else on the domain */
        { LIBVIRT_OPEN("kvm", " xmlns:q='urn:x'") "  <metadata>\n"
          LIBVIRT_PASSTHROUGH(" xmlns:q=\"" VP_XML_QEMU_NS "\"", "<q:monitorpassthrough/>")
          "  </metadata>\n" CLOSE,
          LIBVIRT_OPEN("kvm", " xmlns:q='urn:x'") "  <q:monitorpassthrough xmlns:q='"
          VP_XML_QEMU_NS "'/>\n" CLOSE },
        /* the default namespace is never put on the domain */
        { LIBVIRT_OPEN("kvm", "") "  <metadata>\n"
          LIBVIRT_PASSTHROUGH(" xmlns=\"" VP_XML_QEMU_NS "\"", "<monitorpassthrough/>")
          "  </metadata>\n" CLOSE,
          LIBVIRT_OPEN("kvm", "") "  <monitorpassthrough xmlns='" VP_XML_QEMU_NS "'/>\n" CLOSE },
        /* what a newer version has kept is shown as well; declarations go to the domain once */
        { LIBVIRT_OPEN("kvm", "") "  <metadata>\n"
          LIBVIRT_PASSTHROUGH(" xmlns:qemu=\"" VP_XML_QEMU_NS "\" xmlns:x=\"urn:&lt;\"",
                              "<qemu:b x:a=\"\">\n        <x:c/>\n      </qemu:b>\n      <qemu:d/>")
          "  </metadata>\n" CLOSE,
          LIBVIRT_OPEN("kvm", LIBVIRT_QEMU " xmlns:x='urn:&lt;'")
          "  <qemu:b x:a=\"\">\n    <x:c/>\n  </qemu:b>\n  <qemu:d/>\n" CLOSE },
        /* two prefixes of one name, first come first served */
        { LIBVIRT_OPEN("kvm", "") "  <metadata>\n"
          LIBVIRT_PASSTHROUGH(" xmlns:x=\"urn:1\"", "<x:b/>")
          "  </metadata>\n  <metadata>\n"
          LIBVIRT_PASSTHROUGH(" xmlns:x=\"urn:2\"", "<x:c/>") "  </metadata>\n" CLOSE,
          LIBVIRT_OPEN("kvm", " xmlns:x='urn:1'") "  <x:b/>\n  <x:c xmlns:x='urn:2'/>\n" CLOSE },
        /* nothing kept */
        { LIBVIRT_OPEN("kvm", "") "<metadata><p:passthrough xmlns:p='" VP_XML_VIRTPASS_NS
          "'/></metadata>" CLOSE,
          LIBVIRT_OPEN("kvm", "") CLOSE },
        { LIBVIRT_OPEN("kvm", "") "<metadata>text<p:passthrough xmlns:p='" VP_XML_VIRTPASS_NS
          "'>text</p:passthrough></metadata>" CLOSE,
          LIBVIRT_OPEN("kvm", "") "<metadata>text</metadata>" CLOSE },
    };

    assert_restored(pairs, G_N_ELEMENTS(pairs));
}

static void
test_nested_documents(void)
{
    static const Pair pairs[] = {
        { "<domainsnapshot>\n"
          LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) LIBVIRT_METADATA(DEDICATED) COMMANDLINE(WORD_LINES)
          CLOSE "<inactiveDomain type='kvm'" LIBVIRT_QEMU ">\n" COMMANDLINE(WORD_LINES ARG)
          "</inactiveDomain>\n</domainsnapshot>\n",
          "<domainsnapshot>\n"
          LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) "  " DEDICATED "\n"
          CLOSE "<inactiveDomain type='kvm'" LIBVIRT_QEMU ">\n" COMMANDLINE(ARG)
          "</inactiveDomain>\n</domainsnapshot>\n" },
        { "<domaincheckpoint><name>c</name>" LIBVIRT_OPEN("qemu", LIBVIRT_QEMU)
          COMMANDLINE(WORD_LINES) CLOSE "</domaincheckpoint>",
          "<domaincheckpoint><name>c</name>" LIBVIRT_OPEN("qemu", "") CLOSE
          "</domaincheckpoint>" },
    };

    assert_restored(pairs, G_N_ELEMENTS(pairs));
}

static void
test_unchanged(void)
{
    static const char *const documents[] = {
        "",
        LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) DEVICES COMMANDLINE(ARG) CAPABILITIES CLOSE,
        /* the word alone means nothing */
        "<domain type='kvm'><name>virtpass-qmp</name></domain>",
        "virtpass",
        LIBVIRT_OPEN("xen", LIBVIRT_QEMU) LIBVIRT_METADATA(SHARED) COMMANDLINE(WORD_LINES) CLOSE,
        LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) "  " SHARED "\n" CLOSE "<!-- virtpass -->",
        LIBVIRT_OPEN("kvm", "") "<metadata><passthrough xmlns='" VP_XML_VIRTPASS_NS
        "/'/></metadata>" CLOSE,
        LIBVIRT_OPEN("kvm", "") "<?virtpass kept?>" CLOSE,
        LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) "<qemu:commandline><?virtpass closed?>"
        "</qemu:commandline>" CLOSE,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(documents); i++)
        assert_unchanged_by_restore(documents[i]);
}

/* Marks that do not fit what is kept say nothing. */
static void
test_marks(void)
{
    static const Pair pairs[] = {
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) "<?virtpass kept?>\n" LIBVIRT_METADATA(SHARED) CLOSE,
          LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) SHARED "\n" CLOSE },
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) "<?virtpass kept?><?virtpass kept?>\n"
          LIBVIRT_METADATA(SHARED) CLOSE,
          LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) "<?virtpass kept?><?virtpass kept?>\n  " SHARED "\n"
          CLOSE },
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) "<qemu:commandline><?virtpass closed?>" WORDS
          "<qemu:env name='a'/></qemu:commandline>" CLOSE,
          LIBVIRT_OPEN("kvm", LIBVIRT_QEMU)
          "<qemu:commandline><qemu:env name='a'/></qemu:commandline>" CLOSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_autofree char *reader = restored(pairs[i].upstream);

        g_assert_cmpstr(reader, ==, pairs[i].reader);
    }
}

static void
test_doctype(void)
{
    g_autoptr(GError) error = NULL;
    char *untouched = NULL;

    g_assert_false(vp_xml_restore("<!DOCTYPE domain>" LIBVIRT_OPEN("kvm", "")
                                  LIBVIRT_METADATA(SHARED) CLOSE, &untouched, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED);
    assert_unchanged_by_restore("<!DOCTYPE domain><!-- virtpass -->" OPEN CLOSE);
}

/* --- the session --------------------------------------------------------- */

static void
test_read_session(void)
{
    static const struct {
        const char *xml;
        VpSessionKind kind;
        const char *path;
        const char *uuid;
    } cases[] = {
        { LIBVIRT_OPEN("kvm", "") CLOSE, VP_SESSION_SHARED, NULL, UUID },
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) COMMANDLINE(ARG) CLOSE, VP_SESSION_SHARED, NULL, UUID },
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) COMMANDLINE(ARG WORD_LINES) CLOSE,
          VP_SESSION_DEDICATED, SOCKET, UUID },
        { "<domain type='kvm'" LIBVIRT_QEMU "><qemu:commandline>"
          WORDS_AT("", "/a,,b&amp;/virtpass-libvirt-" OTHER_UUID, "")
          "</qemu:commandline></domain>",
          VP_SESSION_DEDICATED, "/a,b&/virtpass-libvirt-" OTHER_UUID, "" },
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) LIBVIRT_METADATA(DEDICATED) COMMANDLINE(WORD_LINES)
          CLOSE,
          VP_SESSION_DEDICATED, SOCKET, UUID },
        /* asked for, but QEMU was started without */
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) LIBVIRT_METADATA(DEDICATED) CLOSE, VP_SESSION_SHARED,
          NULL, UUID },
        { LIBVIRT_OPEN("kvm", "") LIBVIRT_METADATA(SHARED) CLOSE, VP_SESSION_SHARED, NULL, UUID },
        { LIBVIRT_OPEN("kvm", "") LIBVIRT_METADATA("<qemu:monitorpassthrough session='none'/>")
          CLOSE,
          VP_SESSION_NONE, NULL, UUID },
        /* there, but not to be used */
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) LIBVIRT_METADATA(SHARED) COMMANDLINE(WORD_LINES) CLOSE,
          VP_SESSION_SHARED, NULL, UUID },
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU)
          LIBVIRT_METADATA("<qemu:monitorpassthrough session='none'/>") COMMANDLINE(WORD_LINES)
          CLOSE,
          VP_SESSION_NONE, NULL, UUID },
        /* in author's form too */
        { OPEN_QEMU "<qemu:monitorpassthrough session='none'/>" CLOSE, VP_SESSION_NONE, NULL,
          UUID },
        /* what makes no sense decides nothing */
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU)
          LIBVIRT_METADATA("<qemu:monitorpassthrough session=''/>") COMMANDLINE(WORD_LINES) CLOSE,
          VP_SESSION_DEDICATED, SOCKET, UUID },
        { LIBVIRT_OPEN("kvm", "") LIBVIRT_METADATA("<qemu:unknown/>") CLOSE, VP_SESSION_SHARED,
          NULL, UUID },
        { "<domain type='xen'><uuid>no uuid</uuid></domain>", VP_SESSION_SHARED, NULL, "" },
        { "<domain type='kvm'><uuid>C7A5FDBDCDAF9455926AD65C16DB1809</uuid></domain>",
          VP_SESSION_SHARED, NULL, UUID },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(VpXmlSession) session = { 0 };
        g_autoptr(GError) error = NULL;

        g_assert_true(vp_xml_read_session(cases[i].xml, &session, &error));
        g_assert_no_error(error);
        g_assert_cmpint(session.kind, ==, cases[i].kind);
        g_assert_cmpstr(session.path, ==, cases[i].path);
        g_assert_cmpstr(session.uuid, ==, cases[i].uuid);
    }
}

/* What decides whether a running guest may be given one. */
static void
test_read_wanted(void)
{
    static const struct {
        const char *xml;
        VpSessionKind asked;
        bool says, has_words;
    } cases[] = {
        { LIBVIRT_OPEN("kvm", "") CLOSE, VP_SESSION_DEDICATED, false, false },
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) LIBVIRT_METADATA(DEDICATED) CLOSE,
          VP_SESSION_DEDICATED, true, false },
        { LIBVIRT_OPEN("kvm", "") LIBVIRT_METADATA(SHARED) CLOSE, VP_SESSION_SHARED, true, false },
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) COMMANDLINE(WORD_LINES) CLOSE, VP_SESSION_DEDICATED,
          false, true },
        { LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) LIBVIRT_METADATA(SHARED) COMMANDLINE(WORD_LINES) CLOSE,
          VP_SESSION_SHARED, true, true },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(VpXmlSession) session = { 0 };

        g_assert_true(vp_xml_read_session(cases[i].xml, &session, NULL));
        g_assert_cmpint(session.asked, ==, cases[i].asked);
        g_assert_cmpint(session.says, ==, cases[i].says);
        g_assert_cmpint(session.has_words, ==, cases[i].has_words);
    }
}

static void
test_read_session_errors(void)
{
    static const char *const documents[] = {
        "", "<domain>", "<network/>", "<domainsnapshot><domain type='kvm'/></domainsnapshot>",
        "<!DOCTYPE domain><domain/>",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(documents); i++) {
        VpXmlSession untouched = { .kind = VP_SESSION_NONE };
        g_autoptr(GError) error = NULL;

        g_assert_false(vp_xml_read_session(documents[i], &untouched, &error));
        g_assert_error(error, VP_ERROR, VP_ERROR_XML);
        g_assert_cmpstr(error->message, ==, "this is no domain document");
        g_assert_cmpint(untouched.kind, ==, VP_SESSION_NONE);
    }
}

#define STATE                                                                                      \
    "    <virtpass:snapshots xmlns:virtpass=\"http://virtpass.org/schemas/state/snapshots/1.0\">"  \
    "{\"a\": 1}</virtpass:snapshots>\n"
#define FOREIGN "    <x:y xmlns:x=\"urn:x\"/>\n"

/* What we keep with a domain is not the reader's. */
static void
test_state_hidden(void)
{
    static const Pair pairs[] = {
        { LIBVIRT_OPEN("kvm", "") "  <metadata>\n" STATE "  </metadata>\n" DEVICES CLOSE,
          LIBVIRT_OPEN("kvm", "") DEVICES CLOSE },
        { LIBVIRT_OPEN("kvm", "") "  <metadata>\n" STATE FOREIGN "  </metadata>\n" CLOSE,
          LIBVIRT_OPEN("kvm", "") "  <metadata>\n" FOREIGN "  </metadata>\n" CLOSE },
        { LIBVIRT_OPEN("kvm", "") "  <metadata>\n"
          LIBVIRT_PASSTHROUGH(" xmlns:qemu=\"" VP_XML_QEMU_NS "\"", SHARED) STATE "  </metadata>\n"
          CLOSE,
          LIBVIRT_OPEN("kvm", LIBVIRT_QEMU) "  " SHARED "\n" CLOSE },
    };

    assert_restored(pairs, G_N_ELEMENTS(pairs));
}

/* It goes from one definition into the next, once. */
static void
test_state_carried(void)
{
    static const char from[] =
        LIBVIRT_OPEN("kvm", "") "  <metadata>\n" FOREIGN STATE "  </metadata>\n" CLOSE;
    static const char *const documents[] = {
        LIBVIRT_OPEN("kvm", "") DEVICES CLOSE,
        LIBVIRT_OPEN("kvm", "") "  <metadata/>\n" DEVICES CLOSE,
        LIBVIRT_OPEN("kvm", "") "  <metadata>\n" FOREIGN "  </metadata>\n" CLOSE,
    };
    g_autoptr(GPtrArray) states = vp_xml_state_read(from);
    g_autoptr(GPtrArray) none = vp_xml_state_read(documents[2]);
    g_autofree char *both = g_strconcat("<domainsnapshot>", from, from, "</domainsnapshot>", NULL);
    g_autoptr(GPtrArray) of_both = vp_xml_state_read(both);
    g_autofree char *same = NULL;

    g_assert_cmpuint(states->len, ==, 1);
    g_assert_cmpuint(of_both->len, ==, 1);
    g_assert_cmpuint(none->len, ==, 0);
    g_assert_true(vp_xml_state_put(from, states, &same, NULL));
    g_assert_null(same);
    for (guint i = 0; i < G_N_ELEMENTS(documents); i++) {
        g_autofree char *with = NULL;
        g_autoptr(GPtrArray) again = NULL;

        g_assert_true(vp_xml_state_put(documents[i], none, &with, NULL));
        g_assert_null(with);
        g_assert_true(vp_xml_state_put(documents[i], states, &with, NULL));
        again = vp_xml_state_read(with);
        g_assert_cmpuint(again->len, ==, 1);
        g_assert_nonnull(strstr(with, "<virtpass:snapshots xmlns:virtpass="));
        g_assert_cmpint(strstr(with, "<x:y") != NULL, ==, i == 2);
    }
}

static void
test_uuid(void)
{
    static const char *const without[] = { "", "<domain type='kvm'/>", "<domain type='xen'/>" };
    g_autofree char *uuid = vp_xml_read_uuid(LIBVIRT_OPEN("kvm", "") CLOSE);

    g_assert_cmpstr(uuid, ==, UUID);
    for (guint i = 0; i < G_N_ELEMENTS(without); i++)
        g_assert_null(vp_xml_read_uuid(without[i]));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/restore/words", test_words);
    g_test_add_func("/xml/restore/kept", test_kept);
    g_test_add_func("/xml/restore/nested-documents", test_nested_documents);
    g_test_add_func("/xml/restore/unchanged", test_unchanged);
    g_test_add_func("/xml/restore/marks", test_marks);
    g_test_add_func("/xml/restore/doctype", test_doctype);
    g_test_add_func("/xml/read-session/cases", test_read_session);
    g_test_add_func("/xml/read-session/cases-wanted", test_read_wanted);
    g_test_add_func("/xml/read-session/errors", test_read_session_errors);
    g_test_add_func("/xml/restore/state-hidden", test_state_hidden);
    g_test_add_func("/xml/restore/state-carried", test_state_carried);
    g_test_add_func("/xml/restore/uuid", test_uuid);
    return g_test_run();
}
