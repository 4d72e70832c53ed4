/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <time.h>

/*
 * What the file system knows of an emulator, found out beside the loop: its path comes from a
 * document, and may be on a share whose server does not answer any more. Such looks hold up others
 * of the same owner only.
 */
typedef struct VpLook VpLook;

/* What was found: @stamp, @errnum and @facts of its state, or @there and @changed. */
typedef struct VpLookResult {
    char *stamp;      /* see vp_probe_stamp(); NULL: there is no such file. To be stolen */
    int errnum;       /* why, if @stamp is NULL */
    GVariant *facts;  /* from the cache, for that stamp; NULL: none, or the stamp was known */
    bool there;
    struct timespec changed; /* see vp_shim_change_time(), if @there */
} VpLookResult;

typedef void (*VpLookFunc)(VpLookResult *result, gpointer data);

/*
 * Looks in a thread, on behalf of @owner (see vp_probe_get()): in which state the emulator is, or
 * when it has changed. @func is called once, from the thread-default main context of the caller,
 * and the look is gone after that; or never, if it is cancelled. @cache_dir may be NULL. @known:
 * the stamp for which no facts are wanted, as they are at hand; NULL: none.
 */
VpLook *vp_look_for_state(const char *owner, const char *emulator, const char *cache_dir,
                          const char *known, VpLookFunc func, gpointer data);
VpLook *vp_look_for_change(const char *owner, const char *emulator, VpLookFunc func,
                           gpointer data);

/* The thread comes to its end by itself, whenever that is. NULL is fine. */
void vp_look_cancel(VpLook *look);
