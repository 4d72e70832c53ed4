/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Monitor commands, as commands of virtpass send them. A command that virtpassd adds is unknown
 * where virtpassd does not answer itself; who gets that error is told what it means.
 */

#include "ask.h"

#include "command.h"

#include <libvirt/libvirt-qemu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
print_error(virDomainPtr domain, const VpJsonNode *error)
{
    const char *class = vp_json_get_string(error, "class");

    fprintf(stderr, "error: domain '%s': %s\n", virDomainGetName(domain),
            vp_json_get_string(error, "desc") ?: "the answer is no answer of QEMU's");
    if (g_strcmp0(class, "CommandNotFound") == 0)
        fputs("It takes virtpassd and a dedicated session; 'virtpass sessions' shows them.\n",
              stderr);
}

const VpJsonNode *
vp_take_reply(virDomainPtr domain, const char *reply, VpJsonTree **ret_tree)
{
    g_autoptr(VpJsonTree) tree = vp_json_tree_parse(reply, -1, NULL);
    const VpJsonNode *value = tree ? vp_json_get(vp_json_root(tree), "return") : NULL;

    if (!value) {
        print_error(domain, tree ? vp_json_get(vp_json_root(tree), "error") : NULL);
        return NULL;
    }
    *ret_tree = g_steal_pointer(&tree);
    return value;
}

const VpJsonNode *
vp_ask(virDomainPtr domain, const char *command, VpJsonTree **ret_tree)
{
    const VpJsonNode *value = NULL;
    char *reply = NULL;

    if (virDomainQemuMonitorCommand(domain, command, &reply, 0) < 0) {
        vp_fail_libvirt("monitor command");
        return NULL;
    }
    value = vp_take_reply(domain, reply, ret_tree);
    free(reply);
    return value;
}

int
vp_show_query(const char *domain_name, const char *query, bool json,
              void (*print)(const VpJsonNode *value))
{
    g_autoptr(VpDomainRef) domain = vp_find_domain(domain_name);
    g_autofree char *command = g_strdup_printf("{\"execute\":\"%s\"}", query);
    g_autoptr(VpJsonTree) tree = NULL;
    const VpJsonNode *value = domain ? vp_ask(domain, command, &tree) : NULL;

    if (!value)
        return VP_EXIT_FAILED;
    if (json)
        vp_print_json(value);
    else
        print(value);
    return VP_EXIT_OK;
}

void
vp_print_json(const VpJsonNode *node)
{
    gsize size = 0;
    const char *text = vp_json_text(node, &size);

    fwrite(text, 1, size, stdout);
    putchar('\n');
}
