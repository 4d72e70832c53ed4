/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "added/job.h"
#include "added/lineage_load.h"

/* What is asked before anything is touched. Values of "return", valid during the check. */
typedef struct VpVmSurvey {
    const VpJsonNode *blocks;
    const VpJsonNode *jobs;
    const VpJsonNode *migration;
    const VpJsonNode *status;
    const VpJsonNode *devices;
    const VpJsonNode *more_devices;
    const VpJsonNode *nodes;
    const VpJsonNode *memory;
} VpVmSurvey;

typedef struct VpVmState VpVmState;

/* Whether the command may be carried out; not: why, for a person. */
typedef bool (*VpVmCheck)(VpVmState *state, const VpVmSurvey *survey, GError **error);
typedef void (*VpVmStep)(VpVmState *state);

/* One savevm, loadvm or delvm: the state of its handler. */
struct VpVmState {
    VpCall *call;
    VpJob job;
    char *name;             /* of the snapshot; a check may still set it */
    VpVmCheck check;
    VpVmStep step;          /* when what is being asked has been answered */

    VpDisks *before;        /* the disks at the time of the check */
    VpSnapshots *snapshots; /* in them */
    bool ran;               /* the guest did */

    VpDisks *after;         /* the disks when they were looked at last */
    char *status;           /* and the guest's state, */
    bool runs;              /* and whether it does */

    VpLineageLoad loading;
    VpLineage *lineage;     /* NULL: it cannot be had, and must not be overwritten */
    GPtrArray *failures;    /* of char *: what could not be deleted, and why */
    GPtrArray *deleting;    /* of char *: the disk of each deletion under way */
    char *result;           /* what is returned in the end */

    char *error;            /* what went wrong, while it is being cleaned up */
    VpVmStep judge;         /* savevm: what follows the job */
    char *spare;            /* savevm: name of the snapshot that stands in for the one that is
                             * being replaced; NULL: there is none */
};

/*
 * Takes the domain's snapshots for this call, asks what there is to ask and calls @check; if that
 * passes, @step. If it does not the call fails, and nothing has been touched.
 */
void vp_vmstate_start(VpCall *call, const char *command, VpVmCheck check, VpVmStep step);

/* What saving and loading have in common. @loading: the guest's present state will not be kept. */
bool vp_vmstate_check(VpVmState *state, const VpVmSurvey *survey, bool loading, GError **error);

/* Looks at disks and guest again: sets after, status, runs; then @step. */
void vp_vmstate_look(VpVmState *state, VpVmStep step);

/* Deletes these (of VpVmDeletion) image by image, then looks as above. What could not be is in
 * failures; QEMU may list it no more although the image holds it still. */
typedef struct VpVmDeletion {
    const VpDisk *disk;
    const VpImageSnapshot *image;
} VpVmDeletion;

void vp_vmstate_delete(VpVmState *state, const GArray *deletions, VpVmStep step);

/* All images called @tag in @disks that may be written, but for those that @except (NULL: nothing)
 * holds as well; free with g_array_unref(). */
GArray *vp_vmstate_find(const VpDisks *disks, const char *tag, const VpDisks *except);

/* Lets the guest go on, then looks as above. Only where no disk has been put back to an older
 * state: the guest would go on over data that it does not expect. */
void vp_vmstate_resume(VpVmState *state, VpVmStep step);

/* All failures in one line; "" for none. */
char *vp_vmstate_failures(const VpVmState *state);

/* "the disks hold what they held, and the guest runs": how things are now, held against how they
 * were before. */
char *vp_vmstate_describe(const VpVmState *state);

/* Keeps the lineage, then returns {"snapshot": what query-snapshots says of the one with @key,
 * "running": whether the guest runs}, and "left" if there is a spare still. One with that key was
 * there before the command or is there now. */
void vp_vmstate_return_snapshot(VpVmState *state, const VpSnapshotKey *key);

/* Keeps the lineage, then returns @result, which it takes. */
void vp_vmstate_return(VpVmState *state, char *result);

/* Keeps the lineage, then fails with @error, which it takes. */
void vp_vmstate_fail(VpVmState *state, char *error);
