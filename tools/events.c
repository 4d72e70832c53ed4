/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virtpass events: what QEMU's monitors tell, as it comes.
 */

#include "command.h"
#include "event_text.h"
#include "live.h"

#include <stdio.h>
#include <unistd.h>

static gboolean json;
static char *filter;
static int count;

static const GOptionEntry options[] = {
    { "count", 0, 0, G_OPTION_ARG_INT, &count, "End after so many events", "N" },
    { "filter", 0, 0, G_OPTION_ARG_STRING, &filter, "Only events whose names match", "REGEXP" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print a JSON object for each, in a line", NULL },
    { NULL },
};

static void
on_event(const VpLiveEvent *event, gpointer data)
{
    const VpColour *colour = data;
    g_autofree char *line = json ? vp_event_to_json(event) : vp_event_to_text(event, *colour);

    puts(line);
    if (fflush(stdout) != 0) {
        perror("error: standard output");
        vp_live_stop(VP_EXIT_FAILED);
    }
    if (count > 0 && --count == 0)
        vp_live_stop(VP_EXIT_OK);
}

static bool
check_options(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GRegex) regex = filter ? g_regex_new(filter, 0, 0, &error) : NULL;

    if (count < 0)
        fputs("error: --count takes a number above 0, or 0 for all\n", stderr);
    else if (error)
        fprintf(stderr, "error: --filter: %s\n", error->message);
    return count >= 0 && !error;
}

static int
run(char **arguments)
{
    g_autoptr(VpDomainRef) domain = NULL;
    VpColour colour = vp_colour_of(STDOUT_FILENO);

    if (!check_options())
        return VP_EXIT_USAGE;
    vp_live_prepare();
    if (!vp_live_connect())
        return VP_EXIT_FAILED;
    if (arguments[0]) {
        domain = vp_find_domain(arguments[0]);
        if (!domain)
            return VP_EXIT_FAILED;
    }
    if (!vp_live_listen(domain, filter, on_event, &colour))
        return VP_EXIT_FAILED;
    return vp_live_run();
}

const VpCommand vp_command_events = {
    .name = "events",
    .arguments = "[DOMAIN]",
    .summary = "Show events of QEMU's monitor as they come",
    .options = options,
    .min_arguments = 0,
    .max_arguments = 1,
    .run = run,
};
