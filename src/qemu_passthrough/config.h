/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/log.h"
#include "xml/passthrough.h"

/* When a guest that runs without a dedicated session gets one. Names: vp_attach_when_names[]. */
typedef enum VpAttachWhen {
    VP_ATTACH_FIRST_COMMAND, /* as soon as somebody sends a monitor command */
    VP_ATTACH_AT_ONCE,       /* as soon as the guest is known */
    VP_ATTACH_NEVER,         /* not at all; one that is there is removed */
} VpAttachWhen;

extern const char *const vp_attach_when_names[];

/* TLS: where it is listened for, and with what certificates. */
typedef struct VpTlsConfig {
    bool listen;           /* also when a service manager passes no socket for it */
    char *address;         /* NULL: all of the host's */
    guint port;
    char *ca_file;
    char *crl_file;        /* NULL: none */
    char *cert_file;
    char *key_file;
    char **allowed_names;  /* patterns; NULL: whoever has a valid certificate */
    char *priority;        /* GnuTLS's */
} VpTlsConfig;

/*
 * What the operator asked for: command line over configuration file over defaults.
 * Paths are absolute. Strings are owned.
 */
typedef struct VpConfig {
    bool session;          /* the user's libvirt instead of the system's */
    char *file;            /* the configuration file; need not exist unless it was named */
    bool file_named;
    char *listen_dir;      /* where our two sockets are */
    char *group;           /* of the sockets; NULL: the group of upstream's */
    int rw_perms;          /* -1: those of upstream's socket, without access for others */
    int ro_perms;          /* -1: those of upstream's read-only socket */
    VpTlsConfig tls;
    bool qmp_sockets;      /* make one for each domain with a dedicated session */
    char *upstream;        /* libvirtd's socket; NULL: look where libvirt's clients look */
    char *state_dir;       /* libvirt's, where it keeps the pid files of its guests */
    VpSessionPolicy policy;
    VpSessionWords words;  /* where those of a session come from */
    VpAttachWhen attach;   /* when a session is added to a guest that runs without one */
    char *session_dir;     /* where QEMU makes the sockets of the dedicated sessions */
    char *shim;            /* virtpass-emulator */
    bool shim_named;       /* somebody has said where it is */
    char *shim_dir;        /* where the links to it are by which libvirtd starts it */
    char *guests_dir;      /* in which libvirt has a directory for each running guest; not
                            * configurable */
    char *cache_dir;       /* what has been found out about QEMU binaries; not configurable */
    guint max_clients;
    guint max_anonymous_clients; /* that have not opened their connection */
    guint max_clients_per_user;
    guint max_queued_clients;    /* that wait to be accepted, at sockets of our own */
    VpLogLevel log_level;
    char *embed_dir;       /* run a private libvirtd with all its state there; NULL: do not */
    bool keep_guests;
} VpConfig;

/* What is to be done. */
typedef enum VpConfigAction {
    VP_ACTION_RUN,
    VP_ACTION_CHECK_CONFIG,
    VP_ACTION_VERSION,
} VpConfigAction;

/* Reads command line and file. --help is answered in here and ends the process.
 * false: @error names the option, or file, key and value. */
bool vp_config_load(VpConfig *config, int argc, char **argv, VpConfigAction *ret_action,
                    GError **error);

/* Reads the file again, the command line still over it. */
bool vp_config_reload(VpConfig *ret_config, GError **error);

void vp_config_clear(VpConfig *config);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpConfig, vp_config_clear)
