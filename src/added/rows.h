/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "added/registry.h"

/* The rows of the handler files. */
extern const VpCommandRow vp_row_delvm;
extern const VpCommandRow vp_row_loadvm;
extern const VpCommandRow vp_row_query_available_devices; /* devices.c */
extern const VpCommandRow vp_row_query_mtree;   /* machine.c */
extern const VpCommandRow vp_row_query_netdev;  /* netdev.c */
extern const VpCommandRow vp_row_query_qtree;   /* machine.c */
extern const VpCommandRow vp_row_query_snapshots;
extern const VpCommandRow vp_row_query_usernet; /* usernet.c */
extern const VpCommandRow vp_row_savevm;

extern const VpEventRow vp_event_job_progress;  /* job.c */
