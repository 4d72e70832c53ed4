/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * The commands by which a dedicated session is added to a guest that runs without one, or removed
 * from it. Commands and answers are text; who sends them is attach.c.
 *
 *     g_auto(VpAttachSteps) steps = vp_attach_steps_adding(path);
 *
 *     while ((command = vp_attach_steps_command(&steps)))
 *         vp_attach_steps_answer(&steps, answer to command);
 */

/* The first QEMU that has the object type monitor-qmp. */
#define VP_ATTACH_MAJOR 11
#define VP_ATTACH_MINOR 1

typedef enum VpAttachStep {
    VP_ATTACH_QUERY_VERSION,
    VP_ATTACH_ADD_CHARDEV,
    VP_ATTACH_ADD_MONITOR,
    VP_ATTACH_REMOVE_MONITOR,
    VP_ATTACH_REMOVE_CHARDEV,
    VP_ATTACH_DONE,
} VpAttachStep;

typedef struct VpAttachSteps {
    char *path;         /* of the socket */
    char *id;           /* of chardev and monitor alike; follows from the path */
    VpAttachStep step;  /* whose answer is due */
    bool adding;
    bool replaced;      /* what had been left of an earlier session has been removed */
    bool put_off;       /* the problem is not QEMU's: another time it may go */
    char *problem;      /* why nothing was added, for people; NULL: there is none */
} VpAttachSteps;

VpAttachSteps vp_attach_steps_adding(const char *path);
VpAttachSteps vp_attach_steps_removing(const char *path);
void vp_attach_steps_clear(VpAttachSteps *steps);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VpAttachSteps, vp_attach_steps_clear)

/* The monitor command that is to be sent now; g_free(). NULL: there is none any more. */
char *vp_attach_steps_command(const VpAttachSteps *steps);

/* QEMU has answered the command with this text. */
void vp_attach_steps_answer(VpAttachSteps *steps, const char *reply);

/* libvirtd has not passed the command on, for this reason. */
void vp_attach_steps_refused(VpAttachSteps *steps, const char *reason);
