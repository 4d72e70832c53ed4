/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How long the loop's thread is held by one message that a client, a guest or libvirtd has chosen.
 *
 * Each stage is all that is done in one turn of the loop to bytes of one source, up to the limit
 * that they have there; the worst texts are looked for among kinds of them. Nobody else is served
 * meanwhile, and nobody is to wait for more than HELD_MS.
 *
 * What counts is the processor time of the thread, not what a clock on the wall says, and the least
 * of several runs. A machine may still be slower than those that the limits were chosen on, hence
 * twice as much is allowed: limits that are wrong take several times as much.
 */

#include "added/info_mtree.h"
#include "added/info_network.h"
#include "added/info_qtree.h"
#include "added/info_usernet.h"
#include "added/internal.h"
#include "base/limits.h"
#include "json/check.h"
#include "json/members.h"
#include "json/text.h"
#include "json/tree.h"
#include "qmp/command.h"
#include "qmp/envelope.h"
#include "qmp_server/adapt.h"
#include "qmp_server/intake.h"
#include "xml/passthrough.h"

#include "kinds.h"

#define HELD_MS 50
#define RUNS 3

#define OPEN "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>" \
    "<name>a</name>"
#define CLOSE "</domain>"

/* Of texts that have more values than there may be, as many as may be are looked at. */
static const Kind commands[] = {
    { "empty objects", "[", "{},", "{}]", 49000 },
    { "keys", "{\"execute\":\"a\",\"arguments\":{", "\"k#\":1,", "\"k\":1}}", 49000 },
    { "keys with escapes", "{\"execute\":\"a\",\"arguments\":{", "\"\\u00e4#\":1,", "\"k\":1}}",
      49000 },
    { "keys twice", "{\"execute\":\"a\",\"arguments\":[", "{\"a\":1,\"a\":1},", "1]}", 0 },
    { "strings", "{\"execute\":\"a\",\"arguments\":[", "\"\",", "\"\"]}", 99000 },
    { "too many values", "{\"execute\":\"a\",\"arguments\":[", "\"\",", "\"\"]}", 0 },
    { "long strings", "{\"execute\":\"a\",\"arguments\":[", "\"\\u00e4\\u00e4\\u00e4 0123\",",
      "\"\"]}", 99000 },
    { "escapes", "{\"execute\":\"", "\\u00e4", "\"}", 0 },
    { "pairs of escapes", "{\"execute\":\"", "\\ud83d\\ude00", "\"}", 0 },
    { "short escapes", "{\"execute\":\"", "\\n", "\"}", 0 },
    { "characters", "{\"execute\":\"", "\xc3\xa4", "\"}", 0 },
    { "single quotes", "{'execute':'", "\"", "'}", 0 },
    { "zeros", "{'execute':'", "\xc0\x80", "'}", 0 },
    { "text", "{\"execute\":\"", "some text", "\"}", 0 },
    { "numbers", "{\"execute\":[", "1,", "1]}", 99000 },
    { "long numbers", "{\"execute\":[", "1234567890.5e1,", "1]}", 99000 },
    { "spaces", "{\"execute\":", "          ", "\"a\"}", 0 },
    { "nesting", "{\"execute\":", "[", "", 900 },
    { "nested objects", "[", "{\"a\":{\"b\":{\"c\":1,\"d\":2},\"e\":3}},", "{}]", 6500 },
    { "members", "{\"execute\":\"a\"", ",\"#\":1", "}", 49000 },
    { "not closed", "{\"execute\":[", "\"a\",", "", 99000 },
    { "addresses", "{\"execute\":\"chardev-add\",\"arguments\":{\"a\":[", "{\"type\":1},", "1]}}",
      24000 },
    { "deep addresses", "{\"execute\":\"chardev-add\",\"arguments\":{\"a\":"
      "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "{\"type\":1},",
      "1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}}", 24000 },
    { "names", "{\"execute\":\"netdev_add\",\"arguments\":{\"fds\":\"", "a:", "b\"}}", 0 },
};

static const Kind messages[] = {
    { "members", "{\"return\":1", ",\"#\":1", "}", 0 },
    { "list", "{\"return\":[", "{},", "1]}", 0 },
    { "brackets", "{\"return\":[", "[],[],[],", "1]}", 0 },
    { "objects with names", "{\"return\":[", "{\"name\":\"a#\"},", "{}]}", 0 },
    { "objects with escapes", "{\"return\":[", "{\"name\":\"\\u0061\"},", "{}]}", 0 },
    { "text", "{\"return\":\"", "some text", "\"}", 0 },
    { "escapes", "{\"return\":\"", "\\u00e4", "\"}", 0 },
    { "short escapes", "{\"return\":\"", "\\n", "\"}", 0 },
    { "spaces", "{\"return\":", "          ", "1}", 0 },
    { "numbers", "{\"return\":[", "1,", "1]}", 0 },
    { "keys", "{\"return\":{", "\"k#\":1,", "\"k\":1}}", 0 },
    { "id behind", "{\"return\":[", "\"text\",", "1],\"id\":1}", 0 },
    { "few objects", "{\"return\":[", "{},", "1]}", VP_JSON_VALUES_MAX - 10 },
    { "few keys", "{\"return\":{", "\"k#\":1,", "\"k\":1}}", VP_JSON_VALUES_MAX - 10 },
    { "few strings", "{\"return\":[", "\"\\u00e4\",", "1]}", VP_JSON_VALUES_MAX - 10 },
};

static const Kind definitions[] = {
    { "elements", OPEN "<devices>", "<d/>", "</devices>" CLOSE, 0 },
    { "elements of ours", OPEN, "<qemu:g/>", CLOSE, 0 },
    { "attributes", OPEN "<devices>", "<d a='1' b='2' c='3' d='4' e='5' f='6'/>",
      "</devices>" CLOSE, 0 },
    { "names", OPEN "<devices>", "<n#/>", "</devices>" CLOSE, 0 },
    { "words", OPEN "<qemu:commandline>", "<qemu:arg value='-S'/>", "</qemu:commandline>" CLOSE,
      0 },
    { "domains", "<domainsnapshot><name>s</name>", "<domain type='kvm'><name>a</name></domain>",
      "</domainsnapshot>", 0 },
    { "states", OPEN "<metadata>", "<s:a xmlns:s='http://virtpass.org/schemas/state/#'/>",
      "</metadata>" CLOSE, 0 },
    { "text", OPEN "<title>", "long text &amp; ", "</title>" CLOSE, 0 },
};

static const Kind human_texts[] = {
    { "nothing", "", "\r\n", "", 0 },
    { "letters", "", "a\r\n", "", 0 },
    { "memory", "address-space: memory\r\n",
      "    0000000000000000-0000000000000001 (prio 0, i/o): r#\r\n", "", 0 },
    { "address spaces", "", "address-space: a#\r\n", "", 0 },
    { "devices", "bus: main-system-bus\r\n  type System\r\n", "  dev: d, id \"#\"\r\n", "", 0 },
    { "properties", "bus: main-system-bus\r\n  type System\r\n  dev: d, id \"\"\r\n",
      "    a# = \"b\"\r\n", "", 0 },
    { "clients", "", "a#: index=0,type=tap,ifname=t\r\n", "", 0 },
    { "peers", "a: index=0,type=nic,model=m\r\n", " \\ b#: index=0,type=tap,ifname=t\r\n", "", 0 },
    { "connections", "Hub -1 (n):\r\n  Protocol[State]    FD  Source Address  Port   "
      "Dest. Address  Port RecvQ SendQ\r\n",
      "  TCP[ESTABLISHED]   1    10.0.2.15 #   10.0.2.2  53     0     0\r\n", "", 0 },
};

/* --- the stages --------------------------------------------------------------- */

static void
parse_command(VpJsonSlice text)
{
    g_autoptr(VpQmpCommand) command = NULL;
    g_autofree char *message = NULL;

    vp_qmp_command_parse(text.text, text.size, NULL, 0, &command, &message);
}

/* A command by libvirt's protocol: is it one of ours, for the session or for all? */
static void
stage_call(const char *text)
{
    VpJsonSlice whole = { text, strlen(text) };
    g_autofree char *message = NULL;
    VpJsonFacts facts = { 0 };

    vp_json_member(whole, "execute");
    vp_json_check(whole.text, whole.size, &facts, &message);
    parse_command(whole);
}

/* One of ours: its arguments are read. */
static void
stage_call_of_ours(const char *text)
{
    g_autoptr(VpJsonTree) tree = NULL;

    vp_json_member((VpJsonSlice){ text, strlen(text) }, "execute");
    tree = vp_json_tree_parse(text, -1, NULL);
}

static void
take_unit(const VpQmpUnit *unit)
{
    static const VpQmpStanding standing = { .prefix = "__org.virtpass_c1_", .negotiated = true };
    g_autoptr(GString) json = unit->dialect ? vp_qmp_unit_to_json(unit) : NULL;
    VpJsonSlice text = { json ? json->str : unit->text, json ? json->len : unit->size };
    g_auto(VpQmpAdapted) adapted = { 0 };

    vp_qmp_adapt_command(&standing, text, &adapted);
    if (adapted.text)
        text = (VpJsonSlice){ adapted.text->str, adapted.text->len };
    if (!adapted.doubtful)
        parse_command(text);
}

/* A command on a QMP socket, and all of the bytes as if they had come at once. */
static void
stage_unit(const char *text)
{
    VpQmpIntake intake = VP_QMP_INTAKE_INIT;
    gsize n = strlen(text);
    guint taken = 0; /* each waits for an answer of QEMU's */

    while (n > 0 && taken < VP_CLIENT_COMMANDS_MAX) {
        VpQmpUnit unit = { 0 };

        if (vp_qmp_intake_next(&intake, &text, &n, &unit) == VP_QMP_UNIT_VALUE) {
            take_unit(&unit);
            taken++;
        }
    }
    vp_qmp_intake_clear(&intake);
}

/* What QEMU says, on its way to a client. */
static void
stage_message(const char *text)
{
    g_autofree char *copy = g_strdup(text), *wider = NULL;
    gsize size = strlen(text);
    VpQmpEnvelope envelope = { 0 };
    char *message = copy;

    vp_qmp_envelope_read(message, size, &envelope);
    if (envelope.kind != VP_QMP_GARBAGE)
        vp_qmp_envelope_restore_id(&envelope, (VpJsonSlice){ "\"an id\"", 7 }, &message, &size,
                                   &wider);
}

/* What QEMU says to one of our commands. */
static void
stage_answer(const char *text)
{
    VpQmpEnvelope envelope = { 0 };
    g_autoptr(VpJsonTree) tree = NULL;

    vp_qmp_envelope_read(text, strlen(text), &envelope);
    tree = vp_json_tree_parse(text, -1, NULL);
}

/* A reply that gets entries of ours. */
static void
stage_changed(const char *text)
{
    g_autofree char *commands_too = vp_describe_schema(text, strlen(text));
}

/* A reply to a human monitor command that came by libvirt's protocol. */
static void
stage_human(const char *text)
{
    VpJsonSlice returned = vp_json_member((VpJsonSlice){ text, strlen(text) }, "return");
    g_autofree char *decoded = vp_json_decode_string(returned.text, returned.size);
}

static void
stage_mtree(const char *text)
{
    g_autofree char *line = NULL;
    g_autofree char *json = vp_info_mtree_convert(text, &line);
}

static void
stage_qtree(const char *text)
{
    g_autofree char *line = NULL;
    g_autofree char *json = vp_info_qtree_convert(text, &line);
}

static void
stage_network(const char *text)
{
    g_autofree char *line = NULL;
    g_autoptr(GPtrArray) clients = vp_info_network_parse(text, &line);
}

static void
stage_usernet(const char *text)
{
    g_autofree char *line = NULL;
    g_autoptr(GPtrArray) netdevs = vp_info_usernet_parse(text, &line);
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

typedef struct Stage {
    const char *name;
    void (*run)(const char *text);
    gsize size;
    const Kind *kinds;
    gsize n_kinds;
} Stage;

#define COMMANDS commands, G_N_ELEMENTS(commands)
#define MESSAGES messages, G_N_ELEMENTS(messages)
#define DEFINITIONS definitions, G_N_ELEMENTS(definitions)
#define TEXTS human_texts, G_N_ELEMENTS(human_texts)

static const Stage stages[] = {
    { "call", stage_call, VP_QMP_COMMAND_MAX, COMMANDS },
    { "call-of-ours", stage_call_of_ours, VP_QMP_COMMAND_MAX, COMMANDS },
    { "unit", stage_unit, VP_QMP_COMMAND_MAX, COMMANDS },
    { "message", stage_message, VP_QMP_MESSAGE_MAX, MESSAGES },
    { "answer", stage_answer, VP_ADDED_ANSWER_MAX, MESSAGES },
    { "changed", stage_changed, VP_ADDED_TEXT_MAX, MESSAGES },
    { "human", stage_human, 2 * VP_XDR_STRING_MAX, MESSAGES },
    { "mtree", stage_mtree, VP_ADDED_TEXT_MAX, TEXTS },
    { "qtree", stage_qtree, VP_ADDED_TEXT_MAX, TEXTS },
    { "network", stage_network, VP_ADDED_TEXT_MAX, TEXTS },
    { "usernet", stage_usernet, VP_ADDED_TEXT_MAX, TEXTS },
    { "session", stage_session, VP_INLINE_XML_MAX, DEFINITIONS },
    { "snapshot", stage_snapshot, VP_LIBVIRT_SNAPSHOT_XML_MAX, DEFINITIONS },
};

static double
measure(const Stage *stage, const Kind *kind)
{
    g_autofree char *text = kind_make(kind, stage->size);
    double least = G_MAXDOUBLE;

    for (guint i = 0; i < RUNS && (i == 0 || least > HELD_MS / 2); i++) {
        double begin = thread_ms();

        stage->run(text);
        least = MIN(least, thread_ms() - begin);
    }
    return least;
}

static void
check_stage(gconstpointer data)
{
    const Stage *stage = data;
    const char *worst = "";
    double most = 0;

    for (gsize i = 0; i < stage->n_kinds; i++) {
        double taken = measure(stage, &stage->kinds[i]);

        if (g_test_verbose() || taken > HELD_MS)
            g_test_message("%s: %s: %.0f ms", stage->name, stage->kinds[i].name, taken);
        if (taken > 2 * HELD_MS)
            g_error("%s: %s: the loop is held for %.0f ms", stage->name, stage->kinds[i].name,
                    taken);
        if (taken > most) {
            most = taken;
            worst = stage->kinds[i].name;
        }
    }
    g_test_message("%s: the worst is %.0f ms (%s)", stage->name, most, worst);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(stages); i++) {
        g_autofree char *path = g_strconcat("/held/", stages[i].name, NULL);

        g_test_add_data_func(path, &stages[i], check_stage);
    }
    return g_test_run();
}
