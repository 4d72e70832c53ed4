/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/socket.h"
#include "base/work.h"

/* A question to the name service: what a peer's user and group are called. */
typedef struct VpNamesLook VpNamesLook;

/* NULL: it has none, or the name service has not said so within a second. Both are borrowed. */
typedef void (*VpNamesFunc)(const char *user, const char *group, gpointer data);

/* @func is called once, from the loop and never before this returns; the look is gone after that.
 * @owner: as in vp_work_start(). */
VpNamesLook *vp_names_look(VpLoop *loop, VpWorkers *workers, const char *owner, const VpPeer *peer,
                           VpNamesFunc func, gpointer data);

/* No call comes any more. NULL is fine. */
void vp_names_cancel(VpNamesLook *look);
