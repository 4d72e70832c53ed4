/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Who may send next, and whose reply is this?
 *
 * A command is in one list at a time: waiting in its queue, or in flight. In-band commands are
 * answered in order, so their list is a FIFO; a reply is found by its id, and one without an id
 * belongs to the head of the FIFO. Such a one is QEMU's answer to what it could not parse, or the
 * answer to a command that was sent without an id: a command whose client gave it none does not
 * need one, and the seven bytes cost QEMU a tenth of a round trip and a quarter of its throughput
 * (see command.c).
 *
 * Should QEMU ever answer one message twice, which it does for broken JSON that we never send, no
 * two users' replies may be out of step from then on. So after an error without id, which may be
 * the first of two, and after a reply to nobody, commands carry ids until one of these has come
 * back; and each VP_QMP_UNTAGGED_MAX commands one carries an id in any case. If that one's reply
 * comes while one without an id is still before it, the order is not what it has to be: the
 * session is lost, for a wrong answer is worse than none.
 *
 * Queues take turns, a command each; a queue is in the list of turns if and only if it has
 * a command that may go. The two bands are separate: out-of-band commands overtake. Nothing is sent
 * while a part of the last message waits for room in the socket, so memory is held for commands
 * in their queues, which are limited, and for one message.
 *
 * Our ids are short and therefore used again and again: 0 to 9 in-band, 10 to 99 out of band, in
 * turn, never one that is in flight.
 *
 * Descriptors. QEMU keeps those it received until a command claims one, and gives them to any. A
 * command that comes with some is therefore exclusive: it is sent when nothing else is in flight,
 * and nothing else is sent before its reply. Out-of-band commands pass while it waits for the
 * in-band ones; only for the moment of the exchange itself they wait too. If it may have left
 * descriptors unclaimed, a probe (getfd, which takes the first and makes QEMU close the others)
 * follows until QEMU says that it has none, and what a probe got is closed.
 *
 * A fence is a command that is not sent. A queue with one at its head is in no list of turns, nor
 * is one whose fence has been reached (@held); so what has to wait simply is nobody's turn.
 *
 * Raw bytes, which QEMU refuses in a number of answers that only QEMU knows, are exclusive too. A
 * probe goes right behind them; what comes before its answer is theirs.
 *
 * Reentrancy. Users are called in two places only, deliver() and vp_qmp_mux_close(), with the
 * command already taken out of its list and all state settled. So they may send, and free any
 * queue, their own too: a freed queue's commands in flight stay in the list as nobody's.
 */

#include "qmp/mux.h"

#include "base/log.h"
#include "qmp/position.h"

#include <stdio.h>

struct VpQmpQueue {
    VpQmpMux *mux;                /* NULL once the session is gone */
    GList link;                   /* in mux->queues */
    GList turn[VP_QMP_BANDS];     /* in mux->turns */
    GQueue waiting[VP_QMP_BANDS]; /* of VpQmpCommand */
    gsize waiting_bytes;          /* of their texts and ids */
    bool in_turns[VP_QMP_BANDS];  /* @turn is in mux->turns */
    guint in_flight;              /* in-band commands of this queue without a reply */
    bool held;                    /* a fence has been reached: in-band commands wait */
};

/* The ids of each band. */
static const struct {
    guint first;
    guint count;
} ids[VP_QMP_BANDS] = {
    [VP_QMP_IN_BAND] = { 0, 10 },
    [VP_QMP_OUT_OF_BAND] = { 10, 90 },
};

G_STATIC_ASSERT(VP_QMP_IN_FLIGHT_MAX < 10 && VP_QMP_OOB_IN_FLIGHT_MAX < 90);

/* What is done about descriptors that nobody claimed. The name cannot be a client's by accident. */
#define UNCLAIMED "\"arguments\":{\"fdname\":\"__org.virtpass_unclaimed\"}}"
static const char *const own_texts[] = {
    [VP_QMP_ROLE_PROBE] = "\"execute\":\"getfd\"," UNCLAIMED,
    [VP_QMP_ROLE_DISCARD] = "\"execute\":\"closefd\"," UNCLAIMED,
};

void
vp_qmp_mux_init(VpQmpMux *mux, VpQmpChannel *channel, VpQmpStats *stats)
{
    *mux = (VpQmpMux){ .channel = channel, .stats = stats };
}

void
vp_qmp_mux_open(VpQmpMux *mux, bool oob)
{
    mux->open = true;
    mux->oob = oob;
    mux->in_step = true;
    mux->untagged = 0;
    mux->exclusive = false;
}

static VpQmpBand
band_of(const VpQmpMux *mux, const VpQmpCommand *command)
{
    return command->oob_wanted && mux->oob ? VP_QMP_OUT_OF_BAND : VP_QMP_IN_BAND;
}

static void
count(VpQmpMux *mux, VpQmpBand band, int more)
{
    if (band == VP_QMP_IN_BAND)
        mux->stats->in_flight += more;
}

static gsize
bytes_of(const VpQmpCommand *command)
{
    return command->text->len + command->client_id_size;
}

static bool
has_turn(const VpQmpQueue *queue, VpQmpBand band)
{
    const VpQmpCommand *first = g_queue_peek_head((GQueue *)&queue->waiting[band]);

    return first && !(band == VP_QMP_IN_BAND && queue->held) && first->role != VP_QMP_ROLE_FENCE;
}

/* Gets in line for the queue's first command, if it may go. */
static void
line_up(VpQmpQueue *queue, VpQmpBand band)
{
    if (queue->in_turns[band] || !has_turn(queue, band))
        return;
    g_queue_push_tail_link(&queue->mux->turns[band], &queue->turn[band]);
    queue->in_turns[band] = true;
}

static void
enqueue(VpQmpQueue *queue, VpQmpCommand *command)
{
    VpQmpBand band = band_of(queue->mux, command);

    command->queue = queue;
    g_queue_push_tail_link(&queue->waiting[band], &command->link);
    queue->waiting_bytes += bytes_of(command);
    queue->mux->stats->waiting++;
    line_up(queue, band);
}

/* Takes the first command out of a queue that has one; the queue goes to the end of the line. */
static VpQmpCommand *
dequeue(VpQmpQueue *queue, VpQmpBand band)
{
    VpQmpMux *mux = queue->mux;
    VpQmpCommand *command = g_queue_pop_head_link(&queue->waiting[band])->data;

    if (queue->in_turns[band])
        g_queue_unlink(&mux->turns[band], &queue->turn[band]);
    queue->in_turns[band] = false;
    line_up(queue, band);
    queue->waiting_bytes -= bytes_of(command);
    mux->stats->waiting--;
    return command;
}

/* If a fence is next and all before it is answered, it is reached. */
static void
reach_fence(VpQmpQueue *queue)
{
    const VpQmpCommand *first = g_queue_peek_head(&queue->waiting[VP_QMP_IN_BAND]);
    g_autoptr(VpQmpCommand) fence = NULL;

    if (!first || first->role != VP_QMP_ROLE_FENCE || queue->held || queue->in_flight > 0)
        return;
    queue->held = true;
    fence = dequeue(queue, VP_QMP_IN_BAND);
    fence->func(VP_QMP_REPLIED, "", 0, fence->data);
}

static bool
id_in_use(const GQueue *commands, guint id)
{
    for (const GList *l = commands->head; l; l = l->next) {
        const VpQmpCommand *command = l->data;

        if (command->tagged && command->id == id)
            return true;
    }
    return false;
}

static guint
new_id(VpQmpMux *mux, VpQmpBand band)
{
    guint id = 0;

    do {
        mux->last_id[band] = (mux->last_id[band] + 1) % ids[band].count;
        id = ids[band].first + mux->last_id[band];
    } while (id_in_use(&mux->in_flight[band], id));
    return id;
}

/* The beginning of an object, with our id unless it can do without. */
static gsize
begin_object(VpQmpMux *mux, VpQmpCommand *command, VpQmpBand band, char *head, gsize size)
{
    bool empty = command->text->str[0] == '}';

    command->tagged = !(command->plain && mux->in_step && mux->untagged < VP_QMP_UNTAGGED_MAX);
    if (!command->tagged) {
        mux->untagged++;
        return snprintf(head, size, "{");
    }
    if (band == VP_QMP_IN_BAND)
        mux->untagged = 0;
    command->id = new_id(mux, band);
    return snprintf(head, size, "{\"id\":%u%s", command->id, empty ? "" : ",");
}

/* Whether it has the monitor for itself. */
static bool
is_exclusive(const VpQmpCommand *command)
{
    return command->n_fds > 0 || command->raw;
}

static void
transmit(VpQmpMux *mux, VpQmpCommand *command, VpQmpBand band)
{
    char head[32] = "";
    struct iovec parts[] = {
        { .iov_base = head },
        { .iov_base = command->text->str, .iov_len = command->text->len },
    };

    if (command->object)
        parts[0].iov_len = begin_object(mux, command, band, head, sizeof(head));
    command->sent = g_get_monotonic_time();
    command->lines_before = mux->channel->lines;
    g_queue_push_tail_link(&mux->in_flight[band], &command->link);
    count(mux, band, 1);
    if (command->queue && band == VP_QMP_IN_BAND)
        command->queue->in_flight++;
    mux->stats->commands += command->role == VP_QMP_ROLE_USER;
    vp_qmp_channel_send(mux->channel, parts, G_N_ELEMENTS(parts), g_steal_pointer(&command->fds),
                        command->n_fds);
    if (command->raw) {
        g_string_truncate(command->text, 0);
        transmit(mux, vp_qmp_command_new(VP_QMP_ROLE_PROBE, own_texts[VP_QMP_ROLE_PROBE]), band);
    } else {
        g_string_free(g_steal_pointer(&command->text), TRUE);
    }
}

/* The command at the head of the line; NULL when nothing waits in this band. */
static const VpQmpCommand *
peek(const VpQmpMux *mux, VpQmpBand band)
{
    const GList *turn = mux->turns[band].head;
    const VpQmpQueue *queue = turn ? turn->data : NULL;

    return queue ? queue->waiting[band].head->data : NULL;
}

/* Whether the head of the line may go now. */
static bool
may_go(const VpQmpMux *mux, VpQmpBand band)
{
    guint in_band = mux->in_flight[VP_QMP_IN_BAND].length;
    guint out_of_band = mux->in_flight[VP_QMP_OUT_OF_BAND].length;
    const VpQmpCommand *first = peek(mux, VP_QMP_IN_BAND);
    bool needs_all = first && is_exclusive(first);

    if (!peek(mux, band))
        return false;
    if (band == VP_QMP_OUT_OF_BAND)
        return out_of_band < VP_QMP_OOB_IN_FLIGHT_MAX && !(needs_all && in_band == 0);
    if (needs_all)
        return in_band + out_of_band == 0;
    return in_band < VP_QMP_IN_FLIGHT_MAX;
}

static bool
send_next(VpQmpMux *mux)
{
    static const VpQmpBand order[] = { VP_QMP_OUT_OF_BAND, VP_QMP_IN_BAND };

    for (guint i = 0; i < G_N_ELEMENTS(order); i++) {
        VpQmpCommand *command = NULL;

        if (!may_go(mux, order[i]))
            continue;
        command = dequeue(g_queue_peek_head(&mux->turns[order[i]]), order[i]);
        if (is_exclusive(command)) {
            mux->exclusive = true;
            mux->probes = 0;
        }
        transmit(mux, command, order[i]);
        return true;
    }
    return false;
}

void
vp_qmp_mux_pump(VpQmpMux *mux)
{
    while (mux->open && !mux->exclusive && vp_qmp_channel_can_send(mux->channel)) {
        if (!send_next(mux))
            return;
    }
}

static VpQmpCommand *
find_by_id(VpQmpMux *mux, guint id, VpQmpBand *ret_band)
{
    for (VpQmpBand band = 0; band < VP_QMP_BANDS; band++) {
        for (GList *l = mux->in_flight[band].head; l; l = l->next) {
            VpQmpCommand *command = l->data;

            *ret_band = band;
            if (command->tagged && command->id == id)
                return command;
        }
    }
    return NULL;
}

/* Whether a command without an id waits for its reply longer than @command. */
static bool
overtakes(const VpQmpCommand *command)
{
    for (const GList *l = command->link.prev; l; l = l->prev) {
        if (!((const VpQmpCommand *)l->data)->tagged)
            return true;
    }
    return false;
}

/* Whose reply it is. */
static VpQmpCommand *
find(VpQmpMux *mux, const VpQmpEnvelope *envelope, VpQmpBand *ret_band)
{
    VpQmpCommand *command = NULL;
    int id = vp_qmp_envelope_own_id(envelope);

    if (envelope->id.text) {
        command = id >= 0 ? find_by_id(mux, id, ret_band) : NULL;
        if (!command || *ret_band == VP_QMP_IN_BAND)
            mux->in_step = command != NULL;
        return command;
    }
    *ret_band = VP_QMP_IN_BAND;
    command = g_queue_peek_head(&mux->in_flight[VP_QMP_IN_BAND]);
    /* Of what carried an id only an error can come back without. */
    if (command && envelope->kind == VP_QMP_RETURN && command->tagged)
        command = NULL;
    if (!command || envelope->kind == VP_QMP_FAILURE)
        mux->in_step = false;
    return command;
}

/* After the reply to a command that had the monitor for itself: what has to follow before others
 * may use it. */
static void
settle(VpQmpMux *mux, const VpQmpCommand *command, VpQmpKind reply)
{
    VpQmpRole next = VP_QMP_ROLE_USER;

    if (command->role == VP_QMP_ROLE_USER) {
        if (reply == VP_QMP_FAILURE || !command->claims_fd || command->n_fds > 1)
            next = VP_QMP_ROLE_PROBE;
    } else if (command->role == VP_QMP_ROLE_DISCARD) {
        next = VP_QMP_ROLE_PROBE;
    } else if (reply == VP_QMP_RETURN) {
        next = VP_QMP_ROLE_DISCARD;
    }
    /* QEMU closes the others when one is claimed, so two probes are enough. The limit is for a
     * peer that claims to find descriptors for ever. */
    if (next == VP_QMP_ROLE_PROBE && mux->probes++ > VP_QMP_FDS_MAX)
        next = VP_QMP_ROLE_USER;
    if (next == VP_QMP_ROLE_USER)
        mux->exclusive = false;
    else
        transmit(mux, vp_qmp_command_new(next, own_texts[next]), VP_QMP_IN_BAND);
}

static void
answer(const VpQmpCommand *command, const VpQmpEnvelope *envelope, char *message, gsize size)
{
    VpJsonSlice id = { .text = command->client_id, .size = command->client_id_size };
    g_autofree char *copy = NULL;

    if (!command->func)
        return;
    vp_qmp_envelope_restore_id(envelope, id, &message, &size, &copy);
    command->func(VP_QMP_REPLIED, message, size, command->data);
}

static void
take_out(VpQmpMux *mux, VpQmpCommand *command, VpQmpBand band)
{
    g_queue_unlink(&mux->in_flight[band], &command->link);
    count(mux, band, -1);
    if (command->queue && band == VP_QMP_IN_BAND && --command->queue->in_flight == 0)
        reach_fence(command->queue);
}

/* Raw bytes are with QEMU, and the probe that follows them has not been answered. */
static VpQmpCommand *
raw_in_flight(VpQmpMux *mux)
{
    VpQmpCommand *command = g_queue_peek_head(&mux->in_flight[VP_QMP_IN_BAND]);

    return command && command->raw ? command : NULL;
}

/* Whether the message answers @raw, and not the probe behind it. */
static bool
is_of_raw(const VpQmpCommand *raw, const VpQmpEnvelope *envelope)
{
    const VpQmpCommand *probe = raw->link.next->data;

    return vp_qmp_envelope_own_id(envelope) != (int)probe->id;
}

/* An answer to @raw, with the place in these bytes if it tells one: they begin a line. */
static void
collect(VpQmpCommand *raw, const char *message, gsize size)
{
    g_autoptr(GString) moved = vp_qmp_move_position((VpJsonSlice){ message, size },
                                                    -(gint64)raw->lines_before, 0);

    if (!raw->func || raw->text->len + size > VP_QMP_MESSAGE_MAX)
        return;
    if (raw->text->len > 0)
        g_string_append(raw->text, "\r\n");
    g_string_append_len(raw->text, moved ? moved->str : message, moved ? moved->len : size);
}

/* The probe behind @raw, which is freed, has been answered. */
static void
answer_raw(VpQmpCommand *raw)
{
    g_autoptr(VpQmpCommand) command = raw;

    if (command->func)
        command->func(VP_QMP_REPLIED, command->text->str, command->text->len, command->data);
}

VpQmpDelivery
vp_qmp_mux_deliver(VpQmpMux *mux, const VpQmpEnvelope *envelope, char *message, gsize size)
{
    VpQmpBand band = VP_QMP_IN_BAND;
    VpQmpCommand *raw = raw_in_flight(mux), *found = NULL;
    g_autoptr(VpQmpCommand) command = NULL;

    if (raw && is_of_raw(raw, envelope)) {
        collect(raw, message, size);
        return VP_QMP_DELIVERED;
    }
    if (raw)
        take_out(mux, raw, VP_QMP_IN_BAND);
    found = find(mux, envelope, &band);
    if (!found)
        return VP_QMP_STRAY;
    if (band == VP_QMP_IN_BAND && overtakes(found))
        return VP_QMP_OUT_OF_STEP;
    command = found;
    take_out(mux, command, band);
    if (command->role == VP_QMP_ROLE_USER)
        vp_qmp_stats_add_latency(mux->stats, g_get_monotonic_time() - command->sent);
    if (command->n_fds > 0 || command->role != VP_QMP_ROLE_USER)
        settle(mux, command, envelope->kind);
    vp_qmp_mux_pump(mux); /* QEMU shall not wait for what the user does now */
    answer(command, envelope, message, size);
    if (raw)
        answer_raw(raw);
    return VP_QMP_DELIVERED;
}

/* Any command, those in flight first; NULL when there is none. */
static VpQmpCommand *
take_any(VpQmpMux *mux)
{
    for (VpQmpBand band = 0; band < VP_QMP_BANDS; band++) {
        GList *link = g_queue_pop_head_link(&mux->in_flight[band]);

        if (link) {
            count(mux, band, -1);
            return link->data;
        }
    }
    for (VpQmpBand band = 0; band < VP_QMP_BANDS; band++) {
        VpQmpQueue *queue = g_queue_peek_head(&mux->turns[band]);

        if (queue)
            return dequeue(queue, band);
    }
    for (GList *l = mux->queues.head; l; l = l->next) { /* what waits behind fences */
        VpQmpQueue *queue = l->data;

        if (!g_queue_is_empty(&queue->waiting[VP_QMP_IN_BAND]))
            return dequeue(queue, VP_QMP_IN_BAND);
    }
    return NULL;
}

static void
forget_progress(gpointer queue, gpointer data G_GNUC_UNUSED)
{
    ((VpQmpQueue *)queue)->in_flight = 0;
    ((VpQmpQueue *)queue)->held = false;
}

void
vp_qmp_mux_close(VpQmpMux *mux)
{
    VpQmpCommand *command = NULL;

    mux->open = false;
    g_queue_foreach(&mux->queues, forget_progress, NULL);
    while ((command = take_any(mux))) {
        if (command->func)
            command->func(VP_QMP_SESSION_LOST, NULL, 0, command->data);
        vp_qmp_command_free(command);
    }
}

void
vp_qmp_mux_detach(VpQmpMux *mux)
{
    GList *link = NULL;

    while ((link = g_queue_pop_head_link(&mux->queues)))
        ((VpQmpQueue *)link->data)->mux = NULL;
}

VpQmpQueue *
vp_qmp_mux_add_queue(VpQmpMux *mux)
{
    VpQmpQueue *queue = g_new0(VpQmpQueue, 1);

    queue->mux = mux;
    queue->link.data = queue;
    for (VpQmpBand band = 0; band < VP_QMP_BANDS; band++)
        queue->turn[band].data = queue;
    g_queue_push_tail_link(&mux->queues, &queue->link);
    mux->stats->users++;
    return queue;
}

static void
drop_waiting(VpQmpQueue *queue)
{
    for (VpQmpBand band = 0; band < VP_QMP_BANDS; band++) {
        while (!g_queue_is_empty(&queue->waiting[band]))
            vp_qmp_command_free(dequeue(queue, band));
    }
}

static void
disown_in_flight(VpQmpQueue *queue)
{
    for (VpQmpBand band = 0; band < VP_QMP_BANDS; band++) {
        for (GList *l = queue->mux->in_flight[band].head; l; l = l->next) {
            VpQmpCommand *command = l->data;

            if (command->queue != queue)
                continue;
            command->queue = NULL;
            command->func = NULL;
            g_clear_pointer(&command->client_id, g_free);
        }
    }
}

void
vp_qmp_queue_free(VpQmpQueue *queue)
{
    VpQmpMux *mux = queue ? queue->mux : NULL;

    if (mux) {
        drop_waiting(queue);
        disown_in_flight(queue);
        g_queue_unlink(&mux->queues, &queue->link);
        mux->stats->users--;
        vp_qmp_mux_pump(mux); /* others may have waited behind a command with descriptors */
    }
    g_free(queue);
}

/* Whether the queue takes one more command, of @size bytes. */
static VpQmpVerdict
admit(const VpQmpQueue *queue, gsize size)
{
    if (!queue->mux || !queue->mux->open)
        return VP_QMP_NOT_READY;
    if (queue->waiting[VP_QMP_IN_BAND].length + queue->waiting[VP_QMP_OUT_OF_BAND].length >=
            VP_QMP_QUEUE_MAX ||
        queue->waiting_bytes + size > VP_QMP_QUEUE_BYTES_MAX)
        return VP_QMP_QUEUE_FULL;
    return VP_QMP_ACCEPTED;
}

static void
accept_command(VpQmpQueue *queue, VpQmpCommand *command, VpQmpReplyFunc func, gpointer data)
{
    command->func = func;
    command->data = data;
    enqueue(queue, command);
    vp_qmp_mux_pump(queue->mux);
}

VpQmpVerdict
vp_qmp_queue_send(VpQmpQueue *queue, const char *json, gsize size, const int *fds, guint nfds,
                  VpQmpReplyFunc func, gpointer data, char **ret_message)
{
    VpQmpCommand *command = NULL;
    VpQmpVerdict verdict = admit(queue, size);

    if (verdict == VP_QMP_ACCEPTED)
        verdict = vp_qmp_command_parse(json, size, fds, nfds, &command, ret_message);
    if (verdict == VP_QMP_ACCEPTED)
        accept_command(queue, command, func, data);
    return verdict;
}

VpQmpVerdict
vp_qmp_queue_send_raw(VpQmpQueue *queue, const char *bytes, gsize size, VpQmpReplyFunc func,
                      gpointer data)
{
    VpQmpVerdict verdict = admit(queue, size);

    if (verdict == VP_QMP_ACCEPTED)
        accept_command(queue, vp_qmp_command_new_raw(bytes, size), func, data);
    return verdict;
}

VpQmpVerdict
vp_qmp_queue_fence(VpQmpQueue *queue, VpQmpReplyFunc func, gpointer data)
{
    VpQmpVerdict verdict = admit(queue, 0);
    VpQmpCommand *fence = NULL;

    if (verdict != VP_QMP_ACCEPTED)
        return verdict;
    fence = vp_qmp_command_new(VP_QMP_ROLE_FENCE, "");
    fence->func = func;
    fence->data = data;
    enqueue(queue, fence);
    reach_fence(queue);
    return VP_QMP_ACCEPTED;
}

void
vp_qmp_queue_release(VpQmpQueue *queue)
{
    if (!queue->mux || !queue->held)
        return;
    queue->held = false;
    line_up(queue, VP_QMP_IN_BAND);
    reach_fence(queue);
    vp_qmp_mux_pump(queue->mux);
}
