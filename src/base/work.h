/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/loop.h"

/*
 * Work that takes long, done in threads beside the loop's: what a peer's document can make long,
 * and looks at files that may not answer. All functions are the loop's thread's.
 */
typedef struct VpWorkers VpWorkers;
typedef struct VpWork VpWork;

typedef void (*VpWorkFunc)(gpointer data);

/* At most @threads (1 or more) work at a time; they are started when there is something to do.
 * NULL and @error: there is no descriptor for their reports. */
VpWorkers *vp_workers_new(VpLoop *loop, guint threads, GError **error);

/* No callback comes any more, and no work may be cancelled any more. What is under way comes to its
 * end by itself, nobody waits for it. NULL is fine. */
void vp_workers_free(VpWorkers *workers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpWorkers, vp_workers_free)

/*
 * Calls @run in a thread, then @done from the loop, never before this returns, then @destroy. All
 * that @run reaches belongs to @data, for nobody waits for it: after vp_work_cancel() only @destroy
 * follows, when the thread is through. @owner: who is charged (a user or the like). Others are not
 * held up by an owner's work, as long as there are two threads.
 */
VpWork *vp_work_start(VpWorkers *workers, const char *owner, VpWorkFunc run, VpWorkFunc done,
                      gpointer data, GDestroyNotify destroy);

/* May be called in @done, for the work itself as well. NULL is fine. */
void vp_work_cancel(VpWork *work);
