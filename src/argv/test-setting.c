/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Words of -set: what QEMU reads in them, and the alterations that they become. */

#include "argv/setting.h"

#include <string.h>

#define TEN "0123456789"
#define LONGEST TEN TEN TEN TEN TEN TEN "012" /* as many letters as QEMU has room for */

static void
test_read(void)
{
    static const struct {
        const char *text;
        const char *parts; /* NULL: cannot be read */
    } rows[] = {
        { "device.sound0.debug=1", "device|sound0|debug|1" },
        { "device.e0.a.b=c=d,e", "device|e0|a.b|c=d,e" },
        { "device.e0.a=", "device|e0|a|" },
        { LONGEST "." LONGEST "." LONGEST "=1", LONGEST "|" LONGEST "|" LONGEST "|1" },
        { LONGEST "3.a.b=1", NULL },
        { "a." LONGEST "3.b=1", NULL },
        { "a.b." LONGEST "3=1", NULL },
        { "device.e0=1", NULL },
        { "device..a=1", NULL },
        { ".e0.a=1", NULL },
        { "device.e0.=1", NULL },
        { "device.e0.a", NULL },
        { "device", NULL },
        { "", NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(VpSetting) setting = { 0 };
        g_autofree char *parts = NULL;
        bool good = vp_setting_read(&setting, rows[i].text);

        g_assert_true(good == (rows[i].parts != NULL));
        if (!good)
            continue;
        parts = g_strjoin("|", setting.group, setting.id, setting.key, setting.value, NULL);
        g_assert_cmpstr(parts, ==, rows[i].parts);
    }
}

static void
test_groups(void)
{
    static const struct {
        const char *text;
        bool needs;
    } rows[] = {
        { "device.a.b=c", true },  { "netdev.a.b=c", true },  { "chardev.a.b=c", false },
        { "drive.a.b=c", false },  { "object.a.b=c", false }, { "devices.a.b=c", false },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(VpSetting) setting = { 0 };

        g_assert_true(vp_setting_read(&setting, rows[i].text));
        g_assert_true(vp_setting_needs_help(&setting) == rows[i].needs);
    }
}

static void
test_alter(void)
{
    g_autoptr(VpPlan) plan = vp_plan_new();
    g_auto(VpSetting) setting = { 0 }, odd = { 0 };
    const VpAlter *alter = NULL;
    const VpAction *match = NULL, *modify = NULL;

    g_assert_true(vp_setting_read(&setting, "netdev.a-b.k=x,y"));
    g_assert_true(vp_setting_add_alter(&setting, 7, plan));
    alter = ((VpStep *)plan->steps->pdata[0])->alter;
    g_assert_cmpuint(alter->number, ==, 0);
    g_assert_cmpuint(alter->line, ==, 7);
    g_assert_true(alter->required);
    g_assert_cmpstr(alter->option, ==, "netdev");
    g_assert_cmpuint(alter->actions->len, ==, 2);
    match = alter->actions->pdata[0];
    modify = alter->actions->pdata[1];
    g_assert_cmpint(match->kind, ==, VP_ACTION_MATCH);
    g_assert_cmpstr(match->key, ==, "id");
    g_assert_true(g_regex_match_simple(match->regex, "a-b", 0, 0));
    g_assert_false(g_regex_match_simple(match->regex, "xa-b", 0, 0));
    g_assert_false(g_regex_match_simple(match->regex, "a-bx", 0, 0));
    g_assert_cmpint(modify->kind, ==, VP_ACTION_MODIFY);
    g_assert_cmpstr(modify->text, ==, "k=x,,y");
    /* a key with a comma is none of <modify>'s */
    g_assert_true(vp_setting_read(&odd, "device.a.k,l=x"));
    g_assert_false(vp_setting_add_alter(&odd, 7, plan));
    g_assert_cmpuint(plan->steps->len, ==, 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/setting/read", test_read);
    g_test_add_func("/setting/groups", test_groups);
    g_test_add_func("/setting/alter", test_alter);
    return g_test_run();
}
