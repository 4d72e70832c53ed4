/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What can be known of a guest's process from outside: the words in /proc, and the record of the
 * emulator shim in the guest's run-time directory.
 *
 * The words are in the process's own memory. It can change them, and let who reads them wait; and
 * it is by them that the directory is known. So a thread reads both, no more than a limit of each,
 * and the record has to be a regular file of the user that the process runs as, under its own name.
 */

#include "qemu_passthrough/process.h"

#include "argv/cmdline.h"
#include "argv/run_dir.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/process.h"
#include "json/tree.h"
#include "plan/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* Owned by its work. */
typedef struct Look {
    pid_t pid;
    VpProcessWords found;
    VpProcessFunc func;
    gpointer data;
} Look;

static void
free_look(gpointer data)
{
    Look *look = data;

    g_strfreev(look->found.words);
    g_strfreev(look->found.generated);
    g_strfreev(look->found.altered);
    g_clear_error(&look->found.error);
    g_free(look);
}

/* --- in the thread -------------------------------------------------------- */

/* A file of the process's in /proc. */
static char *
read_proc(pid_t pid, const char *name, gsize max, gsize *ret_size, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int)pid, name);
    vp_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0)
        return vp_file_read(fd, max, ret_size, error);
    vp_error_set_errno(error, errno, "cannot open '%s'", path);
    return NULL;
}

static char **
read_words(pid_t pid, GError **error)
{
    g_auto(VpProcess) process = VP_PROCESS_INIT;
    g_autofree char *text = NULL;
    g_autoptr(GStrvBuilder) words = g_strv_builder_new();
    gsize size = 0;

    if (!vp_process_open(&process, pid, error))
        return NULL;
    text = read_proc(pid, "cmdline", VP_PROCESS_WORDS_MAX, &size, error);
    if (!text)
        return NULL;
    if (!vp_process_is_alive(&process)) {
        vp_refuse(error, VP_ERROR_CLOSED, "process %d has ended", (int)pid);
        return NULL;
    }
    for (gsize at = 0; at < size; at += strlen(text + at) + 1)
        g_strv_builder_add(words, text + at);
    return g_strv_builder_end(words);
}

/* Its effective user, the second number behind "Uid:". */
static bool
read_user(pid_t pid, uid_t *ret_user)
{
    g_autofree char *status = read_proc(pid, "status", VP_PROCESS_STATUS_MAX, NULL, NULL);
    const char *line = status ? strstr(status, "\nUid:\t") : NULL;
    guint real = 0, effective = 0;

    if (!line || sscanf(line, "\nUid:\t%u\t%u", &real, &effective) != 2)
        return false;
    *ret_user = effective;
    return true;
}

static char **
strings_of(const VpJsonNode *list)
{
    g_autoptr(GStrvBuilder) words = g_strv_builder_new();

    for (guint i = 0; i < vp_json_length(list); i++) {
        const char *word = vp_json_string(vp_json_at(list, i));

        if (word)
            g_strv_builder_add(words, word);
    }
    return g_strv_builder_end(words);
}

static char *
read_record(pid_t pid, char *const *words)
{
    g_autoptr(VpCmdline) cmdline = vp_cmdline_parse((const char *const *)words, NULL);
    g_autofree char *dir = cmdline ? vp_cmdline_run_dir(cmdline) : NULL;
    g_autofree char *path = dir ? g_build_filename(dir, VP_SHIM_RECORD, NULL) : NULL;
    VpFileRule rule = { .max = VP_SHIM_RECORD_MAX };
    vp_autofd int fd = -1;

    if (!path || !read_user(pid, &rule.owner))
        return NULL;
    fd = vp_file_open(path, &rule, NULL);
    return fd >= 0 ? vp_file_read(fd, rule.max, NULL, NULL) : NULL;
}

static void
find_record(Look *look)
{
    g_autofree char *text = read_record(look->pid, look->found.words);
    g_autoptr(VpJsonTree) tree = text ? vp_json_tree_parse(text, -1, NULL) : NULL;
    const VpJsonNode *root = tree ? vp_json_root(tree) : NULL;

    if (!vp_json_is(vp_json_get(root, "generated"), VP_JSON_NODE_ARRAY) ||
        !vp_json_is(vp_json_get(root, "altered"), VP_JSON_NODE_ARRAY))
        return;
    look->found.generated = strings_of(vp_json_get(root, "generated"));
    look->found.altered = strings_of(vp_json_get(root, "altered"));
}

static void
look_at_process(gpointer data)
{
    Look *look = data;

    look->found.words = read_words(look->pid, &look->found.error);
    if (look->found.words)
        find_record(look);
}

/* --- in the loop ---------------------------------------------------------- */

static void
on_looked(gpointer data)
{
    Look *look = data;

    look->func(&look->found, look->data);
}

VpWork *
vp_process_look(VpWorkers *workers, const char *owner, pid_t pid, VpProcessFunc func,
                gpointer data)
{
    Look *look = g_new0(Look, 1);

    *look = (Look){ .pid = pid, .func = func, .data = data };
    return vp_work_start(workers, owner, look_at_process, on_looked, look, free_look);
}
