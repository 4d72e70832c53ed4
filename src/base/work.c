/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A pool of threads with a queue.
 *
 * The loop's thread puts work into the queue, a thread takes it out, runs it and puts it on the
 * list of what is done; a write to an eventfd wakes the loop, which calls back. `lock` guards both
 * lists and the counts, nothing else: a work's data belongs to the thread while it runs, and to the
 * loop's thread before and after.
 *
 * Fairness: an owner has at most all threads but one. What waits is taken in its order, but for
 * owners who have their share; so whoever makes a thousand documents that each take seconds waits
 * for himself, and the thread that is left serves the others.
 *
 * The threads are nice: where processors are few the loop comes first.
 *
 * Nobody ever joins a thread, which may hang in a file system for good. The pool is freed by who
 * leaves last, its owner or a thread; a thread that leaves last destroys the data of its work.
 */

#include "base/work.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

/* How much nicer than the loop the threads are. */
#define NICER 10

struct VpWork {
    VpWorkers *workers;
    char *owner;
    VpWorkFunc run;
    VpWorkFunc done;        /* NULL: cancelled; the loop's thread's */
    gpointer data;
    GDestroyNotify destroy;
};

struct VpWorkers {
    gint refs;              /* atomic: the owner's and one for each thread */
    VpWatch watch;
    guint threads_max;
    GMutex lock;
    GCond wanted;           /* something was queued, or the end has come */
    GQueue queue;           /* of VpWork */
    GQueue finished;        /* of VpWork */
    GHashTable *running;    /* owner -> number of threads, as pointers' values; 0 is not in it */
    guint threads;
    guint idle;             /* threads that wait */
    bool closing;
    int fd;                 /* the eventfd */
};

static void
work_free(VpWork *work)
{
    if (work->destroy)
        work->destroy(work->data);
    g_free(work->owner);
    g_free(work);
}

static void
unref(VpWorkers *workers)
{
    if (!g_atomic_int_dec_and_test(&workers->refs))
        return;
    g_queue_clear_full(&workers->finished, (GDestroyNotify)work_free);
    g_hash_table_unref(workers->running);
    g_mutex_clear(&workers->lock);
    g_cond_clear(&workers->wanted);
    vp_clear_fd(&workers->fd);
    g_free(workers);
}

/* --- in the threads ------------------------------------------------------- */

static guint
running_of(const VpWorkers *workers, const char *owner)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(workers->running, owner));
}

static void
count_running(VpWorkers *workers, const char *owner, int change)
{
    guint n = running_of(workers, owner) + change;

    if (n > 0)
        g_hash_table_insert(workers->running, g_strdup(owner), GUINT_TO_POINTER(n));
    else
        g_hash_table_remove(workers->running, owner);
}

/* The first work whose owner has not got its share. NULL: there is none. */
static VpWork *
take_next(VpWorkers *workers)
{
    guint share = MAX(workers->threads_max - 1, 1);

    for (GList *item = workers->queue.head; item; item = item->next) {
        VpWork *work = item->data;

        if (running_of(workers, work->owner) >= share)
            continue;
        g_queue_delete_link(&workers->queue, item);
        count_running(workers, work->owner, 1);
        return work;
    }
    return NULL;
}

static void
wake_loop(const VpWorkers *workers)
{
    guint64 one = 1;

    /* It fails only when the loop has 2^64 - 2 wake-ups before it already. */
    if (write(workers->fd, &one, sizeof(one)) < 0)
        return;
}

/* With the lock, which is given up meanwhile. */
static void
run_work(VpWorkers *workers, VpWork *work)
{
    g_mutex_unlock(&workers->lock);
    work->run(work->data);
    g_mutex_lock(&workers->lock);
    count_running(workers, work->owner, -1);
    g_queue_push_tail(&workers->finished, work);
    g_cond_signal(&workers->wanted); /* the owner may have more of it */
    wake_loop(workers);
}

static gpointer
thread_main(gpointer data)
{
    VpWorkers *workers = data;

    setpriority(PRIO_PROCESS, gettid(), getpriority(PRIO_PROCESS, 0) + NICER);
    g_mutex_lock(&workers->lock);
    while (!workers->closing) {
        VpWork *work = take_next(workers);

        if (work) {
            run_work(workers, work);
        } else {
            workers->idle++;
            g_cond_wait(&workers->wanted, &workers->lock);
            workers->idle--;
        }
    }
    g_mutex_unlock(&workers->lock);
    unref(workers);
    return NULL;
}

/* --- in the loop's thread ------------------------------------------------- */

static VpWork *
take_finished(VpWorkers *workers)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&workers->lock);

    return g_queue_pop_head(&workers->finished);
}

static void
on_finished(VpWatch *watch, guint32 ready G_GNUC_UNUSED, gpointer data)
{
    VpWorkers *workers = data;
    VpWork *work = NULL;
    guint64 count = 0;

    if (read(watch->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        return;
    g_atomic_int_inc(&workers->refs); /* a callback may free the pool */
    while (!workers->closing && (work = take_finished(workers))) {
        if (work->done)
            work->done(work->data);
        work_free(work);
    }
    unref(workers);
}

/* With the lock. Without a thread the work waits for the next one. */
static void
want_thread(VpWorkers *workers)
{
    g_autoptr(GThread) thread = NULL;

    g_cond_signal(&workers->wanted);
    if (workers->idle >= workers->queue.length || workers->threads >= workers->threads_max)
        return;
    g_atomic_int_inc(&workers->refs);
    thread = g_thread_try_new("worker", thread_main, workers, NULL);
    if (thread)
        workers->threads++;
    else
        unref(workers);
}

VpWork *
vp_work_start(VpWorkers *workers, const char *owner, VpWorkFunc run, VpWorkFunc done, gpointer data,
              GDestroyNotify destroy)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&workers->lock);
    VpWork *work = g_new0(VpWork, 1);

    *work = (VpWork){ workers, g_strdup(owner), run, done, data, destroy };
    g_queue_push_tail(&workers->queue, work);
    want_thread(workers);
    return work;
}

void
vp_work_cancel(VpWork *work)
{
    bool waits = false;

    if (!work)
        return;
    work->done = NULL;
    g_mutex_lock(&work->workers->lock);
    waits = g_queue_remove(&work->workers->queue, work);
    g_mutex_unlock(&work->workers->lock);
    if (waits)
        work_free(work);
}

VpWorkers *
vp_workers_new(VpLoop *loop, guint threads, GError **error)
{
    VpWorkers *workers = g_new0(VpWorkers, 1);

    workers->refs = 1;
    workers->watch = (VpWatch)VP_WATCH_INIT;
    workers->threads_max = threads;
    workers->running = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_mutex_init(&workers->lock);
    g_cond_init(&workers->wanted);
    workers->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (workers->fd < 0)
        vp_error_set_errno(error, errno, "cannot make an eventfd");
    else if (vp_watch_add(&workers->watch, loop, workers->fd, EPOLLIN, on_finished, workers,
                          error))
        return workers;
    unref(workers);
    return NULL;
}

void
vp_workers_free(VpWorkers *workers)
{
    if (!workers)
        return;
    vp_watch_remove(&workers->watch);
    g_mutex_lock(&workers->lock);
    workers->closing = true;
    g_queue_clear_full(&workers->queue, (GDestroyNotify)work_free);
    g_cond_broadcast(&workers->wanted);
    g_mutex_unlock(&workers->lock);
    unref(workers);
}
