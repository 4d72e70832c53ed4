/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>
#include <stdbool.h>

/* Exit statuses of virtpass. */
#define VP_EXIT_OK 0
#define VP_EXIT_FAILED 1
#define VP_EXIT_USAGE 2

/* One command of virtpass: a row in virtpass.c's table, a file of its own. */
typedef struct VpCommand {
    const char *name;
    const char *arguments;      /* for the usage line: "DOMAIN [NAME]" */
    const char *summary;        /* one line */
    const GOptionEntry *options;
    int min_arguments;          /* how many words follow the options */
    int max_arguments;
    /* @arguments: so many words, NULL-terminated. The exit status. */
    int (*run)(char **arguments);
} VpCommand;

extern const VpCommand vp_command_alter;
extern const VpCommand vp_command_argv;
extern const VpCommand vp_command_capture;
extern const VpCommand vp_command_delvm;
extern const VpCommand vp_command_devices;
extern const VpCommand vp_command_events;
extern const VpCommand vp_command_loadvm;
extern const VpCommand vp_command_monitor;
extern const VpCommand vp_command_netdevs;
extern const VpCommand vp_command_ping;
extern const VpCommand vp_command_qmp;
extern const VpCommand vp_command_savevm;
extern const VpCommand vp_command_sessions;
extern const VpCommand vp_command_snapshots;
extern const VpCommand vp_command_xml;

/* The connection that -c names, opened when it is first asked for and closed at the end. NULL: an
 * error has been printed. */
virConnectPtr vp_connect(void);

/* Prints "error: ..." with libvirt's last error behind @what. VP_EXIT_FAILED. */
int vp_fail_libvirt(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* The same with the last error of libvirt-qemu-passthrough. */
int vp_fail_virtpass(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* All of a file, "-": standard input. false: an error has been printed. */
bool vp_read_file(const char *path, char **ret_text);

typedef virDomain VpDomainRef;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpDomainRef, virDomainFree)

/* The domain by name, or by uuid, on vp_connect(). NULL: an error has been printed. */
virDomainPtr vp_find_domain(const char *name);
