/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Headers as bytes, spelled out from the description of the protocol. */

#include "rpc/frame.h"

#include <string.h>

/* DOMAIN_GET_XML_DESC as libvirt's client sends it, shortened: the payload is one word. */
static const guint8 call[] = {
    0x00, 0x00, 0x00, 0x20, /* length: 32, this word included */
    0x20, 0x00, 0x80, 0x86, /* program: REMOTE */
    0x00, 0x00, 0x00, 0x01, /* version */
    0x00, 0x00, 0x00, 0x0e, /* procedure: 14 */
    0x00, 0x00, 0x00, 0x00, /* type: call */
    0x01, 0x02, 0x03, 0x04, /* serial */
    0x00, 0x00, 0x00, 0x00, /* status: ok */
    0xca, 0xfe, 0xba, 0xbe, /* payload */
};

static const VpHeader call_header = {
    .length = 32,
    .program = 0x20008086,
    .version = 1,
    .procedure = 14,
    .type = VP_FRAME_CALL,
    .serial = 0x01020304,
    .status = VP_STATUS_OK,
};

static const guint8 reply_with_fds[] = {
    0x00, 0x00, 0x00, 0x24, /* length: 36; the bytes with the descriptors do not count */
    0x20, 0x00, 0x80, 0x87, /* program: QEMU */
    0x00, 0x00, 0x00, 0x02, /* version, as nobody uses it */
    0xff, 0xff, 0xff, 0xfe, /* procedure: -2, it is signed */
    0x00, 0x00, 0x00, 0x05, /* type: reply with descriptors */
    0xff, 0xff, 0xff, 0xff, /* serial: the last one */
    0x00, 0x00, 0x00, 0x02, /* status: continue */
    0x00, 0x00, 0x00, 0x20, /* descriptors: 32 */
    0x00, 0x00, 0x00, 0x00, /* payload */
};

static const VpHeader reply_with_fds_header = {
    .length = 36,
    .program = 0x20008087,
    .version = 2,
    .procedure = -2,
    .type = VP_FRAME_REPLY_WITH_FDS,
    .serial = 0xffffffff,
    .status = VP_STATUS_CONTINUE,
    .nfds = 32,
};

static void
assert_same_header(const VpHeader *found, const VpHeader *expected)
{
    g_assert_cmpuint(found->length, ==, expected->length);
    g_assert_cmphex(found->program, ==, expected->program);
    g_assert_cmpuint(found->version, ==, expected->version);
    g_assert_cmpint(found->procedure, ==, expected->procedure);
    g_assert_cmpuint(found->type, ==, expected->type);
    g_assert_cmphex(found->serial, ==, expected->serial);
    g_assert_cmpuint(found->status, ==, expected->status);
    g_assert_cmpuint(found->nfds, ==, expected->nfds);
}

/* Decodes from a heap block of exactly @n bytes, so that a sanitizer sees a read behind it. */
static VpFrameVerdict
decode_exact(const guint8 *bytes, gsize n, VpHeader *ret_header)
{
    g_autofree guint8 *copy = g_memdup2(bytes, n);

    return vp_header_decode(copy, n, ret_header);
}

static void
test_decode(void)
{
    VpHeader header = { 0 };

    g_assert_cmpint(decode_exact(call, sizeof(call), &header), ==, VP_FRAME_OK);
    assert_same_header(&header, &call_header);
    g_assert_cmpint(decode_exact(reply_with_fds, sizeof(reply_with_fds), &header), ==, VP_FRAME_OK);
    assert_same_header(&header, &reply_with_fds_header);
}

static void
encode(const VpHeader *header, const guint8 *payload, gsize n, GByteArray *out)
{
    vp_frame_begin(out, header);
    g_byte_array_append(out, payload, n);
    g_assert_true(vp_frame_end(out));
}

/* The length is computed; what stands in the header for it does not matter. */
static void
test_encode(void)
{
    g_autoptr(GByteArray) plain = g_byte_array_new();
    g_autoptr(GByteArray) with_fds = g_byte_array_new();
    VpHeader header = call_header;

    header.length = 99;
    encode(&header, call + 28, 4, plain);
    g_assert_cmpmem(plain->data, plain->len, call, sizeof(call));
    encode(&reply_with_fds_header, reply_with_fds + 32, 4, with_fds);
    g_assert_cmpmem(with_fds->data, with_fds->len, reply_with_fds, sizeof(reply_with_fds));
}

static void
test_words(void)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    const guint8 expected[] = { 0x12, 0x34, 0x56, 0x78, 0xff, 0xfe, 0xfd, 0xfc };

    vp_append_u32(out, 0x12345678);
    vp_append_u32(out, 0xfffefdfc);
    g_assert_cmpmem(out->data, out->len, expected, sizeof(expected));
    g_assert_cmphex(vp_get_u32(expected), ==, 0x12345678);
    g_assert_cmphex(vp_get_u32(expected + 4), ==, 0xfffefdfc);
}

/* Every prefix of a header; nothing is written before it is whole. */
static void
test_incomplete(void)
{
    for (gsize n = 0; n <= 40; n++) {
        guint8 bytes[40] = { 0 };
        VpHeader header = { .serial = 77 };
        VpFrameVerdict verdict = VP_FRAME_OK;

        memcpy(bytes, call, sizeof(call));
        verdict = decode_exact(bytes, n, &header);
        g_assert_cmpint(verdict, ==, n < 28 ? VP_FRAME_INCOMPLETE : VP_FRAME_OK);
        g_assert_cmphex(header.serial, ==, n < 28 ? 77 : 0x01020304);

        memcpy(bytes, reply_with_fds, sizeof(reply_with_fds));
        header.serial = 77;
        verdict = decode_exact(bytes, n, &header);
        g_assert_cmpint(verdict, ==, n < 32 ? VP_FRAME_INCOMPLETE : VP_FRAME_OK);
        g_assert_cmphex(header.serial, ==, n < 32 ? 77 : 0xffffffff);
    }
}

static void
put_word(guint8 *bytes, guint32 value)
{
    value = GUINT32_TO_BE(value);
    memcpy(bytes, &value, sizeof(value));
}

static VpFrameVerdict
decode_length(const guint8 *frame, gsize n, guint32 length)
{
    guint8 bytes[40] = { 0 };
    VpHeader header = { 0 };

    memcpy(bytes, frame, MIN(n, sizeof(reply_with_fds)));
    put_word(bytes, length);
    return decode_exact(bytes, n, &header);
}

static void
test_lengths(void)
{
    static const struct {
        guint32 length;
        VpFrameVerdict plain, with_fds;
    } cases[] = {
        { 28, VP_FRAME_OK, VP_FRAME_BAD_LENGTH },
        { 29, VP_FRAME_OK, VP_FRAME_BAD_LENGTH },
        { 31, VP_FRAME_OK, VP_FRAME_BAD_LENGTH },
        { 32, VP_FRAME_OK, VP_FRAME_OK },
        { 33, VP_FRAME_OK, VP_FRAME_OK }, /* libvirt does not insist on whole words */
        { 33554436, VP_FRAME_OK, VP_FRAME_OK },
        { 33554437, VP_FRAME_BAD_LENGTH, VP_FRAME_BAD_LENGTH },
        { 0x7fffffff, VP_FRAME_BAD_LENGTH, VP_FRAME_BAD_LENGTH },
        { 0x80000000, VP_FRAME_BAD_LENGTH, VP_FRAME_BAD_LENGTH },
        { 0xffffffff, VP_FRAME_BAD_LENGTH, VP_FRAME_BAD_LENGTH },
    };

    g_assert_cmpuint(VP_FRAME_MAX, ==, 33554436);
    for (guint32 length = 0; length < 28; length++)
        g_assert_cmpint(decode_length(call, 32, length), ==, VP_FRAME_BAD_LENGTH);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpint(decode_length(call, 32, cases[i].length), ==, cases[i].plain);
        g_assert_cmpint(decode_length(reply_with_fds, 36, cases[i].length), ==, cases[i].with_fds);
    }
}

/* A length that cannot be is refused with its fourth byte, and a frame too short for the number of
 * its descriptors before that would be read. */
static void
test_lengths_are_judged_early(void)
{
    g_assert_cmpint(decode_length(call, 3, 27), ==, VP_FRAME_INCOMPLETE);
    g_assert_cmpint(decode_length(call, 4, 27), ==, VP_FRAME_BAD_LENGTH);
    g_assert_cmpint(decode_length(call, 4, VP_FRAME_MAX + 1), ==, VP_FRAME_BAD_LENGTH);
    g_assert_cmpint(decode_length(call, 4, VP_FRAME_MAX), ==, VP_FRAME_INCOMPLETE);
    g_assert_cmpint(decode_length(reply_with_fds, 28, 31), ==, VP_FRAME_BAD_LENGTH);
    g_assert_cmpint(decode_length(reply_with_fds, 28, 32), ==, VP_FRAME_INCOMPLETE);
}

static VpFrameVerdict
decode_nfds(guint32 type, guint32 nfds, guint32 *ret_nfds)
{
    guint8 bytes[sizeof(reply_with_fds)];
    VpHeader header = { .nfds = 4711 };
    VpFrameVerdict verdict = VP_FRAME_OK;

    memcpy(bytes, reply_with_fds, sizeof(bytes));
    put_word(bytes + 16, type);
    put_word(bytes + 28, nfds);
    verdict = decode_exact(bytes, sizeof(bytes), &header);
    *ret_nfds = header.nfds;
    return verdict;
}

static void
test_descriptors(void)
{
    static const guint32 types[] = { VP_FRAME_CALL_WITH_FDS, VP_FRAME_REPLY_WITH_FDS };
    guint32 found = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        for (guint32 nfds = 0; nfds <= 32; nfds++) {
            g_assert_cmpint(decode_nfds(types[i], nfds, &found), ==, VP_FRAME_OK);
            g_assert_cmpuint(found, ==, nfds);
        }
        g_assert_cmpint(decode_nfds(types[i], 33, &found), ==, VP_FRAME_BAD_FDS);
        g_assert_cmpint(decode_nfds(types[i], 0xffffffff, &found), ==, VP_FRAME_BAD_FDS);
        g_assert_cmpuint(found, ==, 4711);
    }
}

/* In all other types, also in those to come, that word is payload. */
static void
test_types_without_descriptors(void)
{
    static const guint32 types[] = {
        VP_FRAME_CALL, VP_FRAME_REPLY, VP_FRAME_MESSAGE, VP_FRAME_STREAM, VP_FRAME_STREAM_HOLE,
        7, 0x7fffffff, 0xffffffff,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        guint32 found = 1;

        g_assert_cmpint(decode_nfds(types[i], 0xffffffff, &found), ==, VP_FRAME_OK);
        g_assert_cmpuint(found, ==, 0);
        g_assert_false(vp_header_has_fds(types[i]));
        g_assert_cmpuint(vp_header_size(types[i]), ==, 28);
    }
    g_assert_cmpuint(vp_header_size(VP_FRAME_CALL_WITH_FDS), ==, 32);
    g_assert_cmpuint(vp_header_size(VP_FRAME_REPLY_WITH_FDS), ==, 32);
}

/* The longest frame that libvirt takes, and one byte more. */
static void
test_encode_limit(void)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    guint end = VP_FRAME_MAX;
    guint8 last = 0;

    vp_frame_begin(out, &call_header);
    g_byte_array_set_size(out, end);
    g_assert_true(vp_frame_end(out));
    g_assert_cmphex(vp_get_u32(out->data), ==, 0x02000004);
    g_byte_array_append(out, &last, 1);
    g_assert_false(vp_frame_end(out));
}

static void
test_names(void)
{
    static const VpFrameVerdict verdicts[] = {
        VP_FRAME_OK, VP_FRAME_INCOMPLETE, VP_FRAME_BAD_LENGTH, VP_FRAME_BAD_FDS,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(verdicts); i++) {
        for (gsize k = 0; k < i; k++) {
            g_assert_cmpstr(vp_frame_verdict_text(verdicts[i]), !=,
                            vp_frame_verdict_text(verdicts[k]));
        }
    }
    g_assert_cmpstr(vp_frame_type_names[VP_FRAME_CALL], ==, "call");
    g_assert_cmpstr(vp_frame_type_names[VP_FRAME_CALL_WITH_FDS], ==, "call-with-fds");
    g_assert_cmpstr(vp_frame_type_names[VP_FRAME_STREAM_HOLE], ==, "stream-hole");
    g_assert_null(vp_frame_type_names[VP_FRAME_STREAM_HOLE + 1]);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rpc/frame/decode", test_decode);
    g_test_add_func("/rpc/frame/encode", test_encode);
    g_test_add_func("/rpc/frame/words", test_words);
    g_test_add_func("/rpc/frame/incomplete", test_incomplete);
    g_test_add_func("/rpc/frame/lengths", test_lengths);
    g_test_add_func("/rpc/frame/lengths-are-judged-early", test_lengths_are_judged_early);
    g_test_add_func("/rpc/frame/descriptors", test_descriptors);
    g_test_add_func("/rpc/frame/types-without-descriptors", test_types_without_descriptors);
    g_test_add_func("/rpc/frame/encode-limit", test_encode_limit);
    g_test_add_func("/rpc/frame/names", test_names);
    return g_test_run();
}
