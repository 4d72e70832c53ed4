/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>
#include <stdbool.h>

/*
 * For commands that stay: a connection whose events come in.
 *
 *     vp_live_prepare();
 *     if (!vp_live_connect() || !vp_live_listen(NULL, NULL, on_event, data))
 *         return VP_EXIT_FAILED;
 *     return vp_live_run();
 */

/* An event of QEMU's monitor, valid during the call. */
typedef struct VpLiveEvent {
    const char *domain;                     /* its name */
    char uuid[VIR_UUID_STRING_BUFLEN];
    const char *name;
    gint64 seconds;                         /* when, since 1970; -1: not known */
    guint micros;
    const char *data;                       /* JSON, as QEMU wrote it; NULL: none */
} VpLiveEvent;

typedef void (*VpLiveEventFunc)(const VpLiveEvent *event, gpointer data);
typedef void (*VpLiveFunc)(gpointer data);

/* Has to come before the first vp_connect(). From then on SIGINT, SIGTERM and SIGHUP end
 * vp_live_run(), and nothing else. */
void vp_live_prepare(void);

/* vp_connect(), and vp_live_run() ends with a message when that connection does. NULL: an error has
 * been printed. */
virConnectPtr vp_live_connect(void);

/* Calls @func for the events of @domain (NULL: all domains) whose names match @regex (NULL: all).
 * false: an error has been printed. */
bool vp_live_listen(virDomainPtr domain, const char *regex, VpLiveEventFunc func, gpointer data);

/* Calls @func when @domain has stopped. false: an error has been printed. */
bool vp_live_on_stopped(virDomainPtr domain, VpLiveFunc func, gpointer data);

/* Calls @func at SIGINT, which then ends nothing. */
void vp_live_on_interrupt(VpLiveFunc func, gpointer data);

/* Until vp_live_stop() has been called; its status. Gives up everything of the above. */
int vp_live_run(void);
void vp_live_stop(int status);
bool vp_live_is_over(void);

/* One round: waits until something has happened. For who has a loop of his own. */
void vp_live_step(void);
