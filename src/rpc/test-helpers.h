/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of frames in motion share: frames to send and files that can be told apart. */

#include "rpc/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A new empty file without a name. */
static inline int
make_file(void)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    g_assert_no_errno(fd);
    return fd;
}

/* Which file it is, by whatever descriptor. 0: none. */
static inline ino_t
file_of(int fd)
{
    struct stat st = { 0 };

    return fstat(fd, &st) < 0 ? 0 : st.st_ino;
}

/* Descriptors that this process has open. */
static inline guint
count_fds(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    guint n = 0;

    g_assert_nonnull(dir);
    while (g_dir_read_name(dir))
        n++;
    return n;
}

/* Appends a frame to @out; its payload is @size bytes that depend on @serial. */
static inline void
append_frame(GByteArray *out, VpFrameType type, guint32 serial, gsize size, guint nfds)
{
    const VpHeader header = {
        .program = 0x20008086,
        .version = 1,
        .procedure = serial + 1,
        .type = type,
        .serial = serial,
        .nfds = nfds,
    };
    g_autoptr(GByteArray) frame = g_byte_array_new();
    gsize start = 0;

    vp_frame_begin(frame, &header);
    start = frame->len;
    g_byte_array_set_size(frame, start + size);
    for (gsize i = 0; i < size; i++)
        frame->data[start + i] = serial * 31 + i;
    g_assert_true(vp_frame_end(frame));
    g_byte_array_append(out, frame->data, frame->len);
}
