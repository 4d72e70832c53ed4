/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What can be known of a guest's process from outside: the words in /proc, and the record of the
 * emulator shim in the guest's run-time directory. Both are a page or two, read at once.
 */

#include "qemu_passthrough/process.h"

#include "argv/cmdline.h"
#include "argv/run_dir.h"
#include "base/error.h"
#include "json/tree.h"
#include "plan/shim.h"

char **
vp_process_words(pid_t pid, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", (int)pid);
    g_autofree char *text = NULL;
    g_autoptr(GStrvBuilder) words = g_strv_builder_new();
    gsize size = 0;

    if (!g_file_get_contents(path, &text, &size, error))
        return NULL;
    for (gsize at = 0; at < size; at += strlen(text + at) + 1)
        g_strv_builder_add(words, text + at);
    return g_strv_builder_end(words);
}

static char **
read_words(const VpJsonNode *list)
{
    g_autoptr(GStrvBuilder) words = g_strv_builder_new();

    for (guint i = 0; i < vp_json_length(list); i++) {
        const char *word = vp_json_string(vp_json_at(list, i));

        if (word)
            g_strv_builder_add(words, word);
    }
    return g_strv_builder_end(words);
}

bool
vp_process_record(char *const *words, char ***ret_generated, char ***ret_altered)
{
    g_autoptr(VpCmdline) cmdline = vp_cmdline_parse((const char *const *)words, NULL);
    g_autofree char *dir = cmdline ? vp_cmdline_run_dir(cmdline) : NULL;
    g_autofree char *path = dir ? g_build_filename(dir, VP_SHIM_RECORD, NULL) : NULL;
    g_autoptr(VpJsonTree) tree = NULL;
    g_autofree char *text = NULL;
    const VpJsonNode *root = NULL;

    if (!path || !g_file_get_contents(path, &text, NULL, NULL))
        return false;
    tree = vp_json_tree_parse(text, -1, NULL);
    root = tree ? vp_json_root(tree) : NULL;
    if (!vp_json_is(vp_json_get(root, "generated"), VP_JSON_NODE_ARRAY) ||
        !vp_json_is(vp_json_get(root, "altered"), VP_JSON_NODE_ARRAY))
        return false;
    *ret_generated = read_words(vp_json_get(root, "generated"));
    *ret_altered = read_words(vp_json_get(root, "altered"));
    return true;
}
