/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Who wants to know what a binary can do waits at its entry: VpProbeWait. An entry has facts for
 * one state of the binary (its stamp), or an inquiry under way, or neither. Whenever somebody asks,
 * the stamp is taken anew; facts of another one are dropped. That is a look (look.c), one at a time
 * for an entry; who has come after it began is not answered before another one.
 *
 * Answers are given from the loop, also those that are at hand, so that a caller never finds its
 * own function running inside of its call. A wait belongs to its entry until it is answered or
 * cancelled; waits are answered one at a time, each taken off first, so that the function may
 * cancel others, ask again or free the probe.
 *
 * Entries without waits are dropped from the least recently used on, when there are too many.
 */

#include "probe/probe.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "probe/cache.h"
#include "probe/inquiry.h"
#include "probe/look.h"

#include <unistd.h>

typedef struct Entry {
    VpProbe *probe;
    char *emulator;
    char *stamp;           /* of the state that facts, error or inquiry are about; NULL: none */
    VpQemuFacts *facts;
    GError *error;         /* why there are none */
    gint64 failed;         /* when, monotonic microseconds */
    VpLook *look;          /* under way */
    VpInquiry *inquiry;    /* under way */
    bool asked_for;        /* it has to be asked, as soon as fewer others are */
    bool answering;        /* on_answer() is at it */
    GQueue waits;          /* of VpProbeWait */
    GSource *answer;       /* answers the waits */
    GList link;            /* in VpProbe.entries */
} Entry;

struct VpProbe {
    VpLoop *loop;
    char *cache_dir;
    GQueue entries;        /* the one that was used last is the first */
    guint n_running;       /* inquiries */
    bool *freed;           /* set by vp_probe_free() for who is calling back; NULL: nobody */
};

struct VpProbeWait {
    Entry *entry;
    VpProbeFunc func;
    gpointer data;
    bool looking;          /* the look under way began after it */
    bool looked;           /* one that began after it has ended */
    GList link;            /* in Entry.waits, in the order of coming */
};

static void start_next(VpProbe *probe);

/* --- entries ---------------------------------------------------------------- */

static void
end_inquiry(Entry *entry)
{
    if (!entry->inquiry)
        return;
    g_clear_pointer(&entry->inquiry, vp_inquiry_free);
    entry->probe->n_running--;
}

/* What was known is of a state that has passed. */
static void
forget(Entry *entry)
{
    end_inquiry(entry);
    entry->asked_for = false;
    g_clear_pointer(&entry->stamp, g_free);
    g_clear_pointer(&entry->facts, vp_qemu_facts_unref);
    g_clear_error(&entry->error);
}

static void
free_wait(VpProbeWait *wait)
{
    g_queue_unlink(&wait->entry->waits, &wait->link);
    g_free(wait);
}

static void
free_entry(Entry *entry)
{
    while (entry->waits.head)
        free_wait(entry->waits.head->data);
    g_queue_unlink(&entry->probe->entries, &entry->link);
    vp_loop_cancel(&entry->answer);
    vp_look_cancel(entry->look);
    forget(entry);
    g_free(entry->emulator);
    g_free(entry);
}

/* Makes room for one more: drops what has not been used for longest. */
static void
make_room(VpProbe *probe)
{
    GList *at = probe->entries.tail;

    while (at && probe->entries.length >= VP_PROBE_KEPT_MAX) {
        Entry *entry = at->data;

        at = at->prev;
        if (g_queue_is_empty(&entry->waits) && !entry->answering)
            free_entry(entry);
    }
}

static Entry *
find_entry(VpProbe *probe, const char *emulator)
{
    for (GList *at = probe->entries.head; at; at = at->next) {
        Entry *entry = at->data;

        if (g_str_equal(entry->emulator, emulator))
            return entry;
    }
    return NULL;
}

/* The entry of @emulator, as the one that was used last. */
static Entry *
use_entry(VpProbe *probe, const char *emulator)
{
    Entry *entry = find_entry(probe, emulator);

    if (entry) {
        g_queue_unlink(&probe->entries, &entry->link);
    } else {
        make_room(probe);
        entry = g_new0(Entry, 1);
        entry->probe = probe;
        entry->emulator = g_strdup(emulator);
        entry->link.data = entry;
    }
    g_queue_push_head_link(&probe->entries, &entry->link);
    return entry;
}

/* --- answers ---------------------------------------------------------------- */

static void
answer_wait(Entry *entry, VpProbeWait *wait)
{
    g_autoptr(VpQemuFacts) facts = entry->facts ? vp_qemu_facts_ref(entry->facts) : NULL;
    g_autoptr(GError) error = entry->error ? g_error_copy(entry->error) : NULL;
    VpProbeFunc func = wait->func;
    gpointer data = wait->data;

    free_wait(wait);
    func(facts, error, data);
}

static bool
is_settled(const Entry *entry)
{
    return entry->facts || entry->error;
}

/* The wait that can be answered first; NULL: none can. */
static VpProbeWait *
find_answerable(Entry *entry)
{
    VpProbeWait *first = g_queue_peek_head(&entry->waits);

    return first && first->looked && is_settled(entry) ? first : NULL;
}

static gboolean
on_answer(gpointer data)
{
    Entry *entry = data;
    VpProbe *probe = entry->probe;
    VpProbeWait *wait = NULL;
    bool freed = false;

    vp_loop_cancel(&entry->answer);
    probe->freed = &freed;
    entry->answering = true;
    while (!freed && (wait = find_answerable(entry)))
        answer_wait(entry, wait);
    if (freed)
        return G_SOURCE_REMOVE;
    entry->answering = false;
    probe->freed = NULL;
    return G_SOURCE_REMOVE;
}

static void
answer_later(Entry *entry)
{
    if (!entry->answer)
        entry->answer = vp_loop_timer(entry->probe->loop, 0, on_answer, entry);
}

/* --- finding out ------------------------------------------------------------ */

static void
set_error(Entry *entry, const GError *error)
{
    entry->error = g_error_copy(error);
    entry->failed = g_get_monotonic_time();
}

static void
on_inquired(GVariant *facts, const char *program, const GError *error, gpointer data)
{
    Entry *entry = data;
    VpProbe *probe = entry->probe;

    entry->facts = facts ? vp_qemu_facts_new(facts) : NULL;
    if (entry->facts)
        vp_log_info("%s, QEMU %s, was asked what it can do", entry->emulator,
                    vp_qemu_facts_version(entry->facts));
    if (entry->facts && probe->cache_dir)
        vp_probe_cache_store(probe->cache_dir, entry->emulator, entry->stamp, program, facts);
    if (!entry->facts)
        set_error(entry, error);
    end_inquiry(entry);
    answer_later(entry);
    start_next(probe);
}

/* Asks the one that waits for longest, if not too many others are asked. */
static void
start_next(VpProbe *probe)
{
    for (GList *at = probe->entries.tail; at && probe->n_running < VP_PROBE_RUNNING_MAX;
         at = at->prev) {
        Entry *entry = at->data;

        if (!entry->asked_for)
            continue;
        entry->asked_for = false;
        entry->inquiry = vp_inquiry_new(probe->loop, entry->emulator, &vp_inquiry_times,
                                        on_inquired, entry);
        probe->n_running++;
    }
}

/* Whether what is known or under way is about the binary as it is now, @stamp. */
static bool
is_current(const Entry *entry, const char *stamp)
{
    gint64 old = g_get_monotonic_time() - VP_PROBE_FAILED_MS * (gint64)1000;

    return g_strcmp0(entry->stamp, stamp) == 0 && !(entry->error && entry->failed < old);
}

/* Brings the entry up to date with what was found, as far as that is possible without asking. */
static void
refresh(Entry *entry, VpLookResult *found)
{
    g_autoptr(GError) error = NULL;

    if (found->stamp && is_current(entry, found->stamp))
        return;
    forget(entry);
    entry->stamp = g_steal_pointer(&found->stamp);
    if (entry->stamp) {
        entry->facts = found->facts ? vp_qemu_facts_new(found->facts) : NULL;
    } else {
        vp_error_set_errno(&error, found->errnum, "cannot find out what '%s' can do",
                           entry->emulator);
        set_error(entry, error);
    }
}

/* Sees to it that the waits are answered. */
static void
pursue(Entry *entry)
{
    if (is_settled(entry))
        answer_later(entry);
    else if (!entry->inquiry)
        entry->asked_for = true;
    start_next(entry->probe);
}

static void on_looked(VpLookResult *found, gpointer data);

/* For all that wait, unless a look is under way. */
static void
look(Entry *entry)
{
    /* What could not be asked may have been by somebody else meanwhile. */
    const char *known = entry->error ? NULL : entry->stamp;

    if (entry->look)
        return;
    for (GList *at = entry->waits.head; at; at = at->next)
        ((VpProbeWait *)at->data)->looking = true;
    entry->look = vp_look_for_state(entry->emulator, entry->probe->cache_dir, known, on_looked,
                                    entry);
}

static void
on_looked(VpLookResult *found, gpointer data)
{
    Entry *entry = data;
    const VpProbeWait *last = g_queue_peek_tail(&entry->waits);

    entry->look = NULL;
    for (GList *at = entry->waits.head; at; at = at->next) {
        VpProbeWait *wait = at->data;

        wait->looked |= wait->looking;
    }
    refresh(entry, found);
    pursue(entry);
    if (last && !last->looked)
        look(entry);
}

/* --- the probe -------------------------------------------------------------- */

VpProbe *
vp_probe_new(VpLoop *loop, const char *cache_dir)
{
    VpProbe *probe = g_new0(VpProbe, 1);

    probe->loop = loop;
    probe->cache_dir = g_strdup(cache_dir);
    return probe;
}

void
vp_probe_free(VpProbe *probe)
{
    if (!probe)
        return;
    if (probe->freed)
        *probe->freed = true;
    while (probe->entries.head)
        free_entry(probe->entries.head->data);
    g_free(probe->cache_dir);
    g_free(probe);
}

VpProbeWait *
vp_probe_get(VpProbe *probe, const char *emulator, VpProbeFunc func, gpointer data)
{
    Entry *entry = use_entry(probe, emulator);
    VpProbeWait *wait = g_new0(VpProbeWait, 1);

    *wait = (VpProbeWait){ .entry = entry, .func = func, .data = data, .link.data = wait };
    g_queue_push_tail_link(&entry->waits, &wait->link);
    look(entry);
    return wait;
}

/* The inquiry goes on: who asks once will ask again. */
void
vp_probe_cancel(VpProbeWait *wait)
{
    free_wait(wait);
}

/* --- without a loop --------------------------------------------------------- */

typedef struct Answer {
    bool there;
    VpQemuFacts *facts;
    GError *error;
} Answer;

static void
take_answer(VpQemuFacts *facts, const GError *error, gpointer data)
{
    Answer *answer = data;

    answer->there = true;
    answer->facts = facts ? vp_qemu_facts_ref(facts) : NULL;
    answer->error = error ? g_error_copy(error) : NULL;
}

VpQemuFacts *
vp_probe_get_blocking(const char *emulator, const char *cache_dir, GError **error)
{
    g_autoptr(GMainContext) context = g_main_context_new();
    g_autoptr(VpLoop) loop = vp_loop_new(context, error);
    g_autoptr(VpProbe) probe = NULL;
    Answer answer = { 0 };

    if (!loop)
        return NULL;
    probe = vp_probe_new(loop, cache_dir);
    g_main_context_push_thread_default(context);
    vp_probe_get(probe, emulator, take_answer, &answer);
    while (!answer.there)
        g_main_context_iteration(context, TRUE);
    g_main_context_pop_thread_default(context);
    if (answer.error)
        g_propagate_error(error, answer.error);
    return answer.facts;
}

char *
vp_probe_cache_dir(void)
{
    if (geteuid() == 0)
        return g_strdup("/var/cache/virtpassd");
    return g_build_filename(g_get_user_cache_dir(), "virtpassd", NULL);
}
