/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One added command, from the moment its turn has come.
 *
 * The call owns all that its handler has started: commands to QEMU without an answer, its queue,
 * the handler's state. All of it goes with the end of the call, so that a handler may end the call
 * wherever it is, and no callback of his comes afterwards. What the host was asked for (load,
 * store) cannot be taken back; its answer is then dropped.
 *
 * A call is in its VpAdded's list from vp_added_send() to its end, and nobody else keeps it, but
 * for who is just calling it.
 */

#include "added/call.h"

#include "added/arguments.h"
#include "added/internal.h"
#include "base/limits.h"
#include "json/members.h"
#include "json/text.h"

#include <string.h>

/* Several answers of which one callback gets to know. */
typedef struct Batch {
    guint refs;          /* asks, and who makes it */
    guint missing;       /* answers */
    bool tolerant;
    VpAnswersFunc func;
    gpointer data;
    GPtrArray *trees;    /* of VpJsonTree: the answers, owned */
    GPtrArray *nodes;    /* their roots, by place */
} Batch;

/* A command that has no answer yet. */
typedef struct Ask {
    VpCall *call;
    VpAnswerFunc func;
    gpointer data;
    Batch *batch;        /* NULL: @func */
    guint place;         /* in the batch */
    char *text;          /* an answer that is not QEMU's; NULL: the session is gone */
    GSource *later;      /* delivers it */
} Ask;

/* Something that the host was asked for. */
typedef struct Keep {
    VpCall *call;        /* NULL: ended */
    VpKeepFunc func;
    VpHearFunc hear;     /* instead of it, where libvirt's snapshots were asked for */
    gpointer data;
} Keep;

/* --- life and end --------------------------------------------------------- */

static void
batch_unref(Batch *batch)
{
    if (--batch->refs > 0)
        return;
    g_ptr_array_unref(batch->trees);
    g_ptr_array_unref(batch->nodes);
    g_free(batch);
}

static void
ask_free(gpointer data)
{
    Ask *ask = data;

    vp_loop_cancel(&ask->later);
    g_clear_pointer(&ask->batch, batch_unref);
    g_free(ask->text);
    g_free(ask);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ask, ask_free)

static void
forget_call(gpointer keep, gpointer data G_GNUC_UNUSED)
{
    ((Keep *)keep)->call = NULL;
}

VpCall *
vp_call_new(VpAddedUser *user, VpAdded *added, const VpCommandRow *row, const char *json,
            gsize size, VpQmpReplyFunc func, gpointer data)
{
    VpCall *call = g_new0(VpCall, 1);

    call->refs = 1;
    call->added = added;
    call->user = user;
    call->row = row;
    call->text = g_strndup(json, size);
    call->func = func;
    call->func_data = data;
    call->asks = g_ptr_array_new_with_free_func(ask_free);
    call->keeps = g_ptr_array_new();
    return call;
}

VpCall *
vp_call_ref(VpCall *call)
{
    call->refs++;
    return call;
}

void
vp_call_unref(VpCall *call)
{
    if (--call->refs > 0)
        return;
    g_clear_pointer(&call->tree, vp_json_tree_free);
    g_ptr_array_unref(call->asks);
    g_ptr_array_unref(call->keeps);
    g_free(call->text);
    g_free(call);
}

/* Everything that the handler has started. */
static void
stop(VpCall *call)
{
    GDestroyNotify destroy = g_steal_pointer(&call->destroy);

    vp_loop_cancel(&call->start);
    call->watch = NULL;
    g_ptr_array_set_size(call->asks, 0);
    g_ptr_array_foreach(call->keeps, forget_call, NULL);
    if (destroy)
        destroy(g_steal_pointer(&call->state));
}

/* The user is told last: he may do anything, and the call has no part in it any more. */
static void
end(VpCall *call, VpQmpOutcome outcome, const char *reply, gsize size)
{
    VpAdded *added = g_steal_pointer(&call->added);
    VpQmpReplyFunc func = call->func;
    gpointer data = call->func_data;

    vp_call_ref(call);
    stop(call);
    vp_added_call_ended(added, call);
    g_clear_pointer(&call->queue, vp_qmp_queue_free);
    vp_call_unref(call);
    if (func)
        func(outcome, reply, size, data);
}

void
vp_call_end_lost(VpCall *call)
{
    end(call, VP_QMP_SESSION_LOST, NULL, 0);
}

void
vp_call_drop(VpCall *call)
{
    call->func = NULL;
    vp_call_end_lost(call);
}

/* --- replies -------------------------------------------------------------- */

/* The members stand where QEMU puts them: "id" behind "return", but before "error". */
void
vp_call_return(VpCall *call, const char *json)
{
    VpJsonSlice id = vp_json_member((VpJsonSlice){ call->text, strlen(call->text) }, "id");
    g_autoptr(GString) reply = g_string_new("{\"return\": ");

    g_string_append(reply, json);
    if (id.text) {
        g_string_append(reply, ", \"id\": ");
        g_string_append_len(reply, id.text, id.size);
    }
    g_string_append_c(reply, '}');
    end(call, VP_QMP_REPLIED, reply->str, reply->len);
}

static void
fail(VpCall *call, const char *error_class, const char *text)
{
    VpJsonSlice id = vp_json_member((VpJsonSlice){ call->text, strlen(call->text) }, "id");
    g_autoptr(GString) reply = g_string_new("{");

    if (id.text) {
        g_string_append(reply, "\"id\": ");
        g_string_append_len(reply, id.text, id.size);
        g_string_append(reply, ", ");
    }
    g_string_append(reply, "\"error\": {\"class\": ");
    vp_json_append_quoted(reply, error_class);
    g_string_append(reply, ", \"desc\": ");
    vp_json_append_quoted(reply, text);
    g_string_append(reply, "}}");
    end(call, VP_QMP_REPLIED, reply->str, reply->len);
}

void
vp_call_fail(VpCall *call, const char *error_class, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    fail(call, error_class, text);
}

void
vp_call_fail_reply(VpCall *call, const char *prefix, const VpJsonNode *reply)
{
    const VpJsonNode *error = vp_json_get(reply, "error");
    const char *error_class = vp_json_get_string(error, "class") ?: "GenericError";
    const char *text = vp_json_get_string(error, "desc") ?: "QEMU gives no reason";
    g_autofree char *class_copy = g_strdup(error_class);
    g_autofree char *whole = prefix ? g_strdup_printf("%s: %s", prefix, text) : g_strdup(text);

    fail(call, class_copy, whole);
}

/* --- asking QEMU ---------------------------------------------------------- */

static void
take_into_batch(Ask *ask, VpJsonTree *tree)
{
    VpCall *call = ask->call;
    Batch *batch = ask->batch;
    const VpJsonNode *reply = vp_json_root(tree);

    g_ptr_array_add(batch->trees, tree);
    if (ask->place < batch->nodes->len)
        batch->nodes->pdata[ask->place] = (gpointer)reply;
    batch->missing--;
    if (!batch->tolerant && vp_json_get(reply, "error"))
        vp_call_fail_reply(call, NULL, reply);
    else if (batch->missing == 0)
        batch->func(call, batch->nodes, batch->data);
}

static void
take_answer(Ask *ask, const char *reply, gsize size)
{
    bool fits = size <= VP_ADDED_ANSWER_MAX;
    g_autofree char *message = NULL;
    g_autoptr(VpJsonTree) tree = fits ? vp_json_tree_parse(reply, size, &message) : NULL;

    if (!fits)
        vp_call_fail(ask->call, "GenericError", "an answer of QEMU's has %" G_GSIZE_FORMAT
                     " bytes, more than %u", size, VP_ADDED_ANSWER_MAX);
    else if (!tree)
        vp_call_fail(ask->call, "GenericError", "an answer of QEMU's is not understood: %s",
                     message);
    else if (ask->batch)
        take_into_batch(ask, g_steal_pointer(&tree));
    else
        ask->func(ask->call, vp_json_root(tree), ask->data);
}

static void
on_answer(VpQmpOutcome outcome, const char *reply, gsize size, gpointer data)
{
    g_autoptr(Ask) ask = data;
    VpCall *call = ask->call;
    guint place = 0;

    if (g_ptr_array_find(call->asks, ask, &place))
        g_ptr_array_steal_index(call->asks, place);
    if (outcome == VP_QMP_REPLIED)
        take_answer(ask, reply, size);
    else
        vp_call_end_lost(call);
}

static gboolean
on_later(gpointer data)
{
    Ask *ask = data;
    g_autofree char *text = g_strdup(ask->text);

    vp_loop_cancel(&ask->later);
    on_answer(text ? VP_QMP_REPLIED : VP_QMP_SESSION_LOST, text, text ? strlen(text) : 0, ask);
    return G_SOURCE_REMOVE;
}

/* What could not be sent is answered in QEMU's place, later: a handler is not called inside of what
 * it calls. Takes @text. */
static void
answer_later(Ask *ask, char *text)
{
    ask->text = text;
    ask->later = vp_loop_timer(ask->call->added->loop, 0, on_later, ask);
}

static char *
print_refusal(const char *text)
{
    g_autoptr(GString) reply = g_string_new("{\"error\": {\"class\": \"GenericError\", "
                                            "\"desc\": ");

    vp_json_append_quoted(reply, text);
    g_string_append(reply, "}}");
    return g_string_free(g_steal_pointer(&reply), FALSE);
}

/* @command NULL: none, but an answer all the same. */
static void
send(Ask *ask, const char *command)
{
    g_autofree char *message = NULL;

    g_ptr_array_add(ask->call->asks, ask);
    if (!command) {
        answer_later(ask, g_strdup("{\"return\": {}}"));
        return;
    }
    switch (vp_qmp_queue_send(ask->call->queue, command, strlen(command), NULL, 0, on_answer, ask,
                              &message)) {
    case VP_QMP_ACCEPTED:
        break;
    case VP_QMP_NOT_READY:
        answer_later(ask, NULL);
        break;
    default:
        answer_later(ask, print_refusal(message ?: "too many questions to QEMU at a time"));
        break;
    }
}

void
vp_call_ask(VpCall *call, const char *command, VpAnswerFunc func, gpointer data)
{
    Ask *ask = g_new0(Ask, 1);

    ask->call = call;
    ask->func = func;
    ask->data = data;
    send(ask, command);
}

void
vp_call_ask_human(VpCall *call, const char *line, VpAnswerFunc func, gpointer data)
{
    g_autofree char *command = vp_call_human_command(line);

    vp_call_ask(call, command, func, data);
}

char *
vp_call_human_command(const char *line)
{
    g_autoptr(GString) command = g_string_new("{\"execute\":\"human-monitor-command\","
                                              "\"arguments\":{\"command-line\":");

    vp_json_append_quoted(command, line);
    g_string_append(command, "}}");
    return g_string_free(g_steal_pointer(&command), FALSE);
}

void
vp_call_ask_all(VpCall *call, const char *const *commands, bool tolerant, VpAnswersFunc func,
                gpointer data)
{
    guint n = g_strv_length((char **)commands);
    Batch *batch = g_new0(Batch, 1);

    batch->refs = 1;
    batch->missing = MAX(n, 1); /* nothing asked is one answer that nobody gets to see */
    batch->tolerant = tolerant;
    batch->func = func;
    batch->data = data;
    batch->trees = g_ptr_array_new_with_free_func((GDestroyNotify)vp_json_tree_free);
    batch->nodes = g_ptr_array_new();
    g_ptr_array_set_size(batch->nodes, n);
    for (guint i = 0; i < MAX(n, 1); i++) {
        Ask *ask = g_new0(Ask, 1);

        batch->refs++;
        *ask = (Ask){ .call = call, .batch = batch, .place = i };
        send(ask, n > 0 ? commands[i] : NULL);
    }
    batch_unref(batch);
}

/* --- the beginning -------------------------------------------------------- */

static void
on_native_reply(VpQmpOutcome outcome, const char *reply, gsize size, gpointer data)
{
    end(data, outcome, reply, size);
}

/* QEMU has it: the command goes there as it came, at the place that it has. */
static void
pass_on(VpCall *call)
{
    g_autofree char *message = NULL;

    if (vp_qmp_queue_send(call->queue, call->text, strlen(call->text), NULL, 0, on_native_reply,
                          call, &message) != VP_QMP_ACCEPTED)
        vp_call_end_lost(call);
}

static void
run(VpCall *call)
{
    g_autofree char *message = NULL;

    if (!call->row->always && g_hash_table_contains(call->added->native, call->row->name)) {
        pass_on(call);
        return;
    }
    call->tree = vp_json_tree_parse(call->text, -1, &message);
    call->arguments = call->tree ? vp_json_get(vp_json_root(call->tree), "arguments") : NULL;
    if (!call->tree || !vp_arguments_check(call->row->arguments, call->arguments, &message))
        vp_call_fail(call, "GenericError", "%s", message);
    else
        call->row->handler(call);
}

static void
on_commands(VpCall *call, const VpJsonNode *reply, gpointer data G_GNUC_UNUSED)
{
    if (!call->added->native)
        call->added->native = vp_describe_native(reply);
    run(call);
}

/* Calls whose users have left. */
static guint
count_orphans(const VpAdded *added)
{
    guint n = 0;

    for (guint i = 0; i < added->calls->len; i++)
        n += !((const VpCall *)g_ptr_array_index(added->calls, i))->user;
    return n;
}

void
vp_call_begin(VpCall *call)
{
    if (count_orphans(call->added) >= VP_ADDED_ORPHANS_MAX) {
        vp_call_fail(call, "GenericError", "%u commands of clients that have left are still being "
                     "carried out; try again when they are done", VP_ADDED_ORPHANS_MAX);
        return;
    }
    call->queue = vp_qmp_queue_new(call->added->session);
    if (call->added->native)
        run(call);
    else
        vp_call_ask(call, "{\"execute\":\"query-commands\"}", on_commands, NULL);
}

/* --- what a handler asks us ----------------------------------------------- */

const VpJsonNode *
vp_call_arguments(const VpCall *call)
{
    return call->arguments;
}

void
vp_call_set_state(VpCall *call, gpointer state, GDestroyNotify destroy)
{
    call->state = state;
    call->destroy = destroy;
}

gpointer
vp_call_state(const VpCall *call)
{
    return call->state;
}

VpLoop *
vp_call_loop(const VpCall *call)
{
    return call->added->loop;
}

const char *
vp_call_owner(const VpCall *call)
{
    return vp_added_user_owner(call->user);
}

VpProbe *
vp_call_probe(const VpCall *call)
{
    return call->added->probe;
}

void
vp_call_watch(VpCall *call, VpCallEventFunc func, gpointer data)
{
    call->watch = func;
    call->watch_data = data;
}

bool
vp_call_claim(VpCall *call, const char *what)
{
    for (guint i = 0; i < call->added->calls->len; i++) {
        const VpCall *other = g_ptr_array_index(call->added->calls, i);

        if (other != call && g_strcmp0(other->claim, what) == 0)
            return false;
    }
    call->claim = what;
    return true;
}

char *
vp_call_epoch(const VpCall *call)
{
    return g_strdup_printf("%s-%" G_GUINT64_FORMAT, call->added->epoch, call->added->stops);
}

const char *
vp_call_domain_name(const VpCall *call)
{
    return call->added->host->domain_name(call->added->data);
}

const char *
vp_call_emulator(const VpCall *call)
{
    return call->added->host->emulator(call->added->data);
}

pid_t
vp_call_pid(const VpCall *call)
{
    return call->added->host->pid(call->added->data);
}

void
vp_call_emit(VpCall *call, const char *name, const char *data)
{
    call->added->host->emit(name, data, call->added->data);
}

/* --- what lasts ----------------------------------------------------------- */

static void
on_kept(const char *text, const GError *error, gpointer data)
{
    g_autofree Keep *keep = data;

    if (!keep->call)
        return;
    g_ptr_array_remove_fast(keep->call->keeps, keep);
    keep->func(keep->call, text, error, keep->data);
}

static Keep *
keep_new(VpCall *call, VpKeepFunc func, gpointer data)
{
    Keep *keep = g_new0(Keep, 1);

    *keep = (Keep){ .call = call, .func = func, .data = data };
    g_ptr_array_add(call->keeps, keep);
    return keep;
}

void
vp_call_load(VpCall *call, const char *key, VpKeepFunc func, gpointer data)
{
    VpAdded *added = call->added;

    added->host->load(key, on_kept, keep_new(call, func, data), added->data);
}

void
vp_call_store(VpCall *call, const char *key, const char *text, VpKeepFunc func, gpointer data)
{
    VpAdded *added = call->added;

    added->host->store(key, text, on_kept, keep_new(call, func, data), added->data);
}

static void
on_heard(const GPtrArray *list, gpointer data)
{
    g_autofree Keep *keep = data;

    if (!keep->call)
        return;
    g_ptr_array_remove_fast(keep->call->keeps, keep);
    keep->hear(keep->call, list, keep->data);
}

void
vp_call_libvirt_snapshots(VpCall *call, VpHearFunc func, gpointer data)
{
    VpAdded *added = call->added;
    Keep *keep = keep_new(call, NULL, data);

    keep->hear = func;
    added->host->libvirt_snapshots(on_heard, keep, added->data);
}
