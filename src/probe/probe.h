/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/loop.h"
#include "probe/facts.h"

/*
 * What QEMU binaries can do. Each is asked once, in a throw-away process (child.h); the answers are
 * kept in memory and in files until the binary or its modules change. Never is a running guest
 * asked: there are device types that end the process when one asks for them.
 *
 * From memory an answer takes microseconds, from a file some milliseconds, from a process about
 * half a second.
 */
typedef struct VpProbe VpProbe;
typedef struct VpProbeWait VpProbeWait;

/* For how long a binary that could not be asked is not asked again, unless it changes. */
#define VP_PROBE_FAILED_MS 10000u

/* @cache_dir: where files are kept, made when needed; NULL: in memory only. See
 * vp_probe_cache_dir() for the usual one. */
VpProbe *vp_probe_new(VpLoop *loop, const char *cache_dir);

/* In what binaries are not shut in here as they should be, and what that means: a sentence for the
 * log. NULL: nothing is missing. See sandbox.h. */
const char *vp_probe_shortfall(const VpProbe *probe);

/* No callback comes any more; processes under way are killed. NULL is fine. */
void vp_probe_free(VpProbe *probe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpProbe, vp_probe_free)

/* @facts: to be referenced by who wants to keep them; NULL: @error says why, naming the binary. */
typedef void (*VpProbeFunc)(VpQemuFacts *facts, const GError *error, gpointer data);

/* Asks for the facts of the QEMU at the path @emulator. @func is called exactly once, from the
 * loop, unless the wait is cancelled; the wait is gone after that. Callers that want the same at
 * the same time share one process. @owner: on whose behalf, the same text for whoever may hold up
 * each other ("uid 1000"): owners take turns. */
VpProbeWait *vp_probe_get(VpProbe *probe, const char *emulator, const char *owner,
                          VpProbeFunc func, gpointer data);

/* Its function is not called any more. */
void vp_probe_cancel(VpProbeWait *wait);

/* For programs without a loop: waits for the answer. vp_qemu_facts_unref(). */
VpQemuFacts *vp_probe_get_blocking(const char *emulator, const char *cache_dir, GError **error);

/* Where files are kept if nobody says otherwise: /var/cache/virtpassd for root, else
 * $XDG_CACHE_HOME/virtpassd. g_free(). */
char *vp_probe_cache_dir(void);
