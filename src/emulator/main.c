/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virtpass-emulator: see shim.c. Prints nothing but one sentence when it cannot go on, which
 * libvirt shows as the reason why the guest did not start.
 */

#include "emulator/shim.h"

#include "base/error.h"
#include "plan/plan.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* libvirt connects within milliseconds; on a machine that is overloaded it may take longer. */
#define MONITOR_MS 5000

/* Values of the command line can be quoted in it, and they can hold line ends. */
static void
print_sentence(char *message)
{
    for (char *p = message; *p; p++) {
        if (g_ascii_iscntrl(*p))
            *p = ' ';
    }
    fprintf(stderr, "virtpass-emulator: %s\n", message);
}

/*
 * libvirt has made the monitor's socket and connects to it when it has started us. Should we be
 * gone by then it would say that the connection was refused, and not why. So wait until it has
 * come, or is not coming.
 */
static void
wait_for_libvirt(char **argv)
{
    static const char monitor[] = "socket,id=charmonitor,fd=";
    struct pollfd listening = { .fd = -1, .events = POLLIN };

    for (char **word = argv; *word; word++) {
        if (g_str_has_prefix(*word, monitor))
            listening.fd = atoi(*word + strlen(monitor));
    }
    if (listening.fd >= 0)
        poll(&listening, 1, MONITOR_MS);
}

int
main(int argc, char **argv)
{
    g_autofree char *plan = g_strdup(getenv(VP_PLAN_VARIABLE));
    g_auto(VpLaunch) launch = { 0 };
    g_autoptr(GError) error = NULL;

    unsetenv(VP_PLAN_VARIABLE);
    if (argc > 0 && vp_shim_prepare(argv, plan, getenv("XDG_CACHE_HOME"), &launch, &error)) {
        execv(launch.program, launch.words);
        vp_error_set_errno(&error, errno, "cannot execute %s", launch.program);
    }
    if (error)
        print_sentence(error->message);
    wait_for_libvirt(argv);
    return EXIT_FAILURE;
}
