/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sessions by way of <emulator>: what becomes of documents under the two settings, and back. */

#include "xml/test-compile.h"

#define DIR "/var/lib/libvirt/qemu"
#define UUID "6089f943-6832-5054-b8fd-130f659c07c1"
#define SESSIONS "/opt/lib/" VP_SHIM_SESSION_TREE
#define REQUESTED "<qemu:monitorpassthrough/>"
#define NONE "<qemu:monitorpassthrough session='none'/>"

static char *
session_shim(const char *emulator, gpointer data G_GNUC_UNUSED, GError **error)
{
    return vp_shim_path("/opt/lib", VP_SHIM_SESSION_TREE, emulator, error);
}

static const VpXmlRules by_words = {
    COMPILING, .policy = VP_POLICY_ALL, .session_dir = DIR, .session_shim = session_shim,
};
static const VpXmlRules by_emulator = {
    COMPILING, .policy = VP_POLICY_ALL, .session_dir = DIR, .session_shim = session_shim,
    .words = VP_WORDS_EMULATOR,
};
static const VpXmlRules running = {
    COMPILING, .policy = VP_POLICY_ALL, .session_dir = DIR, .session_shim = session_shim,
    .words = VP_WORDS_EMULATOR, .running = true,
};

static char *
document(const char *devices, const char *rest)
{
    return g_strdup_printf("<domain type='kvm' xmlns:qemu='" VP_XML_QEMU_NS "'>\n"
                           "  <name>g</name>\n  <uuid>" UUID "</uuid>\n"
                           "  <devices>%s</devices>\n  %s\n</domain>\n", devices, rest);
}

static char *
translated(const VpXmlRules *rules, const char *xml)
{
    g_autoptr(GError) error = NULL;
    char *out = NULL;

    vp_xml_translate(rules, xml, &out, &error);
    g_assert_no_error(error);
    return out ?: g_strdup(xml);
}

static char *
restored(const char *xml)
{
    g_autoptr(GError) error = NULL;
    char *out = NULL;

    vp_xml_restore(xml, &out, &error);
    g_assert_no_error(error);
    return out ?: g_strdup(xml);
}

static bool
has(const char *xml, const char *text)
{
    return strstr(xml, text) != NULL;
}

#define LINK SESSIONS "/usr/bin/qemu/" VP_SHIM_NAME
#define PLAIN "<emulator>/usr/bin/qemu</emulator>"
#define ALTER "<qemu:commandline><qemu:alter option='m'><qemu:remove/></qemu:alter>"               \
              "</qemu:commandline>"
#define DAC(type) "<seclabel type='" type "' model='dac'/>"

/* What an author may write, and which way his session comes. */
static const struct {
    const char *devices;
    const char *rest;
    const char *link; /* NULL: the words are on the command line */
} cases[] = {
    { PLAIN, "", LINK },
    { PLAIN, REQUESTED, LINK },
    { "", "", SESSIONS DEFAULT_EMULATOR "/" VP_SHIM_NAME },
    { PLAIN, "<qemu:commandline><qemu:arg value='-foo'/></qemu:commandline>", LINK },
    { PLAIN, "<qemu:commandline><qemu:arg>-foo</qemu:arg></qemu:commandline>", LINK },
    { "<emulator> /usr/bin/qemu</emulator>", "", NULL },
    { "<emulator>/usr/bin//qemu</emulator>", "", NULL },
    { "<emulator>/usr/bin/../qemu</emulator>", "", NULL },
    { "<emulator><!-- mine -->/usr/bin/qemu</emulator>", "", NULL },
};

static void
check(const VpXmlRules *rules, const char *author, const char *link)
{
    g_autofree char *upstream = translated(rules, author), *back = restored(upstream);
    g_autofree char *again = translated(rules, upstream);
    g_autofree char *stock = translated(&by_words, upstream), *changed = translated(rules, stock);
    g_autofree char *from_stock = restored(stock);
    g_auto(VpXmlSession) session = { 0 };

    g_assert_true(vp_xml_read_session(upstream, &session, NULL));
    g_assert_cmpint(session.kind, ==, VP_SESSION_DEDICATED);
    g_assert_true(session.has_words);
    g_assert_cmpint(session.in_run_dir, ==, link != NULL);
    g_assert_cmpint(has(upstream, "id=virtpass-qmp"), ==, !link);
    if (link)
        g_assert_true(has(upstream, link));
    g_assert_cmpstr(back, ==, author);
    g_assert_cmpstr(again, ==, upstream);
    g_assert_true(has(stock, "id=virtpass-qmp"));
    g_assert_false(has(stock, VP_SHIM_SESSION_TREE));
    g_assert_cmpstr(from_stock, ==, author);
    g_assert_cmpstr(changed, ==, upstream);
}

static void
test_both_ways(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *author = document(cases[i].devices, cases[i].rest);

        check(&by_emulator, author, cases[i].link);
        check(&by_words, author, NULL);
    }
}

/* Each has to have been asked for, libvirt's choice too, before there is a link for it. */
static void
assert_need(const VpXmlRules *rules, const char *xml, const char *emulator)
{
    g_autoptr(GPtrArray) needs = vp_xml_needs(rules, xml, NULL);
    const VpXmlNeeds *need = NULL;

    g_assert_cmpuint(needs->len, ==, 1);
    need = needs->pdata[0];
    g_assert_cmpstr(need->wishes->emulator, ==, emulator);
    g_assert_false(need->facts);
}

static void
test_needs(void)
{
    g_autofree char *without = document("", ""), *with = document(PLAIN, "");
    g_autofree char *none = document("", NONE);
    g_autofree char *own_user = document(PLAIN, DAC("static"));
    g_autofree char *upstream = translated(&by_emulator, with);
    g_autofree char *altered = document(PLAIN, ALTER);
    g_autofree char *planned = translated(&by_words, altered);
    g_autoptr(GPtrArray) words = vp_xml_needs(&by_words, without, NULL);
    g_autoptr(GPtrArray) nothing = vp_xml_needs(&by_emulator, none, NULL);

    assert_need(&by_emulator, without, NULL);
    assert_need(&by_emulator, with, "/usr/bin/qemu");
    assert_need(&by_words, own_user, "/usr/bin/qemu");
    assert_need(&running, upstream, "/usr/bin/qemu");
    assert_need(&by_words, planned, "/usr/bin/qemu");
    g_assert_cmpuint(words->len, ==, 0);
    g_assert_cmpuint(nothing->len, ==, 0);
}

/* QEMU's user can make no socket but in the guest's own directory. */
static void
test_own_user(void)
{
    static const char *const others[] = {
        DAC("dynamic"), DAC("none"), "<seclabel type='static' model='apparmor'/>",
        "<metadata><seclabel type='static' model='dac'/></metadata>",
    };
    g_autofree char *author = document(PLAIN, DAC("static"));
    g_autofree char *upstream = translated(&by_words, author), *back = restored(upstream);
    g_autofree char *again = translated(&by_words, upstream);

    g_assert_true(has(upstream, LINK));
    g_assert_false(has(upstream, "id=virtpass-qmp"));
    g_assert_cmpstr(back, ==, author);
    g_assert_cmpstr(again, ==, upstream);
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autofree char *other = document(PLAIN, others[i]);

        check(&by_words, other, NULL);
    }
}

/* The plan says then that the session is to be added. */
static void
check_planned(const VpXmlRules *rules, const char *label, bool expected)
{
    g_autofree char *more = g_strconcat(label, ALTER, NULL);
    g_autofree char *author = document(PLAIN, more);
    g_autofree char *upstream = translated(rules, author), *back = restored(upstream);
    g_autofree char *again = translated(rules, back), *still = translated(&running, upstream);
    g_auto(VpXmlSession) session = { 0 };

    g_assert_false(has(upstream, VP_SHIM_SESSION_TREE));
    g_assert_cmpint(has(upstream, "&quot;session&quot;:true"), ==, expected);
    g_assert_cmpint(has(upstream, "id=virtpass-qmp"), ==, !expected);
    g_assert_cmpstr(back, ==, author);
    g_assert_cmpstr(again, ==, upstream);
    g_assert_cmpstr(still, ==, upstream);
    g_assert_true(vp_xml_read_session(upstream, &session, NULL));
    g_assert_cmpint(session.kind, ==, VP_SESSION_DEDICATED);
    g_assert_cmpint(session.in_run_dir, ==, expected);
    g_assert_cmpint(session.path != NULL, ==, !expected);
}

static void
test_planned(void)
{
    check_planned(&by_emulator, "", true);
    check_planned(&by_words, "", false);
    check_planned(&by_words, DAC("static"), true);
    check_planned(&by_words, DAC("dynamic"), false);
}

/* Where libvirtd knows none, it says so. */
static void
test_no_default(void)
{
    g_autofree char *author = document("", "<os><type machine='unknown'>hvm</type></os>");
    g_autofree char *upstream = translated(&by_emulator, author);

    g_assert_false(has(upstream, VP_SHIM_SESSION_TREE));
    g_assert_true(has(upstream, "id=virtpass-qmp"));
}

/* A guest keeps what it was started with, at a path of this host. */
static void
test_running(void)
{
    g_autofree char *author = document(PLAIN, "");
    g_autofree char *elsewhere = document("<emulator>/x/virtpass-sessions/usr/bin/qemu/"
                                          VP_SHIM_NAME "</emulator>", "");
    g_autofree char *by_args = translated(&by_words, author);
    g_autofree char *still_args = translated(&running, by_args);
    g_autofree char *here = translated(&running, elsewhere), *wanted = NULL;

    wanted = translated(&by_emulator, author);
    g_assert_cmpstr(still_args, ==, by_args);
    g_assert_cmpstr(here, ==, wanted);
}

/* The author does not want one any more. */
static void
test_taken_back(void)
{
    g_autofree char *author = document(PLAIN, "");
    g_autofree char *upstream = translated(&by_emulator, author);
    g_autofree char *mixed = g_strdup(upstream), *out = NULL, *back = NULL;
    char **halves = g_strsplit(mixed, "</domain>", 2);
    g_autofree char *edited = g_strconcat(halves[0], NONE "</domain>", halves[1], NULL);

    g_strfreev(halves);
    out = translated(&by_emulator, edited);
    g_assert_false(has(out, VP_SHIM_SESSION_TREE));
    g_assert_false(has(out, "id=virtpass-qmp"));
    back = restored(out);
    g_assert_true(has(back, PLAIN));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/session-shim/both ways", test_both_ways);
    g_test_add_func("/session-shim/needs", test_needs);
    g_test_add_func("/session-shim/own user", test_own_user);
    g_test_add_func("/session-shim/planned", test_planned);
    g_test_add_func("/session-shim/no default", test_no_default);
    g_test_add_func("/session-shim/running", test_running);
    g_test_add_func("/session-shim/taken back", test_taken_back);
    return g_test_run();
}
