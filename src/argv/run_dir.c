/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * libvirt gives each run of a guest a directory of its own, /var/lib/libvirt/qemu/domain-ID-NAME or
 * the like of a session, and removes it with the guest. It is not named on the command line but by
 * what lies in it: the key with which libvirt encrypts secrets for QEMU, which every guest has.
 */

#include "argv/run_dir.h"

#include "argv/value.h"

#include <string.h>

#define KEY_ID "masterKey0"

char *
vp_cmdline_run_dir(const VpCmdline *cmdline)
{
    for (guint i = 0; i < cmdline->options->len; i++) {
        const VpOption *option = cmdline->options->pdata[i];
        g_autofree char *id = NULL, *file = NULL;

        if (!option->row || strcmp(option->row->name, "object") != 0 ||
            !strstr(option->value, KEY_ID))
            continue;
        id = vp_value_get(option->row, option->value, "id");
        file = vp_value_get(option->row, option->value, "file");
        if (g_strcmp0(id, KEY_ID) == 0 && file)
            return g_path_get_dirname(file);
    }
    return NULL;
}
