/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The worst documents, and what each pure stage that is a worker's takes for them.
 *
 * Each kind of document is given to every stage at a quarter of the limit of a frame, and the
 * worst of them at the limit. Work that grows with the square of the size shows as a ratio of 16
 * instead of 4 between a size and its quarter; what looks like that further down is measured at the
 * limit too. It is CPU time of the thread that is measured, and only where it is more than noise.
 * The times are printed: they are what a worker is busy for. What the loop's thread does itself is
 * held.c's.
 */

#include "argv/alter.h"
#include "argv/compile.h"
#include "argv/text.h"
#include "base/limits.h"
#include "xml/passthrough.h"

#include "kinds.h"

#define QEMU " xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
#define VIRTPASS " xmlns:virtpass='http://virtpass.org/schemas/domain/1.0'"
#define STATE "http://virtpass.org/schemas/state/"
#define OPEN "<domain type='kvm'" QEMU "><!-- VIRTPASS_PLAN virtpass --><name>a</name>\n" \
    "<uuid>c7a5fdbd-cdaf-9455-926a-d65c16db1809</uuid>\n"
#define EMULATOR "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices>\n"
#define CLOSE "</domain>\n"
#define PC "<os><type machine='pc'>hvm</type></os>\n"
/* White space, so that no more than QEMU's command line has room for are in a document. */
#define WIDE "                                                                        \n"
#define ALTER(ACTIONS) "<qemu:alter option='device' required='no'>" ACTIONS "</qemu:alter>\n"
#define COMMANDLINE(PIECE) OPEN EMULATOR "<qemu:commandline>\n", PIECE, \
    "</qemu:commandline>\n" CLOSE
#define KEPT(PIECE) OPEN "<metadata><virtpass:passthrough" VIRTPASS ">\n", PIECE, \
    "</virtpass:passthrough></metadata>\n" CLOSE

static const Kind documents[] = {
    { "elements", OPEN "<devices>", "<d/>", "</devices>" CLOSE, 0 },
    { "elements of ours", OPEN, "<qemu:g/>", CLOSE, 0 },
    { "attributes", OPEN "<devices>", "<d a='1' b='2' c='3' d='4' e='5' f='6'/>",
      "</devices>" CLOSE, 0 },
    { "namespaces", OPEN "<metadata>", "<n#:a xmlns:n#='u#'/>", "</metadata>" CLOSE, 0 },
    { "names", OPEN "<devices>", "<n#/>", "</devices>" CLOSE, 0 },
    { "names of attributes", OPEN "<devices>", "<n a#='1' b#='2'/>", "</devices>" CLOSE, 0 },
    { "names of instructions", OPEN "<devices>", "<?n# ?>", "</devices>" CLOSE, 0 },
    { "names behind a mistake", OPEN "&a;<devices>", "<n#/>", "</devices>" CLOSE, 0 },
    { "text", OPEN "<title>", "long text &amp; ", "</title>" CLOSE, 0 },
    { "references", OPEN "<title>", "&#65;&lt;", "</title>" CLOSE, 0 },
    { "comments", OPEN, "<!--c-->", CLOSE, 0 },
    { "instructions", OPEN, "<?a b?>", CLOSE, 0 },
    { "marks", OPEN, "<?virtpass kept?>", CLOSE, 0 },
    { "CDATA", OPEN "<title>", "<![CDATA[>]]>", "</title>" CLOSE, 0 },
    { "white space", OPEN, "                                                 \n", CLOSE, 0 },
    { "emulators", OPEN "<devices>", "<emulator>/e</emulator>", "</devices>" CLOSE, 0 },
    { "devices elements", OPEN, "<devices/>", CLOSE, 0 },
    { "metadata elements", OPEN, "<metadata/>", CLOSE, 0 },
    { "domains", "<domainsnapshot><name>s</name>", "<domain type='kvm'><name>a</name></domain>",
      "</domainsnapshot>", 0 },
    { "states", OPEN "<metadata>", "<s:a xmlns:s='" STATE "#'/>", "</metadata>" CLOSE, 0 },
    { "passthroughs", OPEN "<metadata>", "<virtpass:passthrough" VIRTPASS "/>",
      "</metadata>" CLOSE, 0 },
    { "kept", KEPT("<qemu:g/>"), 0 },
    { "kept lines", KEPT("<qemu:g>\n <a/>\n <a/>\n <a/>\n <a/>\n <a/>\n</qemu:g>"), 0 },
    { "kept prefixes", KEPT("<n#:g xmlns:n#='u'/>"), 0 },
    { "kept commandlines", KEPT("<qemu:commandline/>"), 0 },
    { "words", COMMANDLINE("<qemu:arg value='-S'/>"), 0 },
    { "words as text", COMMANDLINE("<qemu:arg>-S</qemu:arg>"), 0 },
    { "devices", COMMANDLINE("<qemu:arg value='-device'/><qemu:arg value='x,a=b'/>"), 0 },
    { "one device", OPEN EMULATOR "<qemu:commandline><qemu:arg value='-device'/><qemu:arg value='x",
      ",a#=b", "'/></qemu:commandline>" CLOSE, 16000 },
    { "one device group", OPEN EMULATOR "<qemu:device><driver>x</driver>", "<a#>b</a#>",
      "</qemu:device>" CLOSE, 0 },
    { "drives", OPEN PC EMULATOR "<qemu:commandline>\n",
      "<qemu:arg value='-drive'/><qemu:arg value='if=virtio'/>" WIDE,
      "</qemu:commandline>\n" CLOSE, 0 },
    { "drives on buses", OPEN PC EMULATOR "<qemu:commandline>\n",
      "<qemu:arg value='-drive'/><qemu:arg value='if=ide'/>" WIDE
      "<qemu:arg value='-drive'/><qemu:arg value='if=ide,bus=#'/>" WIDE,
      "</qemu:commandline>\n" CLOSE, 0 },
    { "variables", COMMANDLINE("<qemu:env name='A' value='b'/>"), 0 },
    { "extra", COMMANDLINE("<qemu:extra>-S -S -S</qemu:extra>"), 0 },
    { "one extra", OPEN EMULATOR "<qemu:commandline><qemu:extra>", "-S ",
      "</qemu:extra></qemu:commandline>" CLOSE, 0 },
    { "sessions", COMMANDLINE("<qemu:arg value='-chardev'/><qemu:arg value='socket,id=virtpass-qmp,"
      "path=/run/virtpass-c7a5fdbd-cdaf-9455-926a-d65c16db1809,server=on,wait=off'/>"
      "<qemu:arg value='-mon'/><qemu:arg value='chardev=virtpass-qmp,mode=control'/>\n"), 0 },
    { "alters", COMMANDLINE(ALTER("<qemu:remove/>")), 0 },
    { "matches", OPEN EMULATOR "<qemu:commandline><qemu:alter option='device'>",
      "<qemu:match>a.b</qemu:match>", "<qemu:remove/></qemu:alter></qemu:commandline>" CLOSE, 0 },
    { "expressions", COMMANDLINE(ALTER("<qemu:match>(?i)[!-\xf4\x8f\xbf\xbf]*</qemu:match>"
                                       "<qemu:remove/>")), 0 },
    { "keys", COMMANDLINE(ALTER("<qemu:modify>k#=1</qemu:modify>")), 0 },
    { "one modify", OPEN EMULATOR "<qemu:commandline><qemu:alter option='device'><qemu:modify>",
      "k#=1,", "k=1</qemu:modify></qemu:alter></qemu:commandline>" CLOSE, 0 },
    { "groups", OPEN EMULATOR, "<qemu:chardev id='c#'><backend>null</backend></qemu:chardev>",
      CLOSE, 0 },
    { "keys of a group", OPEN EMULATOR "<qemu:chardev>", "<k#>1</k#>", "</qemu:chardev>" CLOSE,
      0 },
    { "flags", OPEN EMULATOR "<qemu:cpudef><vendor>AuthenticAMD</vendor><extfeature_edx>", "fpu ",
      "</extfeature_edx></qemu:cpudef>" CLOSE, 0 },
    { "commandlines", OPEN, "<qemu:commandline/>", CLOSE, 0 },
};

static const Kind commands[] = {
    { "words", "/q ", "-S ", "", 60000 },
    { "quotes", "/q ", "''", "", 0 },
    { "lines", "/q ", "-S \\\n", "", 60000 },
    { "variables", "", "A=b \\\n", "/q", 0 },
    { "open quote", "/q ", "a\\\n", "'", 0 },
};

/* --- the stages --------------------------------------------------------------- */

static VpValueType
lookup(const VpTypeSource *source, const char *option, const char *driver, const char *key)
{
    return VP_TYPE_STRING;
}

static void
collect(const VpTypeSource *source, const char *option, const char *key, GPtrArray *types)
{
    g_ptr_array_add(types, vp_key_type_new(option, NULL, key, VP_TYPE_STRING));
}

static bool
compile(const VpPlan *wishes, char ***ret_words, char **ret_plan, gpointer data, GError **error)
{
    static const VpTypeSource source = { .lookup = lookup, .collect = collect };
    g_auto(VpCompiled) compiled = { 0 };

    if (!vp_compile(wishes, &source, NULL, &compiled, error))
        return false;
    *ret_plan = compiled.shim ? vp_plan_to_json(compiled.shim, error) : NULL;
    if (compiled.shim && !*ret_plan)
        return false;
    *ret_words = g_steal_pointer(&compiled.words);
    return true;
}

static char *
find_shim(const char *emulator, gpointer data, GError **error)
{
    return g_strdup("/opt/virtpass-emulators/q/virtpass-emulator");
}

static char *
choose_emulator(const VpXmlMachine *machine, gpointer data, GError **error)
{
    return g_strdup("/usr/bin/qemu-system-x86_64");
}

static const VpXmlRules rules = {
    .policy = VP_POLICY_ALL, .session_dir = "/run/s", .compile = compile,
    .default_emulator = choose_emulator, .shim = find_shim,
};

static void
stage_needs(const char *text)
{
    g_autoptr(GPtrArray) needs = vp_xml_needs(&rules, text, NULL);
}

static void
stage_translate(const char *text)
{
    g_autofree char *other = NULL;

    vp_xml_translate(&rules, text, &other, NULL);
}

static void
stage_restore(const char *text)
{
    g_autofree char *other = NULL;

    vp_xml_restore(text, &other, NULL);
}

static void
stage_states(const char *text)
{
    g_autoptr(GPtrArray) states = vp_xml_state_read(text);
    g_autofree char *other = NULL;

    vp_xml_state_put(text, states, &other, NULL);
}

static void
stage_session(const char *text)
{
    g_auto(VpXmlSession) session = { 0 };

    vp_xml_read_session(text, &session, NULL);
}

static void
stage_snapshot(const char *text)
{
    g_auto(VpXmlSnapshot) snapshot = { 0 };

    vp_xml_read_snapshot(text, "lineage", &snapshot);
}

static void
stage_uuid(const char *text)
{
    g_free(vp_xml_read_uuid(text));
}

static void
stage_command(const char *text)
{
    g_auto(VpCommandText) command = { 0 };
    g_autoptr(VpCmdline) cmdline = NULL;

    if (vp_command_text_read(text, &command, NULL)) {
        cmdline = vp_cmdline_parse((const char *const *)command.words, NULL);
        g_free(vp_command_text_write(&command, true));
    }
}

typedef struct Stage {
    const char *name;
    void (*run)(const char *text);
    const Kind *kinds;
    gsize n_kinds;
} Stage;

#define DOCUMENTS documents, G_N_ELEMENTS(documents)
#define COMMANDS commands, G_N_ELEMENTS(commands)

static const Stage stages[] = {
    { "needs", stage_needs, DOCUMENTS },       { "translate", stage_translate, DOCUMENTS },
    { "restore", stage_restore, DOCUMENTS },   { "states", stage_states, DOCUMENTS },
    { "session", stage_session, DOCUMENTS },   { "snapshot", stage_snapshot, DOCUMENTS },
    { "uuid", stage_uuid, DOCUMENTS },         { "command", stage_command, COMMANDS },
};

/* --- measuring ---------------------------------------------------------------- */

/* What is no more than noise at a quarter of the limit, and what no stage may take by far. */
#define NOISE_MS 25
#define MOST_MS 30000

static double
measure(const Stage *stage, const Kind *kind, gsize size)
{
    g_autofree char *text = kind_make(kind, size);
    double begin = thread_ms();

    stage->run(text);
    return thread_ms() - begin;
}

/* A quarter of the text took @part, and all of it @whole. Linear gives 4, the square 16; a table
 * that grows, or the memory's caches, gives more than 4. */
static bool
grows_too_fast(double part, double whole, double most)
{
    return whole > most * MAX(part, NOISE_MS / 10.0);
}

/* @quarter: milliseconds for a quarter of the limit. What looks bad down there is measured at the
 * limit, which decides. */
static void
check_growth(const Stage *stage, const Kind *kind, double quarter)
{
    double whole = 0;

    if (!grows_too_fast(measure(stage, kind, VP_XDR_STRING_MAX / 16), quarter, 8))
        return;
    whole = measure(stage, kind, VP_XDR_STRING_MAX);
    if (grows_too_fast(quarter, whole, 11))
        g_error("%s: %s: %.0f ms for a quarter, %.0f ms for the whole", stage->name, kind->name,
                quarter, whole);
}

static void
check_stage(gconstpointer data)
{
    const Stage *stage = data;
    const Kind *worst = stage->kinds;
    double most = 0, whole = 0;

    for (gsize i = 0; i < stage->n_kinds; i++) {
        const Kind *kind = &stage->kinds[i];
        double quarter = measure(stage, kind, VP_XDR_STRING_MAX / 4);

        if (g_test_verbose() || quarter > NOISE_MS)
            g_test_message("%s: %s: %.0f ms", stage->name, kind->name, quarter);
        if (quarter > 1.25 * NOISE_MS)
            check_growth(stage, kind, quarter);
        if (quarter > most) {
            most = quarter;
            worst = kind;
        }
    }
    whole = measure(stage, worst, VP_XDR_STRING_MAX);
    g_test_message("%s: the worst is %.0f ms (%s)", stage->name, whole, worst->name);
    if (whole > MOST_MS || grows_too_fast(most, whole, 11))
        g_error("%s: %s: %.0f ms for a quarter", stage->name, worst->name, most);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(stages); i++) {
        g_autofree char *path = g_strconcat("/worst/", stages[i].name, NULL);

        g_test_add_data_func(path, &stages[i], check_stage);
    }
    return g_test_run();
}
