/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A look belongs to its task, which owns all that the thread uses: nothing of the caller's is
 * reached from there, and a caller that leaves only says so. So nobody ever waits for a thread,
 * which could be for ever. While all of its threads are busy GLib starts more, but slowly: with a
 * dozen that hang a look takes tenths of a second.
 */

#include "probe/look.h"

#include "plan/shim.h"
#include "probe/cache.h"

#include <errno.h>
#include <gio/gio.h>

struct VpLook {
    void (*work)(VpLook *look); /* the thread's */
    char *emulator;
    char *cache_dir;     /* may be NULL */
    char *known;         /* may be NULL */
    VpLookResult result; /* the thread's until it has returned */
    gint cancelled;      /* atomic: then nothing is looked at that has not been yet */
    VpLookFunc func;
    gpointer data;
};

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
look_at_files(GTask *task, gpointer source G_GNUC_UNUSED, gpointer data,
              GCancellable *cancellable G_GNUC_UNUSED)
{
    VpLook *look = data;

    if (!g_atomic_int_get(&look->cancelled))
        look->work(look);
    g_task_return_boolean(task, TRUE);
}

static void
on_looked(GObject *source G_GNUC_UNUSED, GAsyncResult *task, gpointer data G_GNUC_UNUSED)
{
    VpLook *look = g_task_get_task_data(G_TASK(task));

    if (!g_atomic_int_get(&look->cancelled))
        look->func(&look->result, look->data);
}

static VpLook *
new_look(void (*work)(VpLook *), const char *emulator, VpLookFunc func, gpointer data)
{
    VpLook *look = g_new0(VpLook, 1);

    look->work = work;
    look->emulator = g_strdup(emulator);
    look->func = func;
    look->data = data;
    return look;
}

static VpLook *
begin(VpLook *look)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, on_looked, NULL);

    g_task_set_task_data(task, look, free_look);
    g_task_run_in_thread(task, look_at_files);
    return look;
}

VpLook *
vp_look_for_state(const char *emulator, const char *cache_dir, const char *known, VpLookFunc func,
                  gpointer data)
{
    VpLook *look = new_look(find_state, emulator, func, data);

    look->cache_dir = g_strdup(cache_dir);
    look->known = g_strdup(known);
    return begin(look);
}

VpLook *
vp_look_for_change(const char *emulator, VpLookFunc func, gpointer data)
{
    return begin(new_look(find_change, emulator, func, data));
}

void
vp_look_cancel(VpLook *look)
{
    if (look)
        g_atomic_int_set(&look->cancelled, TRUE);
}
