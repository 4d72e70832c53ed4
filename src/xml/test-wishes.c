/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What authors may write about the command line: how it is read, and each way to be wrong. The
 * schema that is installed has to be of the same opinion.
 */

#include "base/limits.h"
#include "xml/test-compile.h"
#include "xml/test-helpers.h"
#include "xml/test-schema.h"

#include <string.h>

static const VpXmlRules rules = { .policy = VP_POLICY_REQUESTED, .session_dir = "/run/s",
                                  COMPILING };

#define COMMANDLINE(text) "<qemu:commandline>" text "</qemu:commandline>"
#define ALTER(text) COMMANDLINE("<qemu:alter option='device'>" text "</qemu:alter>")
#define ORG(text) "<o:device xmlns:o='" VP_XML_QEMU_2010_NS "'>" text "</o:device>"

static bool
is_valid(const char *inside)
{
    g_autofree char *xml = g_strconcat(OPEN_QEMU, inside, CLOSE, NULL);

    return is_valid_document(xml);
}

static GPtrArray *
needs_of(const char *xml)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *needs = vp_xml_needs(&rules, xml, &error);

    g_assert_no_error(error);
    g_assert_nonnull(needs);
    return needs;
}

/* The wishes of a domain with @inside as JSON; "" when there are none. */
static char *
wishes_of(const char *inside)
{
    g_autofree char *xml = g_strconcat(OPEN_QEMU, inside, CLOSE, NULL);
    g_autoptr(GPtrArray) needs = needs_of(xml);
    g_autoptr(GError) error = NULL;
    char *plan = NULL;

    if (needs->len == 0)
        return g_strdup("");
    g_assert_cmpuint(needs->len, ==, 1);
    plan = vp_plan_to_json(((VpXmlNeeds *)needs->pdata[0])->wishes, &error);
    g_assert_no_error(error);
    return plan;
}

/* --- what is read -------------------------------------------------------- */

#define PLAN(steps) "{\"version\":1,\"steps\":[" steps "]}"
#define WORD(word) "{\"words\":[\"" word "\"],\"line\":4}"
#define DEVICE_ALTER(rest) "{\"alter\":\"device\",\"number\":1,\"line\":4," rest "}"
#define DO(actions) DEVICE_ALTER("\"actions\":[" actions "]")
#define DROP "{\"do\":\"remove\"}"
static const struct {
    const char *inside;
    const char *plan;
} readings[] = {
    /* nothing that is not libvirt's */
    { "", "" },
    { COMMANDLINE("<qemu:arg value='-S'/><qemu:env name='a'/>"), "" },
    { "<qemu:capabilities><qemu:add capability='x'/></qemu:capabilities>", "" },
    { "<qemu:override/><qemu:deprecation behavior='omit'/>", "" },
    { "<qemu:monitorpassthrough/>", "" },
    { "<commandline><alter/></commandline><devices><qemu:device/></devices>", "" },
    /* words */
    { COMMANDLINE("<qemu:arg>-S</qemu:arg>"), PLAN(WORD("-S")) },
    { COMMANDLINE("<qemu:arg>\n -S <!-- c --><![CDATA[<]]></qemu:arg>"), PLAN(WORD("-S <")) },
    { COMMANDLINE("<qemu:arg>-a</qemu:arg><qemu:arg value=' b '/>"),
      PLAN(WORD("-a") "," WORD(" b ")) },
    { COMMANDLINE("<qemu:arg value='-device'/><qemu:arg value='lsi'/>"),
      PLAN(WORD("-device") "," WORD("lsi")) },
    { COMMANDLINE("<qemu:arg value=''/><qemu:arg>-b</qemu:arg>"),
      PLAN(WORD("") "," WORD("-b")) },
    { COMMANDLINE("<arg>-S</arg>"), PLAN(WORD("-S")) },
    { COMMANDLINE("<arg value='-S'/>"), PLAN(WORD("-S")) },
    { COMMANDLINE("<o:arg xmlns:o='" VP_XML_QEMU_2010_NS "' value='-S'/>"), PLAN(WORD("-S")) },
    { "<commandline xmlns='" VP_XML_QEMU_2010_NS "'><arg value='-S'/></commandline>",
      PLAN(WORD("-S")) },
    { COMMANDLINE("<qemu:extra>-a 'b c' d\\ e \"\"</qemu:extra>"),
      PLAN("{\"words\":[\"-a\",\"b c\",\"d e\",\"\"],\"line\":4}") },
    { COMMANDLINE("<qemu:extra>\n-a # why\n-b</qemu:extra>"),
      PLAN("{\"words\":[\"-a\",\"-b\"],\"line\":4}") },
    /* alterations */
    { ALTER("<qemu:remove/>"), PLAN(DO(DROP)) },
    { COMMANDLINE("<alter option='-device'><remove/></alter>"), PLAN(DO(DROP)) },
    { COMMANDLINE("<qemu:alter option='--device' occurs='all' required='yes'><remove/>"
                  "</qemu:alter>"),
      PLAN(DO(DROP)) },
    { COMMANDLINE("<qemu:alter option='device' occurs='first' required='no'><remove/>"
                  "</qemu:alter>"),
      PLAN(DEVICE_ALTER("\"occurs\":\"first\",\"required\":false,\"actions\":[" DROP "]")) },
    { COMMANDLINE("<qemu:alter option='device' occurs='last'><remove/></qemu:alter>"),
      PLAN(DEVICE_ALTER("\"occurs\":\"last\",\"actions\":[" DROP "]")) },
    { COMMANDLINE("<qemu:alter option='device' occurs='12'><remove/></qemu:alter>"),
      PLAN(DEVICE_ALTER("\"occurs\":12,\"actions\":[" DROP "]")) },
    { ALTER("<qemu:match>^a$</qemu:match><qemu:match key='id'>b</qemu:match><qemu:remove/>"),
      PLAN(DO("{\"do\":\"match\",\"regex\":\"^a$\"},"
              "{\"do\":\"match\",\"regex\":\"b\",\"key\":\"id\"}," DROP)) },
    { ALTER("<qemu:modify>a=b,c=d,,e,f=</qemu:modify>"),
      PLAN(DO("{\"do\":\"modify\",\"text\":\"a=b,c=d,,e,f=\"}")) },
    { ALTER("<qemu:modify type='bool'>a=on</qemu:modify>"),
      PLAN(DO("{\"do\":\"modify\",\"text\":\"a=on\",\"type\":\"bool\"}")) },
    { ALTER("<qemu:modify type='other'>a=[1,,2]</qemu:modify>"),
      PLAN(DO("{\"do\":\"modify\",\"text\":\"a=[1,,2]\",\"type\":\"other\"}")) },
    { ALTER("<qemu:remove key='addr'/>"),
      PLAN(DO("{\"do\":\"remove-key\",\"key\":\"addr\"}")) },
    { ALTER("<qemu:rename>-netdev</qemu:rename>"),
      PLAN(DO("{\"do\":\"rename\",\"text\":\"netdev\"}")) },
    { ALTER("<qemu:replace match='a(.)'>b\\1</qemu:replace>"),
      PLAN(DO("{\"do\":\"replace\",\"regex\":\"a(.)\",\"text\":\"b\\\\1\"}")) },
    { ALTER("<qemu:replace match='a'/>"),
      PLAN(DO("{\"do\":\"replace\",\"regex\":\"a\",\"text\":\"\"}")) },
    { ALTER("<qemu:extra>-x y</qemu:extra><qemu:extra where='after'>-y</qemu:extra>"
            "<qemu:extra where='before'>-z</qemu:extra>"),
      PLAN(DO("{\"do\":\"extra\",\"words\":[\"-x\",\"y\"]},"
              "{\"do\":\"extra\",\"words\":[\"-y\"]},"
              "{\"do\":\"extra\",\"words\":[\"-z\"],\"before\":true}")) },
    { ALTER("<qemu:remove/><qemu:extra>-x</qemu:extra>"),
      PLAN(DO(DROP ",{\"do\":\"extra\",\"words\":[\"-x\"]}")) },
    /* the example of 2010 */
    { COMMANDLINE("<alter option=\"device\"><rename>a</rename><match>b</match>"
                  "<modify>c=d</modify><extra>-e</extra></alter>"),
      PLAN(DO("{\"do\":\"rename\",\"text\":\"a\"},{\"do\":\"match\",\"regex\":\"b\"},"
              "{\"do\":\"modify\",\"text\":\"c=d\"},"
              "{\"do\":\"extra\",\"words\":[\"-e\"]}")) },
    /* groups */
    { "<qemu:device id='rng1'><driver>virtio-rng-pci</driver></qemu:device>",
      PLAN("{\"group\":\"device\",\"id\":\"rng1\",\"line\":4,"
           "\"values\":[[\"driver\",\"virtio-rng-pci\"]]}") },
    { ORG("<driver>\n a </driver><o:b/><qemu:c>c d</qemu:c>"),
      PLAN("{\"group\":\"device\",\"line\":4,"
           "\"values\":[[\"driver\",\"a\"],[\"b\",\"\"],[\"c\",\"c d\"]]}") },
    { "<qemu:cpudef><name>Opteron_G3</name><level>5</level></qemu:cpudef>",
      PLAN("{\"group\":\"cpudef\",\"line\":4,"
           "\"values\":[[\"name\",\"Opteron_G3\"],[\"level\",\"5\"]]}") },
    { "<qemu:smp-opts/>", PLAN("{\"group\":\"smp-opts\",\"line\":4}") },
    /* in the order of the document, whatever stands between */
    { "<qemu:a/>" COMMANDLINE("<qemu:arg>-S</qemu:arg>") "<title/><qemu:b/>"
      COMMANDLINE("<qemu:arg value='-T'/>"),
      PLAN("{\"group\":\"a\",\"line\":4}," WORD("-S") ",{\"group\":\"b\",\"line\":4},"
           WORD("-T")) },
    { COMMANDLINE("<alter option='a'><remove/></alter><alter option='b'><remove/></alter>"),
      PLAN("{\"alter\":\"a\",\"number\":1,\"line\":4,\"actions\":[" DROP "]},"
           "{\"alter\":\"b\",\"number\":2,\"line\":4,\"actions\":[" DROP "]}") },
};

static void
test_read(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(readings); i++) {
        g_autofree char *plan = wishes_of(readings[i].inside);

        g_assert_cmpstr(plan, ==, readings[i].plan);
        g_assert_true(is_valid(readings[i].inside));
    }
}

/* libvirt passes over it, and so do we where nothing is ours. */
static void
test_passed_over(void)
{
    static const char *const insides[] = {
        COMMANDLINE("text<qemu:arg value='-S'/>"),
        COMMANDLINE("<qemu:arg value='-S'/><x xmlns='urn:x'/>"),
        COMMANDLINE("<qemu:arg value='-S' a='b'/>"),
        COMMANDLINE("<qemu:env/>"),
        "<qemu:commandline a=''/>",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(insides); i++) {
        g_autofree char *plan = wishes_of(insides[i]);

        g_assert_cmpstr(plan, ==, "");
        g_assert_false(is_valid(insides[i]));
    }
}

/* Devices that libvirt writes behind the author's words. */
static void
test_late_devices(void)
{
    static const struct {
        const char *devices;
        bool late;
    } cases[] = {
        { "", false },
        { "<devices/>", false },
        { "<devices><disk><vsock/></disk><panic model='isa'/><panic/></devices>", false },
        { "<devices><emulator>/q</emulator><disk/><vsock model='virtio'/></devices>", true },
        { "<devices><shmem name='a'/></devices>", true },
        { "<devices><panic a='b' model='pvpanic'/></devices>", true },
        { "<vsock/><devices/>", false },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *xml =
            g_strconcat(OPEN_QEMU, cases[i].devices, "<qemu:device/>", CLOSE, NULL);
        g_autoptr(GPtrArray) needs = needs_of(xml);

        g_assert_cmpuint(needs->len, ==, 1);
        g_assert_true(((VpXmlNeeds *)needs->pdata[0])->wishes->late_devices == cases[i].late);
    }
}

/* --- what is wrong ------------------------------------------------------- */

/* @wanted: only its beginning when it ends with "..." */
static void
assert_message(const char *message, const char *wanted)
{
    if (wanted && g_str_has_suffix(wanted, "..."))
        g_assert_true(strncmp(message, wanted, strlen(wanted) - 3) == 0);
    else
        g_assert_cmpstr(message, ==, wanted);
}

static void
assert_refused(const char *inside, VpError code, const char *message)
{
    g_autofree char *xml = g_strconcat(OPEN_QEMU, inside, CLOSE, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) same = NULL;
    char *untouched = NULL;

    g_assert_null(vp_xml_needs(&rules, xml, &error));
    g_assert_error(error, VP_ERROR, (int)code);
    g_assert_false(vp_xml_translate(&rules, xml, &untouched, &same));
    g_assert_cmpstr(same->message, ==, error->message);
    assert_message(error->message, message);
}

typedef struct Wrong {
    const char *inside;
    const char *message; /* behind "line 4: "; to be continued when it ends with "..." */
} Wrong;

/* @valid: what the schema says of it, which cannot see everything. */
static void
assert_all_refused(const Wrong *cases, gsize n, bool valid)
{
    for (gsize i = 0; i < n; i++) {
        g_autofree char *message = g_strconcat("line 4: ", cases[i].message, NULL);

        assert_refused(cases[i].inside, VP_ERROR_XML, message);
        if (is_valid(cases[i].inside) != valid)
            g_error("the schema judges otherwise: %s", cases[i].inside);
    }
}

static void
test_wrong_words(void)
{
    static const Wrong cases[] = {
        { COMMANDLINE("<qemu:arg/>"), "<qemu:arg>: is empty, expected value='...' or text" },
        { COMMANDLINE("<qemu:arg> <!-- c --> </qemu:arg>"),
          "<qemu:arg>: is empty, expected value='...' or text" },
        { COMMANDLINE("<qemu:arg value='-a'>-b</qemu:arg>"),
          "<qemu:arg>: has value='-a' and the text '-b', expected one of the two" },
        { COMMANDLINE("<qemu:arg valeu='-a'/>"),
          "<qemu:arg>: unknown attribute 'valeu', expected at most value='...'" },
        { COMMANDLINE("<qemu:arg>a<b/></qemu:arg>"),
          "<qemu:arg>: has the element <b> in it, expected text only" },
        { COMMANDLINE("<qemu:extra/>"),
          "<qemu:extra>: is empty, expected words in shell quoting" },
        { COMMANDLINE("<qemu:extra where='before'>-a</qemu:extra>"),
          "<qemu:extra>: unknown attribute 'where', expected none" },
        /* variables are read when something else has to be */
        { COMMANDLINE("<qemu:env/><qemu:arg>-S</qemu:arg>"),
          "<qemu:env>: name='' is no name of a variable, expected letters, digits and '_', no "
          "digit first" },
        { COMMANDLINE("<env name='1a'/>"),
          "<env>: name='1a' is no name of a variable, expected letters, digits and '_', no digit "
          "first" },
        { COMMANDLINE("<env name='A' valeu=''/>"),
          "<env>: unknown attribute 'valeu', expected name='...' and at most value='...'" },
        { COMMANDLINE("<env name='A'>x</env>"),
          "<env>: has content, expected an empty element" },
        { COMMANDLINE("<env name='VIRTPASS_PLAN' value=''/>"),
          "<env>: the variable 'VIRTPASS_PLAN' belongs to libvirt-qemu-passthrough, expected "
          "another one" },
        { COMMANDLINE("<qemu:args>-S</qemu:args>"),
          "<qemu:args>: unknown element in <commandline>, expected arg, env, extra or alter" },
        { COMMANDLINE("<x:arg xmlns:x='urn:x'/><qemu:arg>-S</qemu:arg>"),
          "<x:arg>: unknown element in <commandline>, expected arg, env, extra or alter" },
        { COMMANDLINE("-S<qemu:arg>-S</qemu:arg>"),
          "<qemu:commandline>: has text in it, expected elements only" },
        { "<qemu:commandline a=''><qemu:arg>-S</qemu:arg></qemu:commandline>",
          "<qemu:commandline>: unknown attribute 'a', expected none" },
    };

    assert_all_refused(cases, G_N_ELEMENTS(cases), false);
}

static void
test_wrong_alters(void)
{
    static const Wrong cases[] = {
        { COMMANDLINE("<alter><remove/></alter>"),
          "<alter>: has no option='...', expected the name of an option such as option='device'" },
        { COMMANDLINE("<alter option=''><remove/></alter>"),
          "<alter>: has no option='...', expected the name of an option such as option='device'" },
        { COMMANDLINE("<alter option='---a'><remove/></alter>"),
          "<alter>: option='---a' is no name of an option, expected one such as option='device'" },
        { COMMANDLINE("<alter option='-'><remove/></alter>"),
          "<alter>: option='-' is no name of an option, expected one such as option='device'" },
        { COMMANDLINE("<alter option='a b'><remove/></alter>"),
          "<alter>: option='a b' is no name of an option, expected one such as option='device'" },
        { COMMANDLINE("<alter option='a' occurs='0'><remove/></alter>"),
          "<alter>: occurs='0' is not known, expected occurs='all|first|last' or a number from 1" },
        { COMMANDLINE("<alter option='a' occurs='-1'><remove/></alter>"),
          "<alter>: occurs='-1' is not known, expected occurs='all|first|last' or a number from "
          "1" },
        { COMMANDLINE("<alter option='a' occurs='99999999999'><remove/></alter>"),
          "<alter>: occurs='99999999999' is not known, expected ..." },
        { COMMANDLINE("<alter option='a' occurs=''><remove/></alter>"),
          "<alter>: occurs='' is not known, expected ..." },
        { COMMANDLINE("<alter option='a' required='maybe'><remove/></alter>"),
          "<alter>: required='maybe' is not known, expected required='yes|no'" },
        { COMMANDLINE("<alter option='a' when=''><remove/></alter>"),
          "<alter>: unknown attribute 'when', expected option, occurs and required" },
        { COMMANDLINE("<alter option='a'/>"),
          "<alter>: says nothing that is to be done, expected modify, remove, rename, replace or "
          "extra" },
        { ALTER("<match>a</match>"),
          "<qemu:alter>: says nothing that is to be done, expected modify, remove, rename, "
          "replace or extra" },
        { ALTER("text<remove/>"), "<qemu:alter>: has text in it, expected elements only" },
        { ALTER("<modfiy>a=b</modfiy>"),
          "<modfiy>: unknown element in <alter>, expected match, modify, remove, rename, replace "
          "or extra" },
        { ALTER("<x:modify xmlns:x='urn:x'>a=b</x:modify>"),
          "<x:modify>: unknown element in <alter>, expected match, modify, remove, rename, replace "
          "or extra" },
        { ALTER("<match/><remove/>"), "<match>: is empty, expected a regular expression" },
        { ALTER("<match key=''>a</match><remove/>"),
          "<match>: key='' is empty, expected the name of a property" },
        { ALTER("<match name='a'>a</match><remove/>"),
          "<match>: unknown attribute 'name', expected at most key='...'" },
        { ALTER("<modify/>"), "<modify>: is empty, expected KEY=VALUE[,KEY=VALUE...]" },
        { ALTER("<modify>a</modify>"),
          "<modify>: 'a' sets nothing, expected KEY=VALUE[,KEY=VALUE...]" },
        { ALTER("<modify>a=b,</modify>"),
          "<modify>: 'a=b,' sets nothing, expected KEY=VALUE[,KEY=VALUE...]" },
        { ALTER("<modify>=b</modify>"),
          "<modify>: '=b' sets nothing, expected KEY=VALUE[,KEY=VALUE...]" },
        { ALTER("<modify>a=b,c</modify>"),
          "<modify>: 'a=b,c' sets nothing, expected KEY=VALUE[,KEY=VALUE...]" },
        { ALTER("<modify>a=b,,c,=d</modify>"),
          "<modify>: 'a=b,,c,=d' sets nothing, expected KEY=VALUE[,KEY=VALUE...]" },
        { ALTER("<modify>a=b,-</modify>"),
          "<modify>: 'a=b,-' sets nothing, expected KEY=VALUE[,KEY=VALUE...]" },
        { ALTER("<modify>+a,</modify>"),
          "<modify>: '+a,' sets nothing, expected KEY=VALUE[,KEY=VALUE...]" },
        { ALTER("<modify type='other'>[1]</modify>"),
          "<modify>: '[1]' sets nothing, expected KEY=VALUE[,KEY=VALUE...]" },
        { ALTER("<modify type='other'>a=[1,2]</modify>"),
          "<modify>: 'a=[1,2]' sets nothing, expected KEY=VALUE[,KEY=VALUE...]" },
        { ALTER("<modify type='boolean'>a=on</modify>"),
          "<modify>: type='boolean' is not known, expected "
          "type='string|bool|int|size|number|other'" },
        { ALTER("<modify type='unknown'>a=on</modify>"),
          "<modify>: type='unknown' is not known, expected ..." },
        { ALTER("<remove>addr</remove>"), "<remove>: has content, expected an empty element" },
        { ALTER("<remove option='a'/>"),
          "<remove>: unknown attribute 'option', expected at most key='...'" },
        { ALTER("<remove key=''/>"),
          "<remove>: key='' is empty, expected the name of a property" },
        { ALTER("<remove/><modify>a=b</modify>"),
          "<modify>: stands behind the <remove/> of the whole option, expected nothing but <extra> "
          "there" },
        { ALTER("<rename/>"), "<rename>: is empty, expected the new name of the option" },
        { ALTER("<rename>a b</rename>"),
          "<rename>: 'a b' is no name of an option, expected one such as 'device'" },
        { ALTER("<rename to='b'/>"), "<rename>: unknown attribute 'to', expected none" },
        { ALTER("<replace>b</replace>"),
          "<replace>: has no match='...', expected the regular expression to be replaced" },
        { ALTER("<replace match=''>b</replace>"),
          "<replace>: has no match='...', expected the regular expression to be replaced" },
        { ALTER("<replace match='a' key='b'>c</replace>"),
          "<replace>: unknown attribute 'key', expected match='...'" },
        { ALTER("<extra where='behind'>-a</extra>"),
          "<extra>: where='behind' is not known, expected where='after|before'" },
        { ALTER("<extra> </extra>"), "<extra>: is empty, expected words in shell quoting" },
    };

    assert_all_refused(cases, G_N_ELEMENTS(cases), false);
}

static void
test_wrong_groups(void)
{
    static const Wrong cases[] = {
        { "<qemu:device id=''/>",
          "<qemu:device>: id='' is no id, expected a letter, then at most 62 letters, digits, '-', "
          "'.' and '_'" },
        { "<qemu:device id='1a'/>", "<qemu:device>: id='1a' is no id, expected ..." },
        { "<qemu:device id='a b'/>", "<qemu:device>: id='a b' is no id, expected ..." },
        { "<qemu:device name='a'/>",
          "<qemu:device>: unknown attribute 'name', expected at most id='...'" },
        { "<qemu:device>driver</qemu:device>",
          "<qemu:device>: has text in it, expected <KEY>VALUE</KEY> elements only" },
        { "<qemu:device><driver><name/></driver></qemu:device>",
          "<driver>: has the element <name> in it, expected text only" },
        { "<qemu:device><driver name='a'/></qemu:device>",
          "<driver>: unknown attribute 'name', expected none" },
        { "<qemu:device><x:driver xmlns:x='urn:x'/></qemu:device>",
          "<x:driver>: is in a namespace of its own, expected the keys of a group in none" },
    };

    assert_all_refused(cases, G_N_ELEMENTS(cases), false);
}

static void
test_wrong_beyond_the_schema(void)
{
    static const Wrong cases[] = {
        { COMMANDLINE("<env name='A' value='a&#10;b'/>"),
          "<env>: the value has a line break or tab in it, or more than 131071 bytes, which cannot "
          "be stored, expected it without" },
        { COMMANDLINE("<qemu:extra># nothing</qemu:extra>"),
          "<qemu:extra>: '# nothing' cannot be split as a shell would, expected words in shell "
          "quoting: ..." },
        { COMMANDLINE("<qemu:extra>-a 'b</qemu:extra>"),
          "<qemu:extra>: '-a 'b' cannot be split as a shell would, expected words in shell "
          "quoting: ..." },
        { ALTER("<match>(</match><remove/>"), "<match>: '(' is no regular expression: ..." },
        { ALTER("<replace match='['>b</replace>"), "<replace>: '[' is no regular expression: ..." },
        { ALTER("<replace match='a'>\\g&lt;</replace>"),
          "<replace>: '\\g<' is no replacement: ..." },
    };

    assert_all_refused(cases, G_N_ELEMENTS(cases), true);
}

static void
test_wrong_emulators(void)
{
    static const Wrong cases[] = {
        { "<devices><emulator a='b'>/q</emulator></devices><qemu:a/>",
          "<emulator>: has attributes or elements, expected the path of an emulator only" },
        { "<devices><emulator>/q<b/></emulator></devices><qemu:a/>",
          "<emulator>: has attributes or elements, expected the path of an emulator only" },
        { "<devices><emulator>/x/virtpass-emulator</emulator></devices><qemu:a/>",
          "<emulator>: '/x/virtpass-emulator' only stands in for an emulator, expected the path of "
          "QEMU itself" },
    };

    assert_all_refused(cases, G_N_ELEMENTS(cases), true);
}

static void
test_regex_limit(void)
{
    g_autofree char *longest = g_strnfill(VP_REGEX_MAX, 'a');
    g_autofree char *element =
        g_strconcat(COMMANDLINE("<alter option='a'><match>%s</match><remove/></alter>"), NULL);
    g_auto(GStrv) halves = g_strsplit(element, "%s", 2);
    g_autofree char *fits = g_strjoin(longest, halves[0], halves[1], NULL);
    g_autofree char *longer = g_strconcat(halves[0], "a", longest, halves[1], NULL);
    g_autofree char *plan = wishes_of(fits);

    g_assert_nonnull(strstr(plan, longest));
    g_assert_true(is_valid(fits));
    g_assert_false(is_valid(longer));
    assert_refused(longer, VP_ERROR_LIMIT,
                   "line 4: <match>: the regular expression is 4097 bytes long, at most 4096 are "
                   "allowed");
}

static void
test_id_limit(void)
{
    g_autofree char *longest = g_strnfill(VP_CONFIG_NAME_MAX, 'a');
    g_autofree char *fits = g_strconcat("<qemu:a id='", longest, "'/>", NULL);
    g_autofree char *longer = g_strconcat("<qemu:a id='b", longest, "'/>", NULL);
    g_autofree char *plan = wishes_of(fits);

    g_assert_nonnull(strstr(plan, longest));
    g_assert_true(is_valid(fits));
    g_assert_false(is_valid(longer));
    assert_refused(longer, VP_ERROR_XML, "line 4: <qemu:a>: id='b...");
}

static void
test_wrong_sessions(void)
{
    static const Wrong cases[] = {
        { "<qemu:monitorpassthrough session='other'/>",
          "<qemu:monitorpassthrough>: session='other' is not known, expected ..." },
        { "<qemu:monitorpassthrough a=''/>",
          "<qemu:monitorpassthrough>: unknown attribute 'a', expected ..." },
        { "<qemu:monitorpassthrough>x</qemu:monitorpassthrough>",
          "<qemu:monitorpassthrough>: has content, expected an empty element" },
        { "<qemu:monitorpassthrough/><os/><qemu:monitorpassthrough/>",
          "<qemu:monitorpassthrough>: stands twice in the domain (first in line 4), expected "
          "once" },
    };

    assert_all_refused(cases, G_N_ELEMENTS(cases), false);
}

/* --- what has to be known ------------------------------------------------ */

static void
test_needs(void)
{
    static const struct {
        const char *inside;
        bool facts;
    } cases[] = {
        { "<qemu:netdev/>", false },
        { COMMANDLINE("<qemu:arg>-S</qemu:arg>"), false },
        { ALTER("<qemu:remove key='addr'/><qemu:extra>-S</qemu:extra>"), false },
        { "<qemu:device/>", true },
        { COMMANDLINE("<qemu:arg value='-device'/>"), true },
        { COMMANDLINE("<qemu:arg>--device</qemu:arg>"), true },
        { COMMANDLINE("<qemu:extra>-S -device lsi</qemu:extra>"), true },
        { "<qemu:nic/>", true },
        { COMMANDLINE("<qemu:arg value='-nic'/>"), true },
        { COMMANDLINE("<qemu:extra>--vga std</qemu:extra>"), true },
        { ALTER("<qemu:extra>-usb</qemu:extra>"), true },
        { ALTER("<qemu:modify>a=b</qemu:modify>"), true },
        { ALTER("<qemu:extra>-device a</qemu:extra>"), true },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *xml = g_strconcat(OPEN_QEMU, cases[i].inside, CLOSE, NULL);
        g_autoptr(GPtrArray) needs = needs_of(xml);

        g_assert_cmpuint(needs->len, ==, 1);
        g_assert_cmpint(((VpXmlNeeds *)needs->pdata[0])->facts, ==, cases[i].facts);
    }
}

static void
test_machine(void)
{
    g_autoptr(GPtrArray) needs = needs_of(
        "<domainsnapshot" XMLNS_QEMU ">"
        "<domain type='kvm'><os><type arch='x86_64' machine='q35'>hvm</type></os>"
        "<devices><disk/><emulator>/q</emulator><emulator>/r</emulator></devices><qemu:a/></domain>"
        "<inactiveDomain type='qemu'><devices><emulator/></devices><qemu:a/></inactiveDomain>"
        "</domainsnapshot>");
    const VpXmlNeeds *first = needs->pdata[0];
    const VpXmlNeeds *second = needs->pdata[1];

    g_assert_cmpuint(needs->len, ==, 2);
    g_assert_cmpstr(first->wishes->emulator, ==, "/q");
    g_assert_cmpstr(first->type, ==, "kvm");
    g_assert_cmpstr(first->arch, ==, "x86_64");
    g_assert_cmpstr(first->machine, ==, "q35");
    g_assert_null(second->wishes->emulator);
    g_assert_cmpstr(second->type, ==, "qemu");
    g_assert_null(second->arch);
    g_assert_null(second->machine);
}

/* Stock words with devices are compiled by who can, and only when the guest does not run. */
static void
test_stock_devices(void)
{
    static const char *const xml =
        OPEN_QEMU COMMANDLINE("<qemu:arg value='-device'/><qemu:arg value='lsi'/>") CLOSE;
    VpXmlRules running = rules;
    VpXmlRules cannot = rules;
    g_autoptr(GPtrArray) needs = NULL;
    g_autoptr(GPtrArray) none = NULL;

    running.running = true;
    needs = vp_xml_needs(&running, xml, NULL);
    g_assert_cmpuint(needs->len, ==, 0);
    assert_unchanged_by_translate(&running, xml);
    cannot.compile = NULL;
    none = vp_xml_needs(&cannot, xml, NULL);
    g_assert_cmpuint(none->len, ==, 0);
    assert_unchanged_by_translate(&cannot, xml);
}

static void
test_without_compiler(void)
{
    static const char *const insides[] = {
        "<qemu:device/>",
        COMMANDLINE("<qemu:arg>-S</qemu:arg>"),
        ALTER("<qemu:remove/>"),
    };
    VpXmlRules cannot = rules;

    cannot.compile = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(insides); i++) {
        g_autofree char *xml = g_strconcat(OPEN_QEMU "<qemu:monitorpassthrough/>\n", insides[i],
                                           CLOSE, NULL);
        g_autoptr(GError) error = NULL;
        char *untouched = NULL;

        g_assert_false(vp_xml_translate(&cannot, xml, &untouched, &error));
        g_assert_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED);
        g_assert_true(g_str_has_prefix(error->message, "line 5: <qemu:"));
        g_assert_nonnull(strstr(error->message, "changes QEMU's command line, which is not "
                                                "possible here"));
    }
}

static void
test_validate(void)
{
    static const struct {
        const char *xml;
        const char *message; /* NULL: valid */
    } cases[] = {
        { OPEN_QEMU CLOSE, NULL },
        { OPEN_QEMU "<qemu:a/>" CLOSE, NULL },
        { "<domainsnapshot><domain type='kvm'/></domainsnapshot>", NULL },
        { "<!DOCTYPE domain>" OPEN CLOSE, NULL },
        { OPEN_QEMU "<qemu:a id=''/>" CLOSE, "line 4: <qemu:a>: id='' is no id, ..." },
        { "<!DOCTYPE domain>" OPEN_QEMU CLOSE, "a document with a DOCTYPE cannot hold ..." },
        { OPEN, "this is no domain document, or it is not well-formed" },
        { "<network/>", "this is no domain document, or it is not well-formed" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(vp_xml_validate(cases[i].xml, &error), ==, !cases[i].message);
        assert_message(error ? error->message : NULL, cases[i].message);
    }
}

int
main(int argc, char **argv)
{
    int status = 0;

    g_test_init(&argc, &argv, NULL);
    load_schema();
    g_test_add_func("/xml/wishes/late-devices", test_late_devices);
    g_test_add_func("/xml/wishes/read", test_read);
    g_test_add_func("/xml/wishes/passed-over", test_passed_over);
    g_test_add_func("/xml/wishes/wrong-words", test_wrong_words);
    g_test_add_func("/xml/wishes/wrong-alters", test_wrong_alters);
    g_test_add_func("/xml/wishes/wrong-groups", test_wrong_groups);
    g_test_add_func("/xml/wishes/wrong-sessions", test_wrong_sessions);
    g_test_add_func("/xml/wishes/wrong-beyond-the-schema", test_wrong_beyond_the_schema);
    g_test_add_func("/xml/wishes/wrong-emulators", test_wrong_emulators);
    g_test_add_func("/xml/wishes/regex-limit", test_regex_limit);
    g_test_add_func("/xml/wishes/id-limit", test_id_limit);
    g_test_add_func("/xml/wishes/needs", test_needs);
    g_test_add_func("/xml/wishes/machine", test_machine);
    g_test_add_func("/xml/wishes/stock-devices", test_stock_devices);
    g_test_add_func("/xml/wishes/validate", test_validate);
    g_test_add_func("/xml/wishes/without-compiler", test_without_compiler);
    status = g_test_run();
    xmlRelaxNGFree(schema);
    return status;
}
