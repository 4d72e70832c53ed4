/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as what a peer sends. The first one says how they are read (see MODE_), the second in
 * which pieces; the rest is the stream. A byte of value CARRIER comes with a descriptor.
 *
 * The inbox must find what a plain loop over the whole stream finds, whatever the pieces are, and
 * hand each descriptor to the frame it belongs to or close it. Payloads are walked by every layout
 * with a function that changes the XML and one that changes it back, and decoded as every structure
 * that we know: what was decoded must encode to something that decodes to the same.
 */

#include "base/fd.h"
#include "rpc/inbox.h"
#include "rpc/payload.h"
#include "rpc/walk.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define MODE_SERVER 1    /* the peer is libvirtd */
#define MODE_CARRIERS 2  /* descriptors come with CARRIER bytes, else with none */
#define MODE_HOLD 4      /* each frame is returned once before it is taken */

#define CARRIER 0xf5
#define FILES 4
#define PAYLOADS_MAX 4   /* of one input that are looked into */

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

/* Frames found in a stream. */
typedef struct VpFound {
    GByteArray *frames;     /* of each: its bytes, then the number of the file of each descriptor */
    guint n;
    VpFrameVerdict verdict; /* what ended the search */
} VpFound;

typedef struct VpInput {
    const guint8 *bytes;
    gsize size;
    guint8 mode;
    guint8 pieces;
} VpInput;

/* --- descriptors ------------------------------------------------------------ */

static int files[FILES] = { -1, -1, -1, -1 };

static void
open_files(void)
{
    for (int i = 0; i < FILES && files[i] < 0; i++)
        files[i] = memfd_create("fuzz", MFD_CLOEXEC);
}

static bool
carries(const VpInput *input, gsize at)
{
    return input->mode & MODE_CARRIERS && input->bytes[at] == CARRIER;
}

/* Which of our files it is. */
static guint8
number_of_file(int fd)
{
    struct stat st = { 0 }, ours = { 0 };

    g_assert_no_errno(fstat(fd, &st));
    for (guint8 i = 0; i < FILES; i++) {
        g_assert_no_errno(fstat(files[i], &ours));
        if (ours.st_ino == st.st_ino)
            return i;
    }
    g_assert_not_reached();
}

/* The next descriptor that is free: the same as before when none was lost. */
static int
lowest_free_fd(void)
{
    vp_autofd int fd = dup(files[0]);

    return fd;
}

/* --- frames ----------------------------------------------------------------- */

/* The plain loop. */
static void
find_plainly(const VpInput *input, VpFound *found)
{
    gsize at = 0;

    for (;;) {
        VpHeader header = { 0 };
        gsize left = input->size - at;

        if (left > 0 && input->mode & MODE_SERVER && carries(input, at)) {
            at++;
            continue;
        }
        found->verdict = vp_header_decode(input->bytes + at, left, &header);
        if (found->verdict == VP_FRAME_OK && left < header.length)
            found->verdict = VP_FRAME_INCOMPLETE;
        for (guint i = 0; i < header.nfds && found->verdict == VP_FRAME_OK; i++) {
            if (header.length + i >= left)
                found->verdict = VP_FRAME_INCOMPLETE;
            else if (!carries(input, at + header.length + i))
                found->verdict = VP_FRAME_BAD_FDS;
        }
        if (found->verdict != VP_FRAME_OK)
            return;
        g_byte_array_append(found->frames, input->bytes + at, header.length);
        for (guint i = 0; i < header.nfds; i++) {
            guint8 file = (at + header.length + i) % FILES;

            g_byte_array_append(found->frames, &file, 1);
        }
        found->n++;
        at += header.length + header.nfds;
    }
}

static void
take(VpInbox *inbox, bool hold, VpFound *found)
{
    VpFrame frame = { 0 };
    bool held = false;

    while ((found->verdict = vp_inbox_next(inbox, &frame)) == VP_FRAME_OK) {
        if (hold && !held) {
            held = true;
            vp_inbox_return(inbox);
            vp_inbox_settle(inbox);
            continue;
        }
        held = false;
        found->n++;
        g_byte_array_append(found->frames, frame.bytes, frame.header.length);
        for (guint i = 0; i < frame.header.nfds; i++) {
            guint8 file = number_of_file(frame.fds[i]);

            g_byte_array_append(found->frames, &file, 1);
        }
    }
}

/* Bytes of the next read, which ends right after a carrier. */
static gsize
next_piece(const VpInput *input, gsize at, guint pieces)
{
    gsize left = input->size - at;
    gsize n = pieces == 0 ? left : MIN(left, 1 + (at * 7 + pieces * 13) % pieces);

    for (gsize i = 0; i < n; i++) {
        if (carries(input, at + i))
            return i + 1;
    }
    return n;
}

static void
find_by_inbox(const VpInput *input, guint pieces, VpFound *found)
{
    VpInbox inbox;

    found->verdict = VP_FRAME_INCOMPLETE;
    vp_inbox_init(&inbox,
                  input->mode & MODE_SERVER ? VP_INBOX_FROM_SERVER : VP_INBOX_FROM_CLIENT);
    for (gsize at = 0; at < input->size && found->verdict == VP_FRAME_INCOMPLETE;) {
        gsize n = next_piece(input, at, pieces);
        g_autofree guint8 *piece = g_memdup2(input->bytes + at, n);
        gsize last = at + n - 1;
        int fd = carries(input, last) ? dup(files[last % FILES]) : -1;

        vp_inbox_feed(&inbox, piece, n, &fd, fd >= 0);
        take(&inbox, input->mode & MODE_HOLD, found);
        vp_inbox_settle(&inbox);
        at += n;
    }
    vp_inbox_clear(&inbox);
}

static void
check_pieces(const VpInput *input, guint pieces, const VpFound *expected)
{
    VpFound found = { .frames = g_byte_array_new() };
    int free_fd = lowest_free_fd();

    find_by_inbox(input, pieces, &found);
    g_assert_cmpuint(found.n, ==, expected->n);
    g_assert_cmpint(found.verdict, ==, expected->verdict);
    g_assert_cmpmem(found.frames->data, found.frames->len, expected->frames->data,
                    expected->frames->len);
    g_assert_cmpint(lowest_free_fd(), ==, free_fd);
    g_byte_array_unref(found.frames);
}

/* --- payloads: XML ------------------------------------------------------------ */

/* All that qemu_passthrough/intercept.c has. */
static const char *const layouts[] = {
    "X", "Xu", "sXu", "DsYu", "sYu", "DTu", "Tu", "DYu", "DXu", "ShShX", "hShX", "DYhSh", "oShShX",
    "ohShX", "DYoSShSh", "Tou", "DSTou",
};

/* Which call it is, for a change that is not made everywhere. */
static bool
append_mark(const char *xml, char **ret_xml, gpointer data, GError **error G_GNUC_UNUSED)
{
    guint *n = data;

    if ((*n)++ % 3 < 2)
        *ret_xml = g_strconcat(xml, "<!---->", NULL);
    return true;
}

static bool
remove_mark(const char *xml, char **ret_xml, gpointer data, GError **error G_GNUC_UNUSED)
{
    guint *n = data;

    if ((*n)++ % 3 == 2)
        return true;
    g_assert_true(g_str_has_suffix(xml, "<!---->"));
    *ret_xml = g_strndup(xml, strlen(xml) - strlen("<!---->"));
    return true;
}

static bool
leave(const char *xml G_GNUC_UNUSED, char **ret_xml G_GNUC_UNUSED, gpointer data,
      GError **error G_GNUC_UNUSED)
{
    (*(guint *)data)++;
    return true;
}

static GByteArray *
change(const char *layout, const guint8 *payload, gsize size, VpWalkFunc func, guint *ret_n)
{
    GByteArray *out = NULL;

    *ret_n = 0;
    g_assert_cmpint(vp_walk_xml(layout, payload, size, func, ret_n, &out, NULL), ==,
                    VP_WALK_CHANGED);
    return out;
}

/* There, back and there again: the second time gives what the first one did. (The way back need
 * not give the bytes of the beginning, where padding and what is behind a NUL may be anything.) */
static void
check_changes(const char *layout, const guint8 *payload, gsize size, guint expected)
{
    guint n = 0, n_back = 0, n_again = 0;
    g_autoptr(GByteArray) there = change(layout, payload, size, append_mark, &n);
    g_autoptr(GByteArray) back = change(layout, there->data, there->len, remove_mark, &n_back);
    g_autoptr(GByteArray) again = change(layout, back->data, back->len, append_mark, &n_again);

    g_assert_cmpuint(n, ==, expected);
    g_assert_cmpuint(n_back, ==, expected);
    g_assert_cmpuint(n_again, ==, expected);
    g_assert_cmpuint(back->len, <=, size);
    g_assert_cmpmem(there->data, there->len, again->data, again->len);
}

static void
check_layout(const char *layout, const guint8 *payload, gsize size)
{
    GByteArray *out = NULL;
    guint n = 0;
    VpWalkVerdict verdict = vp_walk_xml(layout, payload, size, leave, &n, &out, NULL);

    g_assert_null(out);
    g_assert_true(verdict == VP_WALK_UNCHANGED || verdict == VP_WALK_MALFORMED);
    if (verdict == VP_WALK_UNCHANGED && n > 0)
        check_changes(layout, payload, size, n);
}

/* --- payloads: structures -------------------------------------------------------- */

#define STRUCTURE(name) { (void *)xdr_##name, sizeof(name) }

static const struct {
    void *func;
    gsize size;
} structures[] = {
    STRUCTURE(vp_domain),
    STRUCTURE(vp_error_body),
    STRUCTURE(vp_event_lifecycle_msg),
    STRUCTURE(vp_event_register_args),
    STRUCTURE(vp_get_xml_args),
    STRUCTURE(vp_list_domains_ret),
    STRUCTURE(vp_monitor_command_args),
    STRUCTURE(vp_monitor_command_ret),
    STRUCTURE(vp_monitor_event_msg),
    STRUCTURE(vp_monitor_event_register_args),
    STRUCTURE(vp_open_args),
    STRUCTURE(vp_set_identity_args),
};

/* Decodes and encodes. NULL: it is no such structure. */
static GByteArray *
recode(void *func, gsize object_size, const guint8 *payload, gsize size)
{
    g_autofree guint8 *object = g_malloc0(object_size);
    g_autoptr(GByteArray) out = g_byte_array_new();

    if (!vp_xdr_decode(payload, size, func, object))
        return NULL;
    g_assert_true(vp_xdr_append(out, func, object));
    vp_xdr_clear(func, object);
    return g_steal_pointer(&out);
}

static void
check_structure(void *func, gsize object_size, const guint8 *payload, gsize size)
{
    g_autoptr(GByteArray) once = recode(func, object_size, payload, size);
    g_autoptr(GByteArray) twice = NULL;

    if (!once)
        return;
    twice = recode(func, object_size, once->data, once->len);
    g_assert_nonnull(twice);
    g_assert_cmpmem(once->data, once->len, twice->data, twice->len);
}

static void
check_payload(const guint8 *bytes, gsize size)
{
    g_autofree guint8 *payload = g_malloc(MAX(size, 1));

    memcpy(payload, bytes, size);
    for (gsize i = 0; i < G_N_ELEMENTS(layouts); i++)
        check_layout(layouts[i], payload, size);
    for (gsize i = 0; i < G_N_ELEMENTS(structures); i++)
        check_structure(structures[i].func, structures[i].size, payload, size);
}

static void
check_payloads(const VpFound *found)
{
    const guint8 *bytes = found->frames->data;

    for (guint i = 0; i < MIN(found->n, PAYLOADS_MAX); i++) {
        VpHeader header = { 0 };
        gsize header_size = 0;

        g_assert_cmpint(vp_header_decode(bytes, found->frames->len, &header), ==, VP_FRAME_OK);
        header_size = vp_header_size(header.type);
        check_payload(bytes + header_size, header.length - header_size);
        bytes += header.length + header.nfds;
    }
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    VpInput input = { 0 };
    VpFound found = { 0 };

    if (size < 2)
        return 0;
    open_files();
    input = (VpInput){ .bytes = data + 2, .size = size - 2, .mode = data[0], .pieces = data[1] };
    found.frames = g_byte_array_new();
    find_plainly(&input, &found);
    check_pieces(&input, 0, &found);
    check_pieces(&input, 1, &found);
    check_pieces(&input, input.pieces, &found);
    check_payloads(&found);
    check_payload(input.bytes, input.size);
    g_byte_array_unref(found.frames);
    return 0;
}
