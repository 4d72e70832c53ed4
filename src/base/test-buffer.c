/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The byte queue against a GByteArray that does the same the slow way. */

#include "base/buffer.h"

#include <string.h>

static void
assert_holds(const VpBuffer *buffer, const GByteArray *expected)
{
    g_assert_cmpuint(buffer->len, ==, expected->len);
    if (expected->len == 0)
        return;
    g_assert_cmpmem(vp_buffer_bytes(buffer), buffer->len, expected->data, expected->len);
}

static void
test_empty(void)
{
    VpBuffer buffer = VP_BUFFER_INIT;

    g_assert_null(vp_buffer_bytes(&buffer));
    vp_buffer_append(&buffer, NULL, 0);
    g_assert_null(buffer.block);
    vp_buffer_consume(&buffer, 0);
    vp_buffer_clear(&buffer);
    g_assert_cmpuint(buffer.len, ==, 0);
}

/* An idle connection costs nothing: who has taken the last byte gives the memory back. */
static void
test_no_memory_when_empty(void)
{
    VpBuffer buffer = VP_BUFFER_INIT;

    vp_buffer_append(&buffer, "abc", 3);
    g_assert_nonnull(buffer.block);
    vp_buffer_consume(&buffer, 2);
    g_assert_cmpmem(vp_buffer_bytes(&buffer), buffer.len, "c", 1);
    vp_buffer_consume(&buffer, 1);
    g_assert_null(buffer.block);
    g_assert_cmpuint(buffer.allocated, ==, 0);
    g_assert_cmpuint(buffer.start, ==, 0);
}

/* Consumed room at the front is used again before the block grows. */
static void
test_room_is_reused(void)
{
    VpBuffer buffer = VP_BUFFER_INIT;
    guint8 bytes[100];
    gsize allocated = 0;

    memset(bytes, 'x', sizeof(bytes));
    for (int i = 0; i < 3; i++)
        vp_buffer_append(&buffer, bytes, sizeof(bytes));
    allocated = buffer.allocated;
    for (int i = 0; i < 1000; i++) {
        vp_buffer_consume(&buffer, sizeof(bytes));
        vp_buffer_append(&buffer, bytes, sizeof(bytes));
    }
    g_assert_cmpuint(buffer.len, ==, 3 * sizeof(bytes));
    g_assert_cmpuint(buffer.allocated, <=, 2 * allocated);
    vp_buffer_clear(&buffer);
}

static void
test_large_append(void)
{
    VpBuffer buffer = VP_BUFFER_INIT;
    gsize size = 5 * 1024 * 1024 + 1;
    g_autofree guint8 *bytes = g_malloc(size);

    for (gsize i = 0; i < size; i++)
        bytes[i] = i * 7 >> 3;
    vp_buffer_append(&buffer, "?", 1);
    vp_buffer_append(&buffer, bytes, size);
    g_assert_cmpuint(buffer.len, ==, size + 1);
    vp_buffer_consume(&buffer, 1);
    g_assert_cmpmem(vp_buffer_bytes(&buffer), buffer.len, bytes, size);
    vp_buffer_clear(&buffer);
}

/* Sizes on both sides of the first block and of every way to make room. */
static void
test_random_steps(void)
{
    VpBuffer buffer = VP_BUFFER_INIT;
    g_autoptr(GByteArray) expected = g_byte_array_new();
    guint8 bytes[1500];

    for (int step = 0; step < 20000; step++) {
        gsize n = g_test_rand_int_range(0, sizeof(bytes));

        if (g_test_rand_bit()) {
            memset(bytes, step, n);
            bytes[0] = step >> 8;
            vp_buffer_append(&buffer, bytes, n);
            g_byte_array_append(expected, bytes, n);
        } else {
            n = MIN(n, expected->len);
            vp_buffer_consume(&buffer, n);
            g_byte_array_remove_range(expected, 0, n);
        }
        assert_holds(&buffer, expected);
    }
    vp_buffer_clear(&buffer);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/buffer/empty", test_empty);
    g_test_add_func("/base/buffer/no-memory-when-empty", test_no_memory_when_empty);
    g_test_add_func("/base/buffer/room-is-reused", test_room_is_reused);
    g_test_add_func("/base/buffer/large-append", test_large_append);
    g_test_add_func("/base/buffer/random-steps", test_random_steps);
    return g_test_run();
}
