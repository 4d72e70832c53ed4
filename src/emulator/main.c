/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * virtpass-emulator: see shim.c. Prints nothing but one sentence when it cannot go on, which
 * libvirt shows as the reason why the guest did not start.
 */

#include "emulator/shim.h"

#include "base/error.h"
#include "plan/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
    return EXIT_FAILURE;
}
