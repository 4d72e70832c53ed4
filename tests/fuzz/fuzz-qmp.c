/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a monitor may send: bytes, cut in any way, into messages, into their parts, and replies with
 * their id exchanged.
 *
 * The first byte of the input says into pieces of how many bytes the others are cut. The messages
 * must be the same as without cutting; a reply must still be one after its id was exchanged, with
 * the same body, and with the id asked for.
 */

#include "qmp/envelope.h"
#include "qmp/splitter.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void
assert_same(VpJsonSlice one, VpJsonSlice other)
{
    g_assert_cmpmem(one.text, one.size, other.text, other.size);
}

/* Exchanges the id of a reply for @id; @message is left as it is. */
static void
check_restored(const char *message, gsize size, VpJsonSlice id)
{
    g_autofree char *block = g_malloc(size + 1); /* with the byte behind that belongs to it */
    g_autofree char *copy = NULL;
    char *result = block;
    gsize result_size = size;
    VpQmpEnvelope before, after;

    memcpy(block, message, size);
    vp_qmp_envelope_read(message, size, &before);
    vp_qmp_envelope_read(block, size, &after);
    vp_qmp_envelope_restore_id(&after, id, &result, &result_size, &copy);
    g_assert_cmpint(result[result_size], ==, '\0');
    vp_qmp_envelope_read(result, result_size, &after);
    g_assert_cmpint(after.kind, ==, before.kind);
    assert_same(after.body, before.body);
    assert_same(after.id, before.id.text ? id : before.id);
}

static void
check_message(const char *message, gsize size)
{
    static const char *const ids[] = { NULL, "1", "\"libvirt-415\"", "{\"a\": [null]}" };
    VpQmpEnvelope envelope;

    vp_qmp_envelope_read(message, size, &envelope);
    g_assert_cmpint(vp_qmp_envelope_own_id(&envelope), <, 100);
    if (envelope.kind != VP_QMP_RETURN && envelope.kind != VP_QMP_FAILURE)
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(ids); i++) {
        VpJsonSlice id = { .text = ids[i], .size = ids[i] ? strlen(ids[i]) : 0 };

        check_restored(message, size, id);
    }
}

/* All messages of @bytes, fed @piece at a time, with "|" behind each. */
static GString *
split(const char *bytes, gsize size, gsize piece)
{
    GString *out = g_string_new(NULL);
    VpQmpSplitter splitter = VP_QMP_SPLITTER_INIT;

    for (gsize start = 0; start < size; start += piece) {
        gsize n = MIN(piece, size - start);
        g_autofree char *block = g_memdup2(bytes + start, n);
        char *at = block, *message = NULL;
        gsize message_size = 0;

        while (vp_qmp_splitter_next(&splitter, &at, &n, &message, &message_size) ==
               VP_QMP_SPLIT_MESSAGE) {
            check_message(message, message_size);
            g_string_append_len(out, message, message_size);
            g_string_append_c(out, '|');
            message[message_size] = '\0';
        }
    }
    vp_qmp_splitter_clear(&splitter);
    return out;
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GString) whole = NULL, cut = NULL;

    if (size < 2)
        return 0;
    whole = split((const char *)data + 1, size - 1, size);
    cut = split((const char *)data + 1, size - 1, data[0] % 64 + 1);
    g_assert_true(g_string_equal(whole, cut));
    return 0;
}
