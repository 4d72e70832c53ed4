/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virtpass: what virtpassd knows, at the shell.
 *
 * A plain libvirt client: it talks through libvirt.so and libvirt-qemu.so, so it works
 * over every transport that libvirt has. Commands are rows of a table, a file each.
 */

#include "command.h"

#include "base/log.h"
#include "build-config.h"
#include "client/libvirt-qemu-passthrough.h"

#include <libvirt/virterror.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const VpCommand *const commands[] = {
    &vp_command_alter,
    &vp_command_argv,
    &vp_command_capture,
    &vp_command_delvm,
    &vp_command_devices,
    &vp_command_events,
    &vp_command_loadvm,
    &vp_command_monitor,
    &vp_command_netdevs,
    &vp_command_ping,
    &vp_command_qmp,
    &vp_command_savevm,
    &vp_command_sessions,
    &vp_command_snapshots,
    &vp_command_xml,
};

static char *uri;
static gboolean version;
static virConnectPtr connection;

static const GOptionEntry common_options[] = {
    { "connect", 'c', 0, G_OPTION_ARG_STRING, &uri,
      "Connect to URI instead of the local virtpassd", "URI" },
    { "version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version and exit", NULL },
    { NULL },
};

static void G_GNUC_PRINTF(1, 0)
fail(const char *format, va_list args, const char *reason)
{
    fputs("error: ", stderr);
    vfprintf(stderr, format, args);
    fprintf(stderr, ": %s\n", reason ?: "no reason given");
}

int
vp_fail_libvirt(const char *format, ...)
{
    const virError *last = virGetLastError();
    va_list args;

    va_start(args, format);
    fail(format, args, last ? last->message : NULL);
    va_end(args);
    return VP_EXIT_FAILED;
}

int
vp_fail_virtpass(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fail(format, args, virtpassGetLastErrorMessage());
    va_end(args);
    return VP_EXIT_FAILED;
}

/* g_file_get_contents() knows no "-", and a path to standard input's descriptor is no pipe's. */
static char *
read_standard_input(void)
{
    g_autoptr(GString) text = g_string_new("");
    char bytes[4096];
    size_t n = 0;

    while ((n = fread(bytes, 1, sizeof(bytes), stdin)) > 0)
        g_string_append_len(text, bytes, n);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

bool
vp_read_file(const char *path, char **ret_text)
{
    g_autoptr(GError) error = NULL;

    if (strcmp(path, "-") == 0) {
        *ret_text = read_standard_input();
        return true;
    }
    if (g_file_get_contents(path, ret_text, NULL, &error))
        return true;
    fprintf(stderr, "error: %s\n", error->message);
    return false;
}

virDomainPtr
vp_find_domain(const char *name)
{
    virConnectPtr conn = vp_connect();
    virDomainPtr domain = conn ? virDomainLookupByName(conn, name) : NULL;

    if (!conn)
        return NULL;
    if (!domain)
        domain = virDomainLookupByUUIDString(conn, name);
    if (!domain)
        fprintf(stderr, "error: there is no domain '%s'; 'virsh list' shows what runs\n", name);
    return domain;
}

static const VpCommand *
find_command(const char *name)
{
    for (gsize i = 0; name && i < G_N_ELEMENTS(commands); i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

static char *
list_commands(void)
{
    g_autoptr(GString) text = g_string_new("Commands:\n");

    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *call = g_strjoin(" ", commands[i]->name, commands[i]->arguments, NULL);

        g_string_append_printf(text, "  %-24s %s\n", call, commands[i]->summary);
    }
    g_string_append(text, "\n'virtpass COMMAND --help' shows the options of a command.");
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* The context for the command, or for no command: then --help lists them all. */
static GOptionContext *
make_context(const VpCommand *command)
{
    g_autofree char *usage = NULL;
    g_autofree char *list = NULL;
    GOptionContext *context = NULL;

    if (!command) {
        list = list_commands();
        context = g_option_context_new("COMMAND");
        g_option_context_set_description(context, list);
    } else {
        usage = g_strjoin(" ", command->name, command->arguments, NULL);
        context = g_option_context_new(usage);
        g_option_context_set_summary(context, command->summary);
        if (command->options)
            g_option_context_add_main_entries(context, command->options, NULL);
    }
    g_option_context_add_main_entries(context, common_options, NULL);
    return context;
}

/* The first word that is no option and no option's value: -c takes one. */
static const char *
first_word(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-')
            return argv[i];
        if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--connect") == 0)
            i++;
    }
    return NULL;
}

static int
usage_error(const char *message)
{
    fprintf(stderr, "error: %s\nTry 'virtpass --help'.\n", message);
    return VP_EXIT_USAGE;
}

static char *
default_uri(void)
{
    if (geteuid() == 0)
        return g_strdup("qemu+unix:///system?socket=" VP_SYSTEM_RUN_DIR "/virtpassd-sock");
    return g_strdup_printf("qemu+unix:///session?socket=%s/virtpassd/virtpassd-sock",
                           g_get_user_runtime_dir());
}

static void
ignore_libvirt_error(void *data G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
    /* libvirt would print each error by itself; we say it once, with what was tried. */
}

virConnectPtr
vp_connect(void)
{
    if (connection)
        return connection;
    if (!uri)
        uri = default_uri();
    virSetErrorFunc(NULL, ignore_libvirt_error);
    connection = virConnectOpen(uri);
    if (!connection)
        vp_fail_libvirt("cannot connect to '%s'", uri);
    return connection;
}

static int
run_command(const VpCommand *command, char **arguments)
{
    int status = command->run(arguments);

    if (connection)
        virConnectClose(connection);
    return status;
}

int
main(int argc, char **argv)
{
    const char *word = first_word(argc, argv);
    const VpCommand *command = find_command(word);
    g_autoptr(GOptionContext) context = make_context(command);
    g_autoptr(GError) error = NULL;
    g_autofree char *message = NULL;

    vp_log_set_level(VP_LOG_WARNING);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        return usage_error(error->message);
    if (version) {
        printf("virtpass (libvirt-qemu-passthrough) %s\n", VP_VERSION);
        return VP_EXIT_OK;
    }
    if (!word)
        return usage_error("a command is needed");
    if (!command) {
        message = g_strdup_printf("there is no command '%s'", word);
        return usage_error(message);
    }
    if (argc - 2 < command->min_arguments || argc - 2 > command->max_arguments) {
        message = g_strdup_printf("usage: virtpass %s %s", command->name, command->arguments ?: "");
        return usage_error(message);
    }
    return run_command(command, argv + 2);
}
