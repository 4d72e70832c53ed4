/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/loop.h"
#include "qmp/session.h"

#include <sys/types.h>

/*
 * The added commands of one session: what its users send is theirs and QEMU's business, but for
 * the commands of the registry, which are answered here.
 */

typedef struct VpAdded VpAdded;
typedef struct VpAddedUser VpAddedUser;

/* src/probe: what a QEMU binary can do. */
typedef struct VpProbe VpProbe;

/* How a load or a store ended. @text: what was loaded, NULL for nothing; or @error. Borrowed. */
typedef void (*VpAddedKeepFunc)(const char *text, const GError *error, gpointer func_data);

/* A snapshot as libvirt itself remembers it. */
typedef struct VpLibvirtSnapshot {
    char *name;
    char *parent;    /* its parent's name; NULL: it has none */
    gint64 created;  /* seconds since 1970, when libvirt was asked for it */
    bool internal;   /* it is in the disks' images */
    char *kept;      /* text of VP_LINEAGE_KEY in the definition that libvirt has put by with it;
                      * NULL: none */
} VpLibvirtSnapshot;

void vp_libvirt_snapshot_free(VpLibvirtSnapshot *snapshot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpLibvirtSnapshot, vp_libvirt_snapshot_free)

/* @list: of VpLibvirtSnapshot; NULL: not to be had. Borrowed. */
typedef void (*VpAddedSnapshotsFunc)(const GPtrArray *list, gpointer func_data);

/* What the commands need that is not to be had from QEMU. The functions are called in the loop;
 * @data is that of vp_added_new(). Strings are borrowed, until the loop turns. */
typedef struct VpAddedHost {
    const char *(*domain_name)(gpointer data);
    const char *(*emulator)(gpointer data); /* path of the running QEMU's binary; NULL: not known */
    pid_t (*pid)(gpointer data);            /* of its process; 0: not known */

    /* What lasts for the domain, one text for each @key ([a-z]+). @func is called exactly once, as
     * long as the host exists, not before these return. */
    void (*load)(const char *key, VpAddedKeepFunc func, gpointer func_data, gpointer data);
    void (*store)(const char *key, const char *text, VpAddedKeepFunc func, gpointer func_data,
                  gpointer data);

    /* All snapshots of the domain that libvirt knows of. @func as above. */
    void (*libvirt_snapshots)(VpAddedSnapshotsFunc func, gpointer func_data, gpointer data);

    /* An event for everybody who listens to the domain. @json: its data, an object. */
    void (*emit)(const char *name, const char *json, gpointer data);
} VpAddedHost;

/* @probe may be NULL: then there is none. All are borrowed; @session must be freed first, the
 * others outlive what is made here. */
VpAdded *vp_added_new(VpLoop *loop, VpQmpSession *session, VpProbe *probe, const VpAddedHost *host,
                      gpointer data);

/* After the session's end: it was freed, or will never be READY again. Users that are still there
 * can send nothing any more, and must be freed by their owners. Commands that have no reply yet
 * get VP_QMP_SESSION_LOST. NULL is fine. */
void vp_added_free(VpAdded *added);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpAdded, vp_added_free)

/* The session says this: each event, and that it was lost. */
void vp_added_event(VpAdded *added, const VpQmpEvent *event);
void vp_added_lost(VpAdded *added);

/* A user of the session: has a queue of it. */
VpAddedUser *vp_added_user_new(VpAdded *added);

/* On whose behalf its commands come, see vp_probe_get(). Without this it shares with all others
 * without. */
void vp_added_user_set_owner(VpAddedUser *user, const char *owner);

/* As vp_qmp_queue_free(): no callback comes any more. An added command that has begun goes on to
 * its end. NULL is fine. */
void vp_added_user_free(VpAddedUser *user);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpAddedUser, vp_added_user_free)

/*
 * As vp_qmp_queue_send(), which it calls but for an added command that QEMU has not itself. One
 * takes its turn in the queue: it begins when the in-band commands before it are answered, and
 * those behind it wait for its reply. query-commands and query-qmp-schema list the added commands
 * too. VP_QMP_QUEUE_FULL also when VP_ADDED_CALLS_MAX of the user's have no reply yet.
 */
VpQmpVerdict vp_added_send(VpAddedUser *user, const char *json, gsize size, const int *fds,
                           guint n_fds, VpQmpReplyFunc func, gpointer data, char **ret_message);

/* As vp_qmp_queue_send_raw(), in its turn among what the user sends. */
VpQmpVerdict vp_added_send_raw(VpAddedUser *user, const char *bytes, gsize size,
                               VpQmpReplyFunc func, gpointer data);
