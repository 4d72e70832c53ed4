/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The words of a dedicated session that the shim adds by itself. They are those of
 * xml/session_words.c, but for the socket, which is beside libvirt's own monitor in the directory
 * of this one run of the guest: libvirt has made that for the guest's user and its confinement, and
 * removes it. The name is as long as that of libvirt's, so that it fits where that one does.
 */

#include "argv/session.h"

#include "plan/shim.h"

static char *
chardev(const char *run_dir)
{
    g_autofree char *path = g_build_filename(run_dir, VP_SHIM_SOCKET, NULL);
    g_auto(GStrv) parts = g_strsplit(path, ",", -1);
    g_autofree char *doubled = g_strjoinv(",,", parts);

    return g_strconcat("socket,id=" VP_SESSION_ID ",path=", doubled, ",server=on,wait=off", NULL);
}

char **
vp_argv_add_session(char *const *words, const char *emulator, const char *run_dir)
{
    g_autoptr(GStrvBuilder) all = g_strv_builder_new();
    g_autofree char *value = run_dir ? chardev(run_dir) : NULL;

    g_strv_builder_add(all, emulator);
    g_strv_builder_addv(all, (const char **)words + 1);
    if (value)
        g_strv_builder_add_many(all, "-chardev", value, "-mon",
                                "chardev=" VP_SESSION_ID ",mode=control", NULL);
    return g_strv_builder_end(all);
}
