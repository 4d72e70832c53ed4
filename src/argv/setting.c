/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * -set GROUP.ID.KEY=VALUE: one more key=value for an option that stands before it on the command
 * line. QEMU looks for it among those in key=value form only. What is JSON it does not find, and
 * ends: devices since libvirt 7.1 or so, network back ends with QEMU 7.2 or newer. For these two
 * groups a setting is carried out by us: in the author's own words when the domain is defined
 * (compile.c), else as the alteration of libvirt's option that it is. All other groups of which
 * libvirt gives instances ids (chardev, mon, tpmdev, fsdev, drive, iscsi) are key=value still, with
 * QEMU 7.2 as with 10.0, and -set does there what it always did. "object" and "machine" have lost
 * theirs in QEMU itself, which says so.
 */

#include "argv/setting.h"

#include <string.h>

/* What QEMU has room for in each of the three names. */
#define SET_NAME_MAX 63

static const char *const json_groups[] = { "device", "netdev", NULL };

void
vp_setting_clear(VpSetting *setting)
{
    g_clear_pointer(&setting->group, g_free);
    g_clear_pointer(&setting->id, g_free);
    g_clear_pointer(&setting->key, g_free);
    g_clear_pointer(&setting->value, g_free);
}

/* What is before @end, behind which *at is set. NULL: it is empty or too long, or there is no @end.
 */
static char *
take_name(const char **at, char end)
{
    const char *start = *at, *stop = strchr(start, end);

    if (!stop || stop == start || stop - start > SET_NAME_MAX)
        return NULL;
    *at = stop + 1;
    return g_strndup(start, stop - start);
}

bool
vp_setting_read(VpSetting *ret_setting, const char *text)
{
    g_auto(VpSetting) setting = { 0 };
    const char *at = text;

    setting.group = take_name(&at, '.');
    setting.id = setting.group ? take_name(&at, '.') : NULL;
    setting.key = setting.id ? take_name(&at, '=') : NULL;
    if (!setting.key)
        return false;
    setting.value = g_strdup(at);
    *ret_setting = setting;
    setting = (VpSetting){ 0 };
    return true;
}

bool
vp_setting_needs_help(const VpSetting *setting)
{
    return g_strv_contains(json_groups, setting->group);
}

bool
vp_setting_add_alter(const VpSetting *setting, guint line, VpPlan *plan)
{
    g_autofree char *id = g_regex_escape_string(setting->id, -1);
    g_auto(GStrv) parts = g_strsplit(setting->value, ",", -1);
    g_autofree char *value = g_strjoinv(",,", parts);
    VpAlter *alter = NULL;
    VpAction *action = NULL;

    if (strchr(setting->key, ','))
        return false;
    alter = vp_plan_add_alter(plan, line);
    alter->number = 0;
    alter->option = g_strdup(setting->group);
    action = vp_alter_add(alter, VP_ACTION_MATCH);
    action->key = g_strdup("id");
    action->regex = g_strdup_printf("^%s$", id);
    action = vp_alter_add(alter, VP_ACTION_MODIFY);
    action->text = g_strdup_printf("%s=%s", setting->key, value);
    return true;
}
