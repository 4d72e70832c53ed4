/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virtpass ping: does a domain's QEMU answer, and how fast.
 *
 * Out-of-band where the session can: such a command overtakes whatever QEMU is busy
 * with, so it tells a QEMU that is busy from one that hangs. Through libvirtd's monitor
 * there is nothing of the kind, and query-status has to wait its turn.
 */

#include "command.h"

#include "json/members.h"

#include <libvirt/libvirt-qemu.h>
#include <stdio.h>
#include <string.h>

#define OUT_OF_BAND "{\"exec-oob\": \"query-yank\"}"
#define IN_BAND "{\"execute\": \"query-status\"}"

static int count = 4;

static const GOptionEntry options[] = {
    { "count", 0, 0, G_OPTION_ARG_INT, &count, "Send N commands (default 4)", "N" },
    { NULL },
};

/* Sends @command once. *ret_us: how long it took. false: no answer at all. */
static bool
ask(virDomainPtr domain, const char *command, gint64 *ret_us, bool *ret_returned)
{
    g_autofree char *reply = NULL;
    gint64 start = g_get_monotonic_time();
    VpJsonSlice whole = { 0 };

    if (virDomainQemuMonitorCommand(domain, command, &reply, 0) < 0)
        return false;
    *ret_us = g_get_monotonic_time() - start;
    whole = (VpJsonSlice){ reply, strlen(reply) };
    *ret_returned = vp_json_member(whole, "return").text != NULL;
    return true;
}

/* The first exchange decides which command is used; it also opens what has to be opened. */
static const char *
choose_command(virDomainPtr domain)
{
    gint64 us = 0;
    bool returned = false;

    if (!ask(domain, OUT_OF_BAND, &us, &returned))
        return NULL;
    return returned ? OUT_OF_BAND : IN_BAND;
}

static int
ping(virDomainPtr domain)
{
    const char *name = virDomainGetName(domain); /* first: it resets libvirt's last error */
    const char *command = choose_command(domain);
    gint64 least = G_MAXINT64, most = 0, sum = 0;

    for (int i = 0; command && i < count; i++) {
        gint64 us = 0;
        bool returned = false;

        if (!ask(domain, command, &us, &returned))
            command = NULL;
        if (!command)
            break;
        printf("%s: answer %d of %d after %" G_GINT64_FORMAT " us%s\n", name,
               i + 1, count, us, strcmp(command, OUT_OF_BAND) == 0 ? " (out of band)" : "");
        least = MIN(least, us);
        most = MAX(most, us);
        sum += us;
    }
    if (!command)
        return vp_fail_libvirt("domain '%s' does not answer", name);
    printf("%s: least %" G_GINT64_FORMAT " us, mean %" G_GINT64_FORMAT " us, most %"
           G_GINT64_FORMAT " us\n", name, least, sum / count, most);
    return VP_EXIT_OK;
}

static int
run(char **arguments)
{
    g_autoptr(VpDomainRef) domain = NULL;

    if (count < 1) {
        fputs("error: --count needs a number from 1 up\n", stderr);
        return VP_EXIT_USAGE;
    }
    domain = vp_find_domain(arguments[0]);
    return domain ? ping(domain) : VP_EXIT_FAILED;
}

const VpCommand vp_command_ping = {
    .name = "ping",
    .arguments = "DOMAIN",
    .summary = "See whether a domain's QEMU answers, and how fast",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
