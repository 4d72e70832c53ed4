/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/upstream.h"
#include "qmp/session.h"

/* The dedicated session of a running guest that was started without one. */
typedef struct VpAttach VpAttach;

/* After QEMU or libvirtd could not be asked, it is not tried again for so long. */
#define VP_ATTACH_REST_MS 10000u

/* None is called by vp_attach_new() and vp_attach_free(). */
typedef struct VpAttachOps {
    /* There is a socket at @path: a session is to be made for it. */
    void (*open)(const char *path, gpointer data);
    /* The session is to be freed, if there is one. */
    void (*close)(gpointer data);
    /* vp_attach_is_busy() says false again. */
    void (*settled)(gpointer data);
} VpAttachOps;

/* @domain: a running one; what it points to is copied. @path: where the socket is, or shall be.
 * Nothing happens before vp_attach_set(). */
VpAttach *vp_attach_new(VpUpstream *upstream, const vp_domain *domain, const char *path,
                        const VpAttachOps *ops, gpointer data);

/* What has been added stays in QEMU. NULL is fine. */
void vp_attach_free(VpAttach *attach);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpAttach, vp_attach_free)

/* What is wanted from now on. One that an earlier virtpassd added is found; one that is there
 * without being wanted is removed; one that was refused may be asked for again. */
void vp_attach_set(VpAttach *attach, VpAttachWhen when);

/* Would vp_attach_add() do something? */
bool vp_attach_can_add(const VpAttach *attach);

/* Begins to add it: settled() follows, and open() before, if it goes well. false: it cannot be had,
 * or not now. */
bool vp_attach_add(VpAttach *attach);

/* The session that open() asked for has another state; @reason: why it is LOST. true: it has been
 * closed in here, or is not to be used. */
bool vp_attach_session(VpAttach *attach, VpQmpState state, const char *reason);

/* Is libvirtd's monitor being used, to add or to remove it? */
bool vp_attach_is_busy(const VpAttach *attach);
bool vp_attach_is_adding(const VpAttach *attach);

/* Is it there, whatever the session's state? */
bool vp_attach_is_added(const VpAttach *attach);

/* For people: why there is none; "" when there is, or when none is wanted. */
const char *vp_attach_reason(const VpAttach *attach);
