/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A file is one GVariant: format, emulator, stamp, the program that answered and its stamp, a
 * checksum, and the facts. The program is another one than the emulator where that is a script;
 * then both must be as they were.
 *
 * A file is believed only if nobody but us (or root) could have written it, all that it says of the
 * emulator is still so, and its checksum is right. Everything else is as good as no file: the
 * binary is asked again and the file is written anew, whole (by rename), so that nobody reads half
 * of one.
 */

#include "probe/cache.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "probe/facts_build.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Changes whenever what is stored does, or what is made of QEMU's answers. */
#define FORMAT 1u
#define FILE_TYPE "(usssss" VP_FACTS_TYPE ")"
#define SUFFIX ".facts"

/* Children of the variant. */
enum { FORMAT_CHILD, EMULATOR, STAMP, PROGRAM, PROGRAM_STAMP, CHECKSUM, FACTS };

/* Where QEMU's modules are, from the directory above its own; distributions differ. */
static const char *const module_dirs[] = { "lib/qemu", "lib64/qemu", "libexec/qemu" };

/* --- stamps ----------------------------------------------------------------- */

static void
add_time(GString *stamp, const char *dir)
{
    struct stat status;

    if (stat(dir, &status) == 0)
        g_string_append_printf(stamp, " %s@%" G_GINT64_FORMAT ".%09ld", dir,
                               (gint64)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

/* Debian's: lib/x86_64-linux-gnu/qemu, for every architecture that is there. */
static void
add_multiarch(GString *stamp, const char *prefix)
{
    g_autofree char *lib = g_build_filename(prefix, "lib", NULL);
    g_autoptr(GDir) dir = g_dir_open(lib, 0, NULL);
    const char *name = NULL;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *modules = g_build_filename(lib, name, "qemu", NULL);

        if (strstr(name, "-linux-gnu"))
            add_time(stamp, modules);
    }
}

char *
vp_probe_stamp(const char *emulator)
{
    char *resolved = realpath(emulator, NULL); /* none for what is deleted, under /proc */
    g_autofree char *path = g_strdup(resolved ?: emulator);
    g_autofree char *bin = NULL;
    g_autofree char *prefix = NULL;
    g_autoptr(GString) stamp = NULL;
    struct stat status;

    free(resolved);
    if (stat(path, &status) < 0)
        return NULL;
    bin = g_path_get_dirname(path);
    prefix = g_path_get_dirname(bin);
    stamp = g_string_new(NULL);
    g_string_append_printf(stamp, "%s %" G_GINT64_FORMAT " %" G_GINT64_FORMAT ".%09ld", path,
                           (gint64)status.st_size, (gint64)status.st_ctim.tv_sec,
                           status.st_ctim.tv_nsec);
    for (gsize i = 0; i < G_N_ELEMENTS(module_dirs); i++) {
        g_autofree char *dir = g_build_filename(prefix, module_dirs[i], NULL);

        add_time(stamp, dir);
    }
    add_multiarch(stamp, prefix);
    return g_string_free(g_steal_pointer(&stamp), FALSE);
}

/* --- files ------------------------------------------------------------------ */

/* Whether the emulator's name will mean the same tomorrow. */
static bool
is_lasting(const char *emulator)
{
    return !g_str_has_prefix(emulator, "/proc/");
}

static char *
file_name(const char *dir, const char *emulator)
{
    g_autofree char *base = g_path_get_basename(emulator);
    g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, emulator, -1);
    g_autofree char *name = g_strdup_printf("%.64s-%.16s" SUFFIX, base, hash);

    return g_build_filename(dir, name, NULL);
}

static char *
checksum(GVariant *facts)
{
    g_autoptr(GBytes) bytes = g_variant_get_data_as_bytes(facts);

    return g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes);
}

/* Nobody else can have written it. */
static bool
is_ours(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
           (status.st_uid == geteuid() || status.st_uid == 0) &&
           (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static GBytes *
read_file(const char *path)
{
    vp_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    GMappedFile *mapped = NULL;
    GBytes *bytes = NULL;

    if (fd < 0)
        return NULL;
    if (!is_ours(fd)) {
        vp_log_warning("'%s' is not used: others may have written it", path);
        return NULL;
    }
    mapped = g_mapped_file_new_from_fd(fd, FALSE, NULL);
    if (!mapped)
        return NULL;
    bytes = g_mapped_file_get_bytes(mapped);
    g_mapped_file_unref(mapped);
    return bytes;
}

static bool
child_is(GVariant *file, guint child, const char *text)
{
    const char *found = NULL;

    g_variant_get_child(file, child, "&s", &found);
    return g_strcmp0(found, text) == 0;
}

/* What answered is still what it was; nothing is to be known of a program that has no name. */
static bool
program_is_same(GVariant *file)
{
    g_autofree char *stamp = NULL;
    const char *program = NULL;

    g_variant_get_child(file, PROGRAM, "&s", &program);
    if (*program == '\0')
        return true;
    stamp = vp_probe_stamp(program);
    return stamp && child_is(file, PROGRAM_STAMP, stamp);
}

/* The facts if @file is what it should be. */
static GVariant *
check_file(GVariant *file, const char *emulator, const char *stamp)
{
    g_autoptr(GVariant) facts = NULL;
    g_autofree char *sum = NULL;
    guint32 format = 0;

    g_variant_get_child(file, FORMAT_CHILD, "u", &format);
    if (format != FORMAT || !child_is(file, EMULATOR, emulator) ||
        !child_is(file, STAMP, stamp) || !program_is_same(file))
        return NULL;
    facts = g_variant_get_child_value(file, FACTS);
    sum = checksum(facts);
    return child_is(file, CHECKSUM, sum) ? g_steal_pointer(&facts) : NULL;
}

GVariant *
vp_probe_cache_load(const char *dir, const char *emulator, const char *stamp)
{
    g_autofree char *path = file_name(dir, emulator);
    g_autoptr(GBytes) bytes = is_lasting(emulator) ? read_file(path) : NULL;
    g_autoptr(GVariant) file = NULL;

    if (!bytes)
        return NULL;
    file = g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(FILE_TYPE), bytes, FALSE));
    return g_variant_is_normal_form(file) ? check_file(file, emulator, stamp) : NULL;
}

/* The oldest files go, until there is room for one more. */
static void
make_room(const char *dir_name)
{
    g_autoptr(GDir) dir = g_dir_open(dir_name, 0, NULL);
    g_autofree char *oldest = NULL;
    const char *name = NULL;
    gint64 oldest_time = G_MAXINT64;
    guint n = 0;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(dir_name, name, NULL);
        struct stat status;

        if (!g_str_has_suffix(name, SUFFIX) || lstat(path, &status) < 0)
            continue;
        n++;
        if (status.st_mtime < oldest_time) {
            g_free(oldest);
            oldest = g_steal_pointer(&path);
            oldest_time = status.st_mtime;
        }
    }
    if (n >= VP_PROBE_FILES_MAX)
        g_unlink(oldest);
}

void
vp_probe_cache_store(const char *dir, const char *emulator, const char *stamp, const char *program,
                     GVariant *facts)
{
    g_autofree char *path = file_name(dir, emulator);
    g_autofree char *program_stamp = program ? vp_probe_stamp(program) : NULL;
    g_autofree char *sum = checksum(facts);
    g_autoptr(GVariant) file = NULL;
    g_autoptr(GError) error = NULL;

    if (!is_lasting(emulator))
        return;
    file = g_variant_ref_sink(g_variant_new("(usssss@" VP_FACTS_TYPE ")", FORMAT, emulator, stamp,
                                            program_stamp ? program : "", program_stamp ?: "", sum,
                                            facts));
    if (g_mkdir_with_parents(dir, 0755) < 0) {
        vp_log_warning("cannot make directory '%s' to keep what '%s' can do: %s", dir, emulator,
                       g_strerror(errno));
        return;
    }
    /* Newer GLib (as of 2.84) gives the new file the mode of the old one, which may be why it is
     * replaced. */
    if (g_unlink(path) < 0)
        make_room(dir);
    if (!g_file_set_contents_full(path, g_variant_get_data(file), g_variant_get_size(file),
                                  G_FILE_SET_CONTENTS_CONSISTENT, 0644, &error))
        vp_log_warning("cannot keep what '%s' can do: %s", emulator, error->message);
}
