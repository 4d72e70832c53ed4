/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Calls in flight: who waits for which serial.
 *
 * On a client's upstream connection our own calls travel among the client's. libvirtd
 * echoes any serial and requires no order, so ours count from 2^31, where no client
 * gets by counting up from 0 within a connection's life. A client that uses such
 * a serial all the same is not mistaken for us: its call waits while one of ours with
 * the same program and serial is under way (vp_calls_clashes()).
 *
 * A cancelled call keeps its slot until the reply is here, for the reply must still
 * not reach the client.
 *
 * A callback may do anything with the calls, also cancel others or free them all: when
 * the link breaks they are therefore taken out one by one (vp_calls_break()).
 */

#include "rpc/calls.h"

#include "base/fd.h"

#include <fcntl.h>

#define FIRST_SERIAL 0x80000000u

typedef struct VpCallSlot {
    guint32 program;
    VpCallFunc func; /* NULL: cancelled */
    gpointer data;
} VpCallSlot;

struct VpCalls {
    GHashTable *slots; /* serial -> VpCallSlot */
    guint32 next;
    guint users;       /* vp_calls_break() on the stack */
    bool freed;        /* vp_calls_free() was called */
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
    calls->freed = true;
    if (calls->users == 0)
        g_free(calls);
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
        .serial = calls->next,
        .nfds = copy >= 0 ? 1 : 0,
    };
    g_autoptr(GByteArray) bytes = vp_xdr_frame(&header, args_func, args);
    VpFrame frame = { .fds = &copy };
    VpCallSlot *slot = g_new0(VpCallSlot, 1);

    g_assert(bytes);
    *slot = (VpCallSlot){ program, func, data };
    if (!calls->slots)
        calls->slots = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_hash_table_insert(calls->slots, GUINT_TO_POINTER(header.serial), slot);
    calls->next = MAX(calls->next + 1, FIRST_SERIAL);
    header.length = bytes->len;
    frame.header = header;
    frame.bytes = bytes->data;
    vp_link_send_frame(link, &frame);
    return header.serial;
}

static VpCallSlot *
find(const VpCalls *calls, const VpHeader *header)
{
    VpCallSlot *slot = NULL;

    if (!calls->slots)
        return NULL;
    slot = g_hash_table_lookup(calls->slots, GUINT_TO_POINTER(header->serial));
    return slot && slot->program == header->program ? slot : NULL;
}

void
vp_calls_cancel(VpCalls *calls, guint32 serial)
{
    VpCallSlot *slot = NULL;

    if (calls->slots)
        slot = g_hash_table_lookup(calls->slots, GUINT_TO_POINTER(serial));
    if (slot)
        slot->func = NULL;
}

bool
vp_calls_clashes(const VpCalls *calls, const VpHeader *header)
{
    return find(calls, header) != NULL;
}

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

bool
vp_calls_take_reply(VpCalls *calls, const VpFrame *frame)
{
    g_autofree VpCallSlot *slot = NULL;

    if (frame->header.type != VP_FRAME_REPLY || !find(calls, &frame->header))
        return false;
    slot = take_slot(calls, GUINT_TO_POINTER(frame->header.serial));
    if (slot->func)
        answer(slot, frame);
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
    calls->users++;
    for (guint i = 0; i < n && !calls->freed; i++) {
        g_autofree VpCallSlot *slot = take_slot(calls, serials[i]);

        if (slot && slot->func)
            slot->func(&reply, slot->data);
    }
    if (--calls->users == 0 && calls->freed)
        g_free(calls);
}
