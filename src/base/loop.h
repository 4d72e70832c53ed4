/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/epoll.h>

typedef struct VpLoop VpLoop;
typedef struct VpWatch VpWatch;

/* @ready: the epoll events that are there now (EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR ...). */
typedef void (*VpWatchFunc)(VpWatch *watch, guint32 ready, gpointer data);

/* One descriptor that is watched. Embedded in its owner; all fields are the loop's. */
struct VpWatch {
    VpLoop *loop;    /* NULL while nothing is watched */
    int fd;          /* borrowed: the owner closes it, after vp_watch_remove() */
    guint32 events;  /* what is asked for now */
    VpWatchFunc func;
    gpointer data;
};

#define VP_WATCH_INIT { .fd = -1 }

/* A loop in @context (NULL: the default one). NULL with @error when epoll is not to be had. */
VpLoop *vp_loop_new(GMainContext *context, GError **error);
/* Not in a callback of the loop's. NULL is fine. */
void vp_loop_free(VpLoop *loop);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpLoop, vp_loop_free)

/*
 * Runs the context, in which nobody else may run it, until vp_loop_quit() is called in a callback.
 * Watches are served faster than by g_main_context_iteration(), which serves them too.
 */
void vp_loop_run(VpLoop *loop);
void vp_loop_quit(VpLoop *loop);

/* Attaches @source to the loop's context. The loop's thread must not do that by itself while
 * vp_loop_run() runs: GLib would not look at the source before it has something else to do. */
void vp_loop_attach(VpLoop *loop, GSource *source);

/* Calls @func once after @milliseconds, or every time until it returns G_SOURCE_REMOVE.
 * The source is attached; the caller owns the reference and ends it with vp_loop_cancel(). */
GSource *vp_loop_timer(VpLoop *loop, guint milliseconds, GSourceFunc func, gpointer data);

/* Destroys *source, if there is one, and forgets it. */
void vp_loop_cancel(GSource **source);

bool vp_watch_add(VpWatch *watch, VpLoop *loop, int fd, guint32 events, VpWatchFunc func,
                  gpointer data, GError **error);

/* Changes what is asked for; 0 keeps the descriptor but reports only EPOLLHUP and EPOLLERR. */
void vp_watch_set(VpWatch *watch, guint32 events);

/* No call comes any more, not even for what is already ready. May be called in the callback. */
void vp_watch_remove(VpWatch *watch);
