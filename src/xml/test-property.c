/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The laws for documents that a generator makes, from fixed seeds so that a failure can be had
 * again. What it puts together is mostly what libvirt would accept, in every lay-out, with our
 * elements, words and marks in right and wrong places.
 */

#include "xml/test-helpers.h"
#include "xml/test-laws.h"

#define DOCUMENTS 2000

typedef struct Generator {
    GRand *rand;
    GString *xml;
} Generator;

static guint
choose(Generator *generator, guint n)
{
    return g_rand_int_range(generator->rand, 0, n);
}

/* One of a NULL-terminated list. */
static void
put_one_of(Generator *generator, const char *const *list)
{
    g_string_append(generator->xml, list[choose(generator, g_strv_length((char **)list))]);
}

static void
put_space(Generator *generator)
{
    static const char *const spaces[] = {
        "", "", "", "\n", "\n  ", "\n    ", "\n\t", " ", "\r\n  ", "\n\n ", "<!-- c -->",
        "\n  <!-- virtpass -->\n  ", "<?pi x?>", NULL,
    };

    put_one_of(generator, spaces);
}

static void
put_extensions(Generator *generator)
{
    static const char *const extensions[] = {
        "<qemu:arg>-S</qemu:arg>",
        "<arg>\n  -S &lt;</arg>",
        "<qemu:arg value='-device'/><qemu:arg value='lsi'/>",
        "<qemu:arg value='-device'/>\n<qemu:arg value='{}'/>",
        "<q:extra>-a 'b &apos;'</q:extra>",
        "<env name='B'/>",
        "<qemu:alter option='device'><match>a<!-- c --></match><modify>b=c</modify></qemu:alter>",
        "<alter option='cpu'>\n  <q:replace match='a'>b</q:replace></alter>",
        "<qemu:alter option='x' required='no'><qemu:remove/></qemu:alter>",
        "<qemu:alter/>",
        "<o:extra xmlns:o='" VP_XML_QEMU_2010_NS "'><![CDATA[-x]]></o:extra>",
        NULL,
    };

    for (guint n = choose(generator, 3); n > 0; n--) {
        put_space(generator);
        put_one_of(generator, extensions);
    }
}

static void
put_args(Generator *generator)
{
    static const char *const args[] = {
        "<qemu:arg value='-S'/>",
        "<qemu:arg value=\"-chardev\"/>",
        "<qemu:arg value='null,id=mine'></qemu:arg>",
        "<qemu:env name='A' value='virtpass-qmp'/>",
        "<q:arg value='-mon'/>",
        "<arg xmlns='" VP_XML_QEMU_NS "' value='chardev=virtpass-qmp,mode=control'/>",
        "text",
        "<![CDATA[ ]]>",
        WORDS,
        "\n" WORD_LINES,
        WORDS_AT("\n  ", "/a,,b/virtpass-libvirt-" OTHER_UUID, ""),
        "<?virtpass empty?>",
        NULL,
    };
    guint most = choose(generator, 4) == 0 ? 12 : 6;

    if (choose(generator, 4) == 0)
        put_extensions(generator);

    for (guint n = choose(generator, 4); n > 0; n--) {
        put_space(generator);
        g_string_append(generator->xml, args[choose(generator, most)]);
    }
    put_space(generator);
}

static void
put_commandline(Generator *generator)
{
    static const char *const tags[][2] = {
        { "<qemu:commandline>", "</qemu:commandline>" },
        { "<q:commandline>", "</q:commandline >" },
        { "<commandline xmlns='" VP_XML_QEMU_NS "'>", "</commandline>" },
        { "<qemu:commandline" XMLNS_QEMU " >", "</qemu:commandline>" },
    };
    static const char *const empty[] = {
        "<qemu:commandline/>", "<q:commandline />", "<qemu:commandline></qemu:commandline>",
        "<qemu:commandline>\n  </qemu:commandline>",
        "<commandline xmlns='" VP_XML_QEMU_NS "'/>", NULL,
    };
    guint tag = choose(generator, G_N_ELEMENTS(tags));

    if (choose(generator, 4) == 0) {
        put_one_of(generator, empty);
        return;
    }
    g_string_append(generator->xml, tags[tag][0]);
    put_args(generator);
    g_string_append(generator->xml, tags[tag][1]);
}

static void
put_ours(Generator *generator)
{
    static const char *const ours[] = {
        "<qemu:monitorpassthrough/>",
        "<qemu:monitorpassthrough session='dedicated'></qemu:monitorpassthrough>",
        "<q:monitorpassthrough session = \"shared\" />",
        "<monitorpassthrough xmlns='" VP_XML_QEMU_NS "' session='none'/>",
        "<qemu:monitorpassthrough session='&#110;one'>\n<!-- x -->\n</qemu:monitorpassthrough>",
        "<virtpass:monitorpassthrough xmlns:virtpass='" VP_XML_QEMU_NS "'/>",
        "<qemu:monitorpassthrough session='wrong'/>",
        NULL,
    };

    put_one_of(generator, ours);
}

static void
put_group(Generator *generator)
{
    static const char *const groups[] = {
        "<qemu:device id='x'><driver>lsi</driver></qemu:device>",
        "<q:device/>",
        "<netdev xmlns='" VP_XML_QEMU_NS "' id='n'><type>user</type></netdev>",
        "<qemu:cpudef>\n  <qemu:name> a </qemu:name>\n</qemu:cpudef>",
        "<o:smp-opts xmlns:o='" VP_XML_QEMU_2010_NS "'><cpus>2</cpus></o:smp-opts>",
        "<o:commandline xmlns:o='" VP_XML_QEMU_2010_NS "'><o:arg>-S</o:arg></o:commandline>",
        "<qemu:device id=''/>",
        NULL,
    };

    put_one_of(generator, groups);
}

static void
put_devices(Generator *generator)
{
    static const char *const devices[] = {
        "<devices/>", "<devices></devices>", "<devices>\n  </devices>",
        "<devices>\n    <disk/>\n    <emulator>/usr/bin/qemu</emulator>\n  </devices>",
        "<devices><emulator/></devices>", "<devices><emulator> /q </emulator><e/></devices>",
        "<devices><emulator>/q<?virtpass added?></emulator></devices>",
        "<devices><?virtpass closed?><emulator>" SHIM "</emulator></devices>", NULL,
    };

    put_one_of(generator, devices);
}

static void
put_metadata(Generator *generator)
{
    static const char *const empty[] = { "<metadata/>", "<metadata></metadata>",
                                         "<metadata a='b' >\n  </metadata>", NULL };
    static const char *const foreign[] = {
        "<a xmlns='urn:a'/>", "<qemu:a" XMLNS_QEMU "><qemu:b/></qemu:a>", "<a:b xmlns:a='urn:a'>t"
        "<c/></a:b>", "<!-- virtpass -->", "<?virtpass closed?>", NULL,
    };

    if (choose(generator, 3) == 0) {
        put_one_of(generator, empty);
        return;
    }
    g_string_append(generator->xml, "<metadata>");
    put_space(generator);
    if (choose(generator, 2) == 0)
        put_one_of(generator, foreign);
    put_space(generator);
    if (choose(generator, 3) == 0) {
        g_string_append(generator->xml, "<v:passthrough xmlns:v='" VP_XML_VIRTPASS_NS "'"
                                        XMLNS_QEMU " xmlns:q=\"" VP_XML_QEMU_NS "\">");
        put_space(generator);
        put_ours(generator);
        put_space(generator);
        g_string_append(generator->xml, "</v:passthrough>");
    }
    put_space(generator);
    g_string_append(generator->xml, "</metadata>");
}

static void
put_plain(Generator *generator)
{
    static const char *const plain[] = {
        "<os><type>hvm</type></os>",
        "<devices>\n    <emulator>/usr/bin/qemu</emulator>\n  </devices>",
        "<title>\xc3\xa9 &lt;virtpass&gt;</title>",
        "<qemu:capabilities>\n    <qemu:add capability='x'/>\n  </qemu:capabilities>",
        "<a qemu:b='c'/>",
        "<a" XMLNS_QEMU "><qemu:b/></a>",
        "<?virtpass kept?>",
        NULL,
    };

    put_one_of(generator, plain);
}

static void
put_domain(Generator *generator, const char *name)
{
    static const char *const types[] = { "kvm", "qemu", "kvm", "hvf", "xen", NULL };
    static const char *const uuids[] = {
        "<uuid>" UUID "</uuid>", "<uuid>" UUID "</uuid>", "<uuid> " OTHER_UUID "\n</uuid>",
        "<uuid>C7A5FDBDCDAF9455926AD65C16DB1809</uuid>", "<uuid/>", "", "<uuid>x</uuid>", NULL,
    };
    static void (*const parts[])(Generator *) = {
        put_plain, put_plain, put_plain, put_ours, put_commandline, put_commandline, put_metadata,
        put_group, put_devices,
    };

    g_string_append_printf(generator->xml, "<%s type='", name);
    put_one_of(generator, types);
    g_string_append(generator->xml, "'" XMLNS_QEMU " xmlns:q='" VP_XML_QEMU_NS "'>");
    put_space(generator);
    g_string_append(generator->xml, "<name>a</name>");
    put_space(generator);
    put_one_of(generator, uuids);
    for (guint n = choose(generator, 6); n > 0; n--) {
        put_space(generator);
        parts[choose(generator, G_N_ELEMENTS(parts))](generator);
    }
    put_space(generator);
    g_string_append_printf(generator->xml, "</%s>", name);
}

static void
put_document(Generator *generator)
{
    static const char *const heads[] = {
        "", "", "", "<?xml version='1.0'?>\n", "<!-- x -->",
        "<?xml version='1.0' encoding='UTF-8'?>", "\xef\xbb\xbf", NULL,
    };

    put_one_of(generator, heads);
    if (choose(generator, 4) > 0) {
        put_domain(generator, "domain");
    } else {
        g_string_append(generator->xml, "<domainsnapshot>");
        put_space(generator);
        put_domain(generator, "domain");
        put_space(generator);
        if (choose(generator, 2) > 0)
            put_domain(generator, "inactiveDomain");
        g_string_append(generator->xml, "</domainsnapshot>");
    }
    put_space(generator);
}

/* --verbose shows the documents: the last one is it. */
static void
test_generated(void)
{
    guint accepted = 0;

    for (guint seed = 0; seed < DOCUMENTS; seed++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
        g_autoptr(GString) xml = g_string_new(NULL);
        Generator generator = { rand, xml };

        put_document(&generator);
        if (g_test_verbose())
            g_test_message("seed %u: %s", seed, xml->str);
        accepted += check_laws(xml->str);
    }
    /* a generator of nonsense would prove nothing */
    g_assert_cmpuint(accepted, >, DOCUMENTS / 2);
    g_assert_cmpuint(accepted, <, DOCUMENTS);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/property/generated", test_generated);
    return g_test_run();
}
