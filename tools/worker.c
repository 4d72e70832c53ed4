/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Monitor commands beside the event loop.
 *
 * virDomainQemuMonitorCommand() blocks until there is a reply, so a thread calls it. Replies come
 * back through a queue, and an eventfd wakes the loop. libvirt hands events out by a timer of the
 * loop that is due at once: a reply waits for one more round, so that what QEMU said before it is
 * shown before it.
 */

#include "worker.h"

#include "base/fd.h"

#include <errno.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* One command, on its way there and back. */
typedef struct Job {
    char *command;     /* NULL: the thread ends */
    unsigned int flags;
    VpWorkerFunc func;
    gpointer data;
    char *reply;       /* libvirt's, free() */
    char *error;
} Job;

struct VpWorker {
    virDomainPtr domain;
    GThread *thread;
    GAsyncQueue *jobs;    /* of Job, to the thread */
    GAsyncQueue *results; /* of Job, from the thread */
    int wake;             /* eventfd: how many results are there */
    int watch;
    int timer;
    guint64 due;          /* results that have waited for a round */
    guint busy;           /* jobs that are not done */
};

static void
job_free(Job *job)
{
    g_free(job->command);
    g_free(job->error);
    free(job->reply);
    g_free(job);
}

static gpointer
work(gpointer data)
{
    VpWorker *worker = data;
    Job *job = NULL;

    while ((job = g_async_queue_pop(worker->jobs))->command) {
        if (virDomainQemuMonitorCommand(worker->domain, job->command, &job->reply, job->flags) < 0)
            job->error = g_strdup(virGetLastErrorMessage());
        g_async_queue_push(worker->results, job);
        eventfd_write(worker->wake, 1);
    }
    job_free(job);
    return NULL;
}

static void
on_wake(int watch G_GNUC_UNUSED, int fd, int events G_GNUC_UNUSED, void *opaque)
{
    VpWorker *worker = opaque;
    eventfd_t n = 0;

    if (eventfd_read(fd, &n) < 0)
        return;
    worker->due += n;
    virEventUpdateTimeout(worker->timer, 0);
}

static void
on_due(int timer, void *opaque)
{
    VpWorker *worker = opaque;
    guint64 n = worker->due;

    worker->due = 0;
    virEventUpdateTimeout(timer, -1);
    for (guint64 i = 0; i < n; i++) {
        Job *job = g_async_queue_pop(worker->results);

        worker->busy--;
        job->func(job->reply, job->error, job->data);
        job_free(job);
    }
}

VpWorker *
vp_worker_new(virDomainPtr domain)
{
    VpWorker *worker = g_new0(VpWorker, 1);

    virDomainRef(domain);
    worker->domain = domain;
    worker->jobs = g_async_queue_new();
    worker->results = g_async_queue_new();
    worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->wake < 0)
        g_error("no eventfd can be made: %s", g_strerror(errno));
    worker->watch = virEventAddHandle(worker->wake, VIR_EVENT_HANDLE_READABLE, on_wake, worker,
                                      NULL);
    worker->timer = virEventAddTimeout(-1, on_due, worker, NULL);
    worker->thread = g_thread_new("monitor", work, worker);
    return worker;
}

static void
push(VpWorker *worker, const Job *job)
{
    g_async_queue_push(worker->jobs, g_memdup2(job, sizeof(*job)));
}

void
vp_worker_send(VpWorker *worker, const char *command, unsigned int flags, VpWorkerFunc func,
               gpointer data)
{
    worker->busy++;
    push(worker, &(Job){ .command = g_strdup(command), .flags = flags, .func = func,
                         .data = data });
}

void
vp_worker_free(VpWorker *worker)
{
    virEventRemoveHandle(worker->watch);
    virEventRemoveTimeout(worker->timer);
    if (worker->busy > 0)
        return; /* the thread has it all still in its hands */
    push(worker, &(Job){ 0 });
    g_thread_join(worker->thread);
    g_async_queue_unref(worker->jobs);
    g_async_queue_unref(worker->results);
    virDomainFree(worker->domain);
    vp_clear_fd(&worker->wake);
    g_free(worker);
}
