/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Compiling without virtpassd and libvirtd. Without an <emulator> the result may be another one
 * than on the host: libvirtd chooses by what its binaries can do, we by their names only.
 */

#include "offline.h"

#include "argv/compile.h"
#include "base/error.h"
#include "probe/probe.h"

#include <stdio.h>

char *
vp_offline_emulator(const char *named, const char *arch, GError **error)
{
    g_autofree char *name = g_strconcat("qemu-system-", arch ?: "x86_64", NULL);
    char *path = named ? g_strdup(named) : g_find_program_in_path(name);

    if (!path)
        g_set_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED,
                    "the domain has no <emulator>, and there is no %s in PATH", name);
    return path;
}

bool
vp_offline_compile(const VpPlan *wishes, bool facts, char ***ret_words, VpPlan **ret_shim,
                   GError **error)
{
    g_autofree char *cache = vp_probe_cache_dir();
    g_autoptr(VpQemuFacts) binary = NULL;
    g_auto(VpCompiled) compiled = { 0 };

    if (facts) {
        binary = vp_probe_get_blocking(wishes->emulator, cache, error);
        if (!binary)
            return false;
    }
    if (!vp_compile(wishes, binary ? vp_qemu_facts_types(binary) : NULL, NULL, &compiled, error))
        return false;
    for (guint i = 0; i < compiled.warnings->len; i++)
        fprintf(stderr, "warning: %s\n", (const char *)compiled.warnings->pdata[i]);
    *ret_words = g_steal_pointer(&compiled.words);
    *ret_shim = g_steal_pointer(&compiled.shim);
    return true;
}
