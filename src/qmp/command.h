/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json/scan.h"
#include "qmp/session.h"

/* QEMU takes in-band commands one after the other, out-of-band ones at once. */
typedef enum VpQmpBand {
    VP_QMP_IN_BAND,
    VP_QMP_OUT_OF_BAND,
    VP_QMP_BANDS,
} VpQmpBand;

/* Why a command exists. The others are of our own, see mux.c. */
typedef enum VpQmpRole {
    VP_QMP_ROLE_USER,
    VP_QMP_ROLE_PROBE,   /* getfd without a descriptor: takes what others have left behind */
    VP_QMP_ROLE_DISCARD, /* closefd of what a probe has got */
    VP_QMP_ROLE_FENCE,   /* a place in its queue, never sent: vp_qmp_queue_fence() */
} VpQmpRole;

typedef struct VpQmpCommand {
    GList link;          /* in a queue's list or in the one of those in flight; data: the command */
    VpQmpQueue *queue;   /* NULL: freed, or a command of our own */
    VpQmpReplyFunc func; /* NULL: nobody wants to know */
    gpointer data;       /* for @func */
    GString *text;       /* what is sent. Of an object without its '{': bracket and id come first */
    bool object;         /* can carry an id of ours */
    bool plain;          /* an object that needs none: no "id" of the client, no "exec-oob", and
                          * nothing that QEMU may refuse to parse */
    bool tagged;         /* was sent with one, @id */
    bool oob_wanted;     /* goes out of band where the session can do that */
    bool claims_fd;      /* getfd or add-fd: takes one descriptor if it succeeds */
    bool raw;            /* is none of JSON: nobody knows how many answers there will be, and what
                          * answers there are collect in @text */
    VpQmpRole role;
    char *client_id;     /* the "id" it came with, JSON text, NULL for none */
    gsize client_id_size;
    int *fds;            /* owned; NULL when they have been sent */
    guint n_fds;         /* that it came with */
    guint id;            /* ours, if @tagged */
    guint lines_before;  /* that QEMU has got on this connection, if @raw */
    gint64 sent;         /* when, monotonic microseconds */
} VpQmpCommand;

/* Makes a command of what a user wants to send; VP_QMP_ACCEPTED, INVALID (with *ret_message) or
 * TOO_MANY_FDS. @fds are duplicated. */
VpQmpVerdict vp_qmp_command_parse(const char *json, gsize size, const int *fds, guint n_fds,
                                  VpQmpCommand **ret_command, char **ret_message);

/* What QEMU is to refuse itself: any bytes. */
VpQmpCommand *vp_qmp_command_new_raw(const char *bytes, gsize size);

/* One of our own. @text: JSON object without its opening bracket. */
VpQmpCommand *vp_qmp_command_new(VpQmpRole role, const char *text);

void vp_qmp_command_free(VpQmpCommand *command);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpQmpCommand, vp_qmp_command_free)
