/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virtpass argv: a domain's command line.
 *
 *     virtpass argv DOMAIN            asks virtpassd
 *     virtpass argv alter XML [ARGS]  needs nobody: carries out a document's alterations on a
 *                                     command line as libvirt's logs have it (argv_alter.c)
 */

#include "argv_alter.h"
#include "command.h"
#include "words.h"

#include "client/libvirt-qemu-passthrough.h"
#include "json/write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static gboolean generated, altered, running, diff, json;

static const GOptionEntry options[] = {
    { "generated", 0, 0, G_OPTION_ARG_NONE, &generated,
      "As libvirt writes it, without alterations", NULL },
    { "altered", 0, 0, G_OPTION_ARG_NONE, &altered, "As QEMU gets it (the default)", NULL },
    { "running", 0, 0, G_OPTION_ARG_NONE, &running, "As the running process has it", NULL },
    { "diff", 0, 0, G_OPTION_ARG_NONE, &diff, "What the alterations change", NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print a JSON object for programs", NULL },
    { NULL },
};

typedef virtpassCommandline CommandlineRef;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CommandlineRef, virtpassCommandlineFree)

static virtpassCommandlinePtr
get(virDomainPtr domain, unsigned int form)
{
    virtpassCommandlinePtr commandline = NULL;
    g_autofree char *name = g_strdup(virDomainGetName(domain));

    if (virtpassDomainGetCommandline(domain, form, &commandline, 0) < 0)
        vp_fail_virtpass("cannot get the command line of domain '%s'", name);
    return commandline;
}

static void
print_json(const virtpassCommandline *commandline, const virtpassCommandline *from)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();
    const char *const *words = NULL;
    g_autofree char *text = NULL;

    vp_json_begin_object(&writer, NULL);
    if (from) {
        virtpassCommandlineGetWords(from, &words);
        vp_json_add_strings(&writer, "generated", words, -1);
    }
    virtpassCommandlineGetWords(commandline, &words);
    vp_json_add_strings(&writer, from ? "altered" : "words", words, -1);
    virtpassCommandlineGetEnvironment(commandline, &words);
    vp_json_add_strings(&writer, "environment", words, -1);
    vp_json_end(&writer);
    text = vp_json_writer_steal(&writer);
    puts(text);
}

static int
show_diff(virDomainPtr domain)
{
    g_autoptr(CommandlineRef) from = get(domain, VIRTPASS_COMMANDLINE_GENERATED);
    g_autoptr(CommandlineRef) to = from ? get(domain, VIRTPASS_COMMANDLINE_ALTERED) : NULL;
    const char *const *from_words = NULL;
    const char *const *to_words = NULL;

    if (!to)
        return VP_EXIT_FAILED;
    virtpassCommandlineGetWords(from, &from_words);
    virtpassCommandlineGetWords(to, &to_words);
    if (json)
        print_json(to, from);
    else
        vp_print_diff(from_words, to_words);
    return VP_EXIT_OK;
}

static int
show(virDomainPtr domain)
{
    unsigned int form = generated ? VIRTPASS_COMMANDLINE_GENERATED
                      : running ? VIRTPASS_COMMANDLINE_RUNNING
                      : VIRTPASS_COMMANDLINE_ALTERED;
    g_autoptr(CommandlineRef) commandline = get(domain, form);
    const char *const *words = NULL;
    const char *const *environment = NULL;

    if (!commandline)
        return VP_EXIT_FAILED;
    virtpassCommandlineGetWords(commandline, &words);
    virtpassCommandlineGetEnvironment(commandline, &environment);
    if (json)
        print_json(commandline, NULL);
    else
        vp_print_words(environment, words);
    return VP_EXIT_OK;
}

static int
run(char **arguments)
{
    g_autoptr(VpDomainRef) domain = NULL;

    if (generated + altered + running + diff > 1) {
        fputs("error: --generated, --altered, --running and --diff exclude each other\n", stderr);
        return VP_EXIT_USAGE;
    }
    if (arguments[1] && strcmp(arguments[0], "alter") != 0) {
        fputs("error: usage: virtpass argv DOMAIN, or virtpass argv alter XML [ARGS|-]\n", stderr);
        return VP_EXIT_USAGE;
    }
    if (arguments[1])
        return vp_argv_alter(arguments[1], arguments[2] ?: "-", diff, json);
    domain = vp_find_domain(arguments[0]);
    if (!domain)
        return VP_EXIT_FAILED;
    return diff ? show_diff(domain) : show(domain);
}

const VpCommand vp_command_argv = {
    .name = "argv",
    .arguments = "DOMAIN | alter XML [ARGS|-]",
    .summary = "Show a domain's command line, or alter one",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 3,
    .run = run,
};
