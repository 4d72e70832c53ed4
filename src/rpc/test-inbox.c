/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A conversation, fed in pieces of every shape that recvmsg() can give it, must come out as
 * the same frames with the same files.
 *
 * As with the kernel a piece ends right after a byte that carries a descriptor.
 */

#include "rpc/inbox.h"

#include "base/fd.h"
#include "rpc/test-helpers.h"

#include <string.h>

#define FILES_MAX 64

/* --- a stream of bytes, some with a descriptor --------------------------- */

typedef struct VpStream {
    GByteArray *bytes;
    gsize carriers[FILES_MAX]; /* position of the byte that carries files[i] */
    int files[FILES_MAX];
    guint n_files;
} VpStream;

static void
stream_init(VpStream *stream)
{
    *stream = (VpStream){ .bytes = g_byte_array_new() };
}

static void
stream_clear(VpStream *stream)
{
    g_byte_array_unref(stream->bytes);
    vp_close_fds(stream->files, stream->n_files);
}

/* The last byte there is carries a new file. */
static void
stream_attach(VpStream *stream)
{
    g_assert_cmpuint(stream->n_files, <, FILES_MAX);
    stream->carriers[stream->n_files] = stream->bytes->len - 1;
    stream->files[stream->n_files++] = make_file();
}

/* A byte that carries a file. */
static void
stream_add_carrier(VpStream *stream)
{
    const guint8 zero = 0;

    g_byte_array_append(stream->bytes, &zero, 1);
    stream_attach(stream);
}

/* A frame with its descriptors. */
static void
stream_add_frame(VpStream *stream, VpFrameType type, guint32 serial, gsize size, guint nfds)
{
    append_frame(stream->bytes, type, serial, size, nfds);
    for (guint i = 0; i < nfds; i++)
        stream_add_carrier(stream);
}

/* A bit of everything, short enough to be split everywhere. */
static void
make_conversation(VpStream *stream)
{
    stream_init(stream);
    stream_add_frame(stream, VP_FRAME_CALL, 0, 0, 0);
    stream_add_frame(stream, VP_FRAME_CALL_WITH_FDS, 1, 4, 1);
    stream_add_frame(stream, VP_FRAME_CALL_WITH_FDS, 2, 0, 0);
    stream_add_frame(stream, VP_FRAME_STREAM, 3, 13, 0);
    stream_add_frame(stream, VP_FRAME_REPLY_WITH_FDS, 4, 0, 3);
    stream_add_frame(stream, VP_FRAME_CALL_WITH_FDS, 5, 7, 2);
    stream_add_frame(stream, VP_FRAME_MESSAGE, 6, 8, 0);
}

/* --- who reads it -------------------------------------------------------- */

typedef struct VpReader {
    VpInbox inbox;
    const VpStream *stream;
    gsize fed;           /* bytes of the stream that went in */
    GByteArray *seen;    /* the frames that came out, without the bytes of their descriptors */
    GArray *files;       /* ino_t of their descriptors, in order */
    guint frames;
    guint hold_each;     /* so often a frame is returned before it is taken */
    guint held;
    VpFrameVerdict verdict; /* the last one of vp_inbox_next() */
} VpReader;

static void
reader_init(VpReader *reader, const VpStream *stream, VpInboxSide side)
{
    *reader = (VpReader){
        .stream = stream,
        .seen = g_byte_array_new(),
        .files = g_array_new(FALSE, FALSE, sizeof(ino_t)),
    };
    vp_inbox_init(&reader->inbox, side);
}

static void
reader_clear(VpReader *reader)
{
    vp_inbox_clear(&reader->inbox);
    g_byte_array_unref(reader->seen);
    g_array_unref(reader->files);
}

static void
take_frame(VpReader *reader, const VpFrame *frame)
{
    gsize header_size = vp_header_size(frame->header.type);

    g_assert_true(frame->payload == frame->bytes + header_size);
    g_assert_cmpuint(frame->payload_size, ==, frame->header.length - header_size);
    g_byte_array_append(reader->seen, frame->bytes, frame->header.length);
    for (guint i = 0; i < frame->header.nfds; i++) {
        ino_t file = file_of(frame->fds[i]);

        g_array_append_val(reader->files, file);
        if (reader->frames % 2) { /* a taker may close them itself */
            vp_autofd int stolen = vp_steal_fd(&frame->fds[i]);

            g_assert_cmpint(stolen, >=, 0);
        }
    }
    reader->frames++;
}

/* Takes what there is. */
static void
reader_take(VpReader *reader)
{
    VpFrame frame = { 0 };

    while ((reader->verdict = vp_inbox_next(&reader->inbox, &frame)) == VP_FRAME_OK) {
        if (reader->held++ < reader->hold_each) {
            vp_inbox_return(&reader->inbox);
            continue;
        }
        reader->held = 0;
        take_frame(reader, &frame);
    }
}

/* Feeds one read of up to @n bytes and takes what came of it. Its bytes are gone afterwards, as
 * they are when the next read uses the same memory. */
static void
reader_feed(VpReader *reader, gsize n)
{
    const VpStream *stream = reader->stream;
    g_autofree guint8 *bytes = NULL;
    int fd = -1;

    n = MIN(n, stream->bytes->len - reader->fed);
    for (guint i = 0; i < stream->n_files; i++) {
        if (stream->carriers[i] < reader->fed || stream->carriers[i] >= reader->fed + n)
            continue;
        n = stream->carriers[i] - reader->fed + 1;
        fd = fcntl(stream->files[i], F_DUPFD_CLOEXEC, 0);
        break;
    }
    bytes = g_memdup2(stream->bytes->data + reader->fed, n);
    reader->fed += n;
    vp_inbox_feed(&reader->inbox, bytes, n, &fd, fd >= 0);
    reader_take(reader);
    vp_inbox_settle(&reader->inbox);
    memset(bytes, 0xee, n);
}

/* Feeds all of the stream, the reads at most @chunk bytes long, one ending at @cut. */
static void
reader_feed_all(VpReader *reader, gsize chunk, gsize cut)
{
    while (reader->fed < reader->stream->bytes->len && reader->verdict <= VP_FRAME_INCOMPLETE) {
        gsize n = chunk;

        if (reader->fed < cut)
            n = MIN(n, cut - reader->fed);
        reader_feed(reader, n);
    }
}

/* The stream's bytes without the carriers, and the files in their order. */
static void
assert_all_seen(const VpReader *reader)
{
    const VpStream *stream = reader->stream;
    g_autoptr(GByteArray) plain = g_byte_array_new();
    guint next = 0;

    for (gsize i = 0; i < stream->bytes->len; i++) {
        if (next < stream->n_files && stream->carriers[next] == i)
            next++;
        else
            g_byte_array_append(plain, stream->bytes->data + i, 1);
    }
    g_assert_cmpint(reader->verdict, ==, VP_FRAME_INCOMPLETE);
    g_assert_cmpmem(reader->seen->data, reader->seen->len, plain->data, plain->len);
    g_assert_cmpuint(reader->files->len, ==, stream->n_files);
    for (guint i = 0; i < stream->n_files; i++)
        g_assert_true(g_array_index(reader->files, ino_t, i) == file_of(stream->files[i]));
}

/* --- splits -------------------------------------------------------------- */

static void
check_split(const VpStream *stream, VpInboxSide side, gsize chunk, gsize cut, guint hold_each)
{
    guint open_fds = count_fds();
    VpReader reader;

    reader_init(&reader, stream, side);
    reader.hold_each = hold_each;
    reader_feed_all(&reader, chunk, cut);
    assert_all_seen(&reader);
    g_assert_cmpuint(reader.inbox.strays, ==, 0);
    g_assert_cmpuint(reader.inbox.pending.len, ==, 0);
    g_assert_cmpuint(count_fds(), ==, open_fds); /* before it is cleared: nothing is kept */
    reader_clear(&reader);
}

/* Two reads, cut at every byte. */
static void
test_every_cut(void)
{
    VpStream stream;

    make_conversation(&stream);
    for (gsize cut = 0; cut <= stream.bytes->len; cut++) {
        check_split(&stream, VP_INBOX_FROM_CLIENT, G_MAXINT, cut, 0);
        check_split(&stream, VP_INBOX_FROM_SERVER, G_MAXINT, cut, 0);
    }
    stream_clear(&stream);
}

/* Reads of one length, from byte by byte on. */
static void
test_every_chunk(void)
{
    VpStream stream;

    make_conversation(&stream);
    for (gsize chunk = 1; chunk <= stream.bytes->len; chunk++) {
        check_split(&stream, VP_INBOX_FROM_CLIENT, chunk, 0, 0);
        check_split(&stream, VP_INBOX_FROM_SERVER, chunk, 0, 0);
    }
    stream_clear(&stream);
}

/* A frame that is returned comes again, with the same bytes and the same files. */
static void
test_returned_frames(void)
{
    VpStream stream;

    make_conversation(&stream);
    for (gsize cut = 0; cut <= stream.bytes->len; cut++) {
        check_split(&stream, VP_INBOX_FROM_CLIENT, G_MAXINT, cut, 1);
        check_split(&stream, VP_INBOX_FROM_SERVER, 5, cut, 3);
    }
    stream_clear(&stream);
}

/* --- frames that stay while their reads go ------------------------------- */

/* Everything at once in one read, taken one frame at a time: the rest outlives the read. */
static void
test_settled_frames(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree guint8 *copy = NULL;
    VpInbox inbox;
    VpFrame frame = { 0 };

    for (guint32 serial = 0; serial < 5; serial++)
        append_frame(bytes, VP_FRAME_CALL, serial, serial * 4, 0);
    copy = g_memdup2(bytes->data, bytes->len);
    vp_inbox_init(&inbox, VP_INBOX_FROM_CLIENT);
    vp_inbox_feed(&inbox, copy, bytes->len, NULL, 0);
    g_assert_cmpint(vp_inbox_next(&inbox, &frame), ==, VP_FRAME_OK);
    g_assert_true(frame.bytes == copy); /* no copy is made where none is needed */
    vp_inbox_settle(&inbox);
    memset(copy, 0xee, bytes->len);
    for (guint32 serial = 1; serial < 5; serial++) {
        g_assert_cmpint(vp_inbox_next(&inbox, &frame), ==, VP_FRAME_OK);
        g_assert_cmpuint(frame.header.serial, ==, serial);
        vp_inbox_return(&inbox);
        vp_inbox_settle(&inbox);
        g_assert_cmpint(vp_inbox_next(&inbox, &frame), ==, VP_FRAME_OK);
        g_assert_cmpuint(frame.header.serial, ==, serial);
        g_assert_cmpuint(frame.payload_size, ==, serial * 4);
    }
    g_assert_cmpint(vp_inbox_next(&inbox, &frame), ==, VP_FRAME_INCOMPLETE);
    g_assert_null(inbox.pending.block);
    vp_inbox_clear(&inbox);
}

/* A held frame keeps its descriptor, and the one that came with the last byte of the read waits
 * for the frame after it. */
static void
test_held_with_descriptors(void)
{
    guint open_fds = count_fds();
    VpStream stream;
    VpReader reader;
    VpFrame frame = { 0 };
    int fd = -1;

    stream_init(&stream);
    stream_add_frame(&stream, VP_FRAME_CALL_WITH_FDS, 0, 4, 1);
    reader_init(&reader, &stream, VP_INBOX_FROM_CLIENT);
    fd = dup(stream.files[0]);
    vp_inbox_feed(&reader.inbox, stream.bytes->data, stream.bytes->len, &fd, 1);
    for (int i = 0; i < 3; i++) {
        g_assert_cmpint(vp_inbox_next(&reader.inbox, &frame), ==, VP_FRAME_OK);
        g_assert_true(file_of(frame.fds[0]) == file_of(stream.files[0]));
        vp_inbox_return(&reader.inbox);
        vp_inbox_settle(&reader.inbox);
    }
    reader_clear(&reader); /* gives the descriptor up as well */
    stream_clear(&stream);

    stream_init(&stream);
    stream_add_frame(&stream, VP_FRAME_CALL, 0, 4, 0);
    stream_add_frame(&stream, VP_FRAME_CALL_WITH_FDS, 1, 4, 1);
    reader_init(&reader, &stream, VP_INBOX_FROM_CLIENT);
    fd = dup(stream.files[0]);
    vp_inbox_feed(&reader.inbox, stream.bytes->data, stream.bytes->len, &fd, 1);
    g_assert_cmpint(vp_inbox_next(&reader.inbox, &frame), ==, VP_FRAME_OK);
    vp_inbox_return(&reader.inbox);
    vp_inbox_settle(&reader.inbox);
    reader_take(&reader);
    assert_all_seen(&reader);
    reader_clear(&reader);
    stream_clear(&stream);
    g_assert_cmpuint(count_fds(), ==, open_fds);
}

/* --- descriptors where none belong --------------------------------------- */

/* At every byte of a frame but those of its descriptors: closed, and the byte is data. For the
 * first byte that is so only from a client. */
static void
test_descriptor_in_body(void)
{
    VpStream plain;
    guint open_fds = count_fds();

    stream_init(&plain);
    append_frame(plain.bytes, VP_FRAME_CALL, 7, 12, 0);
    append_frame(plain.bytes, VP_FRAME_CALL_WITH_FDS, 8, 4, 0);
    for (gsize at = 1; at < plain.bytes->len; at++) {
        VpReader reader;

        plain.n_files = 1;
        plain.files[0] = make_file();
        plain.carriers[0] = at;
        reader_init(&reader, &plain, at % 2 ? VP_INBOX_FROM_CLIENT : VP_INBOX_FROM_SERVER);
        if (at == 40) /* the first byte of the second frame */
            reader.inbox.side = VP_INBOX_FROM_CLIENT;
        reader_feed_all(&reader, G_MAXINT, 0);
        g_assert_cmpmem(reader.seen->data, reader.seen->len, plain.bytes->data, plain.bytes->len);
        g_assert_cmpuint(reader.files->len, ==, 0);
        g_assert_cmpuint(reader.inbox.strays, ==, 0);
        reader_clear(&reader);
        vp_clear_fd(&plain.files[0]);
        g_assert_cmpuint(count_fds(), ==, open_fds);
    }
    plain.n_files = 0;
    stream_clear(&plain);
}

/* libvirtd's echo of descriptors after some errors: swallowed with their bytes, so that the frames
 * around them are found, however the reads are split. */
static void
test_strays_from_server(void)
{
    guint open_fds = count_fds();
    g_autoptr(GByteArray) frames = g_byte_array_new();
    VpStream stream;

    append_frame(frames, VP_FRAME_REPLY, 0, 8, 0);
    append_frame(frames, VP_FRAME_REPLY, 1, 4, 0);
    stream_init(&stream);
    stream_add_carrier(&stream);
    stream_add_frame(&stream, VP_FRAME_REPLY, 0, 8, 0);
    stream_add_carrier(&stream);
    stream_add_carrier(&stream);
    stream_add_frame(&stream, VP_FRAME_REPLY, 1, 4, 0);
    stream_add_carrier(&stream);
    for (gsize cut = 0; cut <= stream.bytes->len; cut++) {
        VpReader reader;

        reader_init(&reader, &stream, VP_INBOX_FROM_SERVER);
        reader.hold_each = cut % 2;
        reader_feed_all(&reader, G_MAXINT, cut);
        g_assert_cmpint(reader.verdict, ==, VP_FRAME_INCOMPLETE);
        g_assert_cmpmem(reader.seen->data, reader.seen->len, frames->data, frames->len);
        g_assert_cmpuint(reader.files->len, ==, 0);
        g_assert_cmpuint(reader.inbox.strays, ==, 4);
        reader_clear(&reader);
    }
    stream_clear(&stream);
    g_assert_cmpuint(count_fds(), ==, open_fds);
}

/* After a frame that has descriptors of its own, the ones too many are strays. */
static void
test_stray_behind_descriptors(void)
{
    VpStream stream;
    VpReader reader;

    stream_init(&stream);
    stream_add_frame(&stream, VP_FRAME_REPLY_WITH_FDS, 0, 4, 2);
    stream_add_carrier(&stream);
    stream_add_frame(&stream, VP_FRAME_REPLY, 1, 0, 0);
    reader_init(&reader, &stream, VP_INBOX_FROM_SERVER);
    reader_feed_all(&reader, G_MAXINT, 0);
    g_assert_cmpuint(reader.frames, ==, 2);
    g_assert_cmpuint(reader.files->len, ==, 2);
    g_assert_true(g_array_index(reader.files, ino_t, 1) == file_of(stream.files[1]));
    g_assert_cmpuint(reader.inbox.strays, ==, 1);
    reader_clear(&reader);
    stream_clear(&stream);
}

/* libvirtd would take the byte of such a client for the start of a frame; so do we. */
static void
test_stray_from_client(void)
{
    VpStream stream;
    VpReader reader;

    stream_init(&stream);
    stream_add_frame(&stream, VP_FRAME_CALL, 0, 4, 0);
    stream_add_carrier(&stream);
    stream_add_frame(&stream, VP_FRAME_CALL, 1, 0, 0);
    reader_init(&reader, &stream, VP_INBOX_FROM_CLIENT);
    reader_feed_all(&reader, G_MAXINT, 0);
    g_assert_cmpuint(reader.frames, ==, 1);
    g_assert_cmpint(reader.verdict, ==, VP_FRAME_BAD_LENGTH); /* 0, 0, 0, 0: one byte off */
    g_assert_cmpuint(reader.inbox.strays, ==, 0);
    reader_clear(&reader);
    stream_clear(&stream);
}

/* --- descriptors that are missing or too many ---------------------------- */

/* The verdict on a frame with @nfds descriptors of which the one with number @bad is wrong: its
 * byte comes with @n files instead of one. */
static VpFrameVerdict
verdict_with_wrong_fds(guint nfds, guint bad, guint n)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VpFrameVerdict verdict = VP_FRAME_INCOMPLETE;
    VpFrame frame = { 0 };
    VpInbox inbox;

    append_frame(bytes, VP_FRAME_CALL_WITH_FDS, 0, 4, nfds);
    vp_inbox_init(&inbox, VP_INBOX_FROM_CLIENT);
    vp_inbox_feed(&inbox, bytes->data, bytes->len, NULL, 0);
    g_assert_cmpint(vp_inbox_next(&inbox, &frame), ==, VP_FRAME_INCOMPLETE);
    vp_inbox_settle(&inbox);
    for (guint i = 0; i < nfds && verdict == VP_FRAME_INCOMPLETE; i++) {
        const guint8 zero = 0;
        int fds[2] = { make_file(), make_file() };
        guint given = i == bad ? n : 1;

        vp_close_fds(fds + given, 2 - given);
        vp_inbox_feed(&inbox, &zero, 1, fds, given);
        verdict = vp_inbox_next(&inbox, &frame);
        vp_inbox_settle(&inbox);
    }
    vp_inbox_clear(&inbox);
    return verdict;
}

static void
test_wrong_descriptors(void)
{
    guint open_fds = count_fds();

    g_assert_cmpint(verdict_with_wrong_fds(1, 0, 1), ==, VP_FRAME_OK);
    g_assert_cmpint(verdict_with_wrong_fds(32, 31, 1), ==, VP_FRAME_OK);
    for (guint bad = 0; bad < 3; bad++) {
        g_assert_cmpint(verdict_with_wrong_fds(3, bad, 0), ==, VP_FRAME_BAD_FDS);
        g_assert_cmpint(verdict_with_wrong_fds(3, bad, 2), ==, VP_FRAME_BAD_FDS);
    }
    g_assert_cmpint(verdict_with_wrong_fds(32, 31, 0), ==, VP_FRAME_BAD_FDS);
    g_assert_cmpuint(count_fds(), ==, open_fds);
}

/* The frame's bytes are followed at once by the next frame where its descriptor should be. */
static void
test_missing_descriptor(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VpFrame frame = { 0 };
    VpInbox inbox;

    append_frame(bytes, VP_FRAME_CALL_WITH_FDS, 0, 4, 1);
    append_frame(bytes, VP_FRAME_CALL, 1, 4, 0);
    vp_inbox_init(&inbox, VP_INBOX_FROM_CLIENT);
    vp_inbox_feed(&inbox, bytes->data, bytes->len, NULL, 0);
    g_assert_cmpint(vp_inbox_next(&inbox, &frame), ==, VP_FRAME_BAD_FDS);
    vp_inbox_clear(&inbox);
}

/* As many as there may be with what comes after them, and one more. */
static void
test_most_descriptors(void)
{
    VpStream stream;
    VpReader reader;

    stream_init(&stream);
    stream_add_frame(&stream, VP_FRAME_CALL_WITH_FDS, 0, 1, VP_FRAME_FDS_MAX);
    stream_add_frame(&stream, VP_FRAME_CALL, 1, 1, 0);
    check_split(&stream, VP_INBOX_FROM_CLIENT, G_MAXINT, 0, 0);
    check_split(&stream, VP_INBOX_FROM_CLIENT, 1, 0, 2);
    stream_clear(&stream);

    stream_init(&stream);
    append_frame(stream.bytes, VP_FRAME_CALL_WITH_FDS, 0, 1, VP_FRAME_FDS_MAX + 1);
    reader_init(&reader, &stream, VP_INBOX_FROM_CLIENT);
    reader_feed_all(&reader, G_MAXINT, 0);
    g_assert_cmpint(reader.verdict, ==, VP_FRAME_BAD_FDS);
    reader_clear(&reader);
    stream_clear(&stream);
}

/* --- lengths ------------------------------------------------------------- */

static void
test_longest_frame(void)
{
    VpStream stream;
    VpReader reader;

    stream_init(&stream);
    stream_add_frame(&stream, VP_FRAME_STREAM, 0, VP_FRAME_MAX - VP_FRAME_MIN, 0);
    stream_add_frame(&stream, VP_FRAME_STREAM, 1, 0, 0);
    reader_init(&reader, &stream, VP_INBOX_FROM_CLIENT);
    reader_feed_all(&reader, VP_READ_CHUNK - 1, 0);
    g_assert_cmpuint(reader.frames, ==, 2);
    g_assert_cmpmem(reader.seen->data, reader.seen->len, stream.bytes->data, stream.bytes->len);
    reader_clear(&reader);
    stream_clear(&stream);
}

/* A lie about the length costs no memory: it is refused before anything else has come. */
static void
test_bad_length(void)
{
    static const guint8 words[][4] = {
        { 0, 0, 0, 0 }, { 0, 0, 0, 27 }, { 2, 0, 0, 5 }, { 0x7f, 0xff, 0xff, 0xff },
        { 0xff, 0xff, 0xff, 0xff },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        VpInbox inbox;
        VpFrame frame = { 0 };

        vp_inbox_init(&inbox, VP_INBOX_FROM_CLIENT);
        vp_inbox_feed(&inbox, words[i], 4, NULL, 0);
        g_assert_cmpint(vp_inbox_next(&inbox, &frame), ==, VP_FRAME_BAD_LENGTH);
        g_assert_cmpint(vp_inbox_next(&inbox, &frame), ==, VP_FRAME_BAD_LENGTH);
        vp_inbox_clear(&inbox);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rpc/inbox/every-cut", test_every_cut);
    g_test_add_func("/rpc/inbox/every-chunk", test_every_chunk);
    g_test_add_func("/rpc/inbox/returned-frames", test_returned_frames);
    g_test_add_func("/rpc/inbox/settled-frames", test_settled_frames);
    g_test_add_func("/rpc/inbox/held-with-descriptors", test_held_with_descriptors);
    g_test_add_func("/rpc/inbox/descriptor-in-body", test_descriptor_in_body);
    g_test_add_func("/rpc/inbox/strays-from-server", test_strays_from_server);
    g_test_add_func("/rpc/inbox/stray-behind-descriptors", test_stray_behind_descriptors);
    g_test_add_func("/rpc/inbox/stray-from-client", test_stray_from_client);
    g_test_add_func("/rpc/inbox/wrong-descriptors", test_wrong_descriptors);
    g_test_add_func("/rpc/inbox/missing-descriptor", test_missing_descriptor);
    g_test_add_func("/rpc/inbox/most-descriptors", test_most_descriptors);
    g_test_add_func("/rpc/inbox/longest-frame", test_longest_frame);
    g_test_add_func("/rpc/inbox/bad-length", test_bad_length);
    return g_test_run();
}
