/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virtpass alter: changes the <qemu:alter> elements of a domain's persistent definition, or tells
 * what a change would come to.
 */

#include "command.h"
#include "words.h"

#include "client/libvirt-qemu-passthrough.h"
#include "json/write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static gboolean dry_run, clear, replace, json;

static const GOptionEntry options[] = {
    { "dry-run", 0, 0, G_OPTION_ARG_NONE, &dry_run,
      "Change nothing, show what would change in the command line", NULL },
    { "replace", 0, 0, G_OPTION_ARG_NONE, &replace,
      "Take out the alterations that there are, instead of adding to them", NULL },
    { "clear", 0, 0, G_OPTION_ARG_NONE, &clear,
      "Take out the alterations that there are; without FILE", NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print a JSON object for programs", NULL },
    { NULL },
};

static void
print_json(const virtpassAlteration *alteration)
{
    g_auto(VpJsonWriter) writer = vp_json_writer();
    const char *const *words = NULL;
    g_autofree char *text = NULL;

    vp_json_begin_object(&writer, NULL);
    vp_json_add_string(&writer, "xml", virtpassAlterationGetXML(alteration));
    virtpassAlterationGetGenerated(alteration, &words);
    vp_json_add_strings(&writer, "generated", words, -1);
    virtpassAlterationGetAltered(alteration, &words);
    vp_json_add_strings(&writer, "altered", words, -1);
    virtpassAlterationGetWarnings(alteration, &words);
    vp_json_add_strings(&writer, "warnings", words, -1);
    vp_json_end(&writer);
    text = vp_json_writer_steal(&writer);
    puts(text);
}

static void
print_people(const char *domain, const virtpassAlteration *alteration)
{
    const char *const *generated = NULL;
    const char *const *altered = NULL;
    const char *const *warnings = NULL;

    virtpassAlterationGetGenerated(alteration, &generated);
    virtpassAlterationGetWarnings(alteration, &warnings);
    for (guint i = 0; warnings[i]; i++)
        fprintf(stderr, "warning: %s\n", warnings[i]);
    if (virtpassAlterationGetAltered(alteration, &altered) > 0)
        vp_print_diff(generated, altered);
    else
        fprintf(stderr, "error: domain '%s' %s not start\n", domain, dry_run ? "would" : "will");
    if (!dry_run)
        printf("The definition of domain '%s' has been changed; the running guest, if there is "
               "one, has not.\n", domain);
}

static int
alter(virDomainPtr domain, const char *xml)
{
    unsigned int mode = clear ? VIRTPASS_ALTER_CLEAR
                      : replace ? VIRTPASS_ALTER_REPLACE
                      : VIRTPASS_ALTER_ADD;
    g_autofree char *name = g_strdup(virDomainGetName(domain));
    virtpassAlterationPtr alteration = NULL;
    int status = VP_EXIT_OK;

    if (virtpassDomainAlterCommandline(domain, mode, xml, &alteration,
                                       dry_run ? VIRTPASS_DOMAIN_ALTER_COMMANDLINE_DRY_RUN : 0) < 0)
        return vp_fail_virtpass("cannot alter the command line of domain '%s'", name);
    if (json)
        print_json(alteration);
    else
        print_people(name, alteration);
    if (virtpassAlterationGetAltered(alteration, NULL) == 0)
        status = VP_EXIT_FAILED;
    virtpassAlterationFree(alteration);
    return status;
}

static int
run(char **arguments)
{
    g_autoptr(VpDomainRef) domain = NULL;
    g_autofree char *xml = NULL;

    if (clear == (arguments[1] != NULL) || (clear && replace)) {
        fputs("error: virtpass alter takes a FILE, or --clear and none\n", stderr);
        return VP_EXIT_USAGE;
    }
    if (!clear && !vp_read_file(arguments[1], &xml))
        return VP_EXIT_FAILED;
    domain = vp_find_domain(arguments[0]);
    return domain ? alter(domain, xml) : VP_EXIT_FAILED;
}

const VpCommand vp_command_alter = {
    .name = "alter",
    .arguments = "DOMAIN [FILE|-]",
    .summary = "Change the alterations of a domain's command line",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 2,
    .run = run,
};
