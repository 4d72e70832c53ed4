/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls in flight: who waits for which serial.
 *
 * On a client's upstream connection our own calls travel among the client's, and what libvirtd
 * answers to ours decides what we do for the client. So it must be impossible that the answer to
 * a call of the client's is taken for the answer to ours, whatever serials the client chooses.
 * libvirtd echoes any serial and requires no order, nor that they differ.
 *
 * The invariant: at all times the serials of our calls without reply (`slots`) and those of the
 * client's frames that a reply may still come to (`theirs`) are disjoint. Ours are from
 * FIRST_SERIAL up, where no client gets by counting up from 0 within a connection's life, so only
 * the client's frames from there up are counted, and all others cost one comparison. It is kept
 * from both sides:
 *   - a serial of ours is one that is neither in `slots` nor in `theirs`;
 *   - a frame of the client's with a serial that is in `slots` waits until that call has its reply.
 * So the serial alone decides whose a reply is. That program, version, procedure and type are the
 * call's as well is checked all the same: a reply with our serial where these are others is no
 * answer (BROKEN), it is logged, nobody else gets it, and the slot is kept for the right one.
 *
 * `theirs` counts, for a client may use a serial several times. A frame is in it from the moment
 * that we look at it, not only when it is sent on, for handlers keep calls and send them later,
 * until the client has been sent as many replies. All types are counted, although libvirtd answers
 * calls only, but for two. STREAM never brings a reply. STREAM_HOLE brings one if the hole cannot
 * be made, and then only for the first of a stream; so it is noted once, until the stream has
 * ended. A client that sends what is never answered fills `theirs` up, and is not read from then
 * on.
 *
 * A cancelled call keeps its slot until the reply is here, for the reply must still
 * not reach the client.
 *
 * A callback may do anything with the calls, also cancel others or free them all: when
 * the link breaks they are therefore taken out one by one (vp_calls_break()).
 */

#include "rpc/calls.h"

#include "base/fd.h"
#include "base/log.h"

#include <fcntl.h>

#define FIRST_SERIAL 0x80000000u

typedef struct VpCallSlot {
    guint32 program;
    gint32 procedure;
    VpCallFunc func; /* NULL: cancelled */
    gpointer data;
} VpCallSlot;

/* Frames of the client's with one serial. */
typedef struct VpTheirs {
    guint n;         /* that may each be answered */
    bool holes;      /* of a stream that has not ended */
} VpTheirs;

struct VpCalls {
    GHashTable *slots;  /* serial -> VpCallSlot; NULL: there was none yet */
    GHashTable *theirs; /* serial -> VpTheirs; NULL: there was none yet */
    guint n_theirs;     /* frames in @theirs */
    guint32 next;
    bool waited_for;    /* vp_calls_must_wait() was true */
    void (*waiter)(gpointer data);
    gpointer waiter_data;
    guint users;        /* functions that call back on the stack */
    bool freed;         /* vp_calls_free() was called */
};

VpCalls *
vp_calls_new(void)
{
    VpCalls *calls = g_new0(VpCalls, 1);

    calls->next = FIRST_SERIAL;
    return calls;
}

void
vp_calls_free(VpCalls *calls)
{
    if (!calls)
        return;
    g_clear_pointer(&calls->slots, g_hash_table_unref);
    g_clear_pointer(&calls->theirs, g_hash_table_unref);
    calls->freed = true;
    if (calls->users == 0)
        g_free(calls);
}

void
vp_calls_set_waiter(VpCalls *calls, void (*func)(gpointer data), gpointer data)
{
    calls->waiter = func;
    calls->waiter_data = data;
}

void
vp_calls_start_at(VpCalls *calls, guint32 serial)
{
    calls->next = serial;
}

static void
enter(VpCalls *calls)
{
    calls->users++;
}

static void
leave(VpCalls *calls)
{
    if (--calls->users == 0 && calls->freed)
        g_free(calls);
}

/* A serial has become free. Not before everybody who must know of it has been told. */
static void
wake(VpCalls *calls)
{
    if (calls->freed || !calls->waited_for)
        return;
    calls->waited_for = false;
    if (calls->waiter)
        calls->waiter(calls->waiter_data);
}

static gpointer
find(GHashTable *table, guint32 serial)
{
    return table ? g_hash_table_lookup(table, GUINT_TO_POINTER(serial)) : NULL;
}

/* --- calls ---------------------------------------------------------------- */

/* Ends, as both tables are small beside the range. */
static guint32
choose_serial(VpCalls *calls)
{
    guint32 serial = calls->next;

    while (find(calls->slots, serial) || find(calls->theirs, serial))
        serial = MAX(serial + 1, FIRST_SERIAL);
    calls->next = MAX(serial + 1, FIRST_SERIAL);
    return serial;
}

/* Arguments that do not fit into the protocol are left out: what a document says may be longer in
 * UTF-8 than it was. None of our calls with a string can be decoded without, so that libvirtd says
 * no, as it would have, and the caller hears of it like of any other refusal. */
static GByteArray *
encode(const VpHeader *header, void *args_func, void *args)
{
    GByteArray *bytes = vp_xdr_frame(header, args_func, args);

    if (bytes)
        return bytes;
    vp_log_debug("procedure %d is called without its arguments, which are too long",
                 header->procedure);
    bytes = vp_xdr_frame(header, NULL, NULL);
    g_assert(bytes);
    return bytes;
}

guint32
vp_calls_send(VpCalls *calls, VpLink *link, guint32 program, gint32 procedure, void *args_func,
              void *args, VpCallFunc func, gpointer data)
{
    return vp_calls_send_with_fd(calls, link, program, procedure, args_func, args, -1, func, data);
}

guint32
vp_calls_send_with_fd(VpCalls *calls, VpLink *link, guint32 program, gint32 procedure,
                      void *args_func, void *args, int fd, VpCallFunc func, gpointer data)
{
    vp_autofd int copy = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    VpHeader header = {
        .program = program,
        .version = 1,
        .procedure = procedure,
        .type = copy >= 0 ? VP_FRAME_CALL_WITH_FDS : VP_FRAME_CALL,
        .serial = choose_serial(calls),
        .nfds = copy >= 0 ? 1 : 0,
    };
    g_autoptr(GByteArray) bytes = encode(&header, args_func, args);
    VpFrame frame = { .fds = &copy };
    VpCallSlot *slot = g_new0(VpCallSlot, 1);

    *slot = (VpCallSlot){ program, procedure, func, data };
    if (!calls->slots)
        calls->slots = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_hash_table_insert(calls->slots, GUINT_TO_POINTER(header.serial), slot);
    header.length = bytes->len;
    frame.header = header;
    frame.bytes = bytes->data;
    vp_link_send_frame(link, &frame);
    return header.serial;
}

void
vp_calls_cancel(VpCalls *calls, guint32 serial)
{
    VpCallSlot *slot = find(calls->slots, serial);

    if (slot)
        slot->func = NULL;
}

/* --- replies -------------------------------------------------------------- */

static void
answer(const VpCallSlot *slot, const VpFrame *frame)
{
    vp_error_body error = { 0 };
    VpCallReply reply = { .outcome = VP_CALL_BROKEN };

    if (frame->header.status == VP_STATUS_OK) {
        reply.outcome = VP_CALL_OK;
        reply.payload = frame->payload;
        reply.payload_size = frame->payload_size;
    } else if (vp_xdr_decode(frame->payload, frame->payload_size, xdr_vp_error_body, &error)) {
        reply.outcome = VP_CALL_ERROR;
        reply.error = &error;
    }
    slot->func(&reply, slot->data);
    if (reply.outcome == VP_CALL_ERROR)
        vp_xdr_clear(xdr_vp_error_body, &error);
}

/* The call's slot, which is its owner's from now on. NULL: there is none. */
static VpCallSlot *
take_slot(VpCalls *calls, gpointer serial)
{
    VpCallSlot *slot = NULL;

    if (calls->slots)
        g_hash_table_steal_extended(calls->slots, serial, NULL, (gpointer *)&slot);
    return slot;
}

/* Not an answer, whatever it says. */
static void
break_call(VpCallSlot *slot, const VpHeader *header)
{
    const VpCallReply broken = { .outcome = VP_CALL_BROKEN };
    VpCallFunc func = slot->func;

    vp_log_error("a reply with serial %u is not to our call: program 0x%x version %u procedure %d "
                 "type %u", header->serial, header->program, header->version, header->procedure,
                 header->type);
    slot->func = NULL;
    if (func)
        func(&broken, slot->data);
}

static bool
is_reply(guint32 type)
{
    return type == VP_FRAME_REPLY || type == VP_FRAME_REPLY_WITH_FDS;
}

bool
vp_calls_take_reply(VpCalls *calls, const VpFrame *frame)
{
    const VpHeader *header = &frame->header;
    VpCallSlot *slot = is_reply(header->type) ? find(calls->slots, header->serial) : NULL;
    g_autofree VpCallSlot *owned = NULL;

    if (!slot)
        return false;
    if (header->type != VP_FRAME_REPLY || header->program != slot->program ||
        header->version != 1 || header->procedure != slot->procedure) {
        break_call(slot, header);
        return true;
    }
    owned = take_slot(calls, GUINT_TO_POINTER(header->serial));
    enter(calls);
    if (owned->func)
        answer(owned, frame);
    wake(calls);
    leave(calls);
    return true;
}

void
vp_calls_break(VpCalls *calls)
{
    const VpCallReply reply = { .outcome = VP_CALL_BROKEN };
    g_autofree gpointer *serials = NULL;
    guint n = 0;

    if (calls->slots)
        serials = g_hash_table_get_keys_as_array(calls->slots, &n);
    enter(calls);
    for (guint i = 0; i < n && !calls->freed; i++) {
        g_autofree VpCallSlot *slot = take_slot(calls, serials[i]);

        if (slot && slot->func)
            slot->func(&reply, slot->data);
    }
    leave(calls);
}

/* --- the client's frames -------------------------------------------------- */

/* Does the frame belong into @theirs? */
static bool
counts(const VpHeader *header)
{
    return header->serial >= FIRST_SERIAL && header->type != VP_FRAME_STREAM;
}

bool
vp_calls_must_wait(VpCalls *calls, const VpHeader *header)
{
    bool wait = counts(header) && (calls->n_theirs >= VP_CLIENT_HIGH_SERIALS_MAX ||
                                   find(calls->slots, header->serial));

    calls->waited_for |= wait;
    return wait;
}

void
vp_calls_note(VpCalls *calls, const VpHeader *header)
{
    VpTheirs *theirs = NULL;

    if (!counts(header))
        return;
    if (!calls->theirs)
        calls->theirs = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    theirs = find(calls->theirs, header->serial);
    if (!theirs) {
        theirs = g_new0(VpTheirs, 1);
        g_hash_table_insert(calls->theirs, GUINT_TO_POINTER(header->serial), theirs);
    }
    if (header->type == VP_FRAME_STREAM_HOLE) {
        calls->n_theirs += !theirs->holes;
        theirs->holes = true;
    } else {
        calls->n_theirs++;
        theirs->n++;
    }
}

static void
drop_theirs(VpCalls *calls, guint32 serial, VpTheirs *theirs)
{
    calls->n_theirs--;
    if (theirs->n == 0 && !theirs->holes)
        g_hash_table_remove(calls->theirs, GUINT_TO_POINTER(serial));
}

void
vp_calls_unnote(VpCalls *calls, const VpHeader *header)
{
    VpTheirs *theirs = counts(header) ? find(calls->theirs, header->serial) : NULL;

    if (!theirs || theirs->n == 0)
        return;
    theirs->n--;
    drop_theirs(calls, header->serial, theirs);
}

static bool
ends_stream(const VpHeader *header)
{
    return header->type == VP_FRAME_STREAM && header->status != VP_STATUS_CONTINUE;
}

/* Of a serial with calls and holes a reply may be to either: then none is taken off, so that too
 * much is in @theirs rather than too little. */
void
vp_calls_settle(VpCalls *calls, const guint8 *bytes)
{
    const guint32 serial = vp_frame_serial(bytes);
    VpTheirs *theirs = serial >= FIRST_SERIAL ? find(calls->theirs, serial) : NULL;
    VpHeader header = { 0 };

    if (!theirs || (theirs->n > 0 && theirs->holes))
        return;
    vp_header_decode(bytes, VP_FRAME_MIN + 4, &header); /* the last word where there is one */
    if (is_reply(header.type) && theirs->n > 0)
        theirs->n--;
    else if (is_reply(header.type) || ends_stream(&header))
        theirs->holes = false;
    else
        return;
    drop_theirs(calls, serial, theirs);
    wake(calls);
}
