/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* virtpassd: from the command line to the daemon. */

#include "base/error.h"
#include "build-config.h"
#include "probe/sandbox.h"
#include "qemu_passthrough/certificates.h"
#include "qemu_passthrough/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Wrong usage; a failure to serve is 1. */
#define EXIT_USAGE 2

/* Without it no domain starts whose command line is altered. */
static bool
check_shim(const VpConfig *config, GError **error)
{
    if (access(config->shim, X_OK) == 0)
        return true;
    vp_error_set_errno(error, errno, "[emulator] shim: %s cannot be executed", config->shim);
    return false;
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

    if (error || !check_shim(config, &error)) {
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
    return vp_daemon_run(&config);
}
