/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages out of bytes, however these are cut. */

#include "qmp/splitter.h"

#include "base/limits.h"

#include <string.h>

/* Feeds @n bytes in a block of that size, so that ASan sees each byte too many; appends the
 * messages to @out with "|" behind each. */
static VpQmpSplit
feed(VpQmpSplitter *splitter, const char *bytes, gsize n, GString *out)
{
    g_autofree char *block = g_memdup2(bytes, n);
    char *at = block, *message = NULL;
    gsize size = 0;
    VpQmpSplit split;

    while ((split = vp_qmp_splitter_next(splitter, &at, &n, &message, &size)) ==
           VP_QMP_SPLIT_MESSAGE) {
        message[size] = '\0'; /* allowed: its line end is there */
        g_string_append(out, message);
        g_string_append_c(out, '|');
    }
    return split;
}

static void
test_every_split(void)
{
    static const char stream[] = "{\"QMP\": {}}\r\n{}\r\n\r\nabc\nr\rt\r\r\n\n{\"x\": 1}\r\n";
    static const char expected[] = "{\"QMP\": {}}|{}||abc|r\rt\r||{\"x\": 1}|";
    gsize n = strlen(stream);

    for (gsize first = 0; first <= n; first++) {
        for (gsize second = first; second <= n; second++) {
            VpQmpSplitter splitter = VP_QMP_SPLITTER_INIT;
            g_autoptr(GString) out = g_string_new(NULL);

            g_assert_cmpint(feed(&splitter, stream, first, out), ==, VP_QMP_SPLIT_MORE);
            g_assert_cmpint(feed(&splitter, stream + first, second - first, out), ==,
                            VP_QMP_SPLIT_MORE);
            g_assert_cmpint(feed(&splitter, stream + second, n - second, out), ==,
                            VP_QMP_SPLIT_MORE);
            g_assert_cmpstr(out->str, ==, expected);
            g_assert_null(splitter.partial.block); /* nothing is kept */
        }
    }
}

static void
test_no_copy(void)
{
    char stream[] = "{\"a\": 1}\r\n{\"b\": 2}\r\nrest";
    VpQmpSplitter splitter = VP_QMP_SPLITTER_INIT;
    char *at = stream, *message = NULL;
    gsize n = strlen(stream), size = 0;

    g_assert_cmpint(vp_qmp_splitter_next(&splitter, &at, &n, &message, &size), ==,
                    VP_QMP_SPLIT_MESSAGE);
    g_assert_true(message == stream && size == 8);
    g_assert_cmpint(vp_qmp_splitter_next(&splitter, &at, &n, &message, &size), ==,
                    VP_QMP_SPLIT_MESSAGE);
    g_assert_true(message == stream + 10 && size == 8);
    g_assert_null(splitter.partial.block);
    g_assert_cmpint(vp_qmp_splitter_next(&splitter, &at, &n, &message, &size), ==,
                    VP_QMP_SPLIT_MORE);
    g_assert_cmpuint(splitter.partial.len, ==, 4);
    vp_qmp_splitter_clear(&splitter);
}

/* A message of @size bytes, in pieces of @piece. */
static VpQmpSplit
feed_long(gsize size, gsize piece, const char *line_end, gsize *ret_found)
{
    g_autofree char *bytes = g_malloc(size + 2);
    VpQmpSplitter splitter = VP_QMP_SPLITTER_INIT;
    VpQmpSplit split = VP_QMP_SPLIT_MORE;
    gsize left = size + strlen(line_end);
    char *at = bytes;

    memset(bytes, 'x', size);
    memcpy(bytes + size, line_end, strlen(line_end));
    while (split == VP_QMP_SPLIT_MORE && left > 0) {
        gsize n = MIN(piece, left);
        char *message = NULL;

        left -= n;
        split = vp_qmp_splitter_next(&splitter, &at, &n, &message, ret_found);
    }
    vp_qmp_splitter_clear(&splitter);
    return split;
}

static void
test_limit(void)
{
    static const char *const line_ends[] = { "\r\n", "\n" };
    static const gsize pieces[] = { VP_READ_CHUNK, G_MAXSIZE / 2 };

    for (gsize i = 0; i < G_N_ELEMENTS(line_ends); i++) {
        for (gsize k = 0; k < G_N_ELEMENTS(pieces); k++) {
            gsize size = 0;

            g_assert_cmpint(feed_long(VP_QMP_MESSAGE_MAX, pieces[k], line_ends[i], &size), ==,
                            VP_QMP_SPLIT_MESSAGE);
            g_assert_cmpuint(size, ==, VP_QMP_MESSAGE_MAX);
            g_assert_cmpint(feed_long(VP_QMP_MESSAGE_MAX + 1, pieces[k], line_ends[i], &size), ==,
                            VP_QMP_SPLIT_TOO_LONG);
        }
    }
}

/* A line that never ends is given up as soon as it is too long. */
static void
test_endless(void)
{
    gsize size = 0;

    g_assert_cmpint(feed_long(VP_QMP_MESSAGE_MAX, VP_READ_CHUNK, "", &size), ==,
                    VP_QMP_SPLIT_MORE);
    g_assert_cmpint(feed_long(VP_QMP_MESSAGE_MAX + 2, VP_READ_CHUNK, "", &size), ==,
                    VP_QMP_SPLIT_TOO_LONG);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/splitter/every-split", test_every_split);
    g_test_add_func("/qmp/splitter/no-copy", test_no_copy);
    g_test_add_func("/qmp/splitter/limit", test_limit);
    g_test_add_func("/qmp/splitter/endless", test_endless);
    return g_test_run();
}
