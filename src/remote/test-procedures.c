/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The table of names against the numbers that the daemon uses, which were taken
 * from libvirt independently: a row that slipped would show here.
 */

#include "remote/procedures.h"
#include "remote/qemu_protocol.h"
#include "remote/remote_protocol.h"

#define REMOTE(name) { VP_REMOTE_PROGRAM, VP_REMOTE_##name, #name }

static const struct {
    guint32 program;
    gint32 procedure;
    const char *name;
} cases[] = {
    REMOTE(CONNECT_OPEN),
    REMOTE(DOMAIN_CREATE_XML),
    REMOTE(DOMAIN_GET_XML_DESC),
    REMOTE(AUTH_LIST),
    REMOTE(DOMAIN_MIGRATE_PREPARE2),
    REMOTE(CONNECT_DOMAIN_XML_TO_NATIVE),
    REMOTE(DOMAIN_SNAPSHOT_CREATE_XML),
    REMOTE(DOMAIN_MIGRATE_PERFORM3),
    REMOTE(DOMAIN_SAVE_IMAGE_DEFINE_XML),
    REMOTE(CONNECT_LIST_ALL_DOMAINS),
    REMOTE(DOMAIN_MIGRATE_PERFORM3_PARAMS),
    REMOTE(DOMAIN_EVENT_CALLBACK_LIFECYCLE),
    REMOTE(DOMAIN_DEFINE_XML_FLAGS),
    REMOTE(DOMAIN_MANAGED_SAVE_DEFINE_XML),
    REMOTE(CONNECT_SET_IDENTITY),
    REMOTE(DOMAIN_RESTORE_PARAMS),
    { VP_REMOTE_PROGRAM, 453, "DOMAIN_EVENT_NIC_MAC_CHANGE" },
    { VP_QEMU_PROGRAM, VP_QEMU_MONITOR_COMMAND, "DOMAIN_MONITOR_COMMAND" },
    { VP_QEMU_PROGRAM, VP_QEMU_EVENT, "DOMAIN_MONITOR_EVENT" },
    { VP_QEMU_PROGRAM, VP_QEMU_MONITOR_COMMAND_WITH_FILES, "DOMAIN_MONITOR_COMMAND_WITH_FILES" },
    { VP_LXC_PROGRAM, 1, "DOMAIN_OPEN_NAMESPACE" },
    { VP_KEEPALIVE_PROGRAM, 1, "PING" },
    { VP_KEEPALIVE_PROGRAM, 2, "PONG" },
    { VP_REMOTE_PROGRAM, 0, NULL },
    { VP_REMOTE_PROGRAM, -1, NULL },
    { VP_REMOTE_PROGRAM, G_MAXINT32, NULL },
    { VP_QEMU_PROGRAM, VP_QEMU_COMMANDLINE_ALTER, "COMMANDLINE_ALTER" },
    { VP_QEMU_PROGRAM, VP_QEMU_SESSION_INFO, "SESSION_INFO" },
    { VP_QEMU_PROGRAM, VP_QEMU_MONITOR_COMMAND_WITH_FILES + 1, NULL },
    { VP_QEMU_PROGRAM, VP_QEMU_COMMANDLINE_ALTER - 1, NULL },
    { VP_QEMU_PROGRAM, VP_QEMU_SESSION_INFO + 1, NULL },
    { 0x12345678, 1, NULL },
};

static void
test_names(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpstr(vp_procedure_name(cases[i].program, cases[i].procedure), ==,
                        cases[i].name);
    }
}

/* A hole would be a name that was lost when the table was made. */
static void
test_no_holes(void)
{
    gint32 n = 1;

    while (vp_procedure_name(VP_REMOTE_PROGRAM, n))
        n++;
    g_assert_cmpint(n, >, 453);
    g_assert_null(vp_procedure_name(VP_REMOTE_PROGRAM, n + 1));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/remote/procedures/names", test_names);
    g_test_add_func("/remote/procedures/no-holes", test_no_holes);
    return g_test_run();
}
