/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Documents whose command line is compiled: upstream form and the way back, rule by rule; what
 * becomes of them when somebody changes upstream form without us; and size. What libvirt makes of
 * them is in test-libvirtd.py.
 */

#include "base/limits.h"
#include "base/log.h"
#include "xml/test-compile.h"
#include "xml/test-helpers.h"

#include <string.h>

static guint compiled; /* how often */

static const VpXmlRules plain = { .policy = VP_POLICY_REQUESTED, .session_dir = "/run/s",
                                  .data = &compiled, COMPILING };
static const VpXmlRules dedicated = { .policy = VP_POLICY_ALL, .session_dir = "/run/s",
                                      .data = &compiled, COMPILING };

#define REAL "/usr/bin/qemu"
#define DEVICES(emulator) "  <devices>\n    " emulator "\n  </devices>\n"
#define EMULATOR "<emulator>" REAL "</emulator>"
#define SHIM_EMULATOR "<emulator>" SHIM "</emulator>"
#define ADDED_EMULATOR "<emulator>" SHIM "<?virtpass added?></emulator>"
#define KEPT_EMULATOR "<emulator>" SHIM "<?virtpass kept?></emulator>"

#define COMMANDLINE(lines) "  <qemu:commandline>\n" lines "  </qemu:commandline>\n"
#define MADE_COMMANDLINE(lines)                                                                    \
    "  <qemu:commandline" XMLNS_QEMU ">\n" lines "  </qemu:commandline>\n"
#define ARG(word) "    <qemu:arg value='" word "'/>\n"
#define ENV(name, value) "    <qemu:env name='" name "' value='" value "'/>\n"
#define TEXT_ARG "    <qemu:arg>-S</qemu:arg>\n"
#define LSI ARG("-device") ARG("lsi")
#define MADE_LSI ARG("-device") ARG("{&quot;driver&quot;:&quot;lsi&quot;}")

/* The digest is not for people: D stands for it. */
#define MADE_METADATA(xmlns, counts, more, text)                                                   \
    "  <metadata>\n    <virtpass:passthrough" XMLNS_VIRTPASS xmlns " made='" counts " D'" more     \
    ">\n" text "    </virtpass:passthrough>\n  </metadata>\n"
#define QEMU_METADATA(counts, more, text) MADE_METADATA(XMLNS_QEMU, counts, more, text)

#define GROUP "<qemu:netdev id='n'><type>user</type></qemu:netdev>"
/* The text with each "P<line>" replaced by the plan that the group of that line gives, and with
 * digests replaced by "D". */
static char *
expand(const char *text, const char *emulator)
{
    g_autoptr(GRegex) plans = g_regex_new("value='P(\\d+)'", 0, 0, NULL);
    g_autofree char *escaped = g_regex_escape_string(emulator, -1);
    g_autofree char *plan = g_strdup_printf(
        "value='{&quot;version&quot;:1,&quot;emulator&quot;:&quot;%s&quot;,&quot;steps&quot;:[{"
        "&quot;group&quot;:&quot;netdev&quot;,&quot;id&quot;:&quot;n&quot;,&quot;line&quot;:\\1,"
        "&quot;values&quot;:[[&quot;type&quot;,&quot;user&quot;]]}]}'", escaped);

    return g_regex_replace(plans, text, -1, 0, plan, 0, NULL);
}

static char *
without_digests(const char *text)
{
    g_autoptr(GRegex) digests = g_regex_new("(made='\\d+ \\d+) [0-9a-f]{64}'", 0, 0, NULL);

    return g_regex_replace(digests, text, -1, 0, "\\1 D'", 0, NULL);
}

typedef struct Pair {
    const char *author;
    const char *upstream;
} Pair;

static void
assert_there_and_back(const VpXmlRules *rules, const Pair *pair, const char *emulator)
{
    g_autofree char *there = translated(rules, pair->author);
    g_autofree char *shown = without_digests(there);
    g_autofree char *wanted = expand(pair->upstream, emulator);
    g_autofree char *back = restored(there);

    g_assert_cmpstr(shown, ==, wanted);
    g_assert_cmpstr(back, ==, pair->author);
    assert_unchanged_by_translate(rules, there);
    assert_unchanged_by_restore(back);
}

#define ASSERT_ALL(rules, pairs, emulator)                                                         \
    do {                                                                                           \
        for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++)                                            \
            assert_there_and_back(rules, &pairs[i], emulator);                                     \
    } while (0)

/* --- forms --------------------------------------------------------------- */

static void
test_words(void)
{
    static const Pair pairs[] = {
        /* what we write is what libvirt reads; variables are repeated */
        { OPEN_QEMU COMMANDLINE(TEXT_ARG) CLOSE,
          OPEN_QEMU "  " KEPT "\n"
          QEMU_METADATA("1 0", "", "      <qemu:commandline>\n" TEXT_ARG
                        "  </qemu:commandline>\n") MADE_COMMANDLINE(ARG("-S")) CLOSE },
        { OPEN_QEMU COMMANDLINE(LSI ENV("A", "&lt;") "    <qemu:env name='B'/>\n") CLOSE,
          OPEN_QEMU "  " KEPT "\n"
          QEMU_METADATA("2 2", "", "      <qemu:commandline>\n" LSI ENV("A", "&lt;")
                        "    <qemu:env name='B'/>\n  </qemu:commandline>\n")
          MADE_COMMANDLINE(MADE_LSI ENV("A", "&lt;") ENV("B", "")) CLOSE },
        /* one of several */
        { OPEN_QEMU COMMANDLINE(ARG("-a")) COMMANDLINE(TEXT_ARG) CLOSE,
          OPEN_QEMU "  " KEPT "\n  " KEPT "\n"
          QEMU_METADATA("2 0", "", "      <qemu:commandline>\n" ARG("-a") "  </qemu:commandline>\n"
                        "      <qemu:commandline>\n" TEXT_ARG "  </qemu:commandline>\n")
          MADE_COMMANDLINE(ARG("-a") ARG("-S")) CLOSE },
        /* words of a group go with the words that are there, in their order */
        { OPEN_QEMU "  <qemu:device id='x'/>\n" COMMANDLINE(ARG("-a")) CLOSE,
          OPEN_QEMU "  " KEPT "\n  " KEPT "\n"
          QEMU_METADATA("3 0", "", "      <qemu:device id='x'/>\n      <qemu:commandline>\n"
                        ARG("-a") "  </qemu:commandline>\n")
          MADE_COMMANDLINE(ARG("-device") ARG("{&quot;driver&quot;:&quot;x&quot;}") ARG("-a"))
          CLOSE },
        { OPEN_QEMU "  <qemu:device id='x'/>\n" CLOSE,
          OPEN_QEMU "  " KEPT "\n" QEMU_METADATA("2 0", "", "      <qemu:device id='x'/>\n")
          MADE_COMMANDLINE(ARG("-device") ARG("{&quot;driver&quot;:&quot;x&quot;}")) CLOSE },
        /* all in one line */
        { "<domain type='kvm'" XMLNS_QEMU "><qemu:commandline><arg>-S</arg></qemu:commandline>"
          "</domain>",
          "<domain type='kvm'" XMLNS_QEMU ">" KEPT "<metadata><virtpass:passthrough" XMLNS_VIRTPASS
          XMLNS_QEMU " made='1 0 D'><qemu:commandline><arg>-S</arg></qemu:commandline>"
          PASSTHROUGH_CLOSE "</metadata><qemu:commandline" XMLNS_QEMU
          "><qemu:arg value='-S'/></qemu:commandline></domain>" },
        /* the namespace of 2010 */
        { "<domain type='kvm' xmlns:qemu='" VP_XML_QEMU_2010_NS "'>\n  <qemu:commandline/>\n"
          "  <qemu:device/>\n</domain>",
          "<domain type='kvm' xmlns:qemu='" VP_XML_QEMU_2010_NS "'>\n  " KEPT "\n  " KEPT "\n"
          MADE_METADATA(" xmlns:qemu='" VP_XML_QEMU_2010_NS "'", "2 0", "",
                        "      <qemu:commandline/>\n      <qemu:device/>\n")
          MADE_COMMANDLINE(ARG("-device") ARG("{&quot;driver&quot;:&quot;&quot;}"))
          "</domain>" },
        /* nothing comes of it */
        { OPEN "  <o:commandline xmlns:o='" VP_XML_QEMU_2010_NS "'/>\n" CLOSE,
          OPEN "  " KEPT "\n" MADE_METADATA("", "0 0", "", "      <o:commandline xmlns:o='"
                                            VP_XML_QEMU_2010_NS "'/>\n") CLOSE },
    };

    ASSERT_ALL(&plain, pairs, DEFAULT_EMULATOR);
}

static void
test_with_session(void)
{
    static const Pair pairs[] = {
        { OPEN_QEMU "  <qemu:monitorpassthrough/>\n" COMMANDLINE(TEXT_ARG) CLOSE,
          OPEN_QEMU "  " KEPT "\n  " KEPT "\n"
          QEMU_METADATA("1 0", "", "      <qemu:monitorpassthrough/>\n      <qemu:commandline>\n"
                        TEXT_ARG "  </qemu:commandline>\n")
          MADE_COMMANDLINE(ARG("-S") WORD_LINES) CLOSE },
        /* stock words stay where they are */
        { OPEN_QEMU COMMANDLINE(ARG("-S")) CLOSE,
          OPEN_QEMU COMMANDLINE(ARG("-S") WORD_LINES) CLOSE },
        { OPEN_QEMU COMMANDLINE(ARG("-device") ARG("{}")) CLOSE,
          OPEN_QEMU COMMANDLINE(ARG("-device") ARG("{}") WORD_LINES) CLOSE },
        { OPEN_QEMU "  <qemu:monitorpassthrough/>\n" COMMANDLINE(ARG("-device") ARG("{}")) CLOSE,
          OPEN_QEMU "  " KEPT "\n" COMMANDLINE(ARG("-device") ARG("{}") WORD_LINES)
          METADATA("<qemu:monitorpassthrough/>") CLOSE },
    };

    ASSERT_ALL(&dedicated, pairs, DEFAULT_EMULATOR);
}

static void
test_shim(void)
{
#define UPSTREAM(devices, kept, emulator, at)                                                      \
    OPEN_QEMU devices "  " KEPT "\n"                                                               \
    QEMU_METADATA("0 1", " emulator='" emulator "'", "      " GROUP "\n" kept)                     \
    MADE_COMMANDLINE(ENV("VIRTPASS_PLAN", "P" at)) CLOSE
    static const Pair named[] = {
        { OPEN_QEMU DEVICES(EMULATOR) "  " GROUP "\n" CLOSE,
          UPSTREAM(DEVICES(SHIM_EMULATOR), "", REAL, "7") },
        { OPEN_QEMU "<devices><disk/>" EMULATOR "<emulator>/x</emulator></devices>\n  " GROUP "\n"
          CLOSE,
          UPSTREAM("<devices><disk/>" SHIM_EMULATOR "<emulator>/x</emulator></devices>\n", "",
                   REAL, "5") },
        /* written in another way */
        { OPEN_QEMU "<devices><emulator >" REAL "</emulator></devices>\n  " GROUP "\n" CLOSE,
          UPSTREAM("<devices>" KEPT_EMULATOR "</devices>\n",
                   "      <emulator >" REAL "</emulator>\n", REAL, "5") },
        { OPEN_QEMU "<devices><emulator><![CDATA[" REAL "]]><!-- c --></emulator></devices>\n  "
          GROUP "\n" CLOSE,
          UPSTREAM("<devices>" KEPT_EMULATOR "</devices>\n",
                   "      <emulator><![CDATA[" REAL "]]><!-- c --></emulator>\n", REAL, "5") },
    };
    static const Pair defaulted[] = {
        { OPEN_QEMU "  " GROUP "\n" CLOSE,
          OPEN_QEMU "  " KEPT "\n  <devices>\n    " ADDED_EMULATOR "\n  </devices>\n"
          QEMU_METADATA("0 1", " emulator='" DEFAULT_EMULATOR "'", "      " GROUP "\n")
          MADE_COMMANDLINE(ENV("VIRTPASS_PLAN", "P4")) CLOSE },
        { OPEN_QEMU DEVICES("<disk/>") "  " GROUP "\n" CLOSE,
          UPSTREAM("  <devices>\n    <disk/>\n    " ADDED_EMULATOR "\n  </devices>\n", "",
                   DEFAULT_EMULATOR, "7") },
        { OPEN_QEMU "<devices/>\n  " GROUP "\n" CLOSE,
          UPSTREAM("<devices>" CLOSED ADDED_EMULATOR "</devices>\n", "", DEFAULT_EMULATOR, "5") },
        { OPEN_QEMU "<devices> </devices>\n  " GROUP "\n" CLOSE,
          UPSTREAM("<devices>" EMPTY ADDED_EMULATOR " </devices>\n", "", DEFAULT_EMULATOR, "5") },
        { OPEN_QEMU "<devices><disk/></devices><devices/>\n  " GROUP "\n" CLOSE,
          UPSTREAM("<devices><disk/>" ADDED_EMULATOR "</devices><devices/>\n", "",
                   DEFAULT_EMULATOR, "5") },
        /* libvirt takes an empty one for none */
        { OPEN_QEMU "<devices><emulator/></devices>\n  " GROUP "\n" CLOSE,
          UPSTREAM("<devices>" KEPT_EMULATOR "</devices>\n", "      <emulator/>\n",
                   DEFAULT_EMULATOR, "5") },
    };

    ASSERT_ALL(&plain, named, REAL);
    ASSERT_ALL(&plain, defaulted, DEFAULT_EMULATOR);
}

static void
test_sets(void)
{
    static const Pair pair = {
        "<domainsnapshot" XMLNS_QEMU ">\n<domain type='kvm'>\n" COMMANDLINE(TEXT_ARG)
        "</domain>\n<inactiveDomain type='kvm'>\n</inactiveDomain>\n</domainsnapshot>",
        "<domainsnapshot" XMLNS_QEMU ">\n<domain type='kvm'>\n  " KEPT "\n"
        QEMU_METADATA("1 0", "", "      <qemu:commandline>\n" TEXT_ARG "  </qemu:commandline>\n")
        MADE_COMMANDLINE(ARG("-S"))
        "</domain>\n<inactiveDomain type='kvm'>\n</inactiveDomain>\n</domainsnapshot>",
    };

    assert_there_and_back(&plain, &pair, DEFAULT_EMULATOR);
}

/* --- as libvirt prints it ------------------------------------------------ */

/* Marks are gone, our element is where it was, the rest as libvirt sorts it. */
static char *
printed(const char *author)
{
    g_autofree char *there = translated(&dedicated, author);
    g_autoptr(GRegex) marks = g_regex_new("<\\?virtpass [a-z]+\\?>", 0, 0, NULL);

    return g_regex_replace(marks, there, -1, 0, "", 0, NULL);
}

static void
test_printed(void)
{
    static const Pair pairs[] = {
        { OPEN_QEMU COMMANDLINE(TEXT_ARG) CLOSE,
          OPEN_QEMU "  \n  <qemu:commandline>\n" TEXT_ARG "  </qemu:commandline>\n" CLOSE },
        { OPEN_QEMU DEVICES(EMULATOR) "  " GROUP "\n" CLOSE,
          OPEN_QEMU DEVICES(EMULATOR) "  \n  " GROUP "\n" CLOSE },
        /* the emulator that was chosen is seen, as libvirt would show it */
        { OPEN_QEMU "<devices><emulator/></devices>\n" "  " GROUP "\n" CLOSE,
          OPEN_QEMU "<devices><emulator>" DEFAULT_EMULATOR "</emulator></devices>\n  \n  " GROUP
          "\n" CLOSE },
        { OPEN_QEMU "  " GROUP "\n" CLOSE,
          OPEN_QEMU "  \n" DEVICES("<emulator>" DEFAULT_EMULATOR "</emulator>") "  " GROUP "\n"
          CLOSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_autofree char *upstream = printed(pairs[i].author);
        g_autofree char *reader = restored(upstream);

        g_assert_cmpstr(reader, ==, pairs[i].upstream);
        assert_unchanged_by_translate(&dedicated, upstream);
        assert_unchanged_by_restore(reader);
    }
}

/* --- changed by others --------------------------------------------------- */

#define FULL                                                                                       \
    OPEN_QEMU DEVICES(EMULATOR) COMMANDLINE(TEXT_ARG LSI ENV("A", "b")) "  " GROUP "\n" CLOSE

static char *
replaced(const char *text, const char *old, const char *new)
{
    g_auto(GStrv) halves = g_strsplit(text, old, 2);

    g_assert_cmpuint(g_strv_length(halves), ==, 2);
    return g_strconcat(halves[0], new, halves[1], NULL);
}

/* Words behind ours are somebody's own. */
static void
test_additions(void)
{
    static const char *const added = ARG("-added") ENV("ADDED", "c");
    g_autofree char *upstream = printed(FULL);
    g_autofree char *last = replaced(upstream, WORD_LINES, WORD_LINES ARG("-added")
                                     ENV("ADDED", "c"));
    g_autofree char *elsewhere = replaced(upstream, CLOSE, COMMANDLINE(ARG("-added")
                                          ENV("ADDED", "c")) CLOSE);
    const char *const documents[] = { last, elsewhere };

    for (gsize i = 0; i < G_N_ELEMENTS(documents); i++) {
        g_autofree char *reader = restored(documents[i]);
        g_autofree char *again = translated(&dedicated, reader);
        g_autofree char *back = restored(again);

        assert_unchanged_by_translate(&dedicated, documents[i]);
        g_assert_nonnull(strstr(reader, TEXT_ARG LSI ENV("A", "b")));
        g_assert_nonnull(strstr(reader, added));
        g_assert_nonnull(strstr(reader, EMULATOR));
        g_assert_null(strstr(reader, "virtpass"));
        g_assert_cmpstr(back, ==, reader);
    }
}

/* Everything else is left for all to see, and to be decided on. */
static void
test_changes(void)
{
    static const struct {
        const char *old;
        const char *new;
    } changes[] = {
        { "<qemu:arg value='-S'/>", "<qemu:arg value='-T'/>" },
        { "    <qemu:arg value='-S'/>\n", "" },
        { "    <qemu:arg value='-S'/>\n", "    <qemu:arg value='-a'/>\n"
                                          "    <qemu:arg value='-S'/>\n" },
        { "<qemu:env name='A' value='b'/>", "<qemu:env name='A' value='c'/>" },
        { "<qemu:env name='A' value='b'/>", "<qemu:env name='B' value='b'/>" },
        { "    <qemu:env name='VIRTPASS_PLAN' ", "    <qemu:env name='OTHER' " },
        /* nothing that an author could write, so it cannot become his */
        { "    <qemu:env name='VIRTPASS_PLAN' ", "text<qemu:env name='VIRTPASS_PLAN' " },
        { SHIM_EMULATOR, EMULATOR },
        { SHIM_EMULATOR, "" },
        { " emulator='" REAL "'", "" },
        { " emulator='" REAL "'", " emulator='/x'" },
        { "<type>user</type>", "<type>tap</type>" },
        { "<type>user</type>", "" },
        { "<type>user</type>", "x<type>user</type>" },
        { "<qemu:netdev id='n'>", "<qemu:netdev qemu:id='n'>" },
        { "<qemu:netdev id='n'>", "<qemu:netdev id='m'>" },
        { TEXT_ARG, "" },
        { " made='", " made='x" },
        { " made='3 ", " made='2 " },
    };

    vp_log_set_level(VP_LOG_ERROR);
    for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autofree char *there = translated(&plain, FULL);
        g_autofree char *changed = replaced(there, changes[i].old, changes[i].new);
        g_autofree char *mixed = replaced(changed, CLOSE, "<qemu:b/>" CLOSE);
        g_autoptr(GError) error = NULL;
        char *untouched = NULL;

        assert_unchanged_by_translate(&plain, changed);
        assert_unchanged_by_restore(changed);
        g_assert_false(vp_xml_translate(&plain, mixed, &untouched, &error));
        g_assert_error(error, VP_ERROR, VP_ERROR_XML);
        g_assert_nonnull(strstr(error->message, "<virtpass:passthrough>: keeps elements whose "
                                                "words were changed without virtpassd"));
    }
}

/* A session goes on being brought up to date. */
static void
test_changed_session(void)
{
    g_autofree char *there = translated(&dedicated, FULL);
    g_autofree char *changed = replaced(there, "<qemu:arg value='-S'/>", "<qemu:arg value='-T'/>");
    g_autofree char *moved = replaced(changed, "/run/s/", "/elsewhere/");
    g_autofree char *again = NULL;
    g_autofree char *without = restored(changed);
    g_autofree char *back = NULL;

    vp_log_set_level(VP_LOG_ERROR);
    again = translated(&dedicated, moved);
    g_assert_cmpstr(again, ==, changed);
    g_assert_null(strstr(without, VP_XML_SESSION_CHARDEV));
    g_assert_nonnull(strstr(without, "VIRTPASS_PLAN"));
    back = translated(&plain, changed);
    g_assert_cmpstr(back, ==, without);
}

/* libvirt writes other quotes and other white space. */
static void
test_same_in_other_words(void)
{
    g_autofree char *there = translated(&plain, FULL);
    g_autofree char *quotes = replaced(there, "<qemu:netdev id='n'><type>user</type>",
                                       "<qemu:netdev   id=\"n\" >\n<type>us&#x65;r</type >");
    g_autofree char *reader = restored(quotes);

    assert_unchanged_by_translate(&plain, quotes);
    g_assert_null(strstr(reader, "virtpass"));
    g_assert_nonnull(strstr(reader, "us&#x65;r"));
}

/* --- comes in again ------------------------------------------------------ */

static char *
shim_elsewhere(const char *emulator G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED,
               GError **error G_GNUC_UNUSED)
{
    return g_strdup("/usr/bin/" VP_SHIM_NAME);
}

static void
test_other_host(void)
{
    static const VpXmlRules elsewhere = { .policy = VP_POLICY_ALL, .session_dir = "/run/s",
                                          .data = &compiled, .shim = shim_elsewhere,
                                          .compile = test_compile,
                                          .default_emulator = test_default_emulator };
    static const char *const authors[] = {
        FULL, OPEN_QEMU "<qemu:a/>" CLOSE, OPEN_QEMU "<devices><emulator/></devices><qemu:a/>" CLOSE
    };

    for (gsize i = 0; i < G_N_ELEMENTS(authors); i++) {
        g_autofree char *here = translated(&dedicated, authors[i]);
        g_autofree char *moved = NULL;
        g_autofree char *wanted = replaced(here, SHIM, "/usr/bin/" VP_SHIM_NAME);
        g_autofree char *reader = NULL;

        compiled = 0;
        moved = translated(&elsewhere, here);
        g_assert_cmpuint(compiled, ==, 0);
        g_assert_cmpstr(moved, ==, wanted);
        reader = restored(moved);
        g_assert_cmpstr(reader, ==, authors[i]);
    }
}

/* New elements in what came from plain libvirtd: all is compiled anew. */
static void
test_mixed(void)
{
    g_autofree char *upstream = printed(FULL);
    g_autofree char *before = restored(upstream);
    g_autofree char *mixed = replaced(upstream, CLOSE, "  <qemu:b/>\n" CLOSE);
    g_autofree char *wanted = replaced(before, CLOSE, "  <qemu:b/>\n" CLOSE);
    g_autofree char *there = translated(&dedicated, mixed);
    g_autofree char *reader = restored(there);
    g_autoptr(GPtrArray) needs = vp_xml_needs(&dedicated, mixed, NULL);

    g_assert_cmpstr(reader, ==, wanted);
    assert_unchanged_by_translate(&dedicated, there);
    g_assert_cmpuint(needs->len, ==, 1);
}

/* The metadata is gone, the words of the session are not. */
static void
test_words_left_behind(void)
{
    static const char *const xml = OPEN_QEMU COMMANDLINE(LSI WORD_LINES) CLOSE;
    g_autofree char *there = translated(&dedicated, xml);
    g_autofree char *reader = restored(there);

    g_assert_cmpstr(reader, ==, OPEN_QEMU COMMANDLINE(LSI) CLOSE);
    assert_unchanged_by_translate(&dedicated, there);
}

/* Elements without what was made of them: somebody wrote them there. */
static void
test_kept_by_hand(void)
{
    static const char *const xml = OPEN METADATA("<qemu:device id='x'/>") CLOSE;
    g_autofree char *there = translated(&plain, xml);
    g_autofree char *reader = restored(there);

    g_assert_nonnull(strstr(there, "made='2 0 "));
    g_assert_nonnull(strstr(reader, "<qemu:device id='x'/>"));
    assert_unchanged_by_translate(&plain, there);
}

/* --- errors and limits --------------------------------------------------- */

static void
assert_refused(const char *inside, VpError code, const char *message)
{
    g_autofree char *xml = g_strconcat(OPEN_QEMU, inside, CLOSE, NULL);
    g_autoptr(GError) error = NULL;
    char *untouched = NULL;

    g_assert_false(vp_xml_translate(&dedicated, xml, &untouched, &error));
    g_assert_error(error, VP_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, message);
}

static void
test_errors(void)
{
    assert_refused("<os><type machine='unknown'/></os><qemu:a/>", VP_ERROR_UNSUPPORTED,
                   "no emulator has that machine");
    assert_refused(COMMANDLINE("<qemu:arg>-fail</qemu:arg>"), VP_ERROR_UNSUPPORTED,
                   "no compiler does that");
    assert_refused(COMMANDLINE("<qemu:extra>-a 'b\nc'</qemu:extra>"), VP_ERROR_XML,
                   "line 1: <domain>: the word 'b\nc' for the command line has a line break or tab "
                   "in it, which libvirt cannot store, expected it without");
    assert_refused(COMMANDLINE("<qemu:arg>null,id=virtpass-qmp</qemu:arg>"), VP_ERROR_XML,
                   "line 1: <domain>: the word 'null,id=virtpass-qmp' for the command line has the "
                   "id 'virtpass-qmp', which belongs to the dedicated session, expected another "
                   "one");
    assert_refused("<devices><emulator>/q<?virtpass added?></emulator></devices><qemu:a/>",
                   VP_ERROR_XML,
                   "line 4: <?virtpass added?>: this processing instruction is reserved, expected "
                   "none in a document that is handed in");
    assert_refused("<qemu:commandline><?virtpass empty?><qemu:extra>-S</qemu:extra>"
                   "</qemu:commandline>",
                   VP_ERROR_XML,
                   "line 4: <?virtpass empty?>: this processing instruction is reserved, expected "
                   "none in a document that is handed in");
}

static void
test_no_default_emulator(void)
{
    VpXmlRules rules = plain;
    g_autoptr(GError) error = NULL;
    g_autofree char *named = NULL;
    char *untouched = NULL;

    rules.default_emulator = NULL;
    g_assert_false(vp_xml_translate(&rules, OPEN_QEMU "<qemu:a/>" CLOSE, &untouched, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "expected an <emulator>"));
    named = translated(&rules, OPEN_QEMU DEVICES(EMULATOR) "<qemu:a/>" CLOSE);
    g_assert_nonnull(strstr(named, SHIM_EMULATOR));
}

static void
test_word_limit(void)
{
    g_autofree char *longest = g_strnfill(VP_ARGV_WORD_MAX, 'a');
    g_autofree char *xml = g_strconcat(OPEN_QEMU "<qemu:commandline><arg>", longest,
                                       "</arg></qemu:commandline>" CLOSE, NULL);
    g_autofree char *inside = g_strconcat("<qemu:commandline><arg>b", longest,
                                          "</arg></qemu:commandline>", NULL);
    g_autofree char *there = translated(&plain, xml);

    g_assert_nonnull(strstr(there, longest));
    assert_refused(inside, VP_ERROR_LIMIT,
                   "line 1: <domain>: a word for the command line is 131072 bytes long, at most "
                   "131071 are allowed");
}

/* As in test-refusals.c, but as long as what comes out may be. */
static void
test_large_documents(void)
{
    static const struct {
        const char *head;
        const char *piece;
        const char *tail;
    } cases[] = {
        { OPEN_QEMU "<qemu:commandline>", "<qemu:arg>a</qemu:arg>\n", "</qemu:commandline>" CLOSE },
        { OPEN_QEMU "<qemu:commandline><qemu:extra>", "a\n", "</qemu:extra></qemu:commandline>"
          CLOSE },
        { OPEN_QEMU, "<qemu:device/>\n", CLOSE },
        { OPEN_QEMU "<qemu:device>", "<a/>\n", "</qemu:device>" CLOSE },
        { OPEN_QEMU, "<qemu:commandline><arg>-S</arg></qemu:commandline>\n", CLOSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) xml = g_string_new(cases[i].head);
        g_autofree char *there = NULL;
        g_autofree char *back = NULL;
        gint64 start = 0;

        while (xml->len < VP_XDR_STRING_MAX / 32)
            g_string_append(xml, cases[i].piece);
        g_string_append(xml, cases[i].tail);
        start = g_get_monotonic_time();
        there = translated(&plain, xml->str);
        back = restored(there);
        g_test_message("%" G_GSIZE_FORMAT ": %.3f s", i, (g_get_monotonic_time() - start) / 1e6);
        g_assert_cmpint(g_get_monotonic_time() - start, <, 20 * G_USEC_PER_SEC);
        g_assert_cmpstr(back, ==, xml->str);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/compiled/words", test_words);
    g_test_add_func("/xml/compiled/with-session", test_with_session);
    g_test_add_func("/xml/compiled/shim", test_shim);
    g_test_add_func("/xml/compiled/sets", test_sets);
    g_test_add_func("/xml/compiled/printed", test_printed);
    g_test_add_func("/xml/compiled/additions", test_additions);
    g_test_add_func("/xml/compiled/changes", test_changes);
    g_test_add_func("/xml/compiled/changed-session", test_changed_session);
    g_test_add_func("/xml/compiled/same-in-other-words", test_same_in_other_words);
    g_test_add_func("/xml/compiled/other-host", test_other_host);
    g_test_add_func("/xml/compiled/mixed", test_mixed);
    g_test_add_func("/xml/compiled/words-left-behind", test_words_left_behind);
    g_test_add_func("/xml/compiled/kept-by-hand", test_kept_by_hand);
    g_test_add_func("/xml/compiled/errors", test_errors);
    g_test_add_func("/xml/compiled/no-default-emulator", test_no_default_emulator);
    g_test_add_func("/xml/compiled/word-limit", test_word_limit);
    g_test_add_func("/xml/compiled/large-documents", test_large_documents);
    return g_test_run();
}
