/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu_passthrough/config.h"
#include "rpc/calls.h"

/* Who is charged for threads that read what our own connection brings. */
#define VP_DEFINITIONS_OWNER "libvirtd"

typedef struct VpUpstream VpUpstream;

/* Where libvirtd listens: one place for clients' connections and for our own. */
typedef struct VpUpstreamAddress {
    bool session;
    char *configured;   /* NULL: look where libvirt's own clients look */
} VpUpstreamAddress;

/* The socket to use now. It need not exist. g_free(). */
char *vp_upstream_path(const VpUpstreamAddress *address, bool read_only);

/*
 * Connects; in session mode starts libvirtd first when it is not there, as libvirt's own client
 * does, and says VP_UPSTREAM_STARTING: try again shortly.
 */
typedef enum VpUpstreamVerdict {
    VP_UPSTREAM_CONNECTED, /* *ret_fd */
    VP_UPSTREAM_STARTING,
    VP_UPSTREAM_ABSENT,    /* @error */
} VpUpstreamVerdict;

VpUpstreamVerdict vp_upstream_connect(const VpUpstreamAddress *address, bool read_only,
                                      int *ret_fd, GError **error);

typedef struct VpUpstreamOps {
    /* The connection is open (again): ask what has to be asked. */
    void (*opened)(VpUpstream *upstream, gpointer data);
    /* A MESSAGE (event) of any program. */
    void (*message)(VpUpstream *upstream, const VpFrame *frame, gpointer data);
    /* Gone, or an attempt to open it failed; calls in flight have been answered BROKEN. It is tried
     * again by itself. */
    void (*lost)(VpUpstream *upstream, gpointer data);
} VpUpstreamOps;

/* Our own connection to libvirtd, kept open. */
VpUpstream *vp_upstream_new(VpLoop *loop, const VpUpstreamAddress *address,
                            const VpUpstreamOps *ops, gpointer data);

/* Calls in flight are answered BROKEN, so whoever made them must still be there. */
void vp_upstream_free(VpUpstream *upstream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpUpstream, vp_upstream_free)

/* false: not open now; @func is not called. */
bool vp_upstream_call(VpUpstream *upstream, guint32 program, gint32 procedure, void *args_func,
                      void *args, VpCallFunc func, gpointer data);

/* The same with a descriptor, which is duplicated. */
bool vp_upstream_call_with_fd(VpUpstream *upstream, guint32 program, gint32 procedure,
                              void *args_func, void *args, int fd, VpCallFunc func, gpointer data);

bool vp_upstream_is_open(const VpUpstream *upstream);

/* There is a reason to believe that libvirtd is there: tries now instead of at the end of the
 * back-off. opened() or lost() tells how it went. Nothing happens while it is open, or about to
 * be. */
void vp_upstream_hurry(VpUpstream *upstream);
