/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Groups of the configuration file: the text, and all that it cannot carry. */

#include "argv/config_file.h"

#include "argv/groups.h"
#include "argv/test-plans.h"
#include "base/limits.h"

static char *
fill(char c, gsize n)
{
    return g_strnfill(n, c);
}

static bool
append(GString *out, const char *name, const char *id, const char *key, const char *value,
       GError **error)
{
    g_autoptr(VpPlan) plan = vp_plan_new();
    VpGroup *group = vp_plan_add_group(plan, 3);

    group->name = g_strdup(name);
    group->id = g_strdup(id);
    if (key)
        vp_group_add(group, key, value);
    return vp_config_append_group(out, group, error);
}

static void
check_text(const char *name, const char *id, const char *key, const char *value,
           const char *expected)
{
    g_autoptr(GString) out = g_string_new("before\n");
    g_autoptr(GError) error = NULL;

    append(out, name, id, key, value, &error);
    g_assert_no_error(error);
    g_assert_true(g_str_has_prefix(out->str, "before\n"));
    g_assert_cmpstr(out->str + strlen("before\n"), ==, expected);
}

/* Refused, nothing written, and the next group works. */
static void
check_refused(const char *name, const char *id, const char *key, const char *value,
              const char *message)
{
    g_autoptr(GString) out = g_string_new("before\n");
    g_autoptr(GError) error = NULL;

    g_assert_false(append(out, name, id, key, value, &error));
    g_assert_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED);
    g_assert_true(g_str_has_prefix(error->message, "<qemu:"));
    g_assert_nonnull(strstr(error->message, " in line 3: "));
    if (!strstr(error->message, message))
        g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, message));
    g_assert_cmpstr(out->str, ==, "before\n");
    g_assert_true(append(out, "name", NULL, "guest", "g", NULL));
}

static void
test_text(void)
{
    check_text("name", NULL, "guest", "g", "[name]\n  guest = \"g\"\n");
    check_text("vnc", "v", "vnc", "none", "[vnc \"v\"]\n  vnc = \"none\"\n");
    check_text("name", NULL, "guest", "", "[name]\n  guest = \"\"\n");
    check_text("name", NULL, "guest", "a,b=c # d\\n 'm\xc3\xa1quina'",
               "[name]\n  guest = \"a,b=c # d\\n 'm\xc3\xa1quina'\"\n");
    check_text("object", "o", "host-nodes.0", "1", "[object \"o\"]\n  host-nodes.0 = \"1\"\n");
    check_text("action", NULL, NULL, NULL, "[action]\n");
}

static void
test_values(void)
{
    check_refused("name", NULL, "guest", "a\"b", "double quote");
    check_refused("name", NULL, "guest", "a\n[device]", "line end");
    check_refused("name", NULL, "guest", "a\r", "line end");
    check_refused("name", NULL, "guest", "a\x7f", "line end");
}

static void
test_keys(void)
{
    static const char *const bad[] = {
        "", "a b", "a=b", "a\"", "[a", "a]", "#a", "a\n", "a\t", "m\xc3\xa1",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        check_refused("name", NULL, bad[i], "x", "no keys like");
}

static void
test_ids(void)
{
    static const char *const bad[] = { "", "1a", "a b", "a\"]\n[b", "-a", "a/b", "\xc3\xa1" };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        check_refused("chardev", bad[i], NULL, NULL, "is not a letter followed by");
    check_text("chardev", "aZ9-._", NULL, NULL, "[chardev \"aZ9-._\"]\n");
}

static void
test_lengths(void)
{
    g_autofree char *name = fill('n', VP_CONFIG_NAME_MAX), *longer = fill('n', 64);
    g_autofree char *value = fill('v', VP_CONFIG_LINE_MAX - strlen("  guest = \"\""));
    g_autofree char *longer_value = g_strconcat(value, "v", NULL);
    g_autofree char *with_id = g_strdup_printf("[chardev \"%s\"]\n", name);
    g_autofree char *with_key = g_strdup_printf("[name]\n  %s = \"x\"\n", name);
    g_autofree char *with_value = g_strdup_printf("[name]\n  guest = \"%s\"\n", value);

    check_text("chardev", name, NULL, NULL, with_id);
    check_refused("chardev", longer, NULL, NULL, "has 64 bytes");
    check_text("name", NULL, name, "x", with_key);
    check_refused("name", NULL, longer, "x", "has 64 bytes");
    check_text("name", NULL, "guest", value, with_value);
    check_refused("name", NULL, "guest", longer_value, "has 1024 bytes");
}

static void
test_groups(void)
{
    check_refused("smbios", NULL, "type", "1", "use <qemu:arg> with -smbios");
    check_refused("acpi", NULL, "data", "1", "use <qemu:arg> with -acpitable");
    check_refused("run-with", NULL, "user", "u", "use <qemu:arg> with -run-with");
    check_refused("cpu", NULL, "a", "b", "use <qemu:arg> with -cpu");
    check_refused("smp", NULL, "a", "b", "there it is called 'smp-opts'");
    check_refused("m", NULL, "a", "b", "there it is called 'memory'");
    check_refused("boot", NULL, "a", "b", "there it is called 'boot-opts'");
    check_refused("blockdev", NULL, "a", "b", "use <qemu:arg> with -blockdev");
    check_refused("name\"]", NULL, "a", "b", "has no group");
    check_refused("vnc", NULL, "vnc", "none", "needs an id");
    check_refused("accel", NULL, "tb-size", "64", "use <qemu:alter option='accel'><qemu:modify>"
                  "tb-size=64</qemu:modify></qemu:alter> instead");
    check_refused("sandbox", NULL, "enable", "a,b<", "<qemu:modify>enable=a,,b&lt;</qemu:modify>");
    check_refused("sandbox", NULL, NULL, NULL, "<qemu:modify>KEY=VALUE</qemu:modify>");
    g_assert_cmpint(vp_group_way("device"), ==, VP_GROUP_DEVICE);
    g_assert_cmpint(vp_group_way("cpudef"), ==, VP_GROUP_CPUDEF);
}

static void
test_repeated_key(void)
{
    g_autoptr(VpPlan) plan = vp_plan_new();
    VpGroup *group = vp_plan_add_group(plan, 0);
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    group->name = g_strdup("netdev");
    vp_group_add(group, "hostfwd", "a");
    vp_group_add(group, "type", "user");
    g_assert_true(vp_config_append_group(out, group, NULL));
    vp_group_add(group, "hostfwd", "b");
    g_assert_false(vp_config_append_group(out, group, &error));
    g_assert_cmpstr(error->message, ==, "<qemu:netdev>: 'hostfwd' is there twice, but QEMU's "
                    "configuration file keeps only one of them");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/config/text", test_text);
    g_test_add_func("/config/values", test_values);
    g_test_add_func("/config/keys", test_keys);
    g_test_add_func("/config/ids", test_ids);
    g_test_add_func("/config/lengths", test_lengths);
    g_test_add_func("/config/groups", test_groups);
    g_test_add_func("/config/repeated key", test_repeated_key);
    return g_test_run();
}
