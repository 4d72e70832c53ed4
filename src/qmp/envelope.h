/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "json/scan.h"

/* What a message of QEMU is, and where its parts are. All slices are parts of the message. */

typedef enum VpQmpKind {
    VP_QMP_GREETING, /* "QMP" */
    VP_QMP_EVENT,    /* "event" */
    VP_QMP_RETURN,   /* "return" */
    VP_QMP_FAILURE,  /* "error" */
    VP_QMP_GARBAGE,  /* no JSON object, none of these, or more than one of them */
} VpQmpKind;

typedef struct VpQmpEnvelope {
    VpQmpKind kind;
    VpJsonSlice body;      /* value of the member that gave the kind */
    VpJsonSlice timestamp; /* value, of events */
    VpJsonSlice data;      /* value, of events */
    VpJsonSlice id;        /* value */
    VpJsonSlice id_cut;    /* what to leave out to be rid of "id" */
} VpQmpEnvelope;

void vp_qmp_envelope_read(const char *message, gsize size, VpQmpEnvelope *ret_envelope);

/* Our own id in a reply, -1 when it is none. */
int vp_qmp_envelope_own_id(const VpQmpEnvelope *envelope);

/*
 * Puts the client's @id (text NULL: none) into the place of ours, in place where that is possible:
 * message[size] and what is before it may be overwritten, and *message may move forward. If it is
 * not, *ret_copy holds the result; g_free(). The result is NUL-terminated either way.
 */
void vp_qmp_envelope_restore_id(const VpQmpEnvelope *envelope, VpJsonSlice id, char **message,
                                gsize *size, char **ret_copy);
