/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How long it takes to know what a QEMU can do, in microseconds, one JSON object a repetition:
 *
 *     probe REPETITIONS EMULATOR DIRECTORY
 *
 *   "process"  from a process that is asked
 *   "file"     from what that has left in DIRECTORY
 *   "memory"   once more in the same program, by way of the loop
 */

#include "probe/probe.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>

static void
remove_files(const char *directory)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name = NULL;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(directory, name, NULL);

        g_unlink(path);
    }
}

static void
take(VpQemuFacts *facts, const GError *error, gpointer data)
{
    bool *there = data;

    if (!facts)
        g_error("%s", error->message);
    *there = true;
}

/* Of one answer of @probe. */
static gint64
measure(VpProbe *probe, const char *emulator)
{
    gint64 start = g_get_monotonic_time();
    bool there = false;

    vp_probe_get(probe, emulator, "", take, &there);
    while (!there)
        g_main_context_iteration(NULL, TRUE);
    return g_get_monotonic_time() - start;
}

static void
repeat(VpLoop *loop, const char *emulator, const char *directory)
{
    g_autoptr(VpProbe) first = vp_probe_new(loop, directory);
    g_autoptr(VpProbe) second = vp_probe_new(loop, directory);
    gint64 process = 0, file = 0;

    remove_files(directory);
    process = measure(first, emulator);
    file = measure(second, emulator);
    printf("{\"process\": %" G_GINT64_FORMAT ", \"file\": %" G_GINT64_FORMAT ", \"memory\": %"
           G_GINT64_FORMAT "}\n", process, file, measure(second, emulator));
}

int
main(int argc, char **argv)
{
    g_autoptr(VpLoop) loop = vp_loop_new(NULL, NULL);

    if (argc != 4 || !loop)
        return 2;
    for (int i = atoi(argv[1]); i > 0; i--)
        repeat(loop, argv[2], argv[3]);
    return 0;
}
