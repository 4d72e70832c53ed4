/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Who wants to know what a binary can do waits at its entry: VpProbeWait. An entry has facts for
 * one state of the binary (its stamp), or an inquiry under way, or neither. Whenever somebody asks,
 * the stamp is taken anew; facts of another one are dropped. That is a look (look.c).
 *
 * Binaries are named by clients, and one may never end, or lie on a server that does not answer. So
 * all that costs something is done in somebody's name: an owner, who is a client's user. What owner
 * and entry have to do with each other is a VpInterest: it has the owner's waits at that entry and
 * the look for them, one at a time; who has come after it began is not answered before another one.
 * An owner has one inquiry under way, and owners take turns; an entry that several want is asked in
 * the name of whoever's turn comes first. So an owner's endless programs cost him, not others.
 *
 * Answers are given from the loop, also those that are at hand, so that a caller never finds its
 * own function running inside of its call. A wait belongs to its interest until it is answered or
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
#include "probe/sandbox.h"

#include <unistd.h>

typedef struct Owner {
    char *name;
    guint n_running;       /* inquiries in his name */
    GQueue interests;      /* in the order of coming */
    GList link;            /* in VpProbe.owners */
} Owner;

typedef struct Entry {
    VpProbe *probe;
    char *emulator;
    char *stamp;           /* of the state that facts, error or inquiry are about; NULL: none */
    VpQemuFacts *facts;
    GError *error;         /* why there are none */
    gint64 failed;         /* when, monotonic microseconds */
    guint64 looked;        /* number of the newest look that it knows the result of */
    VpInquiry *inquiry;    /* under way */
    Owner *asker;          /* in whose name it is */
    bool asked_for;        /* it has to be asked, as soon as its turn comes */
    bool answering;        /* on_answer() is at it */
    GQueue interests;      /* in the order of coming */
    GSource *answer;       /* answers the waits */
    GList link;            /* in VpProbe.entries */
} Entry;

typedef struct VpInterest {
    Owner *owner;
    Entry *entry;
    VpLook *look;          /* under way */
    guint64 number;        /* of this look: later ones have higher numbers */
    GQueue waits;          /* of VpProbeWait, in the order of coming; when empty it is over */
    GList owner_link;      /* in Owner.interests */
    GList entry_link;      /* in Entry.interests */
} VpInterest;

struct VpProbe {
    VpLoop *loop;
    VpSandbox *sandbox;    /* NULL: nothing can be asked, for @unsafe */
    GError *unsafe;
    char *cache_dir;
    GQueue entries;        /* the one that was used last is the first */
    GQueue owners;         /* who waits or has an inquiry; whose turn is next is the first */
    guint n_running;       /* inquiries */
    guint64 n_looks;
    bool *freed;           /* set by vp_probe_free() for who is calling back; NULL: nobody */
};

struct VpProbeWait {
    VpInterest *interest;
    VpProbeFunc func;
    gpointer data;
    bool refused;          /* he waits for too many */
    bool looking;          /* the look under way began after it */
    bool looked;           /* one that began after it has ended */
    GList link;            /* in VpInterest.waits */
};

static void start_next(VpProbe *probe);

/* --- owners ----------------------------------------------------------------- */

static Owner *
find_owner(VpProbe *probe, const char *name)
{
    for (GList *at = probe->owners.head; at; at = at->next) {
        if (g_str_equal(((Owner *)at->data)->name, name))
            return at->data;
    }
    return NULL;
}

static Owner *
use_owner(VpProbe *probe, const char *name)
{
    Owner *owner = find_owner(probe, name);

    if (!owner) {
        owner = g_new0(Owner, 1);
        owner->name = g_strdup(name);
        owner->link.data = owner;
        g_queue_push_tail_link(&probe->owners, &owner->link);
    }
    return owner;
}

/* One who wants nothing any more is forgotten. */
static void
release_owner(VpProbe *probe, Owner *owner)
{
    if (owner->n_running > 0 || !g_queue_is_empty(&owner->interests))
        return;
    g_queue_unlink(&probe->owners, &owner->link);
    g_free(owner->name);
    g_free(owner);
}

static VpInterest *
use_interest(Entry *entry, Owner *owner)
{
    VpInterest *interest = NULL;

    for (GList *at = entry->interests.head; at; at = at->next) {
        interest = at->data;
        if (interest->owner == owner)
            return interest;
    }
    interest = g_new0(VpInterest, 1);
    interest->owner = owner;
    interest->entry = entry;
    interest->owner_link.data = interest->entry_link.data = interest;
    g_queue_push_tail_link(&owner->interests, &interest->owner_link);
    g_queue_push_tail_link(&entry->interests, &interest->entry_link);
    return interest;
}

static void
release_interest(VpInterest *interest)
{
    Owner *owner = interest->owner;
    Entry *entry = interest->entry;

    if (!g_queue_is_empty(&interest->waits))
        return;
    vp_look_cancel(interest->look);
    g_queue_unlink(&owner->interests, &interest->owner_link);
    g_queue_unlink(&entry->interests, &interest->entry_link);
    g_free(interest);
    release_owner(entry->probe, owner);
}

/* --- entries ---------------------------------------------------------------- */

static void
end_inquiry(Entry *entry)
{
    Owner *asker = g_steal_pointer(&entry->asker);

    if (!entry->inquiry)
        return;
    g_clear_pointer(&entry->inquiry, vp_inquiry_free);
    entry->probe->n_running--;
    asker->n_running--;
    release_owner(entry->probe, asker);
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
    VpInterest *interest = wait->interest;

    g_queue_unlink(&interest->waits, &wait->link);
    g_free(wait);
    release_interest(interest);
}

/* Its interests go with their last waits. */
static void
free_waits(Entry *entry)
{
    VpInterest *interest = NULL;

    while ((interest = g_queue_peek_head(&entry->interests)))
        free_wait(g_queue_peek_head(&interest->waits));
}

static void
free_entry(Entry *entry)
{
    free_waits(entry);
    g_queue_unlink(&entry->probe->entries, &entry->link);
    vp_loop_cancel(&entry->answer);
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
        if (g_queue_is_empty(&entry->interests) && !entry->answering)
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
    g_autoptr(GError) error = NULL;
    VpProbeFunc func = wait->func;
    gpointer data = wait->data;

    if (wait->refused) {
        g_clear_pointer(&facts, vp_qemu_facts_unref);
        vp_refuse(&error, VP_ERROR_LIMIT, "cannot find out what '%s' can do: more than %u other "
                  "binaries wait for that on behalf of the same user", entry->emulator,
                  VP_PROBE_OWNER_WAITING_MAX);
    } else if (entry->error) {
        error = g_error_copy(entry->error);
    }
    free_wait(wait);
    func(facts, error, data);
}

static bool
is_settled(const Entry *entry)
{
    return entry->facts || entry->error;
}

static bool
is_answerable(const Entry *entry, const VpProbeWait *wait)
{
    return wait->refused || (wait->looked && is_settled(entry));
}

/* NULL: none can be answered. Each owner's come in order, one that is refused has no other. */
static VpProbeWait *
find_answerable(Entry *entry)
{
    for (GList *at = entry->interests.head; at; at = at->next) {
        VpProbeWait *first = g_queue_peek_head(&((VpInterest *)at->data)->waits);

        if (is_answerable(entry, first))
            return first;
    }
    return NULL;
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

/* The next one to be asked in the owner's name; NULL: none now. */
static Entry *
find_next(const Owner *owner)
{
    if (owner->n_running >= VP_PROBE_OWNER_RUNNING_MAX)
        return NULL;
    for (GList *at = owner->interests.head; at; at = at->next) {
        Entry *entry = ((VpInterest *)at->data)->entry;

        if (entry->asked_for)
            return entry;
    }
    return NULL;
}

/* His next turn comes after everybody else's. */
static void
ask(Entry *entry, Owner *owner)
{
    VpProbe *probe = entry->probe;

    entry->asked_for = false;
    entry->asker = owner;
    entry->inquiry = vp_inquiry_new(probe->loop, probe->sandbox, entry->emulator,
                                    &vp_inquiry_times, on_inquired, entry);
    probe->n_running++;
    owner->n_running++;
    g_queue_unlink(&probe->owners, &owner->link);
    g_queue_push_tail_link(&probe->owners, &owner->link);
}

/* Gives turns, as long as not too many are asked. Who has had one is at the end then, and cannot
 * have another before it is over. */
static void
start_next(VpProbe *probe)
{
    GList *at = probe->owners.head;

    while (at && probe->n_running < VP_PROBE_RUNNING_MAX) {
        Owner *owner = at->data;
        Entry *entry = find_next(owner);

        at = at->next;
        if (entry)
            ask(entry, owner);
    }
}

/* Whether what is known or under way is about the binary as it is now, @stamp. */
static bool
is_current(const Entry *entry, const char *stamp)
{
    gint64 old = g_get_monotonic_time() - VP_PROBE_FAILED_MS * (gint64)1000;

    return g_strcmp0(entry->stamp, stamp) == 0 && !(entry->error && entry->failed < old);
}

/* Brings the entry up to date with what look @number has found, as far as that is possible without
 * asking. One that has taken long may know less than a later one. */
static void
refresh(Entry *entry, guint64 number, VpLookResult *found)
{
    g_autoptr(GError) error = NULL;

    if (number < entry->looked)
        return;
    entry->looked = number;
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
    VpProbe *probe = entry->probe;

    if (!is_settled(entry) && !probe->sandbox)
        set_error(entry, probe->unsafe);
    if (is_settled(entry))
        answer_later(entry);
    else if (!entry->inquiry)
        entry->asked_for = true;
    start_next(probe);
}

static void on_looked(VpLookResult *found, gpointer data);

/* For all of the owner's that wait here, unless a look for them is under way. */
static void
look(VpInterest *interest)
{
    Entry *entry = interest->entry;
    /* What could not be asked may have been by somebody else meanwhile. */
    const char *known = entry->error ? NULL : entry->stamp;

    if (interest->look)
        return;
    for (GList *at = interest->waits.head; at; at = at->next)
        ((VpProbeWait *)at->data)->looking = true;
    interest->number = ++entry->probe->n_looks;
    interest->look = vp_look_for_state(interest->owner->name, entry->emulator,
                                       entry->probe->cache_dir, known, on_looked, interest);
}

static void
on_looked(VpLookResult *found, gpointer data)
{
    VpInterest *interest = data;
    const VpProbeWait *last = g_queue_peek_tail(&interest->waits);

    interest->look = NULL;
    for (GList *at = interest->waits.head; at; at = at->next) {
        VpProbeWait *wait = at->data;

        wait->looked |= wait->looking;
    }
    refresh(interest->entry, interest->number, found);
    pursue(interest->entry);
    if (!last->looked)
        look(interest);
}

/* --- the probe -------------------------------------------------------------- */

VpProbe *
vp_probe_new(VpLoop *loop, const char *cache_dir)
{
    VpProbe *probe = g_new0(VpProbe, 1);

    probe->loop = loop;
    probe->cache_dir = g_strdup(cache_dir);
    probe->sandbox = vp_sandbox_new(VP_PROBE_USER, &probe->unsafe);
    return probe;
}

const char *
vp_probe_shortfall(const VpProbe *probe)
{
    return probe->sandbox ? vp_sandbox_shortfall(probe->sandbox) : probe->unsafe->message;
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
    g_clear_pointer(&probe->sandbox, vp_sandbox_free);
    g_clear_error(&probe->unsafe);
    g_free(probe->cache_dir);
    g_free(probe);
}

VpProbeWait *
vp_probe_get(VpProbe *probe, const char *emulator, const char *owner, VpProbeFunc func,
             gpointer data)
{
    Entry *entry = use_entry(probe, emulator);
    VpInterest *interest = use_interest(entry, use_owner(probe, owner));
    VpProbeWait *wait = g_new0(VpProbeWait, 1);

    *wait = (VpProbeWait){ .interest = interest, .func = func, .data = data, .link.data = wait };
    wait->refused = g_queue_is_empty(&interest->waits) &&
                    interest->owner->interests.length > VP_PROBE_OWNER_WAITING_MAX;
    g_queue_push_tail_link(&interest->waits, &wait->link);
    if (wait->refused)
        answer_later(entry);
    else
        look(interest);
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
    vp_probe_get(probe, emulator, "", take_answer, &answer);
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
