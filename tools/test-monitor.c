/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lines of virtpass monitor as QMP, how they may go on, and how answers look. */

#include "command_help.h"
#include "complete.h"
#include "line.h"
#include "pretty.h"

#include <string.h>

/* A schema as QEMU's: types are numbers, "blockdev-add" is a union within a union. */
static const char schema[] =
    "[{'name':'query-status','meta-type':'command','arg-type':'1','ret-type':'2'},"
    "{'name':'blockdev-add','meta-type':'command','arg-type':'3','ret-type':'1'},"
    "{'name':'set','meta-type':'command','arg-type':'7','ret-type':'1','allow-oob':true},"
    "{'name':'SHUTDOWN','meta-type':'event','arg-type':'1'},"
    "{'name':'1','meta-type':'object','members':[]},"
    "{'name':'2','meta-type':'object','members':[{'name':'status','type':'str'}]},"
    "{'name':'3','meta-type':'object','tag':'driver','members':[{'name':'driver','type':'4'},"
    " {'name':'node-name','type':'str','default':null}],"
    " 'variants':[{'case':'file','type':'5'},{'case':'qcow2','type':'6'}]},"
    "{'name':'4','meta-type':'enum','values':['file','qcow2']},"
    "{'name':'5','meta-type':'object','members':[{'name':'filename','type':'str'}]},"
    "{'name':'6','meta-type':'object','members':[{'name':'file','type':'8'},"
    " {'name':'lazy','type':'bool','default':null}]},"
    "{'name':'7','meta-type':'object','members':[{'name':'on','type':'bool'},"
    " {'name':'size','type':'int','default':null},{'name':'ratio','type':'number','default':null},"
    " {'name':'any','type':'any','default':null},{'name':'list','type':'[int]','default':null},"
    " {'name':'paths','type':'[2]','default':null},{'name':'text','type':'str','default':null},"
    " {'name':'maybe','type':'9','default':null}]},"
    "{'name':'8','meta-type':'alternate','members':[{'type':'3'},{'type':'str'}]},"
    "{'name':'9','meta-type':'alternate','members':[{'type':'int'},{'type':'str'},"
    " {'type':'null'}]},"
    "{'name':'str','meta-type':'builtin','json-type':'string'},"
    "{'name':'bool','meta-type':'builtin','json-type':'boolean'},"
    "{'name':'int','meta-type':'builtin','json-type':'int'},"
    "{'name':'number','meta-type':'builtin','json-type':'number'},"
    "{'name':'null','meta-type':'builtin','json-type':'null'},"
    "{'name':'any','meta-type':'builtin','json-type':'value'},"
    "{'name':'[int]','meta-type':'array','element-type':'int'},"
    "{'name':'[2]','meta-type':'array','element-type':'2'}]";

static VpCommands *
make_commands(void)
{
    g_autofree char *text = g_strdelimit(g_strdup(schema), "'", '"');
    VpJsonTree *tree = vp_json_tree_parse(text, -1, NULL);

    g_assert_nonnull(tree);
    return vp_commands_new(tree, vp_json_root(tree));
}

/* --- lines ------------------------------------------------------------------ */

static void
test_lines_become_commands(void)
{
    static const struct {
        const char *line;
        const char *arguments; /* NULL: none */
    } cases[] = {
        { "set", NULL },
        { "  set  on=true ", "{\"on\": true}" },
        { "set on=off", "{\"on\": false}" },
        { "set size=12", "{\"size\": 12}" },
        { "set size=0x10", "{\"size\": 16}" },
        { "set size=2k", "{\"size\": 2048}" },
        { "set size=512M", "{\"size\": 536870912}" },
        { "set size=-1K", "{\"size\": -1024}" },
        { "set size=18446744073709551615", "{\"size\": 18446744073709551615}" },
        { "set ratio=1.5e3", "{\"ratio\": 1.5e3}" },
        { "set any=12 text=12", "{\"any\": 12, \"text\": \"12\"}" },
        { "set any=x", "{\"any\": \"x\"}" },
        { "set any='12'", "{\"any\": \"12\"}" },
        { "set any={\"a\": [1, \"}\"]} on=true", "{\"any\": {\"a\": [1, \"}\"]}, \"on\": true}" },
        { "set any=[1,2]", "{\"any\": [1,2]}" },
        { "set list=1,2", "{\"list\": [1, 2]}" },
        { "set list.0=1 list.1=2", "{\"list\": [1, 2]}" },
        { "set paths.0.status=a paths.1.status=b",
          "{\"paths\": [{\"status\": \"a\"}, {\"status\": \"b\"}]}" },
        { "set text='a b' on=true", "{\"text\": \"a b\", \"on\": true}" },
        { "set text=\"a\\\"b\" ", "{\"text\": \"a\\\"b\"}" },
        { "set text=a=b", "{\"text\": \"a=b\"}" },
        { "set text=", "{\"text\": \"\"}" },
        { "set maybe=1", "{\"maybe\": 1}" },
        { "set maybe=a", "{\"maybe\": \"a\"}" },
        { "set maybe='1'", "{\"maybe\": \"1\"}" },
        { "set unknown=true other=word", "{\"unknown\": true, \"other\": \"word\"}" },
        { "set unknown.a=1 unknown.b.c=x", "{\"unknown\": {\"a\": 1, \"b\": {\"c\": \"x\"}}}" },
        { "set {\"on\": true}", "{\"on\": true}" },
        { "blockdev-add driver=qcow2 file=node lazy=on",
          "{\"driver\": \"qcow2\", \"file\": \"node\", \"lazy\": true}" },
        { "blockdev-add file.driver=file lazy=on file.filename=1 driver=qcow2",
          "{\"file\": {\"driver\": \"file\", \"filename\": \"1\"}, \"lazy\": true, "
          "\"driver\": \"qcow2\"}" },
    };
    g_autoptr(VpCommands) commands = make_commands();

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(VpLine) line = { 0 };
        g_autofree char *message = NULL;
        const char *start = cases[i].line + strspn(cases[i].line, " ");
        g_autofree char *command = g_strndup(start, strcspn(start, " "));
        g_autofree char *expected = NULL;

        expected = cases[i].arguments
                       ? g_strdup_printf("{\"execute\": \"%s\", \"arguments\": %s}", command,
                                         cases[i].arguments)
                       : g_strdup_printf("{\"execute\": \"%s\"}", command);
        vp_line_parse(commands, cases[i].line, &line, &message);
        g_assert_cmpstr(message, ==, NULL);
        g_assert_cmpint(line.kind, ==, VP_LINE_QMP);
        g_assert_cmpstr(line.text, ==, expected);
    }
}

static void
test_lines_of_other_kinds(void)
{
    static const struct {
        const char *line;
        VpLineKind kind;
        const char *text;
    } cases[] = {
        { "", VP_LINE_EMPTY, NULL },
        { "  # set", VP_LINE_EMPTY, NULL },
        { "!info status", VP_LINE_HUMAN, "info status" },
        { "hmp info \"x\" y=z ", VP_LINE_HUMAN, "info \"x\" y=z" },
        { "hmpx", VP_LINE_QMP, "{\"execute\": \"hmpx\"}" },
        { "help", VP_LINE_HELP, NULL },
        { "help set", VP_LINE_HELP, "set" },
        { " exit ", VP_LINE_EXIT, NULL },
        { "quit", VP_LINE_QMP, "{\"execute\": \"quit\"}" },
        { " {\"execute\":\"set\",\"id\":1} ", VP_LINE_QMP, "{\"execute\":\"set\",\"id\":1}" },
        { "new a=1", VP_LINE_QMP, "{\"execute\": \"new\", \"arguments\": {\"a\": 1}}" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(VpLine) line = { 0 };
        g_autofree char *message = NULL;

        g_assert_true(vp_line_parse(NULL, cases[i].line, &line, &message));
        g_assert_cmpint(line.kind, ==, cases[i].kind);
        g_assert_cmpstr(line.text, ==, cases[i].text);
    }
}

static void
test_lines_that_mean_nothing(void)
{
    static const struct {
        const char *line;
        const char *message;
    } cases[] = {
        { "set on", "'on': expected key=value" },
        { "set =1", "'': expected key=value" },
        { "set on=maybe", "'on': 'maybe' is no boolean" },
        { "set size=big", "'size': 'big' is no integer" },
        { "set size=", "is no integer" },
        { "set size=1kk", "is no integer" },
        { "set size=18446744073709551616", "is no integer" },
        { "set size=16E", "is no integer" },
        { "set ratio=x", "is no number" },
        { "set list=1,x", "'list': 'x' is no integer" },
        { "set text='a", "'text': a quote is not closed" },
        { "set any={\"a\"", "has to be JSON" },
        { "set any={}x", "has to be JSON" },
        { "set on=true on=true", "'on' is given twice" },
        { "set any=1 any.b=2", "'any' is given twice" },
        { "set {\"on\": }", "no JSON object" },
        { "{\"execute\":", "no JSON object" },
        { "set {} {}", "no JSON object" },
    };
    g_autoptr(VpCommands) commands = make_commands();

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(VpLine) line = { 0 };
        g_autofree char *message = NULL;

        g_assert_false(vp_line_parse(commands, cases[i].line, &line, &message));
        g_assert_nonnull(message);
        g_assert_nonnull(strstr(message, cases[i].message));
    }
}

/* --- completion --------------------------------------------------------------- */

static void
test_completion(void)
{
    static const struct {
        const char *line;
        const char *candidates; /* with | between */
    } cases[] = {
        { "", "blockdev-add |exit |help |hmp |query-status |set " },
        { "q", "query-status " },
        { "nothing", "" },
        { "help s", "set " },
        { "hmp i", "" },
        { "!i", "" },
        { "set {\"o", "" },
        { "nothing a", "" },
        { "query-status ", "" },
        { "set o", "on=" },
        { "set on=", "on=false |on=true " },
        { "set on=true s", "size=" },
        { "set on=true o", "" },
        { "set text='a b' o", "on=" },
        { "set text='a", "" },
        { "set paths.0.", "paths.0.status=" },
        { "blockdev-add ", "driver=|file.|file=|filename=|lazy=|node-name=" },
        { "blockdev-add driver=q", "driver=qcow2 " },
        { "blockdev-add driver=file ", "filename=|node-name=" },
        { "blockdev-add driver=qcow2 f", "file.|file=" },
        { "blockdev-add driver=qcow2 file.driver=", "file.driver=file |file.driver=qcow2 " },
        { "blockdev-add driver=qcow2 file.driver=file file.", "file.filename=|file.node-name=" },
    };
    g_autoptr(VpCommands) commands = make_commands();

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gsize start = 0;
        g_autoptr(GPtrArray) found = vp_complete(commands, cases[i].line, &start);
        g_autofree char *text = NULL;

        g_ptr_array_add(found, NULL);
        text = g_strjoinv("|", (char **)found->pdata);
        g_assert_cmpstr(text, ==, cases[i].candidates);
        g_assert_true(start == 0 || strchr(" '", cases[i].line[start - 1]));
    }
}

static void
test_help(void)
{
    g_autoptr(VpCommands) commands = make_commands();
    g_autofree char *set = vp_command_help(commands, "set");
    g_autofree char *add = vp_command_help(commands, "blockdev-add");
    g_autofree char *status = vp_command_help(commands, "query-status");
    g_autofree char *all = vp_commands_help(commands, 30);

    g_assert_nonnull(strstr(set, "set (out of band)\n  on: bool\n  size: int (optional)\n"));
    g_assert_nonnull(strstr(set, "  list: [int] (optional)\n"));
    g_assert_nonnull(strstr(set, "  maybe: int or str or null (optional)\n"));
    g_assert_nonnull(strstr(add, "  driver: file|qcow2\n"));
    g_assert_nonnull(strstr(add, "  with driver=file:\n    filename: str\n"));
    g_assert_nonnull(strstr(status, "returns object\n      status: str\n"));
    g_assert_null(vp_command_help(commands, "nothing"));
    g_assert_true(g_str_has_prefix(all, "blockdev-add  set\nquery-status\n\n"));
}

/* --- answers -------------------------------------------------------------------- */

static void
test_pretty(void)
{
    static const struct {
        const char *json;
        guint width;
        const char *text;
    } cases[] = {
        { "{}", 80, "{}" },
        { "[]", 0, "[]" },
        { "\"x\"", 0, "\"x\"" },
        { "{\"a\":1,\"b\":[true,null]}", 80, "{\"a\": 1, \"b\": [true, null]}" },
        { "{\"a\":1,\"b\":[true,null]}", 22,
          "{\n  \"a\": 1,\n  \"b\": [true, null]\n}" },
        { "[[1,2],[3]]", 1, "[\n  [\n    1,\n    2\n  ],\n  [\n    3\n  ]\n]" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VpJsonTree) tree = vp_json_tree_parse(cases[i].json, -1, NULL);
        g_autofree char *text = vp_pretty(vp_json_root(tree), VP_COLOUR_NONE, cases[i].width);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void
test_pretty_in_colour(void)
{
    g_autoptr(VpJsonTree) tree = vp_json_tree_parse("{\"a\":1}", -1, NULL);
    g_autofree char *text = vp_pretty(vp_json_root(tree), VP_COLOUR_ON, 80);

    g_assert_cmpstr(text, ==, "{\033[34m\"a\"\033[0m: \033[36m1\033[0m}");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/monitor/lines-become-commands", test_lines_become_commands);
    g_test_add_func("/monitor/lines-of-other-kinds", test_lines_of_other_kinds);
    g_test_add_func("/monitor/lines-that-mean-nothing", test_lines_that_mean_nothing);
    g_test_add_func("/monitor/completion", test_completion);
    g_test_add_func("/monitor/help", test_help);
    g_test_add_func("/monitor/pretty", test_pretty);
    g_test_add_func("/monitor/pretty-in-colour", test_pretty_in_colour);
    return g_test_run();
}
