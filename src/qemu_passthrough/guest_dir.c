/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The directory of a running guest: domain-ID-NAME, with the first 20 characters of its name.
 * libvirt counts them by the locale that libvirtd was started in, which we cannot know: in "C"
 * these are bytes, and the last of a character may be missing. The id is that of no other guest, so
 * that one of the two that is there is the right one.
 */

#include "qemu_passthrough/guest_dir.h"

#include "plan/shim.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

/* libvirt's VIR_DOMAIN_SHORT_NAME_MAX */
#define SHORT_NAME_MAX 20

static char *
directory(const char *guests_dir, const char *name, gsize bytes, int id)
{
    return g_strdup_printf("%s/domain-%d-%.*s", guests_dir, id, (int)bytes, name);
}

/* Bytes of that many characters. */
static gsize
size_of_characters(const char *name)
{
    if (!g_utf8_validate(name, -1, NULL) || g_utf8_strlen(name, -1) <= SHORT_NAME_MAX)
        return strlen(name);
    return g_utf8_offset_to_pointer(name, SHORT_NAME_MAX) - name;
}

char *
vp_guest_dir_socket(const char *guests_dir, const char *name, int id)
{
    g_autofree char *by_characters = directory(guests_dir, name, size_of_characters(name), id);
    g_autofree char *by_bytes = directory(guests_dir, name, SHORT_NAME_MAX, id);
    struct stat st;
    bool is_by_bytes = lstat(by_characters, &st) < 0 && lstat(by_bytes, &st) == 0;

    return g_build_filename(is_by_bytes ? by_bytes : by_characters, VP_SHIM_SOCKET, NULL);
}
