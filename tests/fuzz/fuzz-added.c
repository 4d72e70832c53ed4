/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What QEMU says to the added commands. Texts of the human monitor: each parser gives data that is
 * valid JSON, or a line of the text. Replies that lists of ours are put into: valid before, valid
 * behind, and QEMU's part the same.
 */

#include "added/info_mtree.h"
#include "added/info_network.h"
#include "added/info_qtree.h"
#include "added/info_usernet.h"
#include "added/internal.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

/* @line is what was not understood, at least in part. */
static void
check_line(const char *text, const char *line)
{
    g_assert_nonnull(line);
    g_assert_true(*line == '\0' || strstr(text, line));
}

static void
check_converted(const char *text, char *(*convert)(const char *text, char **ret_line))
{
    g_autofree char *line = NULL;
    g_autofree char *json = convert(text, &line);
    g_autoptr(VpJsonTree) tree = json ? vp_json_tree_parse(json, -1, NULL) : NULL;

    if (json)
        g_assert_nonnull(tree);
    else
        check_line(text, line);
}

static void
check_network(const char *text)
{
    g_autofree char *line = NULL;
    g_autoptr(GPtrArray) clients = vp_info_network_parse(text, &line);

    if (!clients)
        check_line(text, line);
    for (guint i = 0; clients && i < clients->len; i++) {
        const VpNetClient *client = g_ptr_array_index(clients, i);

        g_assert_true(*client->name && *client->type);
        g_free(vp_net_text_value(client->text, "script=", ",downscript="));
        g_free(vp_net_text_value(client->text, "fd=", NULL));
    }
}

static void
check_usernet(const char *text)
{
    g_autofree char *line = NULL;
    g_autoptr(GPtrArray) netdevs = vp_info_usernet_parse(text, &line);

    if (!netdevs)
        check_line(text, line);
}

static void
check_extended(const char *reply, char *(*describe)(const char *reply, gsize size))
{
    g_autofree char *extended = describe(reply, strlen(reply));
    g_autoptr(VpJsonTree) before = vp_json_tree_parse(reply, -1, NULL);
    g_autoptr(VpJsonTree) after = NULL;
    const VpJsonNode *old = NULL, *new = NULL;

    if (!before || !extended)
        return;
    after = vp_json_tree_parse(extended, -1, NULL);
    g_assert_nonnull(after);
    old = vp_json_get(vp_json_root(before), "return");
    new = vp_json_get(vp_json_root(after), "return");
    g_assert_cmpuint(vp_json_length(new), >=, vp_json_length(old));
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autofree char *bytes = g_strndup((const char *)data, size);
    g_autofree char *text = g_utf8_make_valid(bytes, -1);

    check_network(text);
    check_usernet(text);
    check_converted(text, vp_info_mtree_convert);
    check_converted(text, vp_info_qtree_convert);
    check_extended(text, vp_describe_commands);
    check_extended(text, vp_describe_schema);
    return 0;
}
