/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One monitor command there and back: what all calls of the library are made of.
 *
 * The reply is read as a tree, which the object that the caller gets keeps, and whose texts its
 * accessors return. An answer that is not what it should be is told apart from one that is an
 * error: the peer may be of another version than we are.
 */

#include "client/reply.h"

#include "client/failure.h"
#include "client/libvirt-qemu-passthrough.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <stdlib.h>

#define OWN_PREFIX "__org.virtpass_"

VpJsonWriter
vp_client_command(const char *how, const char *name)
{
    VpJsonWriter writer = vp_json_writer();

    vp_json_begin_object(&writer, NULL);
    vp_json_add_string(&writer, how, name);
    return writer;
}

static VpJsonTree *
read_reply(const char *reply)
{
    g_autofree char *message = NULL;
    g_autoptr(VpJsonTree) tree = vp_json_tree_parse(reply, -1, &message);
    const VpJsonNode *root = vp_json_root(tree), *error = vp_json_get(root, "error");

    if (vp_json_get(root, "return"))
        return g_steal_pointer(&tree);
    if (error)
        vp_client_fail_qmp(vp_json_get_string(error, "class"), vp_json_get_string(error, "desc"));
    else
        vp_client_fail(VIR_ERR_INTERNAL_ERROR, "internal error: the answer is no QMP reply: %s",
                       message ?: "it has neither \"return\" nor \"error\"");
    return NULL;
}

VpJsonTree *
vp_client_ask(virDomainPtr dom, VpJsonWriter *command)
{
    g_autofree char *text = NULL;
    char *reply = NULL;
    VpJsonTree *tree = NULL;

    vp_json_end(command);
    text = vp_json_writer_steal(command);
    if (virDomainQemuMonitorCommand(dom, text, &reply, 0) < 0) {
        vp_client_fail_libvirt();
        return NULL;
    }
    tree = read_reply(reply);
    free(reply);
    return tree;
}

VpJsonWriter
vp_client_own_command(const char *name)
{
    g_autofree char *full = g_strconcat(OWN_PREFIX, name, NULL);

    return vp_client_command("execute", full);
}

VpJsonTree *
vp_client_ask_own(virDomainPtr dom, const char *name, VpJsonWriter *command)
{
    g_autoptr(VpJsonTree) tree = vp_client_ask(dom, command);

    if (!tree && g_strcmp0(virtpassGetLastErrorClass(), "CommandNotFound") == 0)
        vp_client_fail(VIR_ERR_NO_SUPPORT, "the connection does not lead through a virtpassd that "
                       "knows the command " OWN_PREFIX "%s", name);
    if (!tree)
        return NULL;
    if (vp_json_is(vp_json_get(vp_json_root(tree), "return"), VP_JSON_NODE_OBJECT))
        return g_steal_pointer(&tree);
    vp_client_fail(VIR_ERR_INTERNAL_ERROR, "internal error: what " OWN_PREFIX "%s has returned is "
                   "no object", name);
    return NULL;
}

GPtrArray *
vp_client_texts(const VpJsonNode *object, const char *key)
{
    const VpJsonNode *list = vp_json_get(object, key);
    g_autoptr(GPtrArray) texts = g_ptr_array_new();
    bool fine = vp_json_is(list, VP_JSON_NODE_ARRAY);

    for (guint i = 0; fine && i < vp_json_length(list); i++) {
        const char *text = vp_json_string(vp_json_at(list, i));

        fine = text != NULL;
        g_ptr_array_add(texts, (gpointer)text);
    }
    if (!fine) {
        vp_client_fail(VIR_ERR_INTERNAL_ERROR, "internal error: what was returned has no list of "
                       "texts \"%s\"", key);
        return NULL;
    }
    g_ptr_array_add(texts, NULL);
    return g_steal_pointer(&texts);
}

int
vp_client_give_texts(const GPtrArray *texts, const char *const **ret_texts)
{
    if (ret_texts)
        *ret_texts = (const char *const *)texts->pdata;
    return texts->len - 1;
}
