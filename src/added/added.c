/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Between the users of a session and the session: who answers?
 *
 * What is not one of our names goes straight on; to know that, the value of "execute" is looked up,
 * and nothing else of the command is. Nor is a command ours that QEMU would refuse before it looks
 * for the name (unknown members, descriptors, "exec-oob"): QEMU says so better.
 *
 * An added command holds a place in its user's queue, a fence: so its reply comes between those of
 * the commands before and behind it, as QEMU's own would. When the fence is reached the handler
 * runs, with a queue of its own: that takes turns like any user's, and outlives the user, for
 * what has been begun is carried to its end. The user's own queue stands still meanwhile, so nobody
 * gets more of QEMU by added commands; out-of-band commands pass.
 *
 * A handler never runs inside of vp_added_send() nor of a fence's callback, but from the loop.
 *
 * Which of our names QEMU has itself is asked with the first added command of a session, and kept
 * until the session is lost. Those then go straight on as well.
 */

#include "added/added.h"

#include "added/internal.h"
#include "base/limits.h"
#include "json/check.h"
#include "json/members.h"
#include "json/text.h"

#include <string.h>

/* Longer than every name of ours. */
#define NAME_MAX_SIZE 64u

struct VpAddedUser {
    VpAdded *added;      /* NULL: gone */
    VpQmpQueue *queue;
    GPtrArray *wrapped;  /* of Wrapped, owned: replies that will be changed */
    guint calls;         /* of the user that have no reply yet */
    char *owner;         /* NULL: nobody in particular */
};

/* A native command whose reply is to be changed. */
typedef struct Wrapped {
    VpAddedUser *user;
    char *(*change)(const char *reply, gsize size); /* NULL: as it is */
    VpQmpReplyFunc func;
    gpointer data;
} Wrapped;

static const struct {
    const char *name;
    char *(*change)(const char *reply, gsize size);
} changed[] = {
    { "query-commands", vp_describe_commands },
    { "query-qmp-schema", vp_describe_schema },
};

/* --- what a command is ---------------------------------------------------- */

/* The text of "execute", if it is one that can be ours. */
static const char *
read_name(const char *json, gsize size, char name[NAME_MAX_SIZE])
{
    VpJsonSlice value = vp_json_member((VpJsonSlice){ json, size }, "execute");
    g_autofree char *decoded = NULL;

    if (!value.text || value.size < 2 || value.size > NAME_MAX_SIZE || value.text[0] != '"')
        return NULL;
    if (memchr(value.text, '\\', value.size)) {
        decoded = vp_json_decode_string(value.text, value.size);
        return decoded ? (g_strlcpy(name, decoded, NAME_MAX_SIZE), name) : NULL;
    }
    memcpy(name, value.text + 1, value.size - 2);
    name[value.size - 2] = '\0';
    return name;
}

/* Whether the object has only the members that QEMU expects. */
static bool
is_plain(VpJsonSlice object)
{
    VpJsonItems items;
    VpJsonItem item;

    vp_json_items_init(&items, object.text, object.size);
    while (vp_json_items_next(&items, &item) == VP_JSON_ITEM) {
        if (vp_json_raw_is(item.key, "arguments")) {
            if (item.value.text[0] != '{')
                return false;
        } else if (!vp_json_raw_is(item.key, "execute") && !vp_json_raw_is(item.key, "id")) {
            return false;
        }
    }
    return true;
}

/* --- users ---------------------------------------------------------------- */

VpAddedUser *
vp_added_user_new(VpAdded *added)
{
    VpAddedUser *user = g_new0(VpAddedUser, 1);

    user->added = added;
    user->queue = vp_qmp_queue_new(added->session);
    user->wrapped = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(added->users, user);
    return user;
}

void
vp_added_user_set_owner(VpAddedUser *user, const char *owner)
{
    g_free(user->owner);
    user->owner = g_strdup(owner);
}

const char *
vp_added_user_owner(const VpAddedUser *user)
{
    return user && user->owner ? user->owner : "";
}

/* Calls of the user that have begun become nobody's, the others end here. */
static void
leave_calls(VpAddedUser *user)
{
    GPtrArray *calls = user->added->calls;

    for (guint i = calls->len; i > 0; i--) {
        VpCall *call = g_ptr_array_index(calls, i - 1);

        if (call->user != user)
            continue;
        call->user = NULL;
        call->func = NULL;
        if (!call->queue)
            vp_call_drop(call);
    }
}

void
vp_added_user_free(VpAddedUser *user)
{
    if (!user)
        return;
    if (user->added) {
        leave_calls(user);
        g_ptr_array_remove_fast(user->added->users, user);
    }
    vp_qmp_queue_free(user->queue);
    g_ptr_array_unref(user->wrapped);
    g_free(user->owner);
    g_free(user);
}

/* --- changed replies ------------------------------------------------------ */

static void
on_wrapped_reply(VpQmpOutcome outcome, const char *reply, gsize size, gpointer data)
{
    Wrapped wrapped = *(Wrapped *)data;
    g_autofree char *text = NULL;

    g_ptr_array_remove_fast(wrapped.user->wrapped, data);
    if (outcome == VP_QMP_REPLIED && size <= VP_ADDED_TEXT_MAX)
        text = wrapped.change(reply, size);
    if (text)
        wrapped.func(outcome, text, strlen(text), wrapped.data);
    else
        wrapped.func(outcome, reply, size, wrapped.data);
}

static VpQmpVerdict
send_wrapped(VpAddedUser *user, char *(*change)(const char *, gsize), const char *json, gsize size,
             VpQmpReplyFunc func, gpointer data, char **ret_message)
{
    Wrapped *wrapped = g_new0(Wrapped, 1);
    VpQmpVerdict verdict = VP_QMP_ACCEPTED;

    *wrapped = (Wrapped){ user, change, func, data };
    g_ptr_array_add(user->wrapped, wrapped);
    verdict = vp_qmp_queue_send(user->queue, json, size, NULL, 0, on_wrapped_reply, wrapped,
                                ret_message);
    if (verdict != VP_QMP_ACCEPTED)
        g_ptr_array_remove_fast(user->wrapped, wrapped);
    return verdict;
}

/* --- added commands ------------------------------------------------------- */

static gboolean
on_start(gpointer data)
{
    VpCall *call = data;

    vp_loop_cancel(&call->start);
    vp_call_begin(call);
    return G_SOURCE_REMOVE;
}

/* The call's place in the queue has been reached, or the session was lost before. */
static void
on_fence(VpQmpOutcome outcome, const char *reply G_GNUC_UNUSED, gsize size G_GNUC_UNUSED,
         gpointer data)
{
    VpCall *call = data;

    if (outcome != VP_QMP_REPLIED) {
        vp_call_end_lost(call);
        return;
    }
    call->reached = true;
    call->start = vp_loop_timer(call->added->loop, 0, on_start, call);
}

static VpQmpVerdict
send_added(VpAddedUser *user, const VpCommandRow *row, const char *json, gsize size,
           VpQmpReplyFunc func, gpointer data)
{
    VpCall *call = NULL;
    VpQmpVerdict verdict = VP_QMP_ACCEPTED;

    if (user->calls >= VP_ADDED_CALLS_MAX)
        return VP_QMP_QUEUE_FULL;
    call = vp_call_new(user, user->added, row, json, size, func, data);
    g_ptr_array_add(user->added->calls, call);
    user->calls++;
    verdict = vp_qmp_queue_fence(user->queue, on_fence, call);
    if (verdict != VP_QMP_ACCEPTED)
        vp_call_drop(call);
    return verdict;
}

void
vp_added_call_ended(VpAdded *added, VpCall *call)
{
    if (call->user) {
        call->user->calls--;
        if (call->reached)
            vp_qmp_queue_release(call->user->queue);
    }
    g_ptr_array_remove_fast(added->calls, call); /* drops the list's reference */
}

/* The row of the command if it is for us to answer. */
static const VpCommandRow *
find_ours(const VpAdded *added, const char *name)
{
    const VpCommandRow *row = vp_registry_find(name);

    if (!row || (!row->always && added->native && g_hash_table_contains(added->native, name)))
        return NULL;
    return row;
}

VpQmpVerdict
vp_added_send(VpAddedUser *user, const char *json, gsize size, const int *fds, guint n_fds,
              VpQmpReplyFunc func, gpointer data, char **ret_message)
{
    char buffer[NAME_MAX_SIZE];
    const char *name = user->added && n_fds == 0 ? read_name(json, size, buffer) : NULL;
    const VpCommandRow *row = name ? find_ours(user->added, name) : NULL;
    VpJsonFacts facts = { 0 };

    for (guint i = 0; name && !row && i < G_N_ELEMENTS(changed); i++) {
        if (strcmp(name, changed[i].name) == 0)
            return send_wrapped(user, changed[i].change, json, size, func, data, ret_message);
    }
    if (!row)
        return vp_qmp_queue_send(user->queue, json, size, fds, n_fds, func, data, ret_message);
    if (!vp_json_check(json, size, &facts, ret_message))
        return VP_QMP_INVALID;
    if (facts.doubtful || !is_plain(facts.value))
        return vp_qmp_queue_send(user->queue, json, size, fds, n_fds, func, data, ret_message);
    return send_added(user, row, facts.value.text, facts.value.size, func, data);
}

VpQmpVerdict
vp_added_send_raw(VpAddedUser *user, const char *bytes, gsize size, VpQmpReplyFunc func,
                  gpointer data)
{
    return vp_qmp_queue_send_raw(user->queue, bytes, size, func, data);
}

/* --- the session ---------------------------------------------------------- */

static void
unref_call(gpointer call)
{
    vp_call_unref(call);
}

VpAdded *
vp_added_new(VpLoop *loop, VpQmpSession *session, VpProbe *probe, const VpAddedHost *host,
             gpointer data)
{
    VpAdded *added = g_new0(VpAdded, 1);

    added->loop = loop;
    added->session = session;
    added->probe = probe;
    added->host = host;
    added->data = data;
    added->users = g_ptr_array_new();
    added->calls = g_ptr_array_new_with_free_func(unref_call);
    added->epoch = g_uuid_string_random();
    return added;
}

static void
end_all(VpAdded *added)
{
    while (added->calls->len > 0)
        vp_call_end_lost(g_ptr_array_index(added->calls, 0));
}

void
vp_added_lost(VpAdded *added)
{
    end_all(added);
    g_clear_pointer(&added->native, g_hash_table_unref);
    g_free(added->epoch);
    added->epoch = g_uuid_string_random();
}

void
vp_added_free(VpAdded *added)
{
    if (!added)
        return;
    end_all(added);
    for (guint i = 0; i < added->users->len; i++)
        ((VpAddedUser *)g_ptr_array_index(added->users, i))->added = NULL;
    g_ptr_array_unref(added->users);
    g_ptr_array_unref(added->calls);
    g_clear_pointer(&added->native, g_hash_table_unref);
    g_free(added->epoch);
    g_free(added);
}

void
vp_added_event(VpAdded *added, const VpQmpEvent *event)
{
    g_autoptr(GPtrArray) calls = NULL;

    if (strcmp(event->name, "STOP") == 0)
        added->stops++;
    if (added->calls->len == 0)
        return;
    calls = g_ptr_array_new_with_free_func(unref_call);
    for (guint i = 0; i < added->calls->len; i++)
        g_ptr_array_add(calls, vp_call_ref(g_ptr_array_index(added->calls, i)));
    for (guint i = 0; i < calls->len; i++) {
        VpCall *call = g_ptr_array_index(calls, i);

        if (call->added && call->watch)
            call->watch(call, event, call->watch_data);
    }
}
