/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* virtpassd: from the command line to the daemon. */

#include "base/error.h"
#include "build-config.h"
#include "probe/sandbox.h"
#include "qemu_passthrough/certificates.h"
#include "qemu_passthrough/daemon.h"
#include "qemu_passthrough/shims.h"

#include <stdio.h>
#include <stdlib.h>

/* Wrong usage; a failure to serve is 1. */
#define EXIT_USAGE 2

/* A mistake in what somebody has said about it keeps us from starting; where nobody has, altered
 * domains are all that does not work (vp_shims_new()). */
static int
serve(VpConfig *config)
{
    g_autoptr(GError) error = NULL;

    if (!config->shim_named || vp_shims_check_program(config, &error))
        return vp_daemon_run(config);
    fprintf(stderr, "virtpassd: %s\n", error->message);
    return EXIT_USAGE;
}

/* Nothing is wrong with the configuration for that, but who asks wants to know. */
static void
print_shortfall(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VpSandbox) sandbox = vp_sandbox_new(VP_PROBE_USER, &error);
    const char *shortfall = sandbox ? vp_sandbox_shortfall(sandbox) : error->message;

    if (shortfall)
        printf("note: %s\n", shortfall);
}

/* What can be known without serving. */
static int
check(const VpConfig *config)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VpTlsContext) tls = config->tls.listen ? vp_certificates_load(config, &error) : NULL;

    if (error || !vp_shims_check_program(config, &error)) {
        fprintf(stderr, "virtpassd: %s: %s\n", config->file, error->message);
        return EXIT_USAGE;
    }
    print_shortfall();
    printf("%s: configuration is valid\n", config->file);
    return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
    g_auto(VpConfig) config = { 0 };
    VpConfigAction action = VP_ACTION_RUN;
    g_autoptr(GError) error = NULL;

    if (!vp_config_load(&config, argc, argv, &action, &error)) {
        fprintf(stderr, "virtpassd: %s\n", error->message);
        return EXIT_USAGE;
    }
    switch (action) {
    case VP_ACTION_VERSION:
        printf("virtpassd (libvirt-qemu-passthrough) %s\n", VP_VERSION);
        return EXIT_SUCCESS;
    case VP_ACTION_CHECK_CONFIG:
        return check(&config);
    case VP_ACTION_RUN:
        break;
    }
    return serve(&config);
}
