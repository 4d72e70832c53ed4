/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "added/call.h"
#include "added/disks.h"

/* Seconds that a save or load may take before the caller is told that it goes on without him: what
 * a terabyte of memory takes on a slow disk is left to those who have that. */
#define VP_JOB_TIMEOUT_S 3600

/* How long between two events that tell how far it has come. */
#define VP_JOB_TICK_MS 500u

/* Begins the id of every job of ours. */
#define VP_JOB_PREFIX "virtpass-"

/* The error of a job of which nobody will ever know how it ended. */
#define VP_JOB_UNKNOWN "somebody else has dismissed the job, so that its outcome is not known"

/* How a job of QEMU's ended. @error: why it failed, NULL: it did not. */
typedef void (*VpJobFunc)(VpCall *call, const char *error, gpointer data);

/*
 * What one call does to snapshots, step by step, for people to watch. All fields are job.c's, but
 * for what is said.
 *
 * Emits VIRTPASS_JOB_PROGRESS (vp_event_job_progress) at each step, and every VP_JOB_TICK_MS while
 * it lasts.
 * QEMU itself tells nothing: its monitors do not answer while it saves or loads.
 */
typedef struct VpJob {
    VpCall *call;
    const char *command;
    char *name;
    gint64 total;          /* may be set at any time; 0: not known */
    guint timeout;         /* seconds; 0: none */
    const char *phase;
    gint64 began;          /* monotonic, microseconds */
    gint64 bytes_before;   /* of the step; -1: not known */
    GSource *ticker;

    char *id;              /* of QEMU's job; NULL: none */
    bool running;          /* QEMU's job is at work */
    bool asking;           /* query-jobs, or the dismissal, has no answer yet */
    VpJobFunc func;
    gpointer data;
    char *error;

    bool stopped_before;   /* the guest was stopped by somebody else before our job, */
    bool stopped_after;    /* or after it */
    bool worked;           /* a job has run */
    gint64 resumed_ns;     /* when QEMU let the guest go on; 0: it did not */
} VpJob;

/* Watches the call's events from now on. */
void vp_job_begin(VpJob *job, VpCall *call, const char *command, const char *name, guint timeout);
void vp_job_clear(VpJob *job);

/* For a name that is chosen later. */
void vp_job_set_name(VpJob *job, const char *name);

/* @phase: a static string. */
void vp_job_set_phase(VpJob *job, const char *phase);

/* Runs QEMU's job @type ("snapshot-save", "snapshot-load") for the snapshot @tag over all disks
 * that may be written, with the state of the guest in @holder. @func gets to know its end, when it
 * has been dismissed. */
void vp_job_run(VpJob *job, const char *type, const char *tag, const VpDisks *disks,
                const VpDisk *holder, VpJobFunc func, gpointer data);

/* Jobs of ours that ended when nobody waited for them any more: dismissed. @jobs: what query-jobs
 * returned. */
void vp_job_sweep(VpCall *call, const VpJsonNode *jobs);
