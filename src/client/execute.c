/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One monitor command of the caller's, and the version. The arguments are checked before they
 * become a part of the command: what is no JSON object could be more than arguments.
 */

#include "client/failure.h"
#include "client/libvirt-qemu-passthrough.h"
#include "client/reply.h"

#include <libvirt/virterror.h>
#include <string.h>

G_STATIC_ASSERT(LIBVIRT_QEMU_PASSTHROUGH_VERSION_NUMBER == VP_VERSION_NUMBER);

unsigned long
virtpassGetVersion(void)
{
    return VP_VERSION_NUMBER;
}

static int
check_arguments(const char *arguments)
{
    g_autofree char *message = NULL;
    g_autoptr(VpJsonTree) tree = vp_json_tree_parse(arguments, -1, &message);

    if (vp_json_is(vp_json_root(tree), VP_JSON_NODE_OBJECT))
        return 0;
    return vp_client_fail(VIR_ERR_INVALID_ARG, "invalid argument: the arguments are no JSON object"
                          "%s%s", message ? ": " : "", message ?: "");
}

/* Its "return" as text, for free(). */
static char *
copy_return(const VpJsonTree *tree)
{
    gsize size = 0;
    const char *text = vp_json_text(vp_json_get(vp_json_root(tree), "return"), &size);

    return strndup(text, size);
}

int
virtpassDomainExecute(virDomainPtr dom, const char *command, const char *arguments, char **result,
                      unsigned int flags)
{
    bool oob = flags & VIRTPASS_DOMAIN_EXECUTE_OOB;
    g_auto(VpJsonWriter) writer = vp_client_command(oob ? "exec-oob" : "execute", command);
    g_autoptr(VpJsonTree) tree = NULL;

    if (!vp_client_begin(flags, VIRTPASS_DOMAIN_EXECUTE_OOB))
        return -1;
    if (arguments && check_arguments(arguments) < 0)
        return -1;
    if (arguments)
        vp_json_add_raw(&writer, "arguments", arguments, strlen(arguments));
    tree = vp_client_ask(dom, &writer);
    if (!tree)
        return -1;
    if (result)
        *result = copy_return(tree);
    return 0;
}
