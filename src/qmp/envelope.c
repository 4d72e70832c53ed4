/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The outermost level of QEMU's messages: all that this program ever looks at, and the only thing
 * it changes, which is "id".
 *
 * A reply may be 200 KB long and is in a buffer that is ours. So an id that becomes shorter or goes
 * away is replaced in place: of the two parts beside it the shorter one is moved. QEMU writes "id"
 * last in a return and first in an error; the part that moves is then a single bracket.
 */

#include "qmp/envelope.h"

#include "base/limits.h"
#include "json/members.h"

#include <stddef.h>
#include <string.h>

#define NO_KIND (-1)

/* The members we know. Each may be there once; what we do not know is not ours to refuse. */
static const struct {
    const char *key;
    int kind;     /* VpQmpKind of a message with this member, or NO_KIND */
    gsize offset; /* of its slice in VpQmpEnvelope */
} members[] = {
    { "return", VP_QMP_RETURN, offsetof(VpQmpEnvelope, body) },
    { "error", VP_QMP_FAILURE, offsetof(VpQmpEnvelope, body) },
    { "id", NO_KIND, offsetof(VpQmpEnvelope, id) },
    { "event", VP_QMP_EVENT, offsetof(VpQmpEnvelope, body) },
    { "timestamp", NO_KIND, offsetof(VpQmpEnvelope, timestamp) },
    { "data", NO_KIND, offsetof(VpQmpEnvelope, data) },
    { "QMP", VP_QMP_GREETING, offsetof(VpQmpEnvelope, body) },
};

/* Files @item where it belongs; false when there was one already. */
static bool
file_item(VpQmpEnvelope *envelope, const VpJsonItem *item)
{
    VpJsonSlice *place = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(members); i++) {
        if (!vp_json_raw_is(item->key, members[i].key))
            continue;
        place = (VpJsonSlice *)((char *)envelope + members[i].offset);
        if (place->text)
            return false;
        *place = item->value;
        if (members[i].kind != NO_KIND)
            envelope->kind = members[i].kind;
        if (place == &envelope->id)
            envelope->id_cut = item->cut;
        return true;
    }
    return true;
}

void
vp_qmp_envelope_read(const char *message, gsize size, VpQmpEnvelope *ret_envelope)
{
    VpQmpEnvelope envelope = { .kind = VP_QMP_GARBAGE };
    VpJsonItems items;
    VpJsonItem item;
    VpJsonStep step = VP_JSON_BROKEN;
    guint n = 0;
    bool known = true;

    vp_json_items_init(&items, message, size);
    while (known && (step = vp_json_items_next(&items, &item)) == VP_JSON_ITEM)
        known = ++n <= VP_QMP_MEMBERS_MAX && file_item(&envelope, &item);
    if (!known || step != VP_JSON_END || envelope.kind == VP_QMP_GARBAGE)
        envelope = (VpQmpEnvelope){ .kind = VP_QMP_GARBAGE };
    *ret_envelope = envelope;
}

int
vp_qmp_envelope_own_id(const VpQmpEnvelope *envelope)
{
    int id = 0;

    if (envelope->id.size < 1 || envelope->id.size > 2)
        return -1;
    for (gsize i = 0; i < envelope->id.size; i++) {
        if (!g_ascii_isdigit(envelope->id.text[i]))
            return -1;
        id = id * 10 + (envelope->id.text[i] - '0');
    }
    return id;
}

/* Replaces @hole by @with, which is not longer, by moving what is in front of it or behind. */
static void
narrow(char **message, gsize *size, VpJsonSlice hole, VpJsonSlice with)
{
    gsize front = hole.text - *message, rest = *size - front - hole.size;
    gsize less = hole.size - with.size;
    char *start = *message + front;

    if (front < rest) {
        memmove(*message + less, *message, front);
        *message += less;
        start += less;
    } else {
        memmove(start + with.size, start + hole.size, rest);
    }
    if (with.size > 0)
        memcpy(start, with.text, with.size);
    *size -= less;
}

static char *
widen(const char *message, gsize size, VpJsonSlice hole, VpJsonSlice with, gsize *ret_size)
{
    gsize front = hole.text - message, rest = size - front - hole.size;
    char *copy = g_malloc(front + with.size + rest + 1);

    memcpy(copy, message, front);
    memcpy(copy + front, with.text, with.size);
    memcpy(copy + front + with.size, hole.text + hole.size, rest);
    *ret_size = front + with.size + rest;
    return copy;
}

void
vp_qmp_envelope_restore_id(const VpQmpEnvelope *envelope, VpJsonSlice id, char **message,
                           gsize *size, char **ret_copy)
{
    VpJsonSlice hole = id.text ? envelope->id : envelope->id_cut;

    *ret_copy = NULL;
    if (hole.text && hole.size >= id.size)
        narrow(message, size, hole, id);
    else if (hole.text)
        *message = *ret_copy = widen(*message, *size, hole, id, size);
    (*message)[*size] = '\0';
}
