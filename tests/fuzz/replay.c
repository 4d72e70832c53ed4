/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * main() of a fuzz target that is built without libFuzzer: runs it over the files in the
 * directories that are given, in the order of their names, and prints TAP, one test a file. What
 * the fuzzer once found is so tested for ever, in every build and under sanitizers too.
 *
 * A target aborts when it finds something wrong; the file's name is printed before, for that case.
 */

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Appends the paths of the directory's files, sorted; exits when it cannot be read. */
static void
add_files(GPtrArray *paths, const char *directory)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = g_dir_open(directory, 0, &error);
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    const char *name = NULL;

    if (!dir) {
        printf("Bail out! %s\n", error->message);
        exit(EXIT_FAILURE);
    }
    while ((name = g_dir_read_name(dir)))
        g_ptr_array_add(found, g_build_filename(directory, name, NULL));
    g_ptr_array_sort(found, compare_names);
    g_ptr_array_extend_and_steal(paths, g_steal_pointer(&found));
}

static bool
replay(const char *path, guint number)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *bytes = NULL;
    g_autofree guint8 *exact = NULL; /* without GLib's NUL behind it, for AddressSanitizer */
    g_autofree char *name = g_path_get_basename(path);
    gsize size = 0;

    printf("# %s\n", name);
    fflush(stdout);
    if (!g_file_get_contents(path, &bytes, &size, &error)) {
        printf("not ok %u - %s # %s\n", number, name, error->message);
        return false;
    }
    exact = g_memdup2(bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    printf("ok %u - %s\n", number, name);
    fflush(stdout);
    return true;
}

int
main(int argc, char **argv)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    bool good = true;

    for (int i = 1; i < argc; i++)
        add_files(paths, argv[i]);
    if (paths->len == 0) {
        printf("Bail out! no files to replay\n");
        return EXIT_FAILURE;
    }
    printf("1..%u\n", paths->len);
    for (guint i = 0; i < paths->len; i++)
        good &= replay(paths->pdata[i], i + 1);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
