/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where names of descriptors stand in commands, and that nothing else is touched. */

#include "qmp_server/names.h"

#include "base/limits.h"

#include <string.h>

#define P "c7_"

/* @arguments with the names in it made private; the names, with "|" behind each, in *ret_names. */
static char *
rewrite(const char *command, const char *arguments, char **ret_names)
{
    g_autofree char *quoted = g_strdup_printf("\"%s\"", command);
    g_autoptr(GArray) edits = NULL;
    g_autoptr(GPtrArray) names = NULL;
    g_autoptr(GString) list = g_string_new(NULL);
    VpJsonSlice text = { arguments, strlen(arguments) };

    vp_qmp_names_find((VpJsonSlice){ quoted, strlen(quoted) }, text, P, &edits, &names);
    for (guint i = 0; names && i < names->len; i++)
        g_string_append_printf(list, "%s|", (char *)g_ptr_array_index(names, i));
    *ret_names = g_string_free(g_steal_pointer(&list), FALSE);
    g_assert_true(!edits == !names);
    return edits ? g_string_free(vp_qmp_edits_apply(edits, text), FALSE) : g_strdup(arguments);
}

static void
test_places(void)
{
    static const struct {
        const char *command;
        const char *before;
        const char *after; /* NULL: the same */
        const char *names;
    } cases[] = {
        { "getfd", "{\"fdname\": \"a\"}", "{\"fdname\": \"" P "a\"}", P "a|" },
        { "closefd", "{\"fdname\":\"\"}", "{\"fdname\":\"" P "\"}", P "|" },
        { "getfd", "{\"fdname\": \"1a\"}", NULL, "" },
        { "getfd", "{\"fdname\": \"\\u0031\"}", NULL, "" },
        { "netdev_add", "{\"fds\": \"1:\\u0031\"}", NULL, "" },
        { "getfd", "{\"fdname\": 1}", NULL, "" },
        { "getfd", "{\"fdname\": null, \"x\": \"a\"}", NULL, "" },
        { "getfd", "[\"fdname\"]", NULL, "" },
        { "get\\u0066d", "{\"\\u0066dname\": \"\\u0061\\\"\"}",
          "{\"\\u0066dname\": \"" P "a\\\"\"}", P "a\"|" },
        { "add_client", "{\"protocol\": \"vnc\", \"fdname\": \"v\"}",
          "{\"protocol\": \"vnc\", \"fdname\": \"" P "v\"}", P "v|" },
        { "netdev_add", "{\"type\": \"tap\", \"id\": \"n\", \"fd\": \"a\", \"vhostfd\": \"b\"}",
          "{\"type\": \"tap\", \"id\": \"n\", \"fd\": \"" P "a\", \"vhostfd\": \"" P "b\"}",
          P "a|" P "b|" },
        { "netdev_add", "{\"vhostfds\": \"x\", \"fds\": \"a:12:b\"}",
          "{\"vhostfds\": \"" P "x\", \"fds\": \"" P "a:12:" P "b\"}", P "a|" P "b|" P "x|" },
        { "netdev_add", "{\"type\": \"stream\", \"addr\": {\"type\": \"fd\", \"str\": \"s\"}}",
          "{\"type\": \"stream\", \"addr\": {\"type\": \"fd\", \"str\": \"" P "s\"}}", P "s|" },
        { "device_add", "{\"driver\": \"vhost-vsock-pci\", \"vhostfd\": \"v\"}",
          "{\"driver\": \"vhost-vsock-pci\", \"vhostfd\": \"" P "v\"}", P "v|" },
        { "object-add", "{\"qom-type\": \"iommufd\", \"fd\": \"i\"}",
          "{\"qom-type\": \"iommufd\", \"fd\": \"" P "i\"}", P "i|" },
        { "migrate", "{\"uri\": \"fd:m\"}", "{\"uri\": \"fd:" P "m\"}", P "m|" },
        { "migrate", "{\"uri\": \"fd:12\"}", NULL, "" },
        { "migrate", "{\"uri\": \"unix:/fd:m\"}", NULL, "" },
        { "migrate",
          "{\"channels\": [{\"channel-type\": \"main\", \"addr\": {\"transport\": \"socket\", "
          "\"type\": \"fd\", \"str\": \"m\"}}]}",
          "{\"channels\": [{\"channel-type\": \"main\", \"addr\": {\"transport\": \"socket\", "
          "\"type\": \"fd\", \"str\": \"" P "m\"}}]}", P "m|" },
        { "migrate-incoming", "{\"uri\": \"fd:m\"}", "{\"uri\": \"fd:" P "m\"}", P "m|" },
        { "migrate-recover", "{\"uri\": \"fd:m\"}", "{\"uri\": \"fd:" P "m\"}", P "m|" },
        { "dump-guest-memory", "{\"paging\": false, \"protocol\": \"fd:d\"}",
          "{\"paging\": false, \"protocol\": \"fd:" P "d\"}", P "d|" },
        { "chardev-add",
          "{\"id\": \"c\", \"backend\": {\"type\": \"socket\", \"data\": {\"addr\": {\"type\": "
          "\"fd\", \"data\": {\"str\": \"s\"}}}}}",
          "{\"id\": \"c\", \"backend\": {\"type\": \"socket\", \"data\": {\"addr\": {\"type\": "
          "\"fd\", \"data\": {\"str\": \"" P "s\"}}}}}", P "s|" },
        { "nbd-server-start", "{\"addr\": {\"type\": \"fd\", \"data\": {\"str\": \"s\"}}}",
          "{\"addr\": {\"type\": \"fd\", \"data\": {\"str\": \"" P "s\"}}}", P "s|" },
        { "blockdev-add",
          "{\"driver\": \"raw\", \"file\": {\"driver\": \"nbd\", \"server\": {\"type\": \"fd\", "
          "\"str\": \"s\"}}}",
          "{\"driver\": \"raw\", \"file\": {\"driver\": \"nbd\", \"server\": {\"type\": \"fd\", "
          "\"str\": \"" P "s\"}}}", P "s|" },
        { "blockdev-add", "{\"server\": {\"type\": \"unix\", \"str\": \"s\"}}", NULL, "" },
        { "query-status", "{\"fdname\": \"a\", \"addr\": {\"type\": \"fd\", \"str\": \"s\"}}", NULL,
          "" },
        { "human-monitor-command", "{\"command-line\": \"getfd a\"}", NULL, "" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *names = NULL;
        g_autofree char *after = rewrite(cases[i].command, cases[i].before, &names);

        g_assert_cmpstr(after, ==, cases[i].after ?: cases[i].before);
        g_assert_cmpstr(names, ==, cases[i].names);
    }
}

/* @depth brackets around the address. */
static bool
is_found(guint depth)
{
    g_autofree char *openers = g_strnfill(depth, '[');
    g_autofree char *closers = g_strnfill(depth, ']');
    g_autofree char *text = g_strconcat(openers, "{\"type\": \"fd\", \"str\": \"s\"}", closers,
                                        NULL);
    g_autofree char *names = NULL;
    g_autofree char *after = rewrite("blockdev-add", text, &names);

    g_assert_cmpint(strcmp(text, after) != 0, ==, *names != '\0');
    return *names != '\0';
}

static void
test_depth(void)
{
    g_assert_true(is_found(VP_QMP_NAMES_DEPTH_MAX));
    g_assert_false(is_found(VP_QMP_NAMES_DEPTH_MAX + 1));
}

/* How many of @n names in a list are left, each with the prefix. */
static guint
count_list(guint n)
{
    g_autoptr(GString) text = g_string_new("{\"fds\": \"a");
    g_autofree char *names = NULL, *after = NULL;
    g_auto(GStrv) found = NULL;

    for (guint i = 1; i < n; i++)
        g_string_append(text, ":a");
    g_string_append(text, "\"}");
    after = rewrite("netdev_add", text->str, &names);
    found = g_strsplit(after, P "a", -1);
    g_assert_null(strstr(after, ":a"));
    return g_strv_length(found) - 1;
}

static void
test_list(void)
{
    g_assert_cmpuint(count_list(VP_QMP_LIST_MAX), ==, VP_QMP_LIST_MAX);
    g_assert_cmpuint(count_list(VP_QMP_LIST_MAX + 1), ==, VP_QMP_LIST_MAX);
}

/* No arguments, and none that are well-formed. */
static void
test_broken(void)
{
    static const char *const texts[] = { "{\"fdname\": ", "", "{", "\"fdname\"", "{\"addr\": {" };
    g_autoptr(GArray) edits = NULL;
    g_autoptr(GPtrArray) names = NULL;
    VpJsonSlice command = { "\"netdev_add\"", 12 };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        vp_qmp_names_find(command, (VpJsonSlice){ texts[i], strlen(texts[i]) }, P, &edits, &names);
    vp_qmp_names_find(command, (VpJsonSlice){ 0 }, P, &edits, &names);
    vp_qmp_names_find((VpJsonSlice){ 0 }, (VpJsonSlice){ "{}", 2 }, P, &edits, &names);
    g_assert_null(edits);
    g_assert_null(names);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp_server/names/places", test_places);
    g_test_add_func("/qmp_server/names/depth", test_depth);
    g_test_add_func("/qmp_server/names/list", test_list);
    g_test_add_func("/qmp_server/names/broken", test_broken);
    return g_test_run();
}
