/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virtpass monitor: QEMU's monitor for people, and for scripts.
 *
 * Lines come from --execute, from a terminal (editor.c) or from standard input. Each is made a
 * command (line.c), and its reply is waited for while events go on coming in. Scripts end with the
 * first line that fails; people see what went wrong and go on.
 */

#include "ask.h"
#include "colour.h"
#include "command.h"
#include "command_help.h"
#include "commands.h"
#include "complete.h"
#include "editor.h"
#include "event_text.h"
#include "line.h"
#include "live.h"
#include "pretty.h"
#include "worker.h"

#include <libvirt/libvirt-qemu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of what is printed for nobody's terminal. */
#define WIDTH_PLAIN 80

static char **lines;
static gboolean json;

static const GOptionEntry options[] = {
    { "execute", 'e', 0, G_OPTION_ARG_STRING_ARRAY, &lines,
      "Execute the command and end; may be given several times", "COMMAND" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print replies and events as JSON, in a line each",
      NULL },
    { NULL },
};

typedef struct Monitor {
    virDomainPtr domain;
    VpWorker *worker;
    VpCommands *commands;  /* NULL: the schema could not be had */
    VpEditor *editor;      /* NULL: no terminal */
    VpColour colour;       /* of standard output */
    bool waiting;          /* for a reply */
    bool good;             /* the last reply was no error */
} Monitor;

static guint
page_width(const Monitor *monitor)
{
    return monitor->editor ? vp_editor_width() : WIDTH_PLAIN;
}

/* --- replies ---------------------------------------------------------------- */

static void
print_failure(const char *text, const char *class)
{
    g_autoptr(GString) out = g_string_new(NULL);

    fflush(stdout);
    vp_colour_append(out, vp_colour_of(STDERR_FILENO), VP_INK_ERROR, "error: ", -1);
    g_string_append(out, text);
    if (class && strcmp(class, "GenericError") != 0)
        g_string_append_printf(out, " (%s)", class);
    fprintf(stderr, "%s\n", out->str);
}

static void
print_value(const Monitor *monitor, const VpJsonNode *value)
{
    g_autofree char *text = vp_pretty(value, monitor->colour, page_width(monitor));

    puts(text);
}

static void
on_reply(const char *reply, const char *error, gpointer data)
{
    Monitor *monitor = data;
    g_autoptr(VpJsonTree) tree = reply ? vp_json_tree_parse(reply, -1, NULL) : NULL;
    const VpJsonNode *value = vp_json_get(vp_json_root(tree), "return");
    const VpJsonNode *failure = vp_json_get(vp_json_root(tree), "error");

    monitor->waiting = false;
    monitor->good = value != NULL;
    if (reply && json)
        puts(reply);
    else if (value)
        print_value(monitor, value);
    if (!value)
        print_failure(vp_json_get_string(failure, "desc") ?: error ?: "no answer of QEMU's",
                      vp_json_get_string(failure, "class"));
}

/* The human monitor has no errors, only text. */
static void
on_human_reply(const char *reply, const char *error, gpointer data)
{
    Monitor *monitor = data;

    monitor->waiting = false;
    monitor->good = reply != NULL;
    if (reply)
        printf("%s%s", reply, *reply && !g_str_has_suffix(reply, "\n") ? "\n" : "");
    else
        print_failure(error, NULL);
}

/* Until the reply is there. */
static bool
send_and_wait(Monitor *monitor, const char *text, bool human)
{
    monitor->waiting = true;
    vp_worker_send(monitor->worker, text, human ? VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP : 0,
                   human ? on_human_reply : on_reply, monitor);
    while (monitor->waiting && !vp_live_is_over())
        vp_live_step();
    fflush(stdout);
    return !monitor->waiting && monitor->good;
}

/* --- lines ------------------------------------------------------------------ */

static bool
show_help(const Monitor *monitor, const char *topic)
{
    g_autofree char *text = topic ? vp_command_help(monitor->commands, topic)
                                  : vp_commands_help(monitor->commands, page_width(monitor));
    g_autofree char *message = NULL;

    if (text) {
        fputs(text, stdout);
        return true;
    }
    message = g_strdup_printf("there is no command '%s'; 'help' shows them all", topic);
    print_failure(message, NULL);
    return false;
}

/* To somebody who wants to leave, it says so; to QEMU it says: end. */
static bool
is_meant_for_us(const Monitor *monitor, const char *text)
{
    return monitor->editor && strcmp(text, "quit") == 0;
}

static bool
execute(Monitor *monitor, const char *text)
{
    g_auto(VpLine) line = { 0 };
    g_autofree char *message = NULL;

    if (is_meant_for_us(monitor, text)) {
        print_failure("'quit' would end the guest, and 'exit' leaves this monitor; "
                      "if you mean it: {\"execute\": \"quit\"}", NULL);
        return false;
    }
    if (!vp_line_parse(monitor->commands, text, &line, &message)) {
        print_failure(message, NULL);
        return false;
    }
    switch (line.kind) {
    case VP_LINE_EMPTY:
        return true;
    case VP_LINE_HELP:
        return show_help(monitor, line.text);
    case VP_LINE_EXIT:
        vp_live_stop(VP_EXIT_OK);
        return true;
    case VP_LINE_QMP:
    case VP_LINE_HUMAN:
        break;
    }
    return send_and_wait(monitor, line.text, line.kind == VP_LINE_HUMAN);
}

/* --- what goes on beside ------------------------------------------------------ */

static void
on_event(const VpLiveEvent *event, gpointer data)
{
    Monitor *monitor = data;
    g_autofree char *line = json ? vp_event_to_qmp(event)
                                 : vp_event_to_text(event, monitor->colour);

    if (monitor->editor)
        vp_editor_print(monitor->editor, line);
}

static void
on_stopped(gpointer data)
{
    Monitor *monitor = data;

    if (monitor->editor)
        vp_editor_print(monitor->editor, "The guest has ended.");
    /* A reply that still comes, to 'quit', is one of a round or two. */
    if (!monitor->waiting)
        vp_live_stop(VP_EXIT_OK);
}

static void
on_interrupt(gpointer data)
{
    Monitor *monitor = data;

    if (monitor->editor && vp_editor_cancel(monitor->editor))
        return;
    fputs("QEMU goes on with the command.\n", stderr);
    vp_live_stop(VP_EXIT_FAILED);
}

/* --- sources of lines ----------------------------------------------------------- */

static void
run_options(Monitor *monitor)
{
    for (guint i = 0; lines[i] && !vp_live_is_over(); i++) {
        if (!execute(monitor, lines[i]))
            vp_live_stop(VP_EXIT_FAILED);
    }
}

static void
run_script(Monitor *monitor)
{
    g_autofree char *line = NULL;
    size_t size = 0;
    gssize length = 0;

    while (!vp_live_is_over() && (length = getline(&line, &size, stdin)) >= 0) {
        if (length > 0 && line[length - 1] == '\n')
            line[length - 1] = '\0';
        if (!execute(monitor, line))
            vp_live_stop(VP_EXIT_FAILED);
    }
}

static GPtrArray *
complete(const char *line, gsize *ret_start, gpointer data)
{
    const Monitor *monitor = data;

    return vp_complete(monitor->commands, line, ret_start);
}

static char *
history_file(void)
{
    g_autofree char *directory = g_build_filename(g_get_user_state_dir(), "virtpass", NULL);

    g_mkdir_with_parents(directory, 0700);
    return g_build_filename(directory, "monitor-history", NULL);
}

static void
run_terminal(Monitor *monitor)
{
    g_autofree char *history = history_file();
    g_autofree char *prompt = g_strconcat(virDomainGetName(monitor->domain), "> ", NULL);
    g_autoptr(VpEditor) editor = vp_editor_new(prompt, history, complete, monitor);
    g_autofree char *line = NULL;

    monitor->editor = editor;
    puts("'help' shows the commands, 'exit' leaves.");
    while ((line = vp_editor_read(editor))) {
        execute(monitor, line);
        g_clear_pointer(&line, g_free);
    }
    monitor->editor = NULL;
}

/* --- the whole -------------------------------------------------------------------- */

/* Without the schema everything works but help, completion and types. */
static VpCommands *
ask_for_commands(virDomainPtr domain)
{
    VpJsonTree *tree = NULL;
    const VpJsonNode *schema = vp_ask(domain, "{\"execute\":\"query-qmp-schema\"}", &tree);

    return schema ? vp_commands_new(tree, schema) : NULL;
}

static bool
prepare(Monitor *monitor, bool terminal)
{
    monitor->colour = vp_colour_of(STDOUT_FILENO);
    monitor->commands = ask_for_commands(monitor->domain);
    if (!monitor->commands)
        return false;
    monitor->worker = vp_worker_new(monitor->domain);
    vp_live_on_interrupt(on_interrupt, monitor);
    if (!terminal)
        return true;
    return vp_live_listen(monitor->domain, NULL, on_event, monitor) &&
           vp_live_on_stopped(monitor->domain, on_stopped, monitor);
}

static int
run(char **arguments)
{
    g_autoptr(VpDomainRef) domain = NULL;
    g_autoptr(VpWorker) worker = NULL;
    g_autoptr(VpCommands) commands = NULL;
    Monitor monitor = { 0 };
    bool terminal = !lines && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);

    vp_live_prepare();
    if (!vp_live_connect())
        return VP_EXIT_FAILED;
    domain = monitor.domain = vp_find_domain(arguments[0]);
    if (!domain || !prepare(&monitor, terminal))
        return VP_EXIT_FAILED;
    worker = monitor.worker;
    commands = monitor.commands;
    if (lines)
        run_options(&monitor);
    else if (terminal)
        run_terminal(&monitor);
    else
        run_script(&monitor);
    vp_live_stop(VP_EXIT_OK);
    return vp_live_run();
}

const VpCommand vp_command_monitor = {
    .name = "monitor",
    .arguments = "DOMAIN",
    .summary = "Talk to QEMU's monitor: at a terminal, or from a script",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
