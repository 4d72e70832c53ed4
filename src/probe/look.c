/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A look belongs to its task, which owns all that the thread uses: nothing of the caller's is
 * reached from there, and a caller that leaves only says so. So nobody ever waits for a thread,
 * which could be for ever.
 *
 * Threads are few, those for one owner fewer: his other looks wait in his lane, and lanes take
 * turns. Lanes belong to the thread on which looks begin and end. A look that is cancelled leaves
 * its lane, or keeps its place until its thread is back.
 */

#include "probe/look.h"

#include "base/limits.h"
#include "plan/shim.h"
#include "probe/cache.h"

#include <errno.h>
#include <gio/gio.h>

/* The looks of one owner. */
typedef struct Lane {
    char *owner;
    guint n_running;
    GQueue waiting;      /* of GTask, a reference each */
    GList link;          /* in `lanes` */
} Lane;

struct VpLook {
    Lane *lane;
    GTask *task;         /* NULL: a thread has it */
    void (*work)(VpLook *look); /* the thread's */
    char *emulator;
    char *cache_dir;     /* may be NULL */
    char *known;         /* may be NULL */
    VpLookResult result; /* the thread's until it has returned */
    gint cancelled;      /* atomic: then nothing is looked at that has not been yet */
    VpLookFunc func;
    gpointer data;
};

static GQueue lanes; /* whose turn is next is the first */
static guint n_running;

static void
free_look(gpointer data)
{
    VpLook *look = data;

    g_free(look->emulator);
    g_free(look->cache_dir);
    g_free(look->known);
    g_free(look->result.stamp);
    g_clear_pointer(&look->result.facts, g_variant_unref);
    g_free(look);
}

static void
find_state(VpLook *look)
{
    VpLookResult *result = &look->result;

    result->stamp = vp_probe_stamp(look->emulator);
    result->errnum = errno;
    if (result->stamp && look->cache_dir && g_strcmp0(result->stamp, look->known) != 0)
        result->facts = vp_probe_cache_load(look->cache_dir, look->emulator, result->stamp);
}

static void
find_change(VpLook *look)
{
    look->result.there = vp_shim_change_time(look->emulator, &look->result.changed);
}

static void
look_at_files(gpointer data, gpointer pool_data G_GNUC_UNUSED)
{
    g_autoptr(GTask) task = data;
    VpLook *look = g_task_get_task_data(task);

    if (!g_atomic_int_get(&look->cancelled))
        look->work(look);
    g_task_return_boolean(task, TRUE);
}

/* --- turns ------------------------------------------------------------------ */

static GThreadPool *
threads(void)
{
    static GThreadPool *pool;

    if (!pool)
        pool = g_thread_pool_new(look_at_files, NULL, VP_LOOK_RUNNING_MAX, FALSE, NULL);
    return pool;
}

static Lane *
use_lane(const char *owner)
{
    Lane *lane = NULL;

    for (GList *at = lanes.head; at; at = at->next) {
        lane = at->data;
        if (g_str_equal(lane->owner, owner))
            return lane;
    }
    lane = g_new0(Lane, 1);
    lane->owner = g_strdup(owner);
    lane->link.data = lane;
    g_queue_push_tail_link(&lanes, &lane->link);
    return lane;
}

static void
release_lane(Lane *lane)
{
    if (lane->n_running > 0 || !g_queue_is_empty(&lane->waiting))
        return;
    g_queue_unlink(&lanes, &lane->link);
    g_free(lane->owner);
    g_free(lane);
}

/* False: he has none that can begin. After it others' turns come. */
static bool
give_turn(Lane *lane)
{
    VpLook *look = NULL;

    if (lane->n_running >= VP_LOOK_OWNER_RUNNING_MAX || g_queue_is_empty(&lane->waiting))
        return false;
    look = g_task_get_task_data(g_queue_peek_head(&lane->waiting));
    look->task = NULL;
    lane->n_running++;
    n_running++;
    g_thread_pool_push(threads(), g_queue_pop_head(&lane->waiting), NULL);
    g_queue_unlink(&lanes, &lane->link);
    g_queue_push_tail_link(&lanes, &lane->link);
    return true;
}

static void
give_turns(void)
{
    GList *at = lanes.head;

    while (at && n_running < VP_LOOK_RUNNING_MAX)
        at = give_turn(at->data) ? lanes.head : at->next;
}

static void
on_looked(GObject *source G_GNUC_UNUSED, GAsyncResult *task, gpointer data G_GNUC_UNUSED)
{
    VpLook *look = g_task_get_task_data(G_TASK(task));

    if (look->task)
        return; /* it did not begin */
    look->lane->n_running--;
    n_running--;
    release_lane(look->lane);
    give_turns();
    if (!g_atomic_int_get(&look->cancelled))
        look->func(&look->result, look->data);
}

/* --- looks ------------------------------------------------------------------ */

static VpLook *
new_look(void (*work)(VpLook *), const char *owner, const char *emulator, VpLookFunc func,
         gpointer data)
{
    VpLook *look = g_new0(VpLook, 1);

    look->lane = use_lane(owner);
    look->work = work;
    look->emulator = g_strdup(emulator);
    look->func = func;
    look->data = data;
    return look;
}

static VpLook *
begin(VpLook *look)
{
    look->task = g_task_new(NULL, NULL, on_looked, NULL);
    g_task_set_task_data(look->task, look, free_look);
    g_queue_push_tail(&look->lane->waiting, look->task);
    give_turns();
    return look;
}

VpLook *
vp_look_for_state(const char *owner, const char *emulator, const char *cache_dir,
                  const char *known, VpLookFunc func, gpointer data)
{
    VpLook *look = new_look(find_state, owner, emulator, func, data);

    look->cache_dir = g_strdup(cache_dir);
    look->known = g_strdup(known);
    return begin(look);
}

VpLook *
vp_look_for_change(const char *owner, const char *emulator, VpLookFunc func, gpointer data)
{
    return begin(new_look(find_change, owner, emulator, func, data));
}

void
vp_look_cancel(VpLook *look)
{
    g_autoptr(GTask) task = NULL;

    if (!look)
        return;
    g_atomic_int_set(&look->cancelled, TRUE);
    task = look->task;
    if (!task)
        return;
    g_queue_remove(&look->lane->waiting, task);
    release_lane(look->lane);
    g_task_return_boolean(task, TRUE); /* or it would complain; nobody is told */
}
