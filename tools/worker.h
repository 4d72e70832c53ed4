/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

/* A thread that sends monitor commands one after the other, while libvirt's event loop runs in the
 * main thread, where everything else of this happens. */
typedef struct VpWorker VpWorker;

/* @reply: libvirt's; NULL: there is none, and @error is libvirt's text. */
typedef void (*VpWorkerFunc)(const char *reply, const char *error, gpointer data);

/* Takes a reference to @domain. */
VpWorker *vp_worker_new(virDomainPtr domain);

/* Sends @command when those before it have their replies. @flags: those of
 * virDomainQemuMonitorCommand(). @func is called from the event loop, after the events that came
 * before the reply. */
void vp_worker_send(VpWorker *worker, const char *command, unsigned int flags, VpWorkerFunc func,
                    gpointer data);

/* No function is called any more. A command that has no reply yet is left to QEMU, and the thread
 * to the end of the process. */
void vp_worker_free(VpWorker *worker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VpWorker, vp_worker_free)
