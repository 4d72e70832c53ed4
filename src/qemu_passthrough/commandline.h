/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/client.h"

/*
 * The domain's command line, read and changed on behalf of a client: what the procedures
 * COMMANDLINE_ALTER and COMMANDLINE_GET (remote/qemu_protocol.x) and the monitor commands of the
 * same meaning do (own_calls.c decodes and encodes both).
 */

typedef struct VpCommandline VpCommandline;

typedef struct VpCommandlineWish {
    enum {
        VP_WISH_ALTER,
        VP_WISH_GET,
    } kind;
    guint8 uuid[16];        /* of the domain */
    char *name;             /* the domain's, for messages */
    guint mode;             /* ALTER: vp_commandline_mode */
    char *xml;              /* ALTER: <qemu:commandline>; NULL with CLEAR */
    bool dry_run;           /* ALTER */
    guint form;             /* GET: vp_commandline_form */
} VpCommandlineWish;

void vp_commandline_wish_clear(VpCommandlineWish *wish);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpCommandlineWish, vp_commandline_wish_clear)

/* Each NULL-terminated, owned by the job. */
typedef struct VpCommandlineResult {
    char *xml;              /* ALTER: the definition in its author's form */
    char **generated;       /* words as libvirt wrote them */
    char **altered;         /* words as QEMU gets them; empty: see warnings */
    char **environment;     /* NAME=VALUE */
    GPtrArray *warnings;    /* of char * */
} VpCommandlineResult;

/* How it ended: exactly one of the three is set. @body is libvirtd's own error. All are valid
 * during the call. */
typedef void (*VpCommandlineFunc)(const VpCommandlineResult *result, const GError *error,
                                  const vp_error_body *body, gpointer data);

/*
 * Does what @wish (taken over) says, on the client's connection to libvirtd and with its rights.
 * @func is called once, later, unless the job is freed before. The job is freed by its owner, in
 * @func at the earliest.
 */
VpCommandline *vp_commandline_start(VpClient *client, VpCommandlineWish *wish,
                                    VpCommandlineFunc func, gpointer data);
void vp_commandline_free(VpCommandline *job);
