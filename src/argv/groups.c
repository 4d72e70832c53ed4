/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The groups of QEMU's configuration file: what QEMU does with each, found out with QEMU 7.2 and
 * 10.0. Not every QEMU has each: "run-with" came with 8.1, and "spice" comes with a module. QEMU
 * says so where one is missing.
 *
 * QEMU refuses a group that it does not have. Some it reads without an effect, because what they
 * stand for happens while their option is read from the command line; these are refused here, for
 * nothing that an author wrote may be lost in silence.
 *
 * libvirt writes options of these groups as well. Most groups QEMU merges with them, and the file
 * decides, for it is read last: action, boot-opts, machine, memory, name, rtc, smp-opts, spice. Of
 * others it takes several, with ids or without. But it starts with the first accelerator that there
 * is, and a second -sandbox can only forbid what the first has left. libvirt writes these two for
 * every domain, so that their groups are refused, and the alteration named that has the effect.
 * It has it too where qemu.conf has libvirt write -sandbox off, beside which the group would do.
 * tests/daemon/groups.py tries each group for its effect in a guest.
 */

#include "argv/groups.h"

#include "argv/options.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* In the order of strcmp(). */
static const struct {
    const char *name;
    VpGroupWay way;
    const char *option; /* refused groups: the option that does it; NULL: of the same name */
} groups[] = {
    { "accel", VP_GROUP_WRITTEN, NULL },
    { "acpi", VP_GROUP_IGNORED, "acpitable" },
    { "action", VP_GROUP_CONFIG, NULL },
    { "add-fd", VP_GROUP_CONFIG, NULL },
    { "boot", VP_GROUP_LACKING, "boot" },
    { "boot-opts", VP_GROUP_CONFIG, NULL },
    { "chardev", VP_GROUP_CONFIG, NULL },
    { "cpudef", VP_GROUP_CPUDEF, NULL },
    { "device", VP_GROUP_DEVICE, NULL },
    { "drive", VP_GROUP_CONFIG, NULL },
    { "fsdev", VP_GROUP_CONFIG, NULL },
    { "fw_cfg", VP_GROUP_CONFIG, NULL },
    { "global", VP_GROUP_CONFIG, NULL },
    { "icount", VP_GROUP_CONFIG, NULL },
    { "iscsi", VP_GROUP_CONFIG, NULL },
    { "machine", VP_GROUP_CONFIG, NULL },
    { "memory", VP_GROUP_CONFIG, NULL },
    { "mon", VP_GROUP_CONFIG, NULL },
    { "msg", VP_GROUP_IGNORED, NULL },
    { "name", VP_GROUP_CONFIG, NULL },
    { "net", VP_GROUP_CONFIG, NULL },
    { "netdev", VP_GROUP_CONFIG, NULL },
    { "nic", VP_GROUP_CONFIG, NULL },
    { "numa", VP_GROUP_CONFIG, NULL },
    { "object", VP_GROUP_CONFIG, NULL },
    { "option-rom", VP_GROUP_IGNORED, NULL },
    { "overcommit", VP_GROUP_IGNORED, NULL },
    { "plugin", VP_GROUP_IGNORED, NULL },
    { "rtc", VP_GROUP_CONFIG, NULL },
    { "run-with", VP_GROUP_IGNORED, NULL },
    { "sandbox", VP_GROUP_WRITTEN, NULL },
    { "smbios", VP_GROUP_IGNORED, NULL },
    { "smp-opts", VP_GROUP_CONFIG, NULL },
    { "spice", VP_GROUP_CONFIG, NULL },
    { "tpmdev", VP_GROUP_CONFIG, NULL },
    { "trace", VP_GROUP_IGNORED, NULL },
    { "virtfs", VP_GROUP_IGNORED, NULL },
    { "vnc", VP_GROUP_CONFIG, NULL },
};

static int
compare_names(const void *name, const void *row)
{
    return strcmp(name, *(const char *const *)row);
}

static gssize
find(const char *name)
{
    const void *row = bsearch(name, groups, G_N_ELEMENTS(groups), sizeof(groups[0]),
                              compare_names);

    return row ? ((const char *)row - (const char *)groups) / (gssize)sizeof(groups[0]) : -1;
}

VpGroupWay
vp_group_way(const char *name)
{
    gssize i = find(name);

    return i >= 0 ? groups[i].way : VP_GROUP_LACKING;
}

/* The group that the option of this name fills, when it is called otherwise. */
static const char *
group_of_option(const char *name)
{
    const VpOptionRow *row = vp_option_find(name);

    return row && row->group && vp_group_way(row->group) < VP_GROUP_IGNORED ? row->group : NULL;
}

/* The keys as <qemu:modify> has them. */
static char *
text_to_modify(const VpGroup *group)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < group->keys->len; i++) {
        g_auto(GStrv) parts = g_strsplit(group->values->pdata[i], ",", -1);
        g_autofree char *value = g_strjoinv(",,", parts);

        g_string_append_printf(text, "%s%s=%s", i > 0 ? "," : "",
                               (const char *)group->keys->pdata[i], value);
    }
    return g_markup_escape_text(text->len > 0 ? text->str : "KEY=VALUE", -1);
}

static void
refuse_written(const VpGroup *group, GError **error)
{
    g_autofree char *text = text_to_modify(group);

    g_set_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED,
                "libvirt writes -%s itself, and beside that the group has no effect; use "
                "<qemu:alter option='%s'><qemu:modify>%s</qemu:modify></qemu:alter> instead",
                group->name, group->name, text);
}

void
vp_group_refuse(const VpGroup *refused, VpGroupWay way, GError **error)
{
    const char *name = refused->name;
    gssize i = find(name);
    const char *option = i >= 0 && groups[i].option ? groups[i].option : name;
    const char *group = group_of_option(name);

    if (way == VP_GROUP_WRITTEN)
        refuse_written(refused, error);
    else if (way == VP_GROUP_IGNORED)
        g_set_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED,
                    "QEMU reads the group '%s' of a configuration file without acting on it; use "
                    "<qemu:arg> with -%s instead", name, option);
    else if (group)
        g_set_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED,
                    "QEMU's configuration file has no group '%s'; there it is called '%s'", name,
                    group);
    else if (vp_option_find(option))
        g_set_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED,
                    "QEMU's configuration file has no group '%s'; use <qemu:arg> with -%s instead",
                    name, option);
    else
        g_set_error(error, VP_ERROR, VP_ERROR_UNSUPPORTED,
                    "QEMU's configuration file has no group '%s'", name);
}
